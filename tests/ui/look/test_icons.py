"""The icons: one family, every name that the code uses, sharp at every size."""

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest
from PySide6.QtCore import QSize
from PySide6.QtGui import QColor, QIcon
from PySide6.QtSvg import QSvgRenderer
from PySide6.QtWidgets import QApplication

from app.base.resources import resource_folder
from app.engine.state import PeerStatus
from app.ui.look.icons import APP_SIZES, ICON_SIZES, app_icon, icon, pixmap, sharp_pixmap

FOLDER = resource_folder() / "icons"
FAMILY = sorted(path.stem for path in FOLDER.glob("*.svg") if path.stem != "buri")
SOURCES = sorted((Path(__file__).parents[3] / "app" / "ui").rglob("*.py"))
CALL = re.compile(r"\b(?:icon|pixmap|sharp_pixmap)\(\s*\"([a-z-]+)\"")


@pytest.mark.parametrize("path", sorted(FOLDER.rglob("*.svg")), ids=lambda path: path.stem)
def test_every_drawing_can_be_drawn(path: Path) -> None:
    assert QSvgRenderer(str(path)).isValid()


@pytest.mark.parametrize("name", FAMILY)
def test_the_family_has_one_hand(name: str) -> None:
    drawing = ElementTree.parse(FOLDER / f"{name}.svg").getroot()
    assert drawing.get("viewBox") == "0 0 24 24"
    assert drawing.get("stroke") == "currentColor"
    assert drawing.get("stroke-linecap") == drawing.get("stroke-linejoin") == "round"
    colours = {each.get(kind) for each in drawing.iter() for kind in ("fill", "stroke")}
    assert colours <= {None, "none", "currentColor"}


def test_every_icon_that_the_code_names_is_there() -> None:
    named = {name for path in SOURCES for name in CALL.findall(path.read_text(encoding="utf-8"))}
    assert named
    assert named <= {*FAMILY, "buri"}


def test_every_status_has_a_shape() -> None:
    assert {str(status) for status in PeerStatus} <= set(FAMILY)


def test_an_icon_is_drawn_for_each_size_in_its_colour(qapp: QApplication) -> None:
    drawn = icon("direct", "#123456")
    assert {QSize(size, size).toTuple() for size in ICON_SIZES} <= {each.toTuple() for each in drawn.availableSizes()}
    assert drawn.pixmap(16, 16).toImage().pixelColor(8, 8) == QColor("#123456")


def test_what_can_not_be_clicked_is_paler(qapp: QApplication) -> None:
    drawn = icon("direct", "#123456")
    normal, disabled = (drawn.pixmap(QSize(24, 24), mode) for mode in (QIcon.Mode.Normal, QIcon.Mode.Disabled))
    assert normal.toImage().pixelColor(12, 12) != disabled.toImage().pixelColor(12, 12)


def test_an_icon_that_is_changed_leaves_the_others_alone(qapp: QApplication) -> None:
    mine = icon("eye")
    mine.addPixmap(pixmap("eye-off", 64), QIcon.Mode.Normal, QIcon.State.On)
    assert not icon("eye").availableSizes(QIcon.Mode.Normal, QIcon.State.On)


def test_a_sharp_pixmap_has_the_pixels_of_its_screen(qapp: QApplication) -> None:
    drawn = sharp_pixmap("copy", 18, "#000000", 2.0)
    assert drawn.width() == 36
    assert drawn.deviceIndependentSize().toTuple() == (18.0, 18.0)


def test_the_app_has_its_own_icon_at_every_size(qapp: QApplication) -> None:
    assert {size.width() for size in app_icon().availableSizes()} == set(APP_SIZES)
