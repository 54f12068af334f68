"""README and user guide: pictures they show, keys they tell and problems they name are those of the windows."""

from pathlib import Path

from PySide6.QtWidgets import QApplication

from app.engine.errors import SENTENCES
from app.ui.roster.main_window import MainWindow
from app.ui.roster.menus import Entry, member_entries, network_entries
from app.ui.roster.rows import Roster
from tests.ui import samples
from tests.ui.guide import GUIDE, SCHEMES, named_pictures, signs
from tests.ui.picture_page import ROOT
from tests.ui.pictures import PICTURES
from tests.ui.world import Desk

USER_GUIDE = ROOT / "docs" / "user-guide.md"


def section(title: str) -> str:
    """The part of the user guide below a heading."""
    return USER_GUIDE.read_text(encoding="utf-8").partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def cells(text: str, column: int) -> list[str]:
    """One column of all tables in a text, without their heads."""
    rows = [line.strip("|").split("|") for line in text.splitlines() if line.startswith("|")]
    return [row[column].strip() for at, row in enumerate(rows) if not _is_head(rows, at)]


def _is_head(rows: list[list[str]], at: int) -> bool:
    is_rule = [set(row[0].strip()) == {"-"} for row in rows[at : at + 2]]
    return any(is_rule)


def test_each_picture_is_there_and_none_in_vain() -> None:
    there = {file.name for file in GUIDE.glob("*.png")}
    assert there == {f"{name}-{scheme}.png" for name in named_pictures() for scheme in SCHEMES}


def test_each_picture_is_one_of_the_picture_run_or_a_sign_of_the_roster() -> None:
    assert named_pictures() <= {picture.name for picture in PICTURES} | set(signs())


def test_pictures_are_small() -> None:
    assert max(file.stat().st_size for file in GUIDE.glob("*.png")) < 64 * 1_024


def test_the_guide_tells_every_key_of_the_main_window(qapp: QApplication, tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    window = MainWindow(desk.actions)
    keys = {action.shortcut().toString() for action in window.actions()}
    rows = [
        entry.shortcut
        for group in Roster().arrange(samples.lively())
        for entries in (
            network_entries(desk.actions, group.network),
            *(member_entries(desk.actions, row, group.network) for row in group.members),
        )
        for entry in entries
        if isinstance(entry, Entry)
    ]
    told = {key for cell in cells(section("Keyboard"), 0) for key in cell.split(", ")} | set(
        cells(section("Keyboard"), 0)
    )
    assert (keys | set(rows)) - {""} <= told
    window.deleteLater()


def test_the_guide_names_problems_as_the_window_does() -> None:
    titles = {sentences.title for sentences in SENTENCES.values()}
    told = cells(section("When something is wrong").partition("### ")[0], 0)
    assert set(told) <= titles
