"""The reflector: two UDP ports that tell a client from where its datagrams arrive (STUN, RFC 8489).

Two ports, so that a client sees whether its NAT maps by destination. It answers only plain Binding requests, one
datagram for one, never longer than the request, and only so many to one source: it is no amplifier. Started by
`service.py`; the format is `protocol/stun.py`.
"""

import asyncio
import socket
from collections.abc import Callable
from typing import Any, cast

from app.protocol.stun import reflect
from app.protocol.wire import Endpoint
from app.server.limits import Rate, TokenBuckets, source_of
from app.server.metrics import Counters
from app.server.sockets import bound_socket

MAX_REQUEST = 548
"""Bytes of a Binding request that we look at: RFC 8489 section 6.1 keeps STUN below 548 over IPv4."""


Address = tuple[Any, ...]
"""A socket's address."""
Send = Callable[[bytes, Address], None]
"""Sends a datagram from one port."""


class Reflections:
    """Answers to Binding requests, only so many to one source; for all ports together."""

    def __init__(self, answers_per_second: int, counters: Counters) -> None:
        self._buckets = TokenBuckets(Rate(answers_per_second, answers_per_second), capacity=50_000)
        self._counters = counters
        self._ports: dict[str, list[Send]] = {}

    def add_port(self, host: str, send: Send) -> None:
        """One more port on a local address."""
        self._ports.setdefault(host, []).append(send)

    def take(self, datagram: bytes, asker: Address, host: str, send: Send, now: float) -> None:
        """Answer a datagram that came to the port of `send`, from there or, if asked, from the other port; or count it.

        The answer goes to the asker alone, and is never longer than what it answers.
        """
        if len(datagram) > MAX_REQUEST:
            self._counters.add("reflector_dropped_size")
            return
        asked_from = _plain_host(str(asker[0]))
        if not self._buckets.take(source_of(asked_from), now):
            self._counters.add("reflector_dropped_rate")
            return
        other = next((each for each in self._ports.get(host, ()) if each != send), None)
        reflection = reflect(datagram, Endpoint(asked_from, int(asker[1])), has_other_port=other is not None)
        if reflection is None:
            self._counters.add("reflector_dropped_malformed")
        elif len(reflection.answer) > len(datagram):
            self._counters.add("reflector_dropped_short")
        else:
            self._counters.add("reflector_answered")
            (other if reflection.from_other_port and other is not None else send)(reflection.answer, asker)

    def unreachable(self) -> None:
        """An ICMP error for an earlier answer: the client is gone, nothing to do but count."""
        self._counters.add("reflector_unreachable")


class ReflectorPort(asyncio.DatagramProtocol):
    """One UDP port on one local address."""

    def __init__(self, host: str, reflections: Reflections) -> None:
        self._host = host
        self._reflections = reflections
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The socket is open."""
        self._transport = cast(asyncio.DatagramTransport, transport)
        self._reflections.add_port(self._host, self.send)

    def send(self, answer: bytes, asker: Address) -> None:
        """Send from this port."""
        if self._transport is not None:
            self._transport.sendto(answer, asker)

    def datagram_received(self, data: bytes, addr: Address) -> None:
        """Answer one request, or drop it."""
        self._reflections.take(data, addr, self._host, self.send, asyncio.get_running_loop().time())

    def error_received(self, exc: Exception) -> None:
        """A client is gone."""
        self._reflections.unreachable()


class Reflector:
    """The reflector's ports, but for the one that the relay has as well."""

    def __init__(self, reflections: Reflections) -> None:
        self._reflections = reflections
        self._transports: list[asyncio.DatagramTransport] = []

    async def open(self, host: str, port: int) -> int:
        """Listen on one address and port, 0 for any; returns the port. Raises OSError."""
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(
            lambda: ReflectorPort(host, self._reflections), sock=bound_socket(host, port, socket.SOCK_DGRAM)
        )
        self._transports.append(transport)
        return int(transport.get_extra_info("sockname")[1])

    def stop(self) -> None:
        """Close all ports; idempotent."""
        for transport in self._transports:
            transport.close()
        self._transports.clear()


def _plain_host(host: str) -> str:
    """The host without an IPv6 zone, which means nothing to anybody else."""
    return host.partition("%")[0]
