"""Light and dark, by choice."""

from collections.abc import Iterator

import pytest
from PySide6.QtGui import QPalette
from PySide6.QtWidgets import QApplication, QPushButton
from pytestqt.qtbot import QtBot

from app.ui.look.colours import DARK, LIGHT
from app.ui.look.style_sheet import style_sheet
from app.ui.look.theme import Theme, colours, is_dark
from app.ui.preferences import ColourScheme


@pytest.fixture
def theme(qapp: QApplication) -> Iterator[Theme]:
    theme = Theme(qapp)
    yield theme
    theme.choose(ColourScheme.SYSTEM)
    theme.deleteLater()


def test_the_chosen_scheme_is_shown_at_once(qapp: QApplication, qtbot: QtBot, theme: Theme) -> None:
    theme.choose(ColourScheme.LIGHT)
    with qtbot.waitSignal(theme.changed):
        theme.choose(ColourScheme.DARK)
    assert is_dark()
    assert colours() is DARK
    assert qapp.palette().color(QPalette.ColorRole.Window).name() == DARK.window
    theme.choose(ColourScheme.LIGHT)
    assert colours() is LIGHT
    assert qapp.palette().color(QPalette.ColorRole.Window).name() == LIGHT.window


def test_the_same_choice_again_changes_nothing(qtbot: QtBot, theme: Theme) -> None:
    theme.choose(ColourScheme.DARK)
    with qtbot.assertNotEmitted(theme.changed):
        theme.choose(ColourScheme.DARK)


@pytest.mark.parametrize("scheme", [LIGHT, DARK], ids=["light", "dark"])
def test_the_style_sheet_is_understood(
    qapp: QApplication, qtbot: QtBot, theme: Theme, scheme: object, capfd: pytest.CaptureFixture[str]
) -> None:
    theme.choose(ColourScheme.DARK if scheme is DARK else ColourScheme.LIGHT)
    sheet = style_sheet(colours(), qapp.font())
    assert sheet.count("{") == sheet.count("}")
    assert "None" not in sheet
    button = QPushButton("Create")
    button.setDefault(True)
    qtbot.addWidget(button)
    button.show()
    assert button.grab().toImage().pixelColor(10, button.height() // 2).name() == colours().accent
    assert "parse" not in capfd.readouterr().err


def test_a_ring_for_the_keyboard_moves_nothing(qtbot: QtBot, theme: Theme) -> None:
    button = QPushButton("Create")
    qtbot.addWidget(button)
    button.show()
    before = button.sizeHint()
    button.setFocus()
    assert button.sizeHint() == before
