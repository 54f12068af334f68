"""What is chosen for the windows: kept, read again, and never lost to a broken file in silence."""

import contextlib
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.ui.preferences import MAX_FILE, Choices, ColourScheme, CustomCommand, LogLevel, Preferences


def test_choices_survive_a_restart(tmp_path: Path) -> None:
    preferences = Preferences(tmp_path)
    told: list[bool] = []
    preferences.changed.connect(lambda: told.append(True))
    command = CustomCommand("Remote desktop", "xfreerdp /v:%A")
    preferences.change(language="de", colours=ColourScheme.DARK, commands=(command,), log_level=LogLevel.DEBUG)
    again = Preferences(tmp_path).choices
    assert (again.language, again.colours, again.commands) == ("de", ColourScheme.DARK, (command,))
    assert again.log_level is LogLevel.DEBUG
    assert told == [True]
    assert preferences.path.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    "content", [b"{", b"[]", b'{"colours": "pink"}', b"\xff", b'{"later":' + b"[" * 100_000, b"x" * (MAX_FILE + 1)]
)
def test_a_broken_file_is_told_left_alone_and_replaced_only_on_demand(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "window.json"
    file.write_bytes(content)
    preferences = Preferences(tmp_path)
    assert preferences.choices == Choices()
    assert preferences.error is not None
    assert str(file) in preferences.problem(preferences.error).message
    preferences.change(start_hidden=True)
    assert file.read_bytes() == content
    preferences.start_fresh()
    assert Preferences(tmp_path).choices.start_hidden
    assert (tmp_path / "window.json.aside-1").read_bytes() == content


def test_starting_fresh_again_loses_nothing_that_was_kept_before(tmp_path: Path) -> None:
    for content in (b"first", b"second"):
        (tmp_path / "window.json").write_bytes(content)
        Preferences(tmp_path).start_fresh()
    assert (tmp_path / "window.json.aside-1").read_bytes() == b"first"
    assert (tmp_path / "window.json.aside-2").read_bytes() == b"second"


def test_what_can_not_be_written_holds_until_the_end(tmp_path: Path) -> None:
    folder = tmp_path / "config"
    folder.mkdir()
    preferences = Preferences(folder)
    folder.rmdir()
    problem = preferences.change(start_hidden=True)
    assert problem is not None
    assert problem.code == "file-not-written"
    assert preferences.choices.start_hidden


@given(st.binary(max_size=300))
def test_any_bytes_are_choices_or_a_named_error(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    folder = tmp_path_factory.mktemp("config")
    (folder / "window.json").write_bytes(data)
    preferences = Preferences(folder)
    with contextlib.suppress(msgspec.MsgspecError):
        assert msgspec.json.decode(msgspec.json.encode(preferences.choices), type=Choices) == preferences.choices
