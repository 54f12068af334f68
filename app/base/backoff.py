"""Exponential back-off with jitter, as a pure function of the attempt and a random number.

It neither sleeps nor draws random numbers. Used by everything that tries again: the engine's connections to server and
helper, retried messages.
"""

from dataclasses import dataclass

_LAST_GROWTH = 64
"""Attempt after which a delay grows no more, whatever the limit: keeps the power within a float."""


@dataclass(frozen=True, slots=True)
class Backoff:
    """Delays in seconds that grow from `first` by `factor` up to `limit`."""

    first: float = 1.0
    limit: float = 60.0
    factor: float = 2.0

    def delay(self, attempt: int, random: float) -> float:
        """Seconds to wait after failure number `attempt` (0 for the first).

        `random` is from 0 to 1 and spreads the delay between one half of the step and the whole, so that clients that
        lost the same server do not come back together.
        """
        step = self.first * self.factor ** min(attempt, _LAST_GROWTH)
        return min(step, self.limit) * (0.5 + random / 2)
