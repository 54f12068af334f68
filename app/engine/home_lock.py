"""One engine for each home: a lock that the system gives free when its holder ends, however it ends.

Taken before settings and identity are read, by the composition root of an engine and by what changes the identity.
"""

import fcntl
import os
from pathlib import Path
from types import TracebackType
from typing import Self

LOCK_NAME = "engine.lock"


class HomeInUse(Exception):
    """Another process holds the lock; the text names it as far as it is known."""


class HomeLock:
    """The claim to a state folder, held while it is open; a context manager."""

    def __init__(self, folder: Path) -> None:
        """Claim an existing `folder`. Raises HomeInUse, or OSError if the lock's file can't be made."""
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        self._descriptor = os.open(folder / LOCK_NAME, flags, 0o600)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(self._descriptor, 32).decode("ascii", "replace").strip()
            os.close(self._descriptor)
            process = f", process {holder}," if holder.isdecimal() else ""
            raise HomeInUse(f"Another engine{process} uses {folder}.") from None
        os.ftruncate(self._descriptor, 0)
        os.write(self._descriptor, f"{os.getpid()}\n".encode())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        os.close(self._descriptor)
