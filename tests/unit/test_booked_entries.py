"""What a booking shows of its schedule entry, when its holder may cancel, and which entry the
bookings of older versions get, as tables of cases."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from eventapp.bookings import booked_entries, migration

DAY = datetime(2026, 3, 29, tzinfo=UTC)
NEXT_DAY = DAY + timedelta(days=1)
HOUR = timedelta(hours=1)


def entry(schedule_id=1, **changes):
    made = {
        "scheduleId": schedule_id,
        "date": DAY,
        "timezone": "Europe/Athens",
        "location": "Volos",
        "overAt": NEXT_DAY,
        "moves": 0,
    }
    return {**made, **changes}


def booking(**changes):
    made = {
        "_id": "booking",
        "eventId": 1,
        "active": True,
        "scheduleId": 1,
        "date": DAY,
        "timezone": "Europe/Athens",
        "location": "Volos",
        "startsAt": None,
        "endsAt": None,
        "bookedMoves": 0,
        "copiedMoves": 0,
    }
    return {**made, **changes}


MOVED = entry(
    date=NEXT_DAY,
    timezone="America/Los_Angeles",
    location="Larissa",
    startsAt=NEXT_DAY + 20 * HOUR,
    endsAt=NEXT_DAY + 23 * HOUR,
    moves=3,
)


@pytest.mark.parametrize("schedule", [[MOVED], [entry(2), MOVED], [MOVED, entry(2)]])
def test_an_active_booking_shows_its_entry_wherever_that_stands(schedule):
    shown = booked_entries.follow_entry(booking(), schedule)
    assert shown == booking(
        date=NEXT_DAY,
        timezone="America/Los_Angeles",
        location="Larissa",
        startsAt=NEXT_DAY + 20 * HOUR,
        endsAt=NEXT_DAY + 23 * HOUR,
        copiedMoves=3,
    )


@pytest.mark.parametrize(
    ("changes", "schedule"),
    [
        ({"active": False}, [MOVED]),
        ({"scheduleId": None}, [MOVED]),
        ({"scheduleId": 7}, [MOVED]),
        ({}, []),
    ],
    ids=["ended", "unknown entry", "entry that is gone", "event that is gone"],
)
def test_other_bookings_show_their_copy(changes, schedule):
    stored = booking(**changes)
    assert booked_entries.follow_entry(stored, schedule) == stored


def test_a_booking_of_an_older_version_shows_its_copy():
    stored = {"eventId": 1, "active": True, "date": DAY, "location": "Volos"}
    assert booked_entries.follow_entry(stored, [MOVED]) == stored
    assert booked_entries.build_copy_fields(stored) == {}


def test_an_entry_that_loses_its_times_shows_none():
    stored = booking(startsAt=DAY + 20 * HOUR, endsAt=DAY + 22 * HOUR)
    shown = booked_entries.follow_entry(stored, [entry(moves=1)])
    assert (shown["startsAt"], shown["endsAt"]) == (None, None)
    assert booked_entries.build_copy_fields(shown)["startsAt"] is None


# (zone, local begin or date, cutoff in hours, deadline in UTC). Deadlines count real hours.
DEADLINES = [
    # The day has 23 hours: 20:00 is 17:00 UTC, and 24 hours before it was 19:00 local.
    ("Europe/Athens", "2026-03-29T20:00", 24, "2026-03-28T17:00"),
    ("Europe/Athens", "2026-03-29T20:00", 0, "2026-03-29T17:00"),
    ("Europe/Athens", "2026-03-29", 24, "2026-03-27T22:00"),
    ("Europe/Athens", "2026-10-25T20:00", 24, "2026-10-24T18:00"),
    ("Europe/Athens", "2026-10-26", 24, "2026-10-24T22:00"),
    ("America/Los_Angeles", "2026-03-08T12:00", 24, "2026-03-07T19:00"),
    ("America/Los_Angeles", "2026-11-01T12:00", 24, "2026-10-31T20:00"),
    ("America/Los_Angeles", "2026-11-01", 1.5, "2026-11-01T05:30"),
    ("Asia/Kathmandu", "2026-03-29T20:00", 24, "2026-03-28T14:15"),
    ("Asia/Kathmandu", "2026-03-29", 24, "2026-03-27T18:15"),
    ("Pacific/Apia", "2026-04-05", 48, "2026-04-02T11:00"),
    ("Pacific/Apia", "2026-09-27T09:00", 24, "2026-09-25T20:00"),
]


def follow(zone, begin, **changes):
    day = datetime.fromisoformat(begin[:10]).replace(tzinfo=UTC)
    made = entry(timezone=zone, date=day, **changes)
    if len(begin) > 10:
        local = datetime.fromisoformat(begin).replace(tzinfo=ZoneInfo(zone))
        made["startsAt"] = local.astimezone(UTC)
    return booked_entries.follow_entry(booking(), [made])


@pytest.mark.parametrize(("zone", "begin", "hours", "deadline"), DEADLINES)
def test_the_deadline_is_so_many_real_hours_before_the_begin(zone, begin, hours, deadline):
    shown = follow(zone, begin)
    found = booked_entries.compute_cancellation_deadline(shown, hours * HOUR)
    assert found.isoformat()[:16] == deadline


@pytest.mark.parametrize(("zone", "begin", "hours", "deadline"), DEADLINES)
def test_after_a_move_the_holder_may_cancel_until_the_begin(zone, begin, hours, deadline):
    shown = follow(zone, begin, moves=1)
    found = booked_entries.compute_cancellation_deadline(shown, hours * HOUR)
    assert (found - hours * HOUR).isoformat()[:16] == deadline


@pytest.mark.parametrize(
    ("booked", "moves", "is_cut_off"), [(0, 0, True), (2, 2, True), (1, 2, False), (0, 1, False)]
)
def test_only_a_move_after_the_booking_lifts_the_cutoff(booked, moves, is_cut_off):
    shown = booked_entries.follow_entry(booking(bookedMoves=booked), [entry(moves=moves)])
    begin = booked_entries.find_begin(shown)
    deadline = booked_entries.compute_cancellation_deadline(shown, 24 * HOUR)
    assert (deadline == begin - 24 * HOUR) is is_cut_off
    assert (deadline == begin) is not is_cut_off


def test_a_booking_from_before_moves_were_counted_follows_the_first_move():
    stored = booking()
    del stored["bookedMoves"], stored["copiedMoves"]
    unmoved, moved = [entry()], [entry(moves=1)]
    assert booked_entries.find_outdated([stored], unmoved) == []
    (shown,) = booked_entries.find_outdated([stored], moved)
    deadline = booked_entries.compute_cancellation_deadline(shown, 24 * HOUR)
    assert deadline == booked_entries.find_begin(shown)


def test_the_day_of_an_unknown_entry_begins_at_midnight_utc():
    stored = {"eventId": 1, "active": True, "date": DAY, "location": "Volos"}
    assert booked_entries.compute_cancellation_deadline(stored, 24 * HOUR) == DAY - 24 * HOUR


def test_copies_of_moved_entries_are_outdated():
    stored = [
        booking(_id="same"),
        booking(_id="moved", scheduleId=2),
        booking(_id="refreshed", scheduleId=2, copiedMoves=1),
        booking(_id="unknown", scheduleId=None),
    ]
    schedule = [entry(1), entry(2, date=NEXT_DAY, moves=1)]
    (outdated,) = booked_entries.find_outdated(stored, schedule)
    assert (outdated["_id"], outdated["date"]) == ("moved", NEXT_DAY)


# Which entry a booking of 29 March in Volos gets, by its id.
MATCHES = [
    ([entry(1), entry(2, date=NEXT_DAY)], 1),
    ([entry(5, location="Larissa"), entry(4), entry(3)], 3),
    ([entry(1, location="Larissa"), entry(2, date=NEXT_DAY)], 1),
    ([entry(1, location="Larissa"), entry(2, location="Athens")], None),
    ([entry(7, date=NEXT_DAY, location="Larissa")], 7),
    ([entry(1, date=NEXT_DAY), entry(2, date=NEXT_DAY)], None),
    ([], None),
]


@pytest.mark.parametrize(("schedule", "schedule_id"), MATCHES)
def test_a_booking_of_an_older_version_gets_its_entry(schedule, schedule_id):
    old = {"_id": 1, "eventId": 1, "date": DAY, "location": "Volos", "active": True}
    assert migration.make_entry_fields(old, schedule)["scheduleId"] == schedule_id
    found = migration.match_entry(old, schedule)
    assert (found and found["scheduleId"]) == schedule_id


def test_an_ended_booking_of_an_older_version_keeps_what_it_shows():
    old = {"_id": 1, "eventId": 1, "date": DAY, "location": "Volos", "active": False}
    fields = migration.make_entry_fields(old, [entry(7, date=NEXT_DAY, location="Larissa")])
    assert fields == {"scheduleId": 7, "timezone": "Europe/Athens"}
