"""Every request the engine can make of a running pump, and what it hears from it."""

import select
import socket
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.dataplane.control import MAX_SESSIONS_PER_PEER, Control, ControlClosed, Requests
from app.dataplane.counters import Counters
from app.dataplane.peer_table import Interface
from app.ipc.schema import (
    ANSWERS,
    DatagramReceived,
    Done,
    DropSession,
    EndpointChanged,
    Failed,
    Hello,
    IpcMessage,
    MessageReceived,
    PeerWanted,
    PumpRequest,
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
    UseSockets,
    all_subclasses,
)
from tests.dataplane.packets import Flow, packet
from tests.dataplane.running_pump import OWN, PEER, RunningPump
from tests.dataplane.sides import NEAR, TwoSides, plain

TO_PEER, FROM_PEER = Flow(OWN, PEER), Flow(PEER, OWN)
NOWHERE = UdpEndpoint("not an address", 5)
RELAY = 0xC0010203
RELAY_ID = RELAY.to_bytes(4)


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
        for data in (b"\x00\x01stun", b"\x80handshake", b"\x82word to a relay"):
            pump.ask(SendDatagram(request=1, endpoint=pump.endpoint, data=data), Done)
            received, sender = pump.peer.recvfrom(2_000)
            assert (received, sender) == (data, ("127.0.0.1", pump.port))
            pump.to_pump(data)
            assert pump.next_notification() == DatagramReceived(pump.endpoint, data)


def test_a_peer_is_reached_over_a_relay() -> None:
    with RunningPump() as pump:
        session = pump.install()
        relayed = pump.endpoint._replace(relay=RELAY)
        pump.ask(SetPeerPath(request=1, peer=PEER, endpoint=relayed), Done)
        pump.system.send(plain(packet(TO_PEER, b"there")))
        datagram = pump.peer.recv(2_000)
        assert datagram[:4] == RELAY_ID
        assert session.open(datagram[4:])[2] == packet(TO_PEER, b"there")
        pump.to_pump(RELAY_ID + session.seal(packet(FROM_PEER, b"back")))
        assert pump.system.recv(2_000) == plain(packet(FROM_PEER, b"back"))
        pump.to_pump(RELAY_ID + session.seal(b"\x00message"))
        assert pump.next_notification() == MessageReceived(PEER, 1, relayed, b"\x00message")
        pump.to_pump(session.seal(packet(FROM_PEER, b"directly")))
        assert pump.next_notification() == EndpointChanged(PEER, pump.endpoint)


def test_a_handshake_travels_over_a_relay() -> None:
    with RunningPump() as pump:
        relayed = pump.endpoint._replace(relay=RELAY)
        pump.ask(SendDatagram(request=1, endpoint=relayed, data=b"\x80handshake"), Done)
        assert pump.peer.recv(2_000) == RELAY_ID + b"\x80handshake"
        pump.to_pump(RELAY_ID + b"\x80answer")
        assert pump.next_notification() == DatagramReceived(relayed, b"\x80answer")


def test_a_peer_is_reached_from_an_extra_socket() -> None:
    with RunningPump() as pump:
        session = pump.install()
        pump.ask(UseSockets(request=1, numbers=(1, 300)), Done)
        through = pump.endpoint._replace(socket=300)
        pump.ask(SendDatagram(request=2, endpoint=through, data=b"\x80handshake"), Done)
        data, extra = pump.peer.recvfrom(2_000)
        assert data == b"\x80handshake"
        assert extra[1] != pump.port
        pump.ask(SetPeerPath(request=3, peer=PEER, endpoint=through), Done)
        pump.system.send(plain(packet(TO_PEER, b"there")))
        data, sender = pump.peer.recvfrom(2_000)
        assert sender == extra
        pump.peer.sendto(session.seal(packet(FROM_PEER, b"back")), extra)
        assert pump.system.recv(2_000) == plain(packet(FROM_PEER, b"back"))
        pump.peer.sendto(b"\x80answer", extra)
        assert pump.next_notification() == DatagramReceived(through, b"\x80answer")


def test_an_extra_socket_that_is_closed_loses_what_its_path_carries() -> None:
    with RunningPump() as pump:
        session = pump.install()
        pump.ask(UseSockets(request=1, numbers=(7,)), Done)
        pump.ask(SetPeerPath(request=2, peer=PEER, endpoint=pump.endpoint._replace(socket=7)), Done)
        pump.ask(UseSockets(request=3, numbers=()), Done)
        pump.system.send(plain(packet(TO_PEER, b"lost")))
        assert statistics_with(pump, "drop-no-socket") == 1
        pump.ask(SetPeerPath(request=4, peer=PEER, endpoint=pump.endpoint), Done)
        pump.system.send(plain(packet(TO_PEER, b"found")))
        assert session.open(pump.peer.recv(2_000))[2] == packet(TO_PEER, b"found")


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
        (SetPeerPath(request=1, peer=PEER, endpoint=UdpEndpoint("127.0.0.1", 9, socket=1)), "endpoint"),
        (SendDatagram(request=1, endpoint=UdpEndpoint("127.0.0.1", 9), data=b"\x81"), "datagram"),
        (SendDatagram(request=1, endpoint=UdpEndpoint("127.0.0.1", 9), data=b"\xc0"), "datagram"),
        (SendDatagram(request=1, endpoint=UdpEndpoint("127.0.0.1", 9, RELAY), data=b"\x82"), "datagram"),
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


def test_a_peer_outside_the_virtual_network_is_refused() -> None:
    with RunningPump() as pump:
        for address in (OWN, 0x0A1BFFFF, 0x0A1B0000, 0x08080808):
            _, request = pump.session(address=address)
            assert pump.ask(request, Failed).code == "peer"


def test_sessions_that_cannot_be_installed_are_refused_by_name() -> None:
    with RunningPump() as pump:
        for index in range(1, 1 + MAX_SESSIONS_PER_PEER):
            pump.install(index)
        _, request = pump.session(99)
        assert pump.ask(request, Failed).code == "too-many"
        _, request = pump.session(1)
        assert pump.ask(request, Failed).code == "index-in-use"
        _, request = pump.session(100, suite=1, address=PEER + 7)
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
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        counters = Counters()
        control = Control(ours, counters)
        large = MessageReceived(PEER, 1, UdpEndpoint("127.0.0.1", 9), bytes(1_400))
        for number in range(1_500):
            control.notify(large)
            if number % 50 == 0:
                frame = ANSWERS.encode(RemovePeer(request=number, peer=PEER))
                theirs.sendall(struct.pack("!I", len(frame)) + frame)
                control.receive(lambda request: Done(request=request.request))
        received = b""
        while control.interest & select.POLLOUT:
            control.send()
            received += theirs.recv(1 << 20)
        theirs.setblocking(False)
        while select.select([theirs], [], [], 0)[0]:
            received += theirs.recv(1 << 20)
        messages = decoded(received)
        replies = [each.request for each in messages if isinstance(each, Done)]
        assert replies == list(range(0, 1_500, 50))
        assert counters["notifications-lost"] > 0
        assert messages.count(large) + counters["notifications-lost"] == 1_500


def decoded(data: bytes) -> list[IpcMessage]:
    """The messages in a stream of frames."""
    messages = []
    while data:
        (length,) = struct.unpack_from("!I", data)
        messages.append(ANSWERS.decode(data[4 : 4 + length]))
        data = data[4 + length :]
    return messages


def test_every_request_of_the_schema_is_carried_out() -> None:
    with TwoSides() as sides:
        requests = Requests(
            sides.near.table, Interface(NEAR, 16, 1_400), sides.near.outbound, sides.near.port, sides.near.counters
        )
        assert set(requests._methods) == set(all_subclasses(PumpRequest))


def test_nothing_to_read_is_no_end() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        control = Control(ours, Counters())
        control.receive(lambda request: Done(request=request.request))
        theirs.close()
        with pytest.raises(ControlClosed):
            control.receive(lambda request: Done(request=request.request))


def test_a_reader_that_is_gone_ends_the_pump() -> None:
    ours, theirs = socket.socketpair()
    with ours:
        theirs.close()
        control = Control(ours, Counters())
        control.notify(PeerWanted(PEER))
        assert control.interest & select.POLLOUT
        with pytest.raises(ControlClosed):
            control.send()


def test_a_helper_that_breaks_off_ends_the_pump() -> None:
    ours, theirs = socket.socketpair()
    with ours:
        ours.sendall(b"unread")
        theirs.close()
        control = Control(ours, Counters())
        with pytest.raises(ControlClosed):
            control.receive(lambda request: Done(request=request.request))


def test_no_request_is_taken_while_too_many_answers_wait() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        counters = Counters()
        control = Control(ours, counters)
        large = Failed(request=1, code="x", message="y" * 512)
        asked = 0

        def answer(_: PumpRequest) -> Failed:
            nonlocal asked
            asked += 1
            return large

        frame = ANSWERS.encode(RemovePeer(request=1, peer=PEER))
        frames = (struct.pack("!I", len(frame)) + frame) * 1_000
        before = -1
        while before != asked:
            before = asked
            theirs.sendall(frames)
            for _ in range(20):
                control.receive(answer)
        assert asked < 10_000
        control.notify(DatagramReceived(UdpEndpoint("127.0.0.1", 9), b"x"))
        control.notify(PeerWanted(PEER))
        assert counters["drop-engine-busy"] == counters["notifications-lost"] == 1
