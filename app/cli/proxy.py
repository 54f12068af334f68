"""`buri proxy`: show, choose and try the HTTP proxy. Talks to the running engine."""

from argparse import Namespace

from app.cli.client import EngineClient
from app.cli.outcome import CommandError, ExitCode, show
from app.cli.passwords import password_from
from app.cli.render import printable
from app.engine.proxy_choice import ProxyChoice, ProxyMode
from app.ipc import control
from app.transport.proxies import parse_proxy

_NEEDS_PLACE = {"set": "the proxy as HOST:PORT", "script": "the script's web address or path"}


def run(arguments: Namespace) -> int:
    """Carry out one of show, set, system, none, script, test."""
    wish, place = arguments.wish, arguments.place
    if (wish in _NEEDS_PLACE) != (place is not None):
        needed = _NEEDS_PLACE.get(wish)
        reason = f"`buri proxy {wish}` needs {needed}." if needed else f"`buri proxy {wish}` takes nothing more."
        raise CommandError(ExitCode.USAGE, "proxy-usage", "That is not complete.", reason, "See `buri proxy --help`.")
    with EngineClient() as engine:
        if wish == "test":
            route = engine.value(control.TryProxy(), str)
            show(f"The server is reached: {printable(route)}", {"route": route}, as_json=arguments.json)
            return ExitCode.OK
        if wish != "show":
            engine.do(_request(wish, place, arguments.user, engine.value(control.ReadProxy(), ProxyChoice)))
        choice = engine.value(control.ReadProxy(), ProxyChoice)
    show(_text(choice), choice, as_json=arguments.json)
    return ExitCode.OK


def _request(wish: str, place: str | None, user: str | None, before: ProxyChoice) -> control.SetProxy:
    """What is not named stays as it was, for when it is chosen again."""
    password = password_from("-") if user else None
    if wish == "set" and place is not None:
        try:
            proxy = parse_proxy(place, usual_port=0)
        except ValueError as error:
            raise CommandError(
                ExitCode.USAGE, "proxy-not-valid", "This can't be a proxy.", f"{error}.", "Give it as HOST:PORT."
            ) from None
        if proxy.password:
            raise CommandError(
                ExitCode.USAGE,
                "proxy-password-shown",
                "The password would show in the process list.",
                "",
                "Give --user NAME instead: the password is asked for, or read from standard input.",
            )
        user = user or proxy.user
        return control.SetProxy(ProxyMode.BY_HAND, proxy.host, proxy.port, user or "", before.pac, password)
    mode = {"system": ProxyMode.SYSTEM, "none": ProxyMode.NONE, "script": ProxyMode.PAC}[wish]
    host, port, kept = ("", 0, user) if user else (before.host, before.port, before.user)
    return control.SetProxy(mode, host, port, kept, place or before.pac, password)


def _text(choice: ProxyChoice) -> str:
    user = f", as {choice.user}" if choice.user else ""
    match choice.mode:
        case ProxyMode.NONE:
            said = "No proxy is used."
        case ProxyMode.SYSTEM:
            said = "The proxy of the environment (HTTPS_PROXY) or of the system's settings is used, if there is one."
        case ProxyMode.BY_HAND:
            said = f"The proxy {choice.host}:{choice.port} is used{user}."
        case ProxyMode.PAC:
            said = f"The script {choice.pac} says which proxy is used."
    return printable(said)
