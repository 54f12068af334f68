"""What comes again and again waits while a tunnel carries nothing."""

import math

from app.engine.recurring import Recurring


def test_what_was_never_planned_is_never_due() -> None:
    assert Recurring().due(5.0) == math.inf


def test_what_is_due_at_a_time_waits_for_nothing() -> None:
    thing = Recurring()
    thing.at(100.0)
    assert thing.due(-math.inf) == thing.due(99.0) == thing.due(200.0) == 100.0


def test_what_can_wait_is_due_soon_after_the_tunnel_carried_something() -> None:
    thing = Recurring()
    thing.plan(100.0, busy=10.0, idle=1_000.0)
    assert thing.due(carried_at=99.0) == 1_100.0
    assert thing.due(carried_at=100.0) == 110.0
    assert thing.due(carried_at=500.0) == 110.0, "it is overdue then"
    thing.plan(500.0, busy=10.0, idle=1_000.0)
    assert thing.due(carried_at=499.0) == 1_500.0
