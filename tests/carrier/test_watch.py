"""A stream that is dead is noticed within seconds when something was sent, one that lives is asked seldom."""

from hypothesis import given
from hypothesis import strategies as st

from app.carrier.watch import DOUBT, IDLE, PATIENCE, Verdict, Watch


def test_an_idle_stream_is_asked_now_and_then() -> None:
    watch = Watch(100.0)
    assert watch.deadline() == 100.0 + IDLE
    assert watch.decide(100.0 + IDLE - 0.1) is Verdict.NOTHING
    assert watch.decide(100.0 + IDLE) is Verdict.ASK
    watch.received(126.0)
    assert watch.deadline() == 126.0 + IDLE


def test_silence_after_something_was_sent_ends_the_stream_within_seconds() -> None:
    watch = Watch(0.0)
    watch.sent(10.0)
    watch.sent(11.0)
    assert watch.deadline() == 10.0 + DOUBT
    assert watch.decide(10.0 + DOUBT) is Verdict.ASK
    assert watch.deadline() == 10.0 + DOUBT + PATIENCE
    assert watch.decide(10.0 + DOUBT + PATIENCE) is Verdict.DEAD


def test_whatever_comes_ends_the_doubt() -> None:
    watch = Watch(0.0)
    watch.sent(1.0)
    assert watch.decide(3.0) is Verdict.ASK
    watch.received(3.1)
    assert watch.decide(6.1) is Verdict.NOTHING
    watch.sent(7.0)
    assert watch.deadline() == 7.0 + DOUBT


def test_a_changed_network_makes_it_ask_at_once() -> None:
    watch = Watch(0.0)
    watch.doubt(10.0)
    assert watch.decide(10.0) is Verdict.ASK
    watch.doubt(11.0)
    assert watch.decide(10.0 + PATIENCE) is Verdict.DEAD


@given(st.lists(st.tuples(st.sampled_from(["sent", "received", "doubt", "decide"]), st.floats(0, 5)), max_size=60))
def test_no_stream_is_dead_that_was_heard_a_moment_ago(steps: list[tuple[str, float]]) -> None:
    now, heard = 0.0, 0.0
    watch = Watch(now)
    for what, passed in steps:
        now += passed
        if what == "sent":
            watch.sent(now)
        elif what == "doubt":
            watch.doubt(now)
        elif what == "received":
            heard = now
            watch.received(now)
        elif watch.decide(now) is Verdict.DEAD:
            assert now - heard >= PATIENCE
            return
