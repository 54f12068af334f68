"""Dialogs about networks: create one, join one, guard it with a password or rules, leave or delete it.

Opened by app/ui/actions.py. The engine checks what was typed; a refusal is told in the dialog and nothing is lost.
"""

from typing import Final

from PySide6.QtCore import Signal
from PySide6.QtWidgets import (
    QAbstractButton,
    QButtonGroup,
    QCheckBox,
    QLineEdit,
    QPushButton,
    QRadioButton,
    QVBoxLayout,
    QWidget,
)

from app.engine.state import EngineState, JoinResult, MemberStatus, NetworkView, Problem, Protection
from app.protocol.invite import MAX_LINK, Invite
from app.protocol.keys import format_fingerprint
from app.protocol.network_secret import secret_to_invite
from app.protocol.wire import MAX_NAME, NetworkId
from app.ui.dialogs.server_choice import invite_of
from app.ui.engine_bridge import EngineBridge
from app.ui.look.dialog import Dialog
from app.ui.look.theme import SPACE
from app.ui.look.widgets import (
    Note,
    NumberField,
    PasswordField,
    problem_named,
    text_indent,
    text_label,
    under_choice,
    wrapping_name,
)
from app.ui.words.translations import _, ngettext

MAX_MEMBERS: Final = 0xFFFF


class CreateNetwork(Dialog):
    """Name and protection of a new network. `created` is emitted once the roster shows it."""

    created = Signal(NetworkView)

    def __init__(self, parent: QWidget | None, bridge: EngineBridge) -> None:
        super().__init__(
            parent,
            _("Create a network"),
            _("A private group of computers that reach each other as if they were in one room. You will own it."),
            _("C&reate"),
        )
        self._bridge = bridge
        self._number: NetworkId | None = None
        self.name = QLineEdit(maxLength=MAX_NAME)
        self.name.setPlaceholderText(_("For example: Family"))
        self.form.addRow(_("&Name"), self.name)
        self.with_password = QRadioButton(_("With a &password"))
        self.by_invite = QRadioButton(_("By invite &link only"))
        self.unprotected = QRadioButton(_("&Open"))
        self.password = PasswordField()
        self.password.setAccessibleName(_("Password of the network"))
        self.password.setPlaceholderText(_("Password"))
        self.strength = PasswordHint(self.password)
        self.add(self._protection())
        self.with_password.toggled.connect(self._show_password)
        self.strength.changed.connect(self.fit)
        self.with_password.setChecked(True)
        bridge.state_changed.connect(self._look_for_it)

    def _protection(self) -> QWidget:
        box = QWidget()
        layout = QVBoxLayout(box)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(SPACE // 2)
        group = QButtonGroup(box)
        under = QVBoxLayout()
        under.setContentsMargins(text_indent(self.with_password), SPACE // 2, 0, SPACE // 2)
        under.addWidget(self.password)
        under.addWidget(self.strength)
        for button, meaning in (
            (
                self.with_password,
                _("Whoever knows name and password can join. Not even the server learns the password."),
            ),
            (self.by_invite, _("Whoever has the link can join: the secret is in it.")),
            (
                self.unprotected,
                _("Anybody who knows the name can join, and you rely on the server for who is a member."),
            ),
        ):
            group.addButton(button)
            layout.addSpacing(SPACE // 2)
            layout.addWidget(button)
            layout.addWidget(under_choice(button, meaning))
            if button is self.with_password:
                layout.addLayout(under)
        return box

    def submit(self) -> None:
        """Create it, then wait until the roster shows it."""
        name, password = self.name.text(), self.password.text() if self.with_password.isChecked() else None
        if password == "":
            self.show_problem(problem_named("password-not-valid", reason=_("It is empty")))
            return
        invite_only = self.by_invite.isChecked()
        self.carry_out(
            self._bridge,
            lambda engine: engine.create_network(name, password, invite_only=invite_only),
            self._made,
        )

    def field_of(self, problem: Problem) -> QWidget | None:
        """The password's problems are the password's; all others are probably the name's."""
        return self.password if problem.code == "password-not-valid" else self.name

    def _made(self, network: NetworkId) -> None:
        self._number = network
        self._look_for_it(self._bridge.state)

    def _look_for_it(self, state: EngineState) -> None:
        network = None if self._number is None else state.network(self._number)
        if network is not None and self.isVisible():
            self._number = None
            self.accept()
            self.created.emit(network)

    def _show_password(self, wanted: bool) -> None:
        self.password.setVisible(wanted)
        self.strength.setVisible(wanted)


class JoinNetwork(Dialog):
    """By name, or with an invite link in the same field. `other_server` hands on a link for another server."""

    other_server = Signal(str)

    def __init__(self, parent: QWidget | None, bridge: EngineBridge, name: str = "") -> None:
        """`name` may be a link."""
        super().__init__(
            parent,
            _("Join a network"),
            _("Type the network's name, or paste an invite link that somebody sent you."),
            _("&Join"),
        )
        self._bridge = bridge
        self.name = QLineEdit(maxLength=MAX_LINK)
        self.name.setPlaceholderText(_("Name or buri:// link"))
        self.password = PasswordField()
        self.password.setPlaceholderText(_("If the network has one"))
        self.link = Note()
        self.form.addRow(_("&Network"), self.name)
        self.form.addRow(_("&Password"), self.password)
        self.add(self.link)
        self.name.textChanged.connect(self._read)
        self.name.setText(name[:MAX_LINK])
        self._read(self.name.text())
        if name and self.form.isRowVisible(self.password):
            self.password.setFocus()

    @property
    def is_link(self) -> bool:
        """Whether a link was pasted rather than a name."""
        return self.name.text().strip().lower().startswith("buri:")

    def _read(self, text: str) -> None:
        """Say what a link invites to; a broken one is told only when it is used, as it may not be whole yet."""
        answer = invite_of(text) if self.is_link else None
        invite = answer if isinstance(answer, Invite) else None
        holds_secret = invite is not None and invite.secret is not None
        self.form.setRowVisible(self.password, not holds_secret)
        self.link.tell(_told(invite) if invite is not None else "", "invite")

    def submit(self) -> None:
        """Join it."""
        name, secret = self.name.text(), None
        if self.is_link:
            invite = invite_of(name)
            if isinstance(invite, Problem):
                self.show_problem(invite)
                return
            if format_fingerprint(invite.fingerprint) != self._bridge.state.server.fingerprint:
                self.accept()
                self.other_server.emit(name)
                return
            if invite.network is None:
                self.show_problem(
                    problem_named("invite-not-valid", reason=_("It invites to the server, not to a network"))
                )
                return
            name, secret = invite.network, None if invite.secret is None else secret_to_invite(invite.secret)
        password = (self.password.text() or None) if secret is None else None
        self.carry_out(
            self._bridge,
            lambda engine: engine.join_network(name, password, secret),
            lambda result: self._joined(name, result),
        )

    def field_of(self, problem: Problem) -> QWidget | None:
        """What is asked for, or was wrong."""
        about_password = ("password-needed", "password-not-valid", "refused-wrong-password", "secret-wrong")
        return self.password if problem.code in about_password else self.name

    def _joined(self, name: str, result: JoinResult) -> None:
        if not result.pending:
            self.accept()
            return
        self.conclude(
            _("The owner must let you in"),
            _(
                "{name} is in your list, and waits there until its owner approves. Nothing more needs to be done here."
            ).format(name=wrapping_name(name)),
        )


class SetPassword(Dialog):
    """Owner: a new password, or none any more."""

    def __init__(self, parent: QWidget | None, bridge: EngineBridge, network: NetworkView) -> None:
        title = _("Change the password") if network.has_password else _("Set a password")
        super().__init__(parent, title, _password_meaning(network), _("&Set password"))
        self._bridge, self._number = bridge, NetworkId(network.id)
        self.password = PasswordField()
        self.strength = PasswordHint(self.password)
        self.strength.changed.connect(self.fit)
        self.form.addRow(_("New &password"), self.password)
        self.add(self.strength)
        self.remove_button = QPushButton(_("&Remove password"))
        self.remove_button.setAutoDefault(False)
        self.remove_button.setToolTip(_("New members then need the invite link, which holds the secret."))
        self.remove_button.clicked.connect(lambda: self._set(None))
        self.remove_button.setVisible(network.has_password)
        self.add_beside_buttons(self.remove_button)

    def submit(self) -> None:
        """Set what was typed."""
        if self.password.text():
            self._set(self.password.text())
        else:
            self.show_problem(problem_named("password-not-valid", reason=_("It is empty")))

    def field_of(self, problem: Problem) -> QWidget | None:
        """There is only one."""
        return self.password

    def set_busy(self, busy: bool) -> None:
        """Neither button twice."""
        super().set_busy(busy)
        self.remove_button.setEnabled(not busy)

    def _set(self, password: str | None) -> None:
        number = self._number
        self.carry_out(self._bridge, lambda engine: engine.set_password(number, password))


class SetAccess(Dialog):
    """Owner: who may come in, and how many."""

    def __init__(self, parent: QWidget | None, bridge: EngineBridge, network: NetworkView) -> None:
        super().__init__(
            parent,
            _("Access to {name}").format(name=wrapping_name(network.name)),
            _("Who may come in from now on. Members who are in already stay."),
            _("&Save"),
        )
        self._bridge, self._network = bridge, network
        self.locked = QCheckBox(_("&Take no new members"))
        self.locked.setChecked(network.locked)
        self.approval = QCheckBox(_("I &approve each new member"))
        self.approval.setChecked(network.approval)
        self.limit = NumberField(1, MAX_MEMBERS)
        self.limit.setAccelerated(True)
        self.limit.setValue(network.member_limit)
        self.form.addRow(_with_meaning(self.locked, _("Nobody can join while this is on, not even with the password.")))
        self.form.addRow(_with_meaning(self.approval, _("Whoever wants to join waits until you say yes.")))
        self.form.addRow(_("At most this many &members"), self.limit)
        members = sum(each.status is not MemberStatus.PENDING for each in network.members)
        self.form.addRow("", text_label(ngettext("{count} member now", "{count} members now", members), muted=True))

    def submit(self) -> None:
        """Tell the server what was changed, and nothing else: another setting may have changed meanwhile."""
        before, locked, approval, limit = (
            self._network,
            self.locked.isChecked(),
            self.approval.isChecked(),
            self.limit.value(),
        )
        changes = {
            "locked": locked if locked != before.locked else None,
            "approval": approval if approval != before.approval else None,
            "member_limit": limit if limit != before.member_limit else None,
        }
        if all(each is None for each in changes.values()):
            self.accept()
            return
        number = NetworkId(before.id)
        self.carry_out(self._bridge, lambda engine: engine.set_access(number, **changes))


class LeaveNetwork(Dialog):
    """Ask before leaving."""

    def __init__(self, parent: QWidget | None, bridge: EngineBridge, network: NetworkView) -> None:
        back = (
            _("Its members can no longer reach this computer through it. To come back you need its password.")
            if network.has_password
            else _("Its members can no longer reach this computer through it. To come back you need an invite link.")
            if network.protection is not Protection.OPEN
            else _("Its members can no longer reach this computer through it. You may come back at any time.")
        )
        super().__init__(
            parent,
            _("Leave {name}?").format(name=wrapping_name(network.name)),
            back,
            _("&Leave"),
            destructive=True,
        )
        self._bridge, self._number = bridge, NetworkId(network.id)

    def submit(self) -> None:
        """Leave."""
        number = self._number
        self.carry_out(self._bridge, lambda engine: engine.leave_network(number))


class DeleteNetwork(Dialog):
    """Ask the owner before the network is gone for all."""

    def __init__(self, parent: QWidget | None, bridge: EngineBridge, network: NetworkView) -> None:
        others = sum(not each.is_self and each.status is not MemberStatus.PENDING for each in network.members)
        super().__init__(
            parent,
            _("Delete {name} for everybody?").format(name=wrapping_name(network.name)),
            ngettext(
                "{count} other member loses it, and its chat can't go on. This can't be undone.",
                "{count} other members lose it, and its chat can't go on. This can't be undone.",
                others,
            )
            if others
            else _("Nobody else is in it. This can't be undone."),
            _("&Delete"),
            destructive=True,
        )
        self._bridge, self._number = bridge, NetworkId(network.id)

    def submit(self) -> None:
        """Delete."""
        number = self._number
        self.carry_out(self._bridge, lambda engine: engine.delete_network(number))


class PasswordHint(Note):
    """A modest word on how well the password in `field` holds; it refuses nothing."""

    changed = Signal()
    """It says something else."""

    def __init__(self, field: PasswordField) -> None:
        super().__init__()
        field.textChanged.connect(self._judge)
        self._judge("")

    def _judge(self, password: str) -> None:
        before = self.text
        self.tell(*password_hint(password))
        if self.text != before:
            self.changed.emit()


def password_hint(password: str) -> tuple[str, str]:
    """The hint and its sign: length is what counts, against somebody who can try for long."""
    if not password:
        return _("A few words that don't belong together are good, and easy to tell by phone."), "info"
    if len(password) < 8 or len(set(password)) < 5:
        return _("Short: somebody could guess it. Three words that don't belong together are better."), "attention"
    if len(password) < 14:
        return _("Fair. Longer is better."), "info"
    return _("Good."), "check"


def _with_meaning(button: QAbstractButton, meaning: str) -> QWidget:
    box = QWidget()
    layout = QVBoxLayout(box)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setSpacing(SPACE // 2)
    layout.addWidget(button)
    layout.addWidget(under_choice(button, meaning))
    return box


def _told(invite: Invite) -> str:
    if invite.network is None:
        return _("An invite to the server {server}.").format(server=invite.host)
    name = wrapping_name(invite.network)
    if invite.secret is not None:
        return _("An invite to {name} on {server}. No password is needed.").format(name=name, server=invite.host)
    return _("An invite to {name} on {server}.").format(name=name, server=invite.host)


def _password_meaning(network: NetworkView) -> str:
    name = wrapping_name(network.name)
    if network.protection is Protection.OPEN:
        return _(
            "{name} was open so far. Whoever is in it already must join again with the password to reach you."
        ).format(name=name)
    return _("Members of {name} stay. Whoever joins from now on needs the new password.").format(name=name)
