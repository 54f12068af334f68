"""Words between client and relay: golden vectors, and nothing but a named error for all other bytes."""

import json
from contextlib import suppress
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.protocol import relay
from app.protocol.relay import (
    MAX_RELAY_WORD,
    RELAY_WORDS,
    Grant,
    RelayBind,
    RelayBound,
    RelayPing,
    RelayPong,
    RelayRefusal,
    RelayRefused,
    RelayUnknown,
    RelayWord,
    bind_mac,
    bound_mac,
    decode,
    encode,
    open_token,
    seal_token,
    token_key,
)
from app.protocol.wire import RemoteProtocolError

VECTORS = json.loads((Path(__file__).parent / "vectors" / "relay.json").read_text())
SECRET, TOKEN = bytes.fromhex(VECTORS["secret"]), bytes.fromhex(VECTORS["token"])
GRANT = Grant(b"pair of two ones", 1, 1_900_000_000, 25_000_000)
NONCE, COOKIE, MAC = b"\x4e" * 8, b"\x43" * 16, b"\x4d" * 32
EXAMPLES: list[RelayWord] = [
    RelayPing(NONCE),
    RelayPong(NONCE, COOKIE),
    RelayBind(TOKEN, COOKIE, NONCE, MAC),
    RelayBound(NONCE, 0xC1020304, True, MAC),
    RelayRefused(NONCE, RelayRefusal.WRONG_TOKEN),
    RelayUnknown(0xFFFFFFFF),
]


def test_every_word_has_an_example() -> None:
    assert {type(example) for example in EXAMPLES} == set(RELAY_WORDS)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: type(example).__name__)
def test_golden_words(example: RelayWord) -> None:
    golden = bytes.fromhex(VECTORS["words"][type(example).__name__])
    assert encode(example) == golden
    assert decode(golden) == example
    assert len(golden) <= MAX_RELAY_WORD


def test_golden_token_key_and_macs() -> None:
    assert open_token(SECRET, TOKEN) == GRANT
    key = token_key(SECRET, TOKEN)
    assert key.hex() == VECTORS["key"]
    assert bind_mac(key, TOKEN, COOKIE, NONCE).hex() == VECTORS["bind_mac"]
    assert bound_mac(key, NONCE, 0xC1020304, True).hex() == VECTORS["bound_mac"]


def test_no_answer_is_longer_than_its_cause() -> None:
    assert len(encode(RelayPong(NONCE, COOKIE))) < len(encode(RelayPing(NONCE)))
    bind = len(encode(RelayBind(TOKEN, COOKIE, NONCE, MAC)))
    told_to_both = 2 * len(encode(RelayBound(NONCE, 0xC1020304, True, MAC)))
    assert told_to_both <= bind
    assert len(encode(RelayRefused(NONCE, RelayRefusal.BUSY))) < bind


@given(st.binary(min_size=16, max_size=16), st.integers(0, 1), st.integers(0, 2**64 - 1), st.integers(0, 2**32 - 1))
def test_a_token_tells_its_grant_to_its_relay_alone(pair: bytes, side: int, expires: int, rate: int) -> None:
    grant = Grant(pair, side, expires, rate)
    token = seal_token(SECRET, grant)
    assert open_token(SECRET, token) == grant
    assert pair not in token
    with pytest.raises(RemoteProtocolError):
        open_token(bytes(32), token)


@given(st.binary(max_size=128), st.data())
def test_any_other_token_is_a_named_error(forged: bytes, data: st.DataObject) -> None:
    mangled = bytearray(TOKEN)
    mangled[data.draw(st.integers(0, len(TOKEN) - 1))] ^= data.draw(st.integers(1, 255))
    for token in (forged, bytes(mangled), TOKEN[: data.draw(st.integers(0, len(TOKEN) - 1))]):
        with pytest.raises(RemoteProtocolError):
            open_token(SECRET, token)


def test_a_third_side_is_refused() -> None:
    with pytest.raises(RemoteProtocolError, match="two sides"):
        open_token(SECRET, seal_token(SECRET, GRANT._replace(side=2)))


@given(st.binary(max_size=300))
def test_any_bytes_are_a_word_or_a_named_error(data: bytes) -> None:
    for datagram in (data, b"\x82" + data):
        with suppress(RemoteProtocolError):
            assert decode(encode(decode(datagram))) == decode(datagram)


@given(st.sampled_from(EXAMPLES), st.data())
def test_a_mangled_word_is_a_word_or_a_named_error(example: RelayWord, data: st.DataObject) -> None:
    mangled = bytearray(encode(example))
    for _ in range(data.draw(st.integers(1, 4))):
        mangled[data.draw(st.integers(0, len(mangled) - 1))] = data.draw(st.integers(0, 255))
    with suppress(RemoteProtocolError):
        assert isinstance(decode(bytes(mangled)), RelayWord)


def test_fields_of_a_later_version_are_ignored() -> None:
    word = encode(EXAMPLES[0])
    fields = msgspec.msgpack.decode(word[1:])
    assert decode(word[:1] + msgspec.msgpack.encode([*fields, "later"])) == EXAMPLES[0]


def test_a_stream_of_a_relay_is_not_taken_for_one_to_the_mediation_server() -> None:
    """HELO's 16-bit length is at most 4,096, so its first byte at most 0x10."""
    assert relay.STREAM_MAGIC[0] > 0x10
