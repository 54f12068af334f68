"""The top of the main window."""

from dataclasses import replace
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QMenu
from pytestqt.qtbot import QtBot

from app.engine.state import EngineState, ServerStatus
from app.ui.roster.own_header import OwnHeader
from tests.ui import samples
from tests.ui.showing import Showing


@pytest.fixture
def header(qtbot: QtBot, tmp_path: Path) -> OwnHeader:
    desk = Showing(tmp_path, samples.lively())
    qtbot.addWidget(desk.window)
    desk.window.show()
    return desk.window.header


def test_it_says_who_and_where_one_is(header: OwnHeader) -> None:
    assert header.name.name == "Anna"
    assert header.address.text() == samples.OWN_ADDRESS
    assert header.server.text() == "Connected to Rosa's server"


def test_both_addresses_can_be_copied(header: OwnHeader) -> None:
    QTest.mouseClick(header.copy_button, Qt.MouseButton.LeftButton)
    assert QGuiApplication.clipboard().text() == samples.OWN_ADDRESS
    assert header.copy_button.toolTip() == "Copied"
    header.copy_button.customContextMenuRequested.emit(header.copy_button.rect().center())
    menu = next(each for each in header.findChildren(QMenu) if each.isVisible())
    menu.actions()[1].trigger()
    assert QGuiApplication.clipboard().text() == samples.SERVER.address6
    menu.close()


def test_before_the_first_login_there_is_nothing_to_copy(header: OwnHeader) -> None:
    header.show_state(EngineState(), usable=True)
    assert not header.copy_button.isVisible()
    assert header.name.name == "Buri"


def test_without_an_engine_it_says_so(header: OwnHeader) -> None:
    header.show_state(EngineState(), usable=False)
    assert header.server.text() == "Not running"
    assert not header.power.isVisible()


def test_when_the_server_is_tried_again_stands_there(header: OwnHeader) -> None:
    header.show_state(samples.server_lost(), usable=True)
    assert header.server.text().startswith("Server lost, trying again at ")


def test_a_long_name_is_cut_off_and_read_whole(header: OwnHeader) -> None:
    name = "Anna-Katharina & her very long laptop name, which has no end"
    header.show_state(replace(samples.lively(), server=replace(samples.SERVER, nickname=name)), usable=True)
    assert header.name.text().endswith("…")
    assert header.name.accessibleName() == f"Nickname {name}"


def test_each_standing_of_the_server_has_a_sign_of_its_own(header: OwnHeader) -> None:
    signs = set()
    for status in (ServerStatus.ONLINE, ServerStatus.CONNECTING, ServerStatus.WAITING, ServerStatus.REFUSED):
        header.show_state(replace(samples.lively(), server=replace(samples.SERVER, status=status)), usable=True)
        signs.add(bytes(header._sign.pixmap().toImage().constBits()))
    assert len(signs) == 4


def test_at_the_first_start_nothing_is_said_to_have_stopped(qtbot: QtBot, tmp_path: Path) -> None:
    desk = Showing(tmp_path, EngineState(), samples.problem("server-not-configured"))
    qtbot.addWidget(desk.window)
    assert desk.window.header.server.text() == "Not set up yet"
