"""PCP and NAT-PMP: the bytes of the RFCs, the fallback from one to the other, and routers that answer nonsense."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.protocol.port_mapping import (
    FALLBACK,
    MAX_ANSWER,
    MAX_LIFETIME,
    PATIENCE,
    RETRANSMISSIONS,
    Opened,
    PortRequest,
    Refused,
    is_announcement,
)
from app.protocol.wire import Endpoint, RemoteProtocolError

NONCE = bytes(range(12))
CLIENT = "192.168.1.2"
OUTSIDE = Endpoint("198.51.100.7", 5000)
MAPPED_PREFIX = bytes(10) + b"\xff\xff"


def request(lifetime: int = 1_800, wanted: Endpoint | None = None) -> PortRequest:
    return PortRequest(CLIENT, 5000, NONCE, wanted, lifetime)


def pcp_answer(result: int = 0, nonce: bytes = NONCE, port: int = 5000, lifetime: int = 1_200) -> bytes:
    """RFC 6887 sections 7.2 and 11.1."""
    head = struct.pack("!BBBBII12x", 2, 0x81, 0, result, lifetime, 77)
    return head + nonce + struct.pack("!B3xHH", 17, port, OUTSIDE.port) + MAPPED_PREFIX + bytes([198, 51, 100, 7])


def pmp_address(result: int = 0) -> bytes:
    """RFC 6886 section 3.2."""
    return struct.pack("!BBHI4B", 0, 128, result, 77, 198, 51, 100, 7)


def pmp_mapped(result: int = 0, port: int = 5000, lifetime: int = 1_200) -> bytes:
    """RFC 6886 section 3.3."""
    return struct.pack("!BBHIHHI", 0, 129, result, 77, port, OUTSIDE.port, lifetime)


def sent(asked: PortRequest, now: float = 0.0) -> list[bytes]:
    return asked.datagrams_to_send(now)


def test_a_port_is_asked_for_by_pcp_in_the_form_of_its_rfc() -> None:
    (datagram,) = sent(request(wanted=OUTSIDE))
    head = struct.pack("!BBHI", 2, 1, 0, 1_800) + MAPPED_PREFIX + bytes([192, 168, 1, 2])
    body = NONCE + struct.pack("!B3xHH", 17, 5000, 5000) + MAPPED_PREFIX + bytes([198, 51, 100, 7])
    assert datagram == head + body
    assert len(datagram) == 60


def test_a_router_that_speaks_pcp_opens_the_port_at_once() -> None:
    asked = request()
    sent(asked)
    asked.receive(pcp_answer())
    assert asked.answer == Opened(True, OUTSIDE, 1_200)
    assert asked.next_deadline() is None
    assert sent(asked, 1.0) == []


def test_a_router_that_speaks_nat_pmp_alone_is_asked_that_way_at_once() -> None:
    asked = request()
    sent(asked)
    asked.receive(struct.pack("!BBHI", 0, 129, 1, 77))  # unsupported version
    assert asked.next_deadline() == float("-inf")
    assert sent(asked, 0.01) == [b"\0\0", struct.pack("!BBHHHI", 0, 1, 0, 5000, 5000, 1_800)]
    asked.receive(pmp_mapped())
    assert asked.answer is None
    asked.receive(pmp_address())
    assert asked.answer == Opened(False, OUTSIDE, 1_200)


def test_an_old_router_that_says_nothing_to_pcp_is_asked_both_ways() -> None:
    asked = request()
    assert len(sent(asked, 0.0)) == 1
    assert len(sent(asked, RETRANSMISSIONS[1])) == 1
    assert RETRANSMISSIONS[2] >= FALLBACK
    assert len(sent(asked, RETRANSMISSIONS[2])) == 3
    asked.receive(pmp_address())
    asked.receive(pmp_mapped())
    assert asked.answer == Opened(False, OUTSIDE, 1_200)


def test_a_silent_router_is_given_up() -> None:
    asked = request()
    requests = 0
    while (due := asked.next_deadline()) is not None:
        requests += len(sent(asked, max(due, 0.0)))
    assert asked.answer == Refused("no answer")
    assert requests <= 2 * 3 * len(RETRANSMISSIONS)


def test_a_refusal_is_told_in_the_words_of_the_rfc() -> None:
    asked = request()
    sent(asked)
    asked.receive(pcp_answer(result=2))
    assert asked.answer == Refused("PCP: not authorized")
    other = request()
    sent(other)
    other.receive(pcp_answer(result=200))
    assert other.answer == Refused("PCP: 200")


def test_a_port_is_closed_by_a_request_without_a_lifetime() -> None:
    asked = request(lifetime=0, wanted=OUTSIDE)
    (datagram,) = sent(asked)
    assert datagram[4:8] == bytes(4)
    assert datagram[42:44] == bytes(2)  # RFC 6887 section 15: no suggestion when deleting
    asked.receive(pcp_answer(lifetime=0))
    assert asked.answer == Opened(True, OUTSIDE, 0)


@pytest.mark.parametrize(
    "answer",
    [
        pcp_answer(nonce=bytes(12)),
        pcp_answer(port=5001),
        pcp_answer()[:59],
        pmp_mapped(),  # not asked for
        b"",
        bytes([2, 1]) + bytes(58),  # a request
        pcp_answer() + bytes(MAX_ANSWER),
    ],
)
def test_answers_to_others_do_not_count(answer: bytes) -> None:
    asked = request()
    sent(asked)
    with pytest.raises(RemoteProtocolError):
        asked.receive(answer)
    assert asked.answer is None


def test_a_router_may_not_name_an_address_that_nobody_can_have() -> None:
    asked = request()
    sent(asked)
    asked.receive(pcp_answer()[:-4] + bytes([224, 0, 0, 1]))
    assert asked.answer == Refused("the router has no address outside")


def test_a_lifetime_of_years_is_cut_and_none_at_all_is_a_refusal() -> None:
    for lifetime, answer in (
        (0xFFFFFFFF, Opened(True, OUTSIDE, MAX_LIFETIME)),
        (0, Refused("it was opened for no time")),
    ):
        asked = request()
        sent(asked)
        asked.receive(pcp_answer(lifetime=lifetime))
        assert asked.answer == answer


def test_announcements_are_known_by_their_form() -> None:
    assert is_announcement(struct.pack("!BBBBII12x", 2, 0x80, 0, 0, 0, 1))
    assert is_announcement(pmp_address())
    assert not is_announcement(pcp_answer())
    assert not is_announcement(b"")


@given(st.lists(st.binary(max_size=80), max_size=8), st.booleans())
def test_no_answer_breaks_anything(answers: list[bytes], late: bool) -> None:
    asked = request()
    sent(asked, 0.0)
    if late:
        sent(asked, RETRANSMISSIONS[-1])
    for answer in answers:
        try:
            asked.receive(answer)
        except RemoteProtocolError:
            continue
    sent(asked, 10 * PATIENCE)
    sent(asked, 20 * PATIENCE)
    assert asked.answer is not None


@given(st.integers(0, 59), st.integers(1, 255))
def test_a_changed_answer_opens_no_other_inner_port(at: int, change: int) -> None:
    answer = bytearray(pcp_answer())
    answer[at] ^= change
    asked = request()
    sent(asked)
    try:
        asked.receive(bytes(answer))
    except RemoteProtocolError:
        return
    if isinstance(asked.answer, Opened):
        assert asked.answer.by_pcp
        assert 0 < asked.answer.outside.port <= 65_535
