"""Every window can be shown with every look; what it looks like is kept for people to look at (pictures.py)."""

from pathlib import Path

import pytest
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QApplication

from tests.ui import picture_page, pictures
from tests.ui.pictures import LOOKS, PICTURES, Look, Picture, Studio, dressed, file_name, take
from tests.ui.world import run_in_qt


@pytest.fixture(scope="module")
def folder() -> Path:
    """Where the pictures go, with the page that shows them."""
    folder = picture_page.folder()
    folder.mkdir(parents=True, exist_ok=True)
    pictures.write_index(folder)
    return folder


@pytest.mark.parametrize("look", LOOKS, ids=lambda look: look.name)
@pytest.mark.parametrize("picture", PICTURES, ids=lambda picture: picture.name)
def test_the_window_shows_itself(
    qapp: QApplication,
    tmp_path: Path,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    picture: Picture,
    look: Look,
) -> None:
    monkeypatch.setenv("BURI_HOME", str(tmp_path / "home"))
    file = folder / file_name(picture, look)

    async def photograph() -> None:
        async with Studio(tmp_path) as studio:
            await take(picture, studio, file)

    with dressed(qapp, look):
        run_in_qt(qapp, photograph())
    assert len(colours_of(file)) > 2


def colours_of(file: Path) -> set[int]:
    """Those along a grid: a window that shows nothing has one."""
    image = QImage(str(file))
    return {image.pixel(x, y) for x in range(0, image.width(), 3) for y in range(0, image.height(), 3)}


def test_names_are_used_once() -> None:
    names = [picture.name for picture in PICTURES]
    assert sorted(set(names)) == sorted(names)
