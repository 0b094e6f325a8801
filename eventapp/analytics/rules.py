"""The definitions of the figures, and the calendar of a time zone.

*Revenue* is the price of confirmed bookings, in cents. *Gross* is their price without the discounts
of promo codes: revenue plus discount. Cancelled bookings are refunded and held ones are not paid
yet, so neither counts. A booking counts at the time it was made (`createdAt`), with its present
status. The *cancellation rate* is the share of cancelled bookings among those that are confirmed
or cancelled, and 0 if there are none.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from operator import add
from zoneinfo import ZoneInfo

from eventapp.analytics.types import STATUSES, TimeRange

CONFIRMED, HELD, CANCELLED, EXPIRED = STATUSES
EVENT_STATUSES = ("draft", "published", "cancelled", "completed")
DAY, WEEK, MONTH = "day", "week", "month"
INTERVALS = (DAY, WEEK, MONTH)
SORTS = ("revenue", "sold", "utilization")
MAX_DAYS = 3660  # the longest period of a request for the revenue
# The length of a bucket of stored sums. The offset from UTC of every time zone in use is a multiple
# of it, so that a local day always consists of whole buckets.
BUCKET_MINUTES = 15
BUCKET = timedelta(minutes=BUCKET_MINUTES)
ONE_DAY = timedelta(days=1)
BUCKETS_PER_DAY = ONE_DAY // BUCKET
NUMBERS_PER_STATUS = 3  # bookings, tickets, cents
# The index in BookingTotals.numbers of the discount of confirmed bookings, and how many there are.
DISCOUNT = NUMBERS_PER_STATUS * len(STATUSES)
NUMBERS = DISCOUNT + 1
# The index in BookingTotals.numbers at which the numbers of each status begin.
FIRST_INDEX = {status: NUMBERS_PER_STATUS * order for order, status in enumerate(STATUSES)}


@dataclass
class BookingTotals:
    """The number of bookings, tickets and cents by the status of the bookings.

    Attributes:
        numbers: for each status in the order of STATUSES: bookings, tickets, cents; then the
            cents of the discounts of confirmed bookings. This is the form in which totals are
            stored.
    """

    numbers: list[int] = field(default_factory=lambda: [0] * NUMBERS)

    def add(self, status: str, bookings: int, tickets: int, cents: int, discount: int = 0) -> None:
        """Add bookings of one status.

        Args:
            discount: the discount of the bookings, in cents. That of confirmed ones is counted.
        """
        first = FIRST_INDEX[status]
        for offset, number in enumerate((bookings, tickets, cents)):
            self.numbers[first + offset] += number
        if status == CONFIRMED:
            self.numbers[DISCOUNT] += discount

    def add_numbers(self, numbers: Iterable[int]) -> None:
        """Add other totals."""
        self.numbers = list(map(add, self.numbers, numbers))

    def add_all_numbers(self, several: Iterable[Iterable[int]]) -> None:
        """Add several other totals in one pass."""
        self.numbers = [sum(column) for column in zip(self.numbers, *several, strict=True)]

    def count_bookings(self, status: str) -> int:
        """Return the number of bookings with this status."""
        return self.numbers[FIRST_INDEX[status]]

    def count_tickets(self, status: str) -> int:
        """Return the number of tickets of bookings with this status."""
        return self.numbers[FIRST_INDEX[status] + 1]

    @property
    def all_bookings(self) -> int:
        """The number of bookings with any status."""
        return sum(self.numbers[:DISCOUNT:NUMBERS_PER_STATUS])

    @property
    def revenue(self) -> int:
        """The cents of confirmed bookings."""
        return self.numbers[FIRST_INDEX[CONFIRMED] + 2]

    @property
    def discount(self) -> int:
        """The cents of the discounts of confirmed bookings."""
        return self.numbers[DISCOUNT]

    @property
    def cancellation_rate(self) -> float:
        """The share of cancelled bookings, from 0 to 1, as defined at the top of the module."""
        cancelled = self.count_bookings(CANCELLED)
        return compute_ratio(cancelled, self.count_bookings(CONFIRMED) + cancelled)


def read_numbers(stored: Sequence[int]) -> list[int]:
    """Return the numbers of stored totals. An older version knew no discounts, and stored none."""
    return [*stored, *[0] * (NUMBERS - len(stored))]


def compute_ratio(part: int, whole: int) -> float:
    """Return part / whole, rounded to four decimals, or 0 if `whole` is 0."""
    return round(part / whole, 4) if whole else 0.0


def count_by_status(totals: BookingTotals) -> dict[str, int]:
    """Return the number of bookings by status, and their `total`."""
    by_status = {status: totals.count_bookings(status) for status in STATUSES}
    return {"total": sum(by_status.values()), **by_status}


def sum_totals(several: Iterable[BookingTotals]) -> BookingTotals:
    """Return the sum of several totals."""
    total = BookingTotals()
    for each in several:
        total.add_numbers(each.numbers)
    return total


def find_day_start(day: date, zone: ZoneInfo) -> datetime:
    """Return the first moment of a local day, in UTC. Some days last 23 or 25 hours."""
    return datetime.combine(day, time.min, zone).astimezone(UTC)


def floor_to_bucket(moment: datetime) -> datetime:
    """Return the first moment of the bucket that a UTC time lies in."""
    return moment - timedelta(
        minutes=moment.minute % BUCKET_MINUTES,
        seconds=moment.second,
        microseconds=moment.microsecond,
    )


def floor_to_utc_day(moment: datetime) -> datetime:
    """Return the first moment of the UTC day that a UTC time lies in."""
    return moment.replace(hour=0, minute=0, second=0, microsecond=0)


def floor_to_interval(day: date, interval: str) -> date:
    """Return the first day of the interval that a day lies in. A week begins on Monday."""
    if interval == WEEK:
        return day - timedelta(days=day.weekday())
    return day.replace(day=1) if interval == MONTH else day


def iter_interval_starts(first: date, last: date, interval: str) -> Iterator[date]:
    """Yield the first day of each interval that has a day from `first` to `last`."""
    start = floor_to_interval(first, interval)
    while start <= last:
        yield start
        day_in_next_interval = start + timedelta(days={DAY: 1, WEEK: 7, MONTH: 31}[interval])
        start = floor_to_interval(day_in_next_interval, interval)


def split_utc_day(utc_day: datetime, zone: ZoneInfo) -> Iterator[tuple[date, range]]:
    """Yield the local days that a UTC day overlaps, each with the numbers of its buckets."""
    day, first = utc_day.astimezone(zone).date(), 0
    while first < BUCKETS_PER_DAY:
        end = (find_day_start(day + ONE_DAY, zone) - utc_day) // BUCKET
        yield day, range(first, min(end, BUCKETS_PER_DAY))
        day, first = day + ONE_DAY, max(end, first)


def group_by_interval(
    days: Mapping[date, BookingTotals], first: date, last: date, interval: str
) -> dict[date, BookingTotals]:
    """Return the totals of days by the first day of their interval, empty intervals included."""
    by_interval = {start: BookingTotals() for start in iter_interval_starts(first, last, interval)}
    for day, totals in days.items():
        by_interval[floor_to_interval(day, interval)].add_numbers(totals.numbers)
    return by_interval


def merge_adjacent(starts: Iterable[datetime], length: timedelta) -> list[TimeRange]:
    """Return the time ranges that start at these times and have this length.

    Ranges that touch each other are merged into one.
    """
    merged: list[TimeRange] = []
    for start in sorted(starts):
        if merged and merged[-1][1] == start:
            merged[-1] = (merged[-1][0], start + length)
        else:
            merged.append((start, start + length))
    return merged
