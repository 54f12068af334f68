"""Checksums, MSS and "packet too big", against the slow and obvious way."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.dataplane.ip_packet import clamp_mss, complete_checksum, ones_complement_sum, packet_too_big, transport_offset
from tests.dataplane.packets import Flow, checksum, is_intact, packet

NEAR, FAR = 0x0A1B0001, 0x0A1B0002
SYN = 2


@given(data=st.binary(max_size=300))
def test_the_sum_agrees_with_rfc_1071(data: bytes) -> None:
    assert (65_535 - ones_complement_sum(data)) % 65_535 == checksum(data) % 65_535


@given(payload=st.binary(max_size=100), tcp=st.booleans(), version=st.sampled_from([4, 6]))
def test_a_partial_checksum_is_completed(payload: bytes, tcp: bool, version: int) -> None:
    flow = Flow(NEAR, FAR, tcp=tcp, version=version)
    buffer = bytearray(b"in front") + packet(flow, payload, partial=True) + b"behind"
    start = 8 + transport_offset(buffer, 8)
    complete_checksum(buffer, start, len(buffer) - 6, start + (16 if tcp else 6))
    assert is_intact(bytes(buffer[8:-6]))


def test_fragments_and_other_protocols_have_no_transport_header() -> None:
    fragment = bytearray(packet(Flow(NEAR, FAR), b""))
    fragment[6:8] = b"\x20\x00"
    icmp = bytearray(packet(Flow(NEAR, FAR), b""))
    icmp[9] = 1
    short = bytearray(packet(Flow(NEAR, FAR), b""))
    short[0] = 0x44
    icmp6 = bytearray(packet(Flow(NEAR, FAR, version=6), b""))
    icmp6[6] = 58
    assert [transport_offset(each, 0) for each in (fragment, icmp, short, icmp6)] == [0, 0, 0, 0]


@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.parametrize("before", [b"", b"\x01", b"\x01\x01\x01", b"\x03\x03\x07", b"\x03\x03\x07\x01\x01"])
@pytest.mark.parametrize("mss", [536, 1_340, 1_460, 65_495])
def test_a_clamped_connection_keeps_a_right_checksum(version: int, before: bytes, mss: int) -> None:
    option = before + b"\x02\x04" + mss.to_bytes(2, "big")
    option += b"\x00" * (-len(option) % 4)
    buffer = bytearray(packet(Flow(NEAR, FAR, version=version, options=option), b"", flags=SYN))
    clamp_mss(buffer, 0, len(buffer), 1_400, partial=False)
    assert is_intact(bytes(buffer))
    place = (40 if version == 4 else 60) + len(before) + 2
    assert struct.unpack_from("!H", buffer, place)[0] == min(mss, 1_360 if version == 4 else 1_340)


@given(options=st.binary(max_size=10).map(lambda data: data * 4), cut=st.integers(0, 60))
def test_any_options_are_read_without_an_error(options: bytes, cut: int) -> None:
    whole = packet(Flow(NEAR, FAR, options=options), b"", flags=SYN)
    buffer = bytearray(whole[: max(20, len(whole) - cut)]) + bytes(100)
    clamp_mss(buffer, 0, max(20, len(whole) - cut), 1_400, partial=False)


def test_only_a_syn_is_clamped() -> None:
    flow = Flow(NEAR, FAR, options=b"\x02\x04\xff\xff")
    for whole in (packet(flow, b""), packet(Flow(NEAR, FAR, tcp=False), b"\x02\x04\xff\xff" * 9)):
        buffer = bytearray(whole)
        clamp_mss(buffer, 0, len(buffer), 1_400, partial=False)
        assert buffer == whole


def test_packet_too_big_over_ipv4() -> None:
    whole = packet(Flow(NEAR, FAR, tcp=False), bytes(1_500))
    answer = packet_too_big(whole, 1_400)
    assert answer is not None
    assert checksum(answer[:20]) == 0
    assert checksum(answer[20:]) == 0
    assert answer[12:20] == whole[16:20] + whole[12:16]
    assert struct.unpack_from("!BB4xH", answer, 20) == (3, 4, 1_400)
    assert answer[28:] == whole[:548]


def test_packet_too_big_over_ipv6() -> None:
    whole = packet(Flow(NEAR, FAR, tcp=False, version=6), bytes(1_500))
    answer = packet_too_big(whole, 1_400)
    assert answer is not None
    assert answer[8:40] == whole[24:40] + whole[8:24]
    assert len(answer) <= 1_280
    assert struct.unpack_from("!BB2xI", answer, 40) == (2, 0, 1_400)
    assert checksum(answer[8:40] + struct.pack("!II", len(answer) - 40, 58) + answer[40:]) == 0


def test_a_sender_that_expects_fragments_gets_no_answer() -> None:
    whole = bytearray(packet(Flow(NEAR, FAR, tcp=False), bytes(1_500)))
    whole[6] = 0
    assert packet_too_big(bytes(whole), 1_400) is None
