"""The window of the network check: it looks at once and on request, and says the verdict first."""

from pathlib import Path

from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QApplication, QLabel
from shiboken6 import isValid

from app.ui.dialogs.network_check import Bar, NetworkCheck
from app.ui.dialogs.report import ReportWindow
from app.ui.look.widgets import problem_named
from app.ui.preference_pages.connection import ConnectionPage
from app.ui.preference_pages.dialog import PreferencesDialog
from tests.engine.world import World, meet
from tests.ui import netcheck_samples
from tests.ui.hands import appears, nameless, press
from tests.ui.world import Desk, tell, until


def test_it_looks_at_the_network_of_the_engine_that_runs(qapp: QApplication, tmp_path: Path) -> None:
    async def story(world: World) -> None:
        anna, _ben, _network = await meet(world)
        desk = Desk(tmp_path, anna)
        desk.actions.report()
        report = await appears(ReportWindow)
        report.check_button.click()
        window = await appears(NetworkCheck)
        report.close()
        assert window.progress.isVisible()
        await until(lambda: window.told is not None)
        assert not window.progress.isVisible()
        first = window.told
        window.again_button.click()
        await until(lambda: window.told is not first)
        press(Qt.Key.Key_Escape)
        await until(lambda: not isValid(window))
        await desk.close()

    tell(qapp, tmp_path, story)


def looked(folder: Path) -> NetworkCheck:
    """A window that was told what an office looks like."""
    window = NetworkCheck(Desk(folder).actions)
    window._looked(netcheck_samples.office())
    return window


def test_the_verdict_comes_first_and_everything_can_be_copied(qapp: QApplication, tmp_path: Path) -> None:
    async def story(world: World) -> None:
        window = looked(tmp_path)
        window.show()
        assert window.verdict.accessibleName() == window.verdict.title.text()
        assert window.verdict.title.text() == "All connections will be relayed over TCP."
        assert window.findChild(Bar) is not None
        assert not nameless(window)
        window.copy_button.click()
        assert "proxy.example:3128, from the environment or the system's settings" in QGuiApplication.clipboard().text()
        labels = [each for each in window.findChildren(QLabel) if each.text()]
        assert all(each.textFormat() is Qt.TextFormat.PlainText for each in labels)
        window.deleteLater()

    tell(qapp, tmp_path, story)


def test_where_nothing_gets_out_a_proxy_may_be_named(qapp: QApplication, tmp_path: Path) -> None:
    async def story(world: World) -> None:
        window = looked(tmp_path)
        assert window.proxy_button.isHidden()
        window._looked(netcheck_samples.unplugged())
        window.proxy_button.click()
        dialog = await appears(PreferencesDialog)
        assert dialog.findChild(ConnectionPage) is not None
        dialog.close()
        window.deleteLater()

    tell(qapp, tmp_path, story)


def test_what_fails_is_told_and_can_be_tried_again(qapp: QApplication, tmp_path: Path) -> None:
    async def story(world: World) -> None:
        window = looked(tmp_path)
        window.show()
        window._failed(problem_named("server-not-configured"))
        assert window.problem.isVisible()
        assert window.again_button.isEnabled()
        window.run()
        assert not window.problem.isVisible()
        assert window.verdict.isVisible()
        window.deleteLater()

    tell(qapp, tmp_path, story)
