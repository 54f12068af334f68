"""Closing the window: to the tray where there is one, else the end, which is said once."""

from pathlib import Path

import pytest
from PySide6.QtWidgets import QWidget
from pytestqt.qtbot import QtBot

from app.ui.dialogs.no_tray import NoTray
from app.ui.tray.tray import Tray
from tests.ui.world import Desk


@pytest.fixture
def desk(qtbot: QtBot, tmp_path: Path) -> Desk:
    desk = Desk(tmp_path)
    desk.actions.main_window = QWidget()
    qtbot.addWidget(desk.actions.main_window)
    desk.actions.main_window.show()
    return desk


def said(desk: Desk) -> NoTray | None:
    assert desk.actions.main_window is not None
    return desk.actions.main_window.findChild(NoTray)


def test_without_a_tray_it_is_said_before_the_app_ends(qtbot: QtBot, desk: Desk) -> None:
    tray = Tray(desk.actions, desk.preferences, is_there=lambda: False)
    with qtbot.assertNotEmitted(desk.actions.quit_wanted):
        tray.close_window()
    dialog = said(desk)
    assert dialog is not None
    with qtbot.waitSignal(desk.actions.quit_wanted):
        dialog.quit_button.click()
    assert desk.preferences.choices.told_no_tray
    with qtbot.waitSignal(desk.actions.quit_wanted):
        tray.close_window()
    tray.stop()


def test_the_window_can_stay_as_a_small_one(qtbot: QtBot, desk: Desk) -> None:
    tray = Tray(desk.actions, desk.preferences, is_there=lambda: False)
    tray.close_window()
    dialog = said(desk)
    assert dialog is not None
    with qtbot.assertNotEmitted(desk.actions.quit_wanted):
        dialog.accept_button.click()
    assert desk.actions.main_window is not None
    assert desk.actions.main_window.isMinimized()
    tray.stop()


def test_escape_only_closes_the_question(qtbot: QtBot, desk: Desk) -> None:
    tray = Tray(desk.actions, desk.preferences, is_there=lambda: False)
    tray.close_window()
    dialog = said(desk)
    assert dialog is not None
    with qtbot.assertNotEmitted(desk.actions.quit_wanted):
        dialog.reject()
    assert not desk.preferences.choices.told_no_tray
    tray.stop()


def test_whoever_wants_no_tray_quits_by_closing(qtbot: QtBot, desk: Desk) -> None:
    desk.preferences.change(close_to_tray=False)
    tray = Tray(desk.actions, desk.preferences, is_there=lambda: False)
    with qtbot.waitSignal(desk.actions.quit_wanted):
        tray.close_window()
    tray.stop()


def test_for_want_of_a_tray_the_window_comes_up(qtbot: QtBot, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.ui.tray.tray.LOOK_EVERY", 10)
    assert desk.actions.main_window is not None
    desk.actions.main_window.hide()
    tray = Tray(desk.actions, desk.preferences, is_there=lambda: False)
    with qtbot.waitSignal(desk.actions.window_wanted):
        tray.start()
    assert not tray.available
    tray.stop()
