"""Entries of the roster's menus: none twice, each key once, and what makes sense for whom."""

from itertools import pairwise
from pathlib import Path

import pytest
from PySide6.QtGui import QKeySequence
from PySide6.QtWidgets import QApplication

from app.engine.state import PeerStatus
from app.ui.roster.menus import Entry, entry_for, member_entries, network_entries
from app.ui.roster.rows import Group, Roster
from tests.ui import samples
from tests.ui.world import Desk

GROUPS = Roster().arrange(samples.lively())


@pytest.fixture(scope="module")
def desk(qapp: QApplication, tmp_path_factory: pytest.TempPathFactory) -> Desk:
    folder: Path = tmp_path_factory.mktemp("desk")
    return Desk(folder)


def all_entries(desk: Desk, group: Group) -> list[list[Entry | None]]:
    lists = [list(network_entries(desk.actions, group.network))]
    return lists + [list(member_entries(desk.actions, row, group.network)) for row in group.members]


@pytest.mark.parametrize("group", GROUPS, ids=lambda group: group.network.name)
def test_no_menu_has_a_text_or_a_key_twice(desk: Desk, group: Group) -> None:
    for entries in all_entries(desk, group):
        real = [entry for entry in entries if entry is not None]
        keys = [entry.shortcut for entry in real if entry.shortcut]
        assert len({entry.text for entry in real}) == len(real)
        assert len(set(keys)) == len(keys)
        assert all(not QKeySequence(key).isEmpty() for key in keys)


@pytest.mark.parametrize("group", GROUPS, ids=lambda group: group.network.name)
def test_no_menu_has_a_line_at_an_end_or_two_together(desk: Desk, group: Group) -> None:
    for entries in all_entries(desk, group):
        assert entries[0] is not None
        assert entries[-1] is not None
        assert all(before is not None or after is not None for before, after in pairwise(entries))


def test_whoever_is_blocked_can_only_be_let_in_again(desk: Desk) -> None:
    blocked = next(row for group in GROUPS for row in group.members if row.status is PeerStatus.BLOCKED)
    entries = {entry.text: entry for entry in member_entries(desk.actions, blocked, GROUPS[1].network) if entry}
    assert not entries["&Chat"].enabled
    assert not entries["&Ping"].enabled
    assert entries["&Unblock"].enabled


def test_a_disabled_entry_has_no_key(desk: Desk) -> None:
    blocked = next(row for group in GROUPS for row in group.members if row.status is PeerStatus.BLOCKED)
    assert entry_for(member_entries(desk.actions, blocked, GROUPS[1].network), QKeySequence("Ctrl+G")) is None
