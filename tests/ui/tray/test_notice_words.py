"""What notices say, and that hostile names stay names."""

from dataclasses import replace

import pytest

from app.engine.state import ChatMessage, ChatStatus, Conversation, EngineState
from app.ui.tray.notice_words import LONGEST_TEXT, Words, words_of
from app.ui.tray.notices import JoinRequest, Kind, Notice
from tests.ui.samples import FAMILY, MINECRAFT, lively

STATE = lively()
BEN, ROSA, LENA, TOM = (f"10.73.0.{number}" for number in (3, 4, 5, 6))


def received(text: str, network: int = 0) -> ChatMessage:
    return ChatMessage(1, BEN, text, 0.0, ChatStatus.RECEIVED, network)


@pytest.mark.parametrize(
    ("notice", "words"),
    [
        (Notice(Kind.ONLINE, (BEN,)), Words("Ben is online")),
        (Notice(Kind.ONLINE, (BEN, LENA)), Words("2 friends are online", "Ben, Lena")),
        (
            Notice(Kind.OFFLINE, (BEN, LENA, ROSA, TOM)),
            Words("4 friends are offline", "Ben, Lena, Grandma Rosa and 1 more"),
        ),
        (Notice(Kind.OFFLINE, ("10.73.9.9",)), Words("10.73.9.9 is offline")),
        (
            Notice(Kind.JOIN_REQUEST, requests=(JoinRequest(FAMILY, "10.73.1.1"),)),
            Words("Aunt Clara wants to join", "Family"),
        ),
        (Notice(Kind.JOIN_REQUEST, requests=(JoinRequest(1, "10.73.1.7"),)), Words("10.73.1.7 wants to join")),
        (
            Notice(Kind.JOIN_REQUEST, requests=(JoinRequest(1, "10.73.1.7"), JoinRequest(1, "10.73.1.8"))),
            Words("2 friends want to join", "Approve or reject them in Buri."),
        ),
        (Notice(Kind.CHAT, conversation=Conversation(BEN), message=received("hi\nyou")), Words("Ben", "hi you")),
        (
            Notice(Kind.CHAT, conversation=Conversation(network=MINECRAFT), message=received("hi", MINECRAFT)),
            Words("Ben in Friday Minecraft", "hi"),
        ),
        (
            Notice(Kind.CHAT, conversation=Conversation(BEN), message=received("hi"), count=3),
            Words("Ben", "3 new messages"),
        ),
        (Notice(Kind.CHAT, count=7), Words("7 new messages", "In several conversations")),
    ],
)
def test_notices_say_plainly_what_happened(notice: Notice, words: Words) -> None:
    assert words_of(notice, STATE) == words


@pytest.mark.parametrize("kind", [Kind.SERVER_LOST, Kind.SERVER_BACK])
def test_the_server_needs_no_names(kind: Kind) -> None:
    assert "server" in words_of(Notice(kind), EngineState()).title.lower()


def test_hostile_names_are_never_markup_and_never_long() -> None:
    ben = replace(STATE.peers[0], nickname='<a href="http://evil">\u202e&lt;b&gt;\x1b[31m' + "x" * 500, alias="")
    words = words_of(Notice(Kind.ONLINE, (BEN,)), replace(STATE, peers=(ben, *STATE.peers[1:])))
    assert not set("<>\u202e\x1b") & set(words.title)
    assert "&lt;" not in words.title
    assert len(words.title) < 60


def test_hostile_messages_are_never_markup_and_never_long() -> None:
    message = received("<img src=x>\u202e&amp;" + "z\u0301\u0302\u0303\u0304\u0305" * 10_000)
    words = words_of(Notice(Kind.CHAT, conversation=Conversation(BEN), message=message), STATE)
    assert not set("<>\u202e") & set(words.text)
    assert len(words.text) <= LONGEST_TEXT
