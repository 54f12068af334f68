"""`buri gui` as a process: one for each home, ended in order, and plain words where there is no screen."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from app.protocol.invite import Invite, format_invite
from app.protocol.keys import format_fingerprint
from tests.ui.home import free_port, on_loopback

ROOT = Path(__file__).parent.parent.parent
PATIENCE = 60
LINK = format_invite(Invite("other.example", 12_975, bytes(32)))


class Place:
    """A home with an app in it that draws on no screen."""

    def __init__(self, home: Path, **environment: str) -> None:
        clean = {name: value for name, value in os.environ.items() if name not in ("DISPLAY", "WAYLAND_DISPLAY")}
        self.home = home
        self.environment = {**clean, "BURI_HOME": str(home), "QT_QPA_PLATFORM": "offscreen", **environment}

    async def start(self, *words: str, key_file: bool = True) -> asyncio.subprocess.Process:
        pipe = asyncio.subprocess.PIPE
        options = ["--log-level", "info", *(["--key-file"] if key_file else [])]
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "app", "gui", *options, *words),
            cwd=ROOT,
            env=self.environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=pipe,
            stderr=pipe,
        )

    @asynccontextmanager
    async def running(self, *words: str, key_file: bool = True) -> AsyncIterator[asyncio.subprocess.Process]:
        """Started, and listening for a second start."""
        process = await self.start(*words, key_file=key_file)
        try:
            async with asyncio.timeout(PATIENCE):
                await logs(process, "the app runs")
            yield process
        finally:
            if process.returncode is None:
                process.kill()
            await process.communicate()


async def logs(process: asyncio.subprocess.Process, words: str) -> str:
    """Wait for a line of its log."""
    assert process.stderr is not None
    told = []
    async for line in process.stderr:
        told.append(line.decode())
        if words in told[-1]:
            return told[-1]
    raise AssertionError(f"it ended without {words!r}: {told}")


async def ended(process: asyncio.subprocess.Process) -> int:
    async with asyncio.timeout(PATIENCE):
        await process.communicate()
    assert process.returncode is not None
    return process.returncode


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_in_order_when_it_is_told_to(tmp_path: Path, number: signal.Signals) -> None:
    async def story() -> None:
        place = Place(tmp_path)
        async with place.running() as app:
            assert (place.home / "run" / "window.sock").exists()
            app.send_signal(number)
            assert await ended(app) == 0
        assert not (place.home / "run" / "window.sock").exists()
        assert not (place.home / "run" / "engine.sock").exists()

    asyncio.run(story())


def test_a_second_start_hands_its_link_over(tmp_path: Path) -> None:
    async def story() -> None:
        place = Place(tmp_path)
        async with place.running() as app:
            assert await ended(await place.start(LINK)) == 0
            await logs(app, "started a second time, with a link")
            assert await ended(await place.start()) == 0
            await logs(app, "started a second time")
            app.terminate()
            assert await ended(app) == 0

    asyncio.run(story())


def test_a_link_does_not_stay_in_the_process_list(tmp_path: Path) -> None:
    async def story() -> None:
        async with Place(tmp_path).running(LINK) as app:
            words = await asyncio.to_thread(Path(f"/proc/{app.pid}/cmdline").read_bytes)
            assert b"--key-file" in words
            assert b"buri://" not in words
            app.terminate()
            assert await ended(app) == 0

    asyncio.run(story())


async def host(place: Place) -> Path:
    """Make a server in the home, which starts with the app; gives its folder."""
    folder = place.home / "state" / "hosted-server"
    words = ["server", "init", "--folder", str(folder), "--port", str(free_port())]
    await asyncio.to_thread(subprocess.run, [sys.executable, "-m", "app", *words], check=True, cwd=ROOT)
    on_loopback(folder)
    (place.home / "config").mkdir()
    (place.home / "config" / "window.json").write_text('{"host_server": true}')
    return folder


def test_its_hosted_server_ends_with_it_even_if_it_is_killed(tmp_path: Path) -> None:
    async def story() -> None:
        place = Place(tmp_path)
        folder = await host(place)
        for number in (signal.SIGTERM, signal.SIGKILL):
            async with place.running() as app:
                await logs(app, "server runs")
                server = int((folder / "server.lock").read_text())
                app.send_signal(number)
                await ended(app)
                async with asyncio.timeout(PATIENCE):
                    await gone(server)

    asyncio.run(story())


def test_no_program_that_it_starts_sees_the_passphrase(tmp_path: Path) -> None:
    async def story() -> None:
        place = Place(tmp_path, BURI_KEY_PASSPHRASE="four unrelated long words")
        folder = await host(place)
        async with place.running() as app:
            await logs(app, "server runs")
            server = int((folder / "server.lock").read_text())
            environment = await asyncio.to_thread(Path(f"/proc/{server}/environ").read_bytes)
            assert b"BURI_HOME=" in environment
            assert b"unrelated" not in environment
            app.terminate()
            assert await ended(app) == 0

    asyncio.run(story())


WAITING_KEYRING = """
import threading
from keyring.backend import KeyringBackend

class Keyring(KeyringBackend):
    priority = 9

    def get_password(self, service, username):
        print("the keyring asks", flush=True)
        threading.Event().wait()

    def set_password(self, service, username, password):
        raise OSError("nothing is kept")
"""


def test_it_ends_although_nobody_unlocks_the_keyring(tmp_path: Path) -> None:
    async def story() -> None:
        (tmp_path / "asking.py").write_text(WAITING_KEYRING)
        place = Place(tmp_path / "home", PYTHONPATH=str(tmp_path), PYTHON_KEYRING_BACKEND="asking.Keyring")
        settings = {"version": 1, "server": {"host": "192.0.2.1", "fingerprint": format_fingerprint(bytes(32))}}
        (place.home / "config").mkdir(parents=True)
        (place.home / "config" / "settings.json").write_text(json.dumps(settings))
        async with place.running(key_file=False) as app:
            assert app.stdout is not None
            async with asyncio.timeout(PATIENCE):
                assert await app.stdout.readline() == b"the keyring asks\n"
            app.terminate()
            await ended(app)

    asyncio.run(story())


async def gone(process: int) -> None:
    """Wait for a process that is nobody's child here."""
    while True:
        try:
            os.kill(process, 0)
        except ProcessLookupError:
            return
        await asyncio.sleep(0.02)


def test_without_a_screen_it_says_so(tmp_path: Path) -> None:
    async def story() -> None:
        for environment in ({}, {"DISPLAY": ":65000"}):
            place = Place(tmp_path, **environment)
            del place.environment["QT_QPA_PLATFORM"]
            process = await place.start()
            _, words = await process.communicate()
            assert process.returncode == 1
            assert b"There is no screen" in words
            assert b"Traceback" not in words

    asyncio.run(story())


def test_a_folder_that_can_not_be_used_is_said_plainly(tmp_path: Path) -> None:
    async def story() -> None:
        home = tmp_path / "home"
        home.write_text("in the way")
        process = await Place(home).start()
        _, words = await process.communicate()
        assert process.returncode == 1
        assert b"Buri's folder can't be used." in words
        assert b"Traceback" not in words

    asyncio.run(story())


def test_a_folder_too_long_for_a_socket_is_said_once_and_plainly(tmp_path: Path) -> None:
    async def story() -> None:
        process = await Place(tmp_path / ("long" * 30)).start()
        _, words = await process.communicate()
        assert process.returncode == 1
        assert b"window.sock: too long for a socket." in words
        assert b"with a short name" in words
        assert b"second start" not in words

    asyncio.run(story())


@pytest.mark.skipif(os.geteuid() != 0, reason="it is about root, who starts nothing in the home of a person")
def test_the_window_does_not_run_as_root_by_mistake(tmp_path: Path) -> None:
    async def story() -> None:
        place = Place(tmp_path)
        del place.environment["BURI_HOME"]
        process = await place.start(LINK)
        _, words = await process.communicate()
        assert process.returncode == 1
        assert b"does not run as root" in words
        assert b"--home" in words

    asyncio.run(story())
