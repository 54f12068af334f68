"""Every request the engine can make of a running pump, and what it hears from it."""

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.dataplane.control import MAX_SESSIONS_PER_PEER
from app.ipc.schema import (
    ANSWERS,
    DatagramReceived,
    Done,
    DropSession,
    Failed,
    Hello,
    IpcMessage,
    MessageReceived,
    PeerWanted,
    ReadStatistics,
    RemovePeer,
    Request,
    SendDatagram,
    SendMessage,
    SessionConfirmed,
    SetPeerBroadcast,
    SetPeerPath,
    Statistics,
    UdpEndpoint,
)
from tests.dataplane.packets import Flow, packet
from tests.dataplane.running_pump import OWN, PEER, RunningPump
from tests.dataplane.sides import plain

TO_PEER, FROM_PEER = Flow(OWN, PEER), Flow(PEER, OWN)
NOWHERE = UdpEndpoint("not an address", 5)


def statistics(pump: RunningPump) -> Statistics:
    return pump.ask(ReadStatistics(request=pump.number()), Statistics)


def test_a_session_carries_packets_both_ways() -> None:
    with RunningPump() as pump:
        session = pump.install()
        pump.system.send(plain(packet(TO_PEER, b"there")))
        assert session.open(pump.peer.recv(2_000))[2] == packet(TO_PEER, b"there")
        pump.to_pump(session.seal(packet(FROM_PEER, b"back")))
        assert pump.system.recv(2_000) == plain(packet(FROM_PEER, b"back"))
        (peer,) = statistics(pump).peers
        assert (peer.sent_packets, peer.received_packets, peer.sending_index) == (1, 1, 1)
        assert peer.sent_bytes == peer.received_bytes + 1 == 45


def test_a_packet_waits_for_the_session_that_its_peer_was_wanted_for() -> None:
    with RunningPump() as pump:
        pump.system.send(plain(packet(TO_PEER, b"waits")))
        assert pump.next_notification() == PeerWanted(PEER)
        assert pump.install().open(pump.peer.recv(2_000))[2] == packet(TO_PEER, b"waits")


def test_an_unconfirmed_session_sends_after_its_first_packet() -> None:
    with RunningPump() as pump:
        session = pump.install(confirmed=False)
        assert pump.ask(SendMessage(request=1, peer=PEER, payload=b"\x00"), Failed).code == "no-session"
        assert statistics(pump).peers[0].sending_index == 0
        pump.to_pump(session.seal(b"\x00first"))
        assert pump.next_notification() == SessionConfirmed(PEER, 1)
        assert pump.next_notification() == MessageReceived(PEER, 1, pump.endpoint, b"\x00first")
        pump.ask(SendMessage(request=1, peer=PEER, payload=b"\x00second"), Done)
        assert session.open(pump.peer.recv(2_000))[2] == b"\x00second"


def test_rekeying_loses_no_packet() -> None:
    with RunningPump() as pump:
        old = pump.install(1)
        new = pump.install(2, confirmed=False)
        pump.to_pump(old.seal(packet(FROM_PEER, b"old")))
        pump.to_pump(new.seal(packet(FROM_PEER, b"new")))
        pump.to_pump(old.seal(packet(FROM_PEER, b"late")))
        assert [pump.system.recv(2_000)[50:] for _ in range(3)] == [b"old", b"new", b"late"]
        pump.system.send(plain(packet(TO_PEER, b"answer")))
        assert new.open(pump.peer.recv(2_000))[2] == packet(TO_PEER, b"answer")
        pump.ask(DropSession(request=9, local_index=1), Done)
        pump.to_pump(old.seal(packet(FROM_PEER, b"too late")))
        assert statistics_with(pump, "drop-unknown-session") == 1


def statistics_with(pump: RunningPump, counter: str) -> int:
    """The counter, once it is not zero."""
    while not (value := statistics(pump).counters[counter]):
        pass
    return value


def test_when_the_sending_session_is_dropped_an_older_one_sends_again() -> None:
    with RunningPump() as pump:
        old = pump.install(1)
        pump.install(2)
        pump.ask(DropSession(request=7, local_index=2), Done)
        pump.ask(DropSession(request=8, local_index=2), Done)
        pump.ask(SendMessage(request=9, peer=PEER, payload=b"\x00"), Done)
        assert old.open(pump.peer.recv(2_000))[2] == b"\x00"
        pump.ask(DropSession(request=10, local_index=1), Done)
        assert statistics(pump).peers[0].sending_index == 0


def test_a_removed_peer_is_forgotten_at_once() -> None:
    with RunningPump() as pump:
        session = pump.install()
        pump.ask(RemovePeer(request=5, peer=PEER), Done)
        pump.ask(RemovePeer(request=6, peer=PEER), Done)
        assert statistics(pump).peers == []
        pump.to_pump(session.seal(packet(FROM_PEER, b"evicted")))
        assert statistics_with(pump, "drop-unknown-session") == 1


def test_a_message_takes_the_peers_path_or_another() -> None:
    with RunningPump() as pump:
        session = pump.install()
        elsewhere = UdpEndpoint("127.0.0.1", 9)
        pump.ask(SetPeerPath(request=5, peer=PEER, endpoint=elsewhere), Done)
        pump.ask(SendMessage(request=6, peer=PEER, payload=b"\x00lost"), Done)
        pump.ask(SendMessage(request=7, peer=PEER, payload=b"\x00probe", endpoint=pump.endpoint), Done)
        assert session.open(pump.peer.recv(2_000))[2] == b"\x00probe"
        pump.ask(SetPeerPath(request=8, peer=PEER, endpoint=pump.endpoint), Done)
        pump.ask(SendMessage(request=9, peer=PEER, payload=b"\x00found"), Done)
        assert session.open(pump.peer.recv(2_000))[2] == b"\x00found"


def test_the_engines_datagrams_leave_from_the_same_port() -> None:
    with RunningPump() as pump:
        for data in (b"\x00\x01stun", b"\x80handshake"):
            pump.ask(SendDatagram(request=1, endpoint=pump.endpoint, data=data), Done)
            received, sender = pump.peer.recvfrom(2_000)
            assert (received, sender) == (data, ("127.0.0.1", pump.port))
            pump.to_pump(data)
            assert pump.next_notification() == DatagramReceived(pump.endpoint, data)


def test_broadcasts_can_be_switched_off_for_a_peer() -> None:
    with RunningPump() as pump:
        session = pump.install()
        broadcast = Flow(OWN, 0xFFFFFFFF, tcp=False)
        pump.ask(SetPeerBroadcast(request=1, peer=PEER, broadcast=False), Done)
        pump.system.send(plain(packet(broadcast, b"unheard")))
        pump.system.send(plain(packet(TO_PEER, b"after it")))
        assert session.open(pump.peer.recv(2_000))[2] == packet(TO_PEER, b"after it")
        pump.ask(SetPeerBroadcast(request=2, peer=PEER, broadcast=True), Done)
        pump.system.send(plain(packet(broadcast, b"heard")))
        assert session.open(pump.peer.recv(2_000))[2] == packet(broadcast, b"heard")


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        (SetPeerPath(request=1, peer=77, endpoint=UdpEndpoint("127.0.0.1", 9)), "no-peer"),
        (SetPeerPath(request=1, peer=PEER, endpoint=NOWHERE), "endpoint"),
        (SetPeerBroadcast(request=1, peer=77, broadcast=True), "no-peer"),
        (SendMessage(request=1, peer=77, payload=b"\x00"), "no-peer"),
        (SendMessage(request=1, peer=PEER, payload=b"\x45"), "message"),
        (SendDatagram(request=1, endpoint=UdpEndpoint("127.0.0.1", 9), data=b"\x81"), "datagram"),
    ],
)
def test_what_cannot_be_done_is_refused_by_name(request_: Request, code: str) -> None:
    with RunningPump() as pump:
        pump.install()
        assert pump.ask(request_, Failed).code == code


def test_endpoints_that_cannot_be_reached_are_counted() -> None:
    with RunningPump() as pump:
        pump.install()
        pump.ask(SendDatagram(request=1, endpoint=NOWHERE, data=b"\x80"), Done)
        pump.ask(SendMessage(request=1, peer=PEER, payload=b"\x00", endpoint=NOWHERE), Done)
        assert statistics(pump).counters["drop-endpoint"] == 2


def test_sessions_that_cannot_be_installed_are_refused_by_name() -> None:
    with RunningPump() as pump:
        for index in range(1, 1 + MAX_SESSIONS_PER_PEER):
            pump.install(index)
        _, request = pump.session(99)
        assert pump.ask(request, Failed).code == "too-many"
        _, request = pump.session(1)
        assert pump.ask(request, Failed).code == "index-in-use"
        _, request = pump.session(100, suite=1, address=77)
        wrong = type(request)(**{name: getattr(request, name) for name in request.__struct_fields__} | {"suite": 2})
        assert pump.ask(wrong, Failed).code == "key-material"
        nowhere = {name: getattr(request, name) for name in request.__struct_fields__} | {"endpoint": NOWHERE}
        assert pump.ask(type(request)(**nowhere), Failed).code == "endpoint"


# --- the control socket itself


def test_the_pump_ends_when_the_control_socket_closes() -> None:
    with RunningPump() as pump:
        pump.control.close()
        pump.wait_for_end()


@pytest.mark.parametrize("data", [b"\xc1", b"", Hello(request=1, version=1)])
def test_the_pump_ends_when_the_helper_speaks_nonsense(data: bytes | Hello) -> None:
    with RunningPump() as pump:
        pump.send_frame(data if isinstance(data, bytes) else ANSWERS.encode(data))
        pump.wait_for_end()


def test_the_pump_ends_on_a_frame_of_absurd_length() -> None:
    with RunningPump() as pump:
        pump.control.sendall(b"\xff\xff\xff\xff")
        pump.wait_for_end()


@settings(max_examples=25)
@given(cuts=st.lists(st.integers(0, 60), max_size=6))
def test_requests_arrive_in_any_pieces(cuts: list[int]) -> None:
    with RunningPump() as pump:
        frames = b""
        for number in (1, 2, 3):
            data = ANSWERS.encode(RemovePeer(request=number, peer=PEER))
            frames += struct.pack("!I", len(data)) + data
        start = 0
        for cut in [*sorted(cuts), len(frames)]:
            pump.control.sendall(frames[start:cut])
            start = max(start, cut)
        assert [pump.next_message() for _ in range(3)] == [Done(request=number) for number in (1, 2, 3)]


def test_a_slow_engine_loses_notifications_but_no_reply() -> None:
    with RunningPump() as pump:
        session = pump.install()
        for turn in range(1_500):
            pump.to_pump(session.seal(b"\x00" + bytes(1_399)))
            if turn % 50 == 49:
                pump.send_frame(_ping(turn))
        messages: list[IpcMessage] = []
        while len([each for each in messages if isinstance(each, Done)]) < 30:
            messages.append(pump.next_message())
        told = sum(isinstance(each, MessageReceived) for each in messages)
        lost = statistics(pump).counters["notifications-lost"]
        told += sum(isinstance(each, MessageReceived) for each in pump.notifications)
        assert lost > 0
        assert told + lost <= 1_500


def _ping(number: int) -> bytes:
    return ANSWERS.encode(RemovePeer(request=number, peer=1))
