"""Open the server's SQLite file: settings, numbered schema upgrades, and a backup before each upgrade.

The schema is the files `resources/server/schema/NNN-what.sql`, applied in order; `PRAGMA user_version` says how many
are in. Besides `store.py` the only place with SQL; used by it alone.
"""

import logging
import re
import sqlite3
from pathlib import Path

logger = logging.getLogger(__name__)

BUSY_TIMEOUT = 10.0
"""Seconds that a statement waits for another process that holds the file."""
_SCHEMA_FILE = re.compile(r"(\d{3})-[a-z0-9-]+\.sql")


class StoreError(Exception):
    """The store can't be opened; the text says why and what to do."""


def open_database(path: Path, schema_folder: Path) -> sqlite3.Connection:
    """A connection to the store at `path`, made or upgraded to the newest schema.

    May be used by one thread at a time. Raises StoreError for a newer schema, a damaged file or a broken upgrade.
    """
    upgrades = schema_upgrades(schema_folder)
    _touch(path)
    connection = _connect(path, read_only=False)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        # FULL makes every commit durable before anybody is told of it: an address must never be given twice.
        connection.execute("PRAGMA synchronous = FULL")
        _upgrade(connection, path, upgrades)
    except sqlite3.DatabaseError as error:
        connection.close()
        raise StoreError(f"{path} can't be used: {error}. Restore it from a backup.") from error
    except StoreError:
        connection.close()
        raise
    return connection


def open_read_only(path: Path, schema_folder: Path) -> sqlite3.Connection:
    """A connection that only reads, while the server runs or not. Raises StoreError if there is nothing to read."""
    if not path.exists():
        raise StoreError(f"{path} does not exist yet: start the server once with `buri server run`")
    connection = _connect(path, read_only=True)
    try:
        found, known = _version(connection), len(schema_upgrades(schema_folder))
    except sqlite3.DatabaseError as error:
        connection.close()
        raise StoreError(f"{path} can't be read: {error}") from error
    if found != known:
        connection.close()
        raise StoreError(
            f"{path} has schema {found}, this program reads {known}: use the version of buri that the server runs"
        )
    return connection


def schema_upgrades(folder: Path) -> list[Path]:
    """The schema files in order. Raises StoreError if one is missing or misnamed."""
    files = sorted(folder.glob("*.sql"))
    for number, file in enumerate(files, start=1):
        match = _SCHEMA_FILE.fullmatch(file.name)
        if match is None or int(match[1]) != number:
            raise StoreError(f"schema file {file.name} is not number {number:03d}: install the program again")
    if not files:
        raise StoreError(f"no schema files in {folder}: install the program again")
    return files


def _connect(path: Path, *, read_only: bool) -> sqlite3.Connection:
    mode = "ro" if read_only else "rwc"
    try:
        connection = sqlite3.connect(
            f"{path.resolve().as_uri()}?mode={mode}",
            uri=True,
            timeout=BUSY_TIMEOUT,
            isolation_level=None,
            check_same_thread=False,
        )
        connection.execute("PRAGMA foreign_keys = ON")
        # A damaged schema must not run functions of our process (SQLite, "Defense Against The Dark Arts").
        connection.execute("PRAGMA trusted_schema = OFF")
    except sqlite3.DatabaseError as error:
        raise StoreError(f"{path} can't be opened: {error}") from error
    return connection


def _touch(path: Path) -> None:
    """A new store is for its user alone; SQLite gives its companions the same permissions."""
    try:
        path.touch(mode=0o600)
    except OSError as error:
        raise StoreError(f"{path} can't be made: {error.strerror}") from error


def _version(connection: sqlite3.Connection) -> int:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    return int(version)


def _upgrade(connection: sqlite3.Connection, path: Path, upgrades: list[Path]) -> None:
    found = _version(connection)
    if found > len(upgrades):
        raise StoreError(
            f"{path} has schema {found}, this program knows {len(upgrades)}: run the newer version of buri that "
            "upgraded it, or restore the backup from before"
        )
    if 0 < found < len(upgrades):
        _back_up(connection, path.with_name(f"{path.name}.before-schema-{found + 1}"))
    for number, file in enumerate(upgrades[found:], start=found + 1):
        _apply(connection, number, file.read_text("utf-8"))
        if found:
            logger.info("store upgraded to schema %d", number)


def _apply(connection: sqlite3.Connection, number: int, script: str) -> None:
    """One upgrade and its number, both or neither."""
    try:
        connection.executescript(f"BEGIN IMMEDIATE; {script}\n; PRAGMA user_version = {number}; COMMIT;")
    except sqlite3.DatabaseError:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _back_up(connection: sqlite3.Connection, copy: Path) -> None:
    """A consistent copy of the store beside it; an older copy of the same name is replaced."""
    copy.unlink(missing_ok=True)
    copy.touch(mode=0o600)
    target = sqlite3.connect(copy)
    try:
        connection.backup(target)
    finally:
        target.close()
    logger.info("store backed up to %s before an upgrade", copy.name)
