"""Chat on the disk: sealed, bounded, in order, and never half written."""

import shutil
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from app.engine import chat_database
from app.engine.chat_database import ChatDatabase, Limits, UnknownVersionError
from app.engine.chat_record import ChatChanges, Delivery, KeptChat
from app.engine.state import ChatStatus, Conversation
from app.protocol.conversation import ChatId, ReceivedMark
from app.protocol.keys import KeyFormatError
from app.protocol.wire import Address, format_address
from tests.engine.chat_files import (
    BEN,
    CARL,
    FAMILY,
    IDENTITY,
    STRANGER,
    WITH_BEN,
    WITH_CARL,
    WITH_FAMILY,
    changes,
    received,
    sent,
)

WIDE = Limits(messages=1_000, bytes=64 << 20)
MARK = ReceivedMark(5, 6, (ChatId(5, 6),))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "chat.sqlite"


@pytest.fixture
def database(path: Path) -> Iterator[ChatDatabase]:
    with closing(ChatDatabase(path, IDENTITY, WIDE)) as opened:
        yield opened


def reopened(database: ChatDatabase, path: Path) -> ChatDatabase:
    database.close()
    return ChatDatabase(path, IDENTITY, WIDE)


def texts(database: ChatDatabase, conversation: Conversation) -> list[str]:
    return [each.text for each in database.messages(conversation, None, 1_000)]


def test_what_was_kept_is_there_after_a_restart(database: ChatDatabase, path: Path) -> None:
    to_family = sent(3, ChatStatus.SENT)
    records = [received(1), received(2, "to all", CARL, FAMILY), to_family]
    kept = changes(*records)
    kept.marks[BEN], kept.unread[WITH_BEN], kept.unread[WITH_FAMILY] = MARK, 1, 0
    database.write(kept, 3)
    again = reopened(database, path)
    assert again.kept() == KeptChat(3, (to_family,), {BEN: MARK}, {WITH_BEN: 1})
    assert again.messages(WITH_BEN, None, 10) == (records[0], to_family)
    assert again.messages(WITH_FAMILY, None, 10) == (records[1],)
    assert again.messages(WITH_CARL, None, 10) == ()
    assert again.find(3) == to_family
    assert again.find(4) is None
    again.close()


def test_a_conversation_is_read_page_by_page(database: ChatDatabase) -> None:
    database.write(changes(*(received(number, str(number)) for number in range(1, 11))), 10)
    assert [each.id for each in database.messages(WITH_BEN, None, 3)] == [8, 9, 10]
    assert [each.id for each in database.messages(WITH_BEN, 8, 3)] == [5, 6, 7]
    assert [each.id for each in database.messages(WITH_BEN, 1, 3)] == []


def test_a_stolen_disk_shows_neither_text_nor_people(database: ChatDatabase, path: Path) -> None:
    kept = changes(received(1, "the password is swordfish"), sent(2, ChatStatus.QUEUED, "really swordfish"))
    kept.marks[BEN] = MARK
    database.write(kept, 2)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    disk = b"".join(each.read_bytes() for each in path.parent.iterdir())
    assert len(list(path.parent.iterdir())) == 3
    for secret in (b"swordfish", format_address(BEN).encode(), BEN.to_bytes(4, "big")):
        assert secret not in disk
    database.close()
    with pytest.raises(KeyFormatError):
        ChatDatabase(path, STRANGER, WIDE)


def test_a_crash_loses_nothing_that_was_written(database: ChatDatabase, path: Path) -> None:
    database.write(changes(received(1, "before the crash")), 1)
    crashed = path.parent / "crashed"
    crashed.mkdir()
    for each in path.parent.glob("chat.sqlite*"):
        shutil.copy(each, crashed)
    with closing(ChatDatabase(crashed / path.name, IDENTITY, WIDE)) as again:
        assert texts(again, WITH_BEN) == ["before the crash"]


def test_what_is_forgotten_is_not_on_the_disk_any_more(database: ChatDatabase, path: Path) -> None:
    database.write(changes(received(1, "x" * 9_000), received(2, "y", CARL), sent(3, ChatStatus.QUEUED)), 3)
    sealed = sqlite3.connect(path).execute("SELECT sealed FROM message WHERE id = 1").fetchone()[0][-1_000:]
    database.forget(WITH_BEN)
    assert texts(database, WITH_BEN) == ["hello"], "what is on its way stays"
    assert texts(database, WITH_CARL) == ["y"]
    database.forget(None)
    assert texts(database, WITH_CARL) == []
    assert database.kept().last_id == 3
    assert database.kept().unread == {}
    assert all(sealed not in each.read_bytes() for each in path.parent.iterdir())
    database.forget(WITH_FAMILY)


def test_only_what_waits_is_kept_if_the_person_wants_no_history(database: ChatDatabase) -> None:
    kept = changes(received(1), sent(2, ChatStatus.QUEUED), sent(3, ChatStatus.DELIVERED))
    kept.marks[BEN], kept.unread[WITH_BEN] = MARK, 1
    database.write(kept, 3, only_waiting=True)
    assert [each.id for each in database.messages(WITH_BEN, None, 10)] == [2]
    assert database.kept() == KeptChat(3, (sent(2, ChatStatus.QUEUED),), {BEN: MARK}, {})
    database.write(changes(sent(2, ChatStatus.DELIVERED)), 3, only_waiting=True)
    assert database.messages(WITH_BEN, None, 10) == ()


def test_the_newest_of_each_conversation_stay_and_what_waits(path: Path) -> None:
    with closing(ChatDatabase(path, IDENTITY, Limits(5, 64 << 20))) as database:
        database.write(changes(sent(1, ChatStatus.QUEUED), received(2, "once", CARL)), 2)
        for number in range(3, 13):
            database.write(changes(received(number, str(number))), number)
        assert [each.id for each in database.messages(WITH_BEN, None, 100)] == [1, 8, 9, 10, 11, 12]
        assert texts(database, WITH_CARL) == ["once"]


def test_whoever_writes_most_gives_way_first(path: Path) -> None:
    with closing(ChatDatabase(path, IDENTITY, Limits(1_000, 400_000))) as database:
        database.write(changes(*(received(number, "dear", CARL) for number in range(1, 6))), 5)
        database.write(changes(sent(6, ChatStatus.QUEUED, "waits")), 6)
        for number in range(7, 60):
            database.write(changes(received(number, "spam" * 4_000)), number)
        assert texts(database, WITH_CARL) == ["dear"] * 5
        assert texts(database, WITH_BEN)[0] == "waits"
        assert 2 <= len(texts(database, WITH_BEN)) < 30
        assert texts(database, WITH_BEN)[-1].startswith("spam")


def test_strangers_in_any_number_do_not_fill_the_disk(database: ChatDatabase, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chat_database, "MAX_CONVERSATIONS", 10)
    database.write(changes(sent(1, ChatStatus.QUEUED, peer=CARL), received(2)), 2)
    for number in range(3, 30):
        database.write(changes(received(number, "hi", Address(number))), number)
    kept = changes(received(30))
    database.write(kept, 30)
    assert texts(database, WITH_CARL) == ["hello"]
    assert texts(database, WITH_BEN) == ["hello"], "forgotten, and begun anew"
    assert texts(database, Conversation(format_address(Address(29)))) == ["hi"]
    assert texts(database, Conversation(format_address(Address(3)))) == []


def test_a_write_that_fails_leaves_nothing_half_done(database: ChatDatabase) -> None:
    database.write(changes(received(1)), 1)
    with pytest.raises(OverflowError):
        database.write(changes(received(3, "x", CARL), received(2**63)), 3)
    assert database.kept().last_id == 1
    assert texts(database, WITH_CARL) == []
    database.write(changes(received(3, "y", CARL)), 3)
    assert texts(database, WITH_CARL) == ["y"]


def test_rows_that_were_swapped_or_damaged_are_left_out_and_counted(database: ChatDatabase, path: Path) -> None:
    database.write(changes(received(1, "one"), received(2, "two"), received(3, "three")), 3)
    with closing(sqlite3.connect(path)) as other, other:
        other.execute("UPDATE message SET sealed = (SELECT sealed FROM message WHERE id = 3) WHERE id = 1")
        other.execute("UPDATE message SET sealed = x'00' WHERE id = 2")
    assert texts(database, WITH_BEN) == ["three"]
    assert database.unreadable == 2


@pytest.mark.parametrize(
    "forgery",
    [
        "UPDATE message SET conversation = 3 - conversation",
        "UPDATE conversation SET number = number + 2; UPDATE conversation SET number = 5 - number",
    ],
)
def test_nobody_without_the_key_puts_words_into_the_mouth_of_another(
    database: ChatDatabase, path: Path, forgery: str
) -> None:
    database.write(changes(received(1, "from Ben"), received(2, "from Carl", CARL)), 2)
    with closing(sqlite3.connect(path)) as other:
        other.executescript(forgery)
    again = reopened(database, path)
    assert texts(again, WITH_BEN) == texts(again, WITH_CARL) == []
    assert again.unreadable == 2
    again.close()


def test_a_file_of_another_version_is_left_alone(database: ChatDatabase, path: Path) -> None:
    with closing(sqlite3.connect(path)) as other:
        other.execute("PRAGMA user_version = 9")
    database.close()
    with pytest.raises(UnknownVersionError):
        ChatDatabase(path, IDENTITY, WIDE)


def test_a_history_is_copied_with_its_unread_counts(database: ChatDatabase) -> None:
    kept = changes(received(1, "one"), received(2, "two"), received(3, "three", CARL))
    kept.unread[WITH_BEN] = 2
    database.write(kept, 3)
    memory = ChatDatabase(None, IDENTITY, Limits(1, 1 << 20))
    database.copy_to(memory)
    assert texts(memory, WITH_BEN) == ["two"]
    assert texts(memory, WITH_CARL) == ["three"]
    assert memory.kept().unread == {WITH_BEN: 2}
    memory.close()


def test_one_record_is_replaced_by_its_later_state(database: ChatDatabase) -> None:
    first = sent(1, ChatStatus.QUEUED)
    database.write(changes(first), 1)
    delivered = first.with_delivery(Delivery(BEN, ChatStatus.DELIVERED, ChatId(9, 1)))
    database.write(changes(delivered), 1)
    assert database.messages(WITH_BEN, None, 10) == (delivered,)
    assert database.kept() == KeptChat(1)
    database.write(ChatChanges(), 0)
    assert database.kept() == KeptChat(1)
