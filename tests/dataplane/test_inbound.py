"""From the peers to the adapter: what is accepted, merged, reported, and what is dropped under which name."""

import os
import socket
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.dataplane.inbound import ENGINE_BURST, MAX_LAYOUTS
from app.dataplane.peer_table import NOTICE_BURST
from app.dataplane.super_packet import VNET_HEADER
from app.ipc.schema import DatagramReceived, EndpointChanged, MessageReceived, SessionConfirmed, UdpEndpoint
from app.protocol.tunnel import TunnelSession
from app.protocol.wire import DataFlag
from tests.dataplane.packets import Flow, cut, is_intact, packet, virtio
from tests.dataplane.sides import FAR, NEAR, STRANGER, Side, TwoSides, plain

TO_FAR = Flow(NEAR, FAR)
PARTIAL = DataFlag.PARTIAL_CHECKSUM
CONTINUED = DataFlag.PARTIAL_CHECKSUM | DataFlag.CONTINUES
RELAY = 0xC0FFEE00
RELAY_ID, OTHER_RELAY_ID = RELAY.to_bytes(4), (RELAY + 1).to_bytes(4)
PARTIAL_TCP = packet(TO_FAR, b"payload", partial=True)


def sealer(sides: TwoSides) -> TunnelSession:
    """The near side's tunnel, for sealing by hand."""
    session = sides.near.peer(FAR).sending
    assert session is not None
    return session.tunnel


def send_raw(sides: TwoSides, *datagrams: bytes, path: socket.socket | None = None) -> list[bytes]:
    """Send datagrams one by one to the far side; what its system gets."""
    for datagram in datagrams:
        (path or sides.near.udp).sendto(datagram, far_address(sides.far, path))
    return sides.far.receive()


def send_train(sides: TwoSides, datagrams: list[bytes]) -> list[bytes]:
    """Send datagrams of equal length (the last perhaps shorter) in one train."""
    option = [(socket.IPPROTO_UDP, 103, struct.pack("=H", len(datagrams[0])))]
    sides.near.udp.sendmsg(datagrams, option, 0, far_address(sides.far, None))
    return sides.far.receive()


def far_address(far: Side, path: socket.socket | None) -> tuple[str, int]:
    mapped = path is None or path.family == socket.AF_INET6
    return ("::ffff:127.0.0.1" if mapped else "127.0.0.1", far.endpoint.port)


def segments(count: int, size: int = 1_000, flow: Flow = TO_FAR) -> list[bytes]:
    """A super packet's segments with partial checksums, as the near side would seal them."""
    return [
        packet(flow, bytes([index]) * size, sequence=index * size, identity=index, partial=True)
        for index in range(count)
    ]


def flags_of(count: int) -> list[int]:
    return [int(PARTIAL)] + [int(CONTINUED)] * (count - 1)


def merged(first: int, count: int, size: int = 1_000) -> bytes:
    """What the system gets for segments `first` to `first + count`."""
    payload = b"".join(bytes([index]) * size for index in range(first, first + count))
    return virtio(TO_FAR, size) + packet(TO_FAR, payload, sequence=first * size, identity=first, partial=True)


def test_a_train_with_a_gap_becomes_two_super_packets() -> None:
    with TwoSides() as sides:
        tunnel = sealer(sides)
        sealed = [tunnel.seal(each, flag) for each, flag in zip(segments(6), flags_of(6), strict=True)]
        arrived = send_train(sides, sealed[:3] + sealed[4:])
        assert arrived == [merged(0, 3), merged(4, 2)]
        assert not sides.far.drops()


def test_a_train_whose_first_segments_were_lost_is_merged_from_what_is_there() -> None:
    with TwoSides() as sides:
        tunnel = sealer(sides)
        sealed = [tunnel.seal(each, flag) for each, flag in zip(segments(6), flags_of(6), strict=True)]
        assert send_train(sides, sealed[2:]) == [merged(2, 4)]


@settings(max_examples=50)
@given(order=st.permutations(range(6)), twice=st.sets(st.integers(0, 5)))
def test_reordered_and_duplicated_segments_all_arrive_once(order: list[int], twice: set[int]) -> None:
    with TwoSides() as sides:
        tunnel = sealer(sides)
        sealed = [tunnel.seal(each, flag) for each, flag in zip(segments(6), flags_of(6), strict=True)]
        sent = [each for index in order for each in [sealed[index]] * (1 + (index in twice))]
        arrived = send_train(sides, sent)
        payload = b"".join(each[50:] for each in arrived)
        assert sorted(payload[start] for start in range(0, len(payload), 1_000)) == list(range(6))
        assert sides.far.drops() == ({"drop-replayed": len(twice)} if twice else {})


@pytest.mark.parametrize("spoiled", range(6))
def test_a_spoiled_segment_in_a_train_costs_only_itself(spoiled: int) -> None:
    with TwoSides() as sides:
        tunnel = sealer(sides)
        sealed = [tunnel.seal(each, flag) for each, flag in zip(segments(6), flags_of(6), strict=True)]
        sealed[spoiled] = sealed[spoiled][:-1] + bytes([sealed[spoiled][-1] ^ 1])
        payload = b"".join(each[50:] for each in send_train(sides, sealed))
        expected = [index for index in range(6) if index != spoiled]
        assert [payload[start] for start in range(0, len(payload), 1_000)] == expected
        assert sides.far.drops() == {"drop-not-authentic": 1}


def test_a_train_of_two_sessions_arrives_through_both() -> None:
    with TwoSides() as sides:
        old = sealer(sides)
        sides.connect()
        new = sealer(sides)
        packets = [packet(TO_FAR, bytes([number]) * 50) for number in range(4)]
        sealed = [tunnel.seal(each) for tunnel, each in zip((old, old, new, new), packets, strict=True)]
        assert send_train(sides, sealed) == [plain(each) for each in packets]


def test_a_train_that_ends_in_a_stump_is_delivered_up_to_it() -> None:
    with TwoSides() as sides:
        sealed = [sealer(sides).seal(packet(TO_FAR, bytes(50))) for _ in range(3)]
        assert len(send_train(sides, [*sealed, b"\x81"])) == 3
        assert sides.far.drops() == {"drop-malformed": 1}


def test_any_number_of_slot_lengths_is_opened() -> None:
    with TwoSides() as sides:
        for length in range(2 * MAX_LAYOUTS + 1):
            sealed = [sealer(sides).seal(packet(TO_FAR, bytes(length))) for _ in range(3)]
            assert len(send_train(sides, sealed)) == 3


def test_continued_segments_are_delivered_one_by_one_to_an_adapter_that_does_not_merge() -> None:
    with TwoSides(far_merges=False) as sides:
        tunnel = sealer(sides)
        sealed = [tunnel.seal(each, flag) for each, flag in zip(segments(4), flags_of(4), strict=True)]
        arrived = send_raw(sides, *sealed)
        assert all(is_intact(each[10:]) for each in arrived)
        payload = b"".join(bytes([index]) * 1_000 for index in range(4))
        assert arrived == [plain(each) for each in cut(TO_FAR, payload, 1_000)]


@pytest.mark.parametrize(
    "run",
    [
        [packet(TO_FAR, b"", partial=True)] * 3,  # nothing to continue with
        [packet(TO_FAR, bytes(9), partial=True)[:-1] + b"x"] * 2 + [packet(TO_FAR, b"", partial=True)[:39]],
        [b"\x45" + bytes(22)] * 3,
        [b"\x45"] * 9,
        [b"\x60\0\0"] * 9,
        [b"\x00" + bytes(60)] * 3,
        [packet(TO_FAR, bytes(60), partial=True)[:32] + b"\x10" + packet(TO_FAR, bytes(60), partial=True)[33:]] * 3,
        [packet(Flow(STRANGER, FAR), bytes(60), partial=True)] * 3,
    ],
)
def test_a_peer_that_marks_nonsense_as_continued_harms_nobody(run: list[bytes]) -> None:
    with TwoSides() as sides:
        tunnel = sealer(sides)
        for each in send_train(sides, [tunnel.seal(each, flag) for each, flag in zip(run, flags_of(9), strict=False)]):
            assert each[10:12] == b"\x45\x00"
            assert each[1] == 0


@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.parametrize("length", range(29, 61))
def test_continued_segments_too_short_for_their_headers_are_dropped(version: int, length: int) -> None:
    stump = packet(Flow(NEAR, FAR, version=version), bytes(60), partial=True)[:length]
    with TwoSides() as sides:
        tunnel = sealer(sides)
        arrived = send_train(sides, [tunnel.seal(stump, flag) for flag in flags_of(3)])
        assert len(arrived) + sides.far.counters["drop-malformed"] in (1, 3)


@settings(max_examples=200)
@given(data=st.data())
def test_any_train_of_spoiled_headers_is_survived_and_shows_nobody_elses_address(data: st.DataObject) -> None:
    version, tcp = data.draw(st.sampled_from([(4, True), (4, False), (6, True), (6, False)]))
    length = data.draw(st.integers(1, 120))
    spoil = st.lists(st.tuples(st.integers(0, 59), st.integers(0, 255)), max_size=3)
    train = []
    for _ in range(data.draw(st.integers(2, 12))):
        whole = bytearray(packet(Flow(NEAR, FAR, version=version, tcp=tcp), bytes(80), partial=True))
        for place, value in data.draw(spoil):
            whole[place] = value
        train.append(bytes(whole[:length]))
    train[-1] = train[-1][: data.draw(st.integers(1, length))]
    with TwoSides() as sides:
        tunnel = sealer(sides)
        flags = data.draw(st.lists(st.sampled_from([3, 3, 3, 2, 1, 0]), min_size=12, max_size=12))
        for each in send_train(sides, [tunnel.seal(text, flag) for text, flag in zip(train, flags, strict=False)]):
            source = each[22:26] if each[10] >> 4 == 4 else each[18:34]
            assert int.from_bytes(source, "big") & 0xFFFFFFFF == NEAR
            _, kind, header, size, checked, field = VNET_HEADER.unpack_from(each)
            assert not kind or (size and header <= len(each) - 10)
            assert checked + field + 2 <= len(each)


@settings(max_examples=200)
@given(
    texts=st.integers(1, 80).flatmap(lambda size: st.lists(st.binary(min_size=size, max_size=size), max_size=4)),
    flags=st.lists(st.integers(0, 3), min_size=4, max_size=4),
    start=st.sampled_from([b"", b"\x45\x00", PARTIAL_TCP[:20], PARTIAL_TCP[:33], b"\x60", b"\x00"]),
)
def test_any_packet_of_a_peer_is_delivered_or_counted(texts: list[bytes], flags: list[int], start: bytes) -> None:
    with TwoSides() as sides:
        tunnel = sealer(sides)
        packets = [(start + text[len(start) :])[: len(text)] for text in texts]
        if not packets:
            return
        arrived = send_train(sides, [tunnel.seal(each, flag) for each, flag in zip(packets, flags, strict=False)])
        told = [each for each in sides.far.notifications if isinstance(each, MessageReceived)]
        accounted = len(told) + sum(sides.far.drops().values()) + len(arrived)
        assert accounted <= len(packets)
        assert accounted == len(packets) or any(flag & 1 for flag in flags)


# --- what is accepted


@pytest.mark.parametrize("suite", [1, 2])
@pytest.mark.parametrize("version", [4, 6])
def test_a_packet_from_another_address_than_the_peers_is_dropped(suite: int, version: int) -> None:
    with TwoSides(suite) as sides:
        assert send_raw(sides, sealer(sides).seal(packet(Flow(STRANGER, FAR, version=version), b""))) == []
        assert sides.far.drops() == {"drop-inner-source": 1}


def test_an_ipv6_source_outside_the_virtual_network_is_dropped() -> None:
    whole = bytearray(packet(Flow(NEAR, FAR, version=6), b""))
    whole[8] = 0xFE
    with TwoSides() as sides:
        assert send_raw(sides, sealer(sides).seal(bytes(whole))) == []
        assert sides.far.drops() == {"drop-inner-source": 1}


@pytest.mark.parametrize("version", [4, 6])
def test_a_packet_to_another_address_than_ours_is_dropped(version: int) -> None:
    with TwoSides() as sides:
        assert send_raw(sides, sealer(sides).seal(packet(Flow(NEAR, STRANGER, version=version), b""))) == []
        assert sides.far.drops() == {"drop-inner-destination": 1}


@pytest.mark.parametrize("destination", [0xFFFFFFFF, 0x0A1BFFFF, 0xE0000001])
def test_broadcast_and_multicast_are_accepted(destination: int) -> None:
    whole = packet(Flow(NEAR, destination, tcp=False), b"hello")
    with TwoSides() as sides:
        assert send_raw(sides, sealer(sides).seal(whole)) == [plain(whole)]


def test_malformed_packets_are_dropped() -> None:
    with TwoSides() as sides:
        tunnel = sealer(sides)
        not_transport = bytearray(PARTIAL_TCP)
        not_transport[9] = 1
        bad = [b"", b"\x45" + bytes(18), b"\x60" + bytes(38), b"\x55" + bytes(60)]
        partial = [bytes(not_transport), PARTIAL_TCP[:39]]
        sealed = [tunnel.seal(each) for each in bad] + [tunnel.seal(each, PARTIAL) for each in partial]
        assert send_raw(sides, *sealed) == []
        assert sides.far.drops() == {"drop-malformed": 6}


def test_the_mss_of_a_peers_connection_is_clamped() -> None:
    wide, narrow = (Flow(NEAR, FAR, options=b"\x02\x04" + mss.to_bytes(2, "big")) for mss in (8_960, 1_360))
    with TwoSides() as sides:
        assert send_raw(sides, sealer(sides).seal(packet(wide, b"", flags=2))) == [plain(packet(narrow, b"", flags=2))]


# --- over a relay


def relayed(*datagrams: bytes, relay: bytes = RELAY_ID) -> list[bytes]:
    return [relay + each for each in datagrams]


def test_a_relayed_train_becomes_one_super_packet() -> None:
    with TwoSides() as sides:
        tunnel = sealer(sides)
        sealed = [tunnel.seal(each, flag) for each, flag in zip(segments(6), flags_of(6), strict=True)]
        assert send_train(sides, relayed(*sealed)) == [merged(0, 6)]
        endpoint = UdpEndpoint("127.0.0.1", sides.near.endpoint.port, RELAY)
        assert sides.far.notifications == [EndpointChanged(NEAR, endpoint)]
        assert not sides.far.drops()


def test_a_train_of_two_relay_ids_is_opened_datagram_by_datagram() -> None:
    with TwoSides() as sides:
        packets = [packet(TO_FAR, bytes([number]) * 50) for number in range(4)]
        sealed = [sealer(sides).seal(each) for each in packets]
        train = relayed(*sealed[:2]) + relayed(*sealed[2:], relay=OTHER_RELAY_ID)
        assert send_train(sides, train) == [plain(each) for each in packets]
        told = [each.endpoint.relay for each in sides.far.notifications if isinstance(each, EndpointChanged)]
        assert told == [RELAY, RELAY + 1]


@pytest.mark.parametrize("spoiled", range(6))
def test_a_spoiled_segment_in_a_relayed_train_costs_only_itself(spoiled: int) -> None:
    with TwoSides() as sides:
        tunnel = sealer(sides)
        sealed = [tunnel.seal(each, flag) for each, flag in zip(segments(6), flags_of(6), strict=True)]
        sealed[spoiled] = sealed[spoiled][:-1] + bytes([sealed[spoiled][-1] ^ 1])
        payload = b"".join(each[50:] for each in send_train(sides, relayed(*sealed)))
        expected = [index for index in range(6) if index != spoiled]
        assert [payload[start] for start in range(0, len(payload), 1_000)] == expected
        assert sides.far.drops() == {"drop-not-authentic": 1}


@settings(max_examples=100)
@given(
    train=st.lists(
        st.sampled_from(["direct", "relayed", "elsewhere", "twice relayed", "word behind", "stump"]), max_size=12
    ),
    stump=st.integers(0, 30),
)
def test_whatever_is_mixed_in_a_train_each_datagram_has_its_own_fate(train: list[str], stump: int) -> None:
    with TwoSides() as sides:
        datagrams, expected = [], []
        for number, kind in enumerate(train):
            text = packet(TO_FAR, bytes([number]) * 60)
            sealed = sealer(sides).seal(text)
            lead = {"direct": b"", "elsewhere": OTHER_RELAY_ID, "twice relayed": RELAY_ID * 2}.get(kind, RELAY_ID)
            text = text if kind in ("direct", "relayed", "elsewhere") else b""
            if kind == "word behind":
                sealed = b"\x82" + sealed[1:]
            datagrams.append(lead + (sealed[:stump] if kind == "stump" else sealed))
            expected += [plain(text)] * bool(text)
        arrived = []
        for size in {len(each): None for each in datagrams}:
            arrived += send_train(sides, [each for each in datagrams if len(each) == size])
        assert sorted(arrived) == sorted(expected)
        assert sum(sides.far.drops().values()) == len(train) - len(expected)


def test_what_is_never_behind_a_relay_id_is_dropped() -> None:
    with TwoSides() as sides:
        send_raw(sides, *relayed(b"\x82word", b"\xc0\x00\x00\x01\x80handshake", b"\x40", b""), RELAY_ID[:2])
        assert sides.far.notifications == []
        assert sides.far.drops() == {"drop-unknown-datagram": 5}


def test_relayed_handshakes_and_checks_and_a_relays_words_go_to_the_engine() -> None:
    with TwoSides() as sides:
        send_raw(sides, *relayed(b"\x80handshake", b"\x00stun"), b"\x82word")
        near = UdpEndpoint("127.0.0.1", sides.near.endpoint.port)
        assert sides.far.notifications == [
            DatagramReceived(near._replace(relay=RELAY), b"\x80handshake"),
            DatagramReceived(near._replace(relay=RELAY), b"\x00stun"),
            DatagramReceived(near, b"\x82word"),
        ]


# --- strangers


def test_datagrams_that_nobody_knows_are_dropped() -> None:
    with TwoSides() as sides:
        datagrams = [b"\x40", b"\x83abc", b"\xff" * 1_400, b"\x81", b"\x81" + bytes(40)]
        assert send_raw(sides, *datagrams) == []
        assert sides.far.drops() == {"drop-unknown-datagram": 3, "drop-malformed": 1, "drop-unknown-session": 1}


@pytest.mark.parametrize("suite", [1, 2])
def test_replayed_and_forged_datagrams_are_dropped(suite: int) -> None:
    with TwoSides(suite) as sides:
        datagram = sealer(sides).seal(packet(TO_FAR, b"once"))
        forged = sealer(sides).seal(packet(TO_FAR, b"twice"))[:-1] + b"?"
        assert send_raw(sides, datagram, datagram, forged) == [plain(packet(TO_FAR, b"once"))]
        assert sides.far.drops() == {"drop-replayed": 1, "drop-not-authentic": 1}


@given(datagrams=st.lists(st.binary(max_size=120) | st.binary(max_size=60).map(RELAY_ID.__add__), max_size=6))
@settings(max_examples=100)
def test_any_bytes_of_a_stranger_reach_no_adapter(datagrams: list[bytes]) -> None:
    with TwoSides() as sides:
        assert send_raw(sides, *datagrams) == []


def test_stun_and_handshake_datagrams_go_to_the_engine() -> None:
    with TwoSides() as sides:
        send_raw(sides, b"\x00\x01stun", b"\x80handshake", b"\x3f", b"\x00" * 1_500)
        endpoint = UdpEndpoint("127.0.0.1", sides.near.endpoint.port)
        assert sides.far.notifications == [
            DatagramReceived(endpoint, data) for data in (b"\x00\x01stun", b"\x80handshake", b"\x3f")
        ]
        assert sides.far.drops() == {"drop-unknown-datagram": 1}


def test_a_flood_for_the_engine_is_limited() -> None:
    with TwoSides() as sides:
        for _ in range(6):
            send_raw(sides, *[b"\x80flood"] * 100)
        assert len(sides.far.notifications) == ENGINE_BURST
        assert sides.far.drops() == {"drop-engine-busy": 100}


def test_an_empty_datagram_is_ignored() -> None:
    with TwoSides() as sides:
        assert send_raw(sides, b"", sealer(sides).seal(packet(TO_FAR, b"x"))) == [plain(packet(TO_FAR, b"x"))]


# --- what the engine hears


@pytest.mark.parametrize("suite", [1, 2])
def test_engine_messages_go_to_the_engine(suite: int) -> None:
    with TwoSides(suite) as sides:
        assert send_raw(sides, sealer(sides).seal(b"\x00chat")) == []
        (told,) = sides.far.notifications
        assert told == MessageReceived(NEAR, 12, UdpEndpoint("127.0.0.1", sides.near.endpoint.port), b"\x00chat")


def test_a_flood_of_one_peers_engine_messages_and_moves_is_limited() -> None:
    with TwoSides() as sides, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as moved:
        moved.bind(("127.0.0.1", 0))
        tunnel = sealer(sides)
        for _ in range(12):
            send_raw(sides, *[tunnel.seal(b"\x00flood") for _ in range(100)])
        assert len(sides.far.notifications) == NOTICE_BURST
        assert sides.far.drops() == {"drop-message-rate": 200}
        assert len(send_raw(sides, tunnel.seal(packet(TO_FAR, b"moved")), path=moved)) == 1
        assert len(sides.far.notifications) == NOTICE_BURST


def test_an_overlong_engine_message_is_dropped() -> None:
    with TwoSides() as sides:
        send_raw(sides, sealer(sides).seal(bytes(1_401)))
        assert sides.far.notifications == []
        assert sides.far.drops() == {"drop-malformed": 1}


def test_the_first_packet_confirms_a_session_which_then_sends() -> None:
    with TwoSides() as sides:
        old = sides.far.peer(NEAR).sending
        sides.connect(far_confirmed=False)
        assert sides.far.peer(NEAR).sending is old
        assert len(sides.carry(plain(packet(TO_FAR, b"on the new session")))) == 1
        assert sides.far.notifications == [SessionConfirmed(NEAR, 22)]
        new = sides.far.peer(NEAR).sending
        assert new is not None
        assert new.tunnel.local_index == 22
        sides.carry(plain(packet(TO_FAR, b"again")))
        assert len(sides.far.notifications) == 1


def test_an_old_session_confirmed_late_does_not_send() -> None:
    with TwoSides() as sides:
        sides.connect(far_confirmed=False)
        old = sealer(sides)
        sides.connect()
        assert len(send_raw(sides, old.seal(packet(TO_FAR, b"late")))) == 1
        new = sides.far.peer(NEAR).sending
        assert new is not None
        assert new.tunnel.local_index == 32
        assert sides.far.notifications == []


def test_packets_that_waited_leave_when_the_session_is_confirmed() -> None:
    with TwoSides() as sides:
        answer = plain(packet(Flow(FAR, NEAR), b"answer"))
        for session in list(sides.far.peer(NEAR).sessions):
            sides.far.table.drop_session(session.tunnel.local_index)
        sides.far.send(answer)
        sides.connect(far_confirmed=False)
        sides.carry(plain(packet(TO_FAR, b"confirms")))
        assert sides.near.receive() == [answer]


def test_packets_from_another_endpoint_are_told_once() -> None:
    with TwoSides() as sides, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as elsewhere:
        elsewhere.bind(("127.0.0.1", 0))
        tunnel = sealer(sides)
        datagrams = [tunnel.seal(packet(TO_FAR, bytes([number]))) for number in range(3)]
        assert len(send_raw(sides, *datagrams, path=elsewhere)) == 3
        assert sides.far.notifications == [EndpointChanged(NEAR, UdpEndpoint("127.0.0.1", elsewhere.getsockname()[1]))]


def test_what_comes_is_counted() -> None:
    with TwoSides() as sides:
        sides.carry(*(plain(packet(TO_FAR, bytes(60))) for _ in range(3)), now=5.0)
        peer = sides.far.peer(NEAR)
        assert (peer.received_packets, peer.received_bytes, peer.last_received) == (3, 300, 5.0)


# --- the adapter


def test_an_adapter_that_takes_no_more_loses_packets_by_name() -> None:
    with TwoSides() as sides:
        sides.far.tun.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4_608)
        for _ in range(40):
            sides.near.send(plain(packet(TO_FAR, bytes(1_000))))
        while not sides.far.drops():
            sides.far.inbound.receive(1.0)
        assert set(sides.far.drops()) == {"drop-tun-full"}


def test_an_adapter_that_is_gone_refuses_packets() -> None:
    with TwoSides() as sides:
        sides.far.system.close()
        sides.near.send(plain(packet(TO_FAR, b"x")))
        while not sides.far.drops():
            sides.far.inbound.receive(1.0)
        assert sides.far.drops() == {"drop-tun-refused": 1}


def test_a_socket_that_never_empties_costs_one_segment() -> None:
    whole = virtio(TO_FAR, 1_000) + packet(TO_FAR, os.urandom(20_000), partial=True)
    with TwoSides() as sides:
        for turn in range(12):
            for _ in range(5):
                sides.near.send(whole)
            sides.far.inbound.receive(1.0 + turn * 0.002)
        assert sides.far.drops() == {"drop-standing-queue": 1}
