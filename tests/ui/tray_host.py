"""A desktop's tray and notifications on a private D-Bus: they take what a program offers, read it, and click on it.

As Plasma and others do it: https://www.freedesktop.org/wiki/Specifications/StatusNotifierItem/, the menu over
com.canonical.dbusmenu, notifications by https://specifications.freedesktop.org/notification-spec/. Lives in the test
process; the program under test is another one.
"""

import asyncio
import itertools
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from dbus_fast import Message, MessageType, NameFlag, Variant
from dbus_fast.aio import MessageBus

WATCHER, ITEM, MENU = "org.kde.StatusNotifierWatcher", "org.kde.StatusNotifierItem", "com.canonical.dbusmenu"
NOTIFICATIONS, NOTIFICATIONS_PATH = "org.freedesktop.Notifications", "/org/freedesktop/Notifications"
BUS, BUS_PATH = "org.freedesktop.DBus", "/org/freedesktop/DBus"
PROPERTIES = "org.freedesktop.DBus.Properties"
PATIENCE = 20.0


@dataclass(frozen=True)
class Shown:
    """A notification that came."""

    id: int
    title: str
    text: str
    buttons: dict[str, str]


class TrayHost:
    """Use as `async with`; the tray is there from `show_tray` on, notifications from the beginning."""

    def __init__(self, bus_address: str) -> None:
        self._address = bus_address
        self._numbers = itertools.count(1)
        self._news = asyncio.Event()
        self.item = ""
        """The bus name of the icon."""
        self.shown: list[Shown] = []

    async def __aenter__(self) -> Self:
        self._bus = await MessageBus(bus_address=self._address).connect()
        self._bus.add_message_handler(self._handle)
        for interface in (ITEM, MENU):
            await self._ask(BUS, BUS_PATH, BUS, "AddMatch", "s", [f"type='signal',interface='{interface}'"])
        await self._bus.request_name(NOTIFICATIONS, NameFlag.DO_NOT_QUEUE)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        self._bus.disconnect()

    async def show_tray(self) -> None:
        """From now on there is a tray."""
        await self._bus.request_name(WATCHER, NameFlag.DO_NOT_QUEUE)

    async def until(self, holds: Callable[[], bool]) -> None:
        """Until something that arrived makes it true."""
        async with asyncio.timeout(PATIENCE):
            while not holds():
                self._news.clear()
                await self._news.wait()

    async def wait_for_item(self) -> None:
        """Until a program has put its icon here."""
        await self.until(lambda: self.item != "")

    # --- the icon

    async def read(self, name: str) -> Any:
        """`ToolTip`, `IconPixmap`, `Status`, ... of the icon."""
        answer = await self._ask(self.item, "/StatusNotifierItem", PROPERTIES, "Get", "ss", [ITEM, name])
        return answer[0].value

    async def pixels(self, size: int) -> bytes:
        """The drawing that is `size` pixels wide, as ARGB32 in network order."""
        drawings = {width: data for width, _height, data in await self.read("IconPixmap")}
        return bytes(drawings[size])

    async def until_it_is(self, name: str, holds: Callable[[Any], bool]) -> Any:
        """What it is once it is as wanted; the icon says when it has changed."""
        async with asyncio.timeout(PATIENCE):
            while not holds(value := await self.read(name)):
                self._news.clear()
                await self._news.wait()
        return value

    async def activate(self) -> None:
        """A click with the left button."""
        await self._ask(self.item, "/StatusNotifierItem", ITEM, "Activate", "ii", [1, 1])

    # --- its menu

    async def labels(self, *path: str) -> list[str]:
        """The entries under these words, as they are read."""
        return [_label(child) for child in (await self._entry(*path))[2] if _label(child)]

    async def is_enabled(self, *path: str) -> bool:
        """Whether an entry can be clicked."""
        properties = (await self._entry(*path))[1]
        return bool(properties["enabled"].value) if "enabled" in properties else True

    async def click(self, *path: str) -> None:
        """On the entry under these words."""
        number = (await self._entry(*path))[0]
        place = await self.read("Menu")
        await self._ask(self.item, place, MENU, "Event", "isvu", [number, "clicked", Variant("i", 0), 0])

    async def _entry(self, *path: str) -> Any:
        place = await self.read("Menu")
        entry = (await self._ask(self.item, place, MENU, "GetLayout", "iias", [0, -1, []]))[1]
        for words in path:
            children = [child.value for child in entry[2]]
            entry = next(child for child in children if _label(child) == words)
        return [entry[0], entry[1], [child.value for child in entry[2]]]

    # --- notifications

    async def wait_for_notification(self) -> Shown:
        """The next one; it is taken away."""
        await self.until(lambda: bool(self.shown))
        return self.shown.pop(0)

    async def choose(self, notification: Shown, key: str) -> None:
        """A click on one of its buttons, or, with `default`, on itself."""
        await self._bus.send(_chosen(notification, key))

    async def pretend_choice(self, notification: Shown, key: str) -> None:
        """Another program says that there was such a click."""
        other = await MessageBus(bus_address=self._address).connect()
        await other.send(_chosen(notification, key))
        await other.call(Message(BUS, BUS_PATH, BUS, "GetId"))  # what was sent before has been passed on then
        other.disconnect()

    # --- D-Bus

    async def _ask(self, service: str, path: str, interface: str, member: str, signature: str, body: list[Any]) -> Any:
        question = Message(service, path, interface, member, signature=signature, body=body)
        answer = await self._bus.call(question)
        assert answer is not None
        assert answer.message_type is MessageType.METHOD_RETURN, answer.body
        return answer.body

    def _handle(self, message: Message) -> Message | None:
        if message.message_type is MessageType.SIGNAL:
            self._news.set()
            return None
        if message.message_type is not MessageType.METHOD_CALL:
            return None
        answer = self._answer(message)
        self._news.set()
        return answer

    def _answer(self, message: Message) -> Message | None:
        match message.member:
            case "RegisterStatusNotifierItem":
                self.item = message.body[0]
                return Message.new_method_return(message)
            case "RegisterStatusNotifierHost":
                return Message.new_method_return(message)
            case "Get" if message.body[0] == WATCHER:
                return Message.new_method_return(message, "v", [_WATCHER_PROPERTIES[message.body[1]]])
            case "GetAll" if message.body[0] == WATCHER:
                return Message.new_method_return(message, "a{sv}", [_WATCHER_PROPERTIES])
            case "GetCapabilities":
                return Message.new_method_return(message, "as", [["body", "actions"]])
            case "GetServerInformation":
                return Message.new_method_return(message, "ssss", ["host of the tests", "Buri", "1", "1.2"])
            case "Notify":
                return self._notify(message)
            case _:
                return None

    def _notify(self, message: Message) -> Message:
        assert message.signature == "susssasa{sv}i"
        _program, _replaced, _picture, title, text, words, _hints, _time = message.body
        number = next(self._numbers)
        self.shown.append(Shown(number, title, text, dict(zip(words[::2], words[1::2], strict=True))))
        return Message.new_method_return(message, "u", [number])


def _chosen(notification: Shown, key: str) -> Message:
    return Message.new_signal(NOTIFICATIONS_PATH, NOTIFICATIONS, "ActionInvoked", "us", [notification.id, key])


_WATCHER_PROPERTIES = {
    "RegisteredStatusNotifierItems": Variant("as", []),
    "IsStatusNotifierHostRegistered": Variant("b", True),
    "ProtocolVersion": Variant("i", 0),
}


def _label(entry: Any) -> str:
    """Without the sign for the underlined letter."""
    label = entry[1].get("label")
    return "" if label is None else str(label.value).replace("__", "\0").replace("_", "").replace("\0", "_")
