"""What engine and carrier say to each other: one JSON document in each line, orders in and reports out.

Orders may hold a proxy's password: they go over a pipe that nobody else can read, and into no log. Written and read by
`engine/carriers.py` and `process.py`.
"""

from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct

from app.transport.http_connect import ProxyFailure
from app.transport.routes import Route, Target

MAX_LINE: Final = 65_536
"""Bytes of one line."""
MAX_ROUTES: Final = 16

Port = Annotated[int, Meta(ge=1, le=0xFFFF)]
Reason = Annotated[str, Meta(max_length=512)]


class Order(Struct, frozen=True, forbid_unknown_fields=True):
    """Keep a stream to this relay, by one of these routes. A further order takes its place: the network changed."""

    target: Target
    routes: Annotated[tuple[Route, ...], Meta(min_length=1, max_length=MAX_ROUTES)]
    """By preference."""
    pump_port: Port
    """The UDP port on this computer whose datagrams are carried."""

    def leads_like(self, other: "Order") -> bool:
        """Whether a stream of this order serves the other one as well."""
        return (self.target, self.pump_port) == (other.target, other.pump_port)


class Report(Struct, frozen=True, forbid_unknown_fields=True, tag=True):
    """Base of what a carrier tells."""


class Listening(Report, frozen=True):
    """The relay is at this UDP port of 127.0.0.1; told once, first."""

    port: Port


class Connected(Report, frozen=True):
    """The relay answers over this route, named as `str(route)` does: without credentials."""

    route: Annotated[str, Meta(max_length=512)]


class Lost(Report, frozen=True):
    """It does not answer any more."""

    reason: Reason


class Failed(Report, frozen=True):
    """No route led to the relay; it is tried again."""

    reason: Reason
    failure: ProxyFailure | None = None
    """Why a proxy refused, if that is the reason."""


class Counted(Report, frozen=True):
    """All that was counted since the start; drops are named `drop-...`."""

    counters: Annotated[dict[str, int], Meta(max_length=64)]


_encoder = msgspec.json.Encoder()
_orders = msgspec.json.Decoder(Order)
_reports: msgspec.json.Decoder[Listening | Connected | Lost | Failed | Counted] = msgspec.json.Decoder(
    Listening | Connected | Lost | Failed | Counted
)


class WordError(ValueError):
    """A line is none of ours; the text holds nothing of it."""


def line_of(word: Order | Report) -> bytes:
    """The word as a line."""
    return _encoder.encode(word) + b"\n"


def read_order(line: bytes) -> Order:
    """The order in a line. Raises WordError."""
    try:
        return _orders.decode(line)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        raise WordError("not an order for a carrier") from None


def read_report(line: bytes) -> Listening | Connected | Lost | Failed | Counted:
    """The report in a line. Raises WordError."""
    try:
        return _reports.decode(line)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        raise WordError("not a carrier's report") from None
