"""The server as a whole: two clients are offered its own relay, bind to it, and outlive its restart."""

from contextlib import closing
from pathlib import Path

import msgspec

from app.protocol.messages import (
    Accepted,
    Created,
    CreateNetwork,
    GetRelay,
    JoinNetwork,
    Refusal,
    Refused,
    RelayOffered,
    Welcome,
)
from app.server.config import RelayTable
from app.server.service import MediationServer
from tests.server.client import Client, key
from tests.server.relay.party import Party
from tests.server.relay.test_forwarder import Endpoint
from tests.server.test_listener import client, config, play, running


async def two_members(server: MediationServer) -> tuple[Client, Client]:
    """Two accounts in one network."""
    anna, ben = client(server, key(1)), client(server, key(2))
    await anna.log_in("Anna")
    await ben.log_in("Ben")
    created = await anna.ask(CreateNetwork(1, "friends", None, None, None))
    assert isinstance(created, Created)
    assert isinstance(await ben.ask(JoinNetwork(2, created.network, None)), Accepted)
    return anna, ben


def party(offer: RelayOffered, own: int) -> Party:
    """Whoever was offered this."""
    offered = Party(int(own > offer.peer))
    offered.token, offered.key = offer.token, offer.key
    return offered


def test_two_members_are_offered_the_servers_own_relay_and_it_outlives_a_restart(tmp_path: Path) -> None:
    async def story() -> None:
        async with running(tmp_path) as server:
            anna, ben = await two_members(server)
            async with anna, ben:
                assert anna.address is not None
                assert ben.address is not None
                assert isinstance(await anna.ask(GetRelay(9, ben.address)), Accepted)
                parties = [
                    party(await each.expect(RelayOffered), address)
                    for each, address in ((anna, anna.address), (ben, ben.address))
                ]
            await meet(server, parties)
        async with running(tmp_path) as server:
            await meet(server, parties)

    async def meet(server: MediationServer, parties: list[Party]) -> None:
        ends = [Endpoint("127.0.0.1", server.reflector_ports[0]) for _ in parties]
        with closing(ends[0].socket), closing(ends[1].socket):
            numbers = [await end.bind(each) for end, each in zip(ends, parties, strict=True)]
            assert numbers[0] == numbers[1]
            ends[1].send(numbers[0].to_bytes(4) + b"sealed")
            await ends[0].hear()  # BOUND: the other side is there
            assert await ends[0].hear() == numbers[0].to_bytes(4) + b"sealed"

    play(story())


def test_welcome_tells_the_relay_on_the_first_reflector_port(tmp_path: Path) -> None:
    async def story() -> None:
        async with running(tmp_path) as server, client(server, key(1)) as anna:
            await anna.connect("Anna")
            welcome = await anna.expect(Welcome)
            (relay,) = welcome.relays
            assert (relay.number, relay.host, relay.port) == (0, "", welcome.reflector_ports[0])
            assert relay.web_port == welcome.web_port == server.web_port

    play(story())


def test_an_operator_may_run_no_relay_at_all(tmp_path: Path) -> None:
    settings = msgspec.structs.replace(config(), relay=RelayTable(built_in=False))

    async def story() -> None:
        async with running(tmp_path, settings) as server:
            anna, ben = await two_members(server)
            async with anna, ben:
                assert ben.address is not None
                assert await anna.ask(GetRelay(9, ben.address)) == Refused(9, Refusal.NO_RELAY)

    play(story())
