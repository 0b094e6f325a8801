"""Calendars subscribe to an event, to a list with filters, and to the events of an organizer."""

from datetime import UTC, date, datetime, timedelta

import icalendar
import pytest

from eventapp.core.clock import utc_now
from eventapp.events import calendar_feeds
from tests.bookings_factories import Caller
from tests.factories import FAR_DAY, day, event_body, make_event

THEATER = "Παλιό Θέατρο, Βόλος"
PATHS = ("/events/1/calendar.ics", "/events.ics", "/organizers/{}/events.ics")
HIDDEN = {"type": "A", "price": 20, "availableTickets": 5, "visibility": "hidden"}


@pytest.fixture
def host(client, app):
    return Caller(client, app, "organizer")


@pytest.fixture
def read(client):
    """Return the entries of a feed, as another program reads them."""

    def call(path):
        answer = client.get(f"/api{path}")
        assert answer.status_code == 200, answer.json
        assert answer.headers["Content-Type"] == "text/calendar; charset=utf-8"
        assert all(len(line) <= 75 for line in answer.data.split(b"\r\n"))
        calendar = icalendar.Calendar.from_ical(answer.data)
        assert calendar.errors == []
        return calendar.events

    return call


def uids(entries):
    return [str(each["UID"]).removeprefix("event-").removesuffix("@localhost") for each in entries]


def entry(offset, location="Volos", **more):
    return {"date": day(offset), "location": location, **more}


def test_the_feed_of_an_event_has_its_dates(read, client, host):
    times = {"startTime": "20:30", "endTime": "01:00", "timezone": "Europe/Athens"}
    year = utc_now().year + 1
    schedule = [
        {"date": f"{year}-07-01", "location": THEATER, "lat": 39.36, "lng": 22.94, **times},
        {"date": FAR_DAY, "location": "Volos", **times},
        {"date": f"{year}-08-02", "location": "Volos"},
    ]
    title = "Νύχτες, φούρνος; και \\ σαξόφωνο " * 4
    body = event_body(title=title.strip(), description="One\nTwo", schedule=schedule)
    event = host.call("POST", "/events", body).json
    first, far, whole_day = read(f"/events/{event['eventId']}/calendar.ics")
    assert uids([first, far, whole_day]) == [f"{event['eventId']}-{n}" for n in (1, 2, 3)]
    assert (first["SUMMARY"], first["DESCRIPTION"]) == (title.strip(), "One\nTwo")
    assert first["LOCATION"] == THEATER
    assert first["GEO"].to_ical() == "39.36;22.94"
    assert first.DTSTART.tzinfo.key == "Europe/Athens"
    assert datetime(year, 7, 1, 17, 30, tzinfo=UTC) == first.DTSTART
    assert datetime(year, 7, 1, 22, 0, tzinfo=UTC) == first.DTEND
    # Decades away, no file says how summer time will change.
    assert far["DTSTART"].to_ical() == b"20990615T173000Z"
    assert (date(year, 8, 2), date(year, 8, 3)) == (whole_day.DTSTART, whole_day.DTEND)
    assert {each["STATUS"] for each in (first, far, whole_day)} == {"CONFIRMED"}


def test_an_edit_raises_the_sequence_and_a_sale_does_not(read, client, app, db, host):
    make_event(db, organizer_id=host.id)
    before = client.get("/api/events/1/calendar.ics")
    Caller(client, app).book(1)
    assert client.get("/api/events/1/calendar.ics").data == before.data
    host.call("PATCH", "/events/1/schedule/0", {"location": "Larisa"})
    (changed,) = read("/events/1/calendar.ics")
    assert (changed["SEQUENCE"], changed["LOCATION"], uids([changed])) == (1, "Larisa", ["1-1"])


def test_a_cancelled_event_is_cancelled_in_its_feed(read, db, host):
    make_event(db, organizer_id=host.id)
    host.call("POST", "/events/1/cancel")
    (cancelled,) = read("/events/1/calendar.ics")
    assert cancelled["STATUS"] == "CANCELLED"
    assert read("/events.ics") == []


@pytest.mark.parametrize("path", ["/events/1/calendar.ics", "/events/99/calendar.ics"])
def test_a_draft_has_no_feed_also_for_its_organizer(client, db, host, path):
    make_event(db, organizer_id=host.id, status="draft")
    for headers in ({}, host.headers):
        answer = client.get(f"/api{path}", headers=headers)
        assert (answer.status_code, answer.json["code"]) == (404, "event_not_found")


def test_the_feed_of_the_list_has_the_dates_that_are_not_over_soonest_first(read, db, host):
    make_event(db, schedule=[entry(9), entry(-3), entry(2)])
    make_event(db, schedule=[entry(5)])
    make_event(db, schedule=[entry(-5)])
    make_event(db, organizer_id=host.id, schedule=[entry(5)], status="draft")
    make_event(db, ticketTypes=[HIDDEN])
    assert uids(read("/events.ics")) == ["1-3", "2-1", "1-1"]


def test_the_feed_of_the_list_takes_its_filters_and_search(read, db):
    make_event(db, title="Rebetiko", category="concert", schedule=[entry(5, "Athens")])
    make_event(db, title="Jazz", category="concert", schedule=[entry(3)])
    make_event(db, title="Jazz", category="theater", schedule=[entry(4)])
    assert uids(read("/events.ics?category=concert")) == ["2-1", "1-1"]
    assert uids(read("/events.ics?search=jazz&category=concert")) == ["2-1"]
    assert uids(read("/events.ics?city=athens")) == ["1-1"]
    assert uids(read(f"/events.ics?dateFrom={day(4)}&dateTo={day(4)}")) == ["3-1"]


def test_a_filter_by_date_or_place_leaves_only_the_entries_that_meet_it(read, db):
    make_event(db, schedule=[entry(5, "Athens"), entry(6), entry(7, "Athens")])
    assert uids(read("/events.ics?city=athens")) == ["1-1", "1-3"]
    assert uids(read(f"/events.ics?city=athens&dateFrom={day(6)}")) == ["1-3"]
    assert uids(read(f"/events.ics?dateTo={day(6)}")) == ["1-1", "1-2"]


@pytest.mark.parametrize(
    "query",
    ["page=2", "mine=true", "limit=1", "cursor=x", "upcoming=false", "sortBy=x", "order=y", "v=3"],
)
def test_a_feed_ignores_all_other_parameters(read, client, db, query):
    make_event(db, organizer_id=None, schedule=[entry(-3), entry(5)])
    make_event(db)
    expected = client.get("/api/events.ics").data
    assert client.get(f"/api/events.ics?{query}").data == expected
    assert uids(read(f"/events/1/calendar.ics?{query}")) == ["1-1", "1-2"]


def test_a_feed_refuses_a_wrong_filter(client):
    answer = client.get("/api/events.ics?dateFrom=soon&page=2")
    assert (answer.status_code, list(answer.json["errors"])) == (400, ["dateFrom"])


def test_a_feed_has_a_greatest_number_of_entries(read, db, monkeypatch):
    monkeypatch.setattr(calendar_feeds, "MAX_ENTRIES", 3)
    make_event(db, schedule=[entry(9), entry(2), entry(4)])
    for offset in (8, 3, 7):
        make_event(db, schedule=[entry(offset)])
    assert uids(read("/events.ics")) == ["1-2", "3-1", "1-3"]


def test_an_organizer_has_a_feed(read, client, db, host):
    make_event(db, organizer_id=host.id, organizer="Olga", schedule=[entry(9), entry(-1)])
    make_event(db)
    path = f"/organizers/{host.id}/events.ics"
    assert uids(read(path)) == ["1-1"]
    assert b"X-WR-CALNAME:Olga\r\n" in client.get(f"/api{path}").data
    answer = client.get(f"/api/organizers/{'0' * 24}/events.ics")
    assert (answer.status_code, answer.json["code"]) == (404, "organizer_not_found")


@pytest.mark.parametrize("path", PATHS)
def test_a_feed_is_kept_for_an_hour_and_answers_304(client, db, host, path):
    make_event(db, organizer_id=host.id)
    path = "/api" + path.format(host.id)
    first = client.get(path)
    assert first.headers["Cache-Control"] == "public, max-age=3600"
    again = client.get(path, headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")
    assert again.headers["Cache-Control"] == "public, max-age=3600"
    host.call("PATCH", "/events/1/schedule/0", {"location": "Larisa"})
    changed = client.get(path, headers={"If-None-Match": first.headers["ETag"]})
    assert changed.status_code == 200


def test_the_host_of_a_uid_is_that_of_the_public_address(make_app, monkeypatch):
    app = make_app(PUBLIC_BASE_URL="https://tickets.example.org:8443/")
    host = Caller(app.test_client(), app, "organizer")
    event_id = host.call("POST", "/events", event_body()).json["eventId"]
    file = app.test_client().get(f"/api/events/{event_id}/calendar.ics").data
    assert f"UID:event-{event_id}-1@tickets.example.org\r\n".encode() in file


def test_a_long_description_is_shortened_at_its_end(read, db):
    make_event(db, description="Λόγος " * 1000)
    (shown,) = read("/events/1/calendar.ics")
    assert 490 < len(shown["DESCRIPTION"]) <= calendar_feeds.MAX_DESCRIPTION
    assert shown["DESCRIPTION"].endswith("Λόγος Λ…")


def test_a_date_in_millennia_makes_no_large_file(client, db):
    times = {"startTime": "20:30", "timezone": "Europe/Athens", "location": "Volos"}
    schedule = [{"date": "1900-01-01", **times}, {"date": "8999-12-31", **times}]
    make_event(db, schedule=[*schedule, {**entry(3), **times, "date": day(3)}])
    for path in ("/api/events/1/calendar.ics", "/api/events.ics"):
        file = client.get(path).data
        assert b"DTSTART:89991231T183000Z\r\n" in file
        assert len(file) < 6_000


def test_the_fields_of_a_feed_follow_from_the_event_alone(client, db, monkeypatch):
    """So the file stays the same until the event is edited."""
    make_event(db, schedule=[entry(5)])
    before = client.get("/api/events.ics").data
    later = utc_now() + timedelta(days=1)
    monkeypatch.setattr("eventapp.events.routes.feeds.get_database_time", lambda: later)
    assert client.get("/api/events.ics").data == before
