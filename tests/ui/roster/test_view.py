"""The roster as a person uses it: folding, keys, menus and the mouse."""

from dataclasses import replace
from pathlib import Path

import pytest
from PySide6.QtCore import QModelIndex, QPoint, Qt
from PySide6.QtGui import QAccessible, QAction, QGuiApplication
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QMenu
from pytestqt.qtbot import QtBot

from app.engine.state import EngineState, NetworkStatus, PeerStatus
from app.ui.preferences import CustomCommand
from app.ui.roster.delegate import Spot, spots
from app.ui.roster.menus import member_entries
from app.ui.roster.rows import Roster
from app.ui.roster.view import RosterView
from tests.engine.world import World, meet
from tests.ui import samples
from tests.ui.showing import Showing
from tests.ui.world import Desk, tell, until

OWN = Roster().arrange(samples.lively())[0].network


@pytest.fixture
def desk(qtbot: QtBot, tmp_path: Path) -> Showing:
    desk = Showing(tmp_path, samples.lively())
    qtbot.addWidget(desk.window)
    desk.window.resize(360, 1_000)
    desk.window.show()
    desk.window.activateWindow()
    qtbot.waitUntil(desk.window.isActiveWindow)
    return desk


def find(view: RosterView, network: str, name: str = "") -> QModelIndex:
    model = view.model()
    group = next(model.index(row, 0) for row in range(model.rowCount()) if model.index(row, 0).data() == network)
    if not name:
        return group
    rows = (model.index(row, 0, group) for row in range(model.rowCount(group)))
    return next(each for each in rows if each.data() == name)


def choose(view: RosterView, network: str, name: str = "") -> QModelIndex:
    index = find(view, network, name)
    view.setCurrentIndex(index)
    view.setFocus()
    return index


def said(view: RosterView, network: str, name: str) -> str:
    """What a screen reader says about a contact."""
    return str(find(view, network, name).data(Qt.ItemDataRole.AccessibleTextRole))


def menu(view: RosterView) -> dict[str, QAction]:
    """The open context menu, by the texts of its entries."""
    found = [each for each in view.findChildren(QMenu) if each.isVisible()]
    assert len(found) == 1
    return {action.text().replace("&", ""): action for action in found[0].actions() if not action.isSeparator()}


def middle(view: RosterView, index: QModelIndex, spot: Spot) -> QPoint:
    """Where to click for a button in a row."""
    area = view.visualRect(index)
    area.setWidth(view.viewport().width())
    return spots(view._roster.row(index), area)[spot].center()  # type: ignore[arg-type]


# --- folding


def test_networks_are_open_until_somebody_folds_them(desk: Showing) -> None:
    view = desk.window.roster
    assert view.isExpanded(find(view, "Family"))
    QTest.mouseClick(view.viewport(), Qt.MouseButton.LeftButton, pos=middle(view, find(view, "Family"), Spot.FOLD))
    assert not view.isExpanded(find(view, "Family"))
    assert desk.preferences.choices.collapsed == (samples.FAMILY,)


def test_a_folded_network_is_folded_at_the_next_start(desk: Showing, qtbot: QtBot, tmp_path: Path) -> None:
    choose(desk.window.roster, "Family")
    QTest.keyClick(desk.window.roster, Qt.Key.Key_Left)
    again = Showing(tmp_path, samples.lively())
    qtbot.addWidget(again.window)
    assert again.preferences.choices.collapsed == desk.preferences.choices.collapsed == (samples.FAMILY,)
    assert not again.window.roster.isExpanded(find(again.window.roster, "Family"))
    assert again.window.roster.isExpanded(find(again.window.roster, "Workshop"))


def test_a_search_opens_what_is_folded_and_leaves_it_folded(desk: Showing) -> None:
    view = desk.window.roster
    choose(view, "Family")
    QTest.keyClick(view, Qt.Key.Key_Return)
    view.search("ros")
    assert view.isExpanded(find(view, "Family"))
    view.search("")
    assert not view.isExpanded(find(view, "Family"))


def test_enter_and_a_double_click_fold_a_network(desk: Showing) -> None:
    view = desk.window.roster
    index = choose(view, "Workshop")
    QTest.keyClick(view, Qt.Key.Key_Return)
    assert not view.isExpanded(index)
    place = view.visualRect(index).center()
    QTest.mouseClick(view.viewport(), Qt.MouseButton.LeftButton, pos=place)
    QTest.mouseDClick(view.viewport(), Qt.MouseButton.LeftButton, pos=place)
    assert view.isExpanded(index)


def test_a_network_whose_first_member_comes_later_is_open(desk: Showing) -> None:
    view = desk.window.roster
    state = samples.lively()
    empty = replace(state.networks[0], members=(samples.own_line(True),))
    desk.show(replace(state, networks=(empty, *state.networks[1:])))
    desk.show(state)
    assert view.isExpanded(find(view, "Family"))


def test_changes_move_neither_the_choice_nor_the_place(desk: Showing) -> None:
    view = desk.window.roster
    desk.window.resize(360, 420)
    choose(view, "Friday Minecraft", "Zoë")
    before = view.verticalScrollBar().value()
    peers = tuple(replace(each, latency=0.2) if each.latency else each for each in samples.PEERS)
    desk.show(replace(samples.lively(), peers=peers))
    assert view.currentIndex().data() == "Zoë"
    assert view.verticalScrollBar().value() == before


# --- menus and keys


def test_the_menu_of_a_contact_has_all_that_hamachi_had(desk: Showing) -> None:
    view = desk.window.roster
    choose(view, "Family", "Ben")
    QTest.keyClick(view, Qt.Key.Key_Menu)
    entries = menu(view)
    assert list(entries) == [
        "Chat",
        "Ping",
        "Browse shares",
        "Copy IPv4 address",
        "Copy IPv6 address",
        "Details…",
        "Set alias…",
        "Verify…",
        "Block",
        "Evict from Family…",
    ]
    entries["Copy IPv6 address"].trigger()
    assert QGuiApplication.clipboard().text() == "fd62:7572:6900::a49:3"


def test_who_does_not_own_a_network_evicts_nobody(desk: Showing) -> None:
    view = desk.window.roster
    choose(view, "Friday Minecraft", "Zoë")
    QTest.keyClick(view, Qt.Key.Key_F10, Qt.KeyboardModifier.ShiftModifier)
    entries = menu(view)
    assert not any(text.startswith("Evict") for text in entries)
    assert not entries["Browse shares"].isEnabled()  # offline


def test_a_changed_key_is_accepted_rather_than_verified(desk: Showing) -> None:
    view = desk.window.roster
    choose(view, "Friday Minecraft", "Mia")
    QTest.keyClick(view, Qt.Key.Key_Menu)
    assert "Accept new key…" in menu(view)
    assert "Verify…" not in menu(view)


def test_the_menu_of_an_own_network(desk: Showing) -> None:
    view = desk.window.roster
    choose(view, "Family")
    QTest.keyClick(view, Qt.Key.Key_Menu)
    assert list(menu(view)) == [
        "Go offline here",
        "Chat with everybody",
        "Invite…",
        "Copy name",
        "Copy network id",
        "Approvals…",
        "Set access…",
        "Set password…",
        "Delete network…",
    ]


def test_the_menu_of_a_network_of_somebody_else(desk: Showing) -> None:
    view = desk.window.roster
    choose(view, "LAN party 2026")
    QTest.keyClick(view, Qt.Key.Key_Menu)
    assert "Go online here" in menu(view)
    assert "Leave network…" in menu(view)
    assert "Set access…" not in menu(view)


def test_the_menu_of_a_network_that_waits_for_its_owner(desk: Showing) -> None:
    view = desk.window.roster
    choose(view, "Chess club")
    QTest.keyClick(view, Qt.Key.Key_Menu)
    assert list(menu(view)) == ["Copy name", "Copy network id", "Take back the wish to join…"]


def test_somebody_who_waits_is_let_in_or_not(desk: Showing) -> None:
    view = desk.window.roster
    choose(view, "Family", "Aunt Clara")
    QTest.keyClick(view, Qt.Key.Key_Return)
    assert list(menu(view)) == ["Approve", "Reject", "Copy address"]


def test_a_hostile_name_makes_no_mnemonic(desk: Showing) -> None:
    view = desk.window.roster
    state = samples.lively()
    desk.show(replace(state, networks=(replace(state.networks[0], name="R&D"), *state.networks[1:])))
    choose(view, "R&D", "Ben")
    QTest.keyClick(view, Qt.Key.Key_Menu)
    found = next(each for each in view.findChildren(QMenu) if each.isVisible())
    assert "&Evict from R&&D…" in [action.text() for action in found.actions()]


def test_own_commands_stand_in_the_menu_by_their_names(desk: Showing) -> None:
    view = desk.window.roster
    desk.preferences.change(commands=(CustomCommand("SSH & more", "x-terminal-emulator -e ssh %A"),))
    for name, usable in (("Ben", True), ("Uncle Tom", False)):
        choose(view, "Family", name)
        entries = list(member_entries(desk.actions, view._roster.row(view.currentIndex()), OWN))  # type: ignore[arg-type]
        command = next(each for each in entries if each is not None and each.icon == "command")
        assert (command.text, command.enabled) == ("SSH && more", usable)


def test_entries_work_by_their_keys_without_the_menu(desk: Showing) -> None:
    view = desk.window.roster
    choose(view, "Family", "Ben")
    QTest.keyClick(view, Qt.Key.Key_C, Qt.KeyboardModifier.ControlModifier)
    assert QGuiApplication.clipboard().text() == "10.73.0.3"
    choose(view, "Family")
    QTest.keyClick(view, Qt.Key.Key_C, Qt.KeyboardModifier.ControlModifier)
    assert QGuiApplication.clipboard().text() == "Family"


def test_letters_go_to_who_is_called_so(desk: Showing) -> None:
    view = desk.window.roster
    choose(view, "Family")
    QTest.keyClicks(view, "gra")
    assert view.currentIndex().data() == "Grandma Rosa"


def test_the_menu_opens_where_the_mouse_is(desk: Showing) -> None:
    view = desk.window.roster
    place = view.visualRect(find(view, "Family", "Lena")).center()
    QTest.mouseClick(view.viewport(), Qt.MouseButton.RightButton, pos=place)
    view.open_menu(view.indexAt(place), place)
    assert view.currentIndex().data() == "Lena"
    assert "Chat" in menu(view)


# --- what turns, and what does not


def test_the_ring_turns_only_while_somebody_connects(desk: Showing, qtbot: QtBot) -> None:
    view = desk.window.roster
    assert view._turning.isActive()
    desk.show(with_status("Jonas", PeerStatus.DIRECT))
    qtbot.waitUntil(lambda: not view._turning.isActive())
    desk.show(samples.lively())
    qtbot.waitUntil(view._turning.isActive)
    desk.window.hide()
    qtbot.waitUntil(lambda: not view._turning.isActive())


def with_status(name: str, status: PeerStatus) -> EngineState:
    peers = tuple(replace(each, status=status) if each.nickname == name else each for each in samples.PEERS)
    return replace(samples.lively(), peers=peers)


def test_a_screen_reader_walks_through_the_rows(desk: Showing) -> None:
    tree = QAccessible.queryAccessibleInterface(desk.window.roster)
    assert tree.text(QAccessible.Text.Name) == "Networks and members"
    rows = [tree.child(number).text(QAccessible.Text.Name) for number in range(tree.childCount())]
    assert "Family, network, 3 of 4 online, 1 wants to join, your own, with a password" in rows
    assert "Ben, direct, 12 milliseconds, verified, 2 unread messages" in rows


def test_rows_are_all_of_one_height(desk: Showing) -> None:
    view = desk.window.roster
    heights = {view.visualRect(find(view, *each)).height() for each in (("Family",), ("Family", "Ben"), ("Workshop",))}
    assert heights == {view._delegate.height}


# --- over a real engine


def test_a_network_is_left_for_a_while_from_its_menu(qapp: QApplication, tmp_path: Path, qtbot: QtBot) -> None:
    async def story(world: World) -> None:
        anna, ben, _ = await meet(world)
        desk = Desk(tmp_path, anna)
        view = RosterView(desk.actions)
        qtbot.addWidget(view)
        view.show()
        desk.bridge.state_changed.connect(view.update_roster)
        view.update_roster(desk.bridge.state)
        choose(view, "family")
        view.open_menu(view.currentIndex())
        menu(view)["Go offline here"].trigger()
        await until(lambda: desk.bridge.state.networks[0].status is NetworkStatus.OFFLINE)
        await ben.until(lambda: ben.sees(anna, PeerStatus.OFFLINE))
        await until(lambda: "offline" in said(view, "family", "ben"))
        await desk.close()

    tell(qapp, tmp_path, story)


def test_a_peer_is_blocked_and_let_in_again(qapp: QApplication, tmp_path: Path, qtbot: QtBot) -> None:
    async def story(world: World) -> None:
        anna, _, _ = await meet(world)
        desk = Desk(tmp_path, anna)
        view = RosterView(desk.actions)
        qtbot.addWidget(view)
        view.show()
        desk.bridge.state_changed.connect(view.update_roster)
        view.update_roster(desk.bridge.state)
        for text, word in (("Block", "blocked"), ("Unblock", "direct")):
            choose(view, "family", "ben")
            view.open_menu(view.currentIndex())
            menu(view)[text].trigger()
            QTest.keyClick(next(each for each in view.findChildren(QMenu) if each.isVisible()), Qt.Key.Key_Escape)
            await until(lambda word=word: word in said(view, "family", "ben"))  # type: ignore[misc]
            await until(lambda: not any(each.isVisible() for each in view.findChildren(QMenu)))
        await desk.close()

    tell(qapp, tmp_path, story)
