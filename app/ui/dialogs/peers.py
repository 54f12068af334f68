"""Dialogs about one peer: compare the safety number, accept a changed key, set an alias, put it out of a network.

Opened by app/ui/actions.py. Names are what strangers call themselves: they are shown, never interpreted.
"""

from typing import Final

from PySide6.QtCore import Qt
from PySide6.QtGui import QFont
from PySide6.QtWidgets import QCheckBox, QFrame, QGridLayout, QLabel, QLineEdit, QPushButton, QVBoxLayout, QWidget

from app.engine.state import MemberView, NetworkView, PeerView, Problem, Verification
from app.protocol.wire import MAX_NAME, NetworkId, parse_address
from app.ui.engine_bridge import EngineBridge
from app.ui.look.dialog import Dialog
from app.ui.look.theme import SPACE
from app.ui.look.widgets import Note, fixed_font, text_label, under_choice, wrapping_name
from app.ui.words.statuses import peer_name
from app.ui.words.translations import _

GROUPS_IN_A_ROW: Final = 4


class SafetyNumber(QFrame):
    """The number that two people read to each other, in rows of groups that the eye can hold."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setProperty("card", True)
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(2 * SPACE, 2 * SPACE, 2 * SPACE, 2 * SPACE)
        self._grid.setHorizontalSpacing(3 * SPACE)
        self._grid.setVerticalSpacing(SPACE)
        self.setMinimumHeight(15 * SPACE)

    def show_number(self, number: str) -> None:
        """Show groups of digits that are divided by spaces."""
        font = fixed_font(self.font().pointSizeF() * 1.7)
        font.setWeight(QFont.Weight.Medium)
        for place, group in enumerate(number.split()):
            label = QLabel(group)
            label.setTextFormat(Qt.TextFormat.PlainText)
            label.setFont(font)
            label.setAlignment(Qt.AlignmentFlag.AlignCenter)
            self._grid.addWidget(label, place // GROUPS_IN_A_ROW, place % GROUPS_IN_A_ROW)
        self.setAccessibleName(_("Safety number: {number}").format(number=number))
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)


class VerifyPeer(Dialog):
    """Two people compare the number of both their keys, and the mark says that they did."""

    def __init__(self, parent: QWidget | None, bridge: EngineBridge, peer: PeerView) -> None:
        self._name = wrapping_name(peer_name(peer))
        super().__init__(
            parent,
            _("Verify {name}").format(name=self._name),
            _(
                "Call {name}, or sit together, and read this number to each other: {name} finds it under Verify… in "
                "the menu of {own}. If both numbers are the same, nobody sits between you."
            ).format(name=self._name, own=bridge.state.server.nickname or _("this computer")),
            _("They &match"),
        )
        self._bridge, self._peer = bridge, peer
        self.number = SafetyNumber()
        self.note = Note()
        self.add(self.number)
        self.add(self.note)
        self.differ_button = QPushButton(_("They &differ"))
        self.differ_button.clicked.connect(self._differ)
        self.remove_button = QPushButton(_("&Remove the mark"))
        self.remove_button.clicked.connect(lambda: self._mark(False))
        self.block_button = QPushButton(_("&Block {name}").format(name=_button_text(self._name)))
        self.block_button.setProperty("destructive", True)
        self.block_button.clicked.connect(self._block)
        for button in (self.differ_button, self.remove_button, self.block_button):
            button.setAutoDefault(False)
            button.hide()
            self.add_beside_buttons(button)
        address = parse_address(peer.address)
        self.carry_out(bridge, lambda engine: engine.verification(address), self._show)
        self.accept_button.setEnabled(False)

    def _show(self, verification: Verification) -> None:
        self.set_busy(False)
        self.number.show_number(verification.safety_number)
        self.differ_button.show()
        self.remove_button.setVisible(verification.verified)
        self.accept_button.setVisible(not verification.verified)
        if verification.verified:
            self.cancel_button.setText(_("Close"))
            self.note.tell(
                _("You compared it before: {name} is marked as verified.").format(name=self._name), "verified"
            )
        self.fit()

    def submit(self) -> None:
        """The two numbers are the same."""
        self._mark(True)

    def show_problem(self, problem: Problem) -> None:
        """Without a number there is nothing to agree to."""
        super().show_problem(problem)
        self.accept_button.setEnabled(not self.differ_button.isHidden())

    def _mark(self, verified: bool) -> None:
        address = parse_address(self._peer.address)
        self.carry_out(self._bridge, lambda engine: engine.mark_verified(address, verified))

    def _differ(self) -> None:
        self.conclude(
            _("Don't trust this connection yet"),
            _(
                "First look whether both of you have the right person open: each number belongs to two people. "
                "If the numbers still differ, somebody may sit between you and {name}. Tell nothing secret here, reach "
                "{name} in another way, and block the peer until you know why."
            ).format(name=self._name),
        )
        self.differ_button.hide()
        self.remove_button.hide()
        self.block_button.show()
        if self._peer.verified:
            address = parse_address(self._peer.address)
            self._bridge.call(self, lambda engine: engine.mark_verified(address, False), failed=self.show_problem)

    def _block(self) -> None:
        address = parse_address(self._peer.address)
        self.carry_out(self._bridge, lambda engine: engine.set_blocked(address, True))


class AcceptKey(Dialog):
    """A peer shows another key than before: both fingerprints, a warning, and a step that nobody takes by chance."""

    def __init__(self, parent: QWidget | None, bridge: EngineBridge, peer: PeerView) -> None:
        name = wrapping_name(peer_name(peer))
        super().__init__(
            parent,
            _("{name} shows another key").format(name=name),
            _(
                "That is right if {name} has a new computer or a new identity. If not, somebody pretends to be {name}. "
                "Ask {name} by phone or in person before you go on: not in a chat here."
            ).format(name=name),
            _("&Accept the new key"),
            destructive=True,
        )
        self._bridge, self._peer = bridge, peer
        self.form.addRow(_("Key so far"), fingerprint_label(peer.fingerprint))
        self.form.addRow(_("New key"), fingerprint_label(peer.new_fingerprint or _("several at once")))
        self.sure = QCheckBox(_("I asked, and the key did &change"))
        self.sure.toggled.connect(self._allow)
        self.add(self.sure)
        if not peer.new_fingerprint:
            self.sure.setEnabled(False)
            self.add(Note(_("The server shows several keys for this peer: none can be accepted now."), "attention"))
        elif peer.verified:
            self.add(Note(_("The peer was verified. Compare the safety number again afterwards."), "verified"))
        self._allow(False)
        self.cancel_button.setFocus()

    def submit(self) -> None:
        """Trust the new key from now on."""
        address, fingerprint = parse_address(self._peer.address), self._peer.new_fingerprint
        self.carry_out(self._bridge, lambda engine: engine.accept_new_key(address, fingerprint))

    def set_busy(self, busy: bool) -> None:
        """The main button stays closed without the tick."""
        super().set_busy(busy)
        self._allow(self.sure.isChecked() and not busy)

    def _allow(self, sure: bool) -> None:
        self.accept_button.setEnabled(sure)


class SetAlias(Dialog):
    """What this computer calls a peer."""

    def __init__(self, parent: QWidget | None, bridge: EngineBridge, peer: PeerView) -> None:
        nickname = wrapping_name(peer.nickname) or peer.address
        super().__init__(
            parent,
            _("Alias for {name}").format(name=nickname),
            _("Only this computer shows it. Without an alias the peer goes by its own nickname."),
            _("&Save"),
        )
        self._bridge, self._peer = bridge, peer
        self.alias = QLineEdit(maxLength=MAX_NAME)
        self.alias.setText(peer.alias)
        self.alias.setPlaceholderText(nickname)
        self.alias.setClearButtonEnabled(True)
        self.alias.selectAll()
        self.form.addRow(_("&Alias"), self.alias)

    def submit(self) -> None:
        """Call it so; nothing takes the alias away."""
        address, alias = parse_address(self._peer.address), self.alias.text().strip()
        self.carry_out(self._bridge, lambda engine: engine.set_alias(address, alias))

    def field_of(self, problem: Problem) -> QWidget | None:
        """There is only one."""
        return self.alias


class EvictMember(Dialog):
    """Ask the owner before a member is put out."""

    def __init__(self, parent: QWidget | None, bridge: EngineBridge, network: NetworkView, member: MemberView) -> None:
        name = wrapping_name(member.nickname) or member.address
        super().__init__(
            parent,
            _("Put {name} out of {network}?").format(name=name, network=wrapping_name(network.name)),
            _("All members are told, and their tunnels with {name} that rest on this network end.").format(name=name),
            _("&Put out"),
            destructive=True,
        )
        self._bridge = bridge
        self._number, self._address = NetworkId(network.id), parse_address(member.address)
        self.ban = QCheckBox(_("&For good"))
        self.meaning = under_choice(self.ban, "")
        box = QWidget()
        layout = QVBoxLayout(box)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(SPACE // 2)
        layout.addWidget(self.ban)
        layout.addWidget(self.meaning)
        self.add(box)
        self.ban.toggled.connect(self._explain)
        self._explain(False)

    def submit(self) -> None:
        """Put it out."""
        number, address, ban = self._number, self._address, self.ban.isChecked()
        self.carry_out(self._bridge, lambda engine: engine.evict(number, address, ban=ban))

    def _explain(self, ban: bool) -> None:
        self.meaning.setText(
            _("It can't even ask to come back.") if ban else _("It may ask to come back, and you decide then.")
        )
        self.ban.setAccessibleDescription(self.meaning.text())


def fingerprint_label(fingerprint: str) -> QLabel:
    """A key's fingerprint to read, select and compare."""
    label = text_label(fingerprint, selectable=True)
    label.setWordWrap(False)
    label.setFont(fixed_font(label.font().pointSizeF() * 0.95))
    return label


def _button_text(name: str) -> str:
    """On a button `&` would be a mnemonic, and long names would stretch it."""
    short = name if len(name) <= 20 else name[:19] + "…"
    return short.replace("&", "&&")
