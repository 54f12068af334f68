"""Passwords: as an argument, from standard input, or from a file; never an empty one by mistake."""

import io
from pathlib import Path

import pytest

from app.cli.outcome import CommandError, ExitCode
from app.cli.passwords import ask, first_line, password_from


def test_an_argument_is_the_password_and_none_is_none() -> None:
    assert password_from("s3cret") == "s3cret"
    assert password_from(None) is None


def test_a_dash_reads_one_line_of_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("s3cret with spaces \r\nsecond line\n"))
    assert password_from("-") == "s3cret with spaces "


@pytest.mark.parametrize("typed", ["", "\n"])
def test_an_empty_password_is_refused(typed: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(typed))
    for argument in ("-", ""):
        with pytest.raises(CommandError, match="empty"):
            password_from(argument)


def test_nobody_is_asked_without_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("x\n"))
    with pytest.raises(CommandError) as refused:
        ask("Passphrase: ", new=True)
    assert refused.value.exit_code is ExitCode.USAGE


def test_a_file_gives_its_first_line(tmp_path: Path) -> None:
    file = tmp_path / "passphrase"
    file.write_text("correct horse\nbattery\n", encoding="utf-8")
    assert first_line(file) == "correct horse"
    file.write_bytes(b"\xff\xfe\n")
    for unreadable in (file, tmp_path / "missing"):
        with pytest.raises(CommandError, match="can't be read"):
            first_line(unreadable)


def test_a_terminal_that_is_closed_and_bytes_that_are_no_text_are_mistakes(monkeypatch: pytest.MonkeyPatch) -> None:
    def closed(_: str) -> str:
        raise EOFError

    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("getpass.getpass", closed)
    with pytest.raises(CommandError, match="No password"):
        ask("Password: ", new=True)
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"\xff\n"), encoding="utf-8"))
    with pytest.raises(CommandError, match="can't be read"):
        password_from("-")
