"""docs/protocol.md says what the code does: every message, field, code and limit, and its worked example."""

import re
from enum import IntEnum
from pathlib import Path

import msgspec
import pytest
from msgspec import Struct

from app.carrier import watch
from app.protocol import (
    conversation,
    fragment,
    liveness,
    mediation,
    path,
    peer_handshake,
    port_guess,
    stream_window,
    tunnel,
    wire,
)
from app.protocol.messages import (
    LOGIN_OF_CLIENT,
    LOGIN_OF_SERVER,
    PEER_MESSAGES,
    REQUESTS,
    WORDS_OF_SERVER,
    Candidate,
    CandidateKind,
    Departure,
    Hello,
    HelloNo,
    HelloOk,
    HelloRefusal,
    Member,
    MemberStatus,
    NetworkProof,
    Refusal,
    Relay,
    RelayTime,
    SetNickname,
    encode,
)
from app.protocol.relay import MAX_RELAY_WORD, RELAY_WORDS, RelayRefusal
from app.protocol.relay_stream import CONFIRM_EVERY, MAX_TRAIN
from app.protocol.suites import SUITES
from app.protocol.tunnel_message import SearchVerdict, TunnelMessage
from app.server.relay.bindings import IDLE_AFTER
from app.server.relay.streams import SILENCE
from app.server.relays import TOKEN_LIFETIME

DOCUMENT = (Path(__file__).parents[2] / "docs" / "protocol.md").read_text(encoding="utf-8")
ROWS = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in DOCUMENT.splitlines() if line[:1] == "|"]

MESSAGES: list[type[Struct]] = [Hello, HelloOk, HelloNo, *LOGIN_OF_CLIENT, *LOGIN_OF_SERVER, *PEER_MESSAGES]
MESSAGES += [*REQUESTS, *WORDS_OF_SERVER, *TunnelMessage.__subclasses__()]


def documented_fields(cell: str) -> tuple[str, ...]:
    """The names in code marks that begin a field, in their order."""
    return tuple(re.findall(r"(?:^|<br>|; )`(\w+)`", cell))


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: message.__name__)
def test_every_message_is_documented_with_its_tag_and_its_fields_in_order(message: type[Struct]) -> None:
    tag = str(message.__struct_config__.tag)
    (row,) = [row for row in ROWS if row[:2] == [tag, message.__name__]]
    assert documented_fields(row[2]) == message.__struct_fields__


@pytest.mark.parametrize("part", [NetworkProof, Candidate, Member, RelayTime, Relay], ids=lambda part: part.__name__)
def test_every_part_of_a_message_is_documented(part: type[Struct]) -> None:
    (row,) = [row for row in ROWS if row[0] == part.__name__]
    assert documented_fields(row[1]) == part.__struct_fields__


@pytest.mark.parametrize("word", RELAY_WORDS, ids=lambda word: word.__name__)
def test_every_word_of_a_relay_is_documented(word: type[Struct]) -> None:
    (row,) = [row for row in ROWS if row[0] == f"{word.__struct_config__.tag} {word.__name__}"]
    assert documented_fields(row[1]) == word.__struct_fields__


CODES = [HelloRefusal, Refusal, Departure, CandidateKind, MemberStatus, SearchVerdict, RelayRefusal]


@pytest.mark.parametrize("codes", CODES)
def test_every_code_is_documented(codes: type[IntEnum]) -> None:
    assert ", ".join(f"{code.value} {code.name}" for code in codes) in DOCUMENT


def test_the_document_knows_no_message_that_is_not_there() -> None:
    known = {(str(message.__struct_config__.tag), message.__name__) for message in MESSAGES}
    documented = {(row[0], row[1]) for row in ROWS if row[0].isdigit() and re.fullmatch("[A-Z][A-Za-z]+", row[1])}
    assert documented == known


def test_timers_and_limits_are_those_of_the_code() -> None:
    limits = {row[0]: row[1] for row in ROWS if len(row) == 2}

    def numbers(name: str) -> list[float]:
        return [float(number.replace(",", "")) for number in re.findall(r"\d[\d,]*(?:\.\d+)?", limits[name])]

    assert numbers("HELO to AUTH OK") == [mediation.LOGIN_TIMEOUT]
    assert numbers("client's Ping after silence, patience") == [mediation.PING_INTERVAL, mediation.PING_TIMEOUT]
    assert numbers("server's patience") == [mediation.SERVER_PATIENCE]
    assert numbers("frame before, after the login") == [wire.MAX_UNAUTHENTICATED_FRAME, wire.MAX_FRAME]
    assert numbers("handshake: repetition, end, memory of the responder") == [
        *peer_handshake.RETRANSMISSION,
        peer_handshake.GIVE_UP_AFTER,
        peer_handshake.HALF_OPEN_LIFETIME,
    ]
    assert numbers("replay window") == [tunnel.REPLAY_WINDOW]
    assert numbers("keepalive, doubt") == [
        *(liveness.KEEPALIVE, liveness.KEEPALIVE_OF_RESPONDER, liveness.DOUBT_AFTER),
    ]
    assert numbers("word of a relay, train on a stream") == [MAX_RELAY_WORD, MAX_TRAIN]
    assert numbers("relay's stream: confirmation, on the way at least") == [CONFIRM_EVERY, stream_window.LEAST]
    assert numbers("relay's stream: client's PING after silence, patience, relay's patience") == [
        *(watch.IDLE, watch.PATIENCE, SILENCE),
    ]
    assert numbers("binding to a relay: silence, token") == [IDLE_AFTER, TOKEN_LIFETIME]
    assert str(fragment.FRAGMENT_PAYLOAD) in DOCUMENT.replace(",", "")
    assert f"after {', '.join(map(str, path.CHECK_INTERVALS[:-1]))} and {path.CHECK_INTERVALS[-1]} s" in DOCUMENT
    assert f"guesses up to {port_guess.MAX_GUESSES:,} ports from {port_guess.FIRST_PORT:,} on" in DOCUMENT
    assert f"go {port_guess.MAX_UNSEEN_GUESSES} at most" in DOCUMENT
    assert f"from each of {port_guess.SOCKETS} sockets" in DOCUMENT
    assert f"* {port_guess.FEW_SOCKETS} where the offered ports lie" in DOCUMENT
    assert f"gives up after {conversation.GIVE_UP_AFTER:.0f} s" in DOCUMENT


def hexadecimal(block: str, name: str) -> bytes:
    """The bytes behind a name in the worked example."""
    (line,) = re.findall(rf"^{name} {{2,}}([0-9a-f |]+?)(?: {{2,}}.*)?$", block, re.MULTILINE)
    return bytes.fromhex(line.replace("|", ""))


def test_the_worked_example_is_right() -> None:
    example = DOCUMENT[DOCUMENT.index("**Worked example**") :]
    suite2, suite1 = example.split("Suite 2:")[1].split("Suite 1:")
    message = encode(SetNickname(1, "Anna"))
    assert message.hex(" ") in example
    secret, initiator, responder = bytes(range(64)), b"\x11" * 128, b"\x22" * 128

    material = SUITES[2].keymat(secret, initiator, responder, 64)
    assert hexadecimal(suite2, "key client → server") + hexadecimal(suite2, "key server → client") == material
    sealed = hexadecimal(suite2, "sealed") + hexadecimal(suite2, "tag")
    header = hexadecimal(suite2, "header")
    assert SUITES[2].cipher(material, True).seal(1, message, header) == sealed

    material = SUITES[1].keymat(secret, initiator, responder, 84)
    assert b"".join(hexadecimal(suite1, name) for name in ("Ke", "Ka", "Kv")) == material
    sealed = hexadecimal(suite1, "text") + hexadecimal(suite1, "MAC")
    assert SUITES[1].cipher(material, True).seal(3, message, hexadecimal(suite1, "header")) == sealed
    assert hexadecimal(suite1, "padded").startswith(message)


def test_every_vector_file_is_named() -> None:
    files = sorted(each.name for each in (Path(__file__).parent / "vectors").iterdir())
    assert sorted(row[0] for row in ROWS if row[0].endswith(".json")) == files


def test_messages_are_plain_arrays() -> None:
    decoded = msgspec.msgpack.decode(encode(SetNickname(1, "Anna")))
    assert decoded == [SetNickname.__struct_config__.tag, 1, "Anna"]
