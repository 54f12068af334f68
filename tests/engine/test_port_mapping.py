"""The engine's open port: asked for, renewed, asked for again when the router announces itself, closed at the end.

The router is a stand-in on loopback that speaks PCP; the real `miniupnpd` is met in tests/lab/test_port_mapping.py.
"""

import asyncio
import socket
import struct
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress

import pytest

from app.base.tasks import Tasks
from app.engine import port_mapping
from app.engine.port_mapping import PortMapping
from app.engine.router_requests import RouterRequests
from app.engine.state import MappingProtocol, MappingStatus, PortMappingView
from app.platform.gateways import Gateway
from tests.engine.test_router_requests import answering

ROUTER = "127.0.0.1"
OUTSIDE = bytes([198, 51, 100, 7])


class PcpRouter:
    """Opens every port that it is asked for."""

    def __init__(self, outside: bytes = OUTSIDE) -> None:
        self.open: set[int] = set()
        self.asked = 0
        self.refuses = False
        self.may_answer = threading.Event()
        self.may_answer.set()
        self._outside = outside

    def answer(self, data: bytes) -> bytes:
        lifetime, port = struct.unpack("!I", data[4:8])[0], struct.unpack("!H", data[40:42])[0]
        self.asked += 1
        self.may_answer.wait(5)
        if not self.refuses:
            (self.open.add if lifetime else self.open.discard)(port)
        head = struct.pack("!BBBBII12x", 2, 0x81, 0, 2 if self.refuses else 0, lifetime, 1)
        return head + data[24:42] + data[40:42] + bytes(10) + b"\xff\xff" + self._outside


class Story:
    """One engine's port mapping in front of one router."""

    def __init__(self, requests: RouterRequests, gateways: list[Gateway], wanted: bool = True) -> None:
        self.views: list[PortMappingView] = []
        self._changed = asyncio.Event()
        self.tasks = Tasks()
        self.mapping = PortMapping(self.tasks, wanted, self._note, lambda: gateways, requests)

    def _note(self) -> None:
        self.views.append(self.mapping.view)
        self._changed.set()

    async def until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(20):
            while not holds():
                self._changed.clear()
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._changed.wait(), 0.02)

    async def until_status(self, status: MappingStatus) -> None:
        await self.until(lambda: self.mapping.view.status is status)


def tell(
    router: PcpRouter,
    story: Callable[[Story], Awaitable[None]],
    gateways: tuple[str, ...] = (ROUTER,),
    wanted: bool = True,
) -> None:
    async def run() -> None:
        with answering(router.answer) as request_port, answering(lambda _: None) as search_port:
            requests = RouterRequests(bytes(12), request_port, search_port)
            told = Story(requests, [Gateway("lo", each) for each in gateways], wanted)
            try:
                await story(told)
            finally:
                await told.mapping.close()
                await told.tasks.close()

    asyncio.run(run())


def test_the_port_is_open_while_the_adapter_is_up() -> None:
    router = PcpRouter()

    async def story(told: Story) -> None:
        told.mapping.interface_up(5_000)
        await told.until_status(MappingStatus.MAPPED)
        assert told.mapping.view == PortMappingView(
            MappingStatus.MAPPED, MappingProtocol.PCP, ROUTER, "198.51.100.7:5000"
        )
        assert router.open == {5_000}
        told.mapping.interface_down()
        assert told.mapping.endpoint is None
        await told.until(lambda: not router.open)

    tell(router, story)


def test_a_port_that_is_opened_again_at_once_stays_open() -> None:
    router = PcpRouter()

    async def story(told: Story) -> None:
        told.mapping.interface_up(5_000)
        await told.until_status(MappingStatus.MAPPED)
        router.may_answer.clear()
        told.mapping.interface_down()
        told.mapping.interface_up(5_000)
        await told.until(lambda: router.asked > 1)
        router.may_answer.set()
        await told.until_status(MappingStatus.MAPPED)
        assert router.open == {5_000}

    tell(router, story)


def test_the_port_is_closed_at_the_end() -> None:
    router = PcpRouter()

    async def story(told: Story) -> None:
        told.mapping.interface_up(5_000)
        await told.until_status(MappingStatus.MAPPED)

    tell(router, story)
    assert not router.open


def test_who_does_not_want_it_asks_no_router() -> None:
    router = PcpRouter()

    async def story(told: Story) -> None:
        told.mapping.interface_up(5_000)
        assert told.mapping.view.status is MappingStatus.OFF
        await told.mapping.want(True)
        await told.until_status(MappingStatus.MAPPED)
        await told.mapping.want(False)
        assert told.mapping.view.status is MappingStatus.OFF
        assert told.mapping.endpoint is None
        assert not router.open

    tell(router, story, wanted=False)
    assert router.asked == 2


def test_a_router_behind_another_one_is_told_as_such() -> None:
    async def story(told: Story) -> None:
        told.mapping.interface_up(5_000)
        await told.until_status(MappingStatus.BEHIND_ANOTHER)
        assert told.mapping.endpoint is not None

    tell(PcpRouter(bytes([100, 64, 0, 9])), story)


def test_a_router_that_refuses_is_told_with_its_reason() -> None:
    router = PcpRouter()
    router.refuses = True

    async def story(told: Story) -> None:
        told.mapping.interface_up(5_000)
        await told.until(lambda: "not authorized" in told.mapping.view.reason)
        assert told.mapping.view.status is MappingStatus.NONE

    tell(router, story)


def test_without_a_router_there_is_nothing_to_ask() -> None:
    async def story(told: Story) -> None:
        told.mapping.interface_up(5_000)
        await told.until(lambda: told.mapping.view.status is MappingStatus.NONE and bool(told.mapping.view.reason))

    tell(PcpRouter(), story, gateways=())


def test_after_a_change_of_the_network_the_router_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(port_mapping, "LEAST_PAUSE", 0.0)
    router = PcpRouter()

    async def story(told: Story) -> None:
        told.mapping.interface_up(5_000)
        await told.until_status(MappingStatus.MAPPED)
        router.open.clear()  # it was restarted
        told.mapping.network_changed()
        await told.until(lambda: router.open == {5_000})

    tell(router, story)


def test_a_router_that_announces_its_restart_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(port_mapping, "LEAST_PAUSE", 0.0)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind((ROUTER, 0))
        port = free.getsockname()[1]
    monkeypatch.setattr(port_mapping, "ANNOUNCEMENT_PORT", port)
    router = PcpRouter()

    async def story(told: Story) -> None:
        told.mapping.interface_up(5_000)
        await told.until_status(MappingStatus.MAPPED)
        router.open.clear()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as announcing:
            announcing.sendto(b"garbage", (ROUTER, port))
            announcing.sendto(struct.pack("!BBBBII12x", 2, 0x80, 0, 0, 0, 1), (ROUTER, port))
        await told.until(lambda: router.open == {5_000})

    tell(router, story)


def test_what_a_slow_router_opens_too_late_is_closed_again() -> None:
    router = PcpRouter()
    router.may_answer.clear()

    async def story(told: Story) -> None:
        told.mapping.interface_up(5_000)
        await told.until(lambda: router.asked == 1)
        await told.mapping.close()
        router.may_answer.set()
        await told.until(lambda: router.asked >= 2 and not router.open)
        assert told.mapping.endpoint is None

    tell(router, story)
