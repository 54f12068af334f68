"""Conversations without an engine: messages that a peer wrote, and our own with every status."""

import time

from app.engine.state import ChatMessage, ChatStatus, Conversation
from tests.ui.samples import FAMILY

BEN = "10.73.0.3"
WITH_BEN = Conversation(BEN)
WITH_FAMILY = Conversation(network=FAMILY)

HOSTILE = (
    "A" * 16_384,
    "<b>bold</b> <img src='file:///etc/passwd'> <a href='http://x.example/'>here</a>",
    "\x1b[31mred\x1b[0m and a null \0 byte",
    "\u202egnp.exe\u202c \u2066isolated",
    "Z" + "\u0301" * 8_000,
    "e\u0301\u0302\u0303\u0304\u0305\u0306" * 1_000,
    "\n" * 16_384,
    "\n.\n" * 5_000,
    "\t" * 5_000,
    "אa" * 5_000,
    "(" * 8_000 + ")" * 8_000,
    "http://a.example/ " * 900,
    "\u200d" * 5_000,
    "\u00ad" * 5_000,
    "\u2028" * 5_000,
)
"""What a peer may send to break the window."""


def received(number: int, text: str = "Hello", at: float | None = None, peer: str = BEN) -> ChatMessage:
    """A message of a peer; `at` is in seconds from now, by default one for each number."""
    return ChatMessage(number, peer, text, _time(number, at), ChatStatus.RECEIVED)


def own(
    number: int, text: str = "Hello", status: ChatStatus = ChatStatus.DELIVERED, at: float | None = None
) -> ChatMessage:
    """A message of ours to Ben."""
    return ChatMessage(number, BEN, text, _time(number, at), status)


def to_family(
    number: int, text: str = "Hello all", status: ChatStatus = ChatStatus.SENT, recipients: int = 5, delivered: int = 0
) -> ChatMessage:
    """A message of ours to a network."""
    return ChatMessage(number, "", text, _time(number, None), status, FAMILY, recipients, delivered)


def from_family(number: int, text: str = "Hello all", peer: str = BEN) -> ChatMessage:
    """A message of a member to all."""
    return ChatMessage(number, peer, text, _time(number, None), ChatStatus.RECEIVED, FAMILY)


def many(count: int, first: int = 1) -> list[ChatMessage]:
    """Messages of Ben, each with its number in it."""
    return [received(number, f"message {number}") for number in range(first, first + count)]


def _time(number: int, at: float | None) -> float:
    return time.time() + (number if at is None else at)
