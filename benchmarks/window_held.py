"""For how long the window could not answer while the server was silent and the helper slow, as one JSON document.

    python -m benchmarks.window_held          (needs a display)

Started by window.py. A real engine, a real server on loopback, a helper's stand-in; between them lines that keep things
back (tests/ui/held_line.py): everything from and to the helper for two seconds at a time, and the server's answers for
good after the login. Meanwhile a person opens dialogs, asks for things, types and switches.
"""

import asyncio
import functools
import json
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QLineEdit

from app.base.tasks import Tasks
from app.engine.state import Conversation, HelperStatus
from app.ui.look.theme import Theme
from app.ui.preferences import ColourScheme
from app.ui.roster.main_window import MainWindow
from benchmarks.event_times import TimedApplication, spread_of
from tests.engine.world import Person, World
from tests.ui.held_line import HeldLine
from tests.ui.world import Desk, run_in_qt, until

HELPER_SECONDS = 2.0
BETWEEN_ACTIONS = 0.2


async def slow_helper(line: HeldLine) -> None:
    """Everything waits for a while, again and again."""
    while True:
        line.hold()
        await asyncio.sleep(HELPER_SECONDS)
        line.let_go()
        await asyncio.sleep(0.01)


async def lines(world: World) -> tuple[Person, HeldLine, HeldLine]:
    """Anna, not started yet, and her lines to the server and to the helper."""
    server = HeldLine(functools.partial(asyncio.open_connection, "127.0.0.1", world.port))
    port, world.port = world.port, await server.listen_tcp()
    anna = await world.person("anna", start=False)
    world.port = port
    helper = HeldLine(functools.partial(asyncio.open_unix_connection, str(anna.helper.socket_path)))
    anna.helper.socket_path = anna.helper.socket_path.with_name("slow-helper.sock")
    await helper.listen_unix(anna.helper.socket_path)
    return anna, server, helper


def asks(desk: Desk, window: MainWindow) -> dict[str, Callable[[], object]]:
    """What the person does, one after another: all that asks the server or the helper for something."""
    actions, state = desk.actions, desk.bridge.state
    network = state.networks[0]
    peer = state.peers[0]
    return {
        "create a network": actions.create_network,
        "type and confirm": type_and_confirm,
        "join a network": lambda: actions.join_network("Chess club"),
        "type and confirm that": type_and_confirm,
        "go offline": lambda: actions.set_network_online(network, False),
        "details of a peer": lambda: actions.show_peer(peer),
        "verify": lambda: actions.verify(peer),
        "invite": lambda: actions.invite(network),
        "set the password": lambda: actions.set_password(network),
        "set access": lambda: actions.set_access(network),
        "approvals": lambda: actions.approvals(None),
        "chat": lambda: actions.open_chat(Conversation(peer.address)),
        "ping": lambda: actions.open_ping(peer),
        "preferences": actions.preferences_dialog,
        "report": actions.report,
        "go online": lambda: actions.set_network_online(network, True),
        "switch off": lambda: actions.set_power(False),
        "switch on": lambda: actions.set_power(True),
        "resize": lambda: window.resize(600, 700),
    }


def type_and_confirm() -> None:
    """Fill the fields of the dialog in front, and press Return in the last one."""
    dialog = QApplication.activeWindow()
    assert dialog is not None
    fields = [each for each in dialog.findChildren(QLineEdit) if each.isVisible()]
    for field in fields:
        field.clear()
        QTest.keyClicks(field, "correct horse")
    QTest.keyClick(fields[-1], Qt.Key.Key_Return)


async def story(application: TimedApplication, world: World, folder: Path) -> None:
    """Meet somebody; then the lines are held, and everything is asked for."""
    anna, server, helper = await lines(world)
    await world.restart(anna)
    await anna.until(lambda: anna.state.helper.status is HelperStatus.UP)
    desk = Desk(folder, anna)
    window = MainWindow(desk.actions)
    desk.actions.main_window = window
    window.show()
    ben = await world.person("ben")
    await ben.engine.create_network("Family", "correct horse")
    await anna.engine.join_network("Family", "correct horse")
    await until(lambda: bool(desk.bridge.state.peers and desk.bridge.state.networks))
    tasks = Tasks()
    tasks.start("slowness", slow_helper(helper))
    server.hold()
    application.start_clock()
    asked: dict[str, dict[str, float]] = {}
    for name, ask in asks(desk, window).items():
        started, cpu = time.perf_counter(), time.thread_time()
        ask()
        held, worked = time.perf_counter() - started, time.thread_time() - cpu
        asked[name] = {"held": round(1e3 * held, 1), "cpu": round(1e3 * worked, 1)}
        await asyncio.sleep(BETWEEN_ACTIONS)
    await asyncio.sleep(HELPER_SECONDS)
    longest = [asdict(each) for each in application.longest]
    print(json.dumps({"events_ms": spread_of(application.events), "longest": longest, "asked_ms": asked}))
    await tasks.close()
    for each in application.topLevelWidgets():
        each.close()
    await desk.close()
    server.let_go()
    helper.let_go()
    await anna.engine.stop()
    await server.close()
    await helper.close()


def main() -> int:
    """Measure and print."""
    application = TimedApplication()
    Theme(application).choose(ColourScheme.LIGHT)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)

        async def run() -> None:
            async with World(folder / "world") as world:
                await story(application, world, folder)

        (folder / "world").mkdir()
        run_in_qt(application, run())
    return 0


if __name__ == "__main__":
    sys.exit(main())
