"""Token buckets, throttles, and whom limits count."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.server.limits import Rate, Throttle, TokenBuckets, source_of


def test_a_bucket_gives_its_burst_and_refills_with_time() -> None:
    buckets = TokenBuckets(Rate.per_minute(2))
    assert [buckets.take("anna", 0.0) for _ in range(3)] == [True, True, False]
    assert buckets.take("bert", 0.0), "another key has a bucket of its own"
    assert not buckets.take("anna", 29.0)
    assert buckets.take("anna", 30.0)


def test_looking_takes_nothing() -> None:
    buckets = TokenBuckets(Rate.per_hour(1))
    assert all(buckets.available("anna", 0.0) for _ in range(5))
    buckets.take("anna", 0.0)
    assert not buckets.available("anna", 0.0)


def test_the_table_is_bounded_and_forgets_who_was_idle_longest() -> None:
    buckets = TokenBuckets(Rate.per_hour(1), capacity=3)
    for key in ("anna", "bert", "carl", "dora"):
        buckets.take(key, 0.0)
    assert len(buckets) == 3
    assert buckets.available("anna", 0.0)
    assert not buckets.available("dora", 0.0)


@given(st.lists(st.floats(0, 100), min_size=1, max_size=60))
def test_no_more_than_burst_and_rate_pass(steps: list[float]) -> None:
    buckets, now, passed = TokenBuckets(Rate(3, 0.5)), 0.0, 0
    for step in steps:
        now += step
        passed += buckets.take("anna", now)
    assert passed <= 3 + 0.5 * now + 1e-6


def test_a_throttle_delays_what_is_too_fast() -> None:
    throttle = Throttle(Rate(10, 5), 0.0)
    assert throttle.delay(10, 0.0) == 0.0
    assert throttle.delay(5, 0.0) == pytest.approx(1.0)
    assert throttle.delay(5, 3.0) == 0.0


@pytest.mark.parametrize(
    ("host", "source"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
    ],
)
def test_an_ipv6_customer_counts_as_one(host: str, source: str) -> None:
    assert source_of(host) == source
