"""How one message looks: a bubble with its text, and around it the day, who speaks, and what became of it.

Each row is measured once for a width and laid out when it is painted; layouts are kept for the rows that were shown
last. Text is drawn as it is, clipped to its bubble, and never as HTML. Used by view.py.
"""

import unicodedata
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Final

from PySide6.QtCore import QModelIndex, QPersistentModelIndex, QPointF, QRectF, QSize, QSizeF, Qt
from PySide6.QtGui import (
    QColor,
    QFont,
    QFontMetricsF,
    QPainter,
    QPalette,
    QPen,
    QTextCharFormat,
    QTextLayout,
    QTextOption,
)
from PySide6.QtWidgets import QListView, QStyle, QStyledItemDelegate, QStyleOptionViewItem

from app.engine.state import ChatStatus
from app.ui.chat.model import ChatModel, Row
from app.ui.chat.text import units
from app.ui.look.colours import mixed
from app.ui.look.icons import pixmap
from app.ui.look.theme import RADIUS, SPACE, colours
from app.ui.words.translations import _

MARGIN: Final = 2 * SPACE
PADDING: Final = 12
MAX_BUBBLE: Final = 560
SHARE: Final = 0.8
"""Of the width that a bubble may take."""
KEPT_LAYOUTS: Final = 120
KEPT_HEIGHTS: Final = 4_000
SIGN: Final = 14

Index = QModelIndex | QPersistentModelIndex


@dataclass(slots=True)
class Layout:
    """Where everything of a row is, from the row's top left corner."""

    height: float = 0.0
    day: QRectF = field(default_factory=QRectF)
    unread: QRectF = field(default_factory=QRectF)
    heading: QRectF = field(default_factory=QRectF)
    bubble: QRectF = field(default_factory=QRectF)
    words: QTextLayout | None = None
    origin: QPointF = field(default_factory=QPointF)
    """Of the words."""
    whole: QRectF = field(default_factory=QRectF)
    """The place to click for the whole message."""
    status: QRectF = field(default_factory=QRectF)
    retry: QRectF = field(default_factory=QRectF)


@dataclass(frozen=True, slots=True)
class Selection:
    """A part of one message's text, in Qt's positions; `anchor` is where it began."""

    message: int
    anchor: int
    position: int

    @property
    def start(self) -> int:
        """The first position."""
        return min(self.anchor, self.position)

    @property
    def end(self) -> int:
        """The position after the last."""
        return max(self.anchor, self.position)


class ChatDelegate(QStyledItemDelegate):
    """Paints the rows of a ChatModel."""

    def __init__(self, view: QListView, model: ChatModel) -> None:
        super().__init__(view)
        self._view, self._model = view, model
        self.selection: Selection | None = None
        self.shows_focus = False
        """Whether the current row is marked: after keys, not after clicks."""
        self._heights: dict[int, tuple[Row, int, int]] = {}
        self._layouts: OrderedDict[int, tuple[Row, int, Layout]] = OrderedDict()
        self.forget()

    def forget(self) -> None:
        """Fonts or colours changed."""
        self._heights.clear()
        self._layouts.clear()
        self._font = QFont(self._view.font())
        self._small = QFont(self._font)
        self._small.setPointSizeF(max(7.0, self._font.pointSizeF() * 0.86))
        self._strong = QFont(self._small)
        self._strong.setWeight(QFont.Weight.DemiBold)
        self._metrics = QFontMetricsF(self._small)
        self._line = self._metrics.height()

    # --- measures

    def sizeHint(self, option: QStyleOptionViewItem, index: Index) -> QSize:
        """The height at the view's width."""
        width = self._view.viewport().width()
        row = self._model.rows[index.row()]
        below = SPACE if index.row() == len(self._model.rows) - 1 else 0
        return QSize(0, self._height(row, width) + below)

    def _height(self, row: Row, width: int) -> int:
        known = self._heights.get(row.message.id)
        if known is not None and known[0] is row and known[1] == width:
            return known[2]
        height = round(self._laid_out(row, width).height)
        if len(self._heights) > KEPT_HEIGHTS:
            self._heights.clear()
        self._heights[row.message.id] = (row, width, height)
        return height

    def layout_of(self, row: Row) -> Layout:
        """Where everything of a row is now."""
        width = self._view.viewport().width()
        known = self._layouts.get(row.message.id)
        if known is not None and known[0] is row and known[1] == width:
            self._layouts.move_to_end(row.message.id)
            return known[2]
        layout = self._laid_out(row, width)
        self._layouts[row.message.id] = (row, width, layout)
        if len(self._layouts) > KEPT_LAYOUTS:
            self._layouts.popitem(last=False)
        return layout

    def _laid_out(self, row: Row, width: int) -> Layout:
        layout = Layout()
        y = 2.0
        if row.day:
            layout.day = QRectF(0, y + SPACE, width, self._line + SPACE)
            y = layout.day.bottom() + SPACE / 2
        if row.is_first_unread:
            layout.unread = QRectF(MARGIN, y + SPACE / 2, width - 2 * MARGIN, self._line + SPACE)
            y = layout.unread.bottom()
        if row.time:
            layout.heading = QRectF(MARGIN, y + SPACE, width - 2 * MARGIN, self._line)
            y = layout.heading.bottom() + SPACE / 2
        y = self._lay_out_bubble(layout, row, width, y)
        if row.status:
            y = self._lay_out_status(layout, row, width, y) + SPACE / 2
        layout.height = y + 2
        return layout

    def _lay_out_bubble(self, layout: Layout, row: Row, width: int, y: float) -> float:
        room = max(40.0, min(MAX_BUBBLE, (width - 2 * MARGIN) * SHARE) - 2 * PADDING)
        layout.words, bounds = self._words(row, room)
        inner_width, inner_height = bounds.width(), bounds.height()
        more = _("Show all of it")
        if row.is_shortened:
            inner_width = max(inner_width, self._metrics.horizontalAdvance(more))
            inner_height += SPACE / 2 + self._line
        bubble_width = inner_width + 2 * PADDING
        x = width - MARGIN - bubble_width if row.is_own else float(MARGIN)
        layout.bubble = QRectF(x, y, bubble_width, inner_height + 2 * SPACE)
        layout.origin = QPointF(x + PADDING, y + SPACE)
        if row.is_shortened:
            layout.whole = QRectF(x + PADDING, y + SPACE + bounds.height() + SPACE / 2, inner_width, self._line)
        return layout.bubble.bottom()

    def _words(self, row: Row, room: float) -> tuple[QTextLayout, QSizeF]:
        words = QTextLayout(row.text.replace("\n", "\u2028"), self._font)
        option = QTextOption()
        option.setWrapMode(QTextOption.WrapMode.WrapAtWordBoundaryOrAnywhere)
        is_right_to_left = _is_right_to_left(row.text)
        if is_right_to_left:
            option.setAlignment(Qt.AlignmentFlag.AlignRight)
        words.setTextOption(option)
        words.setCacheEnabled(True)
        if row.links:
            words.setFormats([_link_format(row.text, link.start, link.target) for link in row.links])
        size = _break_lines(words, room)
        if is_right_to_left:  # its lines stand at the right of the room they have: give them no more than they need
            _break_lines(words, size.width())
        return words, size

    def _lay_out_status(self, layout: Layout, row: Row, width: int, y: float) -> float:
        metrics = self._metrics
        text_width = metrics.horizontalAdvance(row.status)
        retry_width = metrics.horizontalAdvance(_("Try again")) + SPACE if row.has_failed else 0.0
        right = width - MARGIN - SPACE / 2
        total = min(right - MARGIN, SIGN + SPACE / 2 + text_width + retry_width)
        left = right - total
        layout.status = QRectF(left, y + SPACE / 2, total - retry_width, self._line)
        if row.has_failed:
            layout.retry = QRectF(left + total - retry_width + SPACE, y + SPACE / 2, retry_width - SPACE, self._line)
        return layout.status.bottom()

    # --- painting

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        """One row."""
        row = self._model.rows[index.row()]
        layout = self.layout_of(row)
        rect: QRectF = QRectF(option.rect)
        state: QStyle.StateFlag = option.state
        painter.save()
        painter.translate(rect.left(), rect.top())
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        self._paint_lines(painter, row, layout)
        if row.time:
            self._paint_heading(painter, row, layout.heading)
        self._paint_bubble(painter, row, layout, bool(state & QStyle.StateFlag.State_Selected))
        if row.status:
            self._paint_status(painter, row, layout)
        if self.shows_focus and state & QStyle.StateFlag.State_HasFocus:
            painter.setPen(QPen(QColor(colours().accent), 1.5))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRoundedRect(layout.bubble.adjusted(-2.5, -2.5, 2.5, 2.5), RADIUS + 5, RADIUS + 5)
        painter.restore()

    def _paint_lines(self, painter: QPainter, row: Row, layout: Layout) -> None:
        scheme = colours()
        painter.setFont(self._small)
        if row.day:
            painter.setPen(QColor(scheme.muted))
            painter.drawText(layout.day, Qt.AlignmentFlag.AlignCenter, row.day)
        if row.is_first_unread:
            words = _("New")
            box = layout.unread
            word_width = QFontMetricsF(self._strong).horizontalAdvance(words) + 2 * SPACE
            middle = box.center()
            painter.setFont(self._strong)
            painter.setPen(QColor(scheme.accent))
            painter.drawText(box, Qt.AlignmentFlag.AlignCenter, words)
            painter.setPen(QPen(QColor(mixed(scheme.surface, scheme.accent, 0.5)), 1))
            y = round(middle.y()) + 0.5
            painter.drawLine(QPointF(box.left(), y), QPointF(middle.x() - word_width / 2, y))
            painter.drawLine(QPointF(middle.x() + word_width / 2, y), QPointF(box.right(), y))

    def _paint_heading(self, painter: QPainter, row: Row, box: QRectF) -> None:
        scheme = colours()
        left = box.left() + SPACE / 2
        if row.author:
            metrics = QFontMetricsF(self._strong)
            author = metrics.elidedText(row.author, Qt.TextElideMode.ElideRight, box.width() * 0.6)
            painter.setFont(self._strong)
            painter.setPen(QColor(scheme.text))
            painter.drawText(QPointF(left, box.top() + metrics.ascent()), author)
            left += metrics.horizontalAdvance(author) + SPACE
        painter.setFont(self._small)
        painter.setPen(QColor(scheme.muted))
        if row.is_own:
            aligned = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
            painter.drawText(box.adjusted(0, 0, -SPACE / 2, 0), aligned, row.time)
        else:
            painter.drawText(QPointF(left, box.top() + self._metrics.ascent()), row.time)

    def _paint_bubble(self, painter: QPainter, row: Row, layout: Layout, selected: bool) -> None:
        scheme = colours()
        fill = mixed(scheme.surface, scheme.accent, 0.2) if row.is_own else scheme.raised
        if selected:
            fill = mixed(scheme.surface, scheme.accent, 0.45)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(fill))
        painter.drawRoundedRect(layout.bubble, RADIUS + 4, RADIUS + 4)
        if layout.words is not None:
            painter.save()
            painter.setClipRect(layout.bubble)  # marks above and below letters end where the bubble ends
            painter.setPen(QColor(scheme.text))
            layout.words.draw(painter, layout.origin, self._marked(row), layout.bubble)
            painter.restore()
        if row.is_shortened:
            painter.setFont(self._small)
            painter.setPen(QColor(scheme.accent))
            painter.drawText(layout.whole, Qt.AlignmentFlag.AlignVCenter, _("Show all of it"))

    def _paint_status(self, painter: QPainter, row: Row, layout: Layout) -> None:
        scheme = colours()
        name, shade = _sign(row)
        box = layout.status
        sign = QRectF(box.left(), box.center().y() - SIGN / 2, SIGN, SIGN)
        painter.drawPixmap(sign, pixmap(name, 4 * SIGN, shade), QRectF(0, 0, 4 * SIGN, 4 * SIGN))
        painter.setFont(self._small)
        painter.setPen(QColor(shade))
        words = box.adjusted(SIGN + SPACE / 2, 0, 0, 0)
        shown = self._metrics.elidedText(row.status, Qt.TextElideMode.ElideRight, words.width() + 1)
        painter.drawText(words, Qt.AlignmentFlag.AlignVCenter, shown)
        if row.has_failed:
            painter.setFont(self._small)
            painter.setPen(QColor(scheme.accent))
            painter.drawText(layout.retry, Qt.AlignmentFlag.AlignVCenter, _("Try again"))

    def _marked(self, row: Row) -> list[QTextLayout.FormatRange]:
        selection = self.selection
        if selection is None or selection.message != row.message.id or selection.start == selection.end:
            return []
        marked = QTextLayout.FormatRange()
        marked.start = selection.start
        marked.length = selection.end - selection.start
        form = QTextCharFormat()
        palette = self._view.palette()
        form.setBackground(palette.brush(QPalette.ColorRole.Highlight))
        form.setForeground(palette.brush(QPalette.ColorRole.HighlightedText))
        marked.format = form
        return [marked]


def _sign(row: Row) -> tuple[str, str]:
    """The icon and the colour of what became of a message."""
    scheme = colours()
    match row.message.status:
        case ChatStatus.DELIVERED:
            return "check", scheme.muted
        case ChatStatus.FAILED:
            return "attention", scheme.failed
        case _:
            return "clock", scheme.muted


def _break_lines(words: QTextLayout, width: float) -> QSizeF:
    """Break the text into lines of at most `width`; gives the size that is used."""
    used, y = 0.0, 0.0
    words.beginLayout()
    while (line := words.createLine()).isValid():
        line.setLineWidth(width)
        line.setPosition(QPointF(0, y))
        y += line.height()
        used = max(used, line.naturalTextWidth())
    words.endLayout()
    return QSizeF(min(width, used + 1), y)


def _is_right_to_left(text: str) -> bool:
    """Whether the first letter with a direction is of a script that runs from right to left."""
    if text.isascii():
        return False
    directions = (unicodedata.bidirectional(each) for each in text)
    return next((each for each in directions if each in ("L", "R", "AL")), "L") != "L"


def _link_format(text: str, start: int, target: str) -> QTextLayout.FormatRange:
    part = QTextLayout.FormatRange()
    part.start = units(text[:start])
    part.length = len(target)
    form = QTextCharFormat()
    form.setForeground(QColor(colours().accent))
    form.setFontUnderline(True)
    part.format = form
    return part
