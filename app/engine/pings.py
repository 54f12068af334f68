"""Pings that a person asks for: probes inside the tunnel, timed here.

A probe is answered by the peer's engine over the path it came by. Owned by engine/engine.py, which hands in every
probe reply; replies to nobody's ping are the path monitors' business.
"""

import asyncio
import secrets
from collections.abc import AsyncGenerator, Callable

from app.engine.errors import EngineError
from app.engine.state import PathKind, RoundTrip
from app.protocol.tunnel_message import MAX_PADDING, ProbeReply, ProbeRequest, encode
from app.protocol.wire import Address

Place = tuple[PathKind | None, str]


class Pings:
    """All pings under way."""

    def __init__(self, send: Callable[[Address, bytes], None], place: Callable[[Address], Place]) -> None:
        """`send` seals a message to a peer and raises EngineError if there is no tunnel; `place` tells its path."""
        self._send = send
        self._place = place
        self._waiting: dict[tuple[Address, int], asyncio.Future[float]] = {}

    def receive(self, peer: Address, reply: ProbeReply, now: float) -> bool:
        """Take a probe reply; False if no ping waits for it."""
        waiting = self._waiting.get((peer, reply.token))
        if waiting is None:
            return False
        if not waiting.done():
            waiting.set_result(now)
        return True

    async def ping(
        self, peer: Address, count: int, interval: float, size: int, patience: float
    ) -> AsyncGenerator[RoundTrip, None]:
        """One RoundTrip for each ping, `count` of them or without end for 0. Raises EngineError if there is no tunnel.

        A tunnel that is lost on the way shows as pings without an answer.
        """
        loop = asyncio.get_running_loop()
        sequence = 0
        while count == 0 or sequence < count:
            sequence += 1
            started = loop.time()
            yield await self._once(peer, sequence, min(size, MAX_PADDING), patience)
            if sequence != count:
                await asyncio.sleep(max(0.0, started + interval - loop.time()))

    async def _once(self, peer: Address, sequence: int, size: int, patience: float) -> RoundTrip:
        loop = asyncio.get_running_loop()
        token = secrets.randbits(63)
        answer: asyncio.Future[float] = loop.create_future()
        self._waiting[peer, token] = answer
        started = loop.time()
        try:
            self._send(peer, encode(ProbeRequest(token, bytes(size))))
            async with asyncio.timeout(patience):
                seconds = await answer - started
        except TimeoutError:
            return RoundTrip(sequence, size, None)
        except EngineError:
            if sequence == 1:
                raise
            await asyncio.sleep(patience)
            return RoundTrip(sequence, size, None)
        finally:
            del self._waiting[peer, token]
        return RoundTrip(sequence, size, seconds, *self._place(peer))
