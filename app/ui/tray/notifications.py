"""Notifications of the desktop: hands snapshots and messages to notices.py and shows what comes out.

Each kind can be switched off in the preferences. A click opens what the notice is about.
They go over D-Bus where that is the way (desktop_notifications.py), else through the tray icon.
"""

import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from PySide6.QtCore import QObject, QTimer

from app.engine.state import ChatMessage, Conversation, EngineState, MemberStatus
from app.ui.preferences import Preferences, WantedNotices
from app.ui.tray.notice_words import words_of
from app.ui.tray.notices import Kind, Notice, Notices
from app.ui.tray.tray import Tray
from app.ui.verbs import Verbs
from app.ui.words.translations import _

if TYPE_CHECKING:
    from app.ui.tray.desktop_notifications import DesktopNotifications

MILLISECOND: Final = 0.001
APPROVE, REJECT = "approve", "reject"


class Notifications(QObject):
    """Tells what happens, and opens what was clicked."""

    def __init__(
        self, actions: Verbs, preferences: Preferences, tray: Tray, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`clock` gives seconds."""
        super().__init__()
        self._actions, self._preferences, self._tray, self._clock = actions, preferences, tray, clock
        self._shown: Notice | None = None
        self._notices = Notices()
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self._tell)
        actions.bridge.state_changed.connect(self._see_state)
        actions.bridge.chat_changed.connect(self._see_message)
        tray.message_clicked.connect(self._clicked)
        self._desktop = desktop_notifications()

    async def start(self) -> None:
        """Find out who shows them."""
        if self._desktop is not None:
            await self._desktop.start()

    async def close(self) -> None:
        """Tell nothing more."""
        self._timer.stop()
        self._actions.bridge.state_changed.disconnect(self._see_state)
        self._actions.bridge.chat_changed.disconnect(self._see_message)
        if self._desktop is not None:
            await self._desktop.close()

    def _show(self, notice: Notice) -> None:
        words = words_of(notice, self._actions.bridge.state)
        if self._desktop is not None and self._desktop.is_there:
            self._desktop.show(words, _buttons(notice), lambda key: self._choose(notice, key))
        else:
            self._shown = notice
            self._tray.show_message(words.title, words.text)

    def _choose(self, notice: Notice, key: str) -> None:
        """A button of a notification, or the notification itself."""
        if key not in (APPROVE, REJECT):
            self._open(notice)
            return
        for request in notice.requests:
            network = self._actions.bridge.state.network(request.network)
            waiting = () if network is None else network.members
            member = next((each for each in waiting if each.address == request.address), None)
            if network is not None and member is not None and member.status is MemberStatus.PENDING:
                (self._actions.approve if key == APPROVE else self._actions.reject)(network, member)

    def _clicked(self) -> None:
        if self._shown is not None:
            self._open(self._shown)

    def _open(self, notice: Notice) -> None:
        if notice.conversation is not None:
            self._actions.open_chat(notice.conversation)
        elif notice.kind is Kind.JOIN_REQUEST:
            self._actions.approvals(None)
        elif notice.kind is Kind.ONLINE and len(notice.peers) == 1:
            self._actions.open_chat(Conversation(notice.peers[0]))
        else:
            self._actions.show_window()

    def _see_state(self, state: EngineState) -> None:
        self._notices.see_state(state, self._clock())
        self._tell()

    def _see_message(self, message: ChatMessage) -> None:
        if not self._actions.is_reading(message.conversation):
            self._notices.see_message(message)
            self._tell()

    def _tell(self) -> None:
        for notice in self._notices.due(self._clock()):
            if is_wanted(notice.kind, self._preferences.choices.notices):
                self._show(notice)
        now = self._clock()
        deadline = self._notices.deadline(now)
        if deadline is None:
            self._timer.stop()
        else:
            self._timer.start(int((deadline - now + MILLISECOND) / MILLISECOND))


def _buttons(notice: Notice) -> dict[str, str]:
    if notice.kind is Kind.JOIN_REQUEST and len(notice.requests) == 1:
        return {"default": _("Open"), APPROVE: _("Approve"), REJECT: _("Reject")}
    return {"default": _("Open")}


def desktop_notifications() -> "DesktopNotifications | None":
    """Where the system has such; elsewhere the tray icon shows them."""
    if sys.platform != "linux":
        return None
    from app.ui.tray.desktop_notifications import DesktopNotifications

    return DesktopNotifications()


def is_wanted(kind: Kind, wanted: WantedNotices) -> bool:
    """Whether the person wants to be told of it."""
    return {
        Kind.ONLINE: wanted.online,
        Kind.OFFLINE: wanted.offline,
        Kind.JOIN_REQUEST: wanted.join_requests,
        Kind.KEY_CHANGED: wanted.key_changes,
        Kind.SERVER_LOST: wanted.lost_server,
        Kind.SERVER_BACK: wanted.lost_server,
        Kind.CHAT: wanted.chat,
    }[kind]
