"""Peers without a direct path: over the server's relay at once, direct when that works, whatever restarts meanwhile."""

import asyncio
from dataclasses import replace
from pathlib import Path

from app.base.backoff import Backoff
from app.base.tasks import Tasks
from app.engine.state import PathKind, ServerStatus
from app.ipc import schema
from app.protocol.messages import Relay
from app.protocol.relay import RelayUnknown, encode
from app.protocol.wire import MIN_RELAY_ID, Endpoint, NetworkId
from tests.engine.world import QUICK, Person, World, tell

PACKET = b"\x45" + bytes(40)


async def meet_relayed(world: World) -> tuple[Person, Person, NetworkId]:
    """Two people behind routers that no direct path leads through."""
    anna = await world.person("anna", world.router(symmetric=True))
    ben = await world.person("ben", world.router(symmetric=True))
    network = await anna.engine.create_network("family", "secret words")
    await ben.engine.join_network("family", "secret words")
    await anna.until_relayed(ben)
    await ben.until_relayed(anna)
    return anna, ben, network


async def until_it_carries(sender: Person, receiver: Person) -> None:
    """Send packets as programs do, until one arrives."""
    before = len(receiver.helper.packets)

    async def send() -> None:
        while True:
            sender.helper.send_packet(receiver.address, PACKET)
            await asyncio.sleep(0.05)

    tasks = Tasks()
    tasks.start("packets", send())
    try:
        await receiver.until(lambda: len(receiver.helper.packets) > before)
    finally:
        await tasks.close()


def test_two_behind_symmetric_routers_meet_over_the_relay(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        anna, ben, _ = await meet_relayed(world)
        await until_it_carries(anna, ben)
        await until_it_carries(ben, anna)
        view = anna.peer(ben)
        assert view.path is PathKind.RELAY
        assert view.relay.startswith("127.0.0.1:")
        assert view.endpoint == view.relay
        trips = [trip async for trip in anna.engine.ping(ben.address, 2, interval=0.01)]
        assert all(trip.seconds is not None for trip in trips)

    tell(tmp_path, story)


def test_a_direct_path_takes_over_and_when_it_dies_the_relay_does(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        anna = await world.person("anna")
        ben = await world.person("ben")
        between = frozenset((anna.helper.computer.address, ben.helper.computer.address))
        world.internet.cut.add(between)
        await anna.engine.create_network("family", "secret words")
        await ben.engine.join_network("family", "secret words")
        await anna.until_relayed(ben)
        await ben.until_relayed(anna)
        world.internet.cut.clear()
        await anna.until_connected(ben)
        await ben.until_connected(anna)
        world.internet.cut.add(between)
        await until_it_carries(anna, ben)
        await until_it_carries(ben, anna)
        await anna.until_relayed(ben)
        await ben.until_relayed(anna)

    tell(tmp_path, story)


def test_a_restart_of_server_and_relay_is_repaired(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        anna, ben, _ = await meet_relayed(world)
        sessions = len(anna.helper.installed)
        await world.stop_server()
        await world.start_server()
        await until_it_carries(anna, ben)
        await until_it_carries(ben, anna)
        assert len(anna.helper.installed) == sessions, "the tunnel is the same one"

    tell(tmp_path, story)


def test_a_relay_that_forgets_everybody_is_bound_anew_without_the_server(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        anna, ben, _ = await meet_relayed(world)
        assert world.internet.relay is not None
        for pair in list(world.internet.relay._by_id.values()):
            for side in pair.sides:
                assert side.way is not None
                world.internet.relay.unbind(side.way.origin)
        await until_it_carries(anna, ben)
        await until_it_carries(ben, anna)

    tell(tmp_path, story)


def test_a_router_that_forgets_its_mappings_costs_a_relayed_tunnel_nothing_for_long(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        anna, ben, _ = await meet_relayed(world)
        router = anna.helper.computer.router
        assert router is not None
        router.forget()
        await until_it_carries(ben, anna)
        await until_it_carries(anna, ben)

    tell(tmp_path, story)


class Wanted:
    """Notes which relays are to be reached over streams."""

    def __init__(self) -> None:
        self.relays: set[int] = set()

    def want(self, relay: Relay, host: str) -> None:
        self.relays.add(relay.number)

    def unwanted(self, number: int) -> None:
        self.relays.discard(number)

    def route_of(self, access: Endpoint) -> str:
        return ""


def test_a_stream_ends_with_the_socket_that_it_leads_to_and_is_opened_anew_for_the_next(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        anna, _, _ = await meet_relayed(world)
        anna.engine._peers.relays.streams = streams = Wanted()
        world.internet.relay = None
        anna.engine._peers.network_changed()
        await anna.until(lambda: streams.relays == {0})
        await anna.helper.stop()
        await anna.until(lambda: not streams.relays)
        await anna.helper.start()
        await anna.until(lambda: streams.relays == {0})

    tell(tmp_path, story)


def test_who_is_no_peer_any_more_has_no_place_at_the_relay(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        anna, ben, network = await meet_relayed(world)
        assert ben.address in anna.engine._peers.relays._offers
        await ben.engine.leave_network(network)
        await anna.until(lambda: ben.address not in anna.engine._peers.links)
        assert ben.address not in anna.engine._peers.relays._offers

    tell(tmp_path, story)


def test_who_moves_while_the_server_is_away_introduces_itself_when_it_is_back(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        never = replace(QUICK, search_backoff=Backoff(first=10_000.0, limit=10_000.0))
        anna, ben = await world.person("anna", timing=never), await world.person("ben", timing=never)
        world.internet.cut.add(frozenset((anna.helper.computer.address, ben.helper.computer.address)))
        await anna.engine.create_network("family", "secret words")
        await ben.engine.join_network("family", "secret words")
        await anna.until_relayed(ben)
        await ben.until_relayed(anna)
        await world.stop_server()
        await anna.until(lambda: anna.state.server.status is ServerStatus.WAITING)
        world.internet.cut.clear()
        anna.engine._peers.network_changed()
        await world.start_server()
        await anna.until_connected(ben)
        await ben.until_connected(anna)

    tell(tmp_path, story)


def test_words_of_strangers_and_words_that_are_none_change_nothing(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        anna, ben, _ = await meet_relayed(world)
        relay = schema.UdpEndpoint("127.0.0.1", world.reflector_ports[0])
        words = [encode(RelayUnknown(MIN_RELAY_ID)), b"\x82", b"\x82\x92\x06", b"\x82" + bytes(300)]
        for word in words:
            for source in (relay, schema.UdpEndpoint("203.0.113.99", 9), relay._replace(relay=MIN_RELAY_ID)):
                anna.engine._notified(schema.DatagramReceived(source, word))
        counters = dict(anna.state.counters)
        assert counters["relay-word-of-stranger"] == 2 * len(words)
        assert (counters["relay-word-malformed"], counters["relay-word-unexpected"]) == (3, 1)
        await until_it_carries(anna, ben)

    tell(tmp_path, story)
