"""The folders of this home, made and claimed; what goes wrong there is said as an error of the command line.

Used by the verbs that work on the files: `up` and `identity`.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from app.base.folder_lock import FolderInUse, FolderLock
from app.cli.outcome import CommandError, ExitCode
from app.platform import paths


def home_folders() -> tuple[Path, Path]:
    """The folders of configuration and state, made if they are missing. Raises CommandError."""
    try:
        return paths.private_folder(paths.config_folder()), paths.private_folder(paths.state_folder())
    except OSError as error:
        raise _unusable(error) from None


@contextmanager
def claimed(state_folder: Path, remedy: str) -> Iterator[None]:
    """No engine runs here meanwhile. Raises CommandError with this `remedy` if one does already."""
    try:
        lock = FolderLock(state_folder, "engine")
    except FolderInUse as error:
        raise CommandError(ExitCode.FAILED, "already-running", "Buri runs already.", str(error), remedy) from None
    except OSError as error:
        raise _unusable(error) from None
    with lock:
        yield


def _unusable(error: OSError) -> CommandError:
    place = f"{error.filename}: " if error.filename else ""
    message = f"{place}{error.strerror or error}."
    return CommandError(
        ExitCode.FAILED, "home-unusable", "The engine's folder can't be used.", message, "Choose one with --home."
    )
