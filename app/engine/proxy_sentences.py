"""What is said about HTTP proxies, keyed by code. Part of the table of engine/errors.py."""

from typing import Final

from app.engine.sentences import ExitKind, Sentences

_NO_ANSWER, _REFUSED = ExitKind.NO_ANSWER, ExitKind.REFUSED
_SET = "`buri proxy set HOST:PORT`"
_SET_WITH_USER = "`buri proxy set HOST:PORT --user NAME`"

PROXY_SENTENCES: Final = {
    "proxy-unreachable": Sentences(
        "The proxy can't be reached.",
        "{proxy}: {reason}. Without it the server can't be reached either.",
        f"Check the proxy's name and port, and give the right ones with {_SET}.",
        _NO_ANSWER,
    ),
    "proxy-wants-credentials": Sentences(
        "The proxy wants a user name and a password.",
        "{proxy} asks for: {reason}. Buri knows Basic and Digest.",
        f"Give them with {_SET_WITH_USER}.",
        _REFUSED,
    ),
    "proxy-refused-credentials": Sentences(
        "The proxy does not take this user name and password.",
        "{proxy} refused them. They are not shown to it again for ten minutes, so that it does not lock the account.",
        f"Give the right ones with {_SET_WITH_USER}.",
        _REFUSED,
    ),
    "proxy-forbids": Sentences(
        "The proxy does not lead to the server.",
        "{proxy} answered: {reason}.",
        "Ask whoever runs the proxy to allow it, or the server's operator to offer WebSocket on port 443, which most "
        "proxies allow.",
        _REFUSED,
    ),
    "proxy-not-a-proxy": Sentences(
        "What was given as a proxy is none.",
        "{proxy} does not answer as an HTTP proxy: {reason}.",
        f"Check the proxy's name and port, and give the right ones with {_SET}.",
    ),
    "proxy-script": Sentences(
        "The proxy script can't be used.",
        "{place}: {reason}.",
        "Check its address, or give the proxy itself with `buri proxy set HOST:PORT`.",
    ),
    "proxy-not-valid": Sentences(
        "This can't be a proxy.",
        "{reason}.",
        "Give it as HOST:PORT. Proxies for HTTP are supported, those for SOCKS are not.",
        ExitKind.USAGE,
    ),
}
