"""How popular an event is: what people did about it, counting half as much after each half-life.

The score is a logarithm: `log2(1 + sum)`, each weight of the sum scaled up by 2 to the power of the
half-lives from EPOCH to its moment. That orders events as sums that fade would, and never needs
rewriting: what is new simply weighs more than what is old. It grows by 1 a week, for good.
"""

from datetime import UTC, datetime, timedelta
from math import log2

VIEW, FAVORITE, BOOKING = 1.0, 5.0, 10.0
HALF_LIFE = timedelta(days=7)
EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


def scaled(weight: float, now: datetime) -> float:
    """What raises a score for something of this weight, above 0, that happens now."""
    return log2(weight) + (now - EPOCH) / HALF_LIFE


def raised(score: float, by: float) -> float:
    """The score after it was raised by what `scaled` gives; the store does the same."""
    more = max(score, by)
    return more + log2(2 ** (score - more) + 2 ** (by - more))
