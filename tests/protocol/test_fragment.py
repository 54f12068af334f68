"""Handshake messages survive being cut and put together; what is incomplete or foreign leaves nothing behind."""

from contextlib import suppress
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.protocol.fragment import (
    COOKIE_LENGTH,
    COOKIE_LIFETIME,
    FRAGMENT_HEADER,
    FRAGMENT_PAYLOAD,
    MAX_ASSEMBLIES,
    MAX_FRAGMENTS,
    Assembler,
    CookieJar,
    Fragment,
    Kind,
    cut_message,
    parse_fragment,
)
from app.protocol.wire import Endpoint, LocalProtocolError, RemoteProtocolError

ANNA_AT, BEN_AT = Endpoint("192.0.2.1", 1000), Endpoint("2001:db8::2", 2000)


@given(st.binary(min_size=1, max_size=MAX_FRAGMENTS * FRAGMENT_PAYLOAD), st.integers(0, 2**32))
def test_a_message_comes_together_in_any_order(message: bytes, seed: int) -> None:
    datagrams = cut_message(Kind.AUTH, 7, 9, message)
    Random(seed).shuffle(datagrams)
    assembler = Assembler()
    whole = [assembler.add(parse_fragment(each), ANNA_AT) for each in datagrams]
    assert whole[:-1] == [None] * (len(datagrams) - 1)
    assert whole[-1] == message


def test_every_fragment_fits_the_smallest_ipv6_path() -> None:
    datagrams = cut_message(Kind.HELO, 7, 0, bytes(2 * FRAGMENT_PAYLOAD), bytes(COOKIE_LENGTH))
    assert {len(each) for each in datagrams} == {FRAGMENT_HEADER.size + COOKIE_LENGTH + FRAGMENT_PAYLOAD}
    assert all(len(each) + 48 <= 1_280 for each in datagrams)


def test_the_header_says_what_it_is() -> None:
    (datagram,) = cut_message(Kind.HELO_OK, 0x01020304, 0x05060708, b"body")
    assert datagram == bytes.fromhex("80020001 01020304 05060708") + b"body"
    assert parse_fragment(datagram) == Fragment(Kind.HELO_OK, 0, 1, 0x01020304, 0x05060708, b"body")


def test_a_message_of_too_many_fragments_is_our_own_mistake() -> None:
    with pytest.raises(LocalProtocolError):
        cut_message(Kind.AUTH, 7, 9, bytes(MAX_FRAGMENTS * FRAGMENT_PAYLOAD + 1))


@given(st.binary(max_size=40))
def test_any_bytes_are_a_fragment_or_a_named_error(data: bytes) -> None:
    for datagram in (data, b"\x80" + data):
        with suppress(RemoteProtocolError):
            fragment = parse_fragment(datagram)
            assert fragment.number < fragment.total <= MAX_FRAGMENTS
            assert fragment.sender
            assert fragment.payload


@pytest.mark.parametrize(
    "header",
    [
        "80010000 00000001 00000000",
        "80010005 00000001 00000000",
        "80010202 00000001 00000000",
        "80010001 00000000 0001",
    ],
)
def test_numbers_out_of_range_are_refused(header: str) -> None:
    with pytest.raises(RemoteProtocolError):
        parse_fragment(bytes.fromhex(header) + b"body")


def test_a_fragment_that_is_too_long_is_refused() -> None:
    with pytest.raises(RemoteProtocolError, match="too long"):
        Assembler().add(Fragment(Kind.AUTH, 0, 1, 7, 9, bytes(FRAGMENT_PAYLOAD + 1)), ANNA_AT)


def test_fragments_of_different_senders_endpoints_and_kinds_do_not_mix() -> None:
    assembler = Assembler()
    first = Fragment(Kind.AUTH, 0, 2, 7, 9, b"first")
    second = Fragment(Kind.AUTH, 1, 2, 7, 9, b"second")
    assert assembler.add(first, ANNA_AT) is None
    assert assembler.add(second, BEN_AT) is None
    assert assembler.add(second._replace(sender=8), ANNA_AT) is None
    assert assembler.add(second._replace(kind=Kind.AUTH_OK), ANNA_AT) is None
    assert assembler.add(second, ANNA_AT) == b"firstsecond"


def test_what_stays_incomplete_is_bounded_and_the_oldest_goes() -> None:
    assembler = Assembler()
    for sender in range(1, MAX_ASSEMBLIES + 2):
        assembler.add(Fragment(Kind.HELO, 0, 2, sender, 0, b"first"), ANNA_AT)
    rest = Fragment(Kind.HELO, 1, 2, 2, 0, b"second")
    assert assembler.add(rest, ANNA_AT) == b"firstsecond"
    assert assembler.add(rest._replace(sender=1), ANNA_AT) is None


def test_a_cookie_is_good_for_its_sender_and_endpoint_and_for_a_while() -> None:
    jar = CookieJar()
    cookie = jar.cookie(ANNA_AT, 7, 10.0)
    assert len(cookie) == COOKIE_LENGTH
    assert jar.holds(cookie, ANNA_AT, 7, 10.0)
    assert jar.holds(cookie, ANNA_AT, 7, 10.0 + COOKIE_LIFETIME)
    assert not jar.holds(cookie, ANNA_AT, 7, 10.0 + 2 * COOKIE_LIFETIME)
    assert not jar.holds(cookie, ANNA_AT, 8, 10.0)
    assert not jar.holds(cookie, ANNA_AT._replace(port=1001), 7, 10.0)
    assert not CookieJar().holds(cookie, ANNA_AT, 7, 10.0)
    assert not jar.holds(cookie[:-1], ANNA_AT, 7, 10.0)
