"""Where chat is kept: on disk or not, and what happens to a file that is damaged or can't be used."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from app.engine.chat_record import KeptChat
from app.engine.chat_store import ChatStore
from app.engine.state import ChatStatus
from app.protocol.conversation import ChatId, ReceivedMark
from tests.engine.chat_files import BEN, IDENTITY, WITH_BEN, WITH_CARL, changes, damage, received, sent

MARK = ReceivedMark(5, 6, (ChatId(5, 6),))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "chat.sqlite"


def opened(path: Path, *, keep_history: bool = True) -> tuple[ChatStore, KeptChat]:
    store = ChatStore(path, IDENTITY, keep_history=keep_history)
    return store, store.open()


@pytest.fixture
def store(path: Path) -> Iterator[ChatStore]:
    store, _ = opened(path)
    with closing(store):
        yield store


def texts(store: ChatStore) -> list[str]:
    return [each.text for each in store.messages(WITH_BEN, None, 100)]


def test_the_history_is_there_after_a_restart(store: ChatStore, path: Path) -> None:
    kept = changes(received(1), sent(2, ChatStatus.QUEUED))
    kept.marks[BEN], kept.unread[WITH_BEN] = MARK, 1
    store.write(kept, 2)
    store.close()
    again, known = opened(path)
    assert known == KeptChat(2, (sent(2, ChatStatus.QUEUED),), {BEN: MARK}, {WITH_BEN: 1})
    assert texts(again) == ["hello", "hello"]
    assert again.problem is None
    again.close()


def test_without_a_history_only_what_waits_outlives_a_restart(path: Path) -> None:
    store, _ = opened(path, keep_history=False)
    kept = changes(received(1, "secret"), sent(2, ChatStatus.QUEUED, "waits"), sent(3, ChatStatus.DELIVERED))
    kept.marks[BEN], kept.unread[WITH_BEN] = MARK, 1
    store.write(kept, 3)
    assert texts(store) == ["secret", "waits", "hello"], "until the engine stops all is there"
    store.close()
    again, known = opened(path, keep_history=False)
    assert known == KeptChat(3, (sent(2, ChatStatus.QUEUED, "waits"),), {BEN: MARK})
    again.close()


def test_what_waited_without_a_history_is_shown_after_a_restart(path: Path) -> None:
    store, _ = opened(path, keep_history=False)
    store.write(changes(sent(1, ChatStatus.QUEUED, "waits")), 1)
    store.close()
    again, _ = opened(path, keep_history=False)
    assert texts(again) == ["waits"]
    assert again.find(1) is not None
    again.close()


def test_what_a_crash_left_although_no_history_is_wanted_is_deleted_at_the_start(store: ChatStore, path: Path) -> None:
    store.write(changes(received(1), sent(2, ChatStatus.QUEUED, "waits")), 2)
    store.close()
    again, known = opened(path, keep_history=False)
    assert texts(again) == ["waits"]
    assert known.waiting == (sent(2, ChatStatus.QUEUED, "waits"),)
    again.close()
    with closing(sqlite3.connect(path)) as other:
        assert other.execute("SELECT id FROM message").fetchall() == [(2,)]


def test_switching_the_history_off_deletes_it_and_on_again_keeps_what_is_known(store: ChatStore, path: Path) -> None:
    kept = changes(received(1, "before"), sent(2, ChatStatus.QUEUED, "waits"))
    kept.unread[WITH_BEN] = 1
    store.write(kept, 2)
    store.keep_history(True)
    store.keep_history(False)
    assert texts(store) == ["before", "waits"]
    with closing(sqlite3.connect(path)) as other:
        assert other.execute("SELECT id FROM message").fetchall() == [(2,)]
        assert other.execute("SELECT sum(unread) FROM conversation").fetchone() == (0,)
    store.write(changes(received(3, "between")), 3)
    store.keep_history(True)
    store.close()
    again, known = opened(path)
    assert texts(again) == ["before", "waits", "between"]
    assert known.unread == {WITH_BEN: 1}
    again.close()


@pytest.mark.parametrize("keep_history", [True, False])
def test_a_conversation_can_be_forgotten(path: Path, keep_history: bool) -> None:
    store, _ = opened(path, keep_history=keep_history)
    store.write(changes(received(1), sent(2, ChatStatus.QUEUED)), 2)
    store.forget(WITH_CARL)
    assert len(texts(store)) == 2
    store.forget(WITH_BEN)
    assert len(texts(store)) == 1
    store.forget(None)
    assert len(texts(store)) == 1
    store.close()


@pytest.mark.parametrize("content", [b"this is no database, whoever says so", os.urandom(20_000)])
def test_a_damaged_file_is_put_aside_at_the_start_and_told(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    store, known = opened(path)
    assert store.problem is not None
    assert store.problem.code == "chat-history-damaged"
    aside = path.with_name("chat.sqlite.aside-1")
    assert str(aside) in store.problem.message
    assert aside.read_bytes() == content
    assert known.last_id > 1_000_000, "numbers go on above all there were"
    store.write(changes(received(known.last_id + 1)), known.last_id + 1)
    assert texts(store) == ["hello"]
    store.close()


def test_a_file_sealed_for_another_key_is_put_aside_too(store: ChatStore, path: Path) -> None:
    store.write(changes(received(1)), 1)
    with closing(sqlite3.connect(path)) as other, other:
        other.execute("UPDATE conversation SET sealed = zeroblob(100)")
    store.close()
    again, known = opened(path)
    assert again.problem is not None
    assert again.problem.code == "chat-history-damaged"
    assert known.waiting == ()
    again.close()


def test_damage_that_shows_while_it_is_used_is_told_and_chat_goes_on(path: Path) -> None:
    store, _ = opened(path)
    store.write(changes(received(1)), 1)
    store.close()
    damage(path)
    store, _ = opened(path)
    assert store.problem is None
    with pytest.raises(sqlite3.DatabaseError) as caught:
        store.messages(WITH_BEN, None, 100)
    assert store.recover(caught.value).code == "chat-history-damaged"
    store.write(changes(received(61, "new")), 61)
    assert texts(store) == ["new"]
    assert path.with_name("chat.sqlite.aside-1").exists()
    store.close()


def test_damage_costs_nothing_of_what_is_only_in_memory(path: Path) -> None:
    store, _ = opened(path, keep_history=False)
    store.write(changes(received(1, "said")), 1)
    error = sqlite3.DatabaseError("malformed")
    error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
    assert store.recover(error).code == "chat-history-damaged"
    assert texts(store) == ["said"]
    store.close()


def test_damage_after_damage_is_put_aside_under_another_name(path: Path) -> None:
    for number in (1, 2):
        path.write_bytes(f"damage {number}".encode())
        opened(path)[0].close()
    assert path.with_name("chat.sqlite.aside-2").read_bytes() == b"damage 2"


def test_a_file_that_cannot_be_used_is_left_alone_and_chat_is_in_memory(store: ChatStore, path: Path) -> None:
    store.write(changes(received(1)), 1)
    with closing(sqlite3.connect(path)) as other:
        other.execute("PRAGMA user_version = 9")
    store.close()
    before = path.read_bytes()
    again, known = opened(path)
    assert again.problem is not None
    assert again.problem.code == "chat-history-unusable"
    assert "version 9" in again.problem.message
    again.write(changes(received(known.last_id + 1, "new")), known.last_id + 1)
    assert texts(again) == ["new"]
    again.close()
    assert path.read_bytes() == before


def test_a_folder_that_is_gone_leaves_chat_in_memory(tmp_path: Path) -> None:
    store, _ = opened(tmp_path / "gone" / "chat.sqlite")
    assert store.problem is not None
    assert store.problem.code == "chat-history-unusable"
    store.close()


def test_a_full_disk_is_told_and_is_no_damage(store: ChatStore) -> None:
    error = sqlite3.OperationalError("database or disk is full")
    error.sqlite_errorcode = sqlite3.SQLITE_FULL
    assert store.recover(error).code == "file-not-written"
    assert store.problem is None
    assert store.unreadable == 0
