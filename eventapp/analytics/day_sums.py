"""The bookings of one event and one UTC day, summed up in parts.

A part begins at a minute and goes on to the next part, the first and the last to the day's ends.
It holds some thousands of bookings at most, or one minute's: so to count one anew, when a booking
in it has changed, costs the same however many the event has.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from eventapp.analytics.rules import DAY_SPAN, Tally


@dataclass
class Part:
    """Sums of a part: a tally, and the cents of confirmed tickets by ticketTypeId."""

    since: datetime
    tally: Tally = field(default_factory=Tally)
    cents: defaultdict[int, int] = field(default_factory=lambda: defaultdict(int))

    @property
    def bookings(self) -> int:
        return sum(self.tally.numbers[::3])

    def include(self, other: "Part") -> None:
        """Add another's sums."""
        self.tally.include(other.tally.numbers)
        for type_id, cents in other.cents.items():
            self.cents[type_id] += cents


def place_of(moment: datetime, parts: Sequence[Part]) -> int:
    """Which of a day's parts, one or more, this moment lies in."""
    return max(0, bisect_right(parts, moment, key=lambda part: part.since) - 1)


def span_of(place: int, parts: Sequence[Part], day: datetime) -> tuple[datetime, datetime]:
    """From when to before when this part goes."""
    begin = parts[place].since if place else day
    return begin, parts[place + 1].since if place + 1 < len(parts) else day + DAY_SPAN


def cut(minutes: Iterable[Part], most: int) -> list[Part]:
    """Parts of at most so many bookings, but of one minute at least."""
    parts: list[Part] = []
    for minute in sorted(minutes, key=lambda part: part.since):
        if not parts or parts[-1].bookings + minute.bookings > most:
            parts.append(Part(minute.since))
        parts[-1].include(minute)
    return parts


def with_counted(
    parts: Sequence[Part], counted: Mapping[datetime, Part], stale: Iterable[int], most: int
) -> list[Part]:
    """The day's parts, the stale ones put together anew from what was counted of their minutes."""
    if not parts:
        return cut(counted.values(), most)
    within: defaultdict[int, list[Part]] = defaultdict(list)
    for minute in counted.values():
        within[place_of(minute.since, parts)].append(minute)
    gone = set(stale)
    return [
        part
        for place, kept in enumerate(parts)
        for part in (cut(within[place], most) if place in gone else [kept])
    ]
