"""A helper is kept at hand: missing, refusing, dying, and losing its adapter."""

import asyncio
import functools
from pathlib import Path

from app.base.backoff import Backoff
from app.base.tasks import Tasks
from app.engine.errors import EngineError
from app.engine.helper_client import connect_helper
from app.engine.helper_link import HelperLink
from app.engine.state import HelperStatus
from app.engine.timing import Timing
from app.ipc import schema
from app.protocol.wire import Address
from tests.virtual_internet import HelperStandIn, Internet

TIMING = Timing(helper_backoff=Backoff(first=0.01, limit=0.02))
ME = Address(0x0A4D0001)


class Setting:
    """A link, a stand-in that may come and go, and what was told."""

    def __init__(self, folder: Path) -> None:
        self.helper = HelperStandIn(Internet().add("203.0.113.1"), folder / "helper.sock")
        self.told: list[str] = []
        self.changed = asyncio.Event()
        self.tasks = Tasks()
        self.link = HelperLink(
            functools.partial(connect_helper, socket_path=self.helper.socket_path),
            TIMING,
            self.tasks,
            lambda ready: self.tell(f"up {ready.udp_port}"),
            lambda: self.tell("down"),
            lambda notification: self.tell(type(notification).__name__),
            self.changed.set,
        )

    def tell(self, what: str) -> None:
        self.told.append(what)
        self.changed.set()

    async def until(self, status: HelperStatus) -> None:
        async with asyncio.timeout(20):
            while self.link.status is not status:
                self.changed.clear()
                await self.changed.wait()

    async def close(self) -> None:
        await self.link.close()
        await self.tasks.close()
        await self.helper.stop()


def problems(link: HelperLink) -> list[EngineError]:
    return [] if link.problem is None else [link.problem]


def test_the_adapter_comes_with_the_address_and_goes_when_it_is_not_wanted(tmp_path: Path) -> None:
    async def story() -> None:
        setting = Setting(tmp_path)
        await setting.helper.start()
        setting.link.start()
        await setting.until(HelperStatus.READY)
        setting.link.post(schema.RemovePeer(5, request=0))
        assert setting.link.dropped == 1
        assert await setting.link.read_statistics() is None
        setting.link.want_interface(ME, 16)
        await setting.until(HelperStatus.UP)
        setting.link.want_interface(ME, 16)
        assert await setting.link.read_statistics() is not None
        await setting.link.remove_interface()
        assert setting.told == ["up 40001", "down"]
        assert (setting.link.status, setting.helper.interface) == (HelperStatus.READY, None)
        await setting.link.remove_interface()
        await setting.close()

    asyncio.run(story())


def test_a_helper_that_is_missing_is_told_with_what_to_do_and_found_when_it_comes(tmp_path: Path) -> None:
    async def story() -> None:
        setting = Setting(tmp_path)
        setting.link.want_interface(ME, 16)
        setting.link.start()
        await setting.until(HelperStatus.ABSENT)
        async with asyncio.timeout(20):
            while not problems(setting.link):
                await setting.changed.wait()
                setting.changed.clear()
        (problem,) = problems(setting.link)
        assert (problem.code, bool(problem.remedy)) == ("helper-missing", True)
        await setting.helper.start()
        await setting.until(HelperStatus.UP)
        assert not problems(setting.link)
        await setting.close()

    asyncio.run(story())


def test_a_helper_that_dies_and_an_adapter_that_goes_are_made_anew(tmp_path: Path) -> None:
    async def story() -> None:
        setting = Setting(tmp_path)
        await setting.helper.start()
        setting.link.want_interface(ME, 16)
        setting.link.start()
        await setting.until(HelperStatus.UP)
        await setting.helper.stop()
        await setting.until(HelperStatus.LOST)
        await setting.helper.start()
        await setting.until(HelperStatus.UP)
        setting.helper._notify(schema.InterfaceDown("somebody removed it"))
        await setting.until(HelperStatus.LOST)
        await setting.until(HelperStatus.UP)
        assert [each.partition(" ")[0] for each in setting.told] == ["up", "down", "up", "down", "up"]
        await setting.close()

    asyncio.run(story())


def test_an_adapter_that_is_not_wanted_any_more_when_it_comes_up_goes_again(tmp_path: Path) -> None:
    async def story() -> None:
        setting = Setting(tmp_path)
        made, removed = asyncio.Event(), asyncio.Event()

        def look() -> None:
            (made if setting.helper.interface is not None else removed).set()

        await setting.helper.start()
        setting.link.start()
        await setting.until(HelperStatus.READY)
        setting.helper.listeners.add(look)
        setting.link.want_interface(ME, 16)
        async with asyncio.timeout(20):
            await made.wait()  # and the answer is under way
            await setting.link.remove_interface()
            await removed.wait()
        assert (setting.link.status, setting.link.interface, setting.told) == (HelperStatus.READY, None, [])
        setting.link.want_interface(ME, 16)
        await setting.until(HelperStatus.UP)
        await setting.close()

    asyncio.run(story())


def test_another_address_is_another_adapter(tmp_path: Path) -> None:
    async def story() -> None:
        setting = Setting(tmp_path)
        await setting.helper.start()
        setting.link.want_interface(ME, 16)
        setting.link.start()
        await setting.until(HelperStatus.UP)
        setting.link.want_interface(Address(ME + 1), 24)
        async with asyncio.timeout(20):
            while len(setting.told) < 3:
                setting.changed.clear()
                await setting.changed.wait()
        assert setting.told == ["up 40001", "down", "up 40002"]
        assert setting.helper.interface is not None
        assert setting.helper.interface.prefix_length == 24
        await setting.close()

    asyncio.run(story())
