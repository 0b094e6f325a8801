"""The list of attendees, its CSV, the names at the door, and the waitlist of an event."""

import csv
import io
from datetime import timedelta

import pytest

from eventapp.analytics import csv_tables
from eventapp.bookings.routes import event_waitlists as waitlist_routes
from eventapp.core.clock import utc_now
from eventapp.core.errors import Unauthorized
from eventapp.events import service as event_service
from eventapp.tickets import attendee_lists
from tests.api_tokens import TokenCaller
from tests.bookings_factories import Caller, refused, types
from tests.factories import day, event_body

pytestmark = pytest.mark.usefixtures("clean_inventory")
QUESTIONS = [
    {"label": "Meal", "kind": "text"},
    {"label": "Parking", "kind": "boolean"},
    {"label": "=type", "kind": "text"},
]
COLUMNS = [
    *("ticketId", "type", "scheduleId", "date", "startsAt", "location", "bookingReference"),
    *("holderName", "holderEmail", "attendeeName", "attendeeEmail"),
]


@pytest.fixture
def event_id(host):
    schedule = [{"date": day(number), "location": "Volos"} for number in (5, 6)]
    body = event_body(ticketTypes=types(20, 20), questions=QUESTIONS, schedule=schedule)
    return host.call("POST", "/events", body).json["eventId"]


def attend(type_id, name, email=None, **answers):
    given = {key[1:]: value for key, value in answers.items()}
    return {"ticketTypeId": type_id, "name": name, "email": email, "answers": given}


def book(caller, event_id, *attendees, one=0, two=0, **body):
    items = [{"ticketTypeId": n, "quantity": q} for n, q in ((1, one), (2, two)) if q]
    people = {"attendees": list(attendees)} if attendees else {}
    answer = caller.order(event_id, items=items, **people, **body)
    assert answer.status_code == 201, answer.json
    return answer.json["data"]["booking"]


def rows(caller, event_id, query=""):
    answer = caller.get(f"/events/{event_id}/attendees?{query}")
    assert answer.status_code == 200, answer.json
    return answer.json["attendees"]


def names(*args):
    return [each["attendee"] and each["attendee"]["name"] for each in rows(*args)]


def walk(caller, event_id, query):
    found, cursor = [], ""
    while cursor is not None:
        more = f"&cursor={cursor}" if cursor else ""
        page = caller.get(f"/events/{event_id}/attendees?{query}{more}").json
        found += page["attendees"]
        cursor = page["nextCursor"]
    return found


def person(db, caller):
    return {name: db.users.find_one({"_id": caller.id})[name] for name in ("name", "email")}


def check_in(host, event_id, holder, booking, index=0):
    ticket = holder.get(f"/bookings/{booking['_id']}/tickets").json["tickets"][index]
    answer = host.call("POST", f"/events/{event_id}/check-in", {"code": ticket["code"]})
    assert answer.status_code == 200, answer.json
    return answer.json


@pytest.fixture
def booked(ann, bob, event_id):
    """Bookings of two holders: three tickets of both types, and one of the second date."""
    ada = attend(1, "Ada Byron", "ada@example.com", q1="Fish", q2=True)
    first = book(ann, event_id, ada, attend(2, "Zoë"), one=2, two=1)
    second = book(bob, event_id, attend(1, "Ben"), one=1, scheduleId=2)
    return first, second


def test_the_list_shows_who_booked_and_who_comes(host, ann, bob, db, event_id, booked):
    first, second = booked
    answer = host.get(f"/events/{event_id}/attendees").json
    assert list(answer) == ["attendees", "limit", "nextCursor"]
    assert (answer["limit"], answer["nextCursor"]) == (20, None)
    ben, ada, unknown, zoe = answer["attendees"]
    assert ada == {
        "ticketId": f"{first['_id']}-1-1",
        "ticketTypeId": 1,
        "type": "A",
        "scheduleId": 1,
        "date": day(5),
        "startsAt": None,
        "location": "Volos",
        "bookingReference": first["bookingReference"],
        "holder": person(db, ann),
        "attendee": {
            "name": "Ada Byron",
            "email": "ada@example.com",
            "answers": [
                {"questionId": 1, "label": "Meal", "value": "Fish"},
                {"questionId": 2, "label": "Parking", "value": True},
            ],
        },
        "checkedInAt": None,
    }
    assert (unknown["attendee"], unknown["holder"]) == (None, person(db, ann))
    assert (zoe["type"], zoe["attendee"]["email"]) == ("B", None)
    assert (ben["scheduleId"], ben["holder"]) == (2, person(db, bob))
    assert ben["bookingReference"] == second["bookingReference"]


def test_only_valid_tickets_are_listed(host, ann, bob, client, app, event_id, booked):
    ann.cancel_tickets(booked[0], ticketIds=[f"{booked[0]['_id']}-1-1"])
    bob.cancel(booked[1])
    Caller(client, app).book(event_id, 1, hold=True)
    assert names(host, event_id) == [None, "Zoë"]


def test_filters(host, ann, db, event_id, booked):
    check_in(host, event_id, ann, booked[0])
    expected = {
        "ticketTypeId=1": ["Ben", "Ada Byron", None],
        "ticketTypeId=2": ["Zoë"],
        "scheduleId=2": ["Ben"],
        "checkedIn=true": ["Ada Byron"],
        "checkedIn=false": ["Ben", None, "Zoë"],
        "scheduleId=1&ticketTypeId=1&checkedIn=false": [None],
        "search=byron": ["Ada Byron"],
        "search=ZOE": ["Zoë"],
        "search=ada@example": ["Ada Byron"],
        f"search={booked[1]['bookingReference'].lower()}": ["Ben"],
        f"search={person(db, ann)['email'].upper()}": ["Ada Byron", None, "Zoë"],
        "search=nobody": [],
        "ticketTypeId=9": [],
    }
    assert {query: names(host, event_id, query) for query in expected} == expected
    for query in ("search=", "ticketTypeId=x", "checkedIn=maybe", "page=1", "limit=101"):
        refused(host.get(f"/events/{event_id}/attendees?{query}"), 400, "validation_error")


@pytest.mark.parametrize("query", ["", "search=@", "checkedIn=false"])
@pytest.mark.parametrize("limit", [1, 2, 3])
def test_a_cursor_walks_all_tickets_also_within_a_booking(
    host, client, app, event_id, query, limit, monkeypatch
):
    for _ in range(4):
        book(Caller(client, app), event_id, one=3, two=2)
    whole = rows(host, event_id, "limit=100")
    assert len(whole) == 20
    assert walk(host, event_id, f"limit={limit}&{query}") == whole
    # A request looks at few bookings, and goes on in the next page.
    monkeypatch.setattr(attendee_lists, "MAX_BOOKINGS", 2)
    monkeypatch.setattr(attendee_lists, "BATCH_SIZE", 1)
    assert walk(host, event_id, f"limit={limit}&{query}") == whole
    assert walk(host, event_id, f"limit={limit}&search=nobody") == []


def test_a_cursor_goes_on_after_a_ticket_that_is_gone(host, ann, event_id):
    booking = book(ann, event_id, one=4)
    page = host.get(f"/events/{event_id}/attendees?limit=2").json
    ann.cancel_tickets(booking, ticketIds=[f"{booking['_id']}-1-2", f"{booking['_id']}-1-3"])
    left = host.get(f"/events/{event_id}/attendees?cursor={page['nextCursor']}").json
    assert [each["ticketId"][25:] for each in left["attendees"]] == ["1-4"]


def test_holders_who_were_not_told_and_deleted_ones_are_not_shown(
    host, ann, bob, db, event_id, booked
):
    db.bookings.update_one({"userId": ann.id}, {"$unset": {"holderIsShown": ""}})
    email = person(db, ann)["email"]
    bob.call("DELETE", f"/users/{bob.id}")
    assert [each["holder"] for each in rows(host, event_id)] == [None] * 4
    assert rows(host, event_id, f"search={email}") == []
    assert email not in host.get(f"/events/{event_id}/attendees.csv").text
    door = host.get(f"/events/{event_id}/check-in").json["tickets"]
    assert {each["name"] for each in door} == {None, "Ada Byron", "Zoë"}


READERS = ("attendees", "attendees.csv", "waitlist")


@pytest.mark.parametrize("what", READERS)
def test_only_those_who_manage_the_event_and_a_token_with_the_scope_read_it(
    host, ann, root, db, client, app, event_id, what
):
    path = f"/events/{event_id}/{what}"
    refused(ann.get(path), 403, "forbidden")
    refused(Caller(client, app, "organizer").get(path), 403, "forbidden")
    assert root.get(path).status_code == host.get(path).status_code == 200
    assert TokenCaller(host, db, "attendees:read").get(path).status_code == 200
    others = TokenCaller(host, db, "bookings:read", "events:read", "check-in")
    refused(others.get(path), 403, "scope_missing")
    refused(TokenCaller(host, db, "attendees:read", eventIds=[99]).get(path), 403, "scope_missing")
    refused(client.get(f"/api{path}"), 401, "unauthorized")
    refused(host.get(f"/events/99/{what}"), 404, "event_not_found")


def read_csv(answer):
    assert answer.status_code == 200
    assert answer.data.startswith(csv_tables.BOM)
    text = answer.data.decode("utf-8-sig")
    assert text.endswith("\r\n")
    return list(csv.reader(io.StringIO(text, newline="")))


def test_the_csv_has_a_column_for_each_question(host, ann, bob, db, event_id, booked):
    event = host.get(f"/events/{event_id}").json
    check_in(host, event_id, bob, booked[1])
    host.call("PUT", f"/events/{event_id}", {**event, "questions": event["questions"][1:]})
    answer = host.get(f"/events/{event_id}/attendees.csv")
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert f"attendees-{event_id}.csv" in answer.headers["Content-Disposition"]
    header, ben, ada, unknown, zoe = read_csv(answer)
    # The question that was deleted after it was answered is the last one.
    assert header == [*COLUMNS, "Parking", "'=type", "Meal", "checkedInAt"]
    holder = person(db, ann)
    assert ada[:2] == [f"{booked[0]['_id']}-1-1", "A"]
    assert ada[2:7] == ["1", day(5), "", "Volos", booked[0]["bookingReference"]]
    assert ada[7:11] == [holder["name"], holder["email"], "Ada Byron", "ada@example.com"]
    assert ada[11:] == ["true", "", "Fish", ""]
    assert (unknown[9:11], unknown[11:]) == (["", ""], ["", "", "", ""])
    assert (zoe[9], ben[9], ben[-1][-1]) == ("Zoë", "Ben", "Z")


def test_the_csv_runs_no_formula_and_quotes_what_must_be(host, ann, event_id, db):
    formula = '=HYPERLINK("http://example.com","x")'
    texts = {"q1": '-2+3, "so"\nnext', "q3": "@SUM(1)"}
    event = host.get(f"/events/{event_id}").json
    same = [*event["questions"], {"label": "Meal", "kind": "text"}]
    same.append({"label": "holderName", "kind": "boolean"})
    host.call("PUT", f"/events/{event_id}", {**event, "questions": same})
    book(ann, event_id, attend(1, formula, "+a@example.com", **texts, q5=False), one=1)
    header, row = read_csv(host.get(f"/events/{event_id}/attendees.csv"))
    labels = ["Meal (1)", "Parking", "'=type", "Meal (4)", "holderName (5)"]
    assert header[11:16] == labels
    assert row[9:16] == [
        *(f"'{formula}", "'+a@example.com", '\'-2+3, "so"\nnext', "", "'@SUM(1)", "", "false")
    ]


def test_the_csv_breaks_off_when_the_token_ends(host, ann, bob, db, client, event_id, monkeypatch):
    monkeypatch.setattr(event_service, "RECHECK_SECONDS", 0)
    monkeypatch.setattr(csv_tables, "ROWS_PER_CHUNK", 1)
    book(ann, event_id, one=3)
    token = TokenCaller(host, db, "attendees:read")
    path = f"/api/events/{event_id}/attendees.csv"
    answer = client.get(path, headers=token.headers, buffered=False)
    parts = iter(answer.response)
    next(parts)
    host.call("DELETE", f"/auth/tokens/{token.token['_id']}")
    with pytest.raises(Unauthorized):
        list(parts)
    answer.close()


def test_the_door_shows_names_but_neither_emails_nor_answers(
    host, ann, db, client, event_id, booked
):
    first, _ = booked
    answer = host.get(f"/events/{event_id}/check-in")
    shown = {each["ticketId"][25:]: each["name"] for each in answer.json["tickets"][1:]}
    assert shown == {"1-1": "Ada Byron", "1-2": person(db, ann)["name"], "2-1": "Zoë"}
    online = check_in(host, event_id, ann, first)
    assert (online["name"], online["type"]) == ("Ada Byron", "A")
    scan = {"code": ann.get(f"/bookings/{first['_id']}/tickets").json["tickets"][2]["code"]}
    scan["scannedAt"] = utc_now().isoformat()
    batch = host.call("POST", f"/events/{event_id}/check-in/batch", {"scans": [scan]}).json
    assert (batch["results"][0]["name"], batch["results"][0]["type"]) == ("Zoë", "B")
    for text in (answer.text, str(online), str(batch)):
        assert "@" not in text
        assert "Fish" not in text


# The waitlist.


@pytest.fixture
def waiting(host, client, app, event_id):
    """Four people who wait: three for the first date, the third of them for another type."""
    event = host.get(f"/events/{event_id}").json
    kinds = [{**each, "availableTickets": 1} for each in event["ticketTypes"]]
    host.call("PUT", f"/events/{event_id}", {**event, "ticketTypes": kinds})
    full = Caller(client, app)
    booking = book(full, event_id, one=1, two=1)
    people = [Caller(client, app) for _ in range(4)]
    for one, (type_id, schedule_id) in zip(people, ((1, 1), (1, 1), (2, 1), (1, 2)), strict=True):
        one.wait(event_id, 2, type_id=type_id, scheduleId=schedule_id)
    return full, booking, people


def test_the_waitlist_shows_who_waits_in_order(host, db, event_id, waiting):
    _, _, people = waiting
    answer = host.get(f"/events/{event_id}/waitlist").json
    assert list(answer) == ["waitlist", "limit", "openOffers", "nextCursor"]
    shown = answer["waitlist"]
    assert [each["holder"] for each in shown] == [person(db, one) for one in people]
    assert [each["position"] for each in shown] == [1, 2, 1, 1]
    assert [each["scheduleId"] for each in shown] == [1, 1, 1, 2]
    mine = people[1].waitlist_entries()[0]
    assert {**mine, "holder": person(db, people[1])} == shown[1]
    walked, cursor = [], ""
    while cursor is not None:
        more = f"&cursor={cursor}" if cursor else ""
        page = host.get(f"/events/{event_id}/waitlist?limit=1{more}").json
        assert ("openOffers" in page) == (not cursor)
        walked += page["waitlist"]
        cursor = page["nextCursor"]
    assert walked == shown


def test_the_waitlist_shows_open_offers(host, db, event_id, waiting, monkeypatch):
    full, booking, people = waiting
    full.cancel_some(booking, 1)
    answer = host.get(f"/events/{event_id}/waitlist").json
    (offer,) = answer["openOffers"]
    assert offer == {**people[0].offers()[0], "holder": person(db, people[0])}
    assert answer["waitlist"][0]["quantity"] == 1
    people[0].call("DELETE", f"/waitlist/{event_id}")
    (following,) = host.get(f"/events/{event_id}/waitlist").json["openOffers"]
    assert following["holder"] == person(db, people[1])
    later = utc_now() + timedelta(hours=1)
    monkeypatch.setattr(waitlist_routes, "utc_now", lambda: later)
    assert host.get(f"/events/{event_id}/waitlist").json["openOffers"] == []


def test_who_was_not_told_waits_without_a_name(host, db, event_id, waiting):
    full, booking, people = waiting
    db.waitlist.update_many({}, {"$unset": {"holderIsShown": ""}})
    full.cancel(booking)
    answer = host.get(f"/events/{event_id}/waitlist").json
    shown = [*answer["waitlist"], *answer["openOffers"]]
    assert len(shown) >= 4
    assert {each["holder"] for each in shown} == {None}
