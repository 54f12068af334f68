"""The main window over a real engine."""

from pathlib import Path

from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from app.ui.main_window import MainWindow
from tests.engine.world import World, meet
from tests.ui.world import Desk, tell, until


def test_the_window_shows_who_is_there(qapp: QApplication, qtbot: QtBot, tmp_path: Path) -> None:
    async def story(world: World) -> None:
        anna, _, _ = await meet(world)
        desk = Desk(tmp_path, anna)
        window = MainWindow(desk.actions)
        qtbot.addWidget(window)
        window.show()
        await until(lambda: "ben direct" in window._label.text())
        await desk.close()

    tell(qapp, tmp_path, story)
