"""When a queue that is never empty costs a segment."""

from itertools import pairwise

import pytest

from app.dataplane.standing_queue import INTERVAL, StandingQueue


def test_a_queue_that_empties_in_time_costs_nothing() -> None:
    queue = StandingQueue()
    for turn in range(100):
        queue.begin(turn * INTERVAL / 2)
        assert not queue.should_drop(turn * INTERVAL / 2)
        if turn % 2:
            queue.emptied()


def test_a_standing_queue_costs_more_and_more_often() -> None:
    queue = StandingQueue()
    drops = []
    for turn in range(10_000):
        now = 5.0 + turn * INTERVAL / 1_000
        queue.begin(now)
        if queue.should_drop(now):
            drops.append(now)
    gaps = [later - earlier for earlier, later in pairwise(drops)]
    assert drops[0] == pytest.approx(5.0 + INTERVAL, rel=1e-4)
    assert all(later < earlier + INTERVAL / 500 for earlier, later in pairwise(gaps))
    assert gaps[-1] < gaps[0] / 2


def test_a_queue_that_was_empty_starts_anew() -> None:
    queue = StandingQueue()
    queue.begin(1.0)
    assert queue.should_drop(2.0)
    queue.emptied()
    queue.begin(3.0)
    assert not queue.should_drop(3.0)
