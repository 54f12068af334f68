"""Frames of the stream: cut at any place they come out whole; protected ones only in their order."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.protocol.session import LENGTH_BYTES, FrameReader, ProtectedStream, plain_frame
from app.protocol.suites import SUITES, AeadCipher
from app.protocol.wire import LocalProtocolError, RemoteProtocolError

LIMIT = 300


def pair(suite: int) -> tuple[ProtectedStream, ProtectedStream]:
    """The initiator's and the responder's end under the same keys."""
    row = SUITES[suite]
    material = bytes(range(row.keymat_length))
    return ProtectedStream(row.cipher(material, True)), ProtectedStream(row.cipher(material, False))


def content(frame: bytes) -> bytes:
    """A frame without its length, as FrameReader gives it."""
    return frame[LENGTH_BYTES:]


@given(st.lists(st.binary(min_size=1, max_size=LIMIT), max_size=6), st.integers(1, 400))
def test_frames_come_out_whole_however_the_stream_is_cut(messages: list[bytes], piece: int) -> None:
    stream = b"".join(map(plain_frame, messages))
    reader = FrameReader(LIMIT)
    received = []
    for start in range(0, len(stream), piece):
        reader.feed(stream[start : start + piece])
        while (frame := reader.next_frame()) is not None:
            received.append(frame)
    assert received == messages
    assert reader.waiting == 0


@given(st.binary(max_size=1_000))
def test_any_bytes_are_frames_or_a_named_error(data: bytes) -> None:
    reader = FrameReader(LIMIT)
    reader.feed(data)
    with suppress(RemoteProtocolError):
        while (frame := reader.next_frame()) is not None:
            assert 0 < len(frame) <= LIMIT


def test_the_limit_is_judged_by_the_length_alone_and_may_grow() -> None:
    reader = FrameReader(LIMIT)
    reader.feed((LIMIT + 1).to_bytes(LENGTH_BYTES, "big"))
    with pytest.raises(RemoteProtocolError, match="length out of range"):
        reader.next_frame()
    reader.limit = LIMIT + 1
    assert reader.next_frame() is None
    reader.feed(bytes(LIMIT + 1))
    assert reader.next_frame() == bytes(LIMIT + 1)


def test_an_empty_frame_is_no_frame() -> None:
    reader = FrameReader(LIMIT)
    reader.feed(bytes(LENGTH_BYTES))
    with pytest.raises(RemoteProtocolError):
        reader.next_frame()


@pytest.mark.parametrize("suite", [1, 2])
def test_both_directions_carry_many_messages(suite: int) -> None:
    client, server = pair(suite)
    for number in range(20):
        message = bytes([number]) * number
        assert server.open(content(client.seal(message))) == message
        assert client.open(content(server.seal(message))) == message


@pytest.mark.parametrize("suite", [1, 2])
def test_a_length_counts_what_follows_it(suite: int) -> None:
    client, _ = pair(suite)
    frame = client.seal(b"hello")
    assert int.from_bytes(frame[:LENGTH_BYTES], "big") == len(content(frame))


@pytest.mark.parametrize("suite", [1, 2])
def test_only_the_successor_of_the_last_is_taken(suite: int) -> None:
    client, server = pair(suite)
    first, second, third = (content(client.seal(bytes([number]))) for number in range(3))
    with pytest.raises(RemoteProtocolError, match="successor"):
        server.open(second)
    server.open(first)
    with pytest.raises(RemoteProtocolError, match="successor"):
        server.open(first)
    with pytest.raises(RemoteProtocolError, match="successor"):
        server.open(third)
    assert server.open(second) == b"\x01"


@pytest.mark.parametrize("suite", [1, 2])
def test_an_own_frame_does_not_come_back(suite: int) -> None:
    client, _ = pair(suite)
    with pytest.raises(RemoteProtocolError):
        client.open(content(client.seal(b"mirror")))


@pytest.mark.parametrize("suite", [1, 2])
def test_a_changed_byte_anywhere_is_noticed_and_the_true_frame_still_opens(suite: int) -> None:
    client, server = pair(suite)
    frame = content(client.seal(b"to be altered"))
    for position in range(len(frame)):
        altered = frame[:position] + bytes([frame[position] ^ 0x01]) + frame[position + 1 :]
        with pytest.raises(RemoteProtocolError):
            server.open(altered)
    assert server.open(frame) == b"to be altered"


@pytest.mark.parametrize("suite", [1, 2])
@given(data=st.binary(max_size=200))
def test_any_bytes_do_not_open(suite: int, data: bytes) -> None:
    _, server = pair(suite)
    with pytest.raises(RemoteProtocolError):
        server.open(data)


def test_a_frame_that_is_all_id_is_too_short() -> None:
    _, server = pair(2)
    with pytest.raises(RemoteProtocolError, match="too short"):
        server.open(bytes(8))


class ShortLivedCipher(AeadCipher):
    """As if few ids were left."""

    id_limit = 4


def test_a_stream_says_early_that_its_keys_wear_out_and_never_uses_an_id_too_many() -> None:
    stream = ProtectedStream(ShortLivedCipher(bytes(64), initiator=True))
    worn = []
    for _ in range(ShortLivedCipher.id_limit):
        worn.append(stream.worn_out)
        stream.seal(b"")
    assert worn == [False, False, False, True]
    with pytest.raises(LocalProtocolError, match="used up"):
        stream.seal(b"")
