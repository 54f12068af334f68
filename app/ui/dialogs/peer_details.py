"""Everything known about one peer: who it is, the path, the keys, what was carried, and every way that was tried.

What is said is a pure function of the engine's answer; the window keeps it up to date once a second and with every
change. Opened by app/ui/actions.py.
"""

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Final, NamedTuple

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtWidgets import (
    QAbstractItemView,
    QFormLayout,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QPushButton,
    QTreeWidget,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

from app.engine.errors import EngineError
from app.engine.state import CandidateView, PathKind, PeerDetails, PeerStatus, PeerView
from app.protocol.names import shown_name
from app.protocol.wire import parse_address
from app.ui.engine_bridge import EngineBridge
from app.ui.look.dialog import Dialog
from app.ui.look.status_signs import status_colour, status_sign
from app.ui.look.theme import SPACE
from app.ui.look.widgets import CopyButton, Note, Sign, fixed_font, text_label, wrapping_name
from app.ui.words.language import decimal
from app.ui.words.statuses import absence, explained, latency, peer_name, peer_status, waits_for_helper
from app.ui.words.times import moment
from app.ui.words.translations import _, ngettext, said

REFRESH = 1_000
"""Milliseconds between looks while the window is open: ages and counters grow without a change of state."""


NOTHING: Final = "—"
"""Where there is no value."""


class Fact(NamedTuple):
    """One line: what it is, and its value."""

    name: str
    value: str
    fixed: bool = False
    """Of digits and letters that are compared: shown with characters of one width."""


class PeerDetailsWindow(Dialog):
    """One peer, live."""

    chat_wanted = Signal(PeerView)
    ping_wanted = Signal(PeerView)
    verify_wanted = Signal(PeerView)
    alias_wanted = Signal(PeerView)
    check_wanted = Signal()

    def __init__(self, parent: QWidget | None, bridge: EngineBridge, peer: PeerView) -> None:
        super().__init__(parent, wrapping_name(peer_name(peer)), "")
        self._bridge, self._details = bridge, PeerDetails(peer, "", 0)
        self._values: dict[str, QLabel] = {}
        self._status_sign, self.status = Sign(size=18), text_label()
        self.gone, self.why = Note(), text_label(muted=True)
        self.facts = QFormLayout()
        self.candidates = _candidate_table()
        self._arrange()
        bridge.state_changed.connect(self.refresh)
        self._clock = QTimer(self, interval=REFRESH)
        self._clock.timeout.connect(self.refresh)
        self._clock.start()
        self.refresh()

    def _arrange(self) -> None:
        status = QWidget()
        row = QHBoxLayout(status)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(SPACE)
        row.addWidget(self._status_sign, 0, Qt.AlignmentFlag.AlignTop)
        row.addWidget(self.status, 1)
        self.facts.setHorizontalSpacing(3 * SPACE)
        self.facts.setVerticalSpacing(SPACE // 2 + 2)
        facts = QWidget()
        facts.setLayout(self.facts)
        self.facts.setContentsMargins(0, 0, 0, 0)
        tried = QWidget()
        column = QVBoxLayout(tried)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(SPACE)
        column.addWidget(text_label(_("Ways that were tried"), muted=True))
        column.addWidget(self.candidates)
        for content in (status, self._reason(), self.gone, self._things_to_do(), facts, tried):
            self.add(content)
        self.setMinimumWidth(560)
        self.copy_button = CopyButton(lambda: as_text(self._details, self._networks()), _("&Copy as text"))
        self.add_beside_buttons(self.copy_button)

    def _reason(self) -> QWidget:
        """Why there is no direct path, and what to look at."""
        self.check_button = QPushButton(_("Check the &network…"))
        self.check_button.setAutoDefault(False)
        self.check_button.clicked.connect(self.check_wanted)
        self._reason_row = QWidget()
        row = QHBoxLayout(self._reason_row)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(2 * SPACE)
        row.addWidget(self.why, 1)
        row.addWidget(self.check_button, 0, Qt.AlignmentFlag.AlignTop)
        return self._reason_row

    def _things_to_do(self) -> QWidget:
        self.chat_button, self.ping_button = QPushButton(_("C&hat")), QPushButton(_("&Ping"))
        self.verify_button, self.alias_button = QPushButton(_("&Verify…")), QPushButton(_("&Alias…"))
        row = QWidget()
        layout = QHBoxLayout(row)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(SPACE)
        for button, wanted in (
            (self.chat_button, self.chat_wanted),
            (self.ping_button, self.ping_wanted),
            (self.verify_button, self.verify_wanted),
            (self.alias_button, self.alias_wanted),
        ):
            button.setAutoDefault(False)
            button.clicked.connect(lambda _checked=False, wanted=wanted: wanted.emit(self._details.peer))
            layout.addWidget(button)
        layout.addStretch(1)
        return row

    def refresh(self) -> None:
        """Look again. The last that was known stays when the peer is gone."""
        state = self._bridge.state
        view = state.peer(self._details.peer.address)
        reason = "" if view else absence(state, _("This peer is no longer in any of your networks."))
        if reason != self.gone.text:
            self.gone.tell(reason, "attention")
            self.fit()
        if view is not None:
            self._details = self._look(view)
        self._show(self._details)

    def _look(self, view: PeerView) -> PeerDetails:
        plain = PeerDetails(view, "", 0)
        try:
            return self._bridge.look(lambda engine: engine.peer_details(parse_address(view.address)), plain)
        except EngineError:  # it went after the last snapshot
            return plain

    def _networks(self) -> Mapping[int, str]:
        return {each.id: shown_name(each.name) for each in self._bridge.state.networks}

    def _show(self, details: PeerDetails) -> None:
        peer = details.peer
        name = wrapping_name(peer_name(peer))
        _say(self.heading, name)
        self.setWindowTitle(_("Details of {name}").format(name=name))
        without_helper = waits_for_helper(self._bridge.state)
        shade = partial(status_colour, peer.status, without_helper=without_helper)
        self._status_sign.draw(status_sign(peer.status, without_helper), shade)
        _say(self.status, explained(peer.status, peer.path, without_helper=without_helper))
        self._show_reason(why_not_direct(details))
        self.verify_button.setEnabled(bool(peer.fingerprint))
        shown = list(facts_of(details, self._networks()))
        names, before = {fact.name for fact in shown}, len(self._values)
        for fact in shown:
            self._show_fact(fact)
        for name, label in self._values.items():
            self.facts.setRowVisible(label, name in names)
        if len(self._values) > before or any(map(_is_cut, self._values.values())):
            self.fit()
        _show_candidates(self.candidates, details.candidates)

    def _show_reason(self, reason: str) -> None:
        if reason != self.why.text():
            self.why.setText(reason)
            self._reason_row.setVisible(bool(reason))
            self.fit()

    def _show_fact(self, fact: Fact) -> None:
        """A new line, or another value in it; the same value stays, with what is selected of it."""
        if fact.name not in self._values:
            value = self._values[fact.name] = text_label(selectable=True)
            value.setAccessibleName(fact.name)
            if fact.fixed:
                value.setFont(fixed_font(value.font().pointSizeF() * 0.95))
            self.facts.addRow(text_label(fact.name, muted=True), value)
        _say(self._values[fact.name], fact.value)


def facts_of(details: PeerDetails, networks: Mapping[int, str]) -> Iterator[Fact]:
    """What is known, in the order of interest; every line is always there, so that nothing jumps."""
    peer = details.peer
    yield Fact(_("Nickname"), shown_name(peer.nickname))
    yield Fact(_("Addresses"), f"{peer.address}\n{peer.address6}", fixed=True)
    yield Fact(
        _("Networks"), ", ".join(sorted(networks[each] for each in peer.networks if each in networks)) or NOTHING
    )
    yield Fact(_("Path"), _path(peer))
    yield Fact(_("Round trip"), latency(peer.latency) or NOTHING)
    yield Fact(_("Last received"), NOTHING if peer.last_received is None else moment(peer.last_received))
    yield Fact(
        _("Carried"),
        _("{sent} sent, {received} received").format(
            sent=amount(peer.sent_bytes), received=amount(peer.received_bytes)
        ),
    )
    yield Fact(_("Encryption"), details.suite_name or NOTHING)
    yield Fact(_("Keys"), _keys(details))
    yield Fact(_("Fingerprint"), peer.fingerprint or NOTHING, fixed=True)
    if peer.new_fingerprint:
        yield Fact(_("New fingerprint"), peer.new_fingerprint, fixed=True)
    yield Fact(_("Verified"), _("yes, by the safety number") if peer.verified else _("no"))


def as_text(details: PeerDetails, networks: Mapping[int, str]) -> str:
    """The same as plain text, for a mail or a question."""
    lines = [f"{shown_name(peer_name(details.peer))}: {peer_status(details.peer.status, details.peer.path)}"]
    facts = list(facts_of(details, networks))
    width = max(len(fact.name) for fact in facts)
    lines += [f"{fact.name:{width}}  {fact.value.replace(chr(10), ', ')}" for fact in facts]
    lines += ["", _("Ways that were tried")]
    lines += ["  ".join(part for part in _columns(each) if part) for each in details.candidates] or [NOTHING]
    return "\n".join(lines) + "\n"


def amount(count: int) -> str:
    """Bytes as people say them."""
    value = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1_000:
            return f"{decimal(value, 0 if unit == 'B' or value >= 100 else 1)} {unit}"
        value /= 1_000
    return f"{decimal(value, 1)} TB"


def _keys(details: PeerDetails) -> str:
    if details.peer.keys_since is None:
        return NOTHING
    if not details.rekeys:
        return _("since {time}").format(time=moment(details.peer.keys_since))
    renewed = ngettext("renewed {count} time", "renewed {count} times", details.rekeys)
    return _("since {time}, {renewed}").format(time=moment(details.peer.keys_since), renewed=renewed)


def why_not_direct(details: PeerDetails) -> str:
    """Where a person may look for the reason that there is no direct path; empty where there is one."""
    peer = details.peer
    if peer.status is PeerStatus.FAILED:
        return _("A firewall may be in between, here or there. The network check looks at this side.")
    if peer.path is PathKind.STREAM_RELAY:
        return _("Why? A firewall in this network lets no UDP out to the relay. The network check tells more.")
    if peer.path is PathKind.RELAY and details.both_hard:
        return _(
            "Why? The routers here and there both show each destination another port, so neither finds the other. One "
            "of them that opens a port for Buri is enough. The network check tells how."
        )
    if peer.path is PathKind.RELAY:
        return _(
            "Why? The routers or firewalls here and there, taken together, let no direct path through. The network "
            "check shows what can be done on this side."
        )
    return ""


def _path(peer: PeerView) -> str:
    if peer.path is None:
        return NOTHING
    way = peer_status(peer.status, peer.path)
    if peer.relay:
        way = _("{way}, through {relay}").format(way=way, relay=peer.relay)
    elif peer.endpoint:
        way = _("{way}, over {endpoint}").format(way=way, endpoint=peer.endpoint)
    return f"{way}\n{said(peer.route)}" if peer.route not in ("", "TCP") else way  # the latter is said already


def _columns(candidate: CandidateView) -> tuple[str, str, str, str]:
    kinds = {
        "host": _("its own network"),
        "reflexive": _("seen by the server"),
        "peer-reflexive": _("seen by the peer"),
        "mapped": _("opened by the router"),
        "relay": _("relay"),
        "stream-relay": _("relay over TCP"),
    }
    statuses = {
        "waiting": _("waiting"),
        "checked": _("works"),
        "failed": _("no answer"),
        "in use": _("in use"),
    }
    return (
        candidate.endpoint,
        kinds.get(candidate.kind, candidate.kind),
        statuses.get(candidate.status, candidate.status),
        latency(candidate.round_trip),
    )


def _candidate_table() -> QTreeWidget:
    table = QTreeWidget()
    table.setHeaderLabels([_("Endpoint"), _("Kind"), _("Result"), _("Round trip")])
    table.setAccessibleName(_("Ways that were tried"))
    table.setRootIsDecorated(False)
    table.setUniformRowHeights(True)
    table.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
    table.setMinimumHeight(17 * SPACE)
    header = table.header()
    header.setStretchLastSection(False)
    header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
    for column in (1, 2, 3):
        header.setSectionResizeMode(column, QHeaderView.ResizeMode.ResizeToContents)
    return table


def _show_candidates(table: QTreeWidget, candidates: tuple[CandidateView, ...]) -> None:
    """Lines are kept and only their texts change: a selection stays."""
    while table.topLevelItemCount() > len(candidates):
        table.takeTopLevelItem(table.topLevelItemCount() - 1)
    while table.topLevelItemCount() < len(candidates):
        table.addTopLevelItem(QTreeWidgetItem())
    for place, candidate in enumerate(candidates):
        item = table.topLevelItem(place)
        for column, text in enumerate(_columns(candidate)):
            if item is not None and item.text(column) != text:
                item.setText(column, text)


def _is_cut(label: QLabel) -> bool:
    return label.isVisible() and label.height() < label.heightForWidth(label.width())


def _say(label: QLabel, text: str) -> None:
    """Only another text: setting it takes away what a person has selected."""
    if label.text() != text:
        label.setText(text)
