"""A server and a helper that take their time: every window goes on meanwhile, in the order in which things happen."""

import asyncio
import functools
from pathlib import Path

from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from app.engine.state import HelperStatus, ServerStatus
from app.ui.dialogs.networks import CreateNetwork, JoinNetwork
from tests.engine.world import Person, World
from tests.ui.hands import is_busy
from tests.ui.held_line import HeldLine
from tests.ui.world import Desk, tell, until


async def with_a_line_to_the_server(world: World) -> tuple[Person, HeldLine]:
    """Anna, online; all that she and the server say goes over the line."""
    line = HeldLine(functools.partial(asyncio.open_connection, "127.0.0.1", world.port))
    server_port, world.port = world.port, await line.listen_tcp()
    anna = await world.person("anna")
    world.port = server_port
    return anna, line


async def with_a_line_to_the_helper(world: World) -> tuple[Person, HeldLine]:
    """Anna, not started; all that she and her helper say goes over the line."""
    anna = await world.person("anna", start=False)
    line = HeldLine(functools.partial(asyncio.open_unix_connection, str(anna.helper.socket_path)))
    anna.helper.socket_path = anna.helper.socket_path.with_name("slow-helper.sock")
    await line.listen_unix(anna.helper.socket_path)
    return anna, line


def test_keys_and_clicks_are_taken_while_the_server_is_silent(qapp: QApplication, tmp_path: Path) -> None:
    async def story(world: World) -> None:
        anna, line = await with_a_line_to_the_server(world)
        desk = Desk(tmp_path, anna)
        asking, other = CreateNetwork(None, desk.bridge), JoinNetwork(None, desk.bridge)
        asking.show()
        other.show()
        line.hold()
        asking.name.setText("Family")
        asking.password.setText("correct horse battery")
        QTest.mouseClick(asking.accept_button, Qt.MouseButton.LeftButton)
        await line.kept_back.wait()
        assert is_busy(asking)

        QTest.keyClicks(other.name, "Chess club")
        QTest.mouseClick(other.buttons.buttons()[0], Qt.MouseButton.LeftButton)
        await until(lambda: not other.isVisible(), "the other dialog to be closed by its button")
        assert is_busy(asking)
        assert anna.state.networks == ()

        line.let_go()
        await until(lambda: [each.name for each in desk.bridge.state.networks] == ["Family"], "the network")
        await desk.close()
        await anna.engine.stop()
        await line.close()

    tell(qapp, tmp_path, story)


def test_a_dialog_may_be_closed_while_it_waits_for_the_server(qapp: QApplication, tmp_path: Path) -> None:
    async def story(world: World) -> None:
        anna, line = await with_a_line_to_the_server(world)
        desk = Desk(tmp_path, anna)
        dialog = CreateNetwork(None, desk.bridge)
        gone: list[bool] = []
        dialog.destroyed.connect(lambda: gone.append(True))
        dialog.show()
        line.hold()
        dialog.name.setText("Family")
        dialog.password.setText("correct horse battery")
        QTest.keyClick(dialog.password, Qt.Key.Key_Return)
        await line.kept_back.wait()
        QTest.keyClick(dialog, Qt.Key.Key_Escape)
        await until(lambda: bool(gone), "the dialog to go")
        line.let_go()
        await until(lambda: [each.name for each in desk.bridge.state.networks] == ["Family"], "the network")
        await desk.close()
        await anna.engine.stop()
        await line.close()

    tell(qapp, tmp_path, story)


def test_a_slow_helper_holds_up_neither_login_nor_windows(qapp: QApplication, tmp_path: Path) -> None:
    async def story(world: World) -> None:
        anna, line = await with_a_line_to_the_helper(world)
        line.hold()
        await world.restart(anna)
        desk = Desk(tmp_path, anna)
        assert anna.state.helper.status is HelperStatus.STARTING
        dialog = CreateNetwork(None, desk.bridge)
        dialog.show()
        QTest.keyClicks(dialog.name, "Family")
        QTest.keyClicks(dialog.password, "correct horse battery")
        QTest.keyClick(dialog.password, Qt.Key.Key_Return)
        await until(lambda: [each.name for each in desk.bridge.state.networks] == ["Family"], "the network")
        assert desk.bridge.state.server.status is ServerStatus.ONLINE
        assert desk.bridge.state.helper.status is HelperStatus.STARTING

        line.let_go()
        await until(lambda: desk.bridge.state.helper.status is HelperStatus.UP, "the adapter")
        await desk.close()
        await anna.engine.stop()
        await line.close()

    tell(qapp, tmp_path, story)
