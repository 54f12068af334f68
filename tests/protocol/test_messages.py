"""Every message has a golden vector; any other bytes are a named error."""

import json
from contextlib import suppress
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.protocol import messages
from app.protocol.messages import (
    LOGIN_OF_CLIENT,
    LOGIN_OF_SERVER,
    PEER_MESSAGES,
    REQUESTS,
    WORDS_OF_SERVER,
    Accepted,
    Auth,
    AuthNo,
    AuthOk,
    Candidate,
    CandidateKind,
    Decoder,
    Departure,
    Hello,
    HelloNo,
    HelloOk,
    HelloRefusal,
    Member,
    MemberStatus,
    Message,
    NetworkProof,
    Ping,
    Refusal,
    encode,
)
from app.protocol.wire import RemoteProtocolError

KEY, SIGNATURE, STATEMENT = bytes(range(200)) * 2, b"\x51" * 384, b"\x57" * 384
NONCE, SECRET, SALT, WRAPPED = b"\x4e" * 128, b"\x53" * 32, b"\x54" * 16, b"\x55" * 60
CANDIDATES = (Candidate(CandidateKind.HOST, "192.0.2.1", 41000), Candidate(CandidateKind.REFLEXIVE, "2001:db8::1", 9))
RELAYS = (messages.Relay(0, "", 12975, 443), messages.Relay(1, "relay.example.org", 12975, 0))
ANNA = Member(0x0A100001, SECRET, "Anna", True)
BEN = Member(0x0A100002, SECRET, "Бен", False, MemberStatus.PENDING)

EXAMPLES: list[Message] = [
    Hello(1, 2, SECRET, NONCE, b"\x47" * 1216),
    HelloOk(NONCE, b"\x47" * 1120),
    HelloNo(HelloRefusal.BUSY),
    Auth(0x0A100001, SIGNATURE),
    messages.Register(KEY, "Anna", SIGNATURE),
    AuthOk(KEY, SIGNATURE, 0x0A100001),
    AuthNo(Refusal.NO_SUCH_ACCOUNT, KEY, SIGNATURE),
    messages.PeerHello(1, 1, SECRET, NONCE, b"\x47" * 256),
    messages.PeerHelloOk(NONCE, b"\x47" * 256),
    messages.PeerAuth(0x0A100001, 1, (NetworkProof(1, SECRET), NetworkProof(2, None)), SIGNATURE),
    messages.SetNickname(1, "Anna"),
    messages.PrepareJoin(2, "friends"),
    messages.CreateNetwork(3, "friends", SALT, SECRET, WRAPPED),
    messages.JoinNetwork(4, 7, SECRET),
    messages.LeaveNetwork(5, 7),
    messages.DeleteNetwork(6, 7),
    messages.Evict(7, 7, 0x0A100002, False, STATEMENT),
    messages.SetPassword(8, 7, None, None, None),
    messages.SetAccess(9, 7, True, None, 32),
    messages.Approve(10, 7, 0x0A100002, None),
    messages.Reject(11, 7, 0x0A100002),
    messages.RenameMember(12, 7, 0x0A100002, "Benno"),
    messages.SetPresence(13, 7, False),
    messages.GetPeerKey(14, 0x0A100002),
    messages.Introduce(15, 0x0A100002, b"user", b"\x70" * 16, CANDIDATES, True),
    Ping(16),
    messages.Unban(17, 7, 0x0A100002),
    messages.ReportRelays(18, (messages.RelayTime(0, 12), messages.RelayTime(1, 140))),
    messages.GetRelay(19, 0x0A100002),
    Accepted(1),
    messages.Refused(2, Refusal.WRONG_PASSWORD),
    messages.JoinParameters(3, 7, "friends", SALT),
    messages.Created(4, 7),
    messages.Pending(5, 7),
    messages.PeerKey(6, 0x0A100002, KEY),
    messages.Welcome("home", "Anna", 0x0A100000, 16, (12975, 12976), "192.0.2.1", RELAYS, 443),
    messages.NetworkState(7, "friends", 0x0A100001, MemberStatus.MEMBER, True, False, True, 0, SALT, WRAPPED, True),
    messages.Roster(7, True, True, (ANNA, BEN)),
    messages.MemberChanged(7, BEN),
    messages.MemberGone(7, 0x0A100002, Departure.EVICTED),
    messages.NetworkGone(7, Departure.DELETED),
    messages.Synchronised(),
    messages.Introduced(0x0A100002, b"user", b"\x70" * 16, CANDIDATES, False, "192.0.2.9"),
    messages.StatementTold(7, STATEMENT),
    messages.Closing(True),
    messages.RelayOffered(0x0A100002, 1, b"\x59" * 57, SECRET, 43_200),
]
VECTORS: dict[str, str] = json.loads((Path(__file__).parent / "vectors" / "messages.json").read_text())
ALL: tuple[type[Message], ...] = (
    *(Hello, HelloOk, HelloNo),
    *LOGIN_OF_CLIENT,
    *LOGIN_OF_SERVER,
    *PEER_MESSAGES,
    *REQUESTS,
    *WORDS_OF_SERVER,
)
EVERYTHING = Decoder(*ALL)


def test_every_message_has_one_example_and_a_number_of_its_own() -> None:
    assert {type(example) for example in EXAMPLES} == set(ALL)
    numbers = [kind.__struct_config__.tag for kind in ALL]
    assert len(set(numbers)) == len(numbers)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: type(example).__name__)
def test_golden_vector(example: Message) -> None:
    """The bytes on the wire never change silently: a second implementation reads them too."""
    golden = bytes.fromhex(VECTORS[type(example).__name__])
    assert encode(example) == golden
    assert EVERYTHING.decode(golden) == example


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: type(example).__name__)
def test_fields_of_a_later_version_are_ignored_and_missing_ones_refused(example: Message) -> None:
    fields = msgspec.msgpack.decode(encode(example))
    assert EVERYTHING.decode(msgspec.msgpack.encode([*fields, "later"])) == example
    required = sum(field.required for field in msgspec.structs.fields(type(example)))
    if required:
        with pytest.raises(RemoteProtocolError):
            EVERYTHING.decode(msgspec.msgpack.encode(fields[:required]))


@pytest.mark.parametrize("host", ["two words", "line\n", "\x1b[2J", "b\xfccher.example", "a/b", "a\0b", "a" * 254])
def test_a_relay_whose_host_is_none_is_refused(host: str) -> None:
    welcome = next(each for each in EXAMPLES if isinstance(each, messages.Welcome))
    strange = msgspec.structs.replace(welcome, relays=(messages.Relay(1, host, 12975, 0),))
    with pytest.raises(RemoteProtocolError):
        EVERYTHING.decode(encode(strange))


@given(st.binary(max_size=300))
def test_any_bytes_are_a_message_or_a_named_error(data: bytes) -> None:
    for decoder in (EVERYTHING, Decoder(Hello), Decoder(*REQUESTS), Decoder(*WORDS_OF_SERVER)):
        try:
            message = decoder.decode(data)
        except RemoteProtocolError:
            continue
        assert EVERYTHING.decode(encode(message)) == message


@given(st.sampled_from(EXAMPLES), st.data())
def test_a_mangled_message_is_a_message_or_a_named_error(example: Message, data: st.DataObject) -> None:
    good = bytearray(encode(example))
    for _ in range(data.draw(st.integers(1, 4))):
        good[data.draw(st.integers(0, len(good) - 1))] = data.draw(st.integers(0, 255))
    with suppress(RemoteProtocolError):
        assert isinstance(EVERYTHING.decode(bytes(good)), Message)


def test_deep_nesting_is_an_error() -> None:
    with pytest.raises(RemoteProtocolError):
        EVERYTHING.decode(b"\x91" * 5_000)
