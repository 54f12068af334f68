"""The real tray icon in a real tray: over D-Bus as Plasma has it, and as a window in a panel of X11."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from app.ui.tray.icon import SIZES, TrayState
from tests.lab.processes import tool
from tests.ui.screen import DesktopSession, Screen, starter
from tests.ui.tray_host import PATIENCE, TrayHost
from tests.ui.tray_program import OBEYED

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="D-Bus and X11")

ROOT = Path(__file__).parents[3]


class Running:
    """The program under test; see tray_program.py."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def show(self, state: str) -> None:
        """Show a state, or obey another line; it has done so then."""
        await self.write(state)
        await self.said(OBEYED)

    async def write(self, line: str) -> None:
        """Hand it a line."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{line}\n".encode())
        await self._process.stdin.drain()

    async def said(self, words: str) -> None:
        """Until it has said this."""
        await self.hear(lambda said: said == words)

    async def hear(self, wanted: Callable[[str], bool]) -> str:
        """The next thing it says that is wanted."""
        assert self._process.stdout is not None
        async with asyncio.timeout(PATIENCE):
            while line := (await self._process.stdout.readline()).decode().strip():
                if wanted(line):
                    return line
        raise AssertionError("it ended before it said what was awaited")

    async def icon_place(self) -> tuple[int, int]:
        """The middle of the icon on the screen of X11."""
        await self.write("where")
        words = await self.hear(lambda words: words.startswith("at "))
        return int(words.split()[1]), int(words.split()[2])

    async def end(self) -> None:
        """It ends in order, and has complained of nothing."""
        _, complaints = await asyncio.wait_for(self._process.communicate(b"end\n"), PATIENCE)
        assert complaints.decode() == ""
        assert self._process.returncode == 0


@asynccontextmanager
async def running(folder: Path, environment: dict[str, str]) -> AsyncIterator[Running]:
    """The program, from its first word to its last."""
    words = [tool("setpriv"), "--pdeathsig", "KILL", sys.executable, "-m", "tests.ui.tray_program", str(folder)]
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        *words, stdin=pipe, stdout=pipe, stderr=pipe, cwd=ROOT, env={**os.environ, **environment}
    )
    try:
        program = Running(process)
        yield program
        await program.end()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


@pytest.fixture
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DesktopSession]:
    folder = tmp_path_factory.mktemp("session")
    session = DesktopSession(folder, starter(folder), key_store=False)
    yield session
    session.stop()


Story = Callable[[TrayHost, Running], Coroutine[Any, Any, None]]
Tell = Callable[..., None]


@pytest.fixture
def tell(screen: Screen, session: DesktopSession, tmp_path: Path) -> Tell:
    """Runs a story with the program and a host, whose tray is there from the beginning unless it comes late."""

    def run(story: Story, late: bool = False) -> None:
        async def live() -> None:
            async with TrayHost(session.bus_address) as host:
                if not late:
                    await host.show_tray()
                async with running(tmp_path, {**screen.environment, **session.environment}) as program:
                    await program.said("ready")
                    if not late:
                        await host.wait_for_item()
                    await story(host, program)

        asyncio.run(live())

    return run


def smallest(drawn: list[Any]) -> bytes:
    """The drawing of 16 pixels; all other sizes are there too."""
    sizes = {width: bytes(data) for width, _height, data in drawn}
    assert set(SIZES) <= set(sizes)
    return sizes[16]


def test_every_state_has_a_drawing_and_words_of_its_own(tell: Tell) -> None:
    async def story(host: TrayHost, program: Running) -> None:
        seen: list[bytes] = []
        words: set[str] = set()
        for state in TrayState:
            await program.show(state)
            drawn = await host.until_it_is("IconPixmap", lambda drawn: smallest(drawn) not in seen)
            seen.append(smallest(drawn))
            words.add((await host.read("ToolTip"))[2])
        assert {"Buri · Switched off", "Buri · Connecting to Rosa's server…\n0 friends online"} <= words

    tell(story)


def test_the_menu_is_read_and_clicked(tell: Tell) -> None:
    async def story(host: TrayHost, program: Running) -> None:
        assert await host.labels() == ["Open Buri", "Switch on", "Join network…", "Create network…", "Quit"]
        assert not await host.is_enabled("Create network…"), "no engine runs in this program"
        await program.show("unread")
        await host.until_it_is("ToolTip", lambda words: "friends" in words[2])
        labels = await host.labels()
        assert labels[2:6] == ["Family", "Friday Minecraft", "LAN party 2026 (offline)", "Workshop"]
        assert labels[-5:] == ["Ben", "Grandma Rosa", "Lena", "printer-room", "Quit"]
        assert await host.labels("LAN party 2026 (offline)") == ["Go online", "Chat…", "Invite…"]
        await host.click("LAN party 2026 (offline)", "Go online")
        await program.said("LAN party 2026 online")
        await host.click("Ben", "Chat…")
        await program.said("chat 10.73.0.3")
        await host.click("Grandma Rosa", "Ping…")
        await program.said("ping 10.73.0.4")
        await host.click("Quit")
        await program.said("quit")

    tell(story)


def test_a_click_shows_the_window_and_hides_it(tell: Tell) -> None:
    async def story(host: TrayHost, program: Running) -> None:
        await host.activate()
        await program.said("window")
        await host.activate()
        await host.activate()
        await program.said("window")
        await program.show("close")
        await host.activate()
        await program.said("window")

    tell(story)


def test_a_tray_that_comes_late_gets_the_icon(tell: Tell) -> None:
    async def story(host: TrayHost, program: Running) -> None:
        await program.said("window")  # for want of a tray
        await host.show_tray()
        await host.wait_for_item()
        await program.said("icon")
        await program.show("online")
        await host.until_it_is("ToolTip", lambda words: words[2].endswith("1 friend online"))

    tell(story, late=True)


def test_notifications_come_and_a_click_opens_what_they_tell(tell: Tell) -> None:
    async def story(host: TrayHost, program: Running) -> None:
        await program.show("unread")
        key = await host.wait_for_notification()
        assert key.title == "Mia shows another key"
        await program.show("message <b>Hello</b> Anna")
        message = await host.wait_for_notification()
        assert (message.title, message.text) == ("Ben", "\u2039b\u203aHello\u2039/b\u203a Anna")
        assert message.buttons == {"default": "Open"}
        await host.choose(message, "default")
        await program.said("chat 10.73.0.3")

    tell(story)


def test_a_request_to_join_is_answered_in_the_notification(tell: Tell) -> None:
    async def story(host: TrayHost, program: Running) -> None:
        await program.show("online")
        await program.show("later 60")
        await program.show("online")
        await program.show("asked")
        request = await host.wait_for_notification()
        assert (request.title, request.text) == ("Aunt Clara wants to join", "Family")
        assert list(request.buttons.values()) == ["Open", "Approve", "Reject"]
        await host.pretend_choice(request, "reject")
        await host.choose(request, "approve")
        decision = await program.hear(lambda words: words.endswith(" Aunt Clara in Family"))
        assert decision.startswith("approved"), "another program is not believed"

    tell(story)


def test_the_app_itself_is_in_the_tray_and_ends_there(screen: Screen, session: DesktopSession, tmp_path: Path) -> None:
    async def story() -> None:
        async with TrayHost(session.bus_address) as host:
            await host.show_tray()
            environment = {**screen.environment, **session.environment, "BURI_HOME": str(tmp_path / "home")}
            app = starter(tmp_path)("app", [sys.executable, "-m", "app", "gui"], environment)
            try:
                await host.wait_for_item()
                assert "Open Buri" in await host.labels()
                await host.click("Quit")
                assert await asyncio.to_thread(app.wait) == ""
            finally:
                await asyncio.to_thread(app.stop)
                print(app.output())  # shown if this fails

    asyncio.run(story())


def test_a_panel_of_x11_shows_the_icon_and_its_menu(screen: Screen, session: DesktopSession, tmp_path: Path) -> None:
    """`trayer` swallows the icon as a window; the pointer goes where a person's would."""
    start = starter(tmp_path)
    words = ["--edge", "top", "--align", "right", "--widthtype", "request", "--height", "32", "--transparent", "false"]
    panel = start("trayer", [tool("trayer"), *words], screen.environment)

    async def story() -> None:
        async with running(tmp_path / "program", {**screen.environment, **session.environment}) as program:
            await program.said("ready")
            await program.show("unread")
            place = await program.icon_place()
            await run_tool(screen, "xdotool", "mousemove", *map(str, place), "click", "1")
            await program.said("window")
            await run_tool(screen, "xdotool", "mousemove", *map(str, place), "click", "3")
            await program.said("menu")
            screen.picture(tmp_path / "tray.png")
            await run_tool(screen, "xdotool", "key", "Up", "Return")
            try:
                async with asyncio.timeout(5):
                    await program.said("quit")
            except TimeoutError:  # it said that it is shown before it had the keyboard
                await run_tool(screen, "xdotool", "key", "Up", "Return")
                await program.said("quit")

    try:
        asyncio.run(story())
    finally:
        panel.stop()


async def run_tool(screen: Screen, name: str, *words: str) -> None:
    """Run a program of X11 to its end."""
    process = await asyncio.create_subprocess_exec(tool(name), *words, env={**os.environ, **screen.environment})
    assert await asyncio.wait_for(process.wait(), PATIENCE) == 0
