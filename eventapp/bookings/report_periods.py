"""Which days and weeks are over, and what a report says of one. All days are UTC's."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Any

DAY = timedelta(days=1)


@dataclass(frozen=True)
class Period:
    """From a midnight up to another one, which it does not hold. `name` is daily or weekly."""

    name: str
    since: datetime
    until: datetime

    @property
    def first_day(self) -> str:
        return self.since.date().isoformat()

    @property
    def last_day(self) -> str:
        return (self.until - DAY).date().isoformat()

    @property
    def key(self) -> str:
        return f"{self.name}:{self.first_day}"


def periods_over(now: datetime) -> list[Period]:
    """Yesterday, and the last week, Monday to Sunday, that is over."""
    today = datetime.combine(now.date(), time.min, UTC)
    monday = today - now.weekday() * DAY
    return [Period("daily", today - DAY, today), Period("weekly", monday - 7 * DAY, monday)]


def summed(rows: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    """Confirmed bookings, their tickets and cents; and how many have ended since.

    Args:
        rows: `{_id: {status}, bookings, tickets, cents}`, one a status.
    """
    answer = {"bookings": 0, "tickets": 0, "cents": 0, "ended": 0}
    for row in rows:
        if row["_id"]["status"] == "confirmed":
            answer |= {name: row[name] for name in ("bookings", "tickets", "cents")}
        else:
            answer["ended"] += row["bookings"]
    return answer
