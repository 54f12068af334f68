"""Start with the login: an entry in the XDG autostart folder (Desktop Application Autostart Specification 0.5).

The file itself is the choice: what other programs change there holds. Used by the preferences.
"""

import os
import shlex
from errno import EINVAL
from pathlib import Path
from string import Template
from typing import Final
from unicodedata import category

from app.base.atomic_file import write_atomically
from app.base.program import start_command
from app.base.resources import resource_folder
from app.platform.paths import HOME_VARIABLE

_NOT_IN_ENTRIES: Final = ("Cc", "Cs")
"""Control characters, of which a line break would begin another line of the entry, and bytes that are not UTF-8."""


def autostart_file() -> Path:
    """Where the entry is or would be."""
    value = os.environ.get("XDG_CONFIG_HOME", "")
    folder = Path(value) if os.path.isabs(value) else Path.home() / ".config"
    return folder / "autostart" / "buri.desktop"


def starts_at_login() -> bool:
    """Whether the entry is there and not switched off."""
    try:
        text = autostart_file().read_text("utf-8", "replace")
    except OSError:
        return False
    return "Hidden=true" not in text.splitlines()


def set_start_at_login(wanted: bool) -> None:
    """Write the entry, or remove it. Raises OSError, also if no entry can name this program or home."""
    file = autostart_file()
    if not wanted:
        file.unlink(missing_ok=True)
        return
    command = _command()
    if any(category(each) in _NOT_IN_ENTRIES for each in command):
        raise OSError(EINVAL, "The program's path or BURI_HOME has a character that is no text", str(file))
    file.parent.mkdir(parents=True, exist_ok=True)
    template = Template((resource_folder() / "linux" / "autostart.desktop").read_text("utf-8"))
    write_atomically(file, template.substitute(command=command).encode(), mode=0o644, durable=False)


def _command() -> str:
    """This program with this home, hidden in the tray; quoted as the Desktop Entry Specification asks."""
    home = os.environ.get(HOME_VARIABLE)
    words = start_command({HOME_VARIABLE: home} if home else {})
    return " ".join(_quoted(word) for word in [*words, "gui", "--hidden"])


def _quoted(word: str) -> str:
    if shlex.quote(word) == word and "%" not in word:
        return word
    escaped = "".join(f"\\{each}" if each in '"`$\\' else each for each in word).replace("%", "%%")
    return '"' + escaped.replace("\\", "\\\\") + '"'
