"""The secret that a relay shares with its mediation server, as a file of its own and as text in a configuration.

Whoever has it can make tokens for the relay. Used by the configurations of server and relay.
"""

import os
import re
import secrets
import stat
from base64 import b64decode, b64encode
from pathlib import Path

from app.base.atomic_file import write_atomically
from app.protocol.relay import SECRET_LENGTH

_TEXT = re.compile(r"[A-Za-z0-9+/]{43}=")


class SecretError(Exception):
    """There is no usable secret; the text says why."""


def secret_text(secret: bytes) -> str:
    """The secret as a person copies it."""
    return b64encode(secret).decode("ascii")


def parse_secret(text: str) -> bytes:
    """The secret in a text. Raises SecretError, whose own text never holds it."""
    if not _TEXT.fullmatch(text):
        raise SecretError(f"a relay's secret is {SECRET_LENGTH} bytes in base64, 44 characters")
    return b64decode(text)


def make_secret(file: Path) -> bytes:
    """A new secret, kept in `file` for this user alone. Raises OSError."""
    secret = secrets.token_bytes(SECRET_LENGTH)
    write_atomically(file, f"{secret_text(secret)}\n".encode(), mode=0o600)
    return secret


def read_secret(file: Path) -> bytes:
    """The secret in `file`. Raises SecretError, also if others on this computer could read it, or FileNotFoundError."""
    try:
        if os.name == "posix" and file.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise SecretError(f"{file} is open to other users: chmod 600 it")
        with file.open("rb") as opened:
            text = opened.read(256).decode("ascii", "replace").strip()
    except FileNotFoundError:
        raise
    except OSError as error:
        raise SecretError(f"{file} can't be read: {error.strerror}") from error
    try:
        return parse_secret(text)
    except SecretError as error:
        raise SecretError(f"{file}: {error}") from None
