"""Pings to one peer, live: the newest time, what the last hour says in figures, and a graph.

They travel over the path in use. Without a tunnel the window says why and goes on by itself when there is one; so it
does when the engine is started anew. Opened by `Actions.open_ping`.
"""

import time
from collections.abc import Sequence
from typing import Final

from PySide6.QtCore import QEvent, Qt
from PySide6.QtGui import QFont, QKeySequence, QShortcut
from PySide6.QtWidgets import QComboBox, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from app.engine.state import Conversation, EngineState, PeerView, Problem, RoundTrip
from app.protocol.names import shown_name
from app.protocol.wire import parse_address
from app.ui.engine_bridge import Call
from app.ui.look.contact_header import ContactHeader
from app.ui.look.icons import icon
from app.ui.look.status_signs import status_colour, status_sign
from app.ui.look.theme import SPACE, colours
from app.ui.look.widgets import CopyButton, Rule, text_label
from app.ui.ping.graph import PingGraph, milliseconds, path_words
from app.ui.ping.statistics import Figures, PingRecord
from app.ui.verbs import Verbs
from app.ui.words.language import decimal
from app.ui.words.statuses import (
    absence,
    capitalised,
    explained,
    latency,
    peer_name,
    peer_status,
    waits_for_helper,
)
from app.ui.words.times import stamp
from app.ui.words.translations import _

INTERVALS: Final = (0.2, 1.0, 5.0)
SPANS: Final = (60.0, 300.0, 1_800.0, None)
"""Seconds that the graph shows; None for all that is kept."""


class Figure(QWidget):
    """A number with its name below."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.value = QLabel()
        self.value.setTextFormat(Qt.TextFormat.PlainText)
        font = QFont(self.value.font())
        font.setWeight(QFont.Weight.DemiBold)
        self.value.setFont(font)
        self._name = name
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(self.value)
        layout.addWidget(text_label(name, muted=True))

    def tell(self, value: str) -> None:
        """Show this number."""
        self.value.setText(value)
        self.value.setAccessibleName(f"{self._name}: {value}")


class PingWindow(QWidget):
    """The pings to one peer."""

    def __init__(self, actions: Verbs, peer: str) -> None:
        """`peer` is its address."""
        super().__init__()
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.resize(640, 460)
        self._actions, self._bridge, self._address = actions, actions.bridge, peer
        self._peer: PeerView | None = None
        self._name = peer
        self._call: Call | None = None
        self._is_wanted = True
        self.record = PingRecord()
        self.header = ContactHeader()
        self.graph = PingGraph()
        self._build()
        self._bridge.state_changed.connect(self.show_state)
        self._bridge.engine_changed.connect(self._engine_changed)
        self.show_state(self._bridge.state)
        self._show_record()

    # --- what it is made of

    def _build(self) -> None:
        self._chat_button = self.header.add_button("chat", _("Chat"), self._open_chat)
        self._details_button = self.header.add_button("info", _("Details"), self._show_details)
        inside = QVBoxLayout()
        inside.setContentsMargins(2 * SPACE, SPACE + 4, 2 * SPACE, SPACE + 4)
        inside.setSpacing(SPACE + 4)
        inside.addLayout(self._figures())
        inside.addWidget(self.graph, 1)
        inside.addLayout(self._controls())
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(self.header)
        layout.addWidget(Rule())
        layout.addLayout(inside, 1)
        QShortcut(QKeySequence.StandardKey.Close, self, self.close)
        QShortcut(QKeySequence(Qt.Key.Key_Escape), self, self.close)
        QShortcut(QKeySequence(Qt.Key.Key_Space), self.graph, self.toggle)
        self.graph.setFocus()

    def _figures(self) -> QHBoxLayout:
        self.last = QLabel()
        font = QFont(self.last.font())
        font.setPointSizeF(font.pointSizeF() * 2.2)
        font.setWeight(QFont.Weight.DemiBold)
        self.last.setFont(font)
        self.last.setMinimumWidth(self.last.fontMetrics().horizontalAdvance("000.0 ms") + SPACE)
        self.least, self.average = Figure(_("least")), Figure(_("average"))
        self.percentile, self.jitter = Figure(_("99 of 100")), Figure(_("jitter"))
        self.percentile.setToolTip(_("99 of 100 answers came within this time."))
        self.jitter.setToolTip(_("How much one answer differs from the next, on average."))
        self.loss = Figure(_("lost"))
        row = QHBoxLayout()
        row.setSpacing(3 * SPACE)
        row.addWidget(self.last)
        row.addStretch(1)
        for figure in (self.least, self.average, self.percentile, self.jitter, self.loss):
            row.addWidget(figure)
        return row

    def _controls(self) -> QHBoxLayout:
        self.start_button = QPushButton()
        self.start_button.clicked.connect(self.toggle)
        self.interval = QComboBox()
        for each in INTERVALS:
            self.interval.addItem(_("every {count} s").format(count=decimal(each, 0 if each >= 1 else 1)), each)
        self.interval.setCurrentIndex(1)
        self.interval.setAccessibleName(_("How often"))
        self.interval.currentIndexChanged.connect(self._start_anew)
        self.span = QComboBox()
        for words, span in zip((_("1 minute"), _("5 minutes"), _("30 minutes"), _("all")), SPANS, strict=True):
            self.span.addItem(words, span)
        self.span.setAccessibleName(_("How much the graph shows"))
        self.span.currentIndexChanged.connect(lambda: self.graph.set_span(self.span.currentData()))
        clear = QPushButton(_("C&lear"))
        clear.clicked.connect(self.clear)
        self.copy_button = CopyButton(self.as_text)
        row = QHBoxLayout()
        row.setSpacing(SPACE)
        for widget in (self.start_button, self.interval, self.span):
            row.addWidget(widget)
        row.addStretch(1)
        row.addWidget(clear)
        row.addWidget(self.copy_button)
        return row

    # --- start and stop

    @property
    def is_running(self) -> bool:
        """Whether pings are being sent."""
        return self._call is not None

    def toggle(self) -> None:
        """Pause, or go on."""
        self._is_wanted = not self._is_wanted
        self._follow_wish()

    def _start_anew(self) -> None:
        self._stop()
        self._follow_wish()

    def _engine_changed(self) -> None:
        self._stop()
        self.show_state(self._bridge.state)

    def _follow_wish(self) -> None:
        possible = self._bridge.has_engine and self._peer is not None and self._peer.status.has_tunnel
        if self._is_wanted and possible and self._call is None:
            self._start()
        elif not (self._is_wanted and possible):
            self._stop()
        self._show_controls()

    def _start(self) -> None:
        address, interval = parse_address(self._address), self.interval.currentData()
        self._call = self._bridge.stream(
            self, lambda engine: engine.ping(address, 0, interval=interval), self.answered, self._failed
        )

    def _stop(self) -> None:
        if self._call is not None:
            self._call.cancel()
            self._call = None
            self.record.pause()

    def _failed(self, _problem: Problem) -> None:
        """The tunnel went between the snapshot and the ping; the next snapshot with one starts anew."""
        self._call = None
        self.record.pause()
        self._show_controls()

    def answered(self, trip: RoundTrip) -> None:
        """Show one more ping."""
        self.record.add(trip, time.time())
        self._show_record()

    # --- what it shows

    def show_state(self, state: EngineState) -> None:
        """Show what this snapshot says of the peer, and start or stop by it."""
        self._peer = state.peer(self._address)
        if self._peer is None:
            line = absence(state, _("You share no network now."))
            self.header.tell(self._name, line, "offline", colours().offline)
        else:
            peer = self._peer
            self._name = shown_name(peer_name(peer))
            self.header.tell(self._name, *_header(peer, waits_for_helper(state)))
        self.setWindowTitle(_("Ping to {name}").format(name=self._name))
        for button in (self._chat_button, self._details_button):
            button.setEnabled(self._peer is not None)
        self._follow_wish()

    def _show_record(self) -> None:
        figures = self.record.figures()
        self._show_figures(figures)
        now = self.record.samples[-1].time if self.record.samples else time.time()
        self.graph.show_samples(tuple(self.record.samples), now)
        self.copy_button.setEnabled(bool(self.record.samples))

    def _show_figures(self, figures: Figures) -> None:
        lost_now = bool(figures.sent) and figures.last is None
        self.last.setText(_("no answer") if lost_now else milliseconds(figures.last))
        self.least.tell(milliseconds(figures.least))
        self.average.tell(milliseconds(figures.average))
        self.percentile.tell(milliseconds(figures.percentile))
        self.jitter.tell(milliseconds(figures.jitter))
        self.loss.tell(_percent(figures.loss))

    def _show_controls(self) -> None:
        self.start_button.setText(_("&Pause") if self._is_wanted else _("&Start"))
        self.start_button.setIcon(icon("pause" if self._is_wanted else "play"))
        self.last.setEnabled(self.is_running)
        self.graph.set_note(self._note())

    def _note(self) -> str:
        """Why nothing is sent."""
        if self.is_running:
            return ""
        if not self._is_wanted:
            return _("Paused")
        return _("No tunnel to {name} now. Pings go on by themselves when there is one.").format(name=self._name)

    def clear(self) -> None:
        """Forget all samples."""
        self.record.clear()
        self._show_record()

    def changeEvent(self, event: QEvent) -> None:
        """Signs and icons follow the colours."""
        super().changeEvent(event)
        if event.type() is QEvent.Type.PaletteChange and hasattr(self, "start_button"):
            self.show_state(self._bridge.state)

    def as_text(self) -> str:
        """Figures and pings as a plain table."""
        figures = self.record.figures()
        head = [
            (_("sent"), str(figures.sent)),
            (_("lost"), f"{figures.lost} ({_percent(figures.loss)})"),
            (_("least"), milliseconds(figures.least)),
            (_("average"), milliseconds(figures.average)),
            (_("99 of 100"), milliseconds(figures.percentile)),
            (_("slowest"), milliseconds(figures.most)),
            (_("jitter"), milliseconds(figures.jitter)),
        ]
        rows = [
            (
                stamp(each.time, seconds=True),
                milliseconds(each.seconds) if each.seconds is not None else _("no answer"),
                path_words(each),
            )
            for each in self.record.samples
        ]
        title = _("Ping to {name} ({address})").format(name=self._name, address=self._address)
        return "\n".join((title, "", *_table(head), "", *_table(rows))) + "\n"

    # --- what else can be done

    def _open_chat(self) -> None:
        self._actions.open_chat(Conversation(self._address))

    def _show_details(self) -> None:
        if self._peer is not None:
            self._actions.show_peer(self._peer)


def _header(peer: PeerView, without_helper: bool) -> tuple[str, str, str]:
    """The line below the name, its sign, and the sign's colour."""
    line = explained(peer.status, peer.path, without_helper=without_helper)
    if peer.status.has_tunnel:
        parts = (capitalised(peer_status(peer.status, peer.path)), peer.endpoint, latency(peer.latency))
        line = " · ".join(part for part in parts if part)
    sign = status_sign(peer.status, without_helper)
    return line, sign, status_colour(peer.status, colours(), without_helper)


def _percent(share: float | None) -> str:
    if share is None:
        return "\N{EN DASH}"
    return f"{decimal(share * 100, 1 if 0 < share < 0.1 else 0)} %"


def _table(rows: Sequence[tuple[str, ...]]) -> list[str]:
    """Rows in columns, the second at the right of its column as numbers are."""
    widths = [max((len(row[at]) for row in rows), default=0) for at in (0, 1)]
    return ["  ".join((row[0].ljust(widths[0]), row[1].rjust(widths[1]), *row[2:])).rstrip() for row in rows]
