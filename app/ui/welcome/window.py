"""The first start: three ways to a server as cards, one page each, and then the way is gone.

It asks before it does anything, keeps what was typed when something fails, and offers the way out that belongs to a
failure (app/ui/mends.py). Opened by app/ui/actions.py.
"""

import socket
from collections.abc import Sequence
from functools import partial

from PySide6.QtCore import QEvent, Qt
from PySide6.QtWidgets import QDialog, QHBoxLayout, QLabel, QPushButton, QStackedWidget, QVBoxLayout, QWidget

from app.engine.state import EngineState, Problem, ServerStatus
from app.protocol.invite import Invite
from app.protocol.names import checked_name
from app.protocol.wire import RemoteProtocolError
from app.ui.hosted_server import LOCAL_HOST
from app.ui.look.icons import icon
from app.ui.look.theme import SPACE
from app.ui.look.widgets import ProblemBox, link_waits, text_label
from app.ui.mends import Mend, mends_of
from app.ui.verbs import Verbs
from app.ui.welcome.pages import Card, HostedPage, Hosting, HostPage, LinkPage, Page, ServerPage, Wish, server_name
from app.ui.words.translations import _

_SETTLED = (ServerStatus.ONLINE, ServerStatus.SYNCHRONISING)
_TROUBLED = (ServerStatus.WAITING, ServerStatus.REFUSED)


def default_nickname() -> str:
    """The host's name, which the person may change."""
    try:
        return checked_name(socket.gethostname().partition(".")[0])
    except RemoteProtocolError:
        return "computer"


class Welcome(QDialog):
    """A window like a wizard's: choose, fill in, done."""

    def __init__(self, parent: QWidget | None, actions: Verbs, link: str = "") -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle(_("Welcome to Buri"))
        self._actions, self._working = actions, False
        self._wish: Wish | None = None
        nickname = default_nickname()
        self.link_page, self.server_page = LinkPage(nickname, link), ServerPage(nickname)
        self.host_page, self.hosted_page = HostPage(nickname, ()), HostedPage()
        self.pages = QStackedWidget()
        self.choices = self._choices()
        for page in (self.choices, self.link_page, self.server_page, self.host_page, self.hosted_page):
            self.pages.addWidget(page)
        self.problem = ProblemBox()
        self._lay_out()
        self.pages.currentChanged.connect(self._turned)
        actions.bridge.state_changed.connect(self._look)
        actions.session.trouble_changed.connect(self._look)
        actions.bridge.run(self, actions.session.own_addresses, self.host_page.show_addresses)
        self.go_to(self.link_page if link else self.choices)

    @property
    def is_working(self) -> bool:
        """Whether something is carried out, or waits for the server's answer."""
        return self._working

    def use_link(self, link: str) -> None:
        """An invite link was opened, by whomever: it takes nothing away that was typed or is under way."""
        line, page = self.link_page.field.line, self.pages.currentWidget()
        if line.text() == link and page is self.link_page:
            return
        if self._working or line.text() not in ("", link) or page is self.hosted_page:
            self.problem.tell(link_waits())
            return
        self._wish = None
        line.setText(link)
        self.go_to(self.link_page)

    def use_host(self) -> None:
        """Offer to make a server here, unless something is under way."""
        if not self._working:
            self.go_to(self.host_page)

    # --- what it looks like

    def _choices(self) -> QWidget:
        page = QWidget()
        layout = QVBoxLayout(page)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(SPACE + SPACE // 2)
        self._mark = QLabel()
        self._mark.setPixmap(icon("buri").pixmap(56, 56))
        layout.addWidget(self._mark)
        layout.addWidget(text_label(_("Welcome to Buri"), heading=True))
        layout.addWidget(
            text_label(
                _(
                    "Private networks with your friends and computers, as if they were all in one room. They find each "
                    "other through a server that one of you runs. How do you want to begin?"
                ),
                muted=True,
            )
        )
        layout.addSpacing(SPACE)
        self.cards = (
            Card("invite", _("I have an invite link"), _("A friend sent you a link that starts with “buri://”.")),
            Card("server", _("Connect to a server"), _("You know the name and the fingerprint of a server.")),
            Card(
                "computer",
                _("Host a server on this computer"),
                _("Nobody of you has one yet: this computer becomes the meeting point, and you get a link to share."),
            ),
        )
        for card, target in zip(self.cards, (self.link_page, self.server_page, self.host_page), strict=True):
            card.clicked.connect(partial(self.go_to, target))
            layout.addWidget(card)
        layout.addStretch(1)
        return page

    def _lay_out(self) -> None:
        self.back = QPushButton(_("&Back"))
        self.back.setAutoDefault(False)
        self.back.clicked.connect(self._go_back)
        self.accept_button = QPushButton()
        self.accept_button.setDefault(True)
        self.accept_button.clicked.connect(self.submit)
        self._status = text_label(muted=True)
        self._status.setWordWrap(False)
        self._mends = QHBoxLayout()
        self._mends.setSpacing(SPACE)
        row = QHBoxLayout()
        row.setSpacing(SPACE)
        row.addWidget(self.back)
        row.addWidget(self._status)
        row.addStretch(1)
        row.addLayout(self._mends)
        row.addWidget(self.accept_button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(3 * SPACE, 3 * SPACE, 3 * SPACE, 2 * SPACE + 4)
        layout.setSpacing(2 * SPACE)
        layout.addWidget(self.pages, 1)
        layout.addWidget(self.problem)
        layout.addLayout(row)
        self.resize(560, 520)

    def changeEvent(self, event: QEvent) -> None:
        """Drawings follow the colours."""
        if event.type() is QEvent.Type.PaletteChange and hasattr(self, "cards"):
            for card in self.cards:
                card.draw()
        super().changeEvent(event)

    # --- turning pages

    def go_to(self, page: QWidget) -> None:
        """Show this page."""
        self.pages.setCurrentWidget(page)
        self._turned()

    def _go_back(self) -> None:
        self._wish = None
        self.go_to(self.choices)

    def _turned(self) -> None:
        page = self.pages.currentWidget()
        self.problem.hide()
        self._show_mends(())
        self.back.setVisible(isinstance(page, Page))
        self.accept_button.setVisible(page is not self.choices)
        self.accept_button.setText(page.accept_text if isinstance(page, Page) else _("C&reate a network…"))
        self._set_busy(False)
        if isinstance(page, LinkPage | ServerPage):
            page.field.setFocus()
        elif page is self.hosted_page:
            self.accept_button.setFocus()  # a focused field would show the end of the link
        elif page is self.choices:
            self.cards[0].setFocus()

    def _set_busy(self, busy: bool, text: str = "") -> None:
        self._working = busy
        self._status.setText(text if busy else "")
        self.accept_button.setEnabled(not busy)
        self.back.setEnabled(not busy or self._wish is not None)  # waiting may be given up, a change under way may not

    # --- doing it

    def submit(self) -> None:
        """Carry out what the page asks for."""
        page = self.pages.currentWidget()
        if not isinstance(page, Page):
            self.accept()
            self._actions.create_network()
            return
        wish = page.wish()
        if isinstance(wish, Problem):
            self.show_problem(wish)
            return
        self.problem.hide()
        self._show_mends(())
        self._wish = None
        self._set_busy(True, _("One moment…"))
        action = self._host if isinstance(wish.server, Hosting) else self._use
        self._actions.bridge.run(self, lambda: action(wish), partial(self._configured, wish), self.show_problem)

    async def _use(self, wish: Wish) -> None:
        assert isinstance(wish.server, Invite)
        await self._actions.session.use_server(wish.server, wish.nickname)

    async def _host(self, wish: Wish) -> None:
        assert isinstance(wish.server, Hosting)
        hosted = self._actions.hosted
        await hosted.create(server_name(wish.nickname), wish.server.port)
        await hosted.start()
        invite = await hosted.invite(wish.server.public_host)
        self._actions.prefer(host_server=True)
        own = Invite(LOCAL_HOST, invite.port, invite.fingerprint)
        await self._actions.session.use_server(own, wish.nickname, invite.host)

    def _configured(self, wish: Wish, _result: object) -> None:
        """The server is set; now it must answer."""
        self._wish = wish
        self._set_busy(True, _("Connecting…"))
        self._look()

    def _look(self, _state: EngineState | None = None) -> None:
        """Whether what was wished for is there."""
        if self._wish is None or self._actions.session.starting:
            return
        trouble, server = self._actions.session.trouble, self._actions.bridge.state.server
        if trouble is not None:
            self.show_problem(trouble)
        elif server.status in _SETTLED:
            self._arrived(self._wish)
        elif server.status in _TROUBLED and server.problem is not None:
            self.show_problem(server.problem)

    def _arrived(self, wish: Wish) -> None:
        self._wish = None
        if isinstance(wish.server, Hosting):
            self._actions.bridge.call(self, lambda engine: engine.invite(), self.hosted_page.link.set_text)
            self.go_to(self.hosted_page)
            return
        self.accept()
        if wish.link:
            self._actions.join_network(wish.link)

    def show_problem(self, problem: Problem) -> None:
        """Tell it, with the ways out that there are; what was typed stays."""
        self._set_busy(False)
        self.problem.tell(problem)
        self._show_mends(
            mends_of(self._actions, problem)
            if problem.code not in ("server-not-configured", "hosted-server-failed")
            else ()
        )

    def _show_mends(self, mends: Sequence[Mend]) -> None:
        while (item := self._mends.takeAt(0)) is not None:
            widget = item.widget()
            if widget is not None:
                widget.deleteLater()
        for mend in mends:
            self._mends.addWidget(mend.button())
