"""What failed is told once, one after the other, with the buttons that mend it."""

from pathlib import Path

from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QLabel, QPushButton

from app.engine.errors import SENTENCES, engine_error, problem_of
from app.engine.state import Problem
from app.ui import mends
from app.ui.dialogs.about import About
from app.ui.dialogs.problem import MAX_WAITING, ProblemWindow
from app.ui.dialogs.servers import ChangeServer
from app.ui.mends import mends_of
from tests.ui.hands import shown
from tests.ui.world import Desk

BUSY, LOST = problem_of(engine_error("server-busy")), problem_of(engine_error("helper-lost"))
WRONG_SERVER = problem_of(engine_error("server-wrong-key", server="192.0.2.7:12975", fingerprint="SHA256:other"))


def test_problems_wait_in_line_and_the_same_is_told_once(qapp: QApplication, tmp_path: Path) -> None:
    actions = Desk(tmp_path).actions
    for problem in (BUSY, LOST, BUSY, LOST, LOST):
        actions.show_problem(problem)
    (window,) = shown(ProblemWindow)
    assert window.title.text() == BUSY.title
    window.next()
    assert window.title.text() == LOST.title
    window.next()
    assert not shown(ProblemWindow)
    actions.show_problem(BUSY)
    (window,) = shown(ProblemWindow)
    QTest.keyClick(window, Qt.Key.Key_Escape)
    assert not shown(ProblemWindow)


def test_a_storm_of_problems_stays_one_small_window(qapp: QApplication, tmp_path: Path) -> None:
    actions = Desk(tmp_path).actions
    for number in range(1_000):
        actions.show_problem(Problem(f"code-{number}", f"<b>{number}</b>", "x" * 500, ""))
    (window,) = shown(ProblemWindow)
    assert window.title.text() == "<b>0</b>"
    assert all(label.textFormat() is Qt.TextFormat.PlainText for label in (window.title, window.message))
    for _ in range(MAX_WAITING):
        window.next()
    assert not shown(ProblemWindow)


def test_a_button_mends_and_the_problem_is_gone(qapp: QApplication, tmp_path: Path) -> None:
    actions = Desk(tmp_path).actions
    asked: list[str] = []
    actions.start_helper = lambda: asked.append("helper")  # type: ignore[method-assign]
    actions.show_problem(LOST)
    (window,) = shown(ProblemWindow)
    next(each for each in window.findChildren(QPushButton) if "helper" in each.text()).click()
    assert asked == ["helper"]
    assert not shown(ProblemWindow)


def test_a_wrong_server_is_mended_by_another_one(qapp: QApplication, tmp_path: Path) -> None:
    actions = Desk(tmp_path).actions
    actions.show_problem(WRONG_SERVER)
    (window,) = shown(ProblemWindow)
    next(each for each in window.findChildren(QPushButton) if "server" in each.text()).click()
    (change,) = shown(ChangeServer)
    change.close()


def test_every_code_that_has_a_mend_is_one_that_can_be_met(qapp: QApplication, tmp_path: Path) -> None:
    actions = Desk(tmp_path).actions
    for code in mends._CHOICES:
        assert code in SENTENCES or code == "window-settings-broken"
        for mend in mends_of(actions, Problem(code, "", "", "")):
            assert mend.text
            assert callable(mend.act)


def test_about_names_what_it_is_made_of(qapp: QApplication) -> None:
    about = About(None)
    texts = " ".join(label.text() for label in about.findChildren(QLabel))
    for name in ("Apache License", "Qt for Python", "LGPL", "cryptography", "segno"):
        assert name in texts
    about.deleteLater()
