"""Invite links: `buri://host:port/?fp=SHA256:...&network=Name&secret=...`.

A link carries what a computer needs to trust a server at first contact, and perhaps a network on it; `secret` only for
a network that is entered by invite alone. All but the fingerprint may be missing: the port is 12975 then. Unknown
fields are ignored, so that later versions may add some.

Written by the engine and by `buri server invite`, read by `buri up --invite` and `buri join`. Pure text, no I/O.
"""

from typing import Final, NamedTuple
from urllib.parse import SplitResult, parse_qsl, quote, urlsplit

from app.protocol.keys import KeyFormatError, format_fingerprint, parse_fingerprint
from app.protocol.messages import checked_name
from app.protocol.network_secret import InviteSecretError, secret_from_invite, secret_to_invite
from app.protocol.wire import SERVER_PORT, RemoteProtocolError

SCHEME: Final = "buri"
MAX_LINK: Final = 2_048
"""Characters in a link."""
_MAX_FIELDS: Final = 16
_MAX_HOST: Final = 253


class InviteFormatError(ValueError):
    """A text is no invite link; says why."""


class Invite(NamedTuple):
    """What an invite link says."""

    host: str
    """A host name or an IP address, without brackets."""
    port: int
    fingerprint: bytes
    """SHA-256 of the server's key, 32 bytes."""
    network: str | None = None
    """A network's name in normal form."""
    secret: bytes | None = None
    """The secret of a network that is entered by invite alone."""

    @property
    def fingerprint_text(self) -> str:
        """The fingerprint as `ssh-keygen -lf` prints it."""
        return format_fingerprint(self.fingerprint)


def format_invite(invite: Invite) -> str:
    """The link that says this; `parse_invite` gives the same back."""
    host = f"[{invite.host}]" if ":" in invite.host else invite.host
    fields = [("fp", format_fingerprint(invite.fingerprint))]
    if invite.network is not None:
        fields.append(("network", invite.network))
    if invite.secret is not None:
        fields.append(("secret", secret_to_invite(invite.secret)))
    query = "&".join(f"{name}={quote(value, safe=':')}" for name, value in fields)
    return f"{SCHEME}://{host}:{invite.port}/?{query}"


def parse_invite(text: str) -> Invite:
    """What a link says. Raises InviteFormatError for anything that is no invite link."""
    text = text.strip()
    if len(text) > MAX_LINK:
        raise InviteFormatError("the link is too long")
    if not text.isprintable() or " " in text:
        raise InviteFormatError("the link has a character that no link has")
    try:
        parts = urlsplit(text)
        host, port = _checked_host(parts), parts.port or SERVER_PORT
        fields = dict(parse_qsl(parts.query, max_num_fields=_MAX_FIELDS, errors="strict"))
    except ValueError as error:  # urllib's, UnicodeDecodeError among them, and ours
        raise InviteFormatError(str(error)) from None
    return Invite(host, port, _fingerprint(fields), *_network(fields))


def _checked_host(parts: SplitResult) -> str:
    if parts.scheme != SCHEME:
        raise InviteFormatError("it does not begin with buri://")
    host = parts.hostname or ""
    if not 1 <= len(host) <= _MAX_HOST or parts.username is not None or any(sign in host for sign in "%\"'<>\\"):
        raise InviteFormatError("it names no server")
    return host


def _fingerprint(fields: dict[str, str]) -> bytes:
    if "fp" not in fields:
        raise InviteFormatError("the server's fingerprint is missing")
    text = fields["fp"].replace(" ", "+")  # an unescaped + of base64 reads as a space
    try:
        return parse_fingerprint(text if text.startswith("SHA256:") else f"SHA256:{text}")
    except KeyFormatError as error:
        raise InviteFormatError(str(error)) from None


def _network(fields: dict[str, str]) -> tuple[str | None, bytes | None]:
    if "network" not in fields:
        return None, None
    try:
        name = checked_name(fields["network"])
        return name, secret_from_invite(fields["secret"]) if "secret" in fields else None
    except (RemoteProtocolError, InviteSecretError) as error:
        raise InviteFormatError(str(error)) from None
