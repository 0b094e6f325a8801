"""The routes for admins, and the CSV table of bookings."""

import csv
import io
import random
from datetime import timedelta

import pytest

from eventapp.bookings import service as bookings_service
from eventapp.core.clock import utc_now
from tests import sales
from tests.bookings_factories import Caller, event_of, types


@pytest.fixture
def admin(client, app):
    return Caller(client, app, "admin")


def test_the_dashboard_sums_up_all_events(db, admin, ann):
    event_id = event_of(db, ticketTypes=types(3, price=9.99))
    event_of(db, 5)
    ann.book(event_id, 3)
    ann.call("POST", "/favorites", {"eventId": event_id})
    Caller(ann.client, ann.client.application).wait(event_id, 2)
    body = admin.get("/admin/dashboard").json
    assert body["overview"]["revenue"] == body["trends"]["total"]["revenue"] == 29.97
    assert body["topEvents"][0]["eventId"] == body["fullestEvents"][0]["eventId"] == event_id
    assert body["fullestEvents"][0]["utilization"] == 1
    assert body["waitlist"]["events"][0]["title"] == "Sample Event"
    assert body["engagement"]["activeBookers"] == 1
    assert body["engagement"]["favorites"] == 1
    assert body["engagement"]["usersByRole"] == {"attendee": 2, "organizer": 0, "admin": 1}


def test_users_are_listed_with_what_they_spent(db, admin, ann):
    event_id = event_of(db, ticketTypes=types(10, price=12.5))
    ann.book(event_id, 2)
    ann.cancel(ann.book(event_of(db, 3), 1))
    rows = {row["_id"]: row for row in admin.get("/admin/users").json["users"]}
    assert rows[str(ann.id)]["spent"] == 25
    assert rows[str(ann.id)]["bookings"]["total"] == 2
    assert rows[str(admin.id)]["spent"] == 0
    assert "passwordHash" not in rows[str(admin.id)]
    assert len(admin.get("/admin/users?role=admin").json["users"]) == 1
    assert admin.get("/admin/users?search=nobody").json["users"] == []


def test_the_waitlist_lists_waitlisted_events(db, app, client, admin, ann):
    full, open_ = event_of(db, 1), event_of(db, 5)
    ann.book(full, 1)
    for tickets in (2, 3):
        Caller(client, app).wait(full, tickets)
    body = admin.get("/admin/waitlist").json
    (row,) = body["events"]
    assert (row["eventId"], row["entries"], row["tickets"], row["openOffers"]) == (full, 2, 5, 0)
    assert (body["entries"], body["tickets"], body["total"]) == (2, 5, 1)
    assert open_ != row["eventId"]


def test_the_health_report_has_all_parts(db, admin, ann):
    event_id = event_of(db, 5)
    ann.book(event_id, 1, hold=True)
    body = admin.get("/admin/health").json
    assert (body["status"], body["database"]["status"]) == ("ok", "ok")
    assert 10 < body["process"]["memoryMiB"] < 2000
    assert body["process"]["cores"] >= 1
    assert body["requests"]["count"] >= sum(body["requests"]["byStatus"].values()) > 0
    assert 0 <= body["requests"]["errorRate"] < 1
    assert body["requests"]["responseMs"]["p50"] <= body["requests"]["responseMs"]["p99"]
    assert body["queues"]["marksInFlight"] == 1
    assert body["queues"]["openHolds"] == 1
    assert "count-sales" in body["jobs"]
    assert "counts" in body["mail"]


@pytest.mark.parametrize(
    "path", ["dashboard", "users", "events", "waitlist", "health", "payments", "payments.csv"]
)
def test_only_admins_are_allowed(client, app, path):
    for role in ("attendee", "organizer"):
        assert Caller(client, app, role).get(f"/admin/{path}").status_code == 403
    assert client.get(f"/api/admin/{path}").status_code == 401


def rows_of(answer):
    assert answer.status_code == 200
    assert answer.content_type == "text/csv; charset=utf-8"
    text = answer.get_data()
    assert text.startswith(b"\xef\xbb\xbf")
    return list(csv.DictReader(io.StringIO(text[3:].decode(), newline="")))


def test_the_csv_table_has_each_booking_once(db, admin, monkeypatch):
    monkeypatch.setattr(bookings_service, "BOOKINGS_PER_QUERY", 7)
    events = sales.events_of(db, [None, None])
    at = utc_now() - timedelta(days=3)
    bookings = sales.at_random(random.Random(2), events, 60, at, 1)
    same = [sales.booking(events[0], status="held", at=at, taken={1: 1}) for _ in range(20)]
    db.bookings.insert_many([*bookings, *same, sales.tombstone()])
    answer = admin.get("/events/1/bookings.csv")
    rows = rows_of(answer)
    mine = [one for one in [*bookings, *same] if one["eventId"] == 1]
    by_reference = {one["bookingReference"]: one for one in mine}
    assert sorted(row["bookingReference"] for row in rows) == sorted(by_reference)
    assert [row["createdAt"] for row in rows] == sorted(
        (row["createdAt"] for row in rows), reverse=True
    )
    for row in rows:
        one = by_reference[row["bookingReference"]]
        assert float(row["totalPrice"]) == one["totalPrice"]
        assert (row["status"], row["quantity"]) == (one["status"], str(one["quantity"]))
    assert 'filename="bookings-1.csv"' in answer.headers["Content-Disposition"]


def test_a_title_is_escaped_in_the_csv_table(db, admin, ann):
    event_id = event_of(db, 5, title="=HYPERLINK(1)")
    ann.book(event_id, 1)
    (row,) = rows_of(admin.get(f"/events/{event_id}/bookings.csv"))
    assert row["eventTitle"] == "'=HYPERLINK(1)"


def test_an_event_without_bookings_has_an_empty_csv_table(db, admin):
    assert rows_of(admin.get(f"/events/{event_of(db, 5)}/bookings.csv")) == []


def test_the_csv_table_is_read_page_by_page(db, admin, monkeypatch):
    """Pages are read when they are needed, so memory use does not grow with the bookings."""
    monkeypatch.setattr(bookings_service, "BOOKINGS_PER_QUERY", 10)
    (event,) = sales.events_of(db, [None])
    at = utc_now()
    db.bookings.insert_many(
        sales.booking(event, status="held", at=at, taken={1: 1}) for _ in range(50)
    )
    pages, page = [], bookings_service.store.find_page
    monkeypatch.setattr(
        bookings_service.store, "find_page", lambda *a, **k: pages.append(1) or page(*a, **k)
    )
    rows = bookings_service.iterate_event_bookings(db, 1)
    next(rows)
    assert len(pages) == 1
    assert len(list(rows)) == 49
    assert len(pages) == 6
