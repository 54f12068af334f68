"""What the roster's rows say."""

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.engine.state import EngineState, NetworkView, PeerStatus, Protection
from app.ui.roster.row_words import badge, member_line, network_line, spoken_member, spoken_network, tooltip
from app.ui.roster.rows import Group, Roster
from tests.ui import samples


def only(network: NetworkView) -> Group:
    """The group of a network among the usual peers."""
    state = EngineState(power=True, networks=(network,), peers=samples.PEERS)
    return Roster().arrange(state)[0]


def line(**changes: object) -> str:
    return network_line(only(replace(samples.network(samples.FAMILY, "Family"), **changes)).network)  # type: ignore[arg-type]


def test_a_networks_second_line_says_first_who_is_there() -> None:
    assert line() == "3 of 4 online"
    assert line(members=(samples.own_line(),)) == "only you so far"
    assert line(protection=Protection.OPEN, locked=True) == "3 of 4 online · open · locked"
    assert line(protection=Protection.MISSING) == "3 of 4 online · secret missing, join again"


def test_a_members_second_line_says_how_it_is_reached() -> None:
    lines = {row.name: member_line(row) for group in Roster().arrange(samples.lively()) for row in group.members}
    assert lines["Ben"] == "direct · 12 ms"
    assert lines["Grandma Rosa"] == "relayed · 48 ms"
    assert lines["Jonas"] == "connecting…"
    assert lines["Aunt Clara"] == "wants to join"
    assert set(lines.values()) >= {"offline", "blocked", "key changed", "not proven", "no path found"}


def test_a_relayed_member_tells_over_what() -> None:
    ben = samples.over_stream(samples.PEERS[0])
    state = EngineState(power=True, networks=(samples.network(samples.FAMILY, "Family"),), peers=(ben,))
    row = Roster().arrange(state)[0].members[0]
    assert member_line(row) == "relayed over TCP · 73 ms"
    assert spoken_member(row).startswith("Ben, relayed over TCP, 73 milliseconds")
    tip = tooltip(row, {})
    assert "Over buri.example.org:12975" in tip
    assert "127.0.0.1" not in tip


def test_networks_are_told_to_a_screen_reader_with_all_that_is_drawn() -> None:
    minecraft = only(samples.network(samples.MINECRAFT, "Friday Minecraft", "10.73.0.3", unread=5)).network
    assert spoken_network(minecraft) == "Friday Minecraft, network, 5 of 7 online, with a password, 5 unread messages"


@pytest.mark.parametrize(("unread", "shown"), [(1, "1"), (99, "99"), (100, "99+"), (10**9, "99+")])
def test_a_badge_has_room_for_three_characters(unread: int, shown: str) -> None:
    assert badge(unread) == shown


@given(st.text(max_size=64), st.text(max_size=64), st.sampled_from(PeerStatus))
def test_no_name_becomes_markup_in_a_tooltip(alias: str, name: str, status: PeerStatus) -> None:
    ben = replace(samples.PEERS[0], alias=alias, status=status)
    network = samples.network(samples.FAMILY, name)
    state = EngineState(power=True, networks=(network,), peers=(ben,))
    group = Roster().arrange(state)[0]
    tips = [tooltip(group.network, {}), *(tooltip(row, {samples.FAMILY: name}) for row in group.members)]
    own = re.compile("<div style='white-space: pre-wrap'>|</div>|</?b>|<br>")
    assert not any("<" in own.sub("", tip) for tip in tips)
