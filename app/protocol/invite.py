"""Invite links: where a server is, by which key to know it, and which network to join.

    buri://HOST[:PORT]/?fp=SHA256:...[&network=NAME][&secret=...]

HOST is a DNS name (internationalised ones in their ASCII form), an IPv4 address, or an IPv6 address in brackets
(RFC 3986 section 3.2.2); PORT is 12975 if left out. `fp` is the fingerprint of the server's key with `-` and `_` for
`+` and `/`. `network` is percent-encoded UTF-8. `secret` is the network secret, only for a network without a password:
such a link is as secret as a password. Unknown parts are ignored, so that later versions may add some. Used by the
command line, the engine and the user interface; does no I/O.
"""

import re
from dataclasses import dataclass, field
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from typing import Final
from urllib.parse import quote, unquote_to_bytes

from app.protocol.keys import FINGERPRINT_LENGTH, KeyFormatError, format_fingerprint, parse_fingerprint
from app.protocol.names import checked_name
from app.protocol.network_secret import InviteSecretError, secret_from_invite, secret_to_invite
from app.protocol.wire import SERVER_PORT, RemoteProtocolError

MAX_LINK: Final = 1_536
"""Characters in a link: the longest host and name, percent-encoded, fit."""
_LINK = re.compile(
    r"buri://(?P<host>\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9.-]{1,253})(?::(?P<port>[0-9]{1,5}))?/?\?(?P<query>[!-~]*)"
)
_LABEL = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)")


class InviteError(ValueError):
    """The text is no invite link; the message says what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Invite:
    """What a link says."""

    host: str
    """A DNS name in lower case, or an IP address without brackets."""
    port: int
    fingerprint: bytes
    network: str | None = None
    secret: bytes | None = field(default=None, repr=False)
    """The network secret, 32 bytes."""


def parse_invite(text: str) -> Invite:
    """The invite in a link. Raises InviteError for anything that is not exactly one."""
    text = text.strip()
    if len(text) > MAX_LINK:
        raise InviteError("invite: the link is too long")
    match = _LINK.fullmatch(text)
    if match is None:
        raise InviteError("invite: should look like buri://host:port/?fp=SHA256:...&network=...")
    port = SERVER_PORT if match["port"] is None else int(match["port"])
    parts = _query_parts(match["query"])
    if "fp" not in parts:
        raise InviteError("invite: the server's fingerprint (fp=) is missing")
    try:
        invite = Invite(
            host=_host_of_link(match["host"]),
            port=_checked_port(port),
            fingerprint=parse_fingerprint(parts["fp"]),
            network=checked_name(parts["network"]) if "network" in parts else None,
            secret=secret_from_invite(parts["secret"]) if "secret" in parts else None,
        )
    except (KeyFormatError, RemoteProtocolError, InviteSecretError) as error:
        raise InviteError(f"invite: {str(error).removeprefix('invite: ')}") from None
    if invite.secret is not None and invite.network is None:
        raise InviteError("invite: a secret without a network")
    return invite


def format_invite(invite: Invite) -> str:
    """The link. Raises InviteError for what no link can say."""
    if len(invite.fingerprint) != FINGERPRINT_LENGTH:
        raise InviteError("invite: fingerprint has the wrong length")
    host = checked_host(invite.host)
    fingerprint = format_fingerprint(invite.fingerprint).replace("+", "-").replace("/", "_")
    shown = f"[{host}]" if ":" in host else host
    link = f"buri://{shown}:{_checked_port(invite.port)}/?fp={fingerprint}"
    if invite.network is not None:
        link += f"&network={quote(_name(invite.network), safe='')}"
    if invite.secret is not None:
        if invite.network is None:
            raise InviteError("invite: a secret without a network")
        link += f"&secret={secret_to_invite(invite.secret)}"
    return link


def checked_host(text: str) -> str:
    """A host in normal form: a DNS name in lower case or an IP address. Raises InviteError for anything else."""
    try:
        if ":" in text and "%" not in text:
            return str(IPv6Address(text))
        return str(IPv4Address(text))
    except AddressValueError:
        name = text.lower().removesuffix(".")
    labels = name.split(".")
    # A last label of digits alone would be read as an IPv4 address by some resolvers (WHATWG URL, section 3.5).
    if len(name) > 253 or not all(_LABEL.fullmatch(label) for label in labels) or labels[-1].isdigit():
        raise InviteError(f"{text[:64]!r} is no host name or IP address")
    return name


def parse_host_and_port(text: str) -> tuple[str, int]:
    """What a person types for a server: `HOST[:PORT]`, an IPv6 address with a port in brackets. Raises InviteError."""
    host, port = text.strip(), str(SERVER_PORT)
    if host.startswith("["):
        host, _, rest = host[1:].partition("]")
        port = rest.removeprefix(":") or port
    elif host.count(":") == 1:
        host, _, port = host.partition(":")
    if not (port.isascii() and port.isdecimal() and len(port) <= 5):
        raise InviteError(f"{port[:64]!r} is no port")
    return checked_host(host), _checked_port(int(port))


def _host_of_link(text: str) -> str:
    if not text.startswith("["):
        return checked_host(text)
    if ":" not in text:
        raise InviteError(f"{text!r} is no IPv6 address")
    return checked_host(text[1:-1])


def _checked_port(port: int) -> int:
    if not 0 < port <= 65_535:
        raise InviteError("the port must be 1 to 65535")
    return port


def _name(name: str) -> str:
    try:
        return checked_name(name)
    except RemoteProtocolError as error:
        raise InviteError(f"invite: {error}") from None


def _query_parts(query: str) -> dict[str, str]:
    parts: dict[str, str] = {}
    for part in query.split("&"):
        name, equals, value = part.partition("=")
        if name not in ("fp", "network", "secret"):
            continue
        if not equals or name in parts:
            raise InviteError(f"invite: empty or repeated part {name!r}")
        parts[name] = _unquoted(value)
    return parts


def _unquoted(value: str) -> str:
    """Percent-encoding undone, strictly (RFC 3986 section 2.1; `urllib` would keep broken triplets)."""
    if re.search(r"%(?![0-9A-Fa-f]{2})", value):
        raise InviteError("invite: broken percent-encoding")
    try:
        return unquote_to_bytes(value).decode("utf-8")
    except UnicodeDecodeError:
        raise InviteError("invite: not UTF-8") from None
