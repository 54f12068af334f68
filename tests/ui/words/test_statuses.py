"""Statuses in words, shapes and colours."""

from dataclasses import replace

import pytest

from app.base.resources import resource_folder
from app.engine.state import PathKind, PeerStatus, ServerStatus
from app.ui.look.colours import DARK, LIGHT, Colours
from app.ui.look.status_signs import STATUS_ICONS, status_colour, status_sign
from app.ui.words.statuses import (
    capitalised,
    explained,
    latency,
    member_name,
    peer_name,
    peer_status,
    server_line,
    spoken_latency,
    waits_for_helper,
)
from tests.ui import samples


def test_each_status_has_words_of_its_own() -> None:
    assert len({peer_status(status) for status in PeerStatus}) == len(PeerStatus)
    assert len({explained(status) for status in PeerStatus}) == len(PeerStatus)


def test_each_status_has_a_shape_of_its_own() -> None:
    drawings = [(resource_folder() / "icons" / f"{STATUS_ICONS[status]}.svg").read_text() for status in PeerStatus]
    assert len(set(drawings)) == len(PeerStatus)


@pytest.mark.parametrize("colours", [LIGHT, DARK])
def test_each_status_has_a_colour(colours: Colours) -> None:
    assert all(status_colour(status, colours).startswith("#") for status in PeerStatus)


@pytest.mark.parametrize(
    ("seconds", "shown", "spoken"),
    [
        (None, "", ""),
        (0.0, "<1 ms", "less than a millisecond"),
        (0.001, "1 ms", "one millisecond"),
        (0.0123, "12 ms", "12 milliseconds"),
        (1.5, "1500 ms", "1500 milliseconds"),
    ],
)
def test_a_latency_as_people_read_and_hear_it(seconds: float | None, shown: str, spoken: str) -> None:
    assert (latency(seconds), spoken_latency(seconds)) == (shown, spoken)


def test_an_alias_goes_before_every_nickname() -> None:
    lena = next(each for each in samples.PEERS if each.alias)
    line = samples.member(lena)
    assert peer_name(lena) == member_name(line, lena) == "Lena"
    assert peer_name(replace(lena, alias="")) == member_name(line, None) == "lena-laptop"
    assert peer_name(replace(lena, alias="", nickname="")) == lena.address


def test_without_the_helper_nobody_is_said_to_be_connecting() -> None:
    assert waits_for_helper(samples.helper_missing())
    assert not waits_for_helper(samples.lively())
    assert peer_status(PeerStatus.CONNECTING, without_helper=True) == "waiting for the helper"
    assert "helper" in explained(PeerStatus.CONNECTING, without_helper=True)
    assert peer_status(PeerStatus.OFFLINE, without_helper=True) == "offline"
    assert status_sign(PeerStatus.CONNECTING, without_helper=True) not in STATUS_ICONS.values()
    assert status_colour(PeerStatus.CONNECTING, LIGHT, without_helper=True) == LIGHT.muted
    assert status_sign(PeerStatus.DIRECT, without_helper=True) == "direct"


def test_relayed_over_tcp_is_said_where_it_is_so_and_only_there() -> None:
    assert peer_status(PeerStatus.RELAYED, PathKind.STREAM_RELAY) == "relayed over TCP"
    assert "UDP is blocked" in explained(PeerStatus.RELAYED, PathKind.STREAM_RELAY)
    assert peer_status(PeerStatus.RELAYED, PathKind.RELAY) == "relayed"
    assert peer_status(PeerStatus.BLOCKED, PathKind.STREAM_RELAY) == "blocked"


def test_words_begin_a_line_without_losing_the_letters_of_names() -> None:
    assert capitalised("über Relay") == "Über Relay"
    assert capitalised("") == ""


def test_the_server_in_one_line() -> None:
    state = samples.lively()
    assert server_line(state, "") == "Connected to Rosa's server"
    nameless = replace(state, server=replace(state.server, name="", status=ServerStatus.CONNECTING))
    assert server_line(nameless, "") == "Connecting to buri.example.org…"
    lost = replace(state, server=replace(state.server, status=ServerStatus.WAITING))
    assert server_line(lost, "12:00:12") == "Server lost, trying again at 12:00:12"
    assert server_line(lost, "") == "Server lost"
    assert (
        len({server_line(replace(state, server=replace(state.server, status=each)), "") for each in ServerStatus}) == 6
    )
