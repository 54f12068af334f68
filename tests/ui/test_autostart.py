"""Start with the login: the entry in the autostart folder, and the one for links."""

import configparser
import shlex
from pathlib import Path

import pytest

from app.base.program import start_command
from app.base.resources import resource_folder
from app.ui.autostart import autostart_file, set_start_at_login, starts_at_login


def entry(path: Path) -> configparser.SectionProxy:
    parser = configparser.RawConfigParser(strict=True)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read(path, "utf-8")
    return parser["Desktop Entry"]


def test_the_entry_is_written_read_and_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "xdg"))
    monkeypatch.setenv("BURI_HOME", "/srv/my homes/100% $mine")
    assert not starts_at_login()
    set_start_at_login(True)
    assert starts_at_login()
    command = entry(autostart_file())["Exec"]
    # The file's escapes are undone, then the quotes, then the field codes, as the Desktop Entry Specification says.
    quoted = command.replace("\\\\", "\\").replace("\\$", "$")  # shlex leaves the dollar's backslash
    words = [word.replace("%%", "%") for word in shlex.split(quoted)]
    assert words == [*start_command({"BURI_HOME": "/srv/my homes/100% $mine"}), "gui", "--hidden"]
    set_start_at_login(False)
    assert not starts_at_login()
    set_start_at_login(False)


@pytest.mark.parametrize("name", ["line\nHidden=true", "return\r", "bell\a", "tab\t", "delete\x7f", "latin\udce9"])
def test_a_home_that_no_entry_can_name_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("BURI_HOME", f"/srv/{name}")
    with pytest.raises(OSError, match="no text"):
        set_start_at_login(True)
    assert not autostart_file().exists()


def test_an_entry_that_another_program_switched_off_is_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    set_start_at_login(True)
    with autostart_file().open("a") as file:
        file.write("Hidden=true\n")
    assert not starts_at_login()


def test_the_desktop_entry_opens_links() -> None:
    desktop = entry(resource_folder() / "linux" / "buri.desktop")
    assert desktop["Exec"] == "buri gui %u"
    assert "x-scheme-handler/buri" in desktop["MimeType"].split(";")
    assert desktop["Terminal"] == "false"
