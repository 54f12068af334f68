"""Back-off grows, has a limit and spreads."""

from hypothesis import given
from hypothesis import strategies as st

from app.base.backoff import Backoff


def test_delays_double_up_to_the_limit() -> None:
    backoff = Backoff(first=1.0, limit=10.0)
    assert [backoff.delay(attempt, 1.0) for attempt in range(6)] == [1.0, 2.0, 4.0, 8.0, 10.0, 10.0]


def test_jitter_spreads_over_the_upper_half_of_a_step() -> None:
    backoff = Backoff(first=4.0)
    assert backoff.delay(0, 0.0) == 2.0
    assert backoff.delay(0, 0.5) == 3.0
    assert backoff.delay(0, 1.0) == 4.0


@given(attempt=st.integers(0, 10**9), random=st.floats(0, 1))
def test_no_attempt_waits_longer_than_the_limit_or_not_at_all(attempt: int, random: float) -> None:
    assert 0.5 <= Backoff(first=1.0, limit=60.0).delay(attempt, random) <= 60.0


def test_a_back_off_with_factor_one_is_steady() -> None:
    assert Backoff(first=2.0, limit=60.0, factor=1.0).delay(10**12, 1.0) == 2.0
