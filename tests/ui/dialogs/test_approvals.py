"""Who waits for approval: one line each, always up to date."""

from dataclasses import replace
from pathlib import Path

from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QLabel

from app.engine.state import EngineState, MemberStatus
from app.ui.dialogs.approvals import MAX_LINES, Approvals
from app.ui.look.dialog import Dialog
from tests.engine.world import World
from tests.ui import samples
from tests.ui.hands import appears
from tests.ui.world import Desk, tell, until


def waiting_state(count: int) -> EngineState:
    state = samples.lively()
    owned = next(each for each in state.networks if each.is_owner)
    members = tuple(
        replace(samples.waiting(1, f"tablet {number}"), address=f"10.73.{number // 250 + 1}.{number % 250}")
        for number in range(count)
    )
    return replace(state, networks=(replace(owned, members=members),))


def empty_is_told(dialog: Approvals) -> bool:
    return not dialog._empty.isHidden()


def test_two_ask_one_is_let_in_and_one_turned_away(qapp: QApplication, tmp_path: Path) -> None:
    async def story(world: World) -> None:
        anna, ben, carl = [await world.person(name) for name in ("anna", "ben", "carl")]
        network = await anna.engine.create_network("family")
        await anna.engine.set_access(network, approval=True)
        desk = Desk(tmp_path, anna)
        desk.actions.approvals()
        dialog = await appears(Approvals)
        assert empty_is_told(dialog)
        await ben.engine.join_network("family")
        await carl.engine.join_network("family")
        his, other = (network, ben.state.server.address), (network, carl.state.server.address)
        await until(lambda: set(dialog.lines) == {his, other})
        dialog.lines[his].approve.setFocus()
        QTest.keyClick(dialog.lines[his].approve, Qt.Key.Key_Space)
        await until(lambda: set(dialog.lines) == {other})
        await ben.until_connected(anna)
        QTest.mouseClick(dialog.lines[other].reject, Qt.MouseButton.LeftButton)
        await until(lambda: empty_is_told(dialog))
        await carl.until(lambda: not carl.state.networks)
        dialog.close()
        await desk.close()

    tell(qapp, tmp_path, story)


def test_what_fails_is_told_and_the_line_can_be_used_again(qapp: QApplication, tmp_path: Path) -> None:
    async def story(world: World) -> None:
        desk = Desk(tmp_path)
        dialog = Approvals(None, desk.bridge)
        dialog.show_state(waiting_state(1))
        dialog.show()
        (line,) = dialog.lines.values()
        QTest.mouseClick(line.reject, Qt.MouseButton.LeftButton)
        assert not line.isEnabled()
        await until(lambda: not dialog._problem.isHidden())
        assert line.isEnabled()
        dialog.close()
        await desk.close()

    tell(qapp, tmp_path, story)


def test_lines_of_those_who_still_wait_stay(qapp: QApplication, tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    dialog = Approvals(None, desk.bridge)
    dialog.show_state(waiting_state(3))
    before = dict(dialog.lines)
    dialog.show_state(waiting_state(2))
    assert {key: before[key] for key in dialog.lines} == dialog.lines
    dialog.deleteLater()


def test_a_flood_is_counted_rather_than_shown(qapp: QApplication, tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    dialog: Dialog = Approvals(None, desk.bridge)
    assert isinstance(dialog, Approvals)
    dialog.show_state(waiting_state(5_000))
    assert len(dialog.lines) == MAX_LINES
    assert "4900" in dialog._more.text()
    dialog.deleteLater()


def test_other_peoples_networks_and_names_are_harmless(qapp: QApplication, tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    state = waiting_state(1)
    line = state.networks[0].members[0]
    hostile = replace(line, nickname="<img src=x>\u202eevil\n" + "w" * 60)
    assert hostile.status is MemberStatus.PENDING
    dialog = Approvals(None, desk.bridge)
    dialog.show_state(replace(state, networks=(replace(state.networks[0], members=(hostile,)),)))
    for label in dialog.findChildren(QLabel):
        assert "\u202e" not in label.text()
        assert label.textFormat() is Qt.TextFormat.PlainText or not label.text()
    dialog.show_state(replace(state, networks=(replace(state.networks[0], is_owner=False),)))
    assert not dialog.lines
    dialog.deleteLater()
