"""Figures equal the sums of the bookings, one by one, before and after the job has run."""

import random
from datetime import date, timedelta
from zoneinfo import ZoneInfo

import pytest
from bson import ObjectId

from eventapp.analytics import sales_sums
from eventapp.bookings import rules as bookings_rules
from eventapp.core.clock import utc_now
from tests import factories, sales
from tests.bookings_factories import Caller, event_of, refused, types

FIRST = sales.utc(2026, 3, 20)


@pytest.fixture
def admin(client, app):
    return Caller(client, app, "admin")


@pytest.fixture
def made(db, host):
    """Store 250 bookings around a clock change, of three events of the host and two others."""
    other = ObjectId()
    events = sales.events_of(db, [host.id, host.id, host.id, other, other])
    bookings = sales.at_random(random.Random(3), events, 250, FIRST, 20)
    db.bookings.insert_many([*bookings, sales.tombstone()])
    return bookings


@pytest.fixture(params=["counted", "stored", "changed since"])
def state(request, db, made):
    """Let figures come from the bookings, from stored sums, or from both."""
    if request.param != "counted":
        sales_sums.refresh_sums(db, utc_now())
    if request.param == "changed since":
        for one in made[:10]:
            sales.change(db, one, status="cancelled")


def stored_bookings(db, organizer_id=None):
    where = {"status": {"$exists": True}}
    return list(db.bookings.find({**where, "organizerId": organizer_id} if organizer_id else where))


def test_the_overview_sums_up_all_bookings(db, state, host, admin):
    for caller, mine in ((host, stored_bookings(db, host.id)), (admin, stored_bookings(db))):
        answer = caller.get("/analytics/overview")
        assert answer.status_code == 200
        body = answer.json
        assert body["revenue"] == sales.revenue(mine)
        assert body["bookings"] == sales.counts(mine)
        assert body["ticketsSold"] == sales.sums(mine)["tickets"]
        ended = [one["status"] for one in mine if one["status"] in ("cancelled", "confirmed")]
        assert body["cancellationRate"] == round(ended.count("cancelled") / len(ended), 4)
        events = 3 if caller is host else 5
        assert body["events"] == {
            "total": events, "draft": 0, "published": events, "cancelled": 0, "completed": 0,
        }  # fmt: skip
        assert body["capacity"] == body["available"] == events * 2000
        assert answer.headers["Cache-Control"] == "private, no-store"


def month(day):
    return day.replace(day=1)


def monday(day):
    return day - timedelta(days=day.weekday())


@pytest.mark.parametrize("zone", ["UTC", "Europe/Athens", "America/New_York", "Asia/Kathmandu"])
def test_revenue_is_summed_by_interval(db, state, host, admin, zone):
    starts = {"day": lambda day: day, "week": monday, "month": month}
    for caller, mine in ((host, stored_bookings(db, host.id)), (admin, stored_bookings(db))):
        for interval, start_of in starts.items():
            query = f"from=2026-03-22&to=2026-04-04&interval={interval}&timezone={zone}"
            body = caller.get(f"/analytics/revenue?{query}").json
            made = [(one, one["createdAt"].astimezone(ZoneInfo(zone)).date()) for one in mine]
            inside = [(b, d) for b, d in made if date(2026, 3, 22) <= d <= date(2026, 4, 4)]
            assert body["total"] == sales.sums([booking for booking, _ in inside])
            for point in body["points"]:
                of_point = [b for b, d in inside if start_of(d).isoformat() == point["start"]]
                assert point == {"start": point["start"], **sales.sums(of_point)}
            expected = {start_of(date(2026, 3, 22) + timedelta(days=n)) for n in range(14)}
            assert [p["start"] for p in body["points"]] == [d.isoformat() for d in sorted(expected)]


def test_days_with_a_clock_change_count_their_bookings(db, host):
    (event,) = sales.events_of(db, [host.id])
    moments = [
        sales.utc(2026, 3, 28, 21, 59),  # 28 March, 23:59 in Athens
        sales.utc(2026, 3, 28, 22, 0),  # 29 March, 00:00, the day of 23 hours
        sales.utc(2026, 3, 29, 20, 59),  # 29 March, 23:59
        sales.utc(2026, 3, 29, 21, 0),  # 30 March, 00:00
        sales.utc(2026, 10, 24, 21, 0),  # 25 October, 00:00, the day of 25 hours
        sales.utc(2026, 10, 25, 21, 59),  # 25 October, 23:59
    ]
    db.bookings.insert_many(
        sales.booking(event, status="confirmed", at=moment, taken={1: 1}) for moment in moments
    )
    path = "/analytics/revenue?from=2026-03-28&to=2026-10-25&timezone=Europe/Athens"
    points = {p["start"]: p["bookings"] for p in host.get(path).json["points"] if p["bookings"]}
    assert points == {"2026-03-28": 1, "2026-03-29": 2, "2026-03-30": 1, "2026-10-25": 2}


def test_revenue_is_of_the_last_30_days_by_default(db, made, admin):
    body = admin.get("/analytics/revenue").json
    assert len(body["points"]) == 30
    assert body["points"][-1]["start"] == body["to"] == utc_now().date().isoformat()


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("from=2026-03-02&to=2026-03-01", "from"),
        ("from=2000-01-01&to=2026-03-01", "from"),
        ("from=yesterday", "from"),
        ("to=2026-02-30", "to"),
        ("interval=hour", "interval"),
        ("timezone=Mars/Base", "timezone"),
        ("timezone=", "timezone"),
    ],
)
def test_invalid_periods_are_refused(admin, query, field):
    body = refused(admin.get(f"/analytics/revenue?{query}"), 400, "validation_error")
    assert field in body["errors"]


@pytest.mark.parametrize("sort_by", ["revenue", "sold", "utilization"])
def test_events_are_sorted_and_have_their_figures(db, state, host, admin, sort_by):
    for event_id in range(1, 6):
        sold = {"ticketTypes.0.soldTickets": event_id * 7 % 5, "ticketTypes.0.capacity": 1000}
        db.events.update_one({"eventId": event_id}, {"$set": sold})
    for caller, ids in ((host, {1, 2, 3}), (admin, {1, 2, 3, 4, 5})):
        body = caller.get(f"/analytics/events?sortBy={sort_by}").json
        assert {row["eventId"] for row in body["events"]} == ids
        assert (body["total"], body["pages"]) == (len(ids), 1)
        for row in body["events"]:
            mine = [one for one in stored_bookings(db) if one["eventId"] == row["eventId"]]
            assert row["revenue"] == sales.revenue(mine)
            assert row["bookings"] == sales.counts(mine)
            assert row["utilization"] == round(row["sold"] / row["capacity"], 4)
        order = [(-row[sort_by], row["eventId"]) for row in body["events"]]
        assert order == sorted(order)


def test_events_are_paged(db, made, admin):
    pages = [admin.get(f"/analytics/events?limit=2&page={n}").json["events"] for n in (1, 2, 3, 4)]
    assert [len(page) for page in pages] == [2, 2, 1, 0]
    assert {row["eventId"] for page in pages for row in page} == {1, 2, 3, 4, 5}
    assert len(admin.get("/admin/events?status=published").json["events"]) == 5
    assert admin.get("/admin/events?status=draft").json["events"] == []


def test_the_stats_of_an_event_add_up(db, state, host):
    body = host.get("/events/1/stats").json
    mine = [one for one in stored_bookings(db) if one["eventId"] == 1]
    assert body["revenue"] == sales.revenue(mine)
    assert body["bookings"] == sales.counts(mine)
    for point in body["byDay"]:
        of_point = [one for one in mine if one["createdAt"].date().isoformat() == point["date"]]
        assert point == {"date": point["date"], **sales.sums(of_point)}
    assert sum(p["bookings"] for p in body["byDay"]) == body["bookings"]["confirmed"]
    cents = {1: 0, 2: 0}
    for one in (one for one in mine if one["status"] == "confirmed"):
        for item in one["items"]:
            cents[item["ticketTypeId"]] += bookings_rules.to_cents(item["subtotal"])
    for ticket_type in body["byType"]:
        assert ticket_type["revenue"] == bookings_rules.from_cents(
            cents[ticket_type["ticketTypeId"]]
        )
    assert sum(cents.values()) == bookings_rules.to_cents(body["revenue"])


def test_the_stats_follow_bookings_and_waitlist_entries(db, app, client, host):
    event_id = event_of(db, organizer_id=host.id, ticketTypes=types(4, 10, price=12.5))
    people = [Caller(client, app) for _ in range(4)]
    people[0].book(event_id, 3)
    cancelled = people[1].book(event_id, 2, type_id=2)
    people[1].cancel(cancelled)
    people[2].book(event_id, 1, hold=True)
    people[3].wait(event_id, 2)
    body = host.get(f"/events/{event_id}/stats").json
    amounts = ("capacity", "sold", "held", "available")
    assert tuple(body[name] for name in amounts) == (14, 3, 1, 10)
    assert (body["revenue"], body["cancellationRate"]) == (37.5, 0.5)
    assert body["waitlist"] == {"entries": 1, "tickets": 2}
    ticket_type = body["byType"][0]
    assert tuple(ticket_type[name] for name in (*amounts, "waiting", "revenue")) == (
        4,
        3,
        1,
        0,
        1,
        37.5,
    )
    assert body["byDay"] == [
        {
            "date": factories.day(0),
            "gross": 37.5,
            "discount": 0,
            "revenue": 37.5,
            "charged": 62.5,
            "refunded": 25,
            "fees": 0,
            "net": 37.5,
            "bookings": 1,
            "tickets": 3,
            "cancelled": 1,
        }
    ]
    assert (body["charged"], body["refunded"], body["net"]) == (62.5, 25, 37.5)
    overview = host.get("/analytics/overview").json
    assert (overview["waitlist"]["entries"], overview["waitlist"]["tickets"]) == (1, 2)
    assert overview["waitlist"]["events"][0]["eventId"] == event_id
    assert (overview["revenue"], overview["ticketsSold"], overview["ticketsHeld"]) == (37.5, 3, 1)


@pytest.mark.parametrize("name", ["stats", "bookings.csv"])
def test_only_the_organizer_and_admins_see_the_figures_of_an_event(
    db, app, client, made, host, admin, name
):
    path = f"/events/1/{name}"
    assert host.get(path).status_code == admin.get(path).status_code == 200
    refused(Caller(client, app, "organizer").get(path), 403, "forbidden")
    refused(Caller(client, app).get(path), 403, "forbidden")
    refused(client.get(f"/api{path}"), 401, "unauthorized")
    refused(host.get(f"/events/999/{name}"), 404, "event_not_found")
    refused(host.get(f"/events/x/{name}"), 400, "validation_error")


def test_without_events_all_figures_are_zero(db, host, admin):
    for caller in (host, admin):
        body = caller.get("/analytics/overview").json
        assert (body["revenue"], body["cancellationRate"], body["utilization"]) == (0, 0, 0)
        assert caller.get("/analytics/events").json["events"] == []
        body = caller.get("/analytics/revenue?interval=month").json
        assert {point["revenue"] for point in body["points"]} == {0}
