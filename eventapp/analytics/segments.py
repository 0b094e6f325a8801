"""Sum the bookings that an event received on one UTC day in segments.

A segment begins at a minute and lasts until the next segment begins. The first segment of a day
starts with the day, and the last one ends with it. The number of bookings in a segment is limited,
unless they were all made in one minute. So the cost of recounting the segment of a changed booking
does not grow with the bookings of the event.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from eventapp.analytics.rules import ONE_DAY, BookingTotals
from eventapp.analytics.types import TimeRange


@dataclass
class Segment:
    """The totals of a segment, or of one minute before minutes are joined into segments.

    Attributes:
        since: its first minute.
        cents_by_type: the revenue by ticketTypeId.
        discounts_by_type: the discounts of these tickets in cents by ticketTypeId.
    """

    since: datetime
    totals: BookingTotals = field(default_factory=BookingTotals)
    cents_by_type: defaultdict[int, int] = field(default_factory=lambda: defaultdict(int))
    discounts_by_type: defaultdict[int, int] = field(default_factory=lambda: defaultdict(int))

    def add(self, other: "Segment") -> None:
        """Add the totals of another segment."""
        self.totals.add_numbers(other.totals.numbers)
        for type_id, cents in other.cents_by_type.items():
            self.cents_by_type[type_id] += cents
        for type_id, cents in other.discounts_by_type.items():
            self.discounts_by_type[type_id] += cents


def find_segment(moment: datetime, segments: Sequence[Segment]) -> int:
    """Return the index of the segment that a time of the day lies in, 0 if there is none yet."""
    return max(0, bisect_right(segments, moment, key=lambda segment: segment.since) - 1)


def compute_segment_range(index: int, segments: Sequence[Segment], utc_day: datetime) -> TimeRange:
    """Return the time range of a segment of a day."""
    start = segments[index].since if index else utc_day
    is_last = index + 1 == len(segments)
    return start, utc_day + ONE_DAY if is_last else segments[index + 1].since


def build_segments(minutes: Iterable[Segment], max_bookings: int) -> list[Segment]:
    """Join the totals of minutes into segments of at most `max_bookings`, or of one minute each."""
    segments: list[Segment] = []
    for minute in sorted(minutes, key=lambda each: each.since):
        bookings = minute.totals.all_bookings
        if not segments or segments[-1].totals.all_bookings + bookings > max_bookings:
            segments.append(Segment(minute.since))
        segments[-1].add(minute)
    return segments


def replace_stale_segments(
    segments: Sequence[Segment],
    recounted: Mapping[datetime, Segment],
    stale: Iterable[int],
    max_bookings: int,
) -> list[Segment]:
    """Return the segments of a day, with the stale ones replaced by new segments.

    Args:
        recounted: the totals of every minute of the stale segments.
        stale: the indexes of the stale segments.
    """
    if not segments:
        return build_segments(recounted.values(), max_bookings)
    minutes: defaultdict[int, list[Segment]] = defaultdict(list)
    for minute in recounted.values():
        minutes[find_segment(minute.since, segments)].append(minute)
    stale_indexes = set(stale)
    return [
        replacement
        for index, segment in enumerate(segments)
        for replacement in (
            build_segments(minutes[index], max_bookings) if index in stale_indexes else [segment]
        )
    ]
