"""How a row of the roster is painted: a shape for the status, the name, what goes with it, and badges.

Fonts and heights are worked out once for each font; drawings come from the cache of look/icons.py. Rows are all of
the same height, so that a view never has to ask. Used by view.py.
"""

from enum import Enum, auto
from typing import Final, NamedTuple

from PySide6.QtCore import QModelIndex, QPersistentModelIndex, QPointF, QRect, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QFont, QFontMetrics, QPainter
from PySide6.QtWidgets import QStyle, QStyledItemDelegate, QStyleOptionViewItem

from app.engine.state import NetworkStatus, PeerStatus, Protection
from app.ui.look.icons import pixmap
from app.ui.look.status_signs import status_colour, status_sign
from app.ui.look.theme import RADIUS, SPACE, Colours, colours
from app.ui.roster.model import ROW
from app.ui.roster.row_words import badge, member_line, network_line
from app.ui.roster.rows import ABSENT, MemberRow, NetworkRow

Index = QModelIndex | QPersistentModelIndex

EDGE: Final = SPACE // 2
"""Between a row's mark and the view's edge."""
SIGN: Final = 14
"""Side of a status shape and of the signs behind a name."""
SIGN_LEFT: Final = SPACE + 6
NAME_LEFT: Final = SIGN_LEFT + SIGN + SPACE + 2
RIGHT: Final = SPACE + 6
BUTTON: Final = 28
TURN: Final = 360 / 16
"""Degrees between two pictures of the ring that turns."""
_TEXT_FLAGS: Final = int(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter | Qt.TextFlag.TextSingleLine)


class Spot(Enum):
    """What a click within a row means, besides the row itself."""

    FOLD = auto()
    APPROVE = auto()
    REJECT = auto()


def spots(row: NetworkRow | MemberRow, area: QRect) -> dict[Spot, QRect]:
    """The places in a row that are buttons of their own."""
    if isinstance(row, NetworkRow):
        return {Spot.FOLD: QRect(area.left(), area.top(), NAME_LEFT, area.height())}
    if not row.waiting:
        return {}
    reject = QRect(0, 0, BUTTON, BUTTON)
    reject.moveCenter(area.center())
    reject.moveRight(area.right() - RIGHT + EDGE)
    return {Spot.REJECT: reject, Spot.APPROVE: reject.translated(-BUTTON - EDGE, 0)}


class Face(NamedTuple):
    """A font, and what was worked out for it."""

    font: QFont
    metrics: QFontMetrics
    height: int


def _face(font: QFont, *, bold: bool = False) -> Face:
    font = QFont(font)
    if bold:
        font.setWeight(QFont.Weight.DemiBold)
    metrics = QFontMetrics(font)
    return Face(font, metrics, metrics.height())


class RosterDelegate(QStyledItemDelegate):
    """Paints rows. The view tells it by `option.state` what is chosen, hot or open."""

    def __init__(self) -> None:
        super().__init__()
        self.phase = 0
        """Which picture of the turning ring is shown."""
        self.hot_spot: Spot | None = None
        """The button under the pointer, in the row that is hot."""
        self.use_font(QFont())

    def use_font(self, font: QFont) -> None:
        """Paint in this font from now on."""
        small = QFont(font)
        small.setPointSizeF(font.pointSizeF() * 0.88)
        self._name, self._headline = _face(font), _face(font, bold=True)
        self._line, self._badge = _face(small), _face(small, bold=True)
        self.height = self._headline.height + self._line.height + 2 * SPACE

    def sizeHint(self, _option: QStyleOptionViewItem, _index: Index) -> QSize:
        """Qt asks: the height of every row."""
        return QSize(0, self.height)

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        """Qt asks: one row."""
        row = index.data(ROW)
        if row is None:
            return
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        area, shades = QRect(option.rect), colours()
        state = option.state
        self._paint_background(painter, area, state, shades)
        if isinstance(row, NetworkRow):
            self._paint_division(painter, index, area, shades)
            self._paint_network(painter, row, area, bool(state & QStyle.StateFlag.State_Open), shades)
        else:
            self._paint_member(painter, row, area, bool(state & QStyle.StateFlag.State_MouseOver), shades)
        painter.restore()

    def _paint_background(self, painter: QPainter, area: QRect, state: QStyle.StateFlag, shades: Colours) -> None:
        chosen = bool(state & QStyle.StateFlag.State_Selected)
        if not (chosen or state & QStyle.StateFlag.State_MouseOver):
            return
        focused = chosen and state & QStyle.StateFlag.State_HasFocus
        painter.setBrush(QColor(shades.selection if chosen else shades.raised))
        painter.setPen(QColor(shades.accent) if focused else Qt.PenStyle.NoPen)
        painter.drawRoundedRect(QRectF(area).adjusted(EDGE + 0.5, 1.5, -EDGE - 0.5, -1.5), RADIUS - 2, RADIUS - 2)

    def _paint_division(self, painter: QPainter, index: Index, area: QRect, shades: Colours) -> None:
        """A thin line between a network and the one above."""
        if index.row():
            painter.fillRect(QRect(area.left(), area.top(), area.width(), 1), QColor(shades.border))

    def _paint_network(self, painter: QPainter, row: NetworkRow, area: QRect, is_open: bool, shades: Colours) -> None:
        top, bottom = self._lines(area)
        sign = QRect(SIGN_LEFT, area.center().y() - SIGN // 2 + 1, SIGN, SIGN)
        _draw(painter, "chevron-down" if is_open else "chevron-right", sign, shades.muted)
        right = area.right() - RIGHT
        if row.unread:
            right = self._paint_badge(painter, row.unread, area.center().y(), right, shades)
        painter.setPen(QColor(shades.text if row.status is NetworkStatus.ONLINE else shades.muted))
        self._paint_name(painter, self._headline, row.name, _network_signs(row, shades), top, right)
        missing = row.protection is Protection.MISSING and row.status is not NetworkStatus.PENDING
        painter.setPen(QColor(shades.attention if missing or row.waiting else shades.muted))
        self._text(painter, self._line, network_line(row), bottom, right)

    def _paint_member(self, painter: QPainter, row: MemberRow, area: QRect, hot: bool, shades: Colours) -> None:
        top, bottom = self._lines(area)
        self._paint_shape(painter, row, QRect(SIGN_LEFT, area.center().y() - SIGN // 2 + 1, SIGN, SIGN), shades)
        right = area.right() - RIGHT
        if row.waiting:
            right = self._paint_decision(painter, row, area, hot, shades)
        name_right = right
        if row.unread and not row.waiting:
            name_right = self._paint_badge(painter, row.unread, top.center().y() - 2, right, shades)
        absent = row.status in ABSENT and not row.waiting
        painter.setPen(QColor(shades.muted if absent else shades.text))
        self._paint_name(painter, self._name, row.name, _member_signs(row, shades), top, name_right)
        painter.setPen(QColor(_line_colour(row, shades)))
        end = self._text(painter, self._line, member_line(row), bottom, right)
        wide = self._line.metrics.horizontalAdvance(row.address)
        if end + 2 * SPACE + wide <= right and not row.waiting:
            painter.setPen(QColor(shades.muted))
            painter.drawText(QRect(right - wide, bottom.top(), wide + 1, bottom.height()), _TEXT_FLAGS, row.address)

    def _lines(self, area: QRect) -> tuple[QRect, QRect]:
        """Where the two lines of text are."""
        upper, lower = self._headline.height, self._line.height
        start = area.top() + (area.height() - upper - lower) // 2
        return QRect(NAME_LEFT, start, 0, upper), QRect(NAME_LEFT, start + upper, 0, lower)

    def _paint_name(
        self, painter: QPainter, face: Face, name: str, signs: list[tuple[str, str]], line: QRect, right: int
    ) -> None:
        """A name and the signs behind it, which are never cut off."""
        left = self._text(painter, face, name, line, right - len(signs) * (SIGN + EDGE)) + EDGE
        for sign, colour in signs:
            _draw(painter, sign, QRect(left, line.center().y() - SIGN // 2 + 1, SIGN, SIGN), colour)
            left += SIGN + EDGE

    def _text(self, painter: QPainter, face: Face, text: str, line: QRect, right: int) -> int:
        """Paints up to `right` at most; gives where the text ends."""
        shown = face.metrics.elidedText(text, Qt.TextElideMode.ElideRight, right - line.left())
        width = face.metrics.horizontalAdvance(shown)
        painter.setFont(face.font)
        painter.drawText(QRect(line.left(), line.top(), width + 2, line.height()), _TEXT_FLAGS, shown)
        return line.left() + width

    def _paint_badge(self, painter: QPainter, unread: int, middle: int, right: int, shades: Colours) -> int:
        """Paints how many messages are unread; gives where the rest of the row ends."""
        text = badge(unread)
        height = self._badge.height + 2
        width = max(height, self._badge.metrics.horizontalAdvance(text) + SPACE + 2)
        pill = QRect(right - width, middle - height // 2 + 1, width, height)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(shades.accent))
        painter.drawRoundedRect(pill, height / 2, height / 2)
        painter.setPen(QColor(shades.on_accent))
        painter.setFont(self._badge.font)
        painter.drawText(pill, int(Qt.AlignmentFlag.AlignCenter), text)
        return pill.left() - SPACE

    def _paint_decision(self, painter: QPainter, row: MemberRow, area: QRect, hot: bool, shades: Colours) -> int:
        """Paints the two buttons for somebody who waits; gives where the rest of the row ends."""
        places = spots(row, area)
        for spot, name, colour in (
            (Spot.APPROVE, "check", shades.direct),
            (Spot.REJECT, "cross", shades.failed),
        ):
            pressed = hot and self.hot_spot is spot
            painter.setPen(QColor(colour if pressed else shades.border))
            painter.setBrush(QColor(shades.surface))
            painter.drawRoundedRect(QRectF(places[spot]).adjusted(0.5, 0.5, -0.5, -0.5), 6, 6)
            sign = QRect(0, 0, SIGN + 2, SIGN + 2)
            sign.moveCenter(places[spot].center())
            _draw(painter, name, sign, colour)
        return places[Spot.APPROVE].left() - SPACE

    def _paint_shape(self, painter: QPainter, row: MemberRow, place: QRect, shades: Colours) -> None:
        if row.waiting:
            _draw(painter, "person", place.adjusted(-1, -1, 1, 1), shades.attention)
            return
        sign = status_sign(row.status, row.without_helper)
        colour = status_colour(row.status, shades, row.without_helper)
        if not row.is_connecting:
            _draw(painter, sign, place, colour)
            return
        painter.save()
        painter.translate(QPointF(QRectF(place).center()))
        painter.rotate(self.phase * TURN)
        _draw(painter, sign, QRect(-SIGN // 2, -SIGN // 2, SIGN, SIGN), colour)
        painter.restore()


def _draw(painter: QPainter, name: str, place: QRect, colour: str) -> None:
    """A drawing, sharp on every screen."""
    scale = painter.device().devicePixelRatioF()
    drawn = pixmap(name, round(place.width() * scale), colour)
    painter.drawPixmap(QRectF(place), drawn, QRectF(0, 0, drawn.width(), drawn.height()))


def _network_signs(row: NetworkRow, shades: Colours) -> list[tuple[str, str]]:
    signs = []
    if row.is_owner:
        signs.append(("owner", shades.muted))
    if row.status is not NetworkStatus.PENDING:
        signs.append(("lock-open" if row.protection is Protection.OPEN else "lock", shades.muted))
    return signs


def _member_signs(row: MemberRow, shades: Colours) -> list[tuple[str, str]]:
    signs = []
    if row.verified:
        signs.append(("verified", shades.direct))
    if row.is_owner:
        signs.append(("owner", shades.muted))
    return signs


def _line_colour(row: MemberRow, shades: Colours) -> str:
    """The second line is quiet, unless somebody should do something."""
    if row.waiting or row.status in (PeerStatus.KEY_CHANGED, PeerStatus.UNPROVEN):
        return shades.attention
    return shades.failed if row.status is PeerStatus.FAILED else shades.muted
