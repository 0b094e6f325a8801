"""GET /events/:id/availability: what can be booked, and that it is what a booking gets."""

import random
from datetime import timedelta

import pytest

from eventapp.core.clock import utc_now
from tests.bookings_factories import Caller, event_of, refused, types
from tests.factories import day
from tests.http.test_public_figures import add_quota
from tests.store.test_migration import make_old_event

HOUR = timedelta(hours=1)
FRIDAY, SATURDAY, SUNDAY = 1, 2, 3


def make_dated(db, *quantities, dates=3, **changes):
    schedule = [{"date": day(30 + n), "location": f"Hall {n}"} for n in range(dates)]
    changes.setdefault("ticketTypes", types(*quantities))
    return event_of(db, schedule=schedule, **changes)


def read_rows(caller, event_id, query=""):
    answer = caller.get(f"/events/{event_id}/availability?limit=100{query}")
    assert answer.status_code == 200, answer.json
    return {
        (row["scheduleId"], row["ticketTypeId"]): (row["availableTickets"], row["saleState"])
        for row in answer.json["availability"]
    }


def read_figures(caller, event_id, query=""):
    return {pair: figure for pair, (figure, _) in read_rows(caller, event_id, query).items()}


@pytest.mark.parametrize(
    ("rows", "figures"),
    [
        ([], [5, 3, 5, 3, 5, 3]),
        ([(4, {})], [4, 3, 4, 3, 4, 3]),
        ([(2, {"scheduleIds": [SATURDAY]})], [5, 3, 2, 2, 5, 3]),
        ([(2, {"ticketTypeIds": [1]})], [2, 3, 2, 3, 2, 3]),
        ([(0, {"ticketTypeIds": [2], "scheduleIds": [FRIDAY]})], [5, 0, 5, 3, 5, 3]),
        (
            [(4, {"scheduleIds": [FRIDAY, SUNDAY]}), (1, {"ticketTypeIds": [1]})],
            [1, 3, 1, 3, 1, 3],
        ),
    ],
)
def test_each_pair_has_the_least_of_its_stocks(db, app, ann, host, root, rows, figures):
    event_id = make_dated(db, 5, 3, organizer_id=host.id)
    for capacity, lists in rows:
        add_quota(db, app, event_id, capacity, **lists)
    pairs = [(entry, type_id) for entry in (FRIDAY, SATURDAY, SUNDAY) for type_id in (1, 2)]
    found = read_rows(ann, event_id)
    assert list(found) == pairs
    assert [figure for figure, _ in found.values()] == figures
    assert {state for figure, state in found.values() if figure} == {"on_sale"}
    assert {state for figure, state in found.values() if not figure} <= {"sold_out"}
    assert read_rows(host, event_id) == read_rows(root, event_id) == found


def test_it_is_what_a_booking_gets(db, app, client):
    """Book one more than it says, which is refused, then exactly as many, which is granted."""
    chance, buyer, refusals = random.Random(3), Caller(client, app), 0
    for _ in range(6):
        event_id = make_dated(db, *(chance.randint(0, 8) for _ in range(3)))
        for _ in range(3):
            lists = {}
            if chance.random() < 0.6:
                lists["ticketTypeIds"] = chance.sample([1, 2, 3], chance.randint(1, 2))
            if chance.random() < 0.6:
                lists["scheduleIds"] = chance.sample([1, 2, 3], chance.randint(1, 2))
            add_quota(db, app, event_id, chance.randint(0, 8), **lists)
        figures = read_figures(buyer, event_id)
        shown = client.get(f"/api/events/{event_id}").json["ticketTypes"]
        for index, each in enumerate(shown, 1):
            most = max(figure for (_, type_id), figure in figures.items() if type_id == index)
            assert each["availableTickets"] == most
        for (schedule_id, type_id), figure in chance.sample(sorted(figures.items()), 5):
            order = {"ticketTypeId": type_id, "scheduleId": schedule_id}
            more = buyer.order(event_id, **order, quantity=figure + 1)
            body = refused(more, 409, "sold_out")
            assert body["ticketTypes"][0]["availableTickets"] == figure
            assert body["limitedBy"] == [{"ticketTypeId": type_id}]
            refusals += 1
            if figure:
                booking = buyer.book(event_id, figure, type_id, scheduleId=schedule_id)
                assert read_figures(buyer, event_id)[schedule_id, type_id] == 0
                buyer.cancel(booking)
                assert read_figures(buyer, event_id) == figures
    assert refusals == 30


def test_a_waiting_line_keeps_the_public_off(db, app, ann, bob):
    event_id = make_dated(db, 1, 4)
    ann.book(event_id, 1)
    bob.wait(event_id, 1)
    db.events.update_one({}, {"$set": {"ticketTypes.0.availableTickets": 3}})
    assert set(read_rows(ann, event_id, "&ticketTypeId=1").values()) == {(0, "sold_out")}
    assert set(read_rows(ann, event_id, "&ticketTypeId=2").values()) == {(4, "on_sale")}


def test_what_is_not_on_sale_cannot_be_booked(db, ann, host):
    now = utc_now()
    made = [
        {"type": "later", "salesFrom": now + HOUR},
        {"type": "ended", "salesUntil": now - HOUR},
        {"type": "pairs", "minPerBooking": 6},
        {"type": "open"},
    ]
    rules = [{"price": 1, "availableTickets": 5, **each} for each in made]
    event_id = make_dated(db, ticketTypes=rules, dates=1, organizer_id=host.id)
    expected = [(0, "scheduled"), (0, "ended"), (0, "sold_out"), (5, "on_sale")]
    assert list(read_rows(ann, event_id).values()) == expected
    for status, state in (("cancelled", "ended"), ("draft", "scheduled")):
        db.events.update_one({}, {"$set": {"status": status}})
        assert read_rows(host, event_id)[1, 4] == (0, state)


def test_a_date_that_is_over_is_left_out(db, ann):
    event_id = make_dated(db, 5)
    db.events.update_one({}, {"$set": {"schedule.1.overAt": utc_now() - HOUR}})
    assert list(read_rows(ann, event_id)) == [(FRIDAY, 1), (SUNDAY, 1)]
    assert read_rows(ann, event_id, f"&scheduleId={SATURDAY}") == {}


def test_nothing_can_be_booked_of_an_event_that_is_not_migrated_yet(db, ann):
    event_id = make_old_event(db)
    assert read_rows(ann, event_id) == {}
    of_entry = ann.get(f"/events/{event_id}/availability?scheduleId=1")
    refused(of_entry, 404, "schedule_entry_not_found")
    refused(ann.order(event_id, ticketTypeId=1, quantity=1), 409, "event_not_on_sale")


def test_filters_pages_and_cursors(db, ann):
    event_id = make_dated(db, 5, 3)
    assert list(read_rows(ann, event_id, "&scheduleId=2")) == [(2, 1), (2, 2)]
    assert list(read_rows(ann, event_id, "&ticketTypeId=2")) == [(1, 2), (2, 2), (3, 2)]
    assert list(read_rows(ann, event_id, "&ticketTypeId=2&scheduleId=3")) == [(3, 2)]
    path, seen = f"/events/{event_id}/availability", []
    first = ann.get(f"{path}?limit=2&ticketTypeId=1").json
    assert [first[name] for name in ("page", "limit", "total", "pages")] == [1, 2, 3, 2]
    second = ann.get(f"{path}?limit=2&ticketTypeId=1&page=2").json
    for page in (first, ann.get(f"{path}?cursor={first['nextCursor']}").json):
        seen += [row["scheduleId"] for row in page["availability"]]
    assert seen == [1, 2, 3]
    assert second["availability"] == page["availability"]
    assert page["nextCursor"] is None
    assert ann.get(f"{path}?page=9").json["availability"] == []


@pytest.mark.parametrize(
    ("query", "code"),
    [("scheduleId=4", "schedule_entry_not_found"), ("ticketTypeId=3", "ticket_type_not_found")],
)
def test_an_unknown_id_is_not_found(db, ann, query, code):
    event_id = make_dated(db, 5, 3)
    refused(ann.get(f"/events/{event_id}/availability?{query}"), 404, code)
    refused(ann.get("/events/99/availability"), 404, "event_not_found")


@pytest.mark.parametrize(
    "query",
    ["scheduleId=0", "scheduleId=x", "ticketTypeId=-1", "ticketTypeId=1.5", "limit=101", "type=A"],
)
def test_a_bad_query_is_refused(db, ann, query):
    event_id = make_dated(db, 5)
    body = refused(ann.get(f"/events/{event_id}/availability?{query}"), 400, "validation_error")
    assert list(body["errors"]) == [query.partition("=")[0]]


def test_hidden_types_are_shown_to_who_names_them_and_secret_ones_to_the_organizer(
    db, ann, host, root
):
    event_id = make_dated(db, 5, 4, 3, dates=1, organizer_id=host.id)
    shown = {"ticketTypes.1.visibility": "hidden", "ticketTypes.2.visibility": "secret"}
    db.events.update_one({}, {"$set": shown})
    assert read_figures(ann, event_id) == {(1, 1): 5}
    assert read_figures(ann, event_id, "&ticketTypeId=2") == {(1, 2): 4}
    path = f"/events/{event_id}/availability?ticketTypeId="
    secret, unknown = (refused(ann.get(path + id_), 404, "ticket_type_not_found") for id_ in "39")
    assert secret == unknown
    for caller in (host, root):
        assert read_figures(caller, event_id) == {(1, 1): 5, (1, 2): 4, (1, 3): 3}
        assert read_figures(caller, event_id, "&ticketTypeId=3") == {(1, 3): 3}
    db.events.update_one({}, {"$set": {"ticketTypes.0.visibility": "secret"}})
    assert read_figures(ann, event_id) == {}


def test_a_draft_is_for_its_organizer_alone(db, ann, host, root):
    event_id = make_dated(db, 5, status="draft", organizer_id=host.id)
    refused(ann.get(f"/events/{event_id}/availability"), 404, "event_not_found")
    for caller in (host, root):
        assert set(read_rows(caller, event_id).values()) == {(0, "scheduled")}


def test_an_answer_has_an_etag_that_changes_with_the_stock(db, client, ann):
    event_id = make_dated(db, 5)
    path = f"/api/events/{event_id}/availability"
    etag = client.get(path).headers["ETag"]
    assert client.get(path, headers={"If-None-Match": etag}).status_code == 304
    ann.book(event_id)
    assert client.get(path, headers={"If-None-Match": etag}).status_code == 200


def test_an_event_of_the_largest_size_is_walked(db, app, ann):
    event_id = make_dated(db, *[9] * 8, dates=250)
    add_quota(db, app, event_id, 4, scheduleIds=[7, 9], ticketTypeIds=[2])
    seen, query, pages, started = {}, "?limit=100", 0, utc_now()
    while query:
        page = ann.get(f"/events/{event_id}/availability{query}").json
        pages += 1
        seen |= {
            (row["scheduleId"], row["ticketTypeId"]): row["availableTickets"]
            for row in page["availability"]
        }
        query = page["nextCursor"] and f"?limit=100&cursor={page['nextCursor']}"
    assert (len(seen), pages, page["total"]) == (2_000, 20, 2_000)
    assert {pair for pair, figure in seen.items() if figure != 9} == {(7, 2), (9, 2)}
    assert utc_now() - started < timedelta(seconds=30)
