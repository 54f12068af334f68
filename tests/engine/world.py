"""A small world for engine tests: a real server on loopback, a virtual internet, and engines as people run them."""

import asyncio
import functools
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from app.base.backoff import Backoff
from app.engine.engine import Engine
from app.engine.errors import EngineError
from app.engine.helper_client import connect_helper
from app.engine.settings import Profile, ServerAddress
from app.engine.state import ChatMessage, Conversation, EngineState, PeerStatus, PeerView, ServerStatus
from app.engine.timing import Timing
from app.platform.addresses import LocalAddress
from app.protocol.keys import IdentityKey
from app.protocol.wire import Address, NetworkId
from app.server.config import Config, ServerFolder, ServerTable
from app.server.limits import RateLimits
from app.server.service import MediationServer
from app.server.web import WebTable
from tests.virtual_internet import Computer, HelperStandIn, Internet, Router

QUICK = Timing(
    reflector_timeout=0.3,
    snapshot_interval=0.01,
    statistics_interval=0.2,
    server_backoff=Backoff(first=0.05, limit=0.2),
    refused_backoff=Backoff(first=30.0, limit=60.0),
    peer_backoff=Backoff(first=0.3, limit=1.0),
    search_backoff=Backoff(first=0.5, limit=1.0),
    helper_backoff=Backoff(first=0.05, limit=0.2),
)
PATIENCE = 40.0
"""Seconds until a test gives up; nothing is asserted about how long anything takes."""


class Person:
    """Somebody with a computer: an engine, its helper's stand-in, and where it is in the virtual internet."""

    def __init__(
        self, name: str, engine: Engine, helper: HelperStandIn, profile: Profile, identity: IdentityKey
    ) -> None:
        self.name = name
        self.engine = engine
        self.helper = helper
        self.profile = profile
        self.identity = identity

    @property
    def state(self) -> EngineState:
        return self.engine.state

    @property
    def address(self) -> Address:
        return Address(int.from_bytes(bytes(map(int, self.state.server.address.split("."))), "big"))

    def peer(self, other: "Person | str") -> PeerView:
        """How this person sees another one."""
        address = other if isinstance(other, str) else other.state.server.address
        return next(each for each in self.state.peers if each.address == address)

    def sees(self, other: "Person | str", *statuses: PeerStatus) -> bool:
        address = other if isinstance(other, str) else other.state.server.address
        return any(each.address == address and each.status in statuses for each in self.state.peers)

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait until something holds that shows in this person's state or helper."""
        changed = asyncio.Event()
        unsubscribe = self.engine.subscribe(lambda _: changed.set())
        self.helper.listeners.add(changed.set)
        try:
            async with asyncio.timeout(PATIENCE):
                while not holds():
                    changed.clear()
                    if not holds():
                        await changed.wait()
        except TimeoutError:
            raise AssertionError(f"{self.name} waited in vain; state: {self.state}") from None
        finally:
            unsubscribe()
            self.helper.listeners.discard(changed.set)

    async def chat_with(self, other: "Person") -> tuple[ChatMessage, ...]:
        """What the two said to each other, as this person's engine has it."""
        return await self.engine.chat_messages(Conversation(other.state.server.address))

    async def until_connected(self, other: "Person") -> None:
        await self.until(lambda: self.sees(other, PeerStatus.DIRECT))

    async def until_relayed(self, other: "Person") -> None:
        await self.until(lambda: self.sees(other, PeerStatus.RELAYED))


class World:
    """Makes people and the server, and takes all away at the end."""

    def __init__(self, folder: Path, server_class: type[MediationServer] = MediationServer, loss: float = 0.0) -> None:
        self.folder = folder
        self.internet = Internet(loss=loss)
        self._server_class = server_class
        self._exits = AsyncExitStack()
        self._hosts = 0
        self.port = 0
        self.reflector_ports: tuple[int, ...] = (0, 0)

    async def __aenter__(self) -> "World":
        self.server_folder = ServerFolder(self.folder / "server")
        await asyncio.to_thread(
            self.server_folder.create, name="Home", pool="10.77.0.0/16", port=0, public_host="127.0.0.1"
        )
        self.fingerprint = self.server_folder.read_key().public.fingerprint_text
        await self.start_server()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._exits.aclose()
        await self.stop_server()

    async def start_server(self) -> None:
        """On the same ports as before."""
        table = ServerTable("Home", "10.77.0.0/16", "127.0.0.1", ("127.0.0.1",), self.port, self.reflector_ports)
        limits = RateLimits(
            connections_per_source=1_000,
            registrations_per_hour=1_000,
            requests_per_second=500,
            wrong_passwords_per_hour=100,
        )
        self.server = self._server_class(self.server_folder, Config(table, limits=limits, web=WebTable(port=0)))
        await self.server.start()
        self.port, self.reflector_ports = self.server.port, self.server.reflector_ports
        self.internet.relay = self.server._bindings

    async def stop_server(self) -> None:
        self.internet.relay = None
        await self.server.stop()

    def router(self, symmetric: bool = False) -> Router:
        """A router with a public address of its own."""
        self._hosts += 1
        return Router(f"198.51.100.{self._hosts}" if self._hosts < 250 else "", symmetric)

    async def person(
        self,
        name: str,
        router: Router | None = None,
        timing: Timing = QUICK,
        suite: int = 2,
        fingerprint: str | None = None,
        start: bool = True,
    ) -> Person:
        """Somebody new, behind `router` or directly in the internet."""
        self._hosts += 1
        address = f"192.168.1.{self._hosts}" if router is not None else f"203.0.113.{self._hosts}"
        computer = self.internet.add(address, router)
        home = self.folder / name
        home.mkdir()
        profile = Profile(home, home)
        server = ServerAddress("127.0.0.1", fingerprint or self.fingerprint, self.port)
        profile.change(server=server, nickname=name, suite=suite, port_mapping=False)
        identity = await asyncio.to_thread(IdentityKey.generate)
        helper = HelperStandIn(computer, home / "helper.sock")
        await helper.start()
        self._exits.push_async_callback(helper.stop)
        person = Person(name, self.engine(identity, profile, helper, computer, timing), helper, profile, identity)
        self._exits.push_async_callback(person.engine.stop)
        if start:
            await self.start(person)
        return person

    def engine(
        self, identity: IdentityKey, profile: Profile, helper: HelperStandIn, computer: Computer, timing: Timing
    ) -> Engine:
        return Engine(
            identity,
            profile,
            functools.partial(connect_helper, socket_path=helper.socket_path),
            timing,
            lambda: [LocalAddress("eth0", computer.address)],
        )

    async def restart(self, person: Person) -> None:
        """Start the engine of somebody anew, with what is on its disk."""
        await person.engine.stop()
        profile = Profile(person.profile.state_folder, person.profile.state_folder)
        person.profile = profile
        person.engine = self.engine(person.identity, profile, person.helper, person.helper.computer, QUICK)
        self._exits.push_async_callback(person.engine.stop)
        await self.start(person)

    async def start(self, person: Person) -> None:
        """Start the engine and wait until it is logged in."""
        await person.engine.start()
        await person.until(lambda: person.state.server.status is ServerStatus.ONLINE)


Story = Callable[[World], Coroutine[Any, Any, None]]


def tell(folder: Path, story: Story, server_class: type[MediationServer] = MediationServer, loss: float = 0.0) -> None:
    """Run a story in a fresh world."""

    async def run() -> None:
        async with World(folder, server_class, loss) as world:
            await story(world)

    asyncio.run(run())


async def refusal(coroutine: Awaitable[object]) -> str:
    """The code of the error that the coroutine must end with."""
    with pytest.raises(EngineError) as caught:
        await coroutine
    return caught.value.code


async def meet(world: World, password: str | None = "secret words", suite: int = 2) -> tuple[Person, Person, NetworkId]:
    """Two people with a tunnel over one network."""
    anna = await world.person("anna", suite=suite)
    ben = await world.person("ben", suite=suite)
    network = await anna.engine.create_network("family", password)
    await ben.engine.join_network("family", password)
    await anna.until_connected(ben)
    await ben.until_connected(anna)
    return anna, ben, network
