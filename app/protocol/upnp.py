"""UPnP's Internet Gateway Device as text: its search (SSDP), its description, and the SOAP calls that open a port.

Old home routers speak nothing better. All that comes from the router is a stranger's: XML is read by a bare parser that
refuses document types (and so entities), within limits, and only the few elements that are wanted are looked at; an
address in it counts only if it is the router's own. No I/O; called by engine/router_requests.py.
"""

import random
from ipaddress import IPv4Address
from typing import Final, NamedTuple
from urllib.parse import urlsplit
from xml.parsers import expat
from xml.sax.saxutils import escape

from app.protocol.wire import RemoteProtocolError

SEARCH_PORT: Final = 1900
SEARCH_GROUP: Final = "239.255.255.250"
MAX_SEARCH_ANSWER: Final = 2_048
MAX_DOCUMENT: Final = 65_536
"""Bytes in a description or an answer."""
MAX_HEAD: Final = 8_192
"""Bytes in front of them."""
MAX_ELEMENTS: Final = 2_000
MAX_DEPTH: Final = 24
PORT_TAKEN: Final = (718, 729)
"""Error codes: another computer has this port outside. (WANIPConnection 2.0 section 2.5.16)"""
ONLY_FOR_EVER: Final = 725
"""Error code: this router opens ports for ever only."""

_DEVICES: Final = (
    "urn:schemas-upnp-org:device:InternetGatewayDevice:1",
    "urn:schemas-upnp-org:device:InternetGatewayDevice:2",
)
SERVICES: Final = (
    "urn:schemas-upnp-org:service:WANIPConnection:2",
    "urn:schemas-upnp-org:service:WANIPConnection:1",
    "urn:schemas-upnp-org:service:WANPPPConnection:1",
)
"""The services that open ports, best first."""


class Place(NamedTuple):
    """Something that the router serves over HTTP; it is always at the router's own address."""

    port: int
    path: str


class Control(NamedTuple):
    """Where and as what the service that opens ports takes calls."""

    place: Place
    service: str


class UpnpError(Exception):
    """The router's answer is an error. `code` is UPnP's, 0 if it told none."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f"UPnP: {reason} ({code})" if code else f"UPnP: {reason}")
        self.code = code


def searches(host: str) -> list[bytes]:
    """What to send to the group, or to a router itself, to find its description."""
    return [
        (
            f"M-SEARCH * HTTP/1.1\r\nHOST: {host}:{SEARCH_PORT}\r\n"
            f'MAN: "ssdp:discover"\r\nMX: 1\r\nST: {device}\r\n\r\n'
        ).encode()
        for device in _DEVICES
    ]


def description_place(answer: bytes, router: str) -> Place:
    """Where the description is, by the answer to a search. Raises RemoteProtocolError.

    A router that sends us elsewhere is not followed.
    """
    if len(answer) > MAX_SEARCH_ANSWER:
        raise RemoteProtocolError("upnp: search answer too long")
    first, *headers = answer.decode("latin-1").split("\r\n")
    if not first.startswith("HTTP/1.1 200"):
        raise RemoteProtocolError("upnp: not an answer to a search")
    told = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in headers)}
    if not told.get("st", "").startswith("urn:schemas-upnp-org:device:InternetGatewayDevice:"):
        raise RemoteProtocolError("upnp: not a router")
    return _place(told.get("location", ""), router, 80)


def control_of(description: bytes, place: Place, router: str) -> Control:
    """The service that opens ports, out of the router's description. Raises RemoteProtocolError if there is none."""
    found: dict[str, str] = {}
    base, service = "", ""
    for name, text in _elements(description):
        if name == "URLBase":
            base = text
        elif name == "serviceType":
            service = text
        elif name == "controlURL" and service in SERVICES:
            found.setdefault(service, text)
            service = ""
    for each in SERVICES:
        if each in found:
            there = _place(base, router, 80) if base else place
            return Control(_relative(found[each], there, router), each)
    raise RemoteProtocolError("upnp: opens no ports")


def call(action: str, service: str, **arguments: object) -> tuple[dict[str, str], bytes]:
    """HTTP header fields and body of a SOAP call; `arguments` in the order of the service's definition."""
    inner = "".join(f"<{name}>{escape(str(value))}</{name}>" for name, value in arguments.items())
    body = (
        '<?xml version="1.0"?>\r\n'
        '<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/" '
        's:encodingStyle="http://schemas.xmlsoap.org/soap/encoding/"><s:Body>'
        f'<u:{action} xmlns:u="{service}">{inner}</u:{action}></s:Body></s:Envelope>\r\n'
    ).encode()
    return {"Content-Type": 'text/xml; charset="utf-8"', "SOAPAction": f'"{service}#{action}"'}, body


def request(verb: str, place: Place, router: str, headers: dict[str, str], body: bytes = b"") -> bytes:
    """An HTTP request; the answer ends with the connection."""
    lines = [f"{verb} {place.path} HTTP/1.1", f"Host: {router}:{place.port}", "Connection: close"]
    lines += [f"Content-Length: {len(body)}"] * bool(body)
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def body_of(answer: bytes) -> bytes:
    """The body of a whole HTTP answer. Raises UpnpError for an error, RemoteProtocolError if it is none."""
    head, separator, body = answer.partition(b"\r\n\r\n")
    words = head.split(b"\r\n", 1)[0].split(b" ", 2)
    if not separator or len(head) > MAX_HEAD or not words[0].startswith(b"HTTP/1.") or len(words) < 2:
        raise RemoteProtocolError("upnp: not an HTTP answer")
    if b"transfer-encoding: chunked" in head.lower():
        body = _unchunked(body)
    if len(body) > MAX_DOCUMENT:
        raise RemoteProtocolError("upnp: document too long")
    if words[1] != b"200":
        raise _error_in(body, words[1])
    return body


def outer_address(body: bytes) -> str:
    """The router's address outside, out of the answer to GetExternalIPAddress. Raises RemoteProtocolError."""
    for name, text in _elements(body):
        if name == "NewExternalIPAddress":
            try:
                return str(IPv4Address(text))
            except ValueError:
                break
    raise RemoteProtocolError("upnp: no address outside")


def other_port(chance: random.Random) -> int:
    """A port to try when the wanted one is taken."""
    return chance.randint(20_000, 60_000)


def _error_in(body: bytes, status: bytes) -> UpnpError:
    code, reason = 0, f"HTTP {status[:3].decode('latin-1')}"
    try:
        for name, text in _elements(body):
            if name == "errorCode" and text.isascii() and text.isdigit() and len(text) <= 4:
                code = int(text)
            elif name == "errorDescription":
                reason = "".join(each for each in text[:80] if each.isprintable())
    except RemoteProtocolError:
        pass  # the status says enough
    return UpnpError(code, reason)


def _unchunked(body: bytes) -> bytes:
    whole = bytearray()
    while len(whole) <= MAX_DOCUMENT:
        size, separator, rest = body.partition(b"\r\n")
        digits = size.split(b";", 1)[0].strip()
        if not separator or not 1 <= len(digits) <= 6 or digits.strip(b"0123456789abcdefABCDEF"):
            break
        length = int(digits, 16)
        if length == 0:
            return bytes(whole)
        if len(rest) < length + 2:
            break
        whole += rest[:length]
        body = rest[length + 2 :]
    raise RemoteProtocolError("upnp: wrong chunk")


def _place(url: str, router: str, port: int) -> Place:
    """Raises RemoteProtocolError unless it is an HTTP place at the router's own address."""
    try:
        parts = urlsplit(url)
        told = parts.port or port
    except ValueError:
        raise RemoteProtocolError("upnp: not a place") from None
    if parts.scheme != "http" or parts.hostname != router:
        raise RemoteProtocolError("upnp: a place that is not on the router")
    return Place(told, _path(parts.path + (f"?{parts.query}" if parts.query else "")))


def _relative(url: str, base: Place, router: str) -> Place:
    if "://" in url:
        return _place(url, router, base.port)
    folder = base.path.partition("?")[0].rpartition("/")[0]
    return Place(base.port, _path(url if url.startswith("/") else f"{folder}/{url}"))


def _path(path: str) -> str:
    path = path or "/"
    if len(path) > 512 or not all("!" <= each <= "~" for each in path) or not path.startswith("/"):
        raise RemoteProtocolError("upnp: not a path")
    return path


def _elements(document: bytes) -> list[tuple[str, str]]:
    """Names and texts of all elements without children, in order. Raises RemoteProtocolError."""
    reader = _Reader()
    try:
        reader.parser.Parse(document[: MAX_DOCUMENT + 1], True)
    except (expat.ExpatError, ValueError, LookupError):
        raise RemoteProtocolError("upnp: not well-formed XML") from None
    return reader.elements


class _Reader:
    """A bare XML reader: no document types, no entities, no deep nesting."""

    def __init__(self) -> None:
        self.elements: list[tuple[str, str]] = []
        self._depth = 0
        self._text: list[str] | None = None
        self.parser = expat.ParserCreate(namespace_separator=" ")
        self.parser.StartDoctypeDeclHandler = self._refuse
        self.parser.StartElementHandler = self._begin
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._add

    def _refuse(self, *_: object) -> None:
        raise RemoteProtocolError("upnp: a document type is not allowed")

    def _begin(self, *_: object) -> None:
        self._depth += 1
        if self._depth > MAX_DEPTH or len(self.elements) >= MAX_ELEMENTS:
            raise RemoteProtocolError("upnp: document too complex")
        self._text = []

    def _add(self, text: str) -> None:
        if self._text is not None:
            self._text.append(text)

    def _end(self, name: str) -> None:
        self._depth -= 1
        if self._text is not None:
            self.elements.append((name.rpartition(" ")[2], "".join(self._text).strip()))
        self._text = None
