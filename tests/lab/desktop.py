"""A computer of the lab with a desktop, and a person in front of it who reads the screen, points, clicks and types.

The person finds things as a blind one would: through the accessibility bus (AT-SPI 2), by role and by name. What has no
name cannot be found. The pointer and the keys are real X events (xdotool), so what is covered or disabled does nothing.
"""

import asyncio
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from dbus_fast import Message, MessageType, Variant
from dbus_fast.aio import MessageBus

from tests.lab.machines import Computer
from tests.lab.namespace import command
from tests.lab.processes import LabError, Process, tool, wait_until
from tests.ui.screen import DesktopSession, Screen

ACCESSIBLE = "org.a11y.atspi.Accessible"
COMPONENT = "org.a11y.atspi.Component"
TEXT = "org.a11y.atspi.Text"
REGISTRY = ("org.a11y.atspi.Registry", "/org/a11y/atspi/accessible/root")
ON_SCREEN = 0
"""ATSPI_COORD_TYPE_SCREEN."""
STATES = {"checked": 4, "enabled": 8, "expanded": 10, "focused": 12, "showing": 25}
"""Bits of AtspiStateType, for those that are asked about."""
DEEPEST = 40
"""Levels of widgets in widgets: deeper is a mistake of the bridge, which may name a parent as its own child."""


class Gone(Exception):
    """The thing on the screen went away while it was looked at."""


@dataclass(frozen=True)
class Thing:
    """Something on the screen, as it was when it was looked at."""

    bus_name: str
    path: str
    role: str
    """As AT-SPI names it: `push button`, `text`, `label`, `tree item`, `frame`..."""
    name: str
    states: frozenset[str]

    def matches(self, role: str, name: str) -> bool:
        """Is it visible, of this role, and called so? A `*` in `name` stands for any words."""
        pattern = ".*".join(re.escape(part) for part in name.split("*"))
        called = re.fullmatch(pattern, self.name, re.DOTALL) is not None
        return called and self.role == role and "showing" in self.states


class ScreenReader:
    """Reads what programs tell the accessibility bus."""

    def __init__(self, session_bus: str) -> None:
        self._runner = asyncio.Runner()
        self._bus: MessageBus = self._runner.run(_connected(session_bus))
        try:
            enabled = ["org.a11y.Status", "IsEnabled", Variant("b", True)]
            place = ("org.a11y.Bus", "/org/a11y/bus")
            self._ask(*place, "org.freedesktop.DBus.Properties", "Set", "ssv", enabled)
            address = self._ask(*place, "org.a11y.Bus", "GetAddress")
            self._bus.disconnect()
            self._bus = self._runner.run(_connected(address))
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Stop reading."""
        self._bus.disconnect()
        self._runner.run(asyncio.sleep(0))  # the bus closes its socket in the loop
        self._runner.close()

    def things(self) -> Iterator[Thing]:
        """Everything in all windows, from the outside to the inside. Raises Gone."""
        for bus_name, path in self._ask(*REGISTRY, ACCESSIBLE, "GetChildren"):
            yield from self._below(bus_name, path, 0)

    def _below(self, bus_name: str, path: str, depth: int) -> Iterator[Thing]:
        thing = self._look(bus_name, path)
        yield thing
        if depth < DEEPEST:
            for child_name, child in self._ask(bus_name, path, ACCESSIBLE, "GetChildren"):
                yield from self._below(child_name, child, depth + 1)

    def _look(self, bus_name: str, path: str) -> Thing:
        wanted = [ACCESSIBLE, "Name"]
        name = self._ask(bus_name, path, "org.freedesktop.DBus.Properties", "Get", "ss", wanted).value
        role = self._ask(bus_name, path, ACCESSIBLE, "GetRoleName")
        low, high = self._ask(bus_name, path, ACCESSIBLE, "GetState")
        bits = low | high << 32
        states = frozenset(state for state, bit in STATES.items() if bits >> bit & 1)
        return Thing(bus_name, path, role, name, states)

    def text(self, thing: Thing) -> str:
        """What stands in a field. Raises Gone."""
        return str(self._ask(thing.bus_name, thing.path, TEXT, "GetText", "ii", [0, -1]))

    def middle(self, thing: Thing) -> tuple[int, int]:
        """Where to point, in pixels of the screen. Raises Gone."""
        left, top, width, height = self._ask(thing.bus_name, thing.path, COMPONENT, "GetExtents", "u", [ON_SCREEN])
        return left + width // 2, top + height // 2

    def _ask(
        self, bus_name: str, path: str, interface: str, member: str, signature: str = "", body: list[Any] | None = None
    ) -> Any:
        message = Message(bus_name, path, interface, member, signature=signature, body=body or [])
        answer = self._runner.run(asyncio.wait_for(self._bus.call(message), 10))
        if answer is None or answer.message_type is not MessageType.METHOD_RETURN:
            raise Gone(f"{path} {interface}.{member}: {answer and answer.body}")
        return answer.body[0] if answer.body else None


async def _connected(address: str) -> MessageBus:
    return await MessageBus(bus_address=address).connect()


class Desktop:
    """What a person has on the desk: a screen, a pointer, a keyboard; all of it over one computer of the lab."""

    def __init__(self, computer: Computer, pictures: Path | None = None, key_store: bool = True) -> None:
        """Pictures of the screen go to `pictures`, if anywhere."""
        self.computer = computer
        self._pictures = pictures
        self._windows: list[Process] = []
        self.screen = Screen(computer.namespace.folder / "screen")
        self.screen.cookie.chmod(0o644)
        folder = computer.home / "session"
        folder.mkdir(mode=0o700)
        computer.give(folder)
        try:
            self.session = DesktopSession(folder, self._start, key_store, screen_reader=True)
            self.reader = ScreenReader(self.session.bus_address)
        except BaseException:
            self.screen.stop()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self.photograph("where it went wrong")
        for window in self._windows:
            window.stop()
        self.reader.close()
        self.session.stop()
        self.screen.stop()

    def _start(self, name: str, words: list[str], extra: Mapping[str, str]) -> Process:
        return self.computer.start(name, *words, extra=extra)

    def open_window(self, *options: str, environment: Mapping[str, str] | None = None) -> Process:
        """`buri gui`, as the person would start it from a menu."""
        extra = {**self.screen.environment, **self.session.environment, **(environment or {})}
        window = self.computer.start("window", *self.computer.buri_words("gui", *options), extra=extra)
        self._windows.append(window)
        return window

    def run(self, *argv: str) -> str:
        """Run a program in the session to its end; gives its output."""
        return self.computer.start("program", *argv, extra=self.session.environment).wait()

    # --- eyes

    def sees(self, role: str, name: str) -> bool:
        """Is this on the screen?"""
        return self._look(role, name) is not None

    def wait_for(self, role: str, name: str, timeout: float = 20.0) -> Thing:
        """Until this is on the screen. Raises LabError with all that is on it, if it does not come."""
        return self._wait(role, name, frozenset(), timeout)

    def _wait(self, role: str, name: str, states: frozenset[str], timeout: float = 20.0) -> Thing:
        found: list[Thing] = []

        def is_there() -> bool:
            thing = self._look(role, name)
            if thing is not None and states <= thing.states:
                found.append(thing)
            return bool(found)

        try:
            wait_until(is_there, f"the {role} {name!r} to be there", timeout)
        except LabError as error:
            raise LabError(f"{error}; on the screen:\n{self.described()}") from None
        return found[0]

    def wait_until_gone(self, role: str, name: str) -> None:
        """Until this is no longer on the screen."""
        wait_until(lambda: not self.sees(role, name), f"the {role} {name!r} to go")

    def described(self) -> str:
        """Everything on the screen, one line each."""
        try:
            visible = [thing for thing in self.reader.things() if "showing" in thing.states]
        except Gone as error:
            return f"it changes: {error}"
        return "\n".join(f"{thing.role}: {thing.name!r} {' '.join(sorted(thing.states))}" for thing in visible)

    def photograph(self, name: str) -> None:
        """Keep what the screen shows."""
        if self._pictures is not None:
            self._pictures.mkdir(parents=True, exist_ok=True)
            self.screen.picture(self._pictures / f"{name}.png")

    def _look(self, role: str, name: str) -> Thing | None:
        try:
            return next((thing for thing in self.reader.things() if thing.matches(role, name)), None)
        except Gone:
            return None

    # --- hands

    def click(self, role: str, name: str, button: int = 1, times: int = 1) -> None:
        """Wait until this is there and enabled, point at its middle and click."""
        thing = self._wait(role, name, frozenset({"enabled"}))
        x, y = self.reader.middle(thing)
        self._xdotool("mousemove", str(x), str(y), "click", "--repeat", str(times), str(button))

    def fill(self, role: str, name: str, text: str) -> None:
        """Click into a field, type, and see that it stands there."""
        self.click(role, name)
        self.key("ctrl+a")
        self.type(text)

    def type(self, text: str) -> None:
        """Key by key, into what has the focus."""
        self._xdotool("type", "--delay", "8", text)

    def key(self, *names: str) -> None:
        """Press and release keys, as xdotool names them: `Return`, `ctrl+f`."""
        self._xdotool("key", *names)

    def _xdotool(self, *words: str) -> str:
        return command(tool("xdotool"), *words, environment={**os.environ, **self.screen.environment})
