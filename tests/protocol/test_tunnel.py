"""Tunnel sessions: what one side seals the other opens once, in any order, and nothing else."""

import os
import random
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.protocol.suites import SUITES
from app.protocol.tunnel import (
    AEAD_OVERHEAD,
    REPLAY_WINDOW,
    AeadSession,
    CbcSession,
    ReplayedMessage,
    ReplayWindow,
    Slots,
    TunnelSession,
    header_word,
    make_session,
    successive_runs,
)
from app.protocol.wire import DataFlag, LocalProtocolError, RemoteProtocolError

PARTIAL = DataFlag.PARTIAL_CHECKSUM
CONTINUED = DataFlag.PARTIAL_CHECKSUM | DataFlag.CONTINUES


def pair(suite: int) -> tuple[TunnelSession, TunnelSession]:
    """The initiator's and the responder's end of one session."""
    keys = os.urandom(SUITES[suite].keymat_length)
    return (
        make_session(suite, keys, initiator=True, local_index=11, remote_index=22),
        make_session(suite, keys, initiator=False, local_index=22, remote_index=11),
    )


def aead_pair() -> tuple[AeadSession, AeadSession]:
    near, far = pair(2)
    assert isinstance(near, AeadSession)
    assert isinstance(far, AeadSession)
    return near, far


class NaiveWindow:
    """The replay window as one would explain it: the set of all ids seen."""

    def __init__(self, first: int, step: int) -> None:
        self.first, self.step = first, step
        self.seen: set[int] = set()

    def is_fresh(self, message_id: int) -> bool:
        if message_id < self.first or (message_id - self.first) % self.step or message_id in self.seen:
            return False
        newest = max(self.seen, default=self.first - self.step)
        return message_id > newest - REPLAY_WINDOW * self.step

    def mark(self, message_id: int) -> None:
        self.seen.add(message_id)


@pytest.mark.parametrize("suite", [1, 2])
@pytest.mark.parametrize("length", [0, 1, 15, 16, 17, 1_399, 1_400])
def test_both_sides_open_what_the_other_sealed(suite: int, length: int) -> None:
    near, far = pair(suite)
    packet = os.urandom(length)
    assert far.open(near.seal(packet))[2] == packet
    assert near.open(far.seal(packet))[2] == packet


def test_ids_go_up_and_flags_travel() -> None:
    near, far = pair(2)
    assert [far.open(near.seal(b"packet", flags))[:2] for flags in (0, PARTIAL, CONTINUED)] == [(0, 0), (2, 1), (3, 2)]


def test_suite_1_uses_odd_ids_one_way_and_even_ids_the_other() -> None:
    near, far = pair(1)
    assert [far.open(near.seal(b"x"))[1] for _ in range(3)] == [1, 3, 5]
    assert [near.open(far.seal(b"x"))[1] for _ in range(3)] == [2, 4, 6]


def test_suite_1_has_no_flags() -> None:
    near, far = pair(1)
    with pytest.raises(LocalProtocolError, match="no flags"):
        near.seal(b"packet", PARTIAL)
    datagram = bytearray(near.seal(b"packet"))
    datagram[1] = PARTIAL
    with pytest.raises(RemoteProtocolError, match="not a datagram"):
        far.open(datagram)


@pytest.mark.parametrize("suite", [1, 2])
def test_a_replayed_datagram_is_refused(suite: int) -> None:
    near, far = pair(suite)
    datagram = near.seal(b"once")
    far.open(datagram)
    with pytest.raises(ReplayedMessage):
        far.open(datagram)


@pytest.mark.parametrize("suite", [1, 2])
def test_a_reflected_datagram_is_refused(suite: int) -> None:
    near, _ = pair(suite)
    datagram = bytearray(near.seal(b"mine"))
    datagram[4:8] = (11).to_bytes(4, "big")
    with pytest.raises(RemoteProtocolError):
        near.open(datagram)


@pytest.mark.parametrize("suite", [1, 2])
def test_reordered_datagrams_are_all_accepted(suite: int) -> None:
    near, far = pair(suite)
    datagrams = [near.seal(number.to_bytes(2, "big")) for number in range(300)]
    random.Random(7).shuffle(datagrams)
    opened = sorted(far.open(datagram)[2] for datagram in datagrams)
    assert opened == [number.to_bytes(2, "big") for number in range(300)]


@pytest.mark.parametrize("suite", [1, 2])
def test_a_datagram_older_than_the_window_is_refused(suite: int) -> None:
    near, far = pair(suite)
    old, oldest_good = near.seal(b"old"), near.seal(b"good")
    for _ in range(REPLAY_WINDOW - 2):
        near.seal(b"lost")
    far.open(near.seal(b"newest"))
    assert far.open(oldest_good)[2] == b"good"
    with pytest.raises(ReplayedMessage):
        far.open(old)


@pytest.mark.parametrize("suite", [1, 2])
@given(data=st.data())
def test_no_changed_datagram_is_opened(suite: int, data: st.DataObject) -> None:
    near, far = pair(suite)
    datagram = bytearray(near.seal(b"a packet of some length"))
    place = data.draw(st.integers(0, len(datagram) - 1))
    datagram[place] ^= data.draw(st.integers(1, 255))
    if suite == 1 and place in (2, 3):
        return  # the two reserved bytes: ignored, and not covered by suite 1's MAC
    with pytest.raises(RemoteProtocolError):
        far.open(datagram)


@pytest.mark.parametrize("suite", [1, 2])
@given(length=st.integers(0, 63))
def test_no_truncated_datagram_is_opened(suite: int, length: int) -> None:
    near, far = pair(suite)
    datagram = near.seal(b"a packet of some length, longer than this")
    with pytest.raises(RemoteProtocolError):
        far.open(datagram[:length])


@pytest.mark.parametrize("suite", [1, 2])
@given(data=st.binary(max_size=200))
def test_any_bytes_give_a_named_error(suite: int, data: bytes) -> None:
    _, far = pair(suite)
    with pytest.raises(RemoteProtocolError):
        far.open(data)


def test_a_forged_datagram_does_not_move_the_window() -> None:
    near, far = pair(2)
    forged = bytearray(near.seal(b"packet"))
    forged[8:16] = (1 << 40).to_bytes(8, "big")
    with pytest.raises(RemoteProtocolError):
        far.open(forged)
    assert far.open(near.seal(b"next"))[2] == b"next"


@pytest.mark.parametrize("suite", [1, 2])
def test_ids_end_before_they_wrap(suite: int) -> None:
    near, far = pair(suite)
    near.next_id = near.id_limit - 1
    assert far.open(near.seal(b"last"))[2] == b"last"
    assert near.exhausted
    with pytest.raises(LocalProtocolError, match="run out"):
        near.seal(b"too late")


def test_key_material_must_fit_the_suite() -> None:
    for suite, length in ((1, 64), (2, 84), (3, 64)):
        with pytest.raises(LocalProtocolError):
            make_session(suite, bytes(length), initiator=True, local_index=1, remote_index=2)


def test_suites_get_their_own_kind_of_session() -> None:
    assert isinstance(pair(1)[0], CbcSession)
    assert isinstance(pair(2)[0], AeadSession)


# --- the replay window against the naive model

window_ids = st.lists(
    st.one_of(st.integers(0, 40), st.integers(0, 3 * REPLAY_WINDOW), st.integers(-3, 2**63 - 1)), max_size=60
)


@given(ids=window_ids, shape=st.sampled_from([(0, 1), (1, 2), (2, 2)]))
def test_the_window_agrees_with_the_naive_model(ids: list[int], shape: tuple[int, int]) -> None:
    window, naive = ReplayWindow(*shape), NaiveWindow(*shape)
    for message_id in ids:
        fresh = naive.is_fresh(message_id)
        assert window.is_fresh(message_id) == fresh
        if fresh:
            window.mark(message_id)
            naive.mark(message_id)


@given(
    runs=st.lists(st.tuples(st.integers(1, 2 * REPLAY_WINDOW), st.integers(1, 130)), max_size=8),
    asked=st.lists(st.integers(0, 20_000), max_size=50),
    step=st.sampled_from([1, 2]),
)
def test_a_run_marks_each_of_its_ids(runs: list[tuple[int, int]], asked: list[int], step: int) -> None:
    window, naive = ReplayWindow(step, step), NaiveWindow(step, step)
    for gap, count in runs:
        first = window.newest + gap * step
        window.mark_run(first, count)
        for index in range(count):
            naive.mark(first + index * step)
    for message_id in asked:
        assert window.is_fresh(message_id) == naive.is_fresh(message_id)


# --- trains


@given(ids=st.lists(st.integers(0, 30), min_size=1, max_size=12).map(tuple))
def test_runs_cover_growing_ids_and_break_at_each_gap(ids: tuple[int, ...]) -> None:
    runs = successive_runs(ids)
    grows = all(one < other for one, other in pairwise(ids))
    assert bool(runs) == grows
    assert [ids[index] for start, stop in runs for index in range(start, stop)] == (list(ids) if grows else [])
    for start, stop in runs:
        assert list(ids[start:stop]) == list(range(ids[start], ids[start] + stop - start))
        assert stop == len(ids) or ids[stop] > ids[stop - 1] + 1


def sealed_train(near: AeadSession, texts: list[bytes], flags: list[int]) -> bytes:
    """A train of equal texts, the last perhaps shorter, sealed in place."""
    slot = len(texts[0]) + AEAD_OVERHEAD
    buffer = bytearray(slot * len(texts))
    slots = Slots(memoryview(buffer), slot, len(texts))
    views, sealed = slots.cut(len(texts), len(texts[-1]))
    for view, text in zip(views, texts, strict=True):
        view[:] = text
    near.seal_train(slots.headers, views, sealed, map(header_word, flags))
    return bytes(buffer[: slot * (len(texts) - 1) + len(texts[-1]) + AEAD_OVERHEAD])


def open_train(far: AeadSession, train: bytes, slot: int, ids: range) -> tuple[int, list[bytes]]:
    """How many were opened, and all texts as they are then."""
    count = -(-len(train) // slot)
    buffer = bytearray(train) + bytes(slot)
    slots = Slots(memoryview(buffer), slot, count)
    texts, sealed = slots.cut(count, len(train) - (count - 1) * slot - AEAD_OVERHEAD)
    return far.open_train(slots.headers, sealed, texts, ids), [bytes(text) for text in texts]


@given(count=st.integers(1, 45), length=st.integers(1, 100), shorter=st.integers(0, 99))
def test_a_train_is_the_same_as_single_datagrams(count: int, length: int, shorter: int) -> None:
    near, far = aead_pair()
    texts = [os.urandom(length) for _ in range(count)]
    texts[-1] = texts[-1][: max(1, length - shorter)]
    flags = [int(PARTIAL)] + [int(CONTINUED)] * (count - 1)
    train = sealed_train(near, texts, flags)
    slot = length + AEAD_OVERHEAD
    assert open_train(far, train, slot, range(count)) == (count, texts)
    datagrams = [train[start : start + slot] for start in range(0, len(train), slot)]
    assert [far.open(datagram) for datagram in datagrams] == list(zip(flags, range(count), texts, strict=True))


@pytest.mark.parametrize("spoiled", [0, 3, 9])
def test_a_train_is_opened_up_to_what_is_not_authentic(spoiled: int) -> None:
    near, far = aead_pair()
    texts = [os.urandom(50) for _ in range(10)]
    train = bytearray(sealed_train(near, texts, [0] * 10))
    train[spoiled * 82 + 40] ^= 1
    opened, views = open_train(far, bytes(train), 82, range(10))
    assert opened == spoiled
    assert views[:opened] == texts[:opened]
    later = [far.open(train[start : start + 82])[2] for start in range((spoiled + 1) * 82, len(train), 82)]
    assert later == texts[spoiled + 1 :]


def test_one_packet_is_sealed_in_place() -> None:
    near, far = aead_pair()
    slot = bytearray(16) + bytearray(b"in place") + bytearray(16)
    near.seal_in_place(memoryview(slot), header_word(PARTIAL))
    assert far.open(slot) == (PARTIAL, 0, b"in place")


def test_a_train_that_would_pass_the_limit_is_not_sealed() -> None:
    near, _ = aead_pair()
    near.next_id = near.id_limit - 2
    with pytest.raises(LocalProtocolError, match="run out"):
        sealed_train(near, [b"abc"] * 3, [0] * 3)
