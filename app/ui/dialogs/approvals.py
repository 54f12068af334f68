"""Who waits to be let into one of the own networks: one line each with Approve and Reject, always up to date.

Opened by app/ui/actions.py and from a notification.
"""

from functools import partial
from typing import Final

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFrame, QHBoxLayout, QPushButton, QScrollArea, QVBoxLayout, QWidget

from app.engine.state import EngineState, MemberStatus, MemberView, NetworkView, Problem
from app.protocol.wire import NetworkId, parse_address
from app.ui.engine_bridge import EngineBridge
from app.ui.look.dialog import Dialog
from app.ui.look.theme import SPACE
from app.ui.look.widgets import Sign, text_label, wrapping_name
from app.ui.words.translations import _, ngettext

WIDTH: Final = 520
MAX_HEIGHT: Final = 40 * SPACE
"""Of the list; it scrolls then."""
MAX_LINES: Final = 100
"""More are counted only: a server may list any number."""

Waiting = tuple[int, MemberView]
"""The network's id, and who waits."""


class Approvals(Dialog):
    """All that wait, over all own networks or one of them."""

    def __init__(self, parent: QWidget | None, bridge: EngineBridge, network: NetworkView | None = None) -> None:
        super().__init__(
            parent,
            _("Waiting for approval"),
            _("These computers want to join. Ask by phone if you are not sure who somebody is."),
        )
        self._bridge, self._only = bridge, None if network is None else network.id
        self._shown: tuple[Waiting, ...] | None = None
        self.lines: dict[tuple[int, str], _Line] = {}
        self._list = QWidget()
        self._list_layout = QVBoxLayout(self._list)
        self._list_layout.setContentsMargins(0, 0, 0, 0)
        self._list_layout.setSpacing(SPACE)
        self._empty = _nobody()
        self._more = text_label(muted=True)
        self._scroll = QScrollArea()
        self._scroll.setAccessibleName(_("Who is waiting"))
        self._scroll.setWidget(self._list)
        self._scroll.setWidgetResizable(True)
        self._scroll.setFrameShape(QFrame.Shape.NoFrame)
        self._scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.add(self._empty)
        self.add(self._scroll)
        self.add(self._more)
        self.setMinimumWidth(WIDTH)
        bridge.state_changed.connect(self.show_state)
        self.show_state(bridge.state)

    def show_state(self, state: EngineState) -> None:
        """Show who waits now; lines of those who still wait stay as they are."""
        networks = {each.id: each for each in state.networks if each.is_owner and self._only in (None, each.id)}
        waiting = tuple(
            (network.id, member)
            for network in networks.values()
            for member in network.members
            if member.status is MemberStatus.PENDING
        )
        if waiting == self._shown:
            return
        self._shown = waiting
        shown = {(network, member.address): (network, member) for network, member in waiting[:MAX_LINES]}
        for key in self.lines.keys() - shown.keys():
            self.lines.pop(key).deleteLater()
        for place, (key, (network, member)) in enumerate(shown.items()):
            if key not in self.lines:
                self.lines[key] = self._line(networks[network], member)
                self._list_layout.insertWidget(place, self.lines[key])
        self._say_how_many(len(waiting))

    def _say_how_many(self, waiting: int) -> None:
        self._empty.setVisible(not waiting)
        self.explanation.setVisible(bool(waiting))
        self._scroll.setVisible(bool(waiting))
        self._more.setVisible(waiting > MAX_LINES)
        self._more.setText(ngettext("and {count} more", "and {count} more", waiting - MAX_LINES))
        wanted = self._list_layout.totalHeightForWidth(WIDTH - 6 * SPACE) if waiting else 0
        self._scroll.setMinimumHeight(min(wanted, MAX_HEIGHT))
        self.fit()

    def _line(self, network: NetworkView, member: MemberView) -> "_Line":
        line = _Line(network, member)
        line.approve.clicked.connect(partial(self._decide, network, member, True))
        line.reject.clicked.connect(partial(self._decide, network, member, False))
        return line

    def _decide(self, network: NetworkView, member: MemberView, welcome: bool) -> None:
        """The line goes when the server has said that it is done."""
        number, address = NetworkId(network.id), parse_address(member.address)
        line = self.lines[network.id, member.address]
        line.setEnabled(False)

        def failed(problem: Problem) -> None:
            line.setEnabled(True)
            self.show_problem(problem)

        self._bridge.call(
            line,
            lambda engine: engine.approve(number, address) if welcome else engine.reject(number, address),
            failed=failed,
        )


def _nobody() -> QWidget:
    box = QWidget()
    layout = QVBoxLayout(box)
    layout.setContentsMargins(0, 2 * SPACE, 0, 2 * SPACE)
    layout.setSpacing(SPACE)
    text = text_label(_("Nobody is waiting. Whoever asks to join one of your networks shows here."), muted=True)
    for widget in (Sign("people", size=40), text):
        widget.setAlignment(Qt.AlignmentFlag.AlignCenter)
        layout.addWidget(widget)
    return box


class _Line(QFrame):
    """One computer that waits."""

    def __init__(self, network: NetworkView, member: MemberView) -> None:
        super().__init__()
        self.setProperty("card", True)
        name, network_name = wrapping_name(member.nickname) or member.address, wrapping_name(network.name)
        sign = Sign("person", size=24)
        title = text_label(name)
        bold = title.font()
        bold.setBold(True)
        title.setFont(bold)
        about = text_label(
            _("wants to join {network} · {address}").format(network=network_name, address=member.address), muted=True
        )
        self.setToolTip(member.fingerprint)
        self.approve, self.reject = QPushButton(_("Approve")), QPushButton(_("Reject"))
        self.approve.setAccessibleName(_("Approve {name} in {network}").format(name=name, network=network_name))
        self.reject.setAccessibleName(_("Reject {name} in {network}").format(name=name, network=network_name))
        words = QVBoxLayout()
        words.setSpacing(2)
        words.addWidget(title)
        words.addWidget(about)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(SPACE + 4, SPACE, SPACE + 4, SPACE)
        layout.setSpacing(SPACE)
        layout.addWidget(sign)
        layout.addSpacing(SPACE // 2)
        layout.addLayout(words, 1)
        for button in (self.approve, self.reject):
            button.setAutoDefault(False)
            layout.addWidget(button)
