"""Events are over by the hour in their zones; today in lists is the date of DEFAULT_TIMEZONE."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from eventapp.core.access.actor import Actor
from eventapp.core.clock import get_local_date
from eventapp.core.database import OPEN_DATABASE, OpenDatabase
from eventapp.events import editing, listing, service, store, timekeeping
from eventapp.events.cache.event_cache import EventCache
from eventapp.events.changes import NO_EVENT_CACHE
from eventapp.events.list_requests import ListRequest
from tests.factories import event_body

ATHENS, LOS_ANGELES = ZoneInfo("Europe/Athens"), ZoneInfo("America/Los_Angeles")
KIRITIMATI = ZoneInfo("Pacific/Kiritimati")  # UTC+14
MINUTE = timedelta(minutes=1)
ADMIN = Actor(role="admin")


def make(db, *entries, now=datetime(2030, 1, 1, tzinfo=UTC), zone=ATHENS, **changes):
    """Store an event with these entries of a date and other fields, as if it were `now`."""
    schedule = [
        {"date": date.fromisoformat(day), "location": "X", **fields} for day, fields in entries
    ]
    body = event_body(schedule=schedule, **changes)
    event = service.make_new_event(body, organizer_id=None, now=now, default_zone=zone)
    return store.insert(db, event)


def status_of(db, event):
    return db.events.find_one({"eventId": event["eventId"]})["status"]


@pytest.mark.parametrize(
    ("zone", "entries", "over_at"),
    [
        (ATHENS, [("2035-06-15", {"startTime": "20:00", "endTime": "22:00"})], "15 19:00"),
        (ATHENS, [("2035-06-15", {"startTime": "22:00", "endTime": "02:00"})], "15 23:00"),
        (ATHENS, [("2035-06-15", {})], "15 21:00"),
        (LOS_ANGELES, [("2035-06-15", {})], "16 07:00"),
        (LOS_ANGELES, [("2035-06-15", {"startTime": "21:00"})], "17 07:00"),
        (KIRITIMATI, [("2035-06-15", {"startTime": "00:00", "endTime": "00:01"})], "14 10:01"),
        # The last entry to be over decides, though it is not that of the last date.
        (
            UTC,
            [
                ("2035-06-15", {"timezone": "America/Los_Angeles"}),
                ("2035-06-16", {"timezone": "Pacific/Kiritimati", "endTime": "01:00"}),
            ],
            "16 10:00",
        ),
    ],
)
def test_an_event_is_completed_when_its_last_entry_is_over(db, zone, entries, over_at):
    zone = ZoneInfo("UTC") if zone is UTC else zone
    event = make(db, *entries, zone=zone)
    over = datetime.strptime(f"2035-06-{over_at}", "%Y-%m-%d %H:%M").replace(tzinfo=UTC)
    assert event["overAt"] == over
    assert timekeeping.complete_past_events(db, over - MINUTE) == 0
    assert status_of(db, event) == "published"
    assert timekeeping.complete_past_events(db, over) == 1
    stored = db.events.find_one({"eventId": event["eventId"]})
    assert (stored["status"], stored["listed"]) == ("completed", False)
    assert timekeeping.complete_past_events(db, over) == 0


@pytest.mark.parametrize("status", ["draft", "cancelled"])
def test_only_published_events_are_completed(db, status):
    event = make(db, ("2035-06-15", {}), status=status)
    assert timekeeping.complete_past_events(db, datetime(2040, 1, 1, tzinfo=UTC)) == 0
    assert status_of(db, event) == status


@pytest.mark.parametrize(
    ("zone", "moment", "today"),
    [
        (ATHENS, "2035-06-15T20:59", "2035-06-15"),
        (ATHENS, "2035-06-15T21:00", "2035-06-16"),
        (LOS_ANGELES, "2035-06-16T06:59", "2035-06-15"),
        (LOS_ANGELES, "2035-06-16T07:00", "2035-06-16"),
        (KIRITIMATI, "2035-06-14T10:00", "2035-06-15"),
    ],
)
def test_lists_contain_what_has_a_date_from_today_on_in_the_zone(db, zone, moment, today):
    now = datetime.fromisoformat(moment).replace(tzinfo=UTC)
    days = [(date.fromisoformat(today) + timedelta(days=n)).isoformat() for n in (-1, 0, 1)]
    for index, day in enumerate(days):
        make(db, (days[0], {}), (day, {}), title=str(index), now=now, zone=zone)
    timekeeping.prepare(db, now, zone)
    stored = {event["title"]: event for event in db.events.find()}
    assert [stored[name]["listed"] for name in "012"] == [False, True, True]
    assert stored["1"]["nextDate"].date().isoformat() == today
    cache = EventCache(db, default_zone=zone)
    for request in (ListRequest(), ListRequest(search="example")):
        body, _etag = listing.list_events(
            db, request, event_cache=cache, actor=Actor(), now=now, image_base_url=""
        )
        assert body.count(b'"eventId"') == 2, request


def test_an_edit_lists_an_event_by_the_date_in_the_zone(db):
    # It is 23:30 on the 15th in Los Angeles, and the 16th in UTC.
    now = datetime(2035, 6, 16, 6, 30, tzinfo=UTC)
    event = make(db, ("2035-06-10", {}), now=now, zone=LOS_ANGELES)
    assert not event["listed"]
    edit = editing.make_entry_patch(0, {"date": date(2035, 6, 15)}, LOS_ANGELES)
    arguments = {"event_changes": NO_EVENT_CACHE, "actor": ADMIN, "now": now}
    for zone, listed in ((ZoneInfo("UTC"), False), (LOS_ANGELES, True)):
        editing.edit_event(
            db, event["eventId"], edit, image_base_url="", default_zone=zone, **arguments
        )
        assert db.events.find_one({})["listed"] is listed


def test_a_new_day_of_the_zone_prepares_the_database_again(db, app, monkeypatch):
    prepared = []
    database = OpenDatabase(OPEN_DATABASE.get(app).client, db, prepared.append, LOS_ANGELES)
    for hour, count in ((5, 1), (6, 1), (7, 2), (23, 2)):
        now = datetime(2035, 6, 16, hour, tzinfo=UTC)
        monkeypatch.setattr("eventapp.core.database.lifecycle.utc_now", lambda now=now: now)
        database.ensure_prepared()
        assert len(prepared) == count
    assert get_local_date(datetime(2035, 6, 16, 6, tzinfo=UTC), LOS_ANGELES) == date(2035, 6, 15)


def test_the_setting_decides_what_is_today(make_app):
    app = make_app(DEFAULT_TIMEZONE="Pacific/Kiritimati")
    cache = app.extensions["event_cache"]
    assert cache.get_today(datetime(2035, 6, 14, 10, tzinfo=UTC)) == date(2035, 6, 15)
    context = app.extensions["booking_context"]
    assert context.default_zone == KIRITIMATI
