"""Write a file so that a reader, or the next start after a power cut, sees the old content or the new, never a part.

It knows nothing of what it writes. Used for the engine's settings and identity and for the server's configuration.
"""

import os
import secrets
from pathlib import Path


def write_atomically(path: Path, data: bytes, *, mode: int = 0o600, durable: bool = True) -> None:
    """Replace `path` by a file with `data` and the permissions `mode`, both on the disk when this returns.

    What is not `durable` does not wait for the disk: a power cut soon after may bring the old file back.
    The folder must exist. A symbolic link at `path` is replaced, not followed. Raises OSError, and then leaves `path`
    as it was and no temporary file.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}.tmp")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), mode)
    try:
        with open(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            if durable:
                os.fsync(file.fileno())
        os.chmod(temporary, mode)  # what the process's umask took away
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    if durable:
        _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    """Make the renaming itself durable; Windows has no such call and needs none."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
