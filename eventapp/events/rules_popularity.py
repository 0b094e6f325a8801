"""How popular an event is: what people did about it, counting half as much after each half-life.

The score is a sum of weights, each scaled up by 2 to the power of the half-lives from EPOCH to its
moment. That orders events as sums that fade would, and never needs rewriting: what is new simply
weighs more than what is old. A double holds such sums until 2045, when 1,000 half-lives are over.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

VIEW, FAVORITE, BOOKING = 1.0, 5.0, 10.0
HALF_LIFE = timedelta(days=7)
EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


def scaled(weight: float, now: datetime) -> float:
    """What is added to a score for something of this weight that happens now."""
    return float(weight * 2 ** ((now - EPOCH) / HALF_LIFE))


def weight_of(done: Mapping[float, int]) -> float:
    """The weight of so many things of each weight."""
    return sum(weight * times for weight, times in done.items())
