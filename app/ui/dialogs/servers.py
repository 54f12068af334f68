"""Dialogs about the server in use: change it, and open a link that was sent to this person.

Changing the server is always a person's own click: a link only fills the fields in. Opened by app/ui/actions.py.
"""

from collections.abc import Callable
from typing import Final

from PySide6.QtWidgets import QTabWidget, QWidget

from app.engine.state import Problem
from app.protocol.invite import Invite
from app.ui.dialogs.server_choice import LinkField, ServerFields
from app.ui.dialogs.session_dialog import SessionDialog
from app.ui.look.dialog import Dialog
from app.ui.look.widgets import Note
from app.ui.session import Session
from app.ui.words.translations import _

WIDTH: Final = 580
"""A fingerprint is seen whole."""


class ChangeServer(SessionDialog):
    """Moves this computer to another server."""

    def __init__(
        self, parent: QWidget | None, session: Session, link: str = "", join: Callable[[str], object] | None = None
    ) -> None:
        """`join` gets a link with a network once its server is in use."""
        super().__init__(
            parent,
            session,
            _("This link is for another server") if link else _("Change server"),
            _(
                "This computer leaves its present server and uses the other one. Its networks stay remembered for each "
                "server: when you change back, they are there again."
            ),
            _("&Change server"),
        )
        self._join = join
        self.setMinimumWidth(WIDTH)
        settings = session.settings
        server = settings.server if settings is not None else None
        self.link = LinkField(link)
        self.fields = ServerFields(str(server) if server else "", server.fingerprint if server else "")
        self.tabs = QTabWidget()
        self.tabs.addTab(_padded(self.link), _("By invite &link"))
        self.tabs.addTab(_padded(self.fields), _("By &name"))
        self.tabs.setCurrentIndex(0 if link else 1)
        self.tabs.setDocumentMode(True)
        self.add(self.tabs)
        if server is not None:
            self.add(Note(_("Now: {server}, {fingerprint}").format(server=server, fingerprint=server.fingerprint)))
        for part in (self.link, self.fields):
            part.changed.connect(self.fit)

    def submit(self) -> None:
        """Change to it."""
        by_link = self.tabs.currentIndex() == 0
        answer = self.link.answer if by_link else self.fields.answer
        if isinstance(answer, Problem):
            self.show_problem(answer)
            return
        text = self.link.line.text() if by_link and answer.network is not None else ""
        self.work(lambda: self.session.use_server(answer), lambda _none: self._changed(text))

    def _changed(self, link: str) -> None:
        self.accept()
        if link and self._join is not None:
            self._join(link)


class OpenLink(Dialog):
    """A field to paste an invite link into; what it leads to is shown next."""

    def __init__(self, parent: QWidget | None, open_link: Callable[[str], object]) -> None:
        super().__init__(parent, _("Open an invite link"), _("Paste the link that a friend sent you."), _("&Open it"))
        self._open = open_link
        self.setMinimumWidth(WIDTH)
        self.link = LinkField()
        self.link.changed.connect(self.fit)
        self.add(self.link)

    def submit(self) -> None:
        """Show what it leads to."""
        answer = self.link.answer
        if isinstance(answer, Invite):
            self.accept()
            self._open(self.link.line.text())
        else:
            self.show_problem(answer)


def _padded(content: QWidget) -> QWidget:
    layout = content.layout()
    assert layout is not None
    layout.setContentsMargins(12, 12, 12, 12)
    return content
