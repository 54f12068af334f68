"""How much is on the way: enough for any line, and no queue in front of a slow one. Played with a line of bytes."""

from collections import deque

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.protocol.stream_window import LEAST, MOST, TARGET, StreamWindow

PIECE = 65_536


class Line:
    """A line of so many bytes a second, with a delay, and a sender who always has more."""

    def __init__(self, rate: float, delay: float) -> None:
        self.rate, self.delay = rate, delay
        self.window = StreamWindow()
        self.now = self.free_at = 0.0
        self.sent = self.arrived = 0
        self.waits: list[float] = []
        self._confirmations: deque[tuple[float, int]] = deque()

    def run(self, seconds: float) -> None:
        """Send whenever the window lets."""
        end = self.now + seconds
        while self.now < end:
            while self.window.is_open:
                self.sent += PIECE
                self.window.sent(PIECE, self.now)
                self.free_at = max(self.free_at, self.now) + PIECE / self.rate
                self.waits.append(self.free_at - self.now)
                self._confirmations.append((self.free_at + self.delay, self.sent))
            self.now, total = self._confirmations.popleft()
            self.arrived = total
            self.window.confirmed(total, self.now)


@pytest.mark.parametrize("delay", [0.002, 0.02, 0.1])
@pytest.mark.parametrize("rate", [1e6, 10e6, 50e6])
def test_a_line_is_busy_and_its_queue_short(rate: float, delay: float) -> None:
    line = Line(rate, delay)
    line.run(20.0)
    assert line.arrived > 0.85 * rate * 20.0
    late = sorted(line.waits[len(line.waits) // 2 :])
    assert late[len(late) // 2] < 2 * TARGET + 3 * LEAST / rate


def test_a_line_that_becomes_slower_is_noticed() -> None:
    line = Line(50e6, 0.01)
    line.run(5.0)
    line.rate = 2.5e6
    line.run(10.0)
    assert line.waits[-1] < 0.15


def test_who_sends_little_keeps_an_open_window() -> None:
    window, now = StreamWindow(), 0.0
    for count in range(1, 500):
        window.sent(1_000, now)
        now += 5.0
        window.confirmed(count * 1_000, now)
        assert window.is_open


@given(
    st.lists(st.tuples(st.sampled_from(["sent", "confirmed"]), st.integers(0, 2**64 - 1), st.floats(0, 3)), max_size=60)
)
def test_whatever_is_confirmed_the_window_stays_within_its_bounds(steps: list[tuple[str, int, float]]) -> None:
    window, now = StreamWindow(), 0.0
    for what, size, passed in steps:
        now += passed
        if what == "sent":
            window.sent(size % MOST, now)
        else:
            window.confirmed(size, now)
    window.confirmed(2**64 - 1, now)
    assert window.is_open
    window.sent(MOST, now)
    assert not window.is_open
