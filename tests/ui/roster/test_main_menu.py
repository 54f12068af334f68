"""The menu of the main window, and its keys."""

from pathlib import Path

import pytest
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from app.engine.state import EngineState
from app.protocol.invite import MAX_LINK, parse_invite
from app.ui.dialogs.invite import InviteDialog
from app.ui.roster.main_menu import copied_link, invite_link
from app.ui.roster.main_window import MainWindow
from tests.engine.world import World
from tests.ui import samples
from tests.ui.hands import appears
from tests.ui.showing import Showing
from tests.ui.world import Desk, tell, until

LINK = "buri://buri.example.org/?fp=SHA256:47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU&network=Family"


@pytest.fixture
def lively(qtbot: QtBot, tmp_path: Path) -> MainWindow:
    desk = Showing(tmp_path, samples.lively())
    qtbot.addWidget(desk.window)
    return desk.window


def test_a_link_is_known_by_its_beginning_and_length() -> None:
    assert invite_link(f"  {LINK}\n") == LINK
    assert invite_link("BURI://host") == "BURI://host"
    assert invite_link("see buri://host") == ""
    assert invite_link("") == ""
    assert invite_link("buri://" + "x" * MAX_LINK) == ""


def test_the_link_that_was_copied_is_found(lively: MainWindow) -> None:
    QGuiApplication.clipboard().setText(f" {LINK} ")
    assert copied_link() == LINK
    QGuiApplication.clipboard().setText("something else")
    assert copied_link() == ""


def test_shortcuts_are_not_given_twice(lively: MainWindow) -> None:
    keys = [keys.toString() for action in lively.actions() for keys in action.shortcuts()]
    assert len(keys) == len(set(keys))


def test_every_entry_has_a_key(lively: MainWindow) -> None:
    assert all(not action.shortcut().isEmpty() for action in lively.menu.actions() if not action.isSeparator())


def test_it_counts_those_who_wait(lively: MainWindow) -> None:
    assert lively.menu.approvals.text() == "&Approvals (1)…"
    lively.show_state(samples.no_networks())
    assert lively.menu.approvals.text() == "&Approvals…"


def test_without_an_engine_only_what_needs_none_can_be_done(qtbot: QtBot, tmp_path: Path) -> None:
    desk = Showing(tmp_path, EngineState(), samples.problem("server-not-configured"))
    qtbot.addWidget(desk.window)
    menu = desk.window.menu
    assert not menu.create_action.isEnabled()
    assert not menu.power.isEnabled()
    assert not menu.invite_action.isEnabled()
    assert menu.link_action.isEnabled()


def test_the_link_to_the_server_can_be_had_at_any_time(qapp: QApplication, tmp_path: Path) -> None:
    async def story(world: World) -> None:
        desk = Desk(tmp_path, await world.person("anna"))
        window = MainWindow(desk.actions)
        window.menu.invite_action.trigger()
        invite = await appears(InviteDialog)
        await until(lambda: invite.link.line.text().startswith("buri://"))
        assert parse_invite(invite.link.line.text()).network is None
        invite.close()
        window.deleteLater()
        await desk.close()

    tell(qapp, tmp_path, story)
