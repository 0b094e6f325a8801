"""Types of the schedule entries of events, as they are stored and as the index reads them."""

from datetime import datetime
from typing import Literal, NotRequired, TypedDict


class Point(TypedDict):
    """A position as GeoJSON."""

    type: Literal["Point"]
    coordinates: list[float]  # longitude and latitude in degrees


class ScheduleEntry(TypedDict):
    """One date of an event.

    `schedule_times` says how the instants follow from the date, the local times and the zone.
    """

    scheduleId: int  # from 1, unique within its event, never used again
    date: datetime  # a calendar date in the zone, stored as midnight in UTC
    startTime: NotRequired[str]  # local, HH:MM; absent if it is not known
    endTime: NotRequired[str]  # local, HH:MM; on the next day if it is not after startTime
    doorsTime: NotRequired[str]  # local, HH:MM; the day before if after startTime
    timezone: str  # IANA name
    location: str  # venue and city, 1 to 200 characters
    lat: NotRequired[float]  # degrees, -90 to 90; absent where the organizer gave none
    lng: NotRequired[float]  # degrees, -180 to 180; absent where the organizer gave none
    startsAt: NotRequired[datetime]  # the instant of startTime; absent without one
    endsAt: NotRequired[datetime]  # the instant of endTime; absent without startTime and endTime
    overAt: datetime  # when the entry is over and can no longer be booked
    # What queries compare, computed from the fields above. No answer shows it.
    locationKey: str  # the folded location
    point: NotRequired[Point]  # lat and lng for an index; absent where one of them is
    moves: int  # how often an edit changed its date, times, zone or location; 0 at first


class IndexedEntry(TypedDict):
    """The fields of a schedule entry that list filters compare, and that are suggested."""

    date: datetime
    location: str
    # The others are absent until the event is migrated, and the position also without one.
    locationKey: NotRequired[str]
    lat: NotRequired[float]
    lng: NotRequired[float]
    scheduleId: NotRequired[int]
    overAt: NotRequired[datetime]
