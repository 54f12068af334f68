"""The queue in front of a stream stays short, loses nothing without need, and takes no more than its bound."""

from hypothesis import given
from hypothesis import strategies as st

from app.protocol.relay_stream import TrainReader
from app.protocol.train_queue import INTERVAL, LONGEST, MAX_WAITING, SMALL, TARGET, TrainQueue

DATAGRAM = bytes([0xC0, 0, 0, 1]) + bytes(996)
SLOT = len(DATAGRAM)


def taken(queue: TrainQueue, now: float, enough: int = 1_000_000) -> list[bytes]:
    return [bytes(train) for train, _ in TrainReader().feed(queue.take(now, enough))]


def test_what_is_taken_soon_comes_whole_and_in_order() -> None:
    queue = TrainQueue()
    sent = [DATAGRAM * count for count in (1, 3, 2)]
    for train in sent:
        assert queue.put(train, SLOT, 5.0)
    assert taken(queue, 5.001) == sent
    assert not queue
    assert queue.waiting == 0


def test_only_whole_trains_are_taken_and_no_more_than_enough() -> None:
    queue = TrainQueue()
    for _ in range(3):
        queue.put(DATAGRAM * 2, SLOT, 0.0)
    assert len(taken(queue, 0.0, enough=2_001)) == 2
    assert len(taken(queue, 0.0)) == 1


def test_beyond_the_bound_whole_trains_are_dropped_and_counted() -> None:
    queue = TrainQueue()
    train = DATAGRAM * 60
    fitting = MAX_WAITING // len(train)
    assert [queue.put(train, SLOT, 0.0) for _ in range(fitting + 2)] == [True] * fitting + [False] * 2
    assert queue.dropped_full == 2
    assert queue.waiting == fitting * len(train)


def test_nobody_waits_behind_a_train_that_waits_long_but_what_is_small() -> None:
    queue = TrainQueue()
    queue.put(DATAGRAM, SLOT, 0.0)
    assert not queue.put(DATAGRAM, SLOT, LONGEST + 0.01)
    assert queue.put(DATAGRAM[:SMALL], SMALL, LONGEST + 0.01)
    assert queue.dropped_full == 1


def test_a_standing_queue_loses_single_datagrams_more_and_more_often() -> None:
    queue = TrainQueue()
    losses = []
    for step in range(40):
        now = step * 0.02
        queue.put(DATAGRAM * 5, SLOT, now - 2 * TARGET)
        losses.append(5 - sum(len(train) // SLOT for train in taken(queue, now)))
    assert set(losses) == {0, 1}
    first = losses.index(1)
    assert first * 0.02 >= INTERVAL
    assert sum(losses[:20]) < sum(losses[20:])
    assert queue.dropped_standing == sum(losses)


def test_a_burst_loses_nothing() -> None:
    queue = TrainQueue()
    for step in range(40):
        now = step * 0.02
        wait = 2 * TARGET if step % 2 else 0.0
        queue.put(DATAGRAM * 5, SLOT, now - wait)
        assert taken(queue, now) == [DATAGRAM * 5]


def test_small_trains_are_not_dropped_for_their_wait() -> None:
    queue = TrainQueue()
    for step in range(100):
        queue.put(DATAGRAM[:SMALL], SMALL, step * 0.02 - 1.0)
        assert taken(queue, step * 0.02) == [DATAGRAM[:SMALL]]


@given(st.lists(st.tuples(st.integers(1, 60), st.floats(0, 0.1), st.booleans()), max_size=80))
def test_all_is_delivered_or_counted(steps: list[tuple[int, float, bool]]) -> None:
    queue, now, put, got, refused = TrainQueue(), 0.0, 0, 0, 0
    for count, passed, take in steps:
        now += passed
        accepted = queue.put(DATAGRAM * count, SLOT, now)
        put += count if accepted else 0
        refused += not accepted
        if take:
            got += sum(len(train) // SLOT for train in taken(queue, now, enough=20_000))
    waiting = queue.waiting // SLOT
    assert queue.waiting <= MAX_WAITING
    assert put == got + waiting + queue.dropped_standing
    assert queue.dropped_full == refused
