"""The reflector: two UDP ports that tell a client from where its datagrams arrive (STUN, RFC 8489).

Two ports, so that a client sees whether its NAT maps by destination. It answers only plain Binding requests, one
datagram for one, never much larger than the request, and only so many to one source: it is no amplifier. Started by
`service.py`; the format is `protocol/stun.py`.
"""

import asyncio
import socket
from typing import Any, cast

from app.protocol.stun import reflect
from app.protocol.wire import Endpoint
from app.server.limits import Rate, TokenBuckets, source_of
from app.server.metrics import Counters
from app.server.sockets import bound_socket

MAX_REQUEST = 548
"""Bytes of a Binding request that we look at: RFC 8489 section 6.1 keeps STUN below 548 over IPv4."""


class Reflections:
    """Answers to Binding requests, only so many to one source; for all ports together."""

    def __init__(self, answers_per_second: int, counters: Counters) -> None:
        self._buckets = TokenBuckets(Rate(answers_per_second, answers_per_second), capacity=50_000)
        self._counters = counters

    def answer(self, datagram: bytes, host: str, port: int, now: float) -> bytes | None:
        """The answer to one datagram, or None: it is counted."""
        if len(datagram) > MAX_REQUEST:
            self._counters.add("reflector_dropped_size")
            return None
        if not self._buckets.take(source_of(host), now):
            self._counters.add("reflector_dropped_rate")
            return None
        reflection = reflect(datagram, Endpoint(_plain_host(host), port))
        self._counters.add("reflector_dropped_malformed" if reflection is None else "reflector_answered")
        return None if reflection is None else reflection.answer

    def unreachable(self) -> None:
        """An ICMP error for an earlier answer: the client is gone, nothing to do but count."""
        self._counters.add("reflector_unreachable")


class ReflectorPort(asyncio.DatagramProtocol):
    """One UDP port on one local address."""

    def __init__(self, reflections: Reflections) -> None:
        self._reflections = reflections
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The socket is open."""
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[Any, ...]) -> None:
        """Answer one request, or drop it."""
        answer = self._reflections.answer(data, str(addr[0]), int(addr[1]), asyncio.get_running_loop().time())
        if answer is not None and self._transport is not None:
            self._transport.sendto(answer, addr)

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
            lambda: ReflectorPort(self._reflections), sock=bound_socket(host, port, socket.SOCK_DGRAM)
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
