"""Conversations and pings, set up for their pictures."""

import random
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from PySide6.QtWidgets import QWidget

from app.engine.state import ChatMessage, ChatStatus, Conversation, EngineState, PathKind, PeerStatus, RoundTrip
from app.ui.chat.window import ChatWindow
from app.ui.ping.window import PingWindow
from tests.ui import samples
from tests.ui.world import until

if TYPE_CHECKING:
    from tests.ui.pictures import Studio

BEN, ROSA, LENA = (each.address for each in samples.PEERS[:3])
DAY = 86_400.0
QUEUED, SENT, DELIVERED = ChatStatus.QUEUED, ChatStatus.SENT, ChatStatus.DELIVERED
FAILED, RECEIVED = ChatStatus.FAILED, ChatStatus.RECEIVED
WITH_BEN = (
    (DAY + 3_000, "Is the Minecraft server up tonight?", RECEIVED),
    (DAY + 2_980, "And can my sister join?", RECEIVED),
    (DAY + 2_910, "Yes! Same address as always: http://10.73.0.2:8123/map/ shows the map.", DELIVERED),
    (DAY + 2_900, "She needs the invite: buri://home.example/?fp=SHA256:Zm9vYmFy-_x&network=Minecraft", DELIVERED),
    (DAY + 2_850, "Great, thanks.\nSee you at eight.", RECEIVED),
    (900, "I can't see the shared folder any more. Did you move the photos of the mountains?", RECEIVED),
    (870, "They are in /photos/2026 now. Reload it.", DELIVERED),
    (850, "Hm, wait", FAILED),
    (200, "found them!", RECEIVED),
    (60, "Then good night", SENT),
    (20, "and greetings to your parents", QUEUED),
)
"""Seconds ago, text, status."""
IN_THE_FAMILY = (
    (BEN, 4_000, "Who brings the cake on Sunday?", RECEIVED, 0),
    (ROSA, 3_940, "I do, dear. Apple or cherry?", RECEIVED, 0),
    (LENA, 3_925, "Cherry!", RECEIVED, 0),
    (LENA, 3_920, "Please", RECEIVED, 0),
    ("", 3_800, "Cherry for me as well", DELIVERED, 4),
    ("", 3_740, "And I bring coffee", SENT, 3),
    (BEN, 300, "I can fetch everybody at the station at three", RECEIVED, 0),
    ("", 100, "Who picks up Tom?", QUEUED, 0),
)
"""Author, seconds ago, text, status, members who have it."""
HOSTILE = (
    "A" * 16_384,
    "<b>bold</b> <img src=file:///etc/passwd> &amp; <a href='http://x'>x</a>",
    "\x1b[31mred\x1b[0m\0null",
    "\u202egnp.exe\u202c abc",
    "Z" + "\u0301" * 3_000 + "algo" + "\u0336\u0489" * 400,
    "مرحبا كيف حالك؟ هذا نص طويل من اليمين إلى اليسار يجب أن يظهر بشكل صحيح",
    "\n" * 500 + "x",
    "https://bank.example@evil.example/ and javascript:alert(1)",
)


async def chat(studio: "Studio") -> QWidget:
    """With a friend who has just gone offline; every status that a message can have."""
    now = time.time()
    studio.show(_with_ben(PeerStatus.OFFLINE))
    studio.desk.actions.drafts[Conversation(BEN)] = "Typing something\nin two lines"
    messages = [ChatMessage(1 + n, BEN, text, now - ago, status) for n, (ago, text, status) in enumerate(WITH_BEN)]
    return await _conversation(studio, Conversation(BEN), messages)


async def network_chat(studio: "Studio") -> QWidget:
    """With a whole network."""
    now = time.time()
    studio.show(samples.lively())
    messages = [
        ChatMessage(1 + n, author, text, now - ago, status, samples.FAMILY, 0 if author else 4, delivered)
        for n, (author, ago, text, status, delivered) in enumerate(IN_THE_FAMILY)
    ]
    return await _conversation(studio, Conversation(network=samples.FAMILY), messages)


async def hostile_chat(studio: "Studio") -> QWidget:
    """With somebody who tries everything."""
    now = time.time()
    studio.show(_with_ben(PeerStatus.DIRECT))
    messages = [ChatMessage(1 + n, BEN, text, now - 500 + n, RECEIVED) for n, text in enumerate(HOSTILE)]
    return await _conversation(studio, Conversation(BEN), messages)


async def empty_chat(studio: "Studio") -> QWidget:
    """Nothing was said yet."""
    studio.show(_with_ben(PeerStatus.DIRECT))
    return await _conversation(studio, Conversation(BEN), [])


async def ping(studio: "Studio") -> QWidget:
    """Live, over a real tunnel; before it began, the path changed twice and some got lost."""
    _, ben = await studio.friends()
    window = PingWindow(studio.desk.actions, ben.state.server.address)
    chance, start = random.Random(4), time.time() - 58
    for second in range(58):
        relayed = 14 <= second < 40
        seconds = (0.047 if relayed else 0.012) + chance.expovariate(900)
        endpoint = "" if relayed else "203.0.113.4:41641" if second < 14 else "[2001:db8::12]:41641"
        lost = second in (13, 14, 39, 50)
        path = PathKind.RELAY if relayed else PathKind.DIRECT
        window.record.add(RoundTrip(second, 56, None if lost else seconds, path, endpoint), start + second)
    await until(lambda: len(window.record.samples) > 58, "an answer over the tunnel")
    return window


async def ping_without_tunnel(studio: "Studio") -> QWidget:
    """The friend went offline while it ran."""
    window = _pings(studio, PeerStatus.OFFLINE)
    chance, start = random.Random(4), time.time() - 50
    for second in range(25):
        trip = RoundTrip(second, 56, 0.0006 + chance.expovariate(9_000), PathKind.DIRECT, "192.168.1.7:41641")
        window.record.add(trip, start + second)
    window._show_record()
    return window


async def ping_before_any(studio: "Studio") -> QWidget:
    """No answer yet, as there is no tunnel."""
    return _pings(studio, PeerStatus.CONNECTING)


async def _conversation(studio: "Studio", about: Conversation, messages: Sequence[ChatMessage]) -> QWidget:
    window = ChatWindow(studio.desk.actions, about)
    window.show()
    await until(lambda: not window._is_loading)
    window.model.show(messages)
    window.view.go_to_end()
    return window


def _pings(studio: "Studio", status: PeerStatus) -> PingWindow:
    studio.show(_with_ben(status))
    return PingWindow(studio.desk.actions, BEN)


def _with_ben(status: PeerStatus) -> EngineState:
    """Ben has this status, and everything was read."""
    state = samples.lively()
    peers = tuple(
        replace(each, unread=0) if each.address != BEN else samples.peer(3, "Ben", status, each.networks, 0.0123)
        for each in state.peers
    )
    return replace(state, peers=peers, networks=tuple(replace(each, unread=0) for each in state.networks))
