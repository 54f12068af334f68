"""How rows are painted: every status in both schemes, in any width."""

from dataclasses import replace
from pathlib import Path

import pytest
from PySide6.QtCore import QRect
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from app.engine.state import PeerStatus
from app.ui.roster.delegate import SIGN, SIGN_LEFT, Spot, spots
from app.ui.roster.rows import Roster
from app.ui.roster.view import RosterView
from tests.ui import samples
from tests.ui.showing import Showing

AREA = QRect(0, 100, 320, 44)


def test_a_waiting_row_has_two_buttons_that_do_not_touch() -> None:
    clara = Roster().arrange(samples.lively())[0].members[0]
    places = spots(clara, AREA)
    assert set(places) == {Spot.APPROVE, Spot.REJECT}
    assert not places[Spot.APPROVE].intersects(places[Spot.REJECT])
    assert all(AREA.contains(place) for place in places.values())


def test_a_networks_sign_is_its_button_and_a_contact_has_none() -> None:
    family = Roster().arrange(samples.lively())[0]
    assert set(spots(family.network, AREA)) == {Spot.FOLD}
    assert not spots(family.members[1], AREA)


def test_each_status_looks_different_without_its_colour(qtbot: QtBot, tmp_path: Path) -> None:
    shapes = {status: bytes(shape(qtbot, tmp_path / status, status).constBits()) for status in PeerStatus}
    assert len(set(shapes.values())) == len(PeerStatus)


def shape(qtbot: QtBot, folder: Path, status: PeerStatus) -> QImage:
    """What is painted in front of Ben's name, in grey."""
    folder.mkdir()
    ben = replace(samples.PEERS[0], status=status)
    desk = Showing(folder, replace(samples.lively(), peers=(ben, *samples.PEERS[1:])))
    qtbot.addWidget(desk.window)
    view = desk.window.roster
    desk.window.show()
    area = next(view.visualRect(each) for each in view._seen() if each.data() == "Ben")
    picture = view.viewport().grab(QRect(SIGN_LEFT, area.top(), SIGN, area.height()))
    return picture.toImage().convertToFormat(QImage.Format.Format_Mono)


@pytest.mark.parametrize("width", [40, 120, 300, 900])
def test_any_name_is_painted_in_any_width(qtbot: QtBot, tmp_path: Path, width: int) -> None:
    names = ("W" * 64, "\u05d0\u05d1\u05d2 " * 8, "e" + "\u0301" * 63, "<b>bold</b> &amp; \U0001f600", "\ufffd")
    peers = tuple(replace(each, alias=name) for each, name in zip(samples.PEERS, names, strict=False))
    desk = Showing(tmp_path, replace(samples.lively(), peers=(*peers, *samples.PEERS[len(peers) :])))
    qtbot.addWidget(desk.window)
    view = desk.window.roster
    view.setParent(None)
    qtbot.addWidget(view)
    view.resize(width, 900)
    view.show()
    assert not view.grab().isNull()


def test_the_row_grows_with_the_font(qapp: QApplication, qtbot: QtBot, tmp_path: Path) -> None:
    desk = Showing(tmp_path, samples.lively())
    qtbot.addWidget(desk.window)
    view: RosterView = desk.window.roster
    before = view._delegate.height
    font = view.font()
    font.setPointSizeF(font.pointSizeF() * 2)
    view.setFont(font)
    assert view._delegate.height > before
