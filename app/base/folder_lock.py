"""One process for each folder: a lock that the system gives free when its holder ends, however it ends.

Taken before the folder's files are used: by the composition roots of engine and server, and by what changes an
identity.
"""

import fcntl
import os
from pathlib import Path
from types import TracebackType
from typing import Self


class FolderInUse(Exception):
    """Another process holds the lock; the text names it as far as it is known, `process` is its id."""

    def __init__(self, holder: str, folder: Path, process: int | None) -> None:
        named = f", process {process}," if process is not None else ""
        super().__init__(f"Another {holder}{named} uses {folder}.")
        self.process = process


class FolderLock:
    """The claim of an "engine" or a "server" to its folder, held while it is open; a context manager."""

    def __init__(self, folder: Path, holder: str) -> None:
        """Claim an existing `folder`. Raises FolderInUse, or OSError if the lock's file can't be made."""
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        self._descriptor = os.open(folder / f"{holder}.lock", flags, 0o600)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            number = os.read(self._descriptor, 32).decode("ascii", "replace").strip()
            os.close(self._descriptor)
            raise FolderInUse(holder, folder, int(number) if number.isdecimal() else None) from None
        os.ftruncate(self._descriptor, 0)
        os.write(self._descriptor, f"{os.getpid()}\n".encode())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        os.close(self._descriptor)
