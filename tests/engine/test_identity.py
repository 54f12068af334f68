"""The private key: kept in a keyring or a file, found again, and never replaced in silence."""

import json
import logging
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from keyring.backend import KeyringBackend
from keyring.backends import fail, null
from keyring.errors import KeyringLocked, PasswordDeleteError

from app.engine.errors import EngineError
from app.engine.identity import IdentityKeeper, choose_storage, read_passphrase
from app.engine.settings import KeyStorage, Profile
from app.protocol.keys import IdentityKey

ROOT = Path(__file__).parent.parent.parent
VECTORS = ROOT / "tests" / "protocol" / "vectors" / "keys.json"
FIRST, SECOND = (IdentityKey.from_compact(each["compact"]) for each in json.loads(VECTORS.read_text())["identities"])
KEYRING, FILE, ENCRYPTED_FILE = KeyStorage.KEYRING, KeyStorage.FILE, KeyStorage.ENCRYPTED_FILE


NO_KEYRING = fail.Keyring()  # type: ignore[no-untyped-call]
DISCARDING_KEYRING = null.Keyring()  # type: ignore[no-untyped-call]


class SystemError1783(Exception):
    """What the Windows backend lets through: an error of the system's library, not one of keyring's."""


class WindowsLikeKeyring(KeyringBackend):
    """Keeps entries in memory, with the limit of Windows' credentials: 2,560 bytes of UTF-16."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.entries: dict[tuple[str, str], str] = {}
        self.locked = False

    def get_password(self, service: str, username: str) -> str | None:
        if self.locked:
            raise KeyringLocked("Failed to unlock the collection!")
        return self.entries.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        if self.locked:
            raise KeyringLocked("Failed to unlock the collection!")
        if len(password) > 1_280:
            raise SystemError1783("(1783, 'CredWrite', 'The stub received bad data.')")
        self.entries[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        if (service, username) not in self.entries:
            raise PasswordDeleteError("no such entry")
        del self.entries[service, username]


class ForgetfulKeyring(WindowsLikeKeyring):
    """Says yes and keeps something else."""

    def set_password(self, service: str, username: str, password: str) -> None:
        super().set_password(service, username, password[:-1])


def profile_in(folder: Path) -> Profile:
    return Profile(folder, folder)


def keeper_in(folder: Path, backend: KeyringBackend | None = None, passphrase: str | None = None) -> IdentityKeeper:
    return IdentityKeeper(profile_in(folder), passphrase, backend or NO_KEYRING)


def code_of(error: pytest.ExceptionInfo[EngineError]) -> str:
    return error.value.code


# --- the first run


def test_the_first_run_makes_a_key_in_the_keyring_and_the_next_finds_it(tmp_path: Path) -> None:
    backend = WindowsLikeKeyring()
    made = keeper_in(tmp_path, backend).open(KEYRING)
    assert keeper_in(tmp_path, backend).open(KEYRING).public == made.public
    assert list(backend.entries) == [(f"Buri identity {tmp_path}", "private key")]
    assert [path.name for path in tmp_path.iterdir()] == ["settings.json"]
    assert made.to_compact() not in (tmp_path / "settings.json").read_text()


def test_two_profiles_share_a_keyring_without_touching_each_other(tmp_path: Path) -> None:
    backend = WindowsLikeKeyring()
    keys = []
    for name in ("home", "work"):
        (tmp_path / name).mkdir()
        keys.append(keeper_in(tmp_path / name, backend).open(KEYRING).public)
    assert keys[0] != keys[1]
    assert keeper_in(tmp_path / "home", backend).open(KEYRING).public == keys[0]


@pytest.mark.parametrize(("storage", "passphrase"), [(FILE, None), (ENCRYPTED_FILE, "speak friend")])
def test_without_a_keyring_the_key_is_kept_in_a_private_file(
    tmp_path: Path, storage: KeyStorage, passphrase: str | None
) -> None:
    made = keeper_in(tmp_path, passphrase=passphrase).open(storage)
    path = tmp_path / "identity.pem"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert (b"ENCRYPTED" in path.read_bytes()) == (storage is ENCRYPTED_FILE)
    assert keeper_in(tmp_path, passphrase=passphrase).open(storage).public == made.public
    assert profile_in(tmp_path).settings.key is not None


def test_a_passphrase_given_later_encrypts_the_file(tmp_path: Path) -> None:
    made = keeper_in(tmp_path).open(FILE)
    assert keeper_in(tmp_path, passphrase="speak friend").open(FILE).public == made.public
    assert b"ENCRYPTED" in (tmp_path / "identity.pem").read_bytes()
    record = profile_in(tmp_path).settings.key
    assert record is not None
    assert record.storage is ENCRYPTED_FILE
    with pytest.raises(EngineError) as caught:
        keeper_in(tmp_path).open(FILE)
    assert code_of(caught) == "passphrase-needed"


def test_the_person_is_told_plainly_where_the_key_lies(tmp_path: Path) -> None:
    keeper = keeper_in(tmp_path, WindowsLikeKeyring())
    assert "NOT encrypted" in keeper.notice(FILE)
    assert str(tmp_path / "identity.pem") in keeper.notice(FILE)
    assert "encrypted with your passphrase" in keeper.notice(ENCRYPTED_FILE)
    assert "keyring" in keeper.notice(KEYRING)


def test_storage_is_the_keyring_unless_a_file_is_asked_for() -> None:
    assert choose_storage(False, None) is KEYRING
    assert choose_storage(False, "passphrase") is KEYRING
    assert choose_storage(True, None) is FILE
    assert choose_storage(True, "passphrase") is ENCRYPTED_FILE


@pytest.mark.parametrize("backend", [NO_KEYRING, DISCARDING_KEYRING, ForgetfulKeyring()])
def test_a_keyring_that_does_not_work_is_an_error_and_leaves_nothing(tmp_path: Path, backend: KeyringBackend) -> None:
    with pytest.raises(EngineError) as caught:
        keeper_in(tmp_path, backend).open(KEYRING)
    assert code_of(caught) == "keyring-unusable"
    assert "--key-file" in caught.value.remedy
    assert list(tmp_path.iterdir()) == []


def test_an_error_of_the_system_below_the_keyring_is_told_as_well(tmp_path: Path) -> None:
    class BrokenKeyring(WindowsLikeKeyring):
        def set_password(self, service: str, username: str, password: str) -> None:
            super().set_password(service, username, password * 100)

    with pytest.raises(EngineError) as caught:
        keeper_in(tmp_path, BrokenKeyring()).open(KEYRING)
    assert code_of(caught) == "keyring-unusable"
    assert "1783" in caught.value.message


def test_an_encrypted_file_is_not_made_without_a_passphrase(tmp_path: Path) -> None:
    with pytest.raises(EngineError) as caught:
        keeper_in(tmp_path).open(ENCRYPTED_FILE)
    assert code_of(caught) == "passphrase-needed"
    assert list(tmp_path.iterdir()) == []


def test_a_key_file_that_can_not_be_written_is_told(tmp_path: Path) -> None:
    config, state = tmp_path / "config", tmp_path / "state"
    config.mkdir()
    with pytest.raises(EngineError) as caught:
        IdentityKeeper(Profile(config, state)).open(FILE)
    assert code_of(caught) == "file-not-written"
    assert list(config.iterdir()) == []


# --- what can go wrong later: an error each time, the same key afterwards, never a new one


def test_a_locked_keyring_is_an_error_until_it_is_unlocked(tmp_path: Path) -> None:
    backend = WindowsLikeKeyring()
    made = keeper_in(tmp_path, backend).open(KEYRING)
    backend.locked = True
    with pytest.raises(EngineError) as caught:
        keeper_in(tmp_path, backend).open(KEYRING)
    assert code_of(caught) == "keyring-unusable"
    backend.locked = False
    assert keeper_in(tmp_path, backend).open(KEYRING).public == made.public


def test_a_keyring_that_is_gone_is_an_error(tmp_path: Path) -> None:
    keeper_in(tmp_path, WindowsLikeKeyring()).open(KEYRING)
    with pytest.raises(EngineError) as caught:
        keeper_in(tmp_path, NO_KEYRING).open(FILE)
    assert code_of(caught) == "keyring-unusable"
    assert not (tmp_path / "identity.pem").exists()


def test_a_key_missing_from_the_keyring_is_lost_and_not_replaced(tmp_path: Path) -> None:
    backend = WindowsLikeKeyring()
    made = keeper_in(tmp_path, backend).open(KEYRING)
    backend.entries.clear()
    with pytest.raises(EngineError) as caught:
        keeper_in(tmp_path, backend).open(KEYRING)
    assert code_of(caught) == "identity-lost"
    assert made.public.fingerprint_text in caught.value.message
    assert "identity restore" in caught.value.remedy
    assert "identity new" in caught.value.remedy
    assert backend.entries == {}


def test_a_key_file_that_is_gone_is_lost_and_not_replaced(tmp_path: Path) -> None:
    keeper_in(tmp_path).open(FILE)
    (tmp_path / "identity.pem").unlink()
    with pytest.raises(EngineError) as caught:
        keeper_in(tmp_path).open(FILE)
    assert code_of(caught) == "identity-lost"
    assert not (tmp_path / "identity.pem").exists()


def test_another_key_in_the_place_is_told(tmp_path: Path) -> None:
    backend = WindowsLikeKeyring()
    made = keeper_in(tmp_path, backend).open(KEYRING)
    entry = next(iter(backend.entries))
    backend.entries[entry] = FIRST.to_compact()
    with pytest.raises(EngineError) as caught:
        keeper_in(tmp_path, backend).open(KEYRING)
    assert code_of(caught) == "identity-changed"
    assert made.public.fingerprint_text in caught.value.message
    assert FIRST.public.fingerprint_text in caught.value.message


def test_a_damaged_keyring_entry_is_told_and_kept(tmp_path: Path) -> None:
    backend = WindowsLikeKeyring()
    keeper_in(tmp_path, backend).open(KEYRING)
    entry = next(iter(backend.entries))
    backend.entries[entry] = damaged = backend.entries[entry][:-1]
    with pytest.raises(EngineError) as caught:
        keeper_in(tmp_path, backend).open(KEYRING)
    assert code_of(caught) == "identity-damaged"
    assert backend.entries[entry] == damaged


@pytest.mark.parametrize("content", [b"", b"-----BEGIN PRIVATE KEY-----\n", b"x" * 20_000])
def test_a_damaged_key_file_is_told_and_kept(tmp_path: Path, content: bytes) -> None:
    keeper_in(tmp_path).open(FILE)
    (tmp_path / "identity.pem").write_bytes(content)
    with pytest.raises(EngineError) as caught:
        keeper_in(tmp_path).open(FILE)
    assert code_of(caught) == "identity-damaged"
    assert (tmp_path / "identity.pem").read_bytes() == content


def test_an_unreadable_key_file_is_told(tmp_path: Path) -> None:
    keeper_in(tmp_path).open(FILE)
    (tmp_path / "identity.pem").unlink()
    (tmp_path / "identity.pem").mkdir()
    with pytest.raises(EngineError) as caught:
        keeper_in(tmp_path).open(FILE)
    assert code_of(caught) == "identity-file-unreadable"


def test_a_key_file_that_others_may_read_is_refused(tmp_path: Path) -> None:
    keeper_in(tmp_path).open(FILE)
    (tmp_path / "identity.pem").chmod(0o640)
    with pytest.raises(EngineError) as caught:
        keeper_in(tmp_path).open(FILE)
    assert code_of(caught) == "identity-file-open-to-others"
    assert "640" in caught.value.message
    assert "chmod 600" in caught.value.remedy


@pytest.mark.parametrize(("passphrase", "code"), [(None, "passphrase-needed"), ("enemy", "passphrase-wrong")])
def test_an_encrypted_file_needs_its_passphrase(tmp_path: Path, passphrase: str | None, code: str) -> None:
    keeper_in(tmp_path, passphrase="friend").open(ENCRYPTED_FILE)
    with pytest.raises(EngineError) as caught:
        keeper_in(tmp_path, passphrase=passphrase).open(ENCRYPTED_FILE)
    assert code_of(caught) == code


@pytest.mark.parametrize(
    ("storage", "passphrase"), [(KEYRING, None), (FILE, None), (ENCRYPTED_FILE, "friend"), (FILE, "not needed")]
)
def test_lost_settings_do_not_lose_the_key(
    tmp_path: Path, storage: KeyStorage, passphrase: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    backend = WindowsLikeKeyring()
    made = keeper_in(tmp_path, backend, passphrase).open(storage)
    (tmp_path / "settings.json").unlink()
    with caplog.at_level(logging.WARNING):
        assert keeper_in(tmp_path, backend, passphrase).open(KEYRING).public == made.public
    assert made.public.fingerprint_text in caplog.text
    key = profile_in(tmp_path).settings.key
    assert key is not None
    assert key.storage is storage


def test_settings_that_can_not_be_written_do_not_lose_the_key(tmp_path: Path) -> None:
    config, state = tmp_path / "config", tmp_path / "state"
    config.mkdir()
    state.mkdir()
    profile = Profile(config, state)
    config.rmdir()
    with pytest.raises(EngineError, match="file-not-written"):
        IdentityKeeper(profile).open(FILE)
    config.mkdir()
    found = IdentityKeeper(Profile(config, state)).open(FILE)
    assert IdentityKeeper(Profile(config, state)).open(FILE).public == found.public


# --- backup, restore, and a new identity by explicit wish


def test_a_backup_brings_a_lost_key_back(tmp_path: Path) -> None:
    backend = WindowsLikeKeyring()
    made = keeper_in(tmp_path, backend).open(KEYRING)
    backup = keeper_in(tmp_path, backend).backup("speak friend")
    assert b"ENCRYPTED" in backup
    backend.entries.clear()
    assert keeper_in(tmp_path, backend).restore(backup, "speak friend", KEYRING).public == made.public
    assert keeper_in(tmp_path, backend).open(KEYRING).public == made.public


def test_a_backup_moves_the_key_from_the_keyring_to_a_file(tmp_path: Path) -> None:
    backend = WindowsLikeKeyring()
    made = keeper_in(tmp_path, backend).open(KEYRING)
    backup = keeper_in(tmp_path, backend).backup("old")
    keeper_in(tmp_path, passphrase="new").restore(backup, "old", ENCRYPTED_FILE)
    assert keeper_in(tmp_path, passphrase="new").open(KEYRING).public == made.public


def test_a_backup_makes_the_same_account_on_another_computer(tmp_path: Path) -> None:
    restored = keeper_in(tmp_path).restore(FIRST.to_pem("friend"), "friend", FILE)
    assert restored.public == FIRST.public
    assert keeper_in(tmp_path).open(FILE).public == FIRST.public


def test_a_backup_of_another_key_needs_the_explicit_wish(tmp_path: Path) -> None:
    made = keeper_in(tmp_path).open(FILE)
    with pytest.raises(EngineError) as caught:
        keeper_in(tmp_path).restore(FIRST.to_pem("friend"), "friend", FILE)
    assert code_of(caught) == "identity-exists"
    assert keeper_in(tmp_path).open(FILE).public == made.public
    keeper_in(tmp_path).restore(FIRST.to_pem("friend"), "friend", FILE, replace=True)
    assert keeper_in(tmp_path).open(FILE).public == FIRST.public


@pytest.mark.parametrize(("data", "passphrase"), [(b"garbage", None), (FIRST.to_pem("friend"), "enemy")])
def test_a_backup_that_can_not_be_read_changes_nothing(tmp_path: Path, data: bytes, passphrase: str | None) -> None:
    with pytest.raises(EngineError) as caught:
        keeper_in(tmp_path).restore(data, passphrase, FILE)
    assert code_of(caught) == "identity-backup-unreadable"
    assert list(tmp_path.iterdir()) == []


def test_without_an_identity_there_is_nothing_to_load_or_back_up(tmp_path: Path) -> None:
    assert keeper_in(tmp_path).load() is None
    with pytest.raises(EngineError) as caught:
        keeper_in(tmp_path).backup("friend")
    assert code_of(caught) == "identity-none"


def test_a_new_identity_is_made_by_explicit_wish_only(tmp_path: Path) -> None:
    made = keeper_in(tmp_path).open(FILE)
    with pytest.raises(EngineError) as caught:
        keeper_in(tmp_path).make(FILE)
    assert code_of(caught) == "identity-exists"
    new = keeper_in(tmp_path).make(FILE, replace=True)
    assert new.public != made.public
    loaded = keeper_in(tmp_path).load()
    assert loaded is not None
    assert loaded.public == new.public


def test_a_key_that_the_settings_do_not_know_is_not_overwritten_either(tmp_path: Path) -> None:
    keeper_in(tmp_path).open(FILE)
    (tmp_path / "settings.json").unlink()
    with pytest.raises(EngineError) as caught:
        keeper_in(tmp_path).make(FILE)
    assert code_of(caught) == "identity-exists"


def test_a_key_that_does_not_come_back_is_not_trusted(tmp_path: Path) -> None:
    class SwappingKeyring(WindowsLikeKeyring):
        def set_password(self, service: str, username: str, password: str) -> None:
            super().set_password(service, username, SECOND.to_compact() if password.startswith("v1:") else password)

    with pytest.raises(EngineError) as caught:
        keeper_in(tmp_path, SwappingKeyring()).open(KEYRING)
    assert code_of(caught) == "identity-damaged"
    assert profile_in(tmp_path).settings.key is None


# --- passphrases


def test_a_passphrase_comes_from_a_file_or_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BURI_KEY_PASSPHRASE", raising=False)
    assert read_passphrase(None) is None
    monkeypatch.setenv("BURI_KEY_PASSPHRASE", "from the environment")
    assert read_passphrase(None) == "from the environment"
    (tmp_path / "passphrase").write_bytes("frömm die Datei\r\nsecond line\n".encode())
    assert read_passphrase(tmp_path / "passphrase") == "frömm die Datei"


@pytest.mark.parametrize("content", [b"", b"\n", b"\xff\xfe", b"x" * 1_025])
def test_a_passphrase_that_can_not_be_used_is_told(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "passphrase").write_bytes(content)
    with pytest.raises(EngineError) as caught:
        read_passphrase(tmp_path / "passphrase")
    assert code_of(caught) == "passphrase-unreadable"
    with pytest.raises(EngineError):
        read_passphrase(tmp_path / "missing")


def test_an_empty_passphrase_in_the_environment_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BURI_KEY_PASSPHRASE", "")
    with pytest.raises(EngineError, match="BURI_KEY_PASSPHRASE"):
        read_passphrase(None)


# --- the real keyring of a Linux desktop, under a D-Bus of its own, and the ways in which there is none

OPEN_TWICE = """
import sys
from pathlib import Path
from app.engine.errors import EngineError
from app.engine.identity import IdentityKeeper
from app.engine.settings import KeyStorage, Profile

home = Path(sys.argv[1])
try:
    for _ in range(2):
        print(IdentityKeeper(Profile(home, home)).open(KeyStorage.KEYRING).public.fingerprint_text)
except EngineError as error:
    print(error.code)
"""
UNLOCK = "printf 'a login password' | gnome-keyring-daemon --unlock --components=secrets >/dev/null && "
WITH_DBUS = ("dbus-run-session", "--")


def open_twice(folder: Path, *wrapper: str, before: str = "", **environment: str) -> list[str]:
    """What a process of its own prints that opens the identity twice, with a home and a session of its own."""
    for name in ("home", "run", "profile"):
        (folder / name).mkdir(mode=0o700, exist_ok=True)
    unwanted = ("DISPLAY", "WAYLAND_DISPLAY", "DBUS_SESSION_BUS_ADDRESS", "PYTHON_KEYRING_BACKEND")
    clean = {name: value for name, value in os.environ.items() if name not in unwanted}
    clean |= {"HOME": str(folder / "home"), "XDG_RUNTIME_DIR": str(folder / "run"), "PYTHONPATH": str(ROOT)}
    command = (*wrapper, "sh", "-c", f'{before}exec "$@"', "sh", sys.executable, "-c", OPEN_TWICE)
    command += (str(folder / "profile"),)
    result = subprocess.run(command, env=clean | environment, capture_output=True, text=True, timeout=60, check=False)
    return result.stdout.split() or [result.stderr]


def test_gnome_keyring_keeps_the_key(tmp_path: Path) -> None:
    first = open_twice(tmp_path, *WITH_DBUS, before=UNLOCK)
    assert len(first) == 2
    assert first[0] == first[1]
    assert first[0].startswith("SHA256:")
    assert open_twice(tmp_path, *WITH_DBUS, before=UNLOCK) == first, "also after logging out and in again"
    assert open_twice(tmp_path, *WITH_DBUS) == ["keyring-unusable"], "but not while the keyring stays locked"
    assert open_twice(tmp_path) == ["keyring-unusable"], "nor without a session"


def test_a_keyring_that_was_never_unlocked_is_unusable(tmp_path: Path) -> None:
    assert open_twice(tmp_path, *WITH_DBUS) == ["keyring-unusable"]
    assert list((tmp_path / "profile").iterdir()) == []


def test_no_session_at_all_is_unusable(tmp_path: Path) -> None:
    assert open_twice(tmp_path) == ["keyring-unusable"]


def test_an_emptied_backend_variable_is_unusable_and_no_traceback(tmp_path: Path) -> None:
    assert open_twice(tmp_path, PYTHON_KEYRING_BACKEND="") == ["keyring-unusable"]
