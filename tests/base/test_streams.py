"""A stream to the first address that answers, and nothing left over when nobody wants it any more."""

import asyncio
import gc
import socket
import warnings
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress

import pytest

from app.base.streams import Place, in_turns, open_stream
from app.base.tasks import Tasks

HERE, ELSEWHERE, SILENT = "127.0.0.1", "127.0.0.2", "127.0.0.3"
V4, V6 = socket.AF_INET, socket.AF_INET6


class Host:
    """Listens on one of its addresses; its name stands for all of them."""

    def __init__(self) -> None:
        self.port = 0
        self.begun = self.ended = 0
        """Connections."""
        self.changed = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.begun += 1
        with suppress(ConnectionError):
            await reader.read()
        writer.close()
        self.ended += 1
        self.changed.set()

    async def until_alone(self) -> None:
        """Until every connection has ended. They are let in in order, so one that is let in is the last."""
        reader, writer = await asyncio.open_connection(HERE, self.port)
        writer.write_eof()
        await reader.read()
        writer.close()
        while self.ended < self.begun:
            self.changed.clear()
            await self.changed.wait()


@asynccontextmanager
async def host(monkeypatch: pytest.MonkeyPatch, addresses: Sequence[str] = (HERE,)) -> AsyncIterator[Host]:
    """What the system's resolver knows as `host.example`."""
    known = Host()
    server = await asyncio.start_server(known.serve, HERE, 0)
    known.port = int(server.sockets[0].getsockname()[1])

    async def getaddrinfo(_name: str, port: int, **_kind: int) -> list[object]:
        return [(V4, socket.SOCK_STREAM, 6, "", (each, port)) for each in addresses]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", getaddrinfo)
    async with server:
        yield known
        await known.until_alone()


def test_the_address_that_answers_is_taken_whatever_the_others_do(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        async with host(monkeypatch, (SILENT, ELSEWHERE, HERE)) as there:
            with socket.create_server((SILENT, there.port), backlog=0) as full, socket.socket() as first:
                first.connect(full.getsockname())  # who comes now is not even told that nobody has room
                with socket.socket() as second:
                    second.setblocking(False)
                    second.connect_ex(full.getsockname())
                    _, writer = await open_stream("host.example", there.port)
            assert writer.get_extra_info("peername") == (HERE, there.port)
            writer.close()
            await writer.wait_closed()

    asyncio.run(asyncio.wait_for(story(), 20))


def test_where_no_address_answers_the_reason_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        async with host(monkeypatch, (ELSEWHERE, SILENT)) as there:
            with pytest.raises(ConnectionRefusedError):
                await open_stream("host.example", there.port)
        async with host(monkeypatch, ()) as nowhere:
            with pytest.raises(OSError, match="no address"):
                await open_stream("host.example", nowhere.port)

    asyncio.run(asyncio.wait_for(story(), 20))


@pytest.mark.parametrize("name", ["a..b", "x" * 70])
def test_what_can_be_no_name_is_refused_like_one_that_is_not_known(name: str) -> None:
    with pytest.raises(OSError, match="no name of a host"):
        asyncio.run(open_stream(name, 80))


def test_whenever_it_is_cancelled_no_socket_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> int:
        tasks = Tasks()
        async with host(monkeypatch, (ELSEWHERE, HERE)) as there:
            for turns in range(1_000):
                opening = tasks.start("opening", open_stream("host.example", there.port))
                for _turn in range(turns):
                    await asyncio.sleep(0)
                if not opening.cancel():
                    break
                with suppress(asyncio.CancelledError):
                    await opening
            _, writer = opening.result()
            writer.close()
            await writer.wait_closed()
        await tasks.close()
        return turns

    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        turns = asyncio.run(asyncio.wait_for(story(), 60))
        gc.collect()
    assert turns > 3
    assert not [str(each.message) for each in told]


def test_families_take_turns_and_keep_their_order() -> None:
    six = [Place(V6, (f"2001:db8::{n}", 1, 0, 0)) for n in range(3)]
    four = [Place(V4, ("192.0.2.1", 1))]
    assert in_turns([*six, *four]) == [six[0], four[0], six[1], six[2]]
    assert in_turns([]) == []
