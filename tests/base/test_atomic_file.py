"""A file is replaced whole or not at all."""

import os
import stat
from pathlib import Path

import pytest

from app.base.atomic_file import write_atomically


def test_a_new_file_has_the_content_and_the_mode(tmp_path: Path) -> None:
    path = tmp_path / "settings.json"
    write_atomically(path, b"{}", mode=0o640)
    assert path.read_bytes() == b"{}"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_the_umask_does_not_change_the_mode(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        write_atomically(tmp_path / "public", b"x", mode=0o644)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "public").stat().st_mode) == 0o644


def test_an_old_file_is_replaced_and_nothing_else_is_left(tmp_path: Path) -> None:
    path = tmp_path / "settings.json"
    path.write_bytes(b"a much longer old content")
    write_atomically(path, b"new")
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_symbolic_link_is_replaced_not_followed(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_bytes(b"keep")
    (tmp_path / "link").symlink_to(target)
    write_atomically(tmp_path / "link", b"new")
    assert target.read_bytes() == b"keep"
    assert not (tmp_path / "link").is_symlink()


def test_a_failure_leaves_the_old_content_and_no_temporary_file(tmp_path: Path) -> None:
    folder = tmp_path / "name-in-use"
    folder.mkdir()
    with pytest.raises(OSError):
        write_atomically(folder, b"new")
    assert list(tmp_path.iterdir()) == [folder]


def test_a_missing_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        write_atomically(tmp_path / "missing" / "file", b"")


def test_what_need_not_be_durable_is_replaced_whole_all_the_same(tmp_path: Path) -> None:
    path = tmp_path / "window.json"
    write_atomically(path, b"old")
    write_atomically(path, b"new", durable=False)
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]
