"""The graph of a ping window: round-trip times over time, lost pings, changes of the path. Used by window.py.

What is drawn is worked out when a sample comes or the size changes, not with each frame; following the pointer draws
the same lines again. With the arrow keys the read-out goes from ping to ping.
"""

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt
from PySide6.QtGui import (
    QColor,
    QFocusEvent,
    QFont,
    QFontMetricsF,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
    QPolygonF,
    QResizeEvent,
)
from PySide6.QtWidgets import QSizePolicy, QWidget

from app.engine.state import PathKind
from app.ui.look.theme import SPACE, colours
from app.ui.ping.statistics import Sample, axis_step, path_changes
from app.ui.words.language import decimal
from app.ui.words.times import clock, local_time
from app.ui.words.translations import _

MIN_SPAN: Final = 60.0
"""Seconds that the graph shows at least."""
LEFT: Final = 56
RIGHT: Final = 2 * SPACE
TOP: Final = 28
BOTTOM: Final = 42
LOST_ROW: Final = 12
"""Pixels below the axis in which lost pings are marked."""
TIME_STEPS: Final = (5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 14_400, 43_200, 86_400)


@dataclass(slots=True)
class Stretch:
    """Answers over one path without a gap."""

    path: PathKind | None
    line: QPolygonF = field(default_factory=QPolygonF)


@dataclass(slots=True)
class Drawing:
    """All that is drawn, in the widget's pixels."""

    stretches: list[Stretch] = field(default_factory=list)
    lost: list[float] = field(default_factory=list)
    began: str = ""
    """The path of the first answer that is shown."""
    changes: list[tuple[float, str]] = field(default_factory=list)
    steps: list[tuple[float, str]] = field(default_factory=list)
    """Lines across, each with its words."""
    times: list[tuple[float, str]] = field(default_factory=list)


def milliseconds(seconds: float | None) -> str:
    """A time as figures: three digits where there are three."""
    if seconds is None:
        return "\N{EN DASH}"
    value = seconds * 1_000
    digits = 2 if value < 10 else 1 if value < 100 else 0
    return _("{count} ms").format(count=decimal(value, digits))


def path_words(sample: Sample) -> str:
    """Over which path an answer came."""
    kinds = {
        None: "",
        PathKind.DIRECT: _("direct"),
        PathKind.RELAY: _("relayed"),
        PathKind.STREAM_RELAY: _("relayed over TCP"),
    }
    return " ".join(part for part in (kinds[sample.path], sample.endpoint) if part)


class PingGraph(QWidget):
    """Shows samples, oldest first."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._samples: Sequence[Sample] = ()
        self._span: float | None = MIN_SPAN
        self._now = 0.0
        self._hover: int | None = None
        self._drawing: Drawing | None = None
        self._top = 0.0
        self._note = ""
        self._shows_focus = False
        self.setMouseTracking(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setAccessibleName(_("Round-trip times"))

    def show_samples(self, samples: Sequence[Sample], now: float) -> None:
        """Show these; the graph ends at `now`."""
        if self._hover is not None and self._hover < len(self._samples):
            self._hover = _near(samples, self._samples[self._hover].time)
        self._samples, self._now = samples, now
        self._drawing = None
        self.update()

    def set_span(self, seconds: float | None) -> None:
        """How much time is shown; None shows all samples."""
        self._span, self._drawing = seconds, None
        self.update()

    @property
    def drawing(self) -> Drawing:
        """What is drawn for these samples at this size."""
        if self._drawing is None:
            self._drawing = self._work_out()
        return self._drawing

    @property
    def note(self) -> str:
        """What is said over the graph."""
        return self._note

    def set_note(self, text: str) -> None:
        """Say over the graph why nothing happens; empty while something does."""
        if text != self._note:
            self._note = text
            self.update()

    @property
    def read_out(self) -> str:
        """What is said about the ping under the pointer, or that the arrow keys reached."""
        if self._hover is None or self._hover >= len(self._samples):
            return ""
        sample = self._samples[self._hover]
        words = milliseconds(sample.seconds) if sample.seconds is not None else _("no answer")
        return "   ".join(part for part in (clock(sample.time, seconds=True), words, path_words(sample)) if part)

    def sizeHint(self) -> QSize:
        """Wide rather than high."""
        return QSize(600, 260)

    def minimumSizeHint(self) -> QSize:
        """Enough for the axes."""
        return QSize(320, 160)

    # --- where things are

    @property
    def _area(self) -> QRectF:
        """Where the lines are drawn."""
        return QRectF(LEFT, TOP, max(1, self.width() - LEFT - RIGHT), max(1, self.height() - TOP - BOTTOM))

    @property
    def _seconds(self) -> float:
        if self._span is not None:
            return self._span
        return max(MIN_SPAN, self._now - self._samples[0].time) if self._samples else MIN_SPAN

    def _x(self, time: float) -> float:
        area = self._area
        return area.right() - (self._now - time) / self._seconds * area.width()

    def _y(self, seconds: float) -> float:
        area = self._area
        return area.bottom() - seconds / self._top * area.height()

    def _work_out(self) -> Drawing:
        drawing = Drawing()
        first = _near(self._samples, self._now - self._seconds) or 0
        shown = [self._samples[at] for at in range(max(0, first - 1), len(self._samples))]
        slowest = max((each.seconds for each in shown if each.seconds is not None), default=0.0)
        step = axis_step(max(slowest * 1.1, 0.001), 4)
        self._top = step * max(1, math.ceil(slowest * 1.1 / step))
        for count in range(round(self._top / step) + 1):
            drawing.steps.append((self._y(count * step), _axis_words(count * step, step)))
        self._add_times(drawing)
        self._add_lines(drawing, shown)
        changes = path_changes(shown)
        drawing.began = path_words(changes[0]) if changes else ""
        drawing.changes = [(self._x(each.time), path_words(each)) for each in changes[1:]]
        return drawing

    def _add_times(self, drawing: Drawing) -> None:
        most = max(2, int(self._area.width() // 90))
        step = next((each for each in TIME_STEPS if self._seconds / each <= most), TIME_STEPS[-1])
        offset = local_time(self._now).offsetFromUtc()
        at = (math.floor((self._now + offset) / step)) * step - offset
        while at > self._now - self._seconds:
            drawing.times.append((self._x(at), clock(at, seconds=step < 60)))
            at -= step

    def _add_lines(self, drawing: Drawing, shown: Sequence[Sample]) -> None:
        stretch: Stretch | None = None
        for sample in shown:
            if sample.seconds is None:
                drawing.lost.append(self._x(sample.time))
                stretch = None
                continue
            point = QPointF(self._x(sample.time), self._y(sample.seconds))
            if stretch is None or sample.after_pause or stretch.path is not sample.path:
                stretch = Stretch(sample.path)
                drawing.stretches.append(stretch)
            stretch.line.append(point)

    # --- painting

    def paintEvent(self, event: QPaintEvent) -> None:
        """Axes, lines, marks, and the read-out."""
        drawing = self.drawing
        painter = QPainter(self)
        small = QFont(self.font())
        small.setPointSizeF(max(7.0, small.pointSizeF() * 0.86))
        painter.setFont(small)
        self._paint_axes(painter, drawing)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        self._paint_changes(painter, drawing)
        self._paint_lines(painter, drawing)
        if self._hover is not None and self._hover < len(self._samples):
            self._paint_read_out(painter, self._samples[self._hover])
        if self._note:
            self._paint_note(painter)
        if self._shows_focus and self.hasFocus():
            painter.setPen(QPen(QColor(colours().accent), 1))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRoundedRect(QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5), SPACE / 2, SPACE / 2)
        painter.end()

    def _paint_axes(self, painter: QPainter, drawing: Drawing) -> None:
        scheme, area = colours(), self._area
        metrics = QFontMetricsF(painter.font())
        for y, words in drawing.steps:
            level = round(y)
            painter.setPen(QColor(scheme.border))
            painter.drawLine(LEFT, level, round(area.right()), level)
            painter.setPen(QColor(scheme.muted))
            box = QRectF(0, y - metrics.height() / 2, LEFT - SPACE, metrics.height())
            painter.drawText(box, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, words)
        below = area.bottom() + LOST_ROW + SPACE / 2
        for x, words in drawing.times:
            width = metrics.horizontalAdvance(words)
            if x - width / 2 >= 0 and x + width / 2 <= self.width():
                painter.drawText(QPointF(x - width / 2, below + metrics.ascent()), words)

    def _paint_lines(self, painter: QPainter, drawing: Drawing) -> None:
        scheme, area = colours(), self._area
        painter.save()
        painter.setClipRect(area.adjusted(0, -TOP, 0, LOST_ROW + 2))
        for stretch in drawing.stretches:
            shade = QColor(scheme.direct if stretch.path in (None, PathKind.DIRECT) else scheme.relayed)
            if stretch.line.count() == 1:
                painter.setPen(Qt.PenStyle.NoPen)
                painter.setBrush(shade)
                painter.drawEllipse(stretch.line.first(), 2.0, 2.0)
                continue
            pen = QPen(shade, 1.75)
            pen.setJoinStyle(Qt.PenJoinStyle.RoundJoin)
            painter.setPen(pen)
            painter.drawPolyline(stretch.line)
        painter.setPen(QPen(QColor(scheme.failed), 1.75))
        middle = area.bottom() + LOST_ROW / 2 + 1
        for x in drawing.lost:
            painter.drawLine(QPointF(x - 2.5, middle - 2.5), QPointF(x + 2.5, middle + 2.5))
            painter.drawLine(QPointF(x - 2.5, middle + 2.5), QPointF(x + 2.5, middle - 2.5))
        painter.restore()

    def _paint_changes(self, painter: QPainter, drawing: Drawing) -> None:
        scheme, area = colours(), self._area
        metrics = QFontMetricsF(painter.font())
        free_to = area.right()
        for x, words in reversed(drawing.changes):
            if not area.left() <= x <= area.right():
                continue
            pen = QPen(QColor(scheme.muted), 1, Qt.PenStyle.DashLine)
            painter.setPen(pen)
            painter.drawLine(QPointF(round(x) + 0.5, area.top() - 2.5 * SPACE), QPointF(round(x) + 0.5, area.bottom()))
            width = metrics.horizontalAdvance(words)
            left = min(x + SPACE / 2, area.right() - width)
            if left + width <= free_to and left >= 0:
                painter.drawText(QPointF(left, area.top() - SPACE), words)
                free_to = left - SPACE
        if drawing.began and area.left() + metrics.horizontalAdvance(drawing.began) <= free_to:
            painter.setPen(QColor(scheme.muted))
            painter.drawText(QPointF(area.left(), area.top() - SPACE), drawing.began)

    def _paint_read_out(self, painter: QPainter, sample: Sample) -> None:
        scheme, area = colours(), self._area
        x = self._x(sample.time)
        if not area.left() - 1 <= x <= area.right() + 1:
            return
        painter.setPen(QPen(QColor(scheme.muted), 1))
        painter.drawLine(QPointF(round(x) + 0.5, area.top()), QPointF(round(x) + 0.5, area.bottom()))
        if sample.seconds is not None:
            painter.setPen(QPen(QColor(scheme.surface), 2))
            painter.setBrush(QColor(scheme.text))
            painter.drawEllipse(QPointF(x, self._y(sample.seconds)), 4.5, 4.5)
        metrics = QFontMetricsF(painter.font())
        words = self.read_out
        box = QRectF(0, area.top() + SPACE, metrics.horizontalAdvance(words) + 2 * SPACE, metrics.height() + SPACE)
        box.moveLeft(x + SPACE if x + SPACE + box.width() <= area.right() else x - SPACE - box.width())
        box.moveLeft(max(2.0, min(box.left(), self.width() - box.width() - 2)))
        painter.setPen(QPen(QColor(scheme.border), 1))
        painter.setBrush(QColor(scheme.raised))
        painter.drawRoundedRect(box, SPACE / 2, SPACE / 2)
        painter.setPen(QColor(scheme.text))
        painter.drawText(box, Qt.AlignmentFlag.AlignCenter, words)

    def _paint_note(self, painter: QPainter) -> None:
        scheme, area = colours(), self._area
        painter.setFont(self.font())
        flags = Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap
        room = area.adjusted(SPACE, 0, -SPACE, 0)
        words = painter.boundingRect(room, int(flags), self._note)
        painter.setPen(QPen(QColor(scheme.border), 1))
        painter.setBrush(QColor(scheme.surface))
        painter.drawRoundedRect(words.adjusted(-2 * SPACE, -SPACE, 2 * SPACE, SPACE), SPACE, SPACE)
        painter.setPen(QColor(scheme.text))
        painter.drawText(room, int(flags), self._note)

    # --- pointer and keys

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Read out the ping that is nearest."""
        area = self._area
        time = self._now - (area.right() - event.position().x()) / area.width() * self._seconds
        self._read(_near(self._samples, time))

    def focusInEvent(self, event: QFocusEvent) -> None:
        """Only keys mark where they go."""
        self._shows_focus = event.reason() in (Qt.FocusReason.TabFocusReason, Qt.FocusReason.BacktabFocusReason)
        super().focusInEvent(event)

    def leaveEvent(self, event: QEvent) -> None:
        """Nothing is under the pointer any more."""
        self._read(None)
        super().leaveEvent(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """From ping to ping."""
        steps = {Qt.Key.Key_Left: -1, Qt.Key.Key_Right: 1}
        last = len(self._samples) - 1
        if event.key() not in steps or last < 0:
            super().keyPressEvent(event)
            return
        self._read(max(0, min(last, (last + 1 if self._hover is None else self._hover) + steps[Qt.Key(event.key())])))

    def _read(self, at: int | None) -> None:
        if at != self._hover:
            self._hover = at
            self.setAccessibleDescription(self.read_out)
            self.update()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Everything is elsewhere."""
        self._drawing = None
        super().resizeEvent(event)


def _near(samples: Sequence[Sample], time: float) -> int | None:
    """The sample nearest to a time."""
    if not samples:
        return None
    at = bisect_left(samples, time, key=lambda each: each.time)
    if at == len(samples):
        return at - 1
    if at and time - samples[at - 1].time < samples[at].time - time:
        return at - 1
    return at


def _axis_words(seconds: float, step: float) -> str:
    value, fine = seconds * 1_000, step * 1_000
    digits = max(0, -math.floor(math.log10(fine) + 1e-9))
    return _("{count} ms").format(count=decimal(value, digits))
