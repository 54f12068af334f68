"""Trains on a stream: what belongs there, and that pieces of any size bring the same trains."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.protocol.relay import RelayPing, encode
from app.protocol.relay_stream import (
    MAX_SEGMENTS,
    MAX_SLOT,
    MAX_TRAIN,
    TrainReader,
    belongs_on_stream,
    confirmation,
    frame_header,
)
from app.protocol.wire import RemoteProtocolError

WORD = encode(RelayPing(b"12345678"))


def relayed(size: int, fill: int = 7) -> bytes:
    """One relayed datagram."""
    return bytes([0xC1, 2, 3, 4]) + bytes([fill]) * (size - 4)


@st.composite
def trains(draw: st.DrawFn) -> tuple[bytes, int]:
    """Anything that belongs on a stream, with its slot."""
    if draw(st.booleans()):
        return WORD, len(WORD)
    slot = draw(st.integers(5, MAX_SLOT))
    count = draw(st.integers(1, min(MAX_SEGMENTS, MAX_TRAIN // slot)))
    last = draw(st.integers(5, slot))
    whole = b"".join(relayed(slot, index) for index in range(count - 1)) + relayed(last)
    return whole, min(slot, len(whole))


def framed(train: bytes, slot: int) -> bytes:
    return frame_header(train, slot) + train


def read_in_pieces(stream: bytes, sizes: list[int]) -> list[tuple[bytes, int]]:
    """All trains of a stream that comes in pieces of these sizes, by turns."""
    reader, found, start, turn = TrainReader(), list[tuple[bytes, int]](), 0, 0
    while start < len(stream):
        size = sizes[turn % len(sizes)]
        found += [(bytes(train), slot) for train, slot in reader.feed(stream[start : start + size])]
        start, turn = start + size, turn + 1
    return found


@given(st.lists(trains(), max_size=6), st.lists(st.integers(1, 100_000), min_size=1, max_size=4))
def test_pieces_of_any_size_bring_the_same_trains(sent: list[tuple[bytes, int]], sizes: list[int]) -> None:
    sizes = [max(size, 16) for size in sizes]  # a byte at a time is the next test's: it is slow
    assert read_in_pieces(b"".join(framed(*each) for each in sent), sizes) == sent


def test_a_stream_may_come_byte_by_byte() -> None:
    sent = [(relayed(50) + relayed(20), 50), (WORD, len(WORD))]
    assert read_in_pieces(b"".join(framed(*each) for each in sent), [1]) == sent


@given(trains())
def test_what_is_whole_comes_without_a_copy(sent: tuple[bytes, int]) -> None:
    piece = framed(*sent)
    ((train, _),) = TrainReader().feed(piece)
    assert train.obj is piece


@given(st.lists(st.one_of(trains(), st.integers(0, 2**64 - 1)), max_size=8), st.integers(16, 100_000))
def test_confirmations_stand_between_trains_and_all_bytes_of_trains_are_counted(
    sent: list[tuple[bytes, int] | int], size: int
) -> None:
    stream = b"".join(confirmation(each) if isinstance(each, int) else framed(*each) for each in sent)
    reader = TrainReader()
    found = [
        (bytes(train), slot)
        for start in range(0, len(stream), size)
        for train, slot in reader.feed(stream[start : start + size])
    ]
    told = [each for each in sent if isinstance(each, int)]
    assert found == [each for each in sent if not isinstance(each, int)]
    assert reader.confirmed == (told[-1] if told else 0)
    assert reader.received == sum(4 + len(train) for train, _ in found)


@given(st.binary(max_size=300), st.lists(st.integers(1, 50), min_size=1, max_size=3))
def test_garbage_brings_only_what_belongs_on_a_stream(garbage: bytes, sizes: list[int]) -> None:
    try:
        found = read_in_pieces(garbage, sizes)
    except RemoteProtocolError:
        return
    assert all(belongs_on_stream(train, slot) for train, slot in found)


@pytest.mark.parametrize(
    ("train", "slot"),
    [
        (b"", 0),
        (relayed(20), 0),
        (relayed(20), 21),
        (relayed(MAX_SLOT + 1), MAX_SLOT + 1),
        (relayed(10) * (MAX_SEGMENTS + 1), 10),
        (relayed(4), 4),
        (relayed(20) + relayed(4), 20),
        (relayed(20) + bytes(20), 20),
        (b"\x81" + bytes(30), 31),
        (b"\x00" + bytes(19), 20),
        (WORD + WORD, len(WORD)),
        (b"\x82" + bytes(256), 257),
    ],
)
def test_what_does_not_belong_on_a_stream_ends_it(train: bytes, slot: int) -> None:
    assert not belongs_on_stream(train, slot)
    with pytest.raises(RemoteProtocolError, match="relay stream"):
        list(TrainReader().feed(frame_header(train, slot) + train))


def test_a_length_out_of_range_is_refused_before_its_train_has_come() -> None:
    with pytest.raises(RemoteProtocolError, match="out of range"):
        list(TrainReader().feed(b"\xff\xff\x00\x10"))
