"""What is wrong, above the roster."""

from dataclasses import replace
from pathlib import Path

from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QLabel
from pytestqt.qtbot import QtBot

from app.engine.state import EngineState
from tests.ui import samples
from tests.ui.showing import Showing


def test_several_problems_are_told_one_at_a_time(qtbot: QtBot, tmp_path: Path) -> None:
    desk = Showing(tmp_path, samples.many_problems())
    qtbot.addWidget(desk.window)
    desk.window.show()
    banner = desk.window.banner
    assert banner.title.text() == "The connection to the server broke."
    assert banner.count.text() == "1 of 3"
    assert [button.text() for button in banner.buttons] == ["Try now"]
    QTest.mouseClick(banner.forward, Qt.MouseButton.LeftButton)
    assert banner.title.text() == "The owner took you out of a network."
    assert [button.text() for button in banner.buttons] == ["Dismiss"]
    desk.show(replace(samples.many_problems(), problems=samples.many_problems().problems[1:]))
    assert banner.title.text() == "The owner took you out of a network."
    assert banner.count.text() == "1 of 2"
    desk.show(samples.lively())
    assert not banner.isVisible()


def test_a_new_problem_comes_to_the_front_and_one_that_only_changes_does_not(qtbot: QtBot, tmp_path: Path) -> None:
    lost, helper = (
        samples.problem("server-unreachable", server="home.example:12975", reason="no route"),
        samples.helper_missing().problems[0],
    )
    replaced = samples.problem("server-replaced", server="home.example:12975")
    desk = Showing(tmp_path, replace(samples.lively(), problems=(helper,)))
    qtbot.addWidget(desk.window)
    banner = desk.window.banner
    desk.show(replace(samples.lively(), problems=(helper, replaced)))
    assert banner.title.text() == replaced.title
    assert banner.count.text() == "2 of 2"
    desk.show(replace(samples.lively(), problems=(helper, lost)))
    assert banner.title.text() == lost.title
    banner.back.click()
    again = samples.problem("server-unreachable", server="home.example:12975", reason="it does not answer")
    desk.show(replace(samples.lively(), problems=(helper, again)))
    assert banner.title.text() == helper.title


def test_a_changed_key_leads_to_the_peer(qtbot: QtBot, tmp_path: Path) -> None:
    mia = next(each for each in samples.PEERS if each.nickname == "Mia")
    assert mia.problem is not None
    desk = Showing(tmp_path, replace(samples.lively(), problems=(mia.problem,)))
    qtbot.addWidget(desk.window)
    assert [button.text() for button in desk.window.banner.buttons] == ["Look at the new key…"]


def test_the_same_problem_is_told_once(qtbot: QtBot, tmp_path: Path) -> None:
    trouble = samples.problem("network-deleted", name="Book club")
    desk = Showing(tmp_path, replace(samples.lively(), problems=(trouble, trouble)))
    qtbot.addWidget(desk.window)
    desk.window.show()
    assert not desk.window.banner.count.isVisible()


def test_hostile_names_in_it_are_text(qtbot: QtBot, tmp_path: Path) -> None:
    trouble = samples.problem("network-deleted", name="<img src=x>")
    desk = Showing(tmp_path, replace(samples.lively(), problems=(trouble,)))
    qtbot.addWidget(desk.window)
    assert "<img src=x>" in desk.window.banner.words.text()
    labels = desk.window.banner.findChildren(QLabel)
    assert all(label.textFormat() is Qt.TextFormat.PlainText for label in labels if label.text())


def test_a_screen_reader_hears_all_of_it(qtbot: QtBot, tmp_path: Path) -> None:
    desk = Showing(tmp_path, samples.helper_missing())
    qtbot.addWidget(desk.window)
    assert desk.window.banner.accessibleName() == "Buri's helper does not run."
    assert "administrator" in desk.window.banner.accessibleDescription()
    assert [button.text() for button in desk.window.banner.buttons] == ["Start the helper"]


def test_many_ways_out_stand_below_each_other_in_a_narrow_window(qtbot: QtBot, tmp_path: Path) -> None:
    trouble = samples.problem("identity-lost", fingerprint=samples.fingerprint("Anna"), place="the keyring")
    desk = Showing(tmp_path, EngineState(), trouble)
    qtbot.addWidget(desk.window)
    desk.window.resize(300, 600)
    desk.window.show()
    banner = desk.window.banner
    qtbot.waitUntil(lambda: len({button.x() for button in banner.buttons}) == 1)
    assert all(banner.rect().contains(button.geometry()) for button in banner.buttons)
    desk.window.resize(600, 600)
    qtbot.waitUntil(lambda: len({button.y() for button in banner.buttons}) == 1)


def test_what_it_says_can_be_copied_as_it_is(qtbot: QtBot, tmp_path: Path) -> None:
    trouble = samples.problem("identity-lost", fingerprint=samples.fingerprint("Anna"), place="the keyring")
    desk = Showing(tmp_path, EngineState(), trouble)
    qtbot.addWidget(desk.window)
    desk.window.banner.actions()[0].trigger()
    assert samples.fingerprint("Anna") in QGuiApplication.clipboard().text()
