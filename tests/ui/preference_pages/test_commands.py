"""The page of custom commands in the preferences."""

from pathlib import Path

from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from app.ui.command_line import template_words
from app.ui.preference_pages.commands import CustomCommandsPage, examples, fault_of
from app.ui.preferences import MAX_COMMANDS, CustomCommand, Preferences


def kept(folder: Path) -> list[tuple[str, str]]:
    """What a later start of the app would find."""
    return [(each.name, each.line) for each in Preferences(folder).choices.commands]


def test_a_command_is_added_changed_moved_and_removed(qapp: QApplication, tmp_path: Path) -> None:
    page = CustomCommandsPage(Preferences(tmp_path))
    page.show()
    for command in examples()[:2]:
        page.add(command)
    assert kept(tmp_path) == [("Remote desktop", "xfreerdp /v:%A"), ("Secure shell", "x-terminal-emulator -e ssh %A")]
    QTest.keyClicks(page.name, "Terminal")
    assert [name for name, _ in kept(tmp_path)] == ["Remote desktop", "Terminal"]
    QTest.mouseClick(page.up_button, Qt.MouseButton.LeftButton)
    assert [name for name, _ in kept(tmp_path)] == ["Terminal", "Remote desktop"]
    assert not page.up_button.isEnabled()
    QTest.mouseClick(page.remove_button, Qt.MouseButton.LeftButton)
    assert [name for name, _ in kept(tmp_path)] == ["Remote desktop"]
    page.deleteLater()


def test_what_can_not_be_used_is_told_and_not_kept(qapp: QApplication, tmp_path: Path) -> None:
    page = CustomCommandsPage(Preferences(tmp_path))
    page.show()
    page.add(CustomCommand("New command", ""))
    assert "empty" in page.problem.text
    assert kept(tmp_path) == []
    page.line.clear()
    QTest.keyClicks(page.line, "ssh 'open")
    assert "quotation" in page.problem.text
    QTest.keyClicks(page.line, "'")
    assert page.problem.text == ""
    assert kept(tmp_path) == [("New command", "ssh 'open'")]
    page.name.clear()
    QTest.keyClicks(page.name, " ")
    assert "name" in page.problem.text
    assert kept(tmp_path) == [("New command", "ssh 'open'")]  # as it last could be used
    page.deleteLater()


def test_there_is_a_limit_to_everything(qapp: QApplication, tmp_path: Path) -> None:
    page = CustomCommandsPage(Preferences(tmp_path))
    for number in range(MAX_COMMANDS):
        page.add(CustomCommand(f"number {number}", "ssh %A"))
    assert not page.add_button.isEnabled()
    assert len(kept(tmp_path)) == MAX_COMMANDS
    QTest.keyClicks(page.line, "x" * 2_000)
    assert len(page.line.text()) == 1_024
    page.deleteLater()


def test_what_was_kept_comes_back(qapp: QApplication, tmp_path: Path) -> None:
    Preferences(tmp_path).change(commands=examples())
    page = CustomCommandsPage(Preferences(tmp_path))
    assert page.commands == examples()
    assert page.line.text() == examples()[0].line
    page.deleteLater()


def test_looking_at_the_page_changes_nothing(qapp: QApplication, tmp_path: Path) -> None:
    by_hand = (CustomCommand("odd", "ssh 'open"), *examples())
    Preferences(tmp_path).change(commands=by_hand)
    page = CustomCommandsPage(Preferences(tmp_path))
    assert "quotation" in page.problem.text
    page.list.setCurrentRow(1)
    assert Preferences(tmp_path).choices.commands == by_hand
    page.deleteLater()


def test_what_can_not_be_written_is_told(qapp: QApplication, tmp_path: Path) -> None:
    folder = tmp_path / "config"
    folder.mkdir()
    page = CustomCommandsPage(Preferences(folder))
    folder.rmdir()
    page.add(examples()[0])
    assert str(folder) in page.problem.text
    page.deleteLater()


def test_all_examples_can_be_used() -> None:
    for command in examples():
        assert not fault_of(command)
        assert "%A" in command.line
        assert template_words(command.line)
