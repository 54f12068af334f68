"""`buri gui`: the desktop app, with its window and tray icon; imports Qt only here."""

import os
import re
import socket
import sys
from argparse import Namespace
from contextlib import suppress
from pathlib import Path
from typing import Final

from app.cli.outcome import CommandError, ExitCode, command_error
from app.engine.errors import EngineError
from app.engine.identity import PASSPHRASE_VARIABLE, choose_storage, read_passphrase
from app.platform.paths import HOME_VARIABLE, is_root

LINK_VARIABLE: Final = "BURI_LINK"
"""Where the link is when the program starts anew without it."""


def run(arguments: Namespace) -> int:
    """Run until the person quits; gives the exit code."""
    if is_root() and not os.environ.get(HOME_VARIABLE):
        raise CommandError(
            ExitCode.FAILED,
            "window-as-root",
            "Buri's window does not run as root.",
            "The browser and all other programs that it opens would be root as well.",
            "Start it as yourself. In a container or for a test, name a folder with --home.",
        )
    if arguments.link:
        _start_anew_without(arguments.link)
    link = os.environ.pop(LINK_VARIABLE, "")
    if not _has_display():
        raise CommandError(
            ExitCode.FAILED,
            "no-display",
            "There is no screen to show a window on.",
            "No display answers: see DISPLAY and WAYLAND_DISPLAY.",
            "Run it on a desktop, or use `buri up` and the other verbs here.",
        )
    try:
        passphrase = read_passphrase(arguments.passphrase_file)
    except EngineError as error:
        raise command_error(error) from error
    os.environ.pop(PASSPHRASE_VARIABLE, None)  # a browser or any other program that a window starts must not see it
    storage = choose_storage(arguments.key_file, passphrase)
    from app.ui import application
    from app.ui.session import Launch
    from app.ui.single_instance import FirstDoesNotAnswer

    try:
        return application.run(Launch(link, arguments.hidden, storage, passphrase, arguments.log_level or ""))
    except FirstDoesNotAnswer as error:
        raise CommandError(
            ExitCode.FAILED,
            "gui-hangs",
            "Buri's window runs already, but does not answer.",
            str(error),
            "End that process, then start it again.",
        ) from None
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        message = f"{place}{error.strerror or error}."
        remedy = "Choose a folder of your own, with a short name, with --home."
        raise CommandError(ExitCode.FAILED, "home-unusable", "Buri's folder can't be used.", message, remedy) from None


def _start_anew_without(link: str) -> None:
    """The process list shows a program's words to everybody for as long as it runs, and a link may hold a secret."""
    os.environ[LINK_VARIABLE] = link
    os.execv(sys.executable, [word for word in sys.orig_argv if word != link])


def _has_display() -> bool:
    """Whether Qt finds a screen: without one it would end the process with a core dump."""
    if not sys.platform.startswith("linux"):
        return True
    if os.environ.get("WAYLAND_DISPLAY") or os.environ.get("QT_QPA_PLATFORM"):
        return True
    display = os.environ.get("DISPLAY", "")
    local = re.match(r"(?:unix)?:(\d{1,5})(?:\.\d+)?$", display)
    return _listens(Path(f"/tmp/.X11-unix/X{local[1]}")) if local else bool(display)  # noqa: S108 - X's own place


def _listens(path: Path) -> bool:
    """Whether an X server is there. Some listen only on the abstract name, which has no file."""
    for name in (str(path), f"\0{path}"):
        with socket.socket(socket.AF_UNIX) as probe, suppress(OSError):
            probe.settimeout(1.0)
            probe.connect(name)
            return True
    return False
