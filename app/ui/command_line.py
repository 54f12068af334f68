"""What a custom command becomes for a peer: a list of words for the system, never a line for a shell.

The template is split into words first, and only then address and name are filled in, so that a name stays inside its
word. A name is what a stranger chose: characters that mean something to a shell, in a path or as an option are taken
out of it, and a word that would become an option is refused. No I/O but the start itself. Used by actions.py and by the
preferences' page.
"""

import re
import shlex
import unicodedata
from typing import Final

from PySide6.QtCore import QDir, QProcess

from app.engine.errors import EngineError
from app.engine.state import PeerView
from app.ui.preferences import CustomCommand
from app.ui.words.statuses import peer_name
from app.ui.words.translations import _

MAX_WORDS: Final = 64
_PLACEHOLDER: Final = re.compile("%[AN]")
_PLAIN: Final = " ._-"
"""What a name keeps besides letters, marks and digits."""


class CommandRefused(EngineError):
    """The command can't be used, or not for this peer; `message` says why to a person."""

    def __init__(self, message: str) -> None:
        super().__init__("command-refused", _("This command can't be started."), message)


def template_words(line: str) -> list[str]:
    """The words of a template. Raises CommandRefused if they can't be told."""
    try:
        words = shlex.split(line)
    except ValueError:
        raise CommandRefused(_("A quotation mark or backslash is left open.")) from None
    if not words or not words[0]:
        raise CommandRefused(_("The command is empty."))
    if len(words) > MAX_WORDS:
        raise CommandRefused(_("The command has more than {count} words.").format(count=MAX_WORDS))
    if "\0" in line:
        raise CommandRefused(_("The command holds a character that no program can take."))
    if _PLACEHOLDER.search(words[0]):
        raise CommandRefused(_("The first word is the program: it can't hold %A or %N."))
    return words


def command_words(command: CustomCommand, peer: PeerView) -> list[str]:
    """Program and arguments for this peer. Raises CommandRefused."""
    values = {"%A": peer.address, "%N": plain_name(peer_name(peer))}
    filled = []
    for word in template_words(command.line):
        if "%N" in word and any(part.startswith("-") for part in values["%N"].split()):
            raise CommandRefused(_("The peer's name looks like an option of a program. Give it an alias first."))
        filled.append(_PLACEHOLDER.sub(lambda found: values[found[0]], word))
    return filled


def plain_name(name: str) -> str:
    """A name without anything that a shell, a path or an address could take for more than a name."""
    return "".join(each if unicodedata.category(each)[0] in "LMN" or each in _PLAIN else "_" for each in name)


def start(words: list[str]) -> None:
    """Start a program that outlives the app, without its terminal. Raises CommandRefused.

    Waits until the system has loaded the program: not for the window's thread.
    """
    process = QProcess()
    process.setProgram(words[0])
    process.setArguments(words[1:])
    process.setWorkingDirectory(QDir.homePath())
    process.setStandardInputFile(QProcess.nullDevice())
    process.setStandardOutputFile(QProcess.nullDevice())
    process.setStandardErrorFile(QProcess.nullDevice())
    started = process.startDetached()
    if not (started[0] if isinstance(started, tuple) else started):
        raise CommandRefused(
            _("{program} could not be started: {reason}.").format(
                program=words[0], reason=process.errorString().rstrip(".")
            )
        )
