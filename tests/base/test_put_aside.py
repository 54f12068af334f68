"""What can't be used is kept under another name, each time under a new one."""

from pathlib import Path

import pytest

from app.base.put_aside import put_aside


def test_nothing_that_was_put_aside_before_is_lost(tmp_path: Path) -> None:
    file = tmp_path / "window.json"
    for content in ("first", "second", "third"):
        file.write_text(content)
        aside = put_aside(file)
        assert aside.read_text() == content
        assert not file.exists()
    names = sorted(each.name for each in tmp_path.iterdir())
    assert names == ["window.json.aside-1", "window.json.aside-2", "window.json.aside-3"]


def test_what_belongs_to_a_file_goes_along(tmp_path: Path) -> None:
    for ending in ("", "-wal"):
        (tmp_path / f"chat.sqlite{ending}").write_text(f"content{ending}")
    (tmp_path / "chat.sqlite.aside-1-shm").write_text("of an earlier one")
    aside = put_aside(tmp_path / "chat.sqlite", ("-wal", "-shm"))
    assert aside.name == "chat.sqlite.aside-2"
    assert aside.read_text() == "content"
    assert aside.with_name("chat.sqlite.aside-2-wal").read_text() == "content-wal"
    assert (tmp_path / "chat.sqlite.aside-1-shm").read_text() == "of an earlier one"


def test_a_file_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        put_aside(tmp_path / "window.json")
