"""Icons of one family: plain SVG drawings in resources/icons, tinted with the colours in use. Used by every window."""

from functools import lru_cache

from PySide6.QtCore import QByteArray, QRectF, Qt
from PySide6.QtGui import QIcon, QPainter, QPixmap
from PySide6.QtSvg import QSvgRenderer

from app.base.resources import resource_folder
from app.ui.theme import colours


def icon(name: str, colour: str | None = None) -> QIcon:
    """The drawing `resources/icons/NAME.svg` in `colour`, by default the text's. Raises FileNotFoundError."""
    return QIcon(pixmap(name, 64, colour))


def pixmap(name: str, size: int, colour: str | None = None) -> QPixmap:
    """The drawing, `size` pixels wide and high."""
    return _drawn(name, size, colour or colours().text)


def sharp_pixmap(name: str, size: int, colour: str, scale: float) -> QPixmap:
    """The same for a label on a screen that has `scale` pixels for each of ours."""
    drawn = QPixmap(pixmap(name, round(size * scale), colour))
    drawn.setDevicePixelRatio(scale)
    return drawn


@lru_cache(maxsize=512)
def _drawn(name: str, size: int, colour: str) -> QPixmap:
    source = (resource_folder() / "icons" / f"{name}.svg").read_text(encoding="utf-8")
    renderer = QSvgRenderer(QByteArray(source.replace("currentColor", colour).encode()))
    drawn = QPixmap(size, size)
    drawn.fill(Qt.GlobalColor.transparent)
    painter = QPainter(drawn)
    renderer.render(painter, QRectF(0, 0, size, size))
    painter.end()
    return drawn
