"""Icons of one family: plain SVG drawings in resources/icons, tinted with the colours in use. Used by every window."""

from functools import lru_cache
from typing import Final

from PySide6.QtCore import QByteArray, QRectF, Qt
from PySide6.QtGui import QIcon, QPainter, QPixmap
from PySide6.QtSvg import QSvgRenderer

from app.base.resources import resource_folder
from app.ui.look.theme import colours

ICON_SIZES: Final = (16, 18, 20, 24, 32, 36, 40, 64)
"""In pixels of the screen; drawn anew for each, as a drawing that is scaled down blurs."""
APP_SIZES: Final = (16, 22, 24, 32, 48, 64, 128, 256)


def icon(name: str, colour: str | None = None) -> QIcon:
    """The drawing `resources/icons/NAME.svg` in `colour`, by default the text's. Raises FileNotFoundError."""
    return QIcon(_icon(name, colour or colours().text, colours().offline))


def app_icon() -> QIcon:
    """The app's own, in its colours, for windows and task bars."""
    drawn = QIcon()
    for size in APP_SIZES:
        drawn.addPixmap(pixmap("buri", size))
    return drawn


def pixmap(name: str, size: int, colour: str | None = None) -> QPixmap:
    """The drawing, `size` pixels wide and high."""
    return _drawn(name, size, colour or colours().text)


def sharp_pixmap(name: str, size: int, colour: str, scale: float) -> QPixmap:
    """The same for a label on a screen that has `scale` pixels for each of ours."""
    drawn = QPixmap(pixmap(name, round(size * scale), colour))
    drawn.setDevicePixelRatio(scale)
    return drawn


@lru_cache(maxsize=256)
def _icon(name: str, colour: str, disabled: str) -> QIcon:
    drawn = QIcon()
    for size in ICON_SIZES:
        drawn.addPixmap(_drawn(name, size, colour))
    drawn.addPixmap(_drawn(name, ICON_SIZES[-1], disabled), QIcon.Mode.Disabled)
    return drawn


@lru_cache(maxsize=256)
def _source(name: str) -> str:
    return (resource_folder() / "icons" / f"{name}.svg").read_text(encoding="utf-8")


@lru_cache(maxsize=2_048)
def _drawn(name: str, size: int, colour: str) -> QPixmap:
    renderer = QSvgRenderer(QByteArray(_source(name).replace("currentColor", colour).encode()))
    drawn = QPixmap(size, size)
    drawn.fill(Qt.GlobalColor.transparent)
    painter = QPainter(drawn)
    renderer.render(painter, QRectF(0, 0, size, size))
    painter.end()
    return drawn
