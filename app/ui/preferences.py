"""What a person chose for the windows: language, colours, notifications, custom commands. One JSON file.

`window.json` in the configuration folder holds no secrets. A broken file is an error that the window shows; it is left
as it is, and the defaults hold meanwhile. Made by application.py, changed by the windows; the engine's own settings are
engine/settings.py's.
"""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta, Struct, structs
from PySide6.QtCore import QObject, Signal

from app.base.atomic_file import write_atomically
from app.base.put_aside import put_aside
from app.engine.errors import engine_error, problem_of
from app.engine.state import Problem
from app.ui.words.translations import _

FILE_NAME: Final = "window.json"
MAX_FILE: Final = 1 << 20
MAX_COMMANDS: Final = 32
Text = Annotated[str, Meta(max_length=1_024)]


class ColourScheme(StrEnum):
    """Which colours the windows have."""

    SYSTEM = "system"
    LIGHT = "light"
    DARK = "dark"


class LogLevel(StrEnum):
    """How much is written to the log."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"
    DEBUG = "debug"


class CustomCommand(Struct, frozen=True, forbid_unknown_fields=True):
    """A program that a person starts for a peer: `%A` stands for its address, `%N` for its name."""

    name: Annotated[str, Meta(min_length=1, max_length=64)]
    line: Annotated[str, Meta(min_length=1, max_length=1_024)]


class WantedNotices(Struct, frozen=True, omit_defaults=True):
    """Which notifications are shown."""

    online: bool = True
    offline: bool = True
    join_requests: bool = True
    key_changes: bool = True
    lost_server: bool = True
    chat: bool = True


class Choices(Struct, frozen=True, omit_defaults=True):
    """What is in window.json. Fields of a later version are ignored and lost at the next change."""

    language: Annotated[str, Meta(max_length=16)] = ""
    """Empty: the system's."""
    colours: ColourScheme = ColourScheme.SYSTEM
    notices: WantedNotices = WantedNotices()
    commands: Annotated[tuple[CustomCommand, ...], Meta(max_length=MAX_COMMANDS)] = ()
    hide_offline: bool = False
    collapsed: Annotated[tuple[int, ...], Meta(max_length=4_096)] = ()
    """Ids of networks that are folded in the roster."""
    start_hidden: bool = False
    close_to_tray: bool = True
    """Closing the window leaves the tray icon, where there is a tray."""
    host_server: bool = False
    """The server on this computer starts with the app."""
    log_level: LogLevel = LogLevel.WARNING
    told_no_tray: bool = False
    """That there is no tray was said once."""
    geometry: Text = ""
    """Of the main window, as Qt writes it, in Base64."""


class PreferencesError(Exception):
    """The file can't be read; the text says why."""


class Preferences(QObject):
    """The choices, kept on disk. `changed` is emitted with each change."""

    changed = Signal()

    def __init__(self, folder: Path) -> None:
        """Reads `window.json` in `folder`; see `error` for why it could not be read."""
        super().__init__()
        self.path = folder / FILE_NAME
        self.error: PreferencesError | None = None
        self.choices = Choices()
        try:
            self.choices = self._read()
        except PreferencesError as error:
            self.error = error

    def _read(self) -> Choices:
        try:
            with self.path.open("rb") as file:
                data = file.read(MAX_FILE + 1)
        except FileNotFoundError:
            return Choices()
        except OSError as error:
            raise PreferencesError(f"{self.path}: {error.strerror or error}") from error
        if len(data) > MAX_FILE:
            raise PreferencesError(f"{self.path}: too large")
        try:
            return msgspec.json.decode(data, type=Choices)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise PreferencesError(f"{self.path}: {error}") from error

    def start_fresh(self) -> Problem | None:
        """Keep a file that can't be read under another name, and write the choices that hold now to a new one.

        Gives what went wrong.
        """
        try:
            put_aside(self.path)
        except OSError as error:
            return self.problem(PreferencesError(f"{self.path}: {error.strerror or error}"))
        self.error = None
        return self.change()

    def problem(self, error: PreferencesError) -> Problem:
        """What is shown about a file that can't be read."""
        return Problem(
            "window-settings-broken",
            _("The choices for this window can't be read."),
            f"{error}.",
            _("The usual ones hold meanwhile. Mend the file, or start with a fresh one; it is kept."),
        )

    def change(self, **changes: Any) -> Problem | None:
        """Replace fields of `choices` and write them. A file that could not be read is not overwritten.

        Gives what went wrong if it can't be written; the change holds until the end of the program.
        """
        self.choices = structs.replace(self.choices, **changes)
        problem = None
        try:
            if self.error is None:
                write_atomically(self.path, msgspec.json.format(msgspec.json.encode(self.choices)), durable=False)
        except OSError as error:
            problem = problem_of(engine_error("file-not-written", place=self.path, reason=error.strerror or error))
        self.changed.emit()
        return problem
