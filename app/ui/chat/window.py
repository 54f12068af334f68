"""A conversation with one peer, or with all members of a network.

What comes is gathered and shown at most twenty times a second, so that a flood costs no more than a few messages do.
The draft outlives the window. Opened by `Actions.open_chat`; its parts are view.py and message_field.py.
"""

from collections.abc import Callable, Coroutine
from typing import Any, Final

from PySide6.QtCore import QEvent, Qt, QTimer, QUrl
from PySide6.QtGui import QCloseEvent, QKeySequence, QShortcut, QShowEvent
from PySide6.QtWidgets import QHBoxLayout, QMenu, QPushButton, QSizePolicy, QVBoxLayout, QWidget

from app.engine.state import (
    ChatMessage,
    ChatStatus,
    Conversation,
    EngineState,
    MemberStatus,
    NetworkStatus,
    NetworkView,
    PeerStatus,
    PeerView,
    Problem,
)
from app.protocol.names import shown_name
from app.protocol.wire import NetworkId, parse_address
from app.ui.chat.dialogs import ClearDialog, WholeMessage
from app.ui.chat.message_field import MessageField
from app.ui.chat.model import ChatModel, People, Reach
from app.ui.chat.view import ChatView
from app.ui.look.contact_header import ContactHeader
from app.ui.look.icons import icon
from app.ui.look.status_signs import status_colour, status_sign
from app.ui.look.theme import SPACE, colours
from app.ui.look.widgets import ProblemBox, Rule, text_label
from app.ui.verbs import Verbs
from app.ui.words.statuses import absence, capitalised, explained, latency, peer_name, peer_status, waits_for_helper
from app.ui.words.translations import _

PAGE: Final = 100
"""Messages that are fetched at once."""
UPDATE_INTERVAL: Final = 50
"""Milliseconds between two updates of the list."""


class ChatWindow(QWidget):
    """One conversation."""

    def __init__(self, actions: Verbs, conversation: Conversation) -> None:
        super().__init__()
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.resize(480, 600)
        self._actions, self._bridge, self._conversation = actions, actions.bridge, conversation
        self._peer: PeerView | None = None
        self._network: NetworkView | None = None
        self._pending: dict[int, ChatMessage] = {}
        self._is_loading = False
        self._has_older = False
        self._has_unread = False
        self.model = ChatModel(conversation, self)
        self.view = ChatView(self.model)
        self.field = MessageField()
        self.header = ContactHeader()
        self.problem = ProblemBox()
        self._gathering = QTimer(self, singleShot=True, interval=UPDATE_INTERVAL)
        self._gathering.timeout.connect(self._take_pending)
        self._add_buttons()
        self._build()
        self._connect()
        self.field.setPlainText(actions.drafts.get(conversation, ""))
        self.field.moveCursor(self.field.textCursor().MoveOperation.End)
        self.show_state(self._bridge.state)
        self._load()
        self.field.setFocus()

    # --- what it is made of

    def _build(self) -> None:
        self._room, self._kept = text_label(muted=True), text_label(muted=True)
        self._room.setWordWrap(False)
        self._send_button = QPushButton(_("Send"))
        self._send_button.setDefault(True)
        self._send_button.setStyleSheet("min-height: 0px;")  # it is as high as one line of the field
        self._send_button.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Expanding)
        self._send_button.setToolTip(_("Enter sends, Shift+Enter begins a new line"))
        line = QHBoxLayout()
        line.setSpacing(SPACE)
        line.addWidget(self.field, 1, Qt.AlignmentFlag.AlignBottom)
        beside = QVBoxLayout()
        beside.addStretch(0)
        beside.addWidget(self._send_button, 1)
        line.addLayout(beside)
        hints = QHBoxLayout()
        hints.addWidget(self._kept, 1)
        hints.addWidget(self._room, 0, Qt.AlignmentFlag.AlignRight)
        below = QVBoxLayout()
        below.setContentsMargins(2 * SPACE, SPACE + 4, 2 * SPACE, SPACE + 4)
        below.setSpacing(SPACE)
        below.addWidget(self.problem)
        below.addLayout(line)
        below.addLayout(hints)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(self.header)
        layout.addWidget(Rule())
        layout.addWidget(self.view, 1)
        layout.addWidget(Rule())
        layout.addLayout(below)

    def _add_buttons(self) -> None:
        add = self.header.add_button
        self._peer_buttons = (
            add("ping", _("Ping"), self._open_ping),
            add("info", _("Details"), self._show_details),
        )
        self._more = add("more", _("More"), self._open_menu)

    def _connect(self) -> None:
        self._bridge.state_changed.connect(self.show_state)
        self._bridge.chat_changed.connect(self._heard)
        self._bridge.engine_changed.connect(self._load)
        self.field.submitted.connect(self._send)
        self.field.textChanged.connect(self._show_room)
        self._send_button.clicked.connect(self._send)
        self.view.link_wanted.connect(self._open_link)
        self.view.retry_wanted.connect(self._retry)
        self.view.whole_wanted.connect(self._show_whole)
        self.view.older_wanted.connect(self._load_older)
        self.view.newest_wanted.connect(self._load)
        self.view.end_reached.connect(self._attend)
        QShortcut(QKeySequence.StandardKey.Close, self, self.close)
        QShortcut(QKeySequence(Qt.Key.Key_Escape), self, self.close)

    @property
    def hint(self) -> str:
        """What is said below the field."""
        return self._kept.text()

    # --- who is there

    def show_state(self, state: EngineState) -> None:
        """Show what this snapshot says of the peer or the network."""
        if self._conversation.network:
            self._network = state.network(self._conversation.network)
            self._has_unread |= self._network is not None and self._network.unread > 0
            self._show_network(state)
        else:
            self._peer = state.peer(self._conversation.peer)
            self._has_unread |= self._peer is not None and self._peer.unread > 0
            self._show_peer(state)
        kept = self._bridge.look(lambda engine: engine.chat_history_kept, True)
        self._kept.setText("" if kept else _("Not kept: what is said here is gone when Buri ends."))
        self._kept.setVisible(not kept)
        self._show_room()

    def _show_peer(self, state: EngineState) -> None:
        peer = self._peer
        if peer is None:
            name = self.model.people.name or self._conversation.peer
            line = absence(state, _("You share no network now."))
            self._show_people(People(name), "offline", colours().offline, line)
            return
        name = shown_name(peer_name(peer))
        reach, without_helper = Reach.WHEN_CONNECTED, waits_for_helper(state)
        if peer.status.has_tunnel:
            reach = Reach.NOW
            parts = (capitalised(peer_status(peer.status, peer.path)), latency(peer.latency))
            line = " · ".join(part for part in parts if part)
        elif peer.status is PeerStatus.OFFLINE:
            reach = Reach.WHEN_ONLINE
            line = _("Offline. Messages wait and go out later.")
        else:
            line = explained(peer.status, without_helper=without_helper)
        people = People(name, {peer.address: name}, reach)
        colour = status_colour(peer.status, colours(), without_helper)
        self._show_people(people, status_sign(peer.status, without_helper), colour, line)

    def _show_network(self, state: EngineState) -> None:
        network = self._network
        if network is None:
            name = self.model.people.name or _("Network")
            line = absence(state, _("You are not in this network."))
            self._show_people(People(name), "people", colours().offline, line)
            return
        members = {each.address for each in network.members}
        names = {each.address: shown_name(peer_name(each)) for each in state.peers if each.address in members}
        people = People(shown_name(network.name), names)
        if network.status is not NetworkStatus.ONLINE:
            self._show_people(people, "people", colours().offline, _("You are offline in this network."))
            return
        others = [each for each in network.members if not each.is_self and each.status is not MemberStatus.PENDING]
        online = sum(each.status is MemberStatus.ONLINE for each in others)
        line = _("{online} of {count} others online").format(online=online, count=len(others))
        self._show_people(people, "people", colours().direct if online else colours().offline, line)

    def _show_people(self, people: People, sign: str, colour: str, line: str) -> None:
        if people != self.model.people:
            self.view.keep_place(lambda: self.model.set_people(people))
            self.setWindowTitle(people.name)
            self.view.empty_text = self._empty_text(people.name)
            self.field.setPlaceholderText(_("Write to {name}").format(name=people.name))
        self.header.tell(people.name, line, sign, colour)
        for button in self._peer_buttons:
            button.setVisible(not self._conversation.network)
            button.setEnabled(self._peer is not None)

    def _empty_text(self, name: str) -> str:
        if self._conversation.network:
            return _("No messages yet. All members of {name} can read what you write here.").format(name=name)
        return _("No messages yet. What you write goes to {name} alone, encrypted end to end.").format(name=name)

    # --- what is said

    def _heard(self, message: ChatMessage) -> None:
        if message.conversation != self._conversation:
            return
        self._pending[message.id] = message
        if not self._gathering.isActive():
            self._gathering.start()

    def _take_pending(self) -> None:
        if self._is_loading:
            return
        messages, self._pending = list(self._pending.values()), {}
        self._take(messages)

    def _take(self, messages: list[ChatMessage]) -> None:
        new: list[ChatMessage] = []
        follow = self.view.is_at_end
        self.view.keep_place(lambda: new.extend(self.model.take(messages, follow)))
        received = [each for each in new if each.status is ChatStatus.RECEIVED]
        if not received:
            return
        if not self._is_attentive:
            self._mark_first_unread(received[0])
        self._has_unread = True
        self.view.tell_new(len(received))
        self._attend()

    def _mark_first_unread(self, message: ChatMessage) -> None:
        """The line that says what is new moves on once all before it was read."""
        if not self._has_unread:
            self.view.keep_place(lambda: self.model.set_first_unread(message.id))

    @property
    def _is_attentive(self) -> bool:
        """Whether a person can be taken to see what comes."""
        return self.isActiveWindow() and not self.isMinimized() and self.view.is_at_end

    def _attend(self) -> None:
        if self._has_unread and not self._is_loading and self._is_attentive:
            self._has_unread = False
            self._bridge.look(lambda engine: engine.mark_read(self._conversation), None)

    def changeEvent(self, event: QEvent) -> None:
        """Who comes to the window reads."""
        super().changeEvent(event)
        if event.type() is QEvent.Type.ActivationChange:
            self._attend()
        if event.type() is QEvent.Type.PaletteChange and hasattr(self, "_kept"):
            self.show_state(self._bridge.state)

    def _load(self) -> None:
        """Fetch the newest messages."""
        self._fetch(None, self._loaded)

    def _fetch(self, before: int | None, done: Callable[[tuple[ChatMessage, ...]], None]) -> None:
        if not self._bridge.has_engine:
            return
        self._is_loading = True
        self._bridge.call(
            self, lambda engine: engine.chat_messages(self._conversation, before, PAGE), done, self._not_loaded
        )

    def _loaded(self, messages: tuple[ChatMessage, ...]) -> None:
        newest = messages[-1].id if messages else 0
        self._pending = {number: each for number, each in self._pending.items() if number > newest}
        self.model.show(messages)
        self.model.set_unread(self._unread)
        self.view.doItemsLayout()
        self.view.go_to_end()
        self._has_older = len(messages) >= PAGE
        self._is_loading = False
        self._take_pending()
        self._attend()

    def _not_loaded(self, problem: Problem) -> None:
        self._is_loading = False
        if self._bridge.has_engine:
            self.problem.tell(problem)

    def _load_older(self) -> None:
        if self._is_loading or not self._has_older or not self.model.rows:
            return
        self._fetch(self.model.rows[0].message.id, self._loaded_older)

    def _loaded_older(self, messages: tuple[ChatMessage, ...]) -> None:
        self._has_older = len(messages) >= PAGE
        self.view.keep_place(lambda: self.model.show_older(messages))
        self._is_loading = False
        self._take_pending()

    @property
    def _unread(self) -> int:
        view = self._network or self._peer
        return view.unread if view is not None else 0

    # --- what is written

    def _show_room(self) -> None:
        room = self.field.room
        self._room.setText(room)
        self._room.setVisible(bool(room))
        known = self._network is not None or self._peer is not None
        self._send_button.setEnabled(known and self.field.can_be_sent)
        self._send_button.setMaximumHeight(self.field.height_of(1))

    def _send(self) -> None:
        if not self._send_button.isEnabled():
            return
        text = self.field.text
        self.field.clear()
        self.problem.hide()
        self._bridge.call(self, self._sending(text), self._sent, lambda problem: self._not_sent(text, problem))

    def _sending(self, text: str) -> Callable[[Any], Coroutine[Any, Any, ChatMessage]]:
        if self._conversation.network:
            network = NetworkId(self._conversation.network)
            return lambda engine: engine.send_network_chat(network, text)
        address = parse_address(self._conversation.peer)
        return lambda engine: engine.send_chat(address, text)

    def _sent(self, message: ChatMessage) -> None:
        self._pending.setdefault(message.id, message)
        self._take_pending()
        self.view.go_to_end()

    def _not_sent(self, text: str, problem: Problem) -> None:
        self.field.put_back(text)
        self.problem.tell(problem)

    def _retry(self, number: int) -> None:
        self._bridge.call(self, lambda engine: engine.retry_chat(number), failed=self.problem.tell)

    def showEvent(self, event: QShowEvent) -> None:
        """From now on the style is known."""
        super().showEvent(event)
        self._show_room()

    def closeEvent(self, event: QCloseEvent) -> None:
        """What was typed is there again when the window is."""
        drafts = self._actions.drafts
        drafts.pop(self._conversation, None)
        if self.field.toPlainText():
            drafts[self._conversation] = self.field.toPlainText()
        super().closeEvent(event)

    # --- what else can be done

    def _open_ping(self) -> None:
        if self._peer is not None:
            self._actions.open_ping(self._peer)

    def _show_details(self) -> None:
        if self._peer is not None:
            self._actions.show_peer(self._peer)

    def _open_menu(self) -> None:
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        copy = menu.addAction(icon("copy"), _("Copy the &whole conversation"), self.view.copy_all)
        copy.setEnabled(bool(self.model.rows))
        menu.addAction(icon("trash"), _("C&lear the conversation…"), self.ask_to_clear)
        menu.popup(self._more.mapToGlobal(self._more.rect().bottomLeft()))

    def ask_to_clear(self) -> None:
        """Ask whether what was said shall be forgotten."""
        ClearDialog(self, self._bridge, self._conversation, self.model.people.name, self._load).open()

    def _open_link(self, target: str) -> None:
        """Web pages in the browser, invite links here; nothing else is ever opened."""
        if target.startswith("buri://"):
            self._actions.open_link(target)
            return
        url = QUrl(target, QUrl.ParsingMode.StrictMode)
        if url.isValid() and url.scheme() in ("http", "https") and url.host():
            self._actions.open_outside(url)

    def _show_whole(self, text: str) -> None:
        WholeMessage(self, text).open()
