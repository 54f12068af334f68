"""The network check: what routers, firewalls and proxies let through, with the verdict first, in plain words.

The engine looks; words/network_check.py says it. Opened by app/ui/actions.py.
"""

from typing import Final

from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QAccessible, QAccessibleEvent, QColor, QFont, QKeySequence, QPainter, QPaintEvent, QShortcut
from PySide6.QtWidgets import (
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QPushButton,
    QScrollArea,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from app.engine.netcheck_state import Grade, Netcheck
from app.engine.state import Problem
from app.ui.look.theme import SPACE, colours
from app.ui.look.widgets import CopyButton, ProblemBox, Shade, Sign, text_label
from app.ui.verbs import Verbs
from app.ui.words.network_check import Line, Mark, RelayLine, Told, as_text, told
from app.ui.words.translations import _

SIGNS: Final = {Mark.WELL: "check", Mark.NOTED: "info", Mark.LIMITED: "attention", Mark.WRONG: "cross"}
BAR: Final = 6
"""Pixels that a relay's bar is high."""
NEAR: Final = 0.1
"""Seconds: if all relays are nearer, this is a whole bar."""
SHADES: Final[dict[Mark, Shade]] = {
    Mark.WELL: lambda scheme: scheme.direct,
    Mark.NOTED: lambda scheme: scheme.muted,
    Mark.LIMITED: lambda scheme: scheme.attention,
    Mark.WRONG: lambda scheme: scheme.failed,
}


class NetworkCheck(QWidget):
    """Looks once when it is opened, and again when it is asked to."""

    def __init__(self, actions: Verbs, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle(_("Network check"))
        self._bridge = actions.bridge
        self.told: Told | None = None
        self.problem = ProblemBox()
        self.verdict = Verdict()
        self.progress = QProgressBar()
        self.progress.setRange(0, 0)
        self.progress.setTextVisible(False)
        self.progress.setFixedHeight(SPACE // 2)
        self.progress.setAccessibleName(_("Looking…"))
        self._findings = QScrollArea()
        self._findings.setAccessibleName(_("Network check"))
        self.again_button = QPushButton(_("Check &again"))
        self.proxy_button = QPushButton(_("&Proxy settings…"))
        self.copy_button = CopyButton(lambda: as_text(self.told) if self.told is not None else "")
        self._lay_out()
        self.again_button.clicked.connect(self.run)
        self.proxy_button.clicked.connect(lambda: actions.preferences_dialog("connection"))
        QShortcut(QKeySequence.StandardKey.Close, self, self.close)
        QShortcut(QKeySequence(Qt.Key.Key_Escape), self, self.close)
        self.run()

    def _lay_out(self) -> None:
        self._findings.setWidgetResizable(True)
        self._findings.setFrameShape(QFrame.Shape.NoFrame)
        self._findings.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        row = QHBoxLayout()
        row.setSpacing(SPACE)
        row.addWidget(self.again_button)
        row.addWidget(self.proxy_button)
        row.addStretch(1)
        row.addWidget(self.copy_button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(3 * SPACE, 2 * SPACE + 4, 3 * SPACE, 2 * SPACE + 4)
        layout.setSpacing(2 * SPACE)
        for widget in (self.verdict, self.progress, self.problem):
            layout.addWidget(widget)
        layout.addWidget(self._findings, 1)
        layout.addLayout(row)
        self.resize(640, 680)

    def run(self) -> None:
        """Look, from the beginning."""
        self.problem.hide()
        self.proxy_button.hide()
        self._set_busy(True)
        self.verdict.wait()
        self._call = self._bridge.call(self, lambda engine: engine.netcheck(), self._looked, self._failed)

    def _set_busy(self, busy: bool) -> None:
        self.progress.setVisible(busy)
        self.again_button.setEnabled(not busy)
        self.copy_button.setEnabled(self.told is not None and not busy)

    def _looked(self, found: Netcheck) -> None:
        self.told = told(found)
        self.proxy_button.setVisible(found.grade is Grade.NOTHING)
        self._set_busy(False)
        self.verdict.tell(self.told)
        self._findings.setWidget(Findings(self.told))

    def _failed(self, problem: Problem) -> None:
        self._set_busy(False)
        self.verdict.hide()
        self.problem.tell(problem)


class Verdict(QFrame):
    """What all of it means, in a few large words, and what to do."""

    def __init__(self) -> None:
        super().__init__()
        self.setProperty("card", True)
        self._sign = Sign(size=28)
        self.title, self.message, self.remedy = text_label(), text_label(), text_label(muted=True)
        self.title.setFont(_larger(self.title.font(), 1.35))
        words = QVBoxLayout()
        words.setSpacing(SPACE // 2)
        for label in (self.title, self.message, self.remedy):
            words.addWidget(label)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(2 * SPACE, 2 * SPACE, 2 * SPACE, 2 * SPACE)
        layout.setSpacing(2 * SPACE)
        layout.addWidget(self._sign, 0, Qt.AlignmentFlag.AlignTop)
        layout.addLayout(words, 1)

    def wait(self) -> None:
        """It is being looked at."""
        self._sign.draw("search")
        self._say(_("Looking…"), _("What do router, firewall and provider let through? A few seconds."), "")

    def tell(self, told: Told) -> None:
        """This came out."""
        self._sign.draw(SIGNS[told.mark], SHADES[told.mark])
        self._say(told.title, told.message, told.remedy)
        QAccessible.updateAccessibility(QAccessibleEvent(self, QAccessible.Event.Alert))

    def _say(self, title: str, message: str, remedy: str) -> None:
        for label, text in ((self.title, title), (self.message, message), (self.remedy, remedy)):
            label.setText(text)
            label.setVisible(bool(text))
        self.setAccessibleName(title)
        self.setAccessibleDescription(f"{message} {remedy}".strip())
        self.show()


class Findings(QWidget):
    """Everything that was looked at, one under the other."""

    def __init__(self, told: Told) -> None:
        super().__init__()
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(SPACE, 0, SPACE, 0)
        self._grid.setHorizontalSpacing(SPACE + 4)
        self._grid.setVerticalSpacing(2 * SPACE)
        self._grid.setColumnStretch(2, 1)
        for line in told.lines:
            self._add_line(line)
        if told.relays:
            self._add_relays(told.relays)
        self._grid.setRowStretch(self._grid.rowCount(), 1)

    def _add_line(self, line: Line) -> None:
        row = self._grid.rowCount()
        top = Qt.AlignmentFlag.AlignTop
        self._grid.addWidget(Sign(SIGNS[line.mark], SHADES[line.mark], 18), row, 0, top)
        self._grid.addWidget(_name(line.name), row, 1, top)
        words = QVBoxLayout()
        words.setSpacing(2)
        text = text_label(line.text, selectable=True)
        text.setAccessibleName(f"{line.name}: {line.text}")
        words.addWidget(text)
        if line.term:
            term = text_label(line.term, muted=True, selectable=True)
            term.setFont(_larger(term.font(), 0.9))
            words.addWidget(term)
        self._grid.addLayout(words, row, 2)

    def _add_relays(self, relays: tuple[RelayLine, ...]) -> None:
        """Their bars have one measure."""
        whole = max((NEAR, *(each.seconds for each in relays if each.seconds is not None)))
        box = QGridLayout()
        box.setHorizontalSpacing(2 * SPACE)
        box.setVerticalSpacing(SPACE)
        box.setColumnStretch(1, 1)
        for row, each in enumerate(relays):
            name = text_label(each.name, selectable=True)
            name.setAccessibleName(f"{each.name}: {each.words}")
            box.addWidget(name, row, 0)
            box.addWidget(Bar((each.seconds or 0.0) / whole), row, 1)
            box.addWidget(text_label(each.words, muted=each.seconds is None), row, 2)
        row = self._grid.rowCount()
        self._grid.addWidget(Sign("server", size=18), row, 0, Qt.AlignmentFlag.AlignTop)
        self._grid.addWidget(_name(_("Relays")), row, 1, Qt.AlignmentFlag.AlignTop)
        self._grid.addLayout(box, row, 2)


class Bar(QWidget):
    """How far away a relay is, beside the others."""

    def __init__(self, share: float) -> None:
        super().__init__()
        self._share = share
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)

    def sizeHint(self) -> QSize:
        """As wide as there is room."""
        return QSize(12 * SPACE, BAR)

    def paintEvent(self, event: QPaintEvent) -> None:
        """A rounded bar on a quiet ground."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        whole = QRectF(0, (self.height() - BAR) / 2, self.width(), BAR)
        painter.setBrush(QColor(colours().raised))
        painter.drawRoundedRect(whole, BAR / 2, BAR / 2)
        if self._share > 0:
            whole.setWidth(max(float(BAR), whole.width() * self._share))
            painter.setBrush(QColor(colours().relayed))
            painter.drawRoundedRect(whole, BAR / 2, BAR / 2)
        painter.end()


def _name(text: str) -> QLabel:
    label = text_label(text)
    label.setWordWrap(False)
    font = label.font()
    font.setWeight(QFont.Weight.DemiBold)
    label.setFont(font)
    return label


def _larger(font: QFont, times: float) -> QFont:
    font = QFont(font)
    font.setPointSizeF(font.pointSizeF() * times)
    if times > 1:
        font.setWeight(QFont.Weight.DemiBold)
    return font
