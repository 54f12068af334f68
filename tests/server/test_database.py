"""Opening the store: upgrades with a backup, and clear refusals."""

import shutil
import sqlite3
import stat
from pathlib import Path

import pytest

from app.base.resources import resource_folder
from app.server.database import StoreError, open_database, open_read_only, schema_upgrades

SCHEMA = resource_folder() / "server" / "schema"


def newer_schema(tmp_path: Path) -> Path:
    """Today's schema and one more upgrade."""
    folder = tmp_path / "schema"
    shutil.copytree(SCHEMA, folder)
    number = len(schema_upgrades(SCHEMA)) + 1
    (folder / f"{number:03d}-motto.sql").write_text("ALTER TABLE networks ADD COLUMN motto TEXT;")
    return folder


def fill(path: Path, folder: Path) -> None:
    connection = open_database(path, folder)
    connection.execute("INSERT INTO accounts VALUES (7, x'01', x'02', 'anna', 0, 0)")
    connection.close()


def test_a_new_store_has_the_newest_schema_and_is_private(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite3"
    connection = open_database(path, SCHEMA)
    assert connection.execute("PRAGMA user_version").fetchone() == (len(schema_upgrades(SCHEMA)),)
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert connection.execute("PRAGMA foreign_keys").fetchone() == (1,)
    assert {stat.S_IMODE(file.stat().st_mode) for file in tmp_path.iterdir()} == {0o600}
    connection.close()
    assert not list(tmp_path.glob("*before*")), "nothing to back up"


def test_an_upgrade_keeps_the_data_and_a_backup_from_before(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite3"
    fill(path, SCHEMA)
    connection = open_database(path, newer_schema(tmp_path))
    assert connection.execute("SELECT nickname FROM accounts").fetchone() == ("anna",)
    assert connection.execute("SELECT motto FROM networks").fetchall() == []
    connection.close()
    (backup,) = tmp_path.glob("*.before-schema-*")
    assert stat.S_IMODE(backup.stat().st_mode) == 0o600
    restored = open_database(backup, SCHEMA)
    assert restored.execute("SELECT nickname FROM accounts").fetchone() == ("anna",)
    restored.close()


def test_a_newer_store_is_refused_and_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite3"
    fill(path, newer_schema(tmp_path))
    before = path.read_bytes()
    with pytest.raises(StoreError, match="run the newer version"):
        open_database(path, SCHEMA)
    with pytest.raises(StoreError, match="use the version of buri that the server runs"):
        open_read_only(path, SCHEMA)
    assert path.read_bytes() == before


def test_a_broken_upgrade_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite3"
    fill(path, SCHEMA)
    folder = newer_schema(tmp_path)
    upgrade = max(folder.iterdir())
    upgrade.write_text("ALTER TABLE networks ADD COLUMN motto TEXT; INSERT INTO nowhere VALUES (1);")
    with pytest.raises(StoreError, match="no such table: nowhere"):
        open_database(path, folder)
    connection = open_database(path, SCHEMA)
    assert connection.execute("SELECT nickname FROM accounts").fetchone() == ("anna",)
    connection.close()


def test_damage_and_missing_files_are_named(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite3"
    with pytest.raises(StoreError, match="does not exist yet"):
        open_read_only(path, SCHEMA)
    path.write_bytes(b"this is no database at all, but long enough to be looked at" * 100)
    with pytest.raises(StoreError, match="not a database"):
        open_database(path, SCHEMA)
    with pytest.raises(StoreError, match="no schema files"):
        schema_upgrades(tmp_path)
    (tmp_path / "002-second.sql").touch()
    with pytest.raises(StoreError, match="not number 001"):
        schema_upgrades(tmp_path)


def test_the_store_can_be_read_while_it_is_written(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite3"
    fill(path, SCHEMA)
    writer = open_database(path, SCHEMA)
    writer.execute("BEGIN IMMEDIATE")
    writer.execute("UPDATE accounts SET nickname = 'other'")
    reader = open_read_only(path, SCHEMA)
    assert reader.execute("SELECT nickname FROM accounts").fetchone() == ("anna",)
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        reader.execute("DELETE FROM accounts")
    reader.close()
    writer.execute("ROLLBACK")
    writer.close()
