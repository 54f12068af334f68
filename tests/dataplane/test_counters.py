"""Named counters and the token bucket."""

from app.dataplane.counters import COUNTERS, Counters, TokenBucket


def test_every_counter_starts_at_zero() -> None:
    assert Counters() == dict.fromkeys(COUNTERS, 0)


def test_a_bucket_allows_its_burst_and_then_its_rate() -> None:
    bucket = TokenBucket(rate=10.0, burst=3.0)
    assert [bucket.take(100.0) for _ in range(4)] == [True, True, True, False]
    assert [bucket.take(100.125), bucket.take(100.125)] == [True, False]
    assert [bucket.take(200.0) for _ in range(4)] == [True, True, True, False]
