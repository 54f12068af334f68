"""Invite links: written and read again; anything else is a named error."""

import contextlib
from urllib.parse import urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from app.protocol.invite import Invite, InviteFormatError, format_invite, parse_invite
from app.protocol.messages import checked_name
from app.protocol.wire import RemoteProtocolError

FINGERPRINT = bytes(range(32))


def _is_name(text: str) -> bool:
    with contextlib.suppress(RemoteProtocolError):
        return checked_name(text) == text
    return False


names = st.text(min_size=1, max_size=64).filter(_is_name)


def test_a_link_says_server_fingerprint_and_network() -> None:
    link = format_invite(Invite("buri.example.org", 12975, FINGERPRINT, "Game night"))
    assert link == (
        "buri://buri.example.org:12975/?fp=SHA256:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8&network=Game%20night"
    )


@given(
    st.sampled_from(["buri.example.org", "192.0.2.7", "2001:db8::7", "xn--hmachi-bua.example"]),
    st.integers(1, 65_535),
    st.binary(min_size=32, max_size=32),
    st.none() | names,
    st.none() | st.binary(min_size=32, max_size=32),
)
def test_what_is_written_is_read_again(
    host: str, port: int, fingerprint: bytes, network: str | None, secret: bytes | None
) -> None:
    invite = Invite(host, port, fingerprint, network, secret if network is not None else None)
    assert parse_invite(format_invite(invite)) == invite


def test_the_port_may_be_missing_and_later_fields_are_ignored() -> None:
    link = "buri://home.example?later=1&fp=AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"
    assert parse_invite(link) == Invite("home.example", 12975, FINGERPRINT)


@pytest.mark.parametrize(
    ("link", "reason"),
    [
        ("https://buri.example/?fp=x", "does not begin"),
        ("buri:///?fp=x", "names no server"),
        ("buri://user@host/?fp=x", "names no server"),
        ("buri://host/", "fingerprint is missing"),
        ("buri://host/?fp=SHA256:short", "fingerprint"),
        ("buri://host:99999/?fp=x", "range"),
        (format_invite(Invite("host", 1, FINGERPRINT)) + "&network=%20", "name"),
        (format_invite(Invite("host", 1, FINGERPRINT)) + "&network=a&secret=short", "secret"),
        ("buri://host/?" + "a" * 2_100, "too long"),
        ("buri://host/?fp=\n", "does not begin|missing"),
        ("buri://host/?fp=%ff", "fingerprint|decode"),
    ],
)
def test_a_broken_link_says_what_is_wrong(link: str, reason: str) -> None:
    with pytest.raises(InviteFormatError, match=reason):
        parse_invite(link)


@given(st.text(max_size=200) | st.text(max_size=200).map("buri://host/?fp=".__add__) | st.text().map("buri://".__add__))
@example("buri://[::1/?fp=x")
def test_any_text_is_an_invite_or_a_named_error(text: str) -> None:
    with contextlib.suppress(InviteFormatError):
        assert urlsplit(format_invite(parse_invite(text))).scheme == "buri"
