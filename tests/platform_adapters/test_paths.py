"""Where things live, by system, by user and by BURI_HOME."""

import os
import stat
import sys
from pathlib import Path

import pytest

from app.platform import paths

PLACES = (paths.config_folder, paths.state_folder, paths.log_folder, paths.runtime_folder, paths.engine_socket)


@pytest.fixture
def person(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An ordinary user of a Linux system with a home and no XDG settings."""
    for name in ("BURI_HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_RUNTIME_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", "/home/alice")
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    return monkeypatch


def test_a_person_has_the_xdg_folders(person: pytest.MonkeyPatch) -> None:
    person.setenv("XDG_CONFIG_HOME", "/data/config")
    person.setenv("XDG_RUNTIME_DIR", "/run/user/1000")
    assert paths.config_folder() == Path("/data/config/buri")
    assert paths.state_folder() == Path("/home/alice/.local/state/buri")
    assert paths.log_folder() == Path("/home/alice/.local/state/buri/logs")
    assert paths.engine_socket() == Path("/run/user/1000/buri/engine.sock")


def test_without_a_session_sockets_live_beside_the_state_not_in_tmp(person: pytest.MonkeyPatch) -> None:
    assert paths.runtime_folder() == Path("/home/alice/.local/state/buri/run")


def test_a_relative_xdg_folder_is_ignored(person: pytest.MonkeyPatch) -> None:
    person.setenv("XDG_CONFIG_HOME", "relative")
    person.setenv("XDG_RUNTIME_DIR", "relative")
    assert paths.config_folder() == Path("/home/alice/.config/buri")
    assert paths.runtime_folder() == Path("/home/alice/.local/state/buri/run")


def test_root_has_the_systems_folders(person: pytest.MonkeyPatch) -> None:
    person.setattr(os, "geteuid", lambda: 0)
    assert paths.config_folder() == Path("/etc/buri")
    assert paths.state_folder() == Path("/var/lib/buri")
    assert paths.engine_socket() == Path("/run/buri-engine/engine.sock")


def test_the_helper_is_one_for_all_users(person: pytest.MonkeyPatch) -> None:
    person.setenv("XDG_RUNTIME_DIR", "/run/user/1000")
    assert paths.helper_socket() == Path("/run/buri/helper.sock")


def test_buri_home_takes_everything_in(person: pytest.MonkeyPatch) -> None:
    person.setenv("BURI_HOME", "/tmp/one")
    assert all(place().is_relative_to("/tmp/one") for place in (*PLACES, paths.helper_socket))
    assert len({place() for place in (*PLACES, paths.helper_socket)}) == 6


def test_a_relative_buri_home_is_an_error(person: pytest.MonkeyPatch) -> None:
    person.setenv("BURI_HOME", "here")
    with pytest.raises(ValueError, match="absolute"):
        paths.config_folder()


@pytest.mark.parametrize("system", ["darwin", "win32"])
def test_other_systems_have_their_own_places(person: pytest.MonkeyPatch, system: str) -> None:
    person.setattr(sys, "platform", system)
    person.setenv("APPDATA", "/profile/Roaming")
    person.setenv("LOCALAPPDATA", "/profile/Local")
    beginning = "/home/alice/Library/Application Support/Buri" if system == "darwin" else "/profile"
    assert paths.config_folder().is_relative_to(beginning)
    assert paths.state_folder().is_relative_to(beginning)
    assert paths.helper_socket() != Path("/run/buri/helper.sock")


def test_a_private_folder_is_made_for_its_user_alone(tmp_path: Path) -> None:
    folder = paths.private_folder(tmp_path / "home" / "state" / "logs")
    for each in (folder, *folder.parents[:2]):
        assert stat.S_IMODE(each.stat().st_mode) == 0o700
    assert paths.private_folder(folder) == folder


def test_a_folder_that_is_there_keeps_its_mode(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    paths.private_folder(tmp_path / "home")
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o755


def test_a_file_in_the_way_of_a_private_folder_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("in the way")
    for folder in (tmp_path / "home", tmp_path / "home" / "state"):
        with pytest.raises(OSError):
            paths.private_folder(folder)
