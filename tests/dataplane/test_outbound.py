"""From the adapter to the peers: cutting, gathering, sealing, and what is not sent."""

import os
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.dataplane.outbound import MAX_SHAPES
from app.dataplane.staging import MAX_PACKETS
from app.dataplane.udp_port import MAX_TRAIN_BYTES
from app.ipc.schema import PeerWanted
from app.protocol.tunnel import RESERVED_IDS
from tests.dataplane.packets import Flow, cut, header_length, is_intact, packet, virtio
from tests.dataplane.sides import FAR, NEAR, STRANGER, TwoSides, plain

TO_FAR = Flow(NEAR, FAR)
FIN, SYN, PSH, CWR = 1, 2, 8, 0x80

flows = st.builds(
    Flow,
    source=st.just(NEAR),
    destination=st.just(FAR),
    tcp=st.booleans(),
    version=st.sampled_from([4, 6]),
    options=st.sampled_from([b"", b"\x01" * 4, b"\x01\x01\x08\x0a12345678", b"\x01" * 40]),
    ip_options=st.sampled_from([b"", b"", b"\x01" * 8]),
)


def super_packet(flow: Flow, payload: bytes, size: int, **fields: Any) -> bytes:
    ecn = bool(flow.tcp and fields.get("flags", 0) & CWR)
    return virtio(flow, size, ecn) + packet(flow, payload, partial=True, **fields)


@settings(max_examples=60)
@given(
    flow=flows,
    suite=st.sampled_from([1, 2]),
    size=st.integers(600, 1_200),
    length=st.integers(1, 50_000),
    flags=st.sampled_from([0x10, 0x18, 0x11, 0x90, 0x98]),
    sequence=st.sampled_from([0, 77, 2**32 - 5_000, 2**32 - 1]),
    identity=st.sampled_from([0, 1, 40_000, 65_530, 65_535]),
)
def test_a_super_packet_arrives_at_a_plain_computer_as_complete_packets(
    flow: Flow, suite: int, size: int, length: int, flags: int, sequence: int, identity: int
) -> None:
    payload = os.urandom(length)
    with TwoSides(suite, far_merges=False) as sides:
        whole = super_packet(flow, payload, size, flags=flags, sequence=sequence, identity=identity)
        expected = [plain(each) for each in cut(flow, payload, size, flags=flags, sequence=sequence, identity=identity)]
        # The first is copied into its slots, the second was scattered there by the read.
        assert sides.carry(whole, whole) == expected * 2
        assert all(is_intact(each[10:]) for each in expected)
        assert sides.near.peer(FAR).sent_packets == 2 * len(expected) == sides.far.peer(NEAR).received_packets
        assert sides.near.peer(FAR).sent_bytes == sides.far.peer(NEAR).received_bytes
        assert not sides.near.drops()


@settings(max_examples=60)
@given(
    flow=flows,
    size=st.integers(900, 1_200),
    length=st.integers(2_400, 40_000),
    flags=st.sampled_from([0x10, 0x18, 0x11, 0x90, 0x98]),
    sequence=st.sampled_from([77, 2**32 - 5_000]),
    identity=st.sampled_from([0, 40_000, 65_530]),
)
def test_a_super_packet_arrives_as_the_same_super_packet(
    flow: Flow, size: int, length: int, flags: int, sequence: int, identity: int
) -> None:
    payload = os.urandom(length)
    with TwoSides() as sides:
        whole = super_packet(flow, payload, size, flags=flags, sequence=sequence, identity=identity)
        assert sides.carry(whole, whole) == [whole, whole]


def test_a_super_packet_with_more_segments_than_a_train_takes_several() -> None:
    payload = os.urandom(60_000)
    with TwoSides(far_merges=False) as sides:
        arrived = sides.carry(super_packet(TO_FAR, payload, 536))
        assert arrived == [plain(each) for each in cut(TO_FAR, payload, 536)]
        assert sides.near.counters["udp-sends"] == 2


@settings(max_examples=40)
@given(
    flow=flows,
    suite=st.sampled_from([1, 2]),
    size=st.integers(100, 1_300),
    lengths=st.lists(st.integers(0, 60_000), min_size=1, max_size=4),
    merges=st.booleans(),
)
def test_over_a_relay_everything_arrives_as_it_does_directly(
    flow: Flow, suite: int, size: int, lengths: list[int], merges: bool
) -> None:
    payloads = [os.urandom(length) for length in lengths]
    sent = [
        super_packet(flow, each, size) if len(each) > size else plain(packet(flow, each[:1_300])) for each in payloads
    ]
    with TwoSides(suite, far_merges=merges) as direct:
        expected = direct.carry(*sent)
    with TwoSides(suite, far_merges=merges) as sides:
        sides.connect(relay=0xC0000000)
        assert sides.carry(*sent) == expected
        assert not sides.near.drops()
        assert not sides.far.notifications
        assert sides.near.counters["udp-sends"] == direct.near.counters["udp-sends"]


def test_a_super_packet_of_another_shape_than_expected_is_sent_as_well() -> None:
    with TwoSides(far_merges=False) as sides:
        arrived, expected = [], []
        for size, length in ((1_360, 20_000), (600, 3_000), (1_360, 65_000), (500, 60_000), (1_360, 1_500)):
            payload = os.urandom(length)
            arrived += sides.carry(super_packet(TO_FAR, payload, size))
            expected += [plain(each) for each in cut(TO_FAR, payload, size)]
        assert arrived == expected


def test_an_ordinary_packet_after_super_packets_is_read_in_one_piece() -> None:
    small_payloads, large = os.urandom(5_000), packet(TO_FAR, os.urandom(1_300))
    with TwoSides(far_merges=False) as sides:
        arrived = sides.carry(super_packet(TO_FAR, small_payloads, 500), plain(large))
        assert arrived[-1] == plain(large)


def test_any_number_of_shapes_can_be_sent() -> None:
    with TwoSides(far_merges=False) as sides:
        for size in range(500, 500 + 2 * MAX_SHAPES + 1):
            payload = os.urandom(3 * size)
            assert len(sides.carry(super_packet(TO_FAR, payload, size))) == 3
            small = plain(packet(TO_FAR, bytes(size)))
            assert sides.carry(small, small) == [small, small]


@settings(max_examples=60)
@given(lengths=st.lists(st.integers(0, 1_360), min_size=1, max_size=60), suite=st.sampled_from([1, 2]))
def test_ordinary_packets_of_any_lengths_arrive_in_order(lengths: list[int], suite: int) -> None:
    packets = [plain(packet(TO_FAR, os.urandom(length), identity=length)) for length in lengths]
    with TwoSides(suite) as sides:
        assert sides.carry(*packets) == packets
        assert not sides.near.drops()
        assert not sides.far.drops()


def test_equal_packets_leave_in_one_train() -> None:
    packets = [plain(packet(TO_FAR, bytes(12), sequence=number)) for number in range(30)]
    with TwoSides() as sides:
        assert sides.carry(*packets) == packets
        assert sides.near.counters["udp-sends"] == 1


def test_a_train_is_never_longer_than_a_datagram_can_be() -> None:
    packets = [plain(packet(TO_FAR, bytes(1_360), sequence=number)) for number in range(60)]
    with TwoSides() as sides:
        assert sides.carry(*packets) == packets
        assert sides.near.counters["udp-sends"] == -(-60 // (MAX_TRAIN_BYTES // 1_432))


def test_datagrams_of_one_flow_arrive_as_one_super_packet() -> None:
    flow = Flow(NEAR, FAR, tcp=False)
    payloads = [os.urandom(1_200) for _ in range(20)]
    with TwoSides() as sides:
        arrived = sides.carry(*(virtio(flow) + packet(flow, each, partial=True) for each in payloads))
        assert arrived == [virtio(flow, 1_200) + packet(flow, b"".join(payloads), partial=True)]


def test_datagrams_of_two_flows_are_kept_apart() -> None:
    one, two = Flow(NEAR, FAR, tcp=False), Flow(NEAR, FAR, tcp=False, version=6)
    first, second = (virtio(flow) + packet(flow, bytes(100), partial=True) for flow in (one, two))
    with TwoSides() as sides:
        assert sides.carry(first, second, first, second) == [first, second, first, second]


def test_partial_checksums_are_completed_for_a_peer_that_does_not_take_them() -> None:
    with TwoSides(far_merges=False) as sides:
        for flow in (TO_FAR, Flow(NEAR, FAR, tcp=False), Flow(NEAR, FAR, version=6)):
            (arrived,) = sides.carry(virtio(flow) + packet(flow, b"odd length!", partial=True))
            assert arrived == plain(packet(flow, b"odd length!"))


def test_a_partial_checksum_of_another_protocol_is_completed() -> None:
    icmp6 = bytearray(packet(Flow(NEAR, FAR, version=6), b"", partial=True))
    icmp6[6] = 58
    with TwoSides() as sides:
        (arrived,) = sides.carry(bytes([1, 0, 0, 0, 0, 0, 40, 0, 16, 0]) + bytes(icmp6))
        assert arrived[:10] == bytes(10)
        assert arrived[10:66] == bytes(icmp6)[:56]
        assert arrived[66:68] != bytes(icmp6)[56:58]


def test_a_checksum_field_outside_the_packet_is_left_alone() -> None:
    whole = packet(TO_FAR, b"")
    with TwoSides(far_merges=False) as sides:
        assert sides.carry(bytes([1, 0, 0, 0, 0, 0, 20, 0, 200, 0]) + whole) == [plain(whole)]


@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.parametrize("partial", [True, False])
def test_the_mss_of_a_connection_is_clamped_to_the_mtu(version: int, partial: bool) -> None:
    wide, narrow = (
        Flow(NEAR, FAR, version=version, options=b"\x02\x04" + mss.to_bytes(2, "big"))
        for mss in (1_460, 1_400 - (40 if version == 4 else 60))
    )
    with TwoSides(near_merges=partial, far_merges=False) as sides:
        head = virtio(wide) if partial else bytes(10)
        (arrived,) = sides.carry(head + packet(wide, b"", flags=SYN, partial=partial))
        assert arrived == plain(packet(narrow, b"", flags=SYN))


# --- what is not sent


def test_a_packet_that_is_not_ip_is_dropped() -> None:
    with TwoSides() as sides:
        assert sides.carry(plain(b"\x00" * 40), plain(b"\x45" + bytes(18)), plain(b"\x60" + bytes(38))) == []
        assert sides.near.drops() == {"drop-not-ip": 3}


def test_a_packet_from_another_address_is_dropped() -> None:
    with TwoSides() as sides:
        assert sides.carry(*(plain(packet(Flow(STRANGER, FAR, version=each), b"")) for each in (4, 6))) == []
        assert sides.near.drops() == {"drop-source": 2}


def test_a_packet_to_outside_the_virtual_network_is_dropped() -> None:
    outside6 = bytearray(packet(Flow(NEAR, FAR, version=6), b""))
    outside6[24] = 0x20
    with TwoSides() as sides:
        assert sides.carry(plain(packet(Flow(NEAR, 0x08080808), b"")), plain(bytes(outside6))) == []
        assert sides.near.drops() == {"drop-destination": 2}


@pytest.mark.parametrize("version", [4, 6])
def test_a_packet_larger_than_the_mtu_is_answered(version: int) -> None:
    with TwoSides() as sides:
        assert sides.carry(plain(packet(Flow(NEAR, FAR, version=version), bytes(1_401)))) == []
        (answer,) = sides.near.from_tun()
        assert answer[10] >> 4 == version
        assert sides.near.drops() == {"drop-too-big": 1}


def test_a_super_packet_whose_segments_are_larger_than_the_mtu_is_answered() -> None:
    with TwoSides() as sides:
        assert sides.carry(super_packet(TO_FAR, bytes(9_000), 1_401)) == []
        assert len(sides.near.from_tun()) == 1
        assert sides.near.drops() == {"drop-too-big": 1}


def test_a_super_packet_that_contradicts_itself_is_dropped() -> None:
    good = super_packet(TO_FAR, bytes(9_000), 1_000)
    no_size, no_transport = bytearray(good), bytearray(good)
    no_size[4:6] = b"\0\0"
    no_transport[6:8] = b"\0\0"
    with TwoSides() as sides:
        assert sides.carry(bytes(no_size), bytes(no_transport)) == []
        assert sides.near.drops() == {"drop-not-ip": 2}


def test_a_session_without_ids_sends_nothing() -> None:
    with TwoSides() as sides:
        session = sides.near.peer(FAR).sending
        assert session is not None
        session.tunnel.next_id = session.tunnel.id_limit
        broadcast = packet(Flow(NEAR, 0xFFFFFFFF, tcp=False), b"who is there?")
        assert (
            sides.carry(plain(packet(TO_FAR, b"")), super_packet(TO_FAR, bytes(9_000), 1_000), plain(broadcast)) == []
        )
        assert sides.near.drops() == {"drop-session-exhausted": 3}


def test_a_session_whose_ids_would_end_inside_a_train_sends_no_part_of_it() -> None:
    with TwoSides(suite=1) as sides:
        session = sides.near.peer(FAR).sending
        assert session is not None
        session.tunnel.next_id = session.tunnel.id_limit - 9
        assert sides.carry(super_packet(TO_FAR, bytes(9_000), 1_000)) == []
        assert sides.near.drops() == {"drop-session-exhausted": 1}


# --- peers without a session


def test_packets_wait_for_a_session_and_the_engine_is_told_once_a_second() -> None:
    flow = Flow(NEAR, STRANGER)
    packets = [plain(packet(flow, bytes([number]))) for number in range(4)]
    with TwoSides() as sides:
        near = sides.near
        for number, now in enumerate((1.0, 1.5, 2.1, 2.2)):
            near.send(packets[number], now=now)
        assert near.notifications == [PeerWanted(STRANGER), PeerWanted(STRANGER)]
        sides.far.address = STRANGER
        sides.far.inbound._interface.address = STRANGER
        sides.connect()
        near.outbound.session_ready(STRANGER, 3.0)
        assert sides.far.receive() == packets


def test_a_super_packet_waits_as_well() -> None:
    with TwoSides() as sides:
        expected = super_packet(TO_FAR, os.urandom(9_000), 1_000)
        sides.carry(expected)  # from here on super packets are expected
        session = sides.near.peer(FAR).sending
        sides.near.peer(FAR).sending = None
        sides.near.send(expected)
        sides.near.peer(FAR).sending = session
        sides.near.outbound.session_ready(FAR, 1.0)
        assert sides.far.receive() == [expected]


def test_only_the_newest_packets_wait_and_not_for_long() -> None:
    flow = Flow(NEAR, STRANGER)
    with TwoSides() as sides:
        for number in range(MAX_PACKETS + 3):
            sides.near.send(plain(packet(flow, bytes([number]))))
        assert sides.near.drops() == {"drop-no-session": 3}
        sides.near.outbound.session_ready(STRANGER, 60.0)
        assert sides.near.drops() == {"drop-no-session": 3, "drop-stale": MAX_PACKETS}


# --- broadcast and multicast


@pytest.mark.parametrize("destination", [0xFFFFFFFF, 0x0A1BFFFF, 0xE00000FB])
def test_broadcasts_are_copied_to_peers_that_take_them(destination: int) -> None:
    flow = Flow(NEAR, destination, tcp=False)
    with TwoSides() as sides:
        assert sides.carry(virtio(flow) + packet(flow, b"hello", partial=True)) == [plain(packet(flow, b"hello"))]
        sides.near.peer(FAR).broadcast = False
        assert sides.carry(plain(packet(flow, b"hello"))) == []
        assert not sides.near.drops()


def test_ipv6_multicast_is_copied_as_well() -> None:
    whole = bytearray(packet(Flow(NEAR, FAR, version=6), b"hello"))
    whole[24:40] = bytes.fromhex("ff0200000000000000000000000000fb")
    with TwoSides() as sides:
        assert sides.carry(plain(bytes(whole))) == [plain(bytes(whole))]


def test_broadcasts_are_limited() -> None:
    flow = Flow(NEAR, 0xFFFFFFFF, tcp=False)
    with TwoSides() as sides:
        for _ in range(5):
            sides.carry(*(plain(packet(flow, b"hello")) for _ in range(50)))
        assert sides.near.drops() == {"drop-broadcast-rate": 50}
        sides.carry(plain(packet(flow, bytes(1_400))))
        assert sides.near.drops() == {"drop-broadcast-rate": 50, "drop-too-big": 1}


# --- a standing queue


def test_a_queue_that_never_empties_costs_one_segment() -> None:
    whole = super_packet(TO_FAR, os.urandom(3_000), 1_000)
    with TwoSides(far_merges=False) as sides:
        for turn in range(12):
            for _ in range(8):
                sides.near.system.send(whole)
            sides.near.outbound.forward(1.0 + turn * 0.002)
        assert sides.near.drops() == {"drop-standing-queue": 1}
        assert len(sides.far.receive()) == 12 * 4 * 3 - 1
        assert header_length(TO_FAR) == 40


# --- a full socket


def drain(sides: TwoSides) -> list[bytes]:
    """The socket has room again: what arrives in the end."""
    sides.near.udp.full = False
    sides.near.port.resume()
    sides.near.outbound.forward(1.0)
    return sides.far.receive()


@pytest.mark.parametrize("far_merges", [True, False])
def test_nothing_is_lost_while_the_socket_is_full(far_merges: bool) -> None:
    lengths = [10, 10, 500, 20, 1_000, 30, 30]
    with TwoSides(far_merges=far_merges) as sides:
        sides.near.udp.full = True
        sent = [virtio(TO_FAR) + packet(TO_FAR, bytes(length), partial=True) for length in lengths]
        assert sides.carry(*sent) == []
        arrived = drain(sides)
        expected = [plain(packet(TO_FAR, bytes(length))) for length in lengths]
        assert arrived == (sent if far_merges else expected)
        assert not sides.near.drops()


def test_no_super_packet_is_lost_while_the_socket_is_full() -> None:
    with TwoSides() as sides:
        small = virtio(TO_FAR) + packet(TO_FAR, b"small", partial=True)
        sent = [small, super_packet(TO_FAR, os.urandom(20_000), 1_000), super_packet(TO_FAR, os.urandom(9_000), 1_000)]
        sides.near.udp.full = True
        assert sides.carry(*sent) == []
        assert drain(sides) == sent
        sides.near.udp.full = True
        assert sides.carry(sent[1], small) == []
        assert drain(sides) == [sent[1], small]


def test_a_super_packet_of_several_trains_is_cut_short_by_a_full_socket() -> None:
    with TwoSides(far_merges=False) as sides:
        sides.near.udp.full = True
        assert sides.carry(super_packet(TO_FAR, bytes(60_000), 536)) == []
        assert len(drain(sides)) == 64
        assert sides.near.drops() == {"drop-udp-full": -(-60_000 // 536) - 64}


def test_only_one_packet_can_wait_for_a_full_socket_from_elsewhere() -> None:
    with TwoSides() as sides:
        packets = [plain(packet(TO_FAR, bytes([number]))) for number in range(4)]
        sides.near.udp.full = True
        sides.near.send(packets[0])
        for each in packets[1:]:
            sides.near.outbound.forward_packet(each, 1.0)
        assert sides.near.drops() == {"drop-udp-full": 2}
        assert drain(sides) == packets[:2]


def test_a_session_can_run_out_of_ids_in_the_middle() -> None:
    with TwoSides(far_merges=False) as sides:
        session = sides.near.peer(FAR).sending
        assert session is not None
        session.tunnel.next_id = session.tunnel.id_limit - RESERVED_IDS - 1
        whole = super_packet(TO_FAR, bytes(60_000), 536)
        assert len(sides.carry(whole)) == 64
        small = plain(packet(TO_FAR, b""))
        assert sides.carry(small) == []
        assert sides.near.drops() == {"drop-session-exhausted": -(-60_000 // 536) - 64 + 1}


def test_an_answer_that_the_adapter_refuses_is_counted() -> None:
    with TwoSides() as sides:
        sides.near.system.send(plain(packet(TO_FAR, bytes(1_401))))
        sides.near.system.close()
        sides.near.outbound.forward(1.0)
        assert sides.near.drops() == {"drop-too-big": 1, "drop-tun-refused": 1}


def test_a_super_packet_to_everybody_is_not_sent() -> None:
    with TwoSides() as sides:
        assert sides.carry(super_packet(Flow(NEAR, 0xFFFFFFFF, tcp=False), bytes(9_000), 1_000)) == []
        assert sides.near.drops() == {"drop-too-big": 1}


def test_a_super_packet_larger_than_its_train_after_others_of_its_shape() -> None:
    first, second = (super_packet(TO_FAR, os.urandom(length), 500) for length in (20_000, 60_000))
    with TwoSides() as sides:
        payload = sides.carry(first, second)
        assert b"".join(each[50:] for each in payload) == first[50:] + second[50:]


# --- a path with an MTU of its own


def set_mtu(sides: TwoSides, mtu: int) -> None:
    """The engine found how much the path to the far side carries."""
    peer = sides.near.peer(FAR)
    peer.use_path(peer.path, mtu)


@pytest.mark.parametrize("version", [4, 6])
def test_a_packet_too_big_for_its_path_is_answered_with_the_paths_mtu(version: int) -> None:
    flow = Flow(NEAR, FAR, version=version)
    room = 1_300 - header_length(flow)
    with TwoSides() as sides:
        set_mtu(sides, 1_300)
        assert len(sides.carry(plain(packet(flow, bytes(room))))) == 1
        assert sides.carry(plain(packet(flow, bytes(room + 1)))) == []
        (answer,) = sides.near.from_tun()
        mtu_field = 10 + (26 if version == 4 else 46)
        assert answer[mtu_field : mtu_field + 2] == (1_300).to_bytes(2)
        assert sides.near.drops() == {"drop-too-big": 1}


def test_segments_too_big_for_their_path_are_answered() -> None:
    with TwoSides() as sides:
        set_mtu(sides, 1_300)
        assert sides.carry(super_packet(TO_FAR, bytes(9_000), 1_340)) == []
        assert len(sides.near.from_tun()) == 1
        whole = super_packet(TO_FAR, bytes(9_000), 1_260)
        assert sides.carry(whole) == [whole]
        assert sides.near.drops() == {"drop-too-big": 1}


def test_what_may_be_fragmented_goes_out_though_it_is_too_big_for_its_path() -> None:
    with TwoSides() as sides:
        set_mtu(sides, 1_300)
        single = plain(packet(TO_FAR, bytes(1_350), fragments=True))
        whole = virtio(TO_FAR, 1_340) + packet(TO_FAR, bytes(9_000), partial=True, fragments=True)
        assert sides.carry(single, whole) == [single, whole]
        assert not sides.near.drops()


def test_ipv6_goes_out_in_the_size_that_every_link_must_carry() -> None:
    flow = Flow(NEAR, FAR, version=6)
    room = 1_280 - header_length(flow)
    with TwoSides() as sides:
        set_mtu(sides, 1_000)
        fits = plain(packet(flow, bytes(room)))
        assert sides.carry(fits, plain(packet(flow, bytes(room + 1)))) == [fits]
        (answer,) = sides.near.from_tun()
        assert answer[56:58] == (1_280).to_bytes(2)


def test_a_connection_is_clamped_to_its_path_in_both_directions() -> None:
    wide, narrow = (Flow(NEAR, FAR, options=b"\x02\x04" + mss.to_bytes(2, "big")) for mss in (1_360, 1_260))
    with TwoSides() as sides:
        set_mtu(sides, 1_300)
        assert sides.carry(plain(packet(wide, b"", flags=SYN))) == [plain(packet(narrow, b"", flags=SYN))]
    with TwoSides() as sides:
        peer = sides.far.peer(NEAR)
        peer.use_path(peer.path, 1_300)
        assert sides.carry(plain(packet(wide, b"", flags=SYN))) == [plain(packet(narrow, b"", flags=SYN))]


def test_a_new_session_keeps_the_mtu_of_the_path_and_another_path_has_none() -> None:
    with TwoSides() as sides:
        set_mtu(sides, 1_300)
        sides.connect()
        assert sides.near.peer(FAR).mtu == 1_300
        sides.connect(relay=0xC0000000)
        assert sides.near.peer(FAR).mtu == 1_400
