"""Make a history that fails shorter, as long as it fails in the same way.

Everything in a history follows from its random numbers. So these are recorded, and the history is
repeated without some of them, as Hypothesis does it. What comes later is shifted, and where numbers
are missing at the end, the simplest ones take their place: the first choice, and no fault.
"""

import random
import re
from collections.abc import Sequence
from typing import Any

from tests.simulation.history import History
from tests.simulation.store import SimulatedStore

# No probability of a fault is as high as this.
SIMPLEST_FRACTION = 0.999
MAX_ATTEMPTS = 3000


class RecordedRandom(random.Random):
    """Random numbers that are recorded, or that repeat recorded ones.

    Attributes:
        drawn: all numbers so far, as fractions from 0 up to 1.
    """

    def __init__(self, seed: int, repeated: Sequence[float] | None = None) -> None:
        """Draw the same numbers as `random.Random(seed)`, or repeat these fractions."""
        super().__init__(seed)
        self.drawn: list[float] = []
        self._repeated = None if repeated is None else iter(repeated)

    def random(self) -> float:
        """Return a fraction."""
        if self._repeated is None:
            fraction = super().random()
        else:
            fraction = next(self._repeated, SIMPLEST_FRACTION)
        self.drawn.append(fraction)
        return fraction

    def getrandbits(self, count: int, /) -> int:
        """Return a number of this many bits, of which all choices are made."""
        size = 1 << count
        if self._repeated is None:
            number = super().getrandbits(count)
        else:
            number = int(next(self._repeated, 0.0) * size)
        self.drawn.append((number + 0.5) / size)
        return number


def shrink(store: SimulatedStore, seed: int) -> History | None:
    """Return the shortest history found that fails as the one of the seed does, None if it holds.

    The same seed always leads to the same history.
    """
    shortest = _run(store, seed, None, None)
    if shortest is None:
        return None
    size, attempts = len(_get_drawn(shortest)) // 2, 0
    while size and attempts < MAX_ATTEMPTS:
        start = 0
        while start < len(_get_drawn(shortest)) and attempts < MAX_ATTEMPTS:
            drawn = _get_drawn(shortest)
            attempts += 1
            shorter = _run(store, seed, [*drawn[:start], *drawn[start + size :]], shortest)
            if shorter:
                shortest = shorter
            else:
                start += size
        size //= 2
    return shortest


def _run(
    store: SimulatedStore, seed: int, repeated: Sequence[float] | None, longer: History | None
) -> History | None:
    """Run a history; return it if it fails as `longer` does and takes fewer steps.

    Args:
        repeated: its random numbers; None for those of the seed.
        longer: None for any failure.
    """
    history = History(store, seed, numbers=RecordedRandom(seed, repeated))
    if longer:
        history.scheduler.max_steps = longer.scheduler.steps
    try:
        history.run()
    except AssertionError as error:
        history.failure = error
    if history.failure is None:
        return None
    if longer and describe(history.failure) != describe(longer.failure):
        return None
    has_fewer = longer is None or _measure(history) < _measure(longer)
    return history if has_fewer else None


def describe(failure: AssertionError | None) -> str:
    """Return the words of a failure up to its first colon: what follows differs by history."""
    return re.sub(r"\d+", "N", str(failure).partition(":")[0])


def _measure(history: History) -> tuple[int, int]:
    return history.scheduler.steps, len(_get_drawn(history))


def _get_drawn(history: History) -> list[float]:
    numbers: Any = history.random
    return numbers.drawn
