"""How a verb ends: exit codes, and errors that say what happened and what to do.

Codes of errors are those of engine/errors.py, carried by the control socket, and a few of the command line's own.
Used by every module of the command line.
"""

import sys
from enum import IntEnum
from typing import Protocol

import msgspec

from app.cli.render import printable


class ExitCode(IntEnum):
    """What the shell sees. docs/command-line.md has the list for readers."""

    OK = 0
    FAILED = 1
    USAGE = 2
    NOT_RUNNING = 3
    """No engine runs."""
    REFUSED = 4
    """The server, or the engine by its rules, refused."""
    NOT_FOUND = 5
    """No such network, member or peer, or more than one."""
    NO_ANSWER = 6
    """Nobody answered in time: server, peer or engine."""
    INTERRUPTED = 130
    """Ctrl-C, as shells say it."""


class CommandError(Exception):
    """Why a verb could not do what was asked; `code` is for programs, the sentences are for people."""

    def __init__(self, exit_code: ExitCode, code: str, title: str, message: str = "", remedy: str = "") -> None:
        super().__init__(title)
        self.exit_code = exit_code
        self.code = code
        self.title = title
        self.message = message
        self.remedy = remedy


class EngineFailure(Protocol):
    """What engine/errors.py raises, as far as it is shown."""

    code: str
    title: str
    message: str
    remedy: str

    @property
    def exit_code(self) -> int:
        """The exit code of a command that ends with it."""
        ...


def command_error(error: EngineFailure) -> CommandError:
    """An error of the engine as one of the command line's."""
    return CommandError(ExitCode(error.exit_code), error.code, error.title, error.message, error.remedy)


def show(text: str, document: object, *, as_json: bool) -> None:
    """Print one result: `text` for people, or `document` (what msgspec can turn into JSON) in one line."""
    sys.stdout.write((msgspec.json.encode(document).decode() if as_json else text) + "\n")
    sys.stdout.flush()


def show_error(error: CommandError, *, as_json: bool) -> int:
    """Tell the error on standard error (and as a JSON document on standard output); gives the exit code."""
    if as_json:
        fields = {"code": error.code, "title": error.title, "message": error.message, "remedy": error.remedy}
        show("", {"error": fields}, as_json=True)
    lines = [line for text in (error.title, error.message, error.remedy) for line in text.splitlines()]
    sys.stderr.write("".join(f"{printable(line)}\n" for line in lines))
    return error.exit_code
