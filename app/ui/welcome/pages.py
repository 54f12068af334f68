"""The pages of the welcome: three ways to a server, and what each needs to know.

A page only asks and checks; app/ui/welcome/window.py carries out what was chosen.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import QKeyEvent, QShowEvent
from PySide6.QtWidgets import (
    QComboBox,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from app.engine.state import Problem
from app.protocol.invite import Invite
from app.protocol.names import checked_name
from app.protocol.wire import MAX_NAME, SERVER_PORT, RemoteProtocolError
from app.ui.dialogs.server_choice import MAX_SERVER, LinkField, ServerFields, host_of
from app.ui.look.icons import pixmap
from app.ui.look.theme import SPACE, colours
from app.ui.look.widgets import (
    CopyField,
    Note,
    NumberField,
    align_labels,
    centre_labels,
    form_in,
    problem_named,
    text_label,
)
from app.ui.words.plain_text import shortened
from app.ui.words.translations import _


@dataclass(frozen=True, slots=True)
class Hosting:
    """A server to be made on this computer."""

    public_host: str
    """How others reach it."""
    port: int


@dataclass(frozen=True, slots=True)
class Wish:
    """What a page asks for: a server to use, or one to make, and the own nickname."""

    server: Invite | Hosting
    nickname: str
    link: str = ""
    """The invite link, if it names a network."""


def server_name(owner: str) -> str:
    """What a server that `owner` hosts is called; a long name is cut off, as names have a limit."""
    named = _("{name}'s server")
    return named.format(name=shortened(owner, MAX_NAME - len(named.format(name=""))))


class Card(QPushButton):
    """One choice: a drawing, a title, and a sentence. A button for keyboard and screen reader."""

    def __init__(self, drawing: str, title: str, sentence: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAutoDefault(False)
        self.setProperty("card", True)
        self.setAccessibleName(title)
        self.setAccessibleDescription(sentence)
        self._drawing, self._sign, self._more = drawing, QLabel(), QLabel()
        heading = text_label(title)
        font = heading.font()
        font.setBold(True)
        heading.setFont(font)
        words = QVBoxLayout()
        words.setSpacing(SPACE // 2)
        words.addWidget(heading)
        words.addWidget(text_label(sentence, muted=True))
        layout = QHBoxLayout(self)
        layout.setContentsMargins(2 * SPACE, 2 * SPACE, 2 * SPACE, 2 * SPACE)
        layout.setSpacing(2 * SPACE)
        layout.addWidget(self._sign)
        layout.addLayout(words, 1)
        layout.addWidget(self._more)
        for label in self.findChildren(QLabel):
            label.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.draw()

    def draw(self) -> None:
        """The drawings in the colours in use."""
        self._sign.setPixmap(pixmap(self._drawing, 28, colours().accent))
        self._more.setPixmap(pixmap("chevron-right", 18, colours().muted))

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Enter chooses, as the space bar does."""
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.click()
        else:
            super().keyPressEvent(event)

    def sizeHint(self) -> QSize:
        """As its content, which a button would not ask."""
        layout = self.layout()
        assert layout is not None
        width = 440
        return QSize(width, layout.heightForWidth(width) if layout.hasHeightForWidth() else layout.sizeHint().height())

    def minimumSizeHint(self) -> QSize:
        """Its words are never cut."""
        return QSize(320, self.sizeHint().height())


class Page(QWidget):
    """A heading, a sentence, fields; `wish` is what they say."""

    changed = Signal()
    accept_text = ""

    def __init__(self, title: str, sentence: str, nickname: str) -> None:
        super().__init__()
        self.nickname = QLineEdit(nickname, maxLength=MAX_NAME)
        self._layout = QVBoxLayout(self)
        self._layout.setContentsMargins(0, 0, 0, 0)
        self._layout.setSpacing(2 * SPACE)
        opening = QVBoxLayout()
        opening.setSpacing(SPACE // 2)
        opening.addWidget(text_label(title, heading=True))
        opening.addWidget(text_label(sentence, muted=True))
        self._layout.addLayout(opening)

    def showEvent(self, event: QShowEvent) -> None:
        """Only now the fields have their height."""
        super().showEvent(event)
        centre_labels(self)
        align_labels(self)

    def _add_nickname(self) -> None:
        box = QWidget()
        form = form_in(box)
        form.setVerticalSpacing(SPACE // 2)
        form.addRow(_("Your &name"), self.nickname)
        form.addRow(
            "", text_label(_("This is how others see this computer. You can change it at any time."), muted=True)
        )
        self._layout.addWidget(box)
        self._layout.addStretch(1)

    def wish(self) -> Wish | Problem:
        """What the fields say, or what is wrong with them."""
        server = self.server()
        if isinstance(server, Problem):
            return server
        try:
            return Wish(server, checked_name(self.nickname.text()), self.link())
        except RemoteProtocolError:
            return problem_named("refused-bad-name")

    def server(self) -> Invite | Hosting | Problem:
        """The server that is named here."""
        raise LookupError("a page names a server")

    def link(self) -> str:
        """An invite link to a network."""
        return ""


class LinkPage(Page):
    """I have an invite link."""

    def __init__(self, nickname: str, link: str) -> None:
        super().__init__(
            _("Use an invite link"),
            _("Paste the link that a friend sent you. Nothing is joined before you say so."),
            nickname,
        )
        self.accept_text = _("&Connect")
        self.field = LinkField(link)
        self.field.changed.connect(self.changed)
        self._layout.addWidget(self.field)
        self._add_nickname()

    def server(self) -> Invite | Problem:
        """The link's."""
        return self.field.answer

    def link(self) -> str:
        """To the network that it names, if it names one."""
        answer = self.field.answer
        return self.field.line.text() if isinstance(answer, Invite) and answer.network is not None else ""


class ServerPage(Page):
    """Connect to a server."""

    def __init__(self, nickname: str) -> None:
        super().__init__(
            _("Connect to a server"),
            _("Its operator tells you its name and its fingerprint."),
            nickname,
        )
        self.accept_text = _("&Connect")
        self.field = ServerFields()
        self.field.changed.connect(self.changed)
        self._layout.addWidget(self.field)
        self._add_nickname()

    def server(self) -> Invite | Problem:
        """The one that was typed."""
        return self.field.answer


class HostPage(Page):
    """Host a server on this computer."""

    def __init__(self, nickname: str, addresses: Sequence[str]) -> None:
        super().__init__(
            _("Host a server on this computer"),
            _("Friends find each other through it. It runs while Buri runs here."),
            nickname,
        )
        self.accept_text = _("&Start hosting")
        self.host = QComboBox(editable=True)
        self.host.setInsertPolicy(QComboBox.InsertPolicy.NoInsert)
        line = self.host.lineEdit()
        assert line is not None
        line.setMaxLength(MAX_SERVER)
        self.host.setAccessibleName(_("Name or address for others"))
        self.port = NumberField(1, 65_534)
        self.port.setValue(SERVER_PORT)
        box = QWidget()
        form = form_in(box)
        form.addRow(_("Others reach it &at"), self.host)
        form.addRow(_("P&ort"), self.port)
        self._layout.addWidget(box)
        self.note = Note()
        self._layout.addWidget(self.note)
        self._add_nickname()
        self.port.valueChanged.connect(self._explain)
        self.show_addresses(addresses)
        self._explain()

    def show_addresses(self, addresses: Sequence[str]) -> None:
        """Those under which this computer is reached in its own network."""
        typed, known = self.host.currentText(), {self.host.itemText(each) for each in range(self.host.count())}
        self.host.clear()
        self.host.addItems(list(addresses))
        if typed not in known and typed:
            self.host.setEditText(typed)

    def _explain(self) -> None:
        self.note.tell(
            _(
                "The addresses offered work within your home network. For friends elsewhere, let your router forward "
                "TCP port {port} and UDP ports {port} and {next} to this computer, and enter your public address or "
                "name here."
            ).format(port=self.port.value(), next=self.port.value() + 1)
        )

    def server(self) -> Hosting | Problem:
        """The one to make."""
        host = host_of(self.host.currentText())
        return host if isinstance(host, Problem) else Hosting(host, self.port.value())


class HostedPage(QWidget):
    """The hosted server runs: its invite link."""

    def __init__(self) -> None:
        super().__init__()
        self.link = CopyField("", _("Invite link to your server"))
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2 * SPACE)
        opening = QVBoxLayout()
        opening.setSpacing(SPACE // 2)
        opening.addWidget(text_label(_("Your server runs"), heading=True))
        opening.addWidget(
            text_label(_("Send this link to your friends. Then create a network and invite them to it."), muted=True)
        )
        layout.addLayout(opening)
        layout.addWidget(self.link)
        layout.addWidget(
            Note(_("While Buri is not running here, friends stay connected, but nobody new finds the others."))
        )
        layout.addStretch(1)
