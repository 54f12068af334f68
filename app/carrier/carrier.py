"""Keeps a stream to one relay, and carries trains between it and the pump.

Nothing waits for long: what the stream does not take is dropped, for the tunnels' senders to notice
(`protocol/train_queue.py`), and so is everything while there is no stream. What comes from the relay goes to the pump
only if a relay may say it. Made by process.py; the race between routes is `app/transport`.
"""

import asyncio
import logging
import random
import secrets
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from contextlib import suppress
from typing import Any, Final, Never

from app.base.backoff import Backoff
from app.base.streams import reason_of
from app.base.tasks import Tasks
from app.carrier.loopback import Loopback
from app.carrier.watch import PATIENCE, Verdict, Watch
from app.carrier.words import Connected, Counted, Failed, Listening, Lost, Order, Report
from app.protocol.relay import STREAM_MAGIC, RelayPing, RelayPong, decode, encode
from app.protocol.relay_stream import Train, TrainReader, belongs_on_stream, frame_header
from app.protocol.train_queue import TrainQueue
from app.protocol.wire import DatagramType, RemoteProtocolError
from app.transport.http_connect import ProxyError
from app.transport.race import RoutesFailedError, race
from app.transport.routes import Dialler
from app.transport.stream import Stream
from app.transport.train_writer import TrainWriter

logger = logging.getLogger(__name__)

BACKOFF: Final = Backoff(first=0.25, limit=30.0, factor=1.15)
"""Grows slowly: a server that restarts is back within seconds, and whoever sends through the stream waits for it."""
STEADY: Final = 5.0
"""Seconds after which a stream that is lost was a good one: the next is tried at once."""
TRAINS_IN_A_TURN: Final = 32
"""Taken from the pump before others have their turn."""
READ_SIZE: Final = 262_144
RACE: Final = 10.0
"""Seconds for all routes together."""
MAX_REASON: Final = 200


class Carrier:
    """One relay's stream, and the socket that the pump takes for the relay. Runs in one loop, until `close`."""

    def __init__(self, report: Callable[[Report], None]) -> None:
        """Raises OSError if there is no socket to be had."""
        self._report = report
        self._counters = Counter[str]()
        self._counted: dict[str, int] = {}
        """What was reported last."""
        self._loopback = Loopback(self._counters)
        self._dialler = Dialler()
        self._tasks = Tasks()
        self._order: Order | None = None
        self._keeping: asyncio.Task[None] | None = None
        self._queue = TrainQueue()
        self._writer: TrainWriter | None = None
        self._watch: Watch | None = None
        """These two are of the stream, while there is one."""
        self._planned = 0.0
        """When the watch is looked at next."""
        self._stirred = asyncio.Event()
        """It is to be looked at earlier."""

    def start(self) -> None:
        """Say where we listen, and throw away what comes until there is an order."""
        asyncio.get_running_loop().add_reader(self._loopback, self._from_pump)
        self._report(Listening(self._loopback.port))

    def obey(self, order: Order) -> None:
        """Keep a stream as ordered. One to the same relay stays while it works; the new routes are for the next."""
        before, self._order = self._order, order
        if self._watch is not None and before is not None and before.leads_like(order):
            self._watch.doubt(asyncio.get_running_loop().time())
            self._stirred.set()
            return
        if self._keeping is not None:
            self._keeping.cancel()
        self._loopback.connect(order.pump_port)
        self._keeping = self._tasks.start("stream", self._keep())

    async def close(self) -> None:
        """End everything."""
        asyncio.get_running_loop().remove_reader(self._loopback)
        await self._tasks.close()
        self._loopback.close()

    # --- the stream

    async def _keep(self) -> None:
        attempt = 0
        while (order := self._order) is not None:
            attempt = 0 if await self._try_once(order) else attempt
            await asyncio.sleep(BACKOFF.delay(attempt, random.random()))
            attempt += 1

    async def _try_once(self, order: Order) -> bool:
        """A boundary: whatever one stream runs into, the next one is tried. True if it was a good one."""
        try:
            return await self._one_stream(order)
        except RoutesFailedError as error:
            self._report(_failed(error))
        except Exception:
            logger.exception("the stream failed")
            self._report(Lost("the carrier failed"))
        return False

    async def _one_stream(self, order: Order) -> bool:
        clock = asyncio.get_running_loop().time
        winner = await race(self._dialler, order.target, order.routes, greet, RACE)
        self._report(Connected(str(winner.route)))
        began = clock()
        reason = await self._carry(winner.stream, winner.greeting)
        self._report(Lost(reason[:MAX_REASON]))
        return clock() - began > STEADY

    async def _carry(self, stream: Stream, trains: TrainReader) -> str:
        """From the first answer to the end; gives the reason of the end."""
        self._watch = watch = Watch(asyncio.get_running_loop().time())
        self._writer = writer = TrainWriter(stream, self._queue)
        work = (self._read(stream, trains, watch, writer), writer.run(), self._guard(watch, writer))
        running = [self._tasks.start("stream", _end_of(each)) for each in work]
        try:
            ended, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
            return ended.pop().result()
        finally:
            for each in running:
                each.cancel()
            self._watch = self._writer = None
            self._queue.clear()
            stream.abort()

    async def _read(self, stream: Stream, trains: TrainReader, watch: Watch, writer: TrainWriter) -> Never:
        clock = asyncio.get_running_loop().time
        while data := await stream.read(READ_SIZE):
            watch.received(clock())
            for train, slot in trains.feed(data):
                self._loopback.send(train, slot)
            writer.heard(trains, clock())
        raise ConnectionError("the relay ended the stream")

    async def _guard(self, watch: Watch, writer: TrainWriter) -> Never:
        """Ask the relay when it is silent. Raises ConnectionError if it stays so."""
        clock = asyncio.get_running_loop().time
        while True:
            self._stirred.clear()
            self._planned = watch.deadline()
            with suppress(TimeoutError):
                async with asyncio.timeout_at(self._planned):
                    await self._stirred.wait()
            self._tell_counters()
            match watch.decide(clock()):
                case Verdict.ASK:
                    ping = encode(RelayPing(secrets.token_bytes(8)))
                    writer.put(ping, len(ping), clock())
                case Verdict.DEAD:
                    raise ConnectionError("the relay does not answer")
                case Verdict.NOTHING:
                    pass

    # --- the pump

    def _from_pump(self) -> None:
        now = asyncio.get_running_loop().time()
        for _ in range(TRAINS_IN_A_TURN):
            received = self._loopback.receive()
            if received is None:
                break
            train, slot = received
            if self._writer is None:
                self._counters["drop-no-stream"] += 1
            elif belongs_on_stream(train, slot):
                self._writer.put(train, slot, now)
            else:
                self._put_singly(self._writer, train, slot, now)
        if self._watch is not None:
            self._watch.sent(now)
            if self._watch.deadline() < self._planned:
                self._stirred.set()

    def _put_singly(self, writer: TrainWriter, train: memoryview, slot: int, now: float) -> None:
        """Words among relayed datagrams, or what no relay wants."""
        for start in range(0, len(train), slot):
            datagram = train[start : start + slot]
            if belongs_on_stream(datagram, len(datagram)):
                writer.put(datagram, len(datagram), now)
            else:
                self._counters["drop-not-for-relay"] += 1

    def _tell_counters(self) -> None:
        self._counters["drop-stream-full"] = self._queue.dropped_full
        self._counters["drop-stream-slow"] = self._queue.dropped_standing
        counted = {name: count for name, count in self._counters.items() if count}
        if counted != self._counted:
            self._counted = counted
            self._report(Counted(counted))


async def _end_of(work: Coroutine[Any, Any, Never]) -> str:
    """Why a part of the work on a stream came to its end."""
    try:
        await work
    except OSError as error:
        return reason_of(error)
    except RemoteProtocolError as error:
        return str(error)


def _failed(error: RoutesFailedError) -> Failed:
    """In which a proxy's refusal is the most telling reason."""
    proxy = next((each for each in error.failures.values() if isinstance(each, ProxyError)), None)
    return Failed(str(proxy or error)[:MAX_REASON], proxy.failure if proxy is not None else None)


async def greet(stream: Stream) -> TrainReader:
    """Begin a relay's stream and wait until the relay answers. Raises OSError: what is there is no relay, or silent."""
    probe = secrets.token_bytes(8)
    ping = encode(RelayPing(probe))
    stream.write(STREAM_MAGIC + frame_header(ping, len(ping)) + ping)
    trains = TrainReader()
    try:
        async with asyncio.timeout(PATIENCE):
            while data := await stream.read(READ_SIZE):
                if probe in list(_answered(trains, data)):
                    return trains
    except RemoteProtocolError as error:
        raise ConnectionError(f"what answers is no relay: {error}") from None
    raise ConnectionError("the stream ended before a relay answered")


def _answered(trains: TrainReader, data: bytes) -> Iterator[bytes]:
    """The probes whose answers come in `data`."""
    for train, _ in trains.feed(data):
        word = decode(bytes(train)) if _is_word(train) else None
        if isinstance(word, RelayPong):
            yield word.probe


def _is_word(train: Train) -> bool:
    return train[0] == DatagramType.RELAY
