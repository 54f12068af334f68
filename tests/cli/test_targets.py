"""Names and numbers on the command line: found, not found, or the choices."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.cli.outcome import CommandError, ExitCode
from app.cli.targets import address_number, find_member, find_network, find_peer, shell_word
from app.engine.state import (
    EngineState,
    MemberStatus,
    MemberView,
    NetworkStatus,
    NetworkView,
    PeerStatus,
    PeerView,
    Protection,
    ServerView,
)


def network(number: int, name: str, *members: MemberView) -> NetworkView:
    digits = f"{number:010d}"
    label = f"{digits[:4]}-{digits[4:7]}-{digits[7:]}"
    return NetworkView(
        number, label, name, "10.73.0.2", False, NetworkStatus.ONLINE, False, False, 0, Protection.PROVED, True, members
    )


def peer(address: str, nickname: str, alias: str = "") -> PeerView:
    return PeerView(address, "", nickname, PeerStatus.DIRECT, alias=alias)


STATE = EngineState(
    server=ServerView(address="10.73.0.5", address6="fd62:7572:6900::a49:5"),
    networks=(network(123_456_789, "Game night"), network(7, "game night"), network(8, "Straße"), network(9, "42")),
    peers=(
        peer("10.73.0.2", "hiro"),
        peer("10.73.0.3", "Hiro", "boss"),
        peer("10.73.0.4", "boss"),
        peer("10.73.0.6", "uma"),
    ),
)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("Game night", 123_456_789),
        ("game night", 7),
        ("STRASSE", 8),
        ("0123-456-789", 123_456_789),
        ("7", 7),
        ("42", 9),
    ],
)
def test_a_network_is_named_by_name_or_number(text: str, number: int) -> None:
    assert find_network(STATE, text).id == number


def test_a_network_that_fits_twice_is_an_error_with_the_choices() -> None:
    with pytest.raises(CommandError) as refused:
        find_network(STATE, "GAME NIGHT")
    assert refused.value.exit_code is ExitCode.NOT_FOUND
    assert refused.value.code == "network-ambiguous"
    assert refused.value.message.splitlines() == ["  0123-456-789  Game night", "  0000-000-007  game night"]
    assert "number" in refused.value.remedy


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("10.73.0.6", "10.73.0.6"),
        ("UMA", "10.73.0.6"),
        ("hiro", "10.73.0.2"),
        ("Hiro", "10.73.0.3"),
        ("boss", "10.73.0.3"),
    ],
)
def test_a_peer_is_named_by_address_alias_or_nickname_and_the_own_alias_wins(text: str, address: str) -> None:
    assert find_peer(STATE, text).address == address


def test_a_peer_that_fits_twice_is_an_error_with_the_choices() -> None:
    with pytest.raises(CommandError) as refused:
        find_peer(STATE, "HIRO")
    assert refused.value.code == "peer-ambiguous"
    assert refused.value.message.splitlines() == ["  10.73.0.2  hiro", "  10.73.0.3  Hiro"]


@pytest.mark.parametrize("text", ["nobody", "10.73.9.9", ""])
def test_whoever_is_not_there_is_not_found(text: str) -> None:
    with pytest.raises(CommandError) as refused:
        find_peer(STATE, text)
    assert refused.value.code == "peer-not-found"


def test_this_computer_is_no_peer_of_its_own() -> None:
    with pytest.raises(CommandError, match="is this computer"):
        find_peer(STATE, "10.73.0.5")


def test_members_are_found_waiting_ones_too() -> None:
    waiting = MemberView("10.73.9.9", "who", MemberStatus.PENDING)
    family = network(1, "Family", waiting)
    assert find_member(STATE, family, "WHO") is find_member(STATE, family, "10.73.9.9") is waiting
    with pytest.raises(CommandError, match="no 'nobody' in Family"):
        find_member(STATE, family, "nobody")


def test_a_renamed_member_is_still_found_by_the_name_it_has_as_a_peer() -> None:
    renamed = MemberView("10.73.0.6", "the quiet one", MemberStatus.ONLINE)
    family = network(1, "Family", renamed)
    assert find_member(STATE, family, "uma") is renamed
    with pytest.raises(CommandError, match="no 'boss' in Family"):
        find_member(STATE, family, "boss")


def test_a_nickname_in_the_form_of_an_address_catches_nothing() -> None:
    trap = EngineState(
        networks=(network(1, "all", MemberView("10.73.0.66", "10.73.0.9", MemberStatus.ONLINE)),),
        peers=(peer("10.73.0.66", "10.73.0.9"), peer("10.73.0.67", "fd62:7572:6900::a49:9")),
    )
    for find in (lambda text: find_peer(trap, text), lambda text: find_member(trap, trap.networks[0], text)):
        for text in ("10.73.0.9", "fd62:7572:6900::a49:9"):
            with pytest.raises(CommandError) as caught:
                find(text)
            assert caught.value.exit_code == ExitCode.NOT_FOUND
        assert find("10.73.0.66").address == "10.73.0.66"


def test_an_address_is_a_number_on_the_socket() -> None:
    assert address_number("10.73.0.2") == 0x0A490002
    with pytest.raises(CommandError, match="not an address"):
        address_number("hiro")


@pytest.mark.parametrize(("name", "word"), [("lan", "lan"), ("Game night", "'Game night'"), ("it's", "'it'\\''s'")])
def test_names_are_shown_as_they_must_be_typed(name: str, word: str) -> None:
    assert shell_word(name) == word


@given(st.text())
def test_any_text_is_a_target_or_not_found(text: str) -> None:
    for find in (find_network, find_peer):
        with contextlib.suppress(CommandError):
            assert find(STATE, text) in (*STATE.networks, *STATE.peers)
