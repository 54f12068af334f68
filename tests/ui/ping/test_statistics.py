"""Figures over pings, with many samples and with few."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.engine.state import PathKind, RoundTrip
from app.ui.ping.statistics import Figures, PingRecord, Sample, axis_step, figures, path_changes


def samples(*times: float | None) -> list[Sample]:
    return [Sample(float(at), seconds) for at, seconds in enumerate(times)]


def test_without_a_ping_there_is_nothing_to_tell() -> None:
    assert figures([]) == Figures()
    assert figures([]).loss is None


def test_without_an_answer_only_the_loss_is_known() -> None:
    told = figures(samples(None, None))
    assert (told.sent, told.received, told.loss) == (2, 0, 1.0)
    assert (told.last, told.least, told.average, told.percentile, told.most, told.jitter) == (None,) * 6


def test_one_answer_is_all_figures_but_the_jitter() -> None:
    told = figures(samples(0.02))
    assert told.last == told.least == told.average == told.percentile == told.most == 0.02
    assert told.jitter is None


def test_figures_leave_lost_pings_out() -> None:
    told = figures(samples(0.01, None, 0.03, 0.02))
    assert (told.least, told.most, told.last) == (0.01, 0.03, 0.02)
    assert told.average == pytest.approx(0.02)
    assert told.jitter == pytest.approx(0.015)
    assert (told.lost, told.loss) == (1, 0.25)


def test_the_last_ping_may_be_lost() -> None:
    assert figures(samples(0.01, None)).last is None


@pytest.mark.parametrize(
    ("count", "expected"), [(1, 1), (2, 2), (99, 99), (100, 99), (101, 100), (200, 198), (1_000, 990)]
)
def test_the_percentile_is_of_the_nearest_rank(count: int, expected: int) -> None:
    assert figures(samples(*map(float, range(count, 0, -1)))).percentile == expected


@given(st.lists(st.none() | st.floats(0, 10), max_size=300))
def test_figures_are_in_order(times: list[float | None]) -> None:
    told = figures(samples(*times))
    assert told.sent == len(times)
    if told.received:
        assert told.least is not None
        assert told.percentile is not None
        assert told.most is not None
        assert told.average is not None
        assert told.least <= told.percentile <= told.most
        assert told.least - 1e-9 <= told.average <= told.most + 1e-9


def test_a_record_keeps_the_newest() -> None:
    record = PingRecord(limit=3)
    for number in range(10):
        record.add(RoundTrip(number, 56, number / 1_000), float(number))
    assert [each.seconds for each in record.samples] == [0.007, 0.008, 0.009]
    record.clear()
    assert record.figures() == Figures()


def test_a_clock_set_back_does_not_turn_the_order_around() -> None:
    record = PingRecord()
    record.add(RoundTrip(1, 56, 0.01), 100.0)
    record.add(RoundTrip(2, 56, 0.01), 40.0)
    assert [each.time for each in record.samples] == [100.0, 100.0]


def test_what_comes_after_a_pause_is_marked() -> None:
    record = PingRecord()
    record.pause()
    first = record.add(RoundTrip(1, 56, 0.01), 1.0)
    record.pause()
    second = record.add(RoundTrip(1, 56, 0.01), 60.0)
    third = record.add(RoundTrip(2, 56, 0.01), 61.0)
    assert [each.after_pause for each in (first, second, third)] == [False, True, False]


def test_path_changes_are_told_by_answers_alone() -> None:
    direct, relay = (PathKind.DIRECT, "203.0.113.1:4000"), (PathKind.RELAY, "server")
    told = [
        Sample(1, None),
        Sample(2, 0.01, *direct),
        Sample(3, None),
        Sample(4, 0.01, *direct),
        Sample(5, 0.09, *relay),
        Sample(6, 0.01, *direct),
    ]
    assert [each.time for each in path_changes(told)] == [2, 5, 6]


@pytest.mark.parametrize(
    ("span", "step"), [(0.0, 2e-10), (0.9, 0.2), (1.0, 0.2), (4.0, 1.0), (10.0, 2.0), (11.0, 5.0), (130.0, 50.0)]
)
def test_steps_of_an_axis_are_round(span: float, step: float) -> None:
    assert axis_step(span, 5) == pytest.approx(step)


@given(st.floats(1e-6, 1e6), st.integers(1, 20))
def test_steps_of_an_axis_cover_it(span: float, most: int) -> None:
    assert axis_step(span, most) * most >= span * 0.99999
