"""STUN against the published vectors, against coturn's own client, and against any bytes at all."""

import hashlib
import json
import socket
import subprocess
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.protocol import stun
from app.protocol.stun import MessageClass, StunMessage
from app.protocol.wire import Endpoint, RemoteProtocolError

VECTORS = json.loads((Path(__file__).parent / "vectors" / "stun.json").read_text())
PASSWORD = VECTORS["password"].encode()
TRANSACTION = bytes(range(12))
HERE = Endpoint("192.0.2.7", 40_000)


def endpoints() -> st.SearchStrategy[Endpoint]:
    return st.builds(lambda address, port: Endpoint(str(address), port), st.ip_addresses(), st.integers(0, 65_535))


def messages() -> st.SearchStrategy[StunMessage]:
    return st.builds(
        StunMessage,
        st.sampled_from(MessageClass),
        st.binary(min_size=12, max_size=12),
        username=st.none() | st.binary(max_size=64),
        software=st.none() | st.text(max_size=16),
        mapped_address=st.none() | endpoints(),
        response_origin=st.none() | endpoints(),
        other_address=st.none() | endpoints(),
        change_request=st.sampled_from([0, stun.CHANGE_PORT, stun.CHANGE_ADDRESS]),
        error_code=st.none() | st.integers(300, 699),
        unknown_attributes=st.lists(st.integers(0, 65_535), max_size=8).map(tuple),
    )


@given(messages(), st.none() | st.binary(min_size=1, max_size=32), st.booleans())
def test_what_is_written_is_read_back(message: StunMessage, key: bytes | None, fingerprint: bool) -> None:
    decoded = stun.decode(stun.encode(message, key, fingerprint))
    assert decoded.fingerprint is fingerprint
    for name in ("message_class", "transaction_id", "username", "software", "mapped_address", "response_origin"):
        assert getattr(decoded, name) == getattr(message, name)
    assert (decoded.other_address, decoded.error_code) == (message.other_address, message.error_code)
    assert decoded.unknown_attributes == message.unknown_attributes
    assert decoded.is_authentic(key or b"") is (key is not None)


@given(st.binary(max_size=600) | st.binary(max_size=96).map(lambda tail: stun.encode(plain_request())[:20] + tail))
def test_any_bytes_are_a_message_or_a_named_error(data: bytes) -> None:
    with suppress(RemoteProtocolError):
        stun.decode(data)


@given(st.lists(st.tuples(st.integers(0, 65_535), st.binary(max_size=40)), max_size=26))
def test_any_attributes_are_a_message_or_a_named_error(attributes: list[tuple[int, bytes]]) -> None:
    body = b"".join(raw_attribute(kind, value) for kind, value in attributes)
    with suppress(RemoteProtocolError):
        assert not stun.decode(raw_message(body)).is_authentic(b"key")


@pytest.mark.parametrize("name", ["request", "response_ipv4", "response_ipv6"])
def test_the_short_term_vectors_of_rfc_5769(name: str) -> None:
    message = stun.decode(bytes.fromhex(VECTORS[name]))
    assert message.fingerprint
    assert message.is_authentic_sha1(PASSWORD)
    assert not message.is_authentic_sha1(b"another password")
    assert not message.is_authentic(PASSWORD), "SHA-1 must not pass where SHA-256 is expected"


def test_what_the_vectors_of_rfc_5769_say() -> None:
    request, answer4, answer6 = (
        stun.decode(bytes.fromhex(VECTORS[name])) for name in ("request", "response_ipv4", "response_ipv6")
    )
    assert (request.username, request.software) == (b"evtj:h6vY", "STUN test client")
    assert request.unsupported == ()
    assert answer4.mapped_address == Endpoint("192.0.2.1", 32853)
    assert answer6.mapped_address == Endpoint("2001:db8:1234:5678:11:2233:4455:6677", 32853)


def test_the_sha256_vector_of_rfc_8489() -> None:
    message = stun.decode(bytes.fromhex(VECTORS["sha256_request"]))
    parts = VECTORS["sha256_key"]
    key = hashlib.sha256(":".join([parts["username"], parts["realm"], parts["password"]]).encode()).digest()
    assert message.is_authentic(key)
    assert not message.is_authentic(key[:-1])


@pytest.mark.parametrize("fingerprint", [False, True])
def test_one_flipped_bit_is_never_taken_for_authentic(fingerprint: bool) -> None:
    message = StunMessage(MessageClass.SUCCESS, TRANSACTION, username=b"to:from", mapped_address=HERE)
    good = stun.encode(message, b"key", fingerprint)
    covered = len(good) - 8 * fingerprint
    for bit in range(covered * 8):
        bad = bytearray(good)
        bad[bit // 8] ^= 1 << bit % 8
        with suppress(RemoteProtocolError):
            assert not stun.decode(bytes(bad)).is_authentic(b"key")


def plain_request() -> StunMessage:
    return StunMessage(MessageClass.REQUEST, TRANSACTION)


def raw_attribute(kind: int, value: bytes) -> bytes:
    return kind.to_bytes(2, "big") + len(value).to_bytes(2, "big") + value + bytes(-len(value) % 4)


def raw_message(body: bytes, kind: int = MessageClass.REQUEST) -> bytes:
    return kind.to_bytes(2, "big") + len(body).to_bytes(2, "big") + b"\x21\x12\xa4\x42" + TRANSACTION + body


@pytest.mark.parametrize(
    ("datagram", "rule"),
    [
        (b"", "wrong size"),
        (raw_message(bytes(600)), "wrong size"),
        (raw_message(b"")[:19] + b"\x00\x00", "wrong header"),
        (raw_message(b"").replace(b"\x21\x12", b"\x21\x13"), "wrong header"),
        (raw_message(b"", kind=0x0003), "not a Binding message"),
        (raw_message(b"\x00\x06\x00\x09"), "attributes do not fit"),
        (raw_message(raw_attribute(0x8022, b"") * 25), "attributes do not fit"),
        (raw_message(raw_attribute(0x8028, b"abcd")), "wrong FINGERPRINT"),
        (raw_message(raw_attribute(0x0008, bytes(19))), "wrong MESSAGE-INTEGRITY"),
        (raw_message(raw_attribute(0x001C, bytes(12))), "wrong MESSAGE-INTEGRITY"),
        (raw_message(raw_attribute(0x001C, bytes(32)) * 2), "wrong MESSAGE-INTEGRITY"),
        (raw_message(raw_attribute(0x0020, bytes(8))), "wrong address"),
        (raw_message(raw_attribute(0x0009, bytes(4))), "wrong ERROR-CODE"),
        (raw_message(raw_attribute(0x000A, bytes(3))), "wrong UNKNOWN-ATTRIBUTES"),
        (raw_message(raw_attribute(0x8022, b"\xff")), "not UTF-8"),
        (raw_message(raw_attribute(0x0006, bytes(509))), "USERNAME too long"),
        (raw_message(stun.encode(plain_request())[20:] + raw_attribute(0x8022, b"")), "wrong FINGERPRINT"),
    ],
)
def test_each_broken_rule_has_a_name(datagram: bytes, rule: str) -> None:
    with pytest.raises(RemoteProtocolError, match=rule):
        stun.decode(datagram)


def test_nothing_may_follow_the_fingerprint() -> None:
    rest = raw_attribute(0x8022, b"")
    head = raw_message(bytes(8) + rest)[:20]
    fingerprint = (zlib.crc32(head) ^ 0x5354554E).to_bytes(4, "big")
    with pytest.raises(RemoteProtocolError, match="not last"):
        stun.decode(head + raw_attribute(0x8028, fingerprint) + rest)


def test_what_follows_the_integrity_is_ignored() -> None:
    signed = stun.encode(plain_request(), b"key", fingerprint=False)
    message = stun.decode(raw_message(signed[20:] + raw_attribute(0x0006, b"mallory") + raw_attribute(0x7FFF, b"")))
    assert message.is_authentic(b"key")
    assert (message.username, message.unsupported) == (None, ())


def test_the_first_of_two_equal_attributes_counts_and_old_servers_are_understood() -> None:
    mapped = raw_attribute(0x0001, bytes([0, 1, 0x9C, 0x40, 192, 0, 2, 7]))
    message = stun.decode(raw_message(raw_attribute(6, b"one") + raw_attribute(6, b"two") + mapped))
    assert (message.username, message.mapped_address) == (b"one", HERE)


def test_the_reflector_tells_a_stranger_where_it_comes_from() -> None:
    for source, size in ((HERE, 32), (Endpoint("2001:db8::7", 40_000), 44)):
        reflection = stun.reflect(raw_message(b""), source)
        assert reflection is not None
        assert not reflection.from_other_port
        assert len(reflection.answer) == size
        decoded = stun.decode(reflection.answer)
        assert (decoded.message_class, decoded.transaction_id) == (MessageClass.SUCCESS, TRANSACTION)
        assert decoded.mapped_address == source


def test_the_reflector_refuses_what_it_must_understand_and_does_not() -> None:
    padding = raw_attribute(0x0026, bytes(4))
    assert stun.reflect(raw_message(padding), HERE) is None, "the refusal would be larger than the request"
    reflection = stun.reflect(raw_message(padding + raw_attribute(0x8022, b"a test client")), HERE)
    assert reflection is not None
    decoded = stun.decode(reflection.answer)
    assert (decoded.error_code, decoded.unknown_attributes) == (420, (0x0026,))


def test_a_question_is_never_shorter_than_its_answer() -> None:
    for source in (HERE, Endpoint("2001:db8:1:2:3:4:5:7", 40_000)):
        for change in (0, stun.CHANGE_PORT):
            question = stun.question(TRANSACTION, change)
            reflection = stun.reflect(question, source, has_other_port=True)
            assert reflection is not None
            assert len(reflection.answer) <= len(question)
            assert stun.decode(question).change_request == change


def test_the_reflector_answers_from_its_other_port_if_it_is_asked_and_has_one() -> None:
    software = raw_attribute(0x8022, b"a test client")
    for change, has_other_port, error in ((2, True, None), (2, False, 420), (4, True, 420), (6, True, 420)):
        request = raw_message(raw_attribute(0x0003, change.to_bytes(4)) + software)
        reflection = stun.reflect(request, HERE, has_other_port)
        assert reflection is not None
        assert stun.decode(reflection.answer).error_code == error
        assert reflection.from_other_port is (error is None)
    nothing_asked = stun.reflect(raw_message(raw_attribute(0x0003, bytes(4))), HERE)
    assert nothing_asked is not None
    assert not nothing_asked.from_other_port


@given(messages(), st.none() | st.just(b"key"), st.booleans(), endpoints())
def test_the_reflector_answers_requests_only_and_never_at_length(
    message: StunMessage, key: bytes | None, fingerprint: bool, source: Endpoint
) -> None:
    datagram = stun.encode(message, key, fingerprint)
    reflection = stun.reflect(datagram, source, has_other_port=True)
    is_answered = message.message_class is MessageClass.REQUEST and source.port != 0
    if not message.change_request & stun.CHANGE_ADDRESS:
        assert (reflection is not None) is is_answered
    if reflection is not None:
        assert is_answered
        assert len(reflection.answer) <= stun.MAX_REFLECTION
        assert len(reflection.answer) <= 2.2 * len(datagram)
        assert stun.reflect(reflection.answer, source) is None


@given(st.binary(max_size=100))
def test_the_reflector_is_silent_to_garbage(data: bytes) -> None:
    reflection = stun.reflect(data, HERE)
    assert reflection is None or len(reflection.answer) <= stun.MAX_REFLECTION


@contextmanager
def reflector_on_loopback() -> Iterator[int]:
    """A UDP socket answered by `reflect`; yields its port."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        port: int = server.getsockname()[1]

        def serve() -> None:
            while datagram := (received := server.recvfrom(2_048))[0]:
                reflection = stun.reflect(datagram, Endpoint(*received[1]))
                if reflection is not None:
                    server.sendto(reflection.answer, received[1])

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield port
        finally:
            server.sendto(b"", ("127.0.0.1", port))
            thread.join(10)


def test_a_stun_client_of_others_understands_the_reflector() -> None:
    with reflector_on_loopback() as port:
        done = subprocess.run(
            ["turnutils_stunclient", "-L", "127.0.0.1", "-p", str(port), "127.0.0.1"],
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
    assert done.returncode == 0
    assert "UDP reflexive addr: 127.0.0.1:" in done.stdout
