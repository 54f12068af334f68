"""What the tests of kept chat share: an identity, people, and records."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path

from app.engine.chat_record import ChatChanges, ChatRecord, Delivery
from app.engine.state import ChatStatus, Conversation
from app.protocol.keys import IdentityKey
from app.protocol.wire import Address, format_address

VECTORS = Path(__file__).parent.parent / "protocol" / "vectors" / "keys.json"
IDENTITY, STRANGER = (
    IdentityKey.from_compact(each["compact"]) for each in json.loads(VECTORS.read_text())["identities"]
)
BEN, CARL = Address(0x0A4D0002), Address(0x0A4D0003)
FAMILY = 7
WITH_BEN, WITH_CARL = Conversation(format_address(BEN)), Conversation(format_address(CARL))
WITH_FAMILY = Conversation(network=FAMILY)


def received(number: int, text: str = "hello", author: Address = BEN, network: int = 0) -> ChatRecord:
    return ChatRecord(number, text, 1_700_000_000.0 + number, author, network)


def sent(number: int, status: ChatStatus, text: str = "hello", peer: Address = BEN) -> ChatRecord:
    return ChatRecord(number, text, 1_700_000_000.0 + number, deliveries=(Delivery(peer, status),))


def damage(path: Path) -> None:
    """Make a mess of the messages in a file that nobody uses; what is read at the start stays whole."""
    with closing(sqlite3.connect(path)) as opened:
        (page,) = opened.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'message'").fetchone()
        (size,) = opened.execute("PRAGMA page_size").fetchone()
    with path.open("r+b") as file:
        file.seek((page - 1) * size)
        file.write(bytes(size))


def changes(*records: ChatRecord) -> ChatChanges:
    return ChatChanges({each.id: each for each in records})
