"""The fields in which a person names a server: an invite link, or an address and a fingerprint.

What was typed is checked here and becomes an Invite; nothing is asked of anybody. A server can't be asked for its
fingerprint: it answers only to those who know it, so that nobody trusts a stranger by a click. Used by the welcome and
by the dialog that changes the server.
"""

from typing import Final

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QLineEdit, QWidget

from app.engine.state import Problem
from app.protocol.invite import MAX_LINK, Invite, InviteError, checked_host, parse_host_and_port, parse_invite
from app.protocol.keys import KeyFormatError, format_fingerprint, parse_fingerprint
from app.protocol.names import shown_name
from app.ui.look.widgets import form_in, problem_named, text_label
from app.ui.words.translations import _

MAX_SERVER: Final = 263
"""Characters of the longest host with brackets and port."""
MAX_FINGERPRINT: Final = 64
PREFIX: Final = "SHA256:"


def invite_of(link: str) -> Invite | Problem:
    """What a link says, or what is wrong with it."""
    try:
        return parse_invite(link)
    except InviteError as error:
        return problem_named("invite-not-valid", reason=_reason(error))


def server_of(server: str, fingerprint: str) -> Invite | Problem:
    """What was typed for a server, as an invite without a network, or what is wrong with it."""
    try:
        host, port = parse_host_and_port(server)
    except InviteError as error:
        return problem_named("setting-not-valid", reason=_reason(error))
    try:
        text = fingerprint.strip()
        return Invite(host, port, parse_fingerprint(text if text.startswith(PREFIX) else PREFIX + text))
    except KeyFormatError as error:
        return problem_named("setting-not-valid", reason=_reason(error))


def host_of(host: str) -> str | Problem:
    """A name or address that others shall use, checked, or what is wrong with it."""
    try:
        return checked_host(host.strip())
    except InviteError as error:
        return problem_named("setting-not-valid", reason=_reason(error))


def server_text(invite: Invite) -> str:
    """Host and port as people write them."""
    return f"[{invite.host}]:{invite.port}" if ":" in invite.host else f"{invite.host}:{invite.port}"


def _reason(error: Exception) -> str:
    """What a parser says, as the beginning of a sentence."""
    reason = str(error).removeprefix("invite: ").rstrip(".")
    return reason[:1].upper() + reason[1:]


class LinkField(QWidget):
    """A field for an invite link, and what the link says in words."""

    changed = Signal()

    def __init__(self, link: str = "", parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.line = QLineEdit(maxLength=MAX_LINK)
        self.line.setPlaceholderText("buri://…")
        self.line.setClearButtonEnabled(True)
        self.server, self.fingerprint, self.network = (text_label(selectable=True) for _part in range(3))
        for label in (self.server, self.fingerprint):
            label.setWordWrap(False)  # they have no place to be broken at, and must be seen whole
        self._form = form_in(self)
        self._form.addRow(_("Invite &link"), self.line)
        self._form.addRow(_("Server"), self.server)
        self._form.addRow(_("Fingerprint"), self.fingerprint)
        self._form.addRow(_("Network"), self.network)
        self.setFocusProxy(self.line)
        self.line.textChanged.connect(self._show)
        self.line.setText(link)
        self._show()

    @property
    def answer(self) -> Invite | Problem:
        """The invite, or what is wrong."""
        return invite_of(self.line.text())

    def _show(self) -> None:
        answer = self.answer
        invite = answer if isinstance(answer, Invite) else None
        if invite is not None:
            self.server.setText(server_text(invite))
            self.fingerprint.setText(format_fingerprint(invite.fingerprint))
            self.network.setText(shown_name(invite.network or ""))
        for label in (self.server, self.fingerprint):
            self._form.setRowVisible(label, invite is not None)
        self._form.setRowVisible(self.network, invite is not None and invite.network is not None)
        self.changed.emit()


class ServerFields(QWidget):
    """Fields for a server's address and its fingerprint."""

    changed = Signal()

    def __init__(self, server: str = "", fingerprint: str = "", parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.server = QLineEdit(server, maxLength=MAX_SERVER)
        self.server.setPlaceholderText(_("server.example.org or 192.0.2.7:12975"))
        self.fingerprint = QLineEdit(fingerprint, maxLength=MAX_FINGERPRINT)
        self.fingerprint.setPlaceholderText("SHA256:…")
        form = form_in(self)
        form.addRow(_("&Server"), self.server)
        form.addRow(_("&Fingerprint"), self.fingerprint)
        form.addRow(
            "",
            text_label(
                _(
                    "The fingerprint proves that it is the right server. Its operator finds it with “buri server "
                    "fingerprint”; an invite link holds it already."
                ),
                muted=True,
            ),
        )
        self.setFocusProxy(self.server)
        self.server.textChanged.connect(self.changed)
        self.fingerprint.textChanged.connect(self.changed)

    @property
    def answer(self) -> Invite | Problem:
        """The server as an invite, or what is wrong."""
        return server_of(self.server.text(), self.fingerprint.text())
