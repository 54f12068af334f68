"""Invite links: written and read again; anything else is a named error."""

import contextlib

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from app.protocol.invite import (
    MAX_LINK,
    Invite,
    InviteError,
    checked_host,
    format_invite,
    parse_host_and_port,
    parse_invite,
)
from app.protocol.names import checked_name
from app.protocol.wire import RemoteProtocolError

FINGERPRINT = bytes(range(32))
FP = "fp=SHA256:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"


def _is_name(text: str) -> bool:
    with contextlib.suppress(RemoteProtocolError):
        return checked_name(text) == text
    return False


names = st.text(min_size=1, max_size=64).filter(_is_name)
hosts = st.sampled_from(["buri.example.org", "localhost", "192.0.2.7", "2001:db8::7", "xn--hmachi-bua.example"])


def test_a_link_says_server_fingerprint_and_network() -> None:
    link = format_invite(Invite("buri.example.org", 12975, FINGERPRINT, "Game night"))
    assert link == f"buri://buri.example.org:12975/?{FP}&network=Game%20night"


@given(hosts, st.integers(1, 65_535), st.binary(min_size=32, max_size=32), names, st.binary(min_size=32, max_size=32))
def test_what_is_written_is_read_again(host: str, port: int, fingerprint: bytes, network: str, secret: bytes) -> None:
    for invite in (
        Invite(host, port, fingerprint),
        Invite(host, port, fingerprint, network),
        Invite(host, port, fingerprint, network, secret),
    ):
        assert parse_invite(format_invite(invite)) == invite


def test_the_longest_invite_fits_the_limit() -> None:
    host = ".".join(["a" * 63] * 3 + ["b" * 61])
    invite = Invite(host, 65_535, FINGERPRINT, "\N{FISH}" * 64, bytes(32))
    assert len(format_invite(invite)) <= MAX_LINK
    assert parse_invite(format_invite(invite)) == invite


def test_port_slash_and_case_of_the_host_may_vary_and_later_parts_are_ignored() -> None:
    expected = Invite("home.example", 12975, FINGERPRINT)
    for link in (f"buri://home.example?{FP}", f"buri://Home.Example./?later=1&{FP}", f"  buri://home.example/?{FP}\n"):
        assert parse_invite(link) == expected


@pytest.mark.parametrize(
    ("link", "reason"),
    [
        (f"https://host/?{FP}", "should look like"),
        (f"buri:///?{FP}", "should look like"),
        (f"buri://user@host/?{FP}", "should look like"),
        (f"buri://host/path?{FP}", "should look like"),
        ("buri://host/", "should look like"),
        ("buri://host/?network=a", "fingerprint .* is missing"),
        ("buri://host/?fp=SHA256:short", "fingerprint"),
        ("buri://host/?fp=%ff", "not UTF-8"),
        ("buri://host/?fp=%f", "percent-encoding"),
        (f"buri://host/?{FP}&{FP}", "repeated"),
        (f"buri://host:99999/?{FP}", "port"),
        (f"buri://host:0/?{FP}", "port"),
        (f"buri://-host/?{FP}", "no host name"),
        (f"buri://1.2.3/?{FP}", "no host name"),
        (f"buri://[1.2.3.4]/?{FP}", "no IPv6 address|no host name"),
        (f"buri://host/?{FP}&network=%20", "name"),
        (f"buri://host/?{FP}&network=a&secret=short", "secret"),
        (f"buri://host/?{FP}&secret={'A' * 43}", "without a network"),
        ("buri://host/?" + "a" * 2_100, "too long"),
    ],
)
def test_a_broken_link_says_what_is_wrong(link: str, reason: str) -> None:
    with pytest.raises(InviteError, match=reason):
        parse_invite(link)


def test_what_no_link_can_say_is_refused_when_it_is_written() -> None:
    good = Invite("host", 1, FINGERPRINT)
    for bad in (
        Invite("ho st", 1, FINGERPRINT),
        Invite("host", 0, FINGERPRINT),
        Invite("host", 1, b"short"),
        Invite("host", 1, FINGERPRINT, "\n"),
        Invite("host", 1, FINGERPRINT, None, bytes(32)),
    ):
        with pytest.raises(InviteError):
            format_invite(bad)
    assert format_invite(good)


def test_the_secret_shows_in_no_repr() -> None:
    assert "secret" not in repr(Invite("host", 1, FINGERPRINT, "n", bytes(32)))


@given(st.text(max_size=300))
@example("[::1]")
@example("fe80::1%eth0")
def test_any_host_is_normal_or_a_named_error(text: str) -> None:
    with contextlib.suppress(InviteError):
        assert checked_host(checked_host(text)) == checked_host(text)


@given(
    st.text(max_size=200)
    | st.text(max_size=200).map(f"buri://host/?{FP}&".__add__)
    | st.text().map("buri://".__add__)
    | st.text(alphabet="buri:/?fp=&SHA256%[]@.0").map("buri://host/?".__add__)
)
@example("buri://[::1/?fp=x")
def test_any_text_is_an_invite_or_a_named_error(text: str) -> None:
    with contextlib.suppress(InviteError):
        invite = parse_invite(text)
        assert parse_invite(format_invite(invite)) == invite


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("Buri.example.org", "buri.example.org", 12975),
        (" 192.0.2.7:4000 ", "192.0.2.7", 4000),
        ("2001:db8::7", "2001:db8::7", 12975),
        ("[2001:db8::7]:4000", "2001:db8::7", 4000),
    ],
)
def test_a_server_is_typed_as_people_write_it(text: str, host: str, port: int) -> None:
    assert parse_host_and_port(text) == (host, port)


@given(st.text(max_size=300))
@example("host:")
@example("host:99999")
@example("[::1")
def test_any_typed_server_is_one_or_a_named_error(text: str) -> None:
    with contextlib.suppress(InviteError):
        host, port = parse_host_and_port(text)
        assert checked_host(host) == host
        assert 0 < port < 65_536
