"""The life of the app's engine: first start, changes, troubles and the ways out of them."""

import asyncio
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from PySide6.QtWidgets import QApplication

from app.engine.errors import EngineError
from app.engine.settings import KeyStorage
from app.engine.state import ServerStatus
from app.ui.session import KeyKeeping, Launch
from tests.engine.world import World
from tests.ui.home import Home, invite_to, opened, tell_at_home
from tests.ui.world import run_in_qt, until

PASSPHRASE = "four words without sense"
FILE = KeyKeeping(in_keyring=False)
ENCRYPTED = KeyKeeping(in_keyring=False, passphrase=PASSPHRASE)


async def online(home: Home) -> None:
    await until(lambda: home.bridge.state.server.status is ServerStatus.ONLINE)


def test_the_first_start_needs_a_server_and_then_runs(
    qapp: QApplication, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story(world: World, home: Home) -> None:
        assert home.trouble == "server-not-configured"
        await home.session.use_server(invite_to(world), "anna")
        await online(home)
        assert home.trouble == ""
        assert home.bridge.state.server.nickname == "anna"
        assert home.session.key_place.fingerprint
        assert not home.session.key_place.encrypted

    tell_at_home(qapp, tmp_path, monkeypatch, story)


def test_a_change_restarts_the_engine_and_a_wrong_one_leaves_it(
    qapp: QApplication, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story(world: World, home: Home) -> None:
        await home.session.use_server(invite_to(world), "anna", public_host="anna.example")
        await online(home)
        address = home.bridge.state.server.address
        await home.session.change(suite=1, rekey_interval=60)
        await online(home)
        assert home.bridge.state.server.address == address
        with pytest.raises(EngineError, match="setting-not-valid"):
            await home.session.change(suite=77)
        await online(home)
        settings = home.session.settings
        assert settings is not None
        assert (settings.suite, settings.rekey_interval) == (1, 60)
        assert settings.server is not None
        assert settings.server.host_for_others == "anna.example"

    tell_at_home(qapp, tmp_path, monkeypatch, story)


def test_an_identity_is_backed_up_replaced_and_brought_back(
    qapp: QApplication, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story(world: World, home: Home) -> None:
        await home.session.use_server(invite_to(world), "anna")
        await online(home)
        first, address = home.session.key_place.fingerprint, home.bridge.state.server.address
        backup = tmp_path / "backup.pem"
        await home.session.write_backup(backup, PASSPHRASE)
        assert b"ENCRYPTED" in backup.read_bytes()
        second = await home.session.new_identity(ENCRYPTED)
        await online(home)
        assert second not in ("", first)
        assert home.session.key_place.encrypted
        assert home.bridge.state.server.address != address
        with pytest.raises(EngineError, match="identity-backup-unreadable"):
            await home.session.restore(backup, "another passphrase", FILE)
        await online(home)
        assert home.session.key_place.fingerprint == second
        assert await home.session.restore(backup, PASSPHRASE, FILE) == first
        await online(home)
        assert home.bridge.state.server.address == address

    tell_at_home(qapp, tmp_path, monkeypatch, story)


def test_an_encrypted_key_asks_for_its_passphrase_at_the_next_start(
    qapp: QApplication, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story(world: World, home: Home) -> None:
        await home.session.use_server(invite_to(world), "anna")
        await home.close()
        async with opened(home.folder) as again:
            assert again.trouble == "passphrase-needed"
            with pytest.raises(EngineError, match="passphrase-wrong"):
                await again.session.unlock("a guess")
            await again.session.unlock(PASSPHRASE)
            await online(again)

    launch = Launch(storage=KeyStorage.ENCRYPTED_FILE, passphrase=PASSPHRASE)
    tell_at_home(qapp, tmp_path, monkeypatch, story, launch)


def test_without_a_keyring_the_person_chooses_a_file(
    qapp: QApplication, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.fail.Keyring")

    async def story(world: World, home: Home) -> None:
        await home.session.use_server(invite_to(world), "anna")
        assert home.trouble == "keyring-unusable"
        await home.session.keep_key(ENCRYPTED)
        await online(home)
        assert home.session.key_place.place.endswith("identity.pem")

    tell_at_home(qapp, tmp_path, monkeypatch, story, Launch())


@pytest.mark.parametrize(("content", "code"), [(b"{", "settings-broken"), (b'{"version": 99}', "settings-too-new")])
def test_settings_that_can_not_be_read_are_put_aside_when_the_person_says_so(
    qapp: QApplication, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes, code: str
) -> None:
    async def story(world: World, home: Home) -> None:
        await home.session.use_server(invite_to(world), "anna")
        await online(home)
        fingerprint = home.session.key_place.fingerprint
        file = home.folder / "config" / "settings.json"
        file.write_bytes(content)
        await home.session.restart()
        assert home.trouble == code
        assert file.read_bytes() == content
        assert home.session.trouble is not None
        aside = await home.session.put_aside(home.session.trouble)
        assert aside.read_bytes() == content
        assert home.trouble == "server-not-configured"
        await home.session.use_server(invite_to(world))
        await online(home)
        assert home.session.key_place.fingerprint == fingerprint

    tell_at_home(qapp, tmp_path, monkeypatch, story)


def test_a_broken_state_file_is_a_trouble_with_a_way_out(
    qapp: QApplication, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story(world: World, home: Home) -> None:
        await home.session.use_server(invite_to(world), "anna")
        await online(home)
        home.bridge.call(home.bridge, lambda engine: engine.create_network("family", "words"))
        await until(lambda: bool(home.bridge.state.networks))
        await home.session.stop()
        file = next((home.folder / "state").glob("state-*.sealed"))
        file.write_bytes(b"torn")
        await home.session.start()
        assert home.trouble == "state-broken"
        assert home.session.trouble is not None
        await home.session.put_aside(home.session.trouble)
        await online(home)

    tell_at_home(qapp, tmp_path, monkeypatch, story)


HOLDER = """
import signal, sys
from pathlib import Path
from app.base.folder_lock import FolderLock
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
lock = FolderLock(Path(sys.argv[1]), "engine")
print("held", flush=True)
signal.pause()
"""


def test_another_engine_is_said_plainly_and_ended_when_the_person_says_so(
    qapp: QApplication, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = tmp_path / "home" / "state"
    state.mkdir(parents=True)
    monkeypatch.setenv("BURI_HOME", str(tmp_path / "home"))

    async def story() -> None:
        async with opened(tmp_path / "home") as home:
            assert home.trouble == "already-running"
            assert home.session.trouble is not None
            assert str(other.pid) in home.session.trouble.message
            await home.session.take_over()
            assert home.trouble == "server-not-configured"

    with subprocess.Popen([sys.executable, "-c", HOLDER, str(state)], stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        try:
            run_in_qt(qapp, story())
            assert other.wait(30) == 0
        finally:
            other.send_signal(signal.SIGKILL)


def test_a_folder_that_can_not_be_used_is_a_trouble(
    qapp: QApplication, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story(_world: World, home: Home) -> None:
        await home.session.stop()
        state = home.folder / "state"
        for file in state.iterdir():
            file.unlink()
        state.rmdir()
        state.write_text("in the way")
        await home.session.start()
        assert home.trouble == "home-unusable"

    tell_at_home(qapp, tmp_path, monkeypatch, story)


def test_starts_that_come_at_once_leave_one_engine(
    qapp: QApplication, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story(world: World, home: Home) -> None:
        await home.session.use_server(invite_to(world), "anna")
        await asyncio.gather(*(home.session.restart() for _ in range(3)))
        await online(home)
        await home.session.stop()
        assert not home.bridge.has_engine
        await home.session.stop()

    tell_at_home(qapp, tmp_path, monkeypatch, story)
