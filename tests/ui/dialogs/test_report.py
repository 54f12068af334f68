"""The diagnostics report: from the engine, or without one; copied and saved."""

from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication
from shiboken6 import isValid

from app.engine.state import ServerStatus
from app.ui.dialogs.report import ReportWindow
from tests.engine.world import World
from tests.ui.hands import appears, press
from tests.ui.home import Home, invite_to, tell_at_home
from tests.ui.world import until


def test_it_is_there_without_an_engine_and_with_one(
    qapp: QApplication, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story(world: World, home: Home) -> None:
        home.actions.report()
        window = await appears(ReportWindow)
        assert "server-not-configured" in window.text.toPlainText()
        await home.session.use_server(invite_to(world), "anna")
        await until(lambda: home.bridge.state.server.status is ServerStatus.ONLINE)
        window.refresh_button.click()
        await until(lambda: home.session.key_place.fingerprint in window.text.toPlainText())
        window.copy_button.copy()
        assert QApplication.clipboard().text() == window.text.toPlainText()
        window.save(str(tmp_path / "report.txt"))
        await until((tmp_path / "report.txt").is_file)
        assert (tmp_path / "report.txt").read_text() == window.text.toPlainText()
        window.save(str(tmp_path / "no folder" / "report.txt"))
        await until(window.problem.isVisible)
        press(Qt.Key.Key_Escape)
        await until(lambda: not isValid(window))

    tell_at_home(qapp, tmp_path, monkeypatch, story)
