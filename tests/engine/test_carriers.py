"""The engine keeps carriers as long as relays are wanted over streams: real processes, a real relay."""

import asyncio
import os
import signal
import socket
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from app.base.tasks import Tasks
from app.engine.carriers import Carriers, CarrierView
from app.protocol.messages import Relay
from app.protocol.relay import RelayPong, decode
from app.protocol.wire import Endpoint
from app.transport.http_connect import Proxy, ProxyFailure
from app.transport.routes import Route, Target, Way
from tests.server.relay.party import Party
from tests.server.relay.running_relay import RunningRelay, running_relay

TCP = Route(Way.TCP)


class Scene:
    """Carriers, the pump's socket, and what was told."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.told: asyncio.Queue[tuple[int, Endpoint | None]] = asyncio.Queue()
        self.through: list[Route] = []
        self.routes: Sequence[Route] = (TCP,)
        self.changed = asyncio.Event()
        self.tasks = Tasks()
        self.carriers = Carriers(
            self.tasks,
            lambda: int(sock.getsockname()[1]),
            self._routes,
            self._note_through,
            lambda number, endpoint: self.told.put_nowait((number, endpoint)),
            self.changed.set,
        )

    async def _routes(self, target: Target) -> Sequence[Route]:
        return self.routes

    async def _note_through(self, route: Route) -> None:
        self.through.append(route)

    async def opened(self, number: int = 0) -> Endpoint:
        """The endpoint that is told next."""
        told, endpoint = await self.told.get()
        assert told == number
        assert endpoint is not None
        return endpoint

    async def answers(self, endpoint: Endpoint) -> bool:
        """Whether a relay answers there."""
        self.sock.sendto(Party(0).ping(), (endpoint.host, endpoint.port))
        return isinstance(decode(await asyncio.get_running_loop().sock_recv(self.sock, 2_000)), RelayPong)


Story = Callable[[Scene], Awaitable[None]]


def tell(story: Story) -> None:
    """Play a story in asyncio's own loop; tests/ui/test_engine_in_qt.py plays the same ones in Qt's."""
    asyncio.run(play(story))


async def play(story: Story) -> None:
    """Play a story within 30 seconds; afterwards nothing runs any more."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.setblocking(False)
        sock.bind(("127.0.0.1", 0))
        scene = Scene(sock)
        async with asyncio.timeout(30):
            try:
                await story(scene)
            finally:
                await scene.carriers.close()
                await scene.tasks.close()
        assert carriers_of_this_process() == []


def carriers_of_this_process() -> list[int]:
    """The ids of our children that are carriers."""
    children = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text().split()
    return [int(each) for each in children if b"carrier" in Path(f"/proc/{each}/cmdline").read_bytes()]


def place_of(relay: RunningRelay, number: int = 0) -> Relay:
    return Relay(number, "", relay.port, 0)


def test_a_relay_that_is_wanted_is_reached_at_an_endpoint_of_this_computer() -> None:
    async def story(scene: Scene) -> None:
        async with running_relay() as relay:
            scene.carriers.want(place_of(relay), "127.0.0.1")
            scene.carriers.want(place_of(relay), "127.0.0.1")
            endpoint = await scene.opened()
            assert await scene.answers(endpoint)
            assert len(carriers_of_this_process()) == 1
            assert scene.carriers.views() == (CarrierView(0, "TCP", "", None),)
            assert scene.carriers.route_of(endpoint) == "TCP"
            assert scene.through == [TCP]
            scene.carriers.unwanted(0)
            await relay.until("relay_streams_ended")
            assert scene.carriers.views() == ()

    tell(story)


def test_several_relays_have_a_stream_each() -> None:
    async def story(scene: Scene) -> None:
        async with running_relay() as first, running_relay() as second:
            scene.carriers.want(place_of(first, 1), "127.0.0.1")
            one = await scene.opened(1)
            scene.carriers.want(place_of(second, 2), "127.0.0.1")
            two = await scene.opened(2)
            assert one != two
            assert await scene.answers(one)
            assert await scene.answers(two)

    tell(story)


def test_a_carrier_that_was_killed_is_started_again() -> None:
    async def story(scene: Scene) -> None:
        async with running_relay() as relay:
            scene.carriers.want(place_of(relay), "127.0.0.1")
            await scene.opened()
            (process,) = carriers_of_this_process()
            os.kill(process, signal.SIGKILL)
            assert await scene.told.get() == (0, None)
            assert await scene.answers(await scene.opened())

    tell(story)


def test_a_restarted_relay_is_told_as_lost_and_as_reached_again() -> None:
    async def story(scene: Scene) -> None:
        async with running_relay() as relay:
            scene.carriers.want(place_of(relay), "127.0.0.1")
            before = await scene.opened()
        assert await scene.told.get() == (0, None)
        assert scene.carriers.views()[0].route == ""
        async with running_relay(port=relay.port):
            assert await scene.opened() == before

    tell(story)


def test_a_changed_network_leaves_streams_that_work() -> None:
    async def story(scene: Scene) -> None:
        async with running_relay() as relay:
            scene.carriers.want(place_of(relay), "127.0.0.1")
            await scene.opened()
            scene.carriers.network_changed()
            await relay.until("relay_pings", 2)
            assert scene.told.empty()
            assert not relay.bindings.counts["relay_streams_ended"]

    tell(story)


def test_where_no_route_leads_to_the_relay_new_ones_are_tried_at_once() -> None:
    async def story(scene: Scene) -> None:
        async with running_relay() as relay:
            with socket.socket() as closed:
                closed.bind(("127.0.0.1", 0))
                scene.routes = (Route(Way.TCP, Proxy("127.0.0.1", closed.getsockname()[1])),)
                scene.carriers.want(place_of(relay), "127.0.0.1")
                await scene.changed.wait()
            assert scene.carriers.views()[0].failure is ProxyFailure.UNREACHABLE
            scene.routes = (TCP,)
            scene.carriers.network_changed()
            assert await scene.answers(await scene.opened())

    tell(story)


def test_why_a_relay_is_not_reached_can_be_seen() -> None:
    async def story(scene: Scene) -> None:
        with socket.socket() as closed:
            closed.bind(("127.0.0.1", 0))
            scene.carriers.want(Relay(0, "", closed.getsockname()[1], 0), "127.0.0.1")
            await scene.changed.wait()
        (view,) = scene.carriers.views()
        assert view.route == ""
        assert "refused" in view.reason.lower()

    tell(story)
