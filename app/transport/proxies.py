"""Which HTTP proxy leads to a host: as people and programs write it down.

A proxy's address is `http://user:password@host:port`, all but the host may be missing. Proxies that are spoken to under
TLS or by SOCKS are not supported. Used by the engine and by pac.py.
"""

import re
from collections.abc import Iterable, Mapping
from ipaddress import ip_address, ip_network
from urllib.parse import unquote, urlsplit

from app.transport.http_connect import Proxy

MAX_TEXT = 2_048
MAX_EXCEPTIONS = 256
MAX_PROXIES = 4
"""Proxies of one answer of a PAC script that are tried."""
_HOST = re.compile(r"[0-9A-Za-z._-]{1,253}|[0-9A-Fa-f:.]{2,45}")
_VARIABLES = ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")
_EXCEPTION_VARIABLES = ("no_proxy", "NO_PROXY")


def parse_proxy(text: str, usual_port: int = 80) -> Proxy:
    """A proxy as it is written down; `usual_port` if it names none, 0 if it must. Raises ValueError in words."""
    if len(text) > MAX_TEXT:
        raise ValueError("too long")
    try:
        parts = urlsplit(text.strip() if "://" in text else f"http://{text.strip()}")
        port = usual_port if parts.port is None else parts.port
    except ValueError:  # which may say what stands in the place of a password
        raise ValueError("not of the form http://USER:PASSWORD@HOST:PORT, or its port is no number") from None
    if parts.scheme != "http":
        raise ValueError(f"proxies of the kind {parts.scheme[:20]}: are not supported, http: alone")
    if parts.path not in ("", "/") or parts.query or parts.fragment:
        raise ValueError("an address of a proxy ends with its port")
    return checked_proxy(parts.hostname or "", port, unquote(parts.username or ""), unquote(parts.password or ""))


def checked_proxy(host: str, port: int, user: str = "", password: str = "") -> Proxy:
    """A proxy of these parts. Raises ValueError in words."""
    if _HOST.fullmatch(host) is None:
        raise ValueError("that is no host name or address")
    if not 0 < port < 65_536:
        raise ValueError("a port is a number from 1 to 65535")
    if ":" in user or any(ord(each) < 0x20 for each in user + password):
        raise ValueError("a user name or password with signs that can't be sent")
    return Proxy(host, port, user, password)


def checked_script(place: str) -> str:
    """The web address or path of a script. Raises ValueError: it is shown and logged, so it can't hold a password."""
    try:
        place_of_user = urlsplit(place).netloc.rpartition("@")[1]
    except ValueError:
        raise ValueError("that is no address of a script") from None
    if not place or place_of_user:
        raise ValueError("a script needs an address, without a user name")
    return place


def environment_proxy(environment: Mapping[str, str], host: str, port: int) -> Proxy | None:
    """What HTTPS_PROXY or ALL_PROXY say, unless NO_PROXY excepts the host. Raises ValueError."""
    text = next((environment[name] for name in _VARIABLES if environment.get(name)), "")
    exceptions = next((environment[name] for name in _EXCEPTION_VARIABLES if environment.get(name)), "")
    if not text or is_excepted(re.split(r"[\s,]+", exceptions), host, port):
        return None
    return parse_proxy(text)


def is_excepted(exceptions: Iterable[str], host: str, port: int) -> bool:
    """Whether one of these means the host: `*`, a name or its end, an address, a network, `<local>`, each with a port.

    That is what NO_PROXY and the systems' settings have in common.
    """
    return any(_means(each.strip().lower(), host.lower(), port) for each in list(exceptions)[:MAX_EXCEPTIONS])


def _means(exception: str, host: str, port: int) -> bool:
    if exception == "*":
        return True
    if exception == "<local>":
        return "." not in host and ":" not in host
    name, colon, wanted = exception.rpartition(":")
    if colon and wanted.isdigit() and (":" not in name or name.startswith("[")):
        return int(wanted) == port and _means(name, host, port)
    plain = exception.strip("[]")
    try:
        return ip_address(host) in ip_network(plain, strict=False)
    except ValueError:
        end = plain.removeprefix("*").removeprefix(".")
        return bool(end) and (host == end or host.endswith("." + end))


def parse_pac_answer(answer: str) -> list[Proxy]:
    """The proxies that a PAC script names (`PROXY host:port; DIRECT`), best first; what is not one is passed over."""
    found = []
    for item in answer[:MAX_TEXT].split(";"):
        kind, _, place = item.strip().partition(" ")
        if kind.upper() in ("PROXY", "HTTP"):
            try:
                found.append(parse_proxy(place))
            except ValueError:
                continue
    return found[:MAX_PROXIES]
