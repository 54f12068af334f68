"""A desktop that nobody sees: an X server with a window manager, a D-Bus session, and an unlocked key store on it.

    def test_something(screen: Screen, desktop_session: DesktopSession) -> None:
        subprocess.Popen(argv, env={**os.environ, **screen.environment, **desktop_session.environment})

All of them are child processes that end with the fixture, or with this process if it is killed. As QApplication is one
for each process, whoever needs a real window starts the app as a process of its own; windows inside the test process
stay on Qt's offscreen platform. tests/lab gives the same desktop to a computer of the lab. Linux.
"""

import asyncio
import os
import secrets
import struct
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import pytest
from dbus_fast import Message, MessageType
from dbus_fast.aio import MessageBus

from tests.lab.processes import Process, tool, wait_until

Starter = Callable[[str, list[str], Mapping[str, str]], Process]
"""Starts a program: name of its log, words, what its environment has besides."""

ANY_ADDRESS = 0xFFFF
"""FamilyWild in Xauth.h: the cookie is for whatever address a client reaches the server under."""
BUS_CONFIGURATION = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <listen>unix:path={path}</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow user="root"/>
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
    <allow own="*"/>
  </policy>
</busconfig>
"""
"""No service is started on demand: a test begins with what it started. Root is for the lab, which looks in from outside
and at computers whose programs run as somebody else."""
SECRETS = "org.freedesktop.secrets"
UNLOCK = """exec "$0" --unlock --foreground --components=secrets <<'end'
password of the key store
end
"""
ACCESSIBILITY = "org.a11y.Bus"
BUS_LAUNCHER = "/usr/libexec/at-spi-bus-launcher"
IN_MEMORY = {"GSETTINGS_BACKEND": "memory"}
"""Where a program of GNOME keeps settings: there is no settings service in the session."""


class Screen:
    """An X server without a monitor, with openbox on it. Ready to be drawn on when it is made."""

    def __init__(self, folder: Path, size: str = "1280x800") -> None:
        """Logs and the cookie go to `folder`, which is made."""
        folder.mkdir(parents=True)
        self.cookie = folder / "Xauthority"
        self.cookie.write_bytes(_cookie_file())
        start = starter(folder)
        with ExitStack() as undo:
            words = [tool("Xvfb"), "-displayfd", "1", "-screen", "0", f"{size}x24", "-auth", str(self.cookie)]
            self._server = start("Xvfb", [*words, "-nolisten", "tcp", "-noreset"], {})
            undo.callback(self._server.stop)
            wait_until(lambda: self._display() != "" or not self._server.is_running, "Xvfb to tell its display")
            assert self._server.is_running, self._server.output()
            words = [tool("openbox"), "--sm-disable", "--startup", "echo it manages windows"]
            self._manager = start("openbox", words, self.environment)
            undo.callback(self._manager.stop)
            self._manager.wait_for_output("it manages windows")
            self._undo = undo.pop_all()

    @property
    def environment(self) -> dict[str, str]:
        """What a program needs in order to show its windows here."""
        return {"DISPLAY": self._display(), "XAUTHORITY": str(self.cookie), "QT_QPA_PLATFORM": "xcb"}

    @property
    def socket(self) -> Path:
        """The server's socket; unlike its abstract one it is seen from every network namespace."""
        return Path(f"/tmp/.X11-unix/X{self._display().removeprefix(':')}")

    def picture(self, file: Path) -> None:
        """Save what the screen shows as PNG."""
        environment = {**os.environ, **self.environment}
        shot = Process("import", [tool("import"), "-window", "root", str(file)], _unused_log(file), environment)
        shot.wait()
        shot.log.unlink()

    def stop(self) -> None:
        """End it; every window on it goes too."""
        self._undo.close()

    def _display(self) -> str:
        numbers = [line for line in self._server.output().splitlines() if line.isdigit()]
        return f":{numbers[0]}" if numbers else ""


class DesktopSession:
    """A D-Bus session; a key store and the screen readers' bus where they are wanted. Ready when it is made."""

    def __init__(self, folder: Path, start: Starter, key_store: bool = True, screen_reader: bool = False) -> None:
        """`folder` belongs to whom `start` starts programs as; it holds the sockets, so its path must be short."""
        self._folder = folder
        self._start = start
        self._configuration = folder / "bus.conf"
        self._configuration.write_text(BUS_CONFIGURATION.format(path=folder / "bus"))
        with ExitStack() as undo:
            bus = start("dbus-daemon", [tool("dbus-daemon"), f"--config-file={self._configuration}", *PRINT], {})
            undo.callback(bus.stop)
            bus.wait_for_output("unix:path=")
            if key_store:
                words = ["sh", "-c", UNLOCK, tool("gnome-keyring-daemon")]
                undo.callback(start("gnome-keyring", words, self.environment).stop)
                wait_for_owner(self.bus_address, SECRETS)
            if screen_reader:
                words = [BUS_LAUNCHER, "--launch-immediately"]
                undo.callback(start("at-spi-bus-launcher", words, {**self.environment, **IN_MEMORY}).stop)
                wait_for_owner(self.bus_address, ACCESSIBILITY)
            self._undo = undo.pop_all()

    @property
    def bus_address(self) -> str:
        """As libdbus writes it."""
        return f"unix:path={self._folder / 'bus'}"

    @property
    def environment(self) -> dict[str, str]:
        """What a program needs in order to live in this session."""
        return {
            "HOME": str(self._folder),
            "XDG_RUNTIME_DIR": str(self._folder),
            "XDG_DATA_HOME": str(self._folder / "data"),
            "XDG_CONFIG_HOME": str(self._folder / "config"),
            "DBUS_SESSION_BUS_ADDRESS": self.bus_address,
        }

    def stop(self) -> None:
        """End it."""
        self._undo.close()


PRINT = ("--nofork", "--nopidfile", "--print-address=1")


def starter(folder: Path) -> Starter:
    """Starts programs on this computer, with logs in `folder`. They end when this process does, however it ends."""

    def start(name: str, words: list[str], extra: Mapping[str, str]) -> Process:
        outliving_nobody = [tool("setpriv"), "--pdeathsig", "KILL"]
        return Process(name, [*outliving_nobody, *words], folder / f"{name}.log", {**os.environ, **extra})

    return start


def wait_for_owner(bus_address: str, name: str, timeout: float = 20.0) -> None:
    """Until somebody on the bus has this name. Raises TimeoutError."""

    async def wait() -> None:
        bus = await MessageBus(bus_address=bus_address).connect()
        owned = asyncio.Event()
        bus.add_message_handler(lambda message: owned.set() if _is_owner_news(message, name) else None)
        try:
            rule = f"type='signal',sender='org.freedesktop.DBus',member='NameOwnerChanged',arg0='{name}'"
            await _ask_bus(bus, "AddMatch", rule)
            if not await _ask_bus(bus, "NameHasOwner", name):
                async with asyncio.timeout(timeout):
                    await owned.wait()
        finally:
            bus.disconnect()

    asyncio.run(wait())


async def _ask_bus(bus: MessageBus, member: str, argument: str) -> object:
    service = "org.freedesktop.DBus"
    question = Message(service, "/org/freedesktop/DBus", service, member, signature="s", body=[argument])
    answer = await bus.call(question)
    assert answer is not None
    assert answer.message_type is MessageType.METHOD_RETURN, answer.body
    return answer.body[0] if answer.body else None


def _is_owner_news(message: Message, name: str) -> bool:
    return message.member == "NameOwnerChanged" and message.body[0] == name and message.body[2] != ""


def _cookie_file() -> bytes:
    """An Xauthority file (Xauth.h) with one MIT-MAGIC-COOKIE-1 for every display: address and number are empty."""
    fields = (b"", b"", b"MIT-MAGIC-COOKIE-1", secrets.token_bytes(16))
    return struct.pack(">H", ANY_ADDRESS) + b"".join(struct.pack(">H", len(field)) + field for field in fields)


def _unused_log(file: Path) -> Path:
    return file.with_name(f"{file.name}.{secrets.token_hex(4)}.log")


@pytest.fixture(scope="module")
def screen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Screen]:
    """A screen for the tests of one module."""
    screen = Screen(tmp_path_factory.mktemp("screen") / "x")
    yield screen
    screen.stop()


@pytest.fixture
def desktop_session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DesktopSession]:
    """A fresh session with an unlocked key store."""
    folder = tmp_path_factory.mktemp("session")
    session = DesktopSession(folder, starter(folder))
    yield session
    session.stop()
