"""Menus and the tray's icons, set up for their pictures."""

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtGui import QColor, QPalette
from PySide6.QtWidgets import QGridLayout, QLabel, QWidget

from app.engine.state import EngineState
from app.ui.preferences import CustomCommand
from app.ui.roster.main_window import MainWindow
from app.ui.roster.menus import menu_of
from app.ui.tray.icon import TrayState, drawing
from app.ui.tray.menu import TrayMenu, menu_plan
from tests.ui import samples

if TYPE_CHECKING:
    from tests.ui.pictures import Pose, Studio

PANELS = ("#f2f2f2", "#2d2d30", "#3c6eb4")
"""Colours of panels that tray icons must stand out on."""
COMMANDS = (CustomCommand("Remote desktop", "xfreerdp /v:%A"), CustomCommand("Web page", "xdg-open http://%A/"))


def roster_menu(network: int, member: int | None = None) -> "Pose":
    """The context menu of a network, or of one of its members, by their places in the roster."""

    async def pose(studio: "Studio") -> QWidget:
        studio.desk.preferences.change(commands=COMMANDS)
        roster = _window(studio, samples.lively()).roster
        index = roster.model().index(network, 0)
        if member is not None:
            index = roster.model().index(member, 0, index)
        return menu_of(roster.entries(index), roster)

    return pose


async def main_menu(studio: "Studio") -> QWidget:
    """Behind the button at the top."""
    return _window(studio, samples.lively()).menu


async def tray_menu(studio: "Studio") -> QWidget:
    """Of the tray icon."""
    studio.show(samples.lively())
    menu = TrayMenu(studio.desk.actions)
    menu.show_plan(menu_plan(samples.lively(), True))
    return menu


async def tray_icons(studio: "Studio") -> QWidget:
    """Every state in the sizes of panels, on panels of several colours."""
    sheet = QWidget()
    layout = QGridLayout(sheet)
    for row, state in enumerate(TrayState):
        layout.addWidget(QLabel(state.value), row, 0)
        for column, panel in enumerate(PANELS):
            layout.addWidget(_strip(state, panel), row, 1 + column)
    return sheet


def _strip(state: TrayState, panel: str) -> QWidget:
    strip = QWidget()
    palette = strip.palette()
    palette.setColor(QPalette.ColorRole.Window, QColor(panel))
    strip.setPalette(palette)
    strip.setAutoFillBackground(True)
    layout = QGridLayout(strip)
    for column, size in enumerate((16, 22, 32, 48)):
        sign = QLabel()
        sign.setPixmap(drawing(state).pixmap(size, size))
        layout.addWidget(sign, 0, column, Qt.AlignmentFlag.AlignCenter)
    return strip


def _window(studio: "Studio", state: EngineState) -> MainWindow:
    studio.show(state)
    window = MainWindow(studio.desk.actions)
    studio.keep(window)
    return window
