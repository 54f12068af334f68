"""A server changed to lie gets no tunnel to anybody: swapped keys, inserted strangers, old lists, false owners.

The liars here are the real server with its store written behind its back, or with its words changed on their way out.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import msgspec
import pytest

from app.engine.errors import EngineError
from app.engine.networks import JoinedNetwork
from app.engine.state import PeerStatus, Protection, ServerStatus
from app.protocol.keys import IdentityKey
from app.protocol.mediation import ServerConversation
from app.protocol.messages import (
    JoinParameters,
    Member,
    MemberChanged,
    MemberStatus,
    Message,
    NetworkState,
    PeerKey,
    Roster,
)
from app.protocol.wire import Address, NetworkId
from app.server.store import Store
from tests.engine.world import Person, World, meet, refusal, tell

Lie = Callable[[Message], Message | None]


class LyingConversation(ServerConversation):
    """The server's end of a stream; `lies` changes what it says."""

    lies: list[Lie] = []  # noqa: RUF012 - the liars of one test, cleared after it

    def send(self, message: Message) -> None:
        for lie in self.lies:
            message = lie(message) or message
        super().send(message)


@pytest.fixture
def lies(monkeypatch: pytest.MonkeyPatch) -> list[Lie]:
    """What the server of this test lies about."""
    LyingConversation.lies = []
    monkeypatch.setattr("app.server.listener.ServerConversation", LyingConversation)
    return LyingConversation.lies


def swapped_key(victim: Address, key: IdentityKey) -> Lie:
    """The server shows a key of its own for one account."""

    def change(member: Member) -> Member:
        if member.address != victim:
            return member
        return msgspec.structs.replace(member, fingerprint=key.public.fingerprint)

    def lie(message: Message) -> Message | None:
        if isinstance(message, Roster):
            return msgspec.structs.replace(message, members=tuple(map(change, message.members)))
        if isinstance(message, MemberChanged):
            return msgspec.structs.replace(message, member=change(message.member))
        if isinstance(message, PeerKey) and message.peer == victim:
            return msgspec.structs.replace(message, public_key=key.public.blob)
        return None

    return lie


async def behind_its_back(world: World, write: Callable[[Store], None]) -> None:
    """Stop the server, write into its store, start it again."""
    await world.stop_server()
    store = Store.open(world.server_folder.store_file)
    with store.transaction():
        write(store)
    store.close()
    await world.start_server()


async def until_back(*people: Person) -> None:
    """Until all are logged in again."""
    for person in people:
        await until_online(person)


async def until_online(person: Person) -> None:
    await person.until(lambda: person.state.server.status is ServerStatus.ONLINE)


def sessions_with(person: Person, other: Person) -> int:
    """How many sessions with the other one were ever installed."""
    return sum(each.peer == other.address for each in person.helper.installed)


def test_a_swapped_key_of_somebody_new_leads_to_no_tunnel(tmp_path: Path, lies: list[Lie]) -> None:
    async def story(world: World) -> None:
        anna, ben, carl = [await world.person(name) for name in ("anna", "ben", "carl")]
        lies.append(swapped_key(ben.address, await asyncio.to_thread(IdentityKey.generate)))
        await anna.engine.create_network("family", "secret words")
        await ben.engine.join_network("family", "secret words")
        await carl.engine.join_network("family", "secret words")
        await anna.until_connected(carl)
        await anna.until(lambda: anna.sees(ben, PeerStatus.FAILED))
        assert sessions_with(anna, ben) == sessions_with(carl, ben) == len(ben.helper.installed) == 0

    tell(tmp_path, story)


def test_a_changed_key_stops_the_tunnel_until_the_person_accepts_it(tmp_path: Path, lies: list[Lie]) -> None:
    async def story(world: World) -> None:
        anna, ben, _ = await meet(world)
        lies.append(swapped_key(ben.address, await asyncio.to_thread(IdentityKey.generate)))
        await world.stop_server()
        await world.start_server()
        await anna.until(lambda: anna.sees(ben, PeerStatus.KEY_CHANGED))
        await anna.until(lambda: ben.address not in anna.helper.peers)
        assert any(each.code == "peer-key-changed" for each in anna.state.problems)
        installed = sessions_with(anna, ben)
        shown = anna.peer(ben)
        assert shown.fingerprint == ben.identity.public.fingerprint_text != shown.new_fingerprint
        assert await refusal(anna.engine.accept_new_key(ben.address, shown.fingerprint)) == "peer-key-another"
        await anna.engine.accept_new_key(ben.address, shown.new_fingerprint)
        await anna.until(lambda: anna.sees(ben, PeerStatus.FAILED))
        assert sessions_with(anna, ben) == installed
        lies.clear()
        await world.stop_server()
        await world.start_server()
        await anna.until(lambda: anna.sees(ben, PeerStatus.KEY_CHANGED))
        await anna.engine.accept_new_key(ben.address, ben.identity.public.fingerprint_text)
        await anna.until_connected(ben)

    tell(tmp_path, story)


@pytest.mark.parametrize("secret", [None, bytes(32)])
def test_a_stranger_whom_the_server_inserts_gets_no_tunnel(tmp_path: Path, secret: bytes | None) -> None:
    async def story(world: World) -> None:
        anna, ben, network = await meet(world)
        mallory = await world.person("mallory")
        pretend_to_have_joined(mallory, network, secret)
        await behind_its_back(world, lambda store: store.add_member(network, mallory.address, MemberStatus.MEMBER, 0.0))
        await until_back(anna, ben, mallory)
        await anna.until(lambda: anna.sees(mallory, PeerStatus.UNPROVEN, PeerStatus.FAILED))
        await ben.until(lambda: ben.sees(mallory, PeerStatus.UNPROVEN, PeerStatus.FAILED))
        await anna.until_connected(ben)
        assert sessions_with(anna, mallory) == sessions_with(ben, mallory) == 0
        if secret is not None:
            assert any(each.code == "peer-unproven" for each in (*anna.state.problems, *ben.state.problems))

    tell(tmp_path, story)


def pretend_to_have_joined(person: Person, network: NetworkId, secret: bytes | None) -> None:
    """As a changed engine would: believe the server's list, with a secret of its own or without."""
    person.engine._networks.remember(network, JoinedNetwork("family", None, secret))


def test_an_old_list_brings_back_no_evicted_member(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        anna, ben, network = await meet(world)
        carl = await world.person("carl")
        await carl.engine.join_network("family", "secret words")
        await carl.until_connected(ben)
        await carl.until_connected(anna)
        await anna.engine.evict(network, ben.address)
        await carl.until(lambda: ben.address not in carl.helper.peers)
        before = [sessions_with(anna, ben), sessions_with(carl, ben)]
        await behind_its_back(world, lambda store: readmit(store, network, ben.address))
        await until_back(anna, ben, carl)
        await ben.until(lambda: len(ben.state.peers) == 2)
        await carl.until_connected(anna)
        await ben.until(lambda: ben.sees(carl, PeerStatus.FAILED, PeerStatus.UNPROVEN))
        assert [sessions_with(anna, ben), sessions_with(carl, ben)] == before

    tell(tmp_path, story)


def readmit(store: Store, network: NetworkId, address: Address) -> None:
    """The old list, without the owner's word."""
    store.end_exclusion(network, address)
    store.add_member(network, address, MemberStatus.MEMBER, 0.0)


def test_a_network_that_nobody_joined_here_carries_no_tunnel(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        anna, mallory = await world.person("anna"), await world.person("mallory")
        network = await mallory.engine.create_network("trap")
        await behind_its_back(world, lambda store: store.add_member(network, anna.address, MemberStatus.MEMBER, 0.0))
        await until_back(anna, mallory)
        await anna.until(lambda: any(each.code == "secret-missing" for each in anna.state.problems))
        await mallory.until(lambda: mallory.sees(anna, PeerStatus.FAILED, PeerStatus.UNPROVEN))
        assert not anna.helper.installed

    tell(tmp_path, story)


def test_a_network_that_is_shown_as_open_keeps_its_secret(tmp_path: Path, lies: list[Lie]) -> None:
    async def story(world: World) -> None:
        def without_password(message: Message) -> Message | None:
            if isinstance(message, NetworkState):
                return msgspec.structs.replace(message, salt=None, wrapped_secret=None)
            return None

        anna, ben, network = await meet(world)
        mallory = await world.person("mallory")
        pretend_to_have_joined(mallory, network, None)
        lies.append(without_password)
        await behind_its_back(world, lambda store: store.add_member(network, mallory.address, MemberStatus.MEMBER, 0.0))
        await until_back(anna, ben, mallory)
        await anna.until_connected(ben)
        await anna.until(lambda: anna.sees(mallory, PeerStatus.UNPROVEN, PeerStatus.FAILED))
        await ben.until(lambda: ben.sees(mallory, PeerStatus.UNPROVEN, PeerStatus.FAILED))
        assert sessions_with(anna, mallory) == sessions_with(ben, mallory) == 0

    tell(tmp_path, story)


@pytest.mark.parametrize("name", ["family", "party"])
def test_joining_an_open_network_opens_no_network_with_a_secret(tmp_path: Path, lies: list[Lie], name: str) -> None:
    async def story(world: World) -> None:
        def another_number(message: Message) -> Message | None:
            if isinstance(message, JoinParameters):
                return JoinParameters(message.request, network, name, None)
            if isinstance(message, NetworkState):
                return msgspec.structs.replace(message, salt=None, wrapped_secret=None)
            return None

        anna, _ben, network = await meet(world)
        carl = await world.person("carl")
        await carl.engine.create_network("party")
        lies.append(another_number)
        with suppress(EngineError):
            await anna.engine.join_network(name)
        assert next(each for each in anna.state.networks if each.id == network).protection is Protection.PROVED

    tell(tmp_path, story)


def test_another_owner_is_not_believed(tmp_path: Path, lies: list[Lie]) -> None:
    async def story(world: World) -> None:
        anna, ben, _ = await meet(world)
        lies.append(
            lambda message: (
                msgspec.structs.replace(message, owner=ben.address) if isinstance(message, NetworkState) else None
            )
        )
        await world.stop_server()
        await world.start_server()
        await anna.until(lambda: any(each.code == "network-owner-changed" for each in anna.state.problems))
        await anna.until(lambda: not anna.helper.peers)

    tell(tmp_path, story)
