"""Engine messages: golden vectors, limits, room for later versions, and any bytes at all."""

import json
from contextlib import suppress
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.protocol import tunnel_message
from app.protocol.tunnel_message import (
    FRAGMENT_SIZE,
    MAX_FRAGMENTS,
    MAX_PADDING,
    MAX_TUNNEL_MESSAGE,
    ChatAcknowledge,
    ChatFragment,
    Goodbye,
    Keepalive,
    ProbeReply,
    ProbeRequest,
    SearchAnswer,
    SearchOffer,
    SearchVerdict,
    StatementGossip,
    TunnelMessage,
)
from app.protocol.wire import MAX_CHAT, RemoteProtocolError

VECTORS = json.loads((Path(__file__).parent / "vectors" / "tunnel_message.json").read_text())
EPOCH = 0xFEDCBA9876543210
TOKEN = 0x0123456789ABCDEF
GOLDEN: list[TunnelMessage] = [
    ProbeRequest(TOKEN),
    ProbeRequest(1, b"padding"),
    ProbeReply(TOKEN),
    ProbeReply(1, b"padding"),
    Keepalive(),
    ChatFragment(EPOCH, 7, 5, 1_700_000_000_123, 0, 1, "鰤 hello".encode()),
    ChatFragment(EPOCH, 8, 5, 1_700_000_000_123, 0, 1, "鰤 hello".encode(), 123_456_789, TOKEN),
    ChatAcknowledge(EPOCH, 7, 0x3FFF),
    StatementGossip(123456789, b"statement"),
    Goodbye(),
    SearchOffer(TOKEN, "192.0.2.1", (2_000, 65_535)),
    SearchAnswer(TOKEN, SearchVerdict.BEGIN, "192.0.2.2", 40_000),
]
LARGEST: list[TunnelMessage] = [
    ProbeRequest(2**64 - 1, bytes(MAX_PADDING)),
    ChatFragment(
        2**64 - 1,
        2**32 - 1,
        2**32 - 1,
        2**64 - 1,
        MAX_FRAGMENTS - 1,
        MAX_FRAGMENTS,
        bytes(FRAGMENT_SIZE),
        2**32 - 1,
        2**64 - 1,
    ),
    StatementGossip(2**32 - 1, bytes(1_100)),
]


@pytest.mark.parametrize(("message", "vector"), list(zip(GOLDEN, VECTORS, strict=True)))
def test_each_message_has_these_bytes_for_ever(message: TunnelMessage, vector: dict[str, str]) -> None:
    assert repr(message) == vector["message"]
    assert tunnel_message.encode(message).hex() == vector["payload"]
    assert tunnel_message.decode(bytes.fromhex(vector["payload"])) == message


def test_every_kind_of_message_has_a_golden_vector() -> None:
    assert {type(message) for message in GOLDEN} == set(TunnelMessage.__subclasses__())


@pytest.mark.parametrize("message", LARGEST)
def test_the_largest_messages_fit_into_one_packet(message: TunnelMessage) -> None:
    payload = tunnel_message.encode(message)
    assert len(payload) <= MAX_TUNNEL_MESSAGE
    assert tunnel_message.decode(payload) == message


def test_the_longest_chat_fits_into_its_fragments() -> None:
    assert (MAX_FRAGMENTS - 1) * FRAGMENT_SIZE < MAX_CHAT <= MAX_FRAGMENTS * FRAGMENT_SIZE


def raw(*fields: object) -> bytes:
    return b"\x00" + msgspec.msgpack.encode(fields)


def test_a_later_version_may_add_fields_and_messages() -> None:
    assert tunnel_message.decode(raw(2, 5, b"", "new field", {"and": "another"})) == ProbeReply(5)
    assert tunnel_message.decode(raw(3, "reason")) == Keepalive()
    assert tunnel_message.decode(raw(99, "what is this?")) is None


def test_a_chat_message_of_an_earlier_version_is_for_the_receiver_alone() -> None:
    assert tunnel_message.decode(raw(4, 9, 1, 1, 5, 0, 1, b"x")) == ChatFragment(9, 1, 1, 5, 0, 1, b"x", 0, 0)


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"\x00",
        b"\x45" + bytes(30),
        b"\x00\x93\x01",
        raw(),
        raw("1", 5),
        raw(0),
        raw(-3),
        raw(1),
        raw(1, -1),
        raw(1, 2**64 - 1, bytes(MAX_PADDING + 1)),
        raw(1, "token"),
        raw(4, 1, 0, 1, 1, 0, 1, b"x"),
        raw(4, 1, 1, 1, 1, MAX_FRAGMENTS, 1, b"x"),
        raw(4, 1, 1, 1, 1, 0, MAX_FRAGMENTS + 1, b"x"),
        raw(4, 1, 1, 1, 1, 0, 1, b""),
        raw(4, 1, 1, 1, 1, 0, 1, bytes(FRAGMENT_SIZE + 1)),
        raw(4, 1, 1, 1, 1, 0, 1, b"x", 1 << 32),
        raw(4, 1, 1, 1, 1, 0, 1, b"x", -1),
        raw(4, 1, 1, 1, 1, 0, 1, b"x", 1, "epoch"),
        raw(5, 1, 1, 1 << MAX_FRAGMENTS),
        raw(6, 0, b"x"),
        raw(6, 1, bytes(1_101)),
        raw(3) + b"trailing",
        b"\x00" + bytes([0x91] * 1_300),
        b"\x00" + msgspec.msgpack.encode({"tag": 1}),
        raw(1, 1, bytes(1_500)),
    ],
)
def test_malformed_messages_are_named_errors(payload: bytes) -> None:
    with pytest.raises(RemoteProtocolError, match="tunnel message: "):
        tunnel_message.decode(payload)


@given(st.binary(max_size=1_450) | st.binary(max_size=64).map(lambda tail: b"\x00" + tail))
def test_any_bytes_are_a_message_or_a_named_error(payload: bytes) -> None:
    with suppress(RemoteProtocolError):
        tunnel_message.decode(payload)


@given(st.recursive(st.integers() | st.binary(max_size=20) | st.text(max_size=5), st.lists))
def test_any_structure_is_a_message_or_a_named_error(value: object) -> None:
    with suppress(RemoteProtocolError, OverflowError):
        tunnel_message.decode(raw(value))


def test_a_probe_is_answered_with_its_own_token_and_size() -> None:
    request = ProbeRequest(42, bytes(100))
    assert tunnel_message.decode(tunnel_message.reply_to(request)) == ProbeReply(42, bytes(100))
