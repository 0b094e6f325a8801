"""What the figures mean, and how moments become days, weeks and months of a time zone.

*Revenue* is what confirmed bookings cost, in cents; a cancelled booking was refunded and counts
nothing, a held one is not paid yet. A booking counts at the moment it was made (`createdAt`), with
the state it has now. The *cancellation rate* is the share of cancelled bookings among those that
are confirmed or cancelled, 0 where there are none.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from operator import add
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

CONFIRMED, HELD, CANCELLED, EXPIRED = "confirmed", "held", "cancelled", "expired"
STATUSES = (CONFIRMED, HELD, CANCELLED, EXPIRED)
DAY, WEEK, MONTH = "day", "week", "month"
INTERVALS = (DAY, WEEK, MONTH)
SORTS = ("revenue", "sold", "utilization")
MAX_DAYS = 3660
# Every zone in use today is a whole number of these away from UTC.
SLOT = timedelta(minutes=15)
DAY_SPAN = timedelta(days=1)
# Longer than a request may take and clocks may differ: what changed so lately is counted anew.
SETTLED_AFTER = timedelta(seconds=60)


@dataclass
class Tally:
    """Bookings, tickets and cents, by the bookings' state."""

    numbers: list[int] = field(default_factory=lambda: [0] * (3 * len(STATUSES)))

    def add(self, status: str, bookings: int, tickets: int, cents: int) -> None:
        place = 3 * STATUSES.index(status)
        for offset, number in enumerate((bookings, tickets, cents)):
            self.numbers[place + offset] += number

    def include(self, numbers: Iterable[int]) -> None:
        """Add another's numbers."""
        self.numbers = list(map(add, self.numbers, numbers))

    def include_all(self, many: Iterable[Iterable[int]]) -> None:
        """Add the numbers of many others."""
        self.numbers = [sum(column) for column in zip(self.numbers, *many, strict=True)]

    def bookings(self, status: str) -> int:
        return self.numbers[3 * STATUSES.index(status)]

    def tickets(self, status: str) -> int:
        return self.numbers[3 * STATUSES.index(status) + 1]

    @property
    def revenue(self) -> int:
        """Cents of what is confirmed."""
        return self.numbers[3 * STATUSES.index(CONFIRMED) + 2]

    @property
    def cancellation_rate(self) -> float:
        return share(self.bookings(CANCELLED), self.bookings(CONFIRMED) + self.bookings(CANCELLED))

    @property
    def is_empty(self) -> bool:
        return not any(self.numbers)


def share(part: int, whole: int) -> float:
    """`part` of `whole` from 0 to 1, to four decimals; 0 of nothing."""
    return round(part / whole, 4) if whole else 0.0


def counts(tally: Tally) -> dict[str, int]:
    """How many bookings there are, in all and by state."""
    by_status = {status: tally.bookings(status) for status in STATUSES}
    return {"total": sum(by_status.values()), **by_status}


@cache
def zone(name: str) -> ZoneInfo:
    """The time zone of an IANA name. ValueError for any other."""
    if name not in available_timezones():
        raise ValueError(name)
    return ZoneInfo(name)


def begin_of(day: date, zone_: ZoneInfo) -> datetime:
    """The first moment of a day in a zone, in UTC; days are 23 or 25 hours long at times."""
    return datetime.combine(day, time.min, zone_).astimezone(UTC)


def slot_of(moment: datetime) -> datetime:
    """The first moment of the quarter of an hour, in UTC."""
    return moment - timedelta(
        minutes=moment.minute % 15, seconds=moment.second, microseconds=moment.microsecond
    )


def day_of(moment: datetime) -> datetime:
    """The first moment of the UTC day."""
    return moment.replace(hour=0, minute=0, second=0, microsecond=0)


def interval_of(day: date, interval: str) -> date:
    """The first day of the day's week (Monday) or month."""
    if interval == WEEK:
        return day - timedelta(days=day.weekday())
    return day.replace(day=1) if interval == MONTH else day


def intervals(first: date, last: date, interval: str) -> Iterator[date]:
    """The first days of all intervals that the days from `first` to `last` lie in."""
    start = interval_of(first, interval)
    while start <= last:
        yield start
        longer = start + timedelta(days={DAY: 1, WEEK: 7, MONTH: 31}[interval])
        start = interval_of(longer, interval)


def days_of_slots(begin: datetime, zone_: ZoneInfo) -> Iterator[tuple[date, range]]:
    """The days of a zone that the UTC day from `begin` lies in, each with its slots' numbers."""
    day, at, slots = begin.astimezone(zone_).date(), 0, DAY_SPAN // SLOT
    while at < slots:
        day_ends = (begin_of(day + DAY_SPAN, zone_) - begin) // SLOT
        yield day, range(at, min(day_ends, slots))
        day, at = day + DAY_SPAN, max(day_ends, at)


def series(days: Mapping[date, Tally], first: date, last: date, interval: str) -> dict[date, Tally]:
    """The tallies of the days by interval, those without any booking too."""
    by_interval = {start: Tally() for start in intervals(first, last, interval)}
    for day, tally in days.items():
        by_interval[interval_of(day, interval)].include(tally.numbers)
    return by_interval


def total(tallies: Iterable[Tally]) -> Tally:
    summed = Tally()
    for tally in tallies:
        summed.include(tally.numbers)
    return summed


def spans(starts: Iterable[datetime], length: timedelta) -> list[tuple[datetime, datetime]]:
    """Pieces of time of one length, those that touch each other as one."""
    joined: list[tuple[datetime, datetime]] = []
    for start in sorted(starts):
        if joined and joined[-1][1] == start:
            joined[-1] = (joined[-1][0], start + length)
        else:
            joined.append((start, start + length))
    return joined


def event_order(row: Mapping[str, Any], sort_by: str) -> tuple[Any, ...]:
    """What an event is sorted by, most first, the older event first of equals."""
    return (-row[{"revenue": "cents"}.get(sort_by, sort_by)], row["eventId"])
