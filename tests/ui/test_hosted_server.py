"""The server on this computer, as a real process: made, started, lost and started again, ended."""

import os
import signal
import socket
from pathlib import Path

import pytest
from PySide6.QtWidgets import QApplication

from app.base.backoff import Backoff
from app.engine.errors import EngineError
from app.ui import hosted_server
from app.ui.hosted_server import HostedServer, HostStatus
from tests.ui.home import free_port, on_loopback
from tests.ui.world import run_in_qt, until

QUICK = Backoff(first=0.05, limit=0.1)


async def made(folder: Path, port: int) -> HostedServer:
    """A server that listens on loopback alone."""
    hosted = HostedServer(folder / "hosted-server", QUICK)
    await hosted.create("anna", port)
    on_loopback(hosted.folder)
    return hosted


def process_of(hosted: HostedServer) -> int:
    return int((hosted.folder / "server.lock").read_text())


def test_it_is_made_once_runs_and_ends(qapp: QApplication, tmp_path: Path) -> None:
    async def story() -> None:
        port = free_port()
        hosted = await made(tmp_path, port)
        await hosted.create("another name", port)
        seen: list[HostStatus] = []
        hosted.changed.connect(lambda: seen.append(hosted.status))
        await hosted.start()
        assert seen == [HostStatus.STARTING, HostStatus.RUNNING]
        await hosted.start()
        invite = await hosted.invite("anna.example")
        assert (invite.host, invite.port) == ("anna.example", port)
        socket.create_connection(("127.0.0.1", port)).close()
        process = process_of(hosted)
        await hosted.close()
        assert hosted.status is HostStatus.OFF
        with pytest.raises(ProcessLookupError):
            os.kill(process, 0)

    run_in_qt(qapp, story())


def test_a_name_that_looks_like_an_option_is_a_name(qapp: QApplication, tmp_path: Path) -> None:
    async def story() -> None:
        hosted = HostedServer(tmp_path / "hosted-server", QUICK)
        await hosted.create("--help", free_port())
        assert 'name = "--help"' in (hosted.folder / "server.toml").read_text()
        await hosted.close()

    run_in_qt(qapp, story())


def test_one_that_dies_is_started_again(qapp: QApplication, tmp_path: Path) -> None:
    async def story() -> None:
        hosted = await made(tmp_path, free_port())
        await hosted.start()
        first = process_of(hosted)
        os.kill(first, signal.SIGKILL)
        await until(lambda: hosted.status is HostStatus.FAILED)
        await until(lambda: hosted.status is HostStatus.RUNNING)
        assert process_of(hosted) != first
        await hosted.close()

    run_in_qt(qapp, story())


def test_a_port_in_use_is_said_plainly_and_tried_again(qapp: QApplication, tmp_path: Path) -> None:
    async def story() -> None:
        port = free_port()
        hosted = await made(tmp_path, port)
        with socket.socket() as other:
            other.bind(("127.0.0.1", port))
            other.listen()
            with pytest.raises(EngineError, match="another program on this computer uses its ports"):
                await hosted.start()
        await until(lambda: hosted.status is HostStatus.RUNNING)
        await hosted.close()

    run_in_qt(qapp, story())


def test_what_the_server_refuses_is_told_in_its_words(qapp: QApplication, tmp_path: Path) -> None:
    async def story() -> None:
        hosted = HostedServer(tmp_path / "hosted-server", QUICK)
        with pytest.raises(EngineError, match="there is no server in"):
            await hosted.invite("anna.example")
        with pytest.raises(EngineError, match="there is no server in"):
            await hosted.start()
        await hosted.close()

    run_in_qt(qapp, story())


def test_one_that_hangs_is_killed(qapp: QApplication, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hosted_server, "END_DEADLINE", 0.05)

    async def story() -> None:
        hosted = await made(tmp_path, free_port())
        await hosted.start()
        process = process_of(hosted)
        os.kill(process, signal.SIGSTOP)
        await hosted.close()
        with pytest.raises(ProcessLookupError):
            os.kill(process, signal.SIGKILL)

    run_in_qt(qapp, story())


def test_it_can_be_switched_off_while_it_starts(qapp: QApplication, tmp_path: Path) -> None:
    async def story() -> None:
        hosted = await made(tmp_path, free_port())
        for _ in range(3):
            start = hosted._tasks.start("start", hosted.start())
            await until(lambda: hosted.status is HostStatus.STARTING)
            await hosted.stop()
            await start
            assert hosted.status is HostStatus.OFF
        await hosted.start()
        assert hosted.status is HostStatus.RUNNING
        await hosted.close()

    run_in_qt(qapp, story())
