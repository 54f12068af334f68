"""Notifications as the freedesktop specification has them: with buttons, and without a tray. Linux.

One connection to the session's D-Bus while the app runs. Where there is none, or nobody shows notifications, `is_there`
stays False and notifications.py uses the tray icon. https://specifications.freedesktop.org/notification-spec/
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Final

from jeepney import (
    DBusAddress,
    DBusErrorResponse,
    HeaderFields,
    MatchRule,
    Message,
    MessageType,
    message_bus,
    new_method_call,
)
from jeepney.io.asyncio import DBusRouter, open_dbus_router
from jeepney.io.common import RouterClosed

from app.base.resources import resource_folder
from app.base.tasks import Tasks
from app.ui.tray.notice_words import Words

logger = logging.getLogger(__name__)

SERVICE: Final = "org.freedesktop.Notifications"
PLACE: Final = DBusAddress("/org/freedesktop/Notifications", SERVICE, SERVICE)
OPEN: Final = "default"
"""The action of a click on the notification itself, by the specification."""
MOST_SHOWN: Final = 64
"""Whose clicks are remembered."""
PATIENCE: Final = 5.0
BUFFERED: Final = 64

FAILURES: Final = (OSError, EOFError, KeyError, ValueError, RuntimeError, DBusErrorResponse, RouterClosed)
"""What jeepney raises without a bus, at a bus that refuses us, and when it goes. KeyError: no address in the
environment."""

Chosen = Callable[[str], object]
"""Takes the key of the action that was clicked."""


class DesktopNotifications:
    """Shows notifications and hears what is clicked."""

    def __init__(self) -> None:
        self.is_there = False
        self._tasks = Tasks()
        self._living: asyncio.Task[None] | None = None
        self._router: DBusRouter | None = None
        self._known = asyncio.Event()
        self._heard: asyncio.Queue[Message | None] = asyncio.Queue(BUFFERED)
        """Signals of the desktop; None ends it."""
        self._has_buttons = False
        self._shown: dict[tuple[str, int], Chosen] = {}
        """By who shows it, as the bus says, and its number there."""

    async def start(self) -> None:
        """Look for whoever shows notifications; when it returns, `is_there` is known."""
        self._living = self._tasks.start("notifications", self._live())
        await self._known.wait()

    async def close(self) -> None:
        """Leave the bus. What is under way there ends by itself first: jeepney takes no answer that nobody awaits."""
        if self._living is not None:
            if self._heard.full():
                self._heard.get_nowait()
            self._heard.put_nowait(None)
            await asyncio.wait({self._living}, timeout=PATIENCE)
        await self._tasks.close()

    def show(self, words: Words, buttons: Mapping[str, str], chosen: Chosen) -> None:
        """Show it; `buttons` maps keys to labels, and `chosen` hears the key of what was clicked, or OPEN."""
        self._tasks.start("notification", self._show(words, buttons, chosen))

    async def _live(self) -> None:
        try:
            async with open_dbus_router("SESSION") as router:
                await self._serve(router)
        except FAILURES as error:
            logger.info("no notifications over D-Bus: %s", type(error).__name__)
        finally:
            self.is_there, self._router = False, None
            self._known.set()

    async def _serve(self, router: DBusRouter) -> None:
        answer = await _ask(router, new_method_call(PLACE, "GetCapabilities"))
        if answer is None:
            return
        self._has_buttons = "actions" in answer.body[0]
        rule = MatchRule(type="signal", interface=SERVICE, path=PLACE.object_path)
        with router.filter(rule, queue=self._heard):
            await _ask(router, message_bus.AddMatch(rule))
            self.is_there, self._router = True, router
            self._known.set()
            while (message := await self._heard.get()) is not None:
                self._hear(message)

    async def _show(self, words: Words, buttons: Mapping[str, str], chosen: Chosen) -> None:
        if self._router is None:
            return
        offered = [part for pair in buttons.items() for part in pair] if self._has_buttons else []
        picture = (resource_folder() / "icons" / "buri.svg").as_uri()
        hints = {"desktop-entry": ("s", "buri"), "urgency": ("y", 1)}
        body = ("Buri", 0, picture, words.title, words.text, offered, hints, -1)
        try:
            answer = await _ask(self._router, new_method_call(PLACE, "Notify", "susssasa{sv}i", body))
        except FAILURES as error:
            logger.info("a notification was not shown: %s", type(error).__name__)
            return
        if answer is not None:
            self._shown[answer.header.fields[HeaderFields.sender], answer.body[0]] = chosen
            while len(self._shown) > MOST_SHOWN:
                del self._shown[next(iter(self._shown))]

    def _hear(self, message: Message) -> None:
        """Any program on the bus may say that something was clicked; only who shows it is believed."""
        sender = message.header.fields[HeaderFields.sender]
        match message.header.fields[HeaderFields.member], message.body:
            case "ActionInvoked", (int() as number, str() as key) if (sender, number) in self._shown:
                self._shown[sender, number](key)
            case "NotificationClosed", (int() as number, *_):
                self._shown.pop((sender, number), None)


async def _ask(router: DBusRouter, question: Message) -> Message | None:
    """The answer, or None for a refusal. Raises what the connection raises."""
    async with asyncio.timeout(PATIENCE):
        answer = await router.send_and_get_reply(question)
    if answer.header.message_type is MessageType.error:
        logger.info("D-Bus: %s", answer.body[0] if answer.body else "refused")
        return None
    return answer
