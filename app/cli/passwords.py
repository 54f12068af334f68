"""Read a password or passphrase without showing it: from the terminal, standard input or a file.

Used by the verbs that take one. What is read is never printed or logged.
"""

import getpass
import sys
from pathlib import Path

from app.cli.outcome import CommandError, ExitCode


def password_from(argument: str | None, *, new: bool = False) -> str | None:
    """The password that an argument means: itself, `-` for one that is asked for, None for none.

    From a terminal a `new` one is asked twice. Raises CommandError (usage) for an empty one, or two that differ.
    """
    if argument != "-":
        return _not_empty(argument) if argument is not None else None
    if not sys.stdin.isatty():
        try:
            return _not_empty(sys.stdin.readline().rstrip("\r\n"))
        except UnicodeDecodeError as error:
            raise CommandError(
                ExitCode.USAGE, "password-unreadable", "The password can't be read.", f"{error}.", "Give it as UTF-8."
            ) from None
    return ask("Password: ", new=new)


def ask(prompt: str, *, new: bool) -> str:
    """A password typed at the terminal. Raises CommandError like `password_from`, also where there is no terminal."""
    if not sys.stdin.isatty():
        raise CommandError(
            ExitCode.USAGE,
            "no-terminal",
            "There is no terminal to ask for it.",
            "",
            "Give it in a file, see --help.",
        )
    try:
        password = _not_empty(getpass.getpass(prompt))
        again = getpass.getpass("Again: ") if new else password
    except EOFError:
        raise CommandError(
            ExitCode.USAGE, "password-missing", "No password was given.", "", "Nothing was changed."
        ) from None
    if again != password:
        raise CommandError(ExitCode.USAGE, "password-mistyped", "The two are not the same.", "", "Nothing was changed.")
    return password


def first_line(file: Path) -> str:
    """The first line of a passphrase file. Raises CommandError if it can't be read or is empty."""
    try:
        with file.open(encoding="utf-8") as lines:
            return _not_empty(lines.readline(4_096).rstrip("\r\n"))
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(
            ExitCode.USAGE, "passphrase-unreadable", f"{file} can't be read.", str(error), "Check its name."
        ) from None


def _not_empty(password: str) -> str:
    if not password:
        raise CommandError(ExitCode.USAGE, "password-empty", "The password is empty.", "", "Leave it out for none.")
    return password
