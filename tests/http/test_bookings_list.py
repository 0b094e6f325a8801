"""Reading bookings by id and reference, and in lists with filters, pages and cursors."""

import pytest
from bson import ObjectId

from eventapp.core import paging
from tests.bookings_factories import Caller, event_of, expire_holds, later, refused, set_clock
from tests.factories import day, make_user

pytestmark = pytest.mark.usefixtures("clean_inventory")


def ids(answer):
    assert answer.status_code == 200, answer.json
    return [booking["_id"] for booking in answer.json["bookings"]]


def test_holder_organizer_and_admins_see_a_booking(db, client, app, ann, bob, root):
    host, other = Caller(client, app, "organizer"), Caller(client, app, "organizer")
    event_of(db, 10, organizer_id=host.id)
    booking = ann.book(1)
    for name in (booking["_id"], f"reference/{booking['bookingReference']}"):
        path = f"/bookings/{name}"
        for person in (ann, host, root):
            assert person.get(path).json["data"]["booking"] == booking
        for person in (bob, other):
            refused(person.get(path), 404, "booking_not_found")
        refused(client.get(f"/api{path}"), 401, "unauthorized")


def test_a_missing_booking_is_not_found(ann):
    refused(ann.get("/bookings/5f5f5f5f5f5f5f5f5f5f5f5f"), 404, "booking_not_found")
    refused(ann.get("/bookings/reference/EVT-AAAAAA"), 404, "booking_not_found")
    refused(ann.get("/bookings/reference/$ne"), 404, "booking_not_found")


def test_a_reference_is_found_in_upper_and_lower_case(db, ann):
    event_of(db, 10)
    booking = ann.book(1)
    found = ann.get(f"/bookings/reference/{booking['bookingReference'].lower()}")
    assert found.json["data"]["booking"]["_id"] == booking["_id"]


def test_a_users_bookings_are_listed_newest_first(db, ann, bob):
    made = []
    for number in (1, 2, 3):
        event_of(db, 10)
        made.append(ann.book(number)["_id"])
    bob.book(1)
    answer = ann.get("/bookings")
    assert ids(answer) == made[::-1]
    shown = {name: answer.json[name] for name in ("page", "limit", "total", "pages", "nextCursor")}
    assert shown == {"page": 1, "limit": 20, "total": 3, "pages": 1, "nextCursor": None}
    assert ids(Caller.get(bob, "/bookings")) != []


def test_filters_select_bookings(db, app, ann):
    for offset in (0, 5, 9, 1):
        event_of(db, 10, schedule=[{"date": day(offset), "location": "X"}])
    held = ann.book(4, hold=True)
    expire_holds(app, minutes=11)
    cancelled = ann.book(3)
    ann.cancel(cancelled)
    confirmed = ann.book(2)
    held = ann.book(1, hold=True)
    assert ids(ann.get("/bookings?status=held")) == [held["_id"]]
    assert ids(ann.get("/bookings?status=confirmed")) == [confirmed["_id"]]
    assert ids(ann.get("/bookings?status=cancelled")) == [cancelled["_id"]]
    assert len(ids(ann.get("/bookings?status=expired"))) == 1
    assert ids(ann.get("/bookings?eventId=3")) == [cancelled["_id"]]
    assert ids(ann.get("/bookings?eventId=3&status=held")) == []
    assert ann.get("/bookings?eventId=77").json["total"] == 0
    assert ann.get("/bookings").json["total"] == 4


def test_upcoming_compares_the_booked_date(db, ann, monkeypatch):
    schedule = [{"date": day(0), "location": "X"}, {"date": day(9), "location": "Y"}]
    event_of(db, 10, schedule=schedule)
    event_of(db, 10, schedule=schedule)
    soon, late = ann.book(1), ann.book(2, scheduleIndex=1)
    assert ids(ann.get("/bookings?upcoming=true")) == [late["_id"], soon["_id"]]
    assert ids(ann.get("/bookings?upcoming=false")) == []
    set_clock(monkeypatch, later(days=3))
    assert ids(ann.get("/bookings?upcoming=true")) == [late["_id"]]
    assert ids(ann.get("/bookings?upcoming=false")) == [soon["_id"]]


def many(db, caller, count):
    """Insert bookings, several of them made in the same millisecond; return their ids."""
    event_of(db, 100)
    first = caller.book(1)
    row = db.bookings.find_one({})
    rows = [
        {
            **row,
            "_id": ObjectId(),
            "bookingReference": f"EVT-{n}",
            "active": False,
            "status": "cancelled",
            "slot": str(n),
        }
        for n in range(count - 1)
    ]
    db.bookings.insert_many(rows)
    return {first["_id"], *(str(row["_id"]) for row in rows)}


def test_pages_split_the_list(db, ann):
    made = many(db, ann, 7)
    pages = [ann.get(f"/bookings?limit=3&page={page}") for page in (1, 2, 3, 4)]
    assert [len(ids(page)) for page in pages] == [3, 3, 1, 0]
    assert {id_ for page in pages for id_ in ids(page)} == made
    assert (pages[0].json["total"], pages[0].json["pages"]) == (7, 3)


def test_a_cursor_reads_every_booking_once_while_others_are_made(db, ann):
    made = many(db, ann, 7)
    event_of(db, 100)
    seen, path = [], "/bookings?limit=2"
    while path:
        answer = ann.get(path)
        seen += ids(answer)
        if len(seen) == 2:
            ann.book(2)
        cursor = answer.json["nextCursor"]
        path = cursor and f"/bookings?limit=2&cursor={cursor}"
    assert len(seen) == 7
    assert set(seen) == made


def test_a_cursor_carries_its_filters(db, ann):
    made = many(db, ann, 5)
    first = ann.get("/bookings?status=cancelled&eventId=1&upcoming=true&limit=2")
    cursor = first.json["nextCursor"]
    for other_parameters in (
        "",
        "&status=cancelled",
        "&status=confirmed&eventId=7&upcoming=false&page=9",
    ):
        second = ann.get(f"/bookings?limit=50&cursor={cursor}{other_parameters}")
        assert len(set(ids(first)) | set(ids(second))) == 4
        assert {row["status"] for row in second.json["bookings"]} == {"cancelled"}
        assert (second.json["total"], second.json["page"]) == (4, 2)
        assert second.json["nextCursor"] is None
    assert ids(ann.get(f"/users/{ann.id}/bookings?limit=50&cursor={cursor}")) == ids(second)
    of_all = ann.get("/bookings?limit=2").json["nextCursor"]
    rest = ann.get(f"/bookings?limit=50&status=held&cursor={of_all}")
    assert len({*ids(rest)} & made) == 3


def test_a_cursor_of_another_list_is_refused(db, ann, bob, root):
    many(db, ann, 5)
    cursor = ann.get("/bookings?limit=2").json["nextCursor"]
    for person, path in ((bob, "/bookings"), (root, "/events/1/bookings"), (root, "/bookings")):
        refused(person.get(f"{path}?cursor={cursor}"), 400, "validation_error")
    of_event = root.get("/events/1/bookings?limit=2").json["nextCursor"]
    assert len(ids(root.get(f"/events/1/bookings?limit=50&cursor={of_event}"))) == 3
    event_of(db, 1)
    for person, path in ((root, "/events/2/bookings"), (ann, "/bookings")):
        refused(person.get(f"{path}?cursor={of_event}"), 400, "validation_error")


@pytest.mark.parametrize(
    "wrong",
    [
        {"query": {"status": "lost"}},
        {"query": {"eventId": {"$gt": 0}}},
        {"query": {"eventId": 2**63}},
        {"query": {"userId": "x"}},
        {"query": []},
        {"query": None},
        {"value": -1},
        {"value": 10**18},
        {"value": "x"},
        {"value": True},
        {"id": "x"},
        {"id": None},
        {"counted": -1},
        {"counted": 10**9},
        {"page": 2**63},
        {"of": 1},
    ],
)
def test_a_forged_cursor_is_refused(db, ann, wrong):
    many(db, ann, 5)
    position = paging.decode_cursor(ann.get("/bookings?limit=2").json["nextCursor"])
    assert ann.get(f"/bookings?cursor={paging.encode_cursor(position)}").status_code == 200
    cursor = paging.encode_cursor({**position, **wrong})
    body = refused(ann.get(f"/bookings?cursor={cursor}"), 400, "validation_error")
    assert list(body["errors"]) == ["cursor"]


NOT_VALID = """
    status=lost eventId=0 eventId=x eventId=1.5 upcoming=perhaps limit=0 limit=101 page=0 page=x
    cursor= cursor=xx cursor=e30 cursor=W10 status=held&status=held eventId=9223372036854775808
"""


def test_an_invalid_query_is_refused(db, ann):
    for query in NOT_VALID.split():
        for path in ("/bookings", f"/users/{ann.id}/bookings"):
            refused(ann.get(f"{path}?{query}"), 400, "validation_error")


def test_a_users_bookings_are_shown_to_the_user_and_admins(db, client, app, ann, bob, root):
    event_of(db, 10)
    booking = ann.book(1)
    path = f"/users/{ann.id}/bookings"
    for person in (ann, root):
        assert ids(person.get(path)) == [booking["_id"]]
    assert ids(root.get(f"{path}?status=cancelled")) == []
    for person in (bob, Caller(client, app, "organizer")):
        refused(person.get(path), 403, "forbidden")
    refused(client.get(f"/api{path}"), 401, "unauthorized")
    assert ids(root.get(f"/users/{make_user(app)['id']}/bookings")) == []
