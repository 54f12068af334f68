"""What reaches an engine's peers from outside: garbage, replays, strangers, and a helper that talks nonsense."""

import logging
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.engine.peer_link import MAX_KINDS
from app.engine.state import PeerStatus
from app.ipc import schema
from app.protocol.messages import Candidate, CandidateKind, Introduced
from app.protocol.path import CheckCredentials
from app.protocol.tunnel_message import Goodbye, StatementGossip, encode
from app.protocol.wire import Endpoint
from tests.engine.world import Person, World, meet, tell

SOMEWHERE = schema.UdpEndpoint("203.0.113.99", 9)


def receive(person: Person, notification: schema.Notification) -> None:
    """As if the pump had told it."""
    person.engine._notified(notification)


def assert_nothing_broke(log: pytest.LogCaptureFixture) -> None:
    assert [record for record in log.records if record.levelno >= logging.ERROR] == []


async def assert_they_ping(anna: Person, ben: Person) -> None:
    trips = [trip async for trip in anna.engine.ping(ben.address, 3, interval=0.01)]
    assert any(trip.seconds is not None for trip in trips)


def test_garbage_from_the_internet_is_counted_and_breaks_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def story(world: World) -> None:
        anna, ben, _ = await meet(world)
        random = Random(7)
        for length in (1, 2, 11, 12, 19, 20, 28, 60, 300, 1_472):
            for first in (0x00, 0x01, 0x3F, 0x80, 0x81, 0xFF):
                for _ in range(5):
                    receive(anna, schema.DatagramReceived(SOMEWHERE, bytes([first]) + random.randbytes(length - 1)))
                    receive(anna, schema.DatagramReceived(schema.UdpEndpoint("no address", 0), b"\x80"))
        assert anna.state.counters
        await assert_they_ping(anna, ben)
        assert anna.sees(ben, PeerStatus.DIRECT)

    tell(tmp_path, story)
    assert_nothing_broke(caplog)


def test_a_recorded_handshake_played_back_changes_no_tunnel(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def story(world: World) -> None:
        anna = await world.person("anna")
        recorded: list[schema.DatagramReceived] = []
        notified = anna.engine._peers.notified

        def record(notification: schema.Notification) -> None:
            if isinstance(notification, schema.DatagramReceived):
                recorded.append(notification)
            notified(notification)

        anna.engine._helper._on_notification = record
        ben = await world.person("ben")
        await anna.engine.create_network("family", "secret words")
        await ben.engine.join_network("family", "secret words")
        await anna.until_connected(ben)
        await ben.until_connected(anna)
        path, sessions = anna.peer(ben).endpoint, len(anna.helper.installed)
        for datagram in recorded:
            for endpoint in (datagram.endpoint, SOMEWHERE):
                notified(schema.DatagramReceived(endpoint, datagram.data))
        await assert_they_ping(anna, ben)
        assert (anna.peer(ben).endpoint, len(anna.helper.installed)) == (path, sessions)

    tell(tmp_path, story)
    assert_nothing_broke(caplog)


def test_messages_and_introductions_of_strangers_are_ignored(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def story(world: World) -> None:
        anna, ben, network = await meet(world)
        stranger = 0x7F000001
        credentials = CheckCredentials.new()
        anna.engine._word(Introduced(stranger, *credentials, (Candidate(CandidateKind.HOST, "203.0.113.9", 9),), True))
        receive(anna, schema.MessageReceived(stranger, 1, SOMEWHERE, encode(Goodbye())))
        receive(anna, schema.MessageReceived(stranger, 1, SOMEWHERE, b"\x00garbage"))
        receive(anna, schema.SessionConfirmed(stranger, 1))
        receive(anna, schema.SessionConfirmed(ben.address, 1))
        receive(anna, schema.EndpointChanged(stranger, SOMEWHERE))
        receive(anna, schema.PeerWanted(stranger))
        for payload in (b"\x00", b"\x00\x90", b"\x00\x92\x63\x01", encode(StatementGossip(network, bytes(400)))):
            receive(anna, schema.MessageReceived(ben.address, 1, SOMEWHERE, payload))
        assert dict(anna.state.counters)["introduction-of-stranger"] == 1
        await assert_they_ping(anna, ben)

    tell(tmp_path, story)
    assert_nothing_broke(caplog)


def test_a_peer_at_ever_new_endpoints_makes_nothing_grow(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        anna, ben, _ = await meet(world)
        link = anna.engine._peers.links[ben.address]
        now = anna.engine._peers._now()
        for number in range(1_000):
            link.relay_bound(CandidateKind.RELAY, Endpoint("203.0.113.9", 12_975, 0xC0000001 + number), now)
        assert len(link._kinds) <= MAX_KINDS
        await assert_they_ping(anna, ben)

    tell(tmp_path, story)


def test_a_goodbye_ends_the_tunnel_and_a_peer_that_stays_is_sought_again(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        anna, ben, _ = await meet(world)
        receive(anna, schema.MessageReceived(ben.address, 1, SOMEWHERE, encode(Goodbye())))
        assert not anna.sees(ben, PeerStatus.DIRECT)
        await anna.until_connected(ben)
        await assert_they_ping(anna, ben)

    tell(tmp_path, story)


candidates = st.builds(
    Candidate,
    st.sampled_from(CandidateKind),
    st.sampled_from(["203.0.113.9", "127.0.0.1", "::1", "fe80::1", "not one", "224.0.0.1", "2001:db8::9"]),
    st.integers(1, 65_535),
)


@settings(max_examples=5)
@given(
    st.lists(
        st.builds(
            Introduced,
            st.integers(1, 3),
            st.binary(min_size=4, max_size=16),
            st.binary(min_size=16, max_size=32),
            st.lists(candidates, max_size=24).map(tuple),
            st.booleans(),
        ),
        max_size=20,
    )
)
def test_any_introductions_by_a_lying_server_leave_the_tunnel_alone(
    tmp_path_factory: pytest.TempPathFactory, introductions: list[Introduced]
) -> None:
    async def story(world: World) -> None:
        anna, ben, _ = await meet(world)
        before = anna.peer(ben).endpoint
        for told in introductions:
            anna.engine._word(Introduced(ben.address, told.username, told.password, told.candidates, told.wants_answer))
        await assert_they_ping(anna, ben)
        await anna.until(lambda: anna.peer(ben).endpoint == before)  # a path in doubt may be left for a moment

    tell(tmp_path_factory.mktemp("world"), story)


def test_traffic_shows_in_the_state(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        anna, ben, _ = await meet(world)
        assert anna.helper.send_packet(ben.address, b"\x45" + bytes(40))
        await ben.until(lambda: ben.helper.packets != [])
        await ben.until(lambda: ben.peer(anna).received_bytes > 0)
        assert ben.peer(anna).last_received is not None
        assert Endpoint(*ben.peer(anna).endpoint.split(":")).host == anna.helper.computer.address  # type: ignore[arg-type]

    tell(tmp_path, story)
