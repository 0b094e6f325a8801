"""Concurrent edits and sales of an event: none is lost, none is overwritten."""

import time
from functools import partial
from typing import Any

import pytest

from eventapp.core.access.actor import Actor
from eventapp.core.textsearch import fold_text
from eventapp.events import deletions, editing, store
from eventapp.events.changes import NO_EVENT_CACHE
from eventapp.events.errors import EditConflict, EventHasBookings
from tests.factories import make_event, utc_now
from tests.race.test_event_ids import together

THREADS, EACH = 6, 5
ADMIN = Actor(role="admin")


@pytest.fixture
def event(db):
    return make_event(db, ticketTypes=[{"type": "A", "price": 0, "availableTickets": 200}])


def edit(db: Any, change: editing.Edit) -> dict[str, Any]:
    return editing.edit_event(
        db, 1, change, event_changes=NO_EVENT_CACHE, actor=ADMIN, now=utc_now(), image_base_url=""
    )


def raise_price(event: Any) -> dict[str, Any]:
    """Return a change that depends on what it reads, so that a lost one shows."""
    ticket_type = event["ticketTypes"][0]
    time.sleep(0.001)  # lets others in between read and write
    return {
        "ticketTypes": [
            {**ticket_type, "price": ticket_type["price"] + 1},
            *event["ticketTypes"][1:],
        ]
    }


def sell_one(db: Any) -> None:
    """Sell a ticket as inventory does: guarded, and raising `rev`."""
    assert sold_one(db)


def sold_one(db: Any) -> bool:
    name = "ticketTypes.0."
    change = {name + "availableTickets": -1, name + "soldTickets": 1, "rev": 1}
    there = {"eventId": 1, name + "availableTickets": {"$gte": 1}}
    return bool(db.events.update_one(there, {"$inc": change}).modified_count)


def unguarded(db: Any, stored: Any, fields: dict[str, Any], **_more: Any) -> Any:
    """The control: write without checking whether the event has changed."""
    db.events.update_one({"eventId": stored["eventId"]}, {"$set": fields, "$inc": {"rev": 1}})
    return store.find_event(db, stored["eventId"])


def repeat(work: Any) -> Any:
    def several() -> None:
        for _ in range(EACH):
            work()

    return several


def first_type(db: Any) -> dict[str, Any]:
    ticket_type: dict[str, Any] = db.events.find_one({})["ticketTypes"][0]
    return ticket_type


def test_concurrent_edits_are_never_lost(db, event):
    works = [repeat(lambda: edit(db, raise_price))] * THREADS
    assert together(*works) == []
    stored = db.events.find_one({})
    assert stored["ticketTypes"][0]["price"] == stored["minPrice"] == THREADS * EACH
    assert stored["__v"] == THREADS * EACH


def test_the_control_loses_edits(db, event, monkeypatch):
    monkeypatch.setattr(store, "write_if_unchanged", unguarded)
    together(*[repeat(lambda: edit(db, raise_price))] * THREADS)
    assert first_type(db)["price"] < THREADS * EACH


def edit_while_a_secret_type_is_edited(db: Any) -> list[float]:
    """Edit a public type and, between read and write, a secret one; return their prices."""
    edit(db, editing.make_type_addition({"type": "B", "price": 1.0, "capacity": 5}))
    edit(db, editing.make_type_patch(2, {"visibility": "secret"}))
    interruptions = iter([2.0])
    before = db.events.find_one({})["__v"]

    def change(event: Any) -> Any:
        for price in interruptions:
            edit(db, editing.make_type_patch(2, {"price": price}))
        return editing.make_type_patch(1, {"price": 7.0})(event)

    edit(db, change)
    stored = db.events.find_one({})
    assert stored["__v"] == before + 1
    return [each["price"] for each in stored["ticketTypes"]]


def test_an_edit_that_no_edit_count_shows_is_not_lost(db, event):
    assert edit_while_a_secret_type_is_edited(db) == [7.0, 2.0]


def test_control_with_the_edit_count_as_guard_it_is_lost(db, event, monkeypatch):
    guarded = store.write_if_unchanged

    def write_if_counted(db: Any, stored: Any, *fields: Any, **options: Any) -> Any:
        now = db.events.find_one({"eventId": stored["eventId"]})
        is_same = now["__v"] == stored["__v"]
        return guarded(db, now if is_same else stored, *fields, **options)

    monkeypatch.setattr(store, "write_if_unchanged", write_if_counted)
    assert edit_while_a_secret_type_is_edited(db) == [7.0, 1.0]


def test_an_edit_never_overwrites_a_sale(db, event):
    edits = [repeat(lambda: edit(db, raise_price))] * 3
    sales = [repeat(lambda: sell_one(db))] * 3
    assert together(*edits, *sales) == []
    ticket_type = first_type(db)
    assert (ticket_type["availableTickets"], ticket_type["soldTickets"]) == (
        200 - 3 * EACH,
        3 * EACH,
    )
    assert ticket_type["price"] == 3 * EACH


def test_the_control_overwrites_sales(db, event, monkeypatch):
    monkeypatch.setattr(store, "write_if_unchanged", unguarded)
    for _round in range(10):
        edits = [repeat(lambda: edit(db, raise_price))] * 3
        together(*edits, *[repeat(lambda: sell_one(db))] * 3)
        ticket_type = first_type(db)
        if ticket_type["soldTickets"] < 3 * EACH * (_round + 1):
            return
    pytest.fail("no sale was lost: this race shows nothing")


def test_different_edits_over_http_are_all_made(app, db, event, admin):
    statuses: list[int] = []

    def patch(path: str, body: Any) -> None:
        answer = app.test_client().patch(path, json=body, headers=admin["headers"])
        statuses.append(answer.status_code)

    add = {"type": "B", "price": 3, "capacity": 9}
    assert (
        together(
            lambda: patch("/api/events/1/ticketTypes/0", {"price": 5}),
            lambda: patch("/api/events/1/ticketTypes/0", {"type": "Renamed"}),
            lambda: patch("/api/events/1/schedule/0", {"location": "Rome"}),
            lambda: patch("/api/events/1/schedule/0", {"lat": 1.5}),
            lambda: edit(db, editing.make_type_addition(add)),
        )
        == []
    )
    stored = db.events.find_one({})
    assert statuses == [200] * 4
    assert (stored["ticketTypes"][0]["price"], stored["ticketTypes"][0]["type"]) == (5, "Renamed")
    assert (stored["schedule"][0]["location"], stored["schedule"][0]["lat"]) == ("Rome", 1.5)
    assert (len(stored["ticketTypes"]), stored["minPrice"]) == (2, 3)


def test_types_added_at_once_get_distinct_ids(db, event):
    def add(name: str) -> None:
        edit(db, editing.make_type_addition({"type": name, "price": 1, "capacity": 1}))

    works = [lambda name=name: add(name) for name in "BCDEFG"]
    assert together(*works) == []
    ids = [ticket_type["ticketTypeId"] for ticket_type in db.events.find_one({})["ticketTypes"]]
    assert sorted(ids) == list(range(1, 8))


def test_a_delete_never_takes_an_event_just_sold(db, event):
    for number in range(10):
        if number:
            db.events.delete_many({})
            again = make_event(db)
            db.events.update_one({"_id": again["_id"]}, {"$set": {"eventId": 1}})
        sold: list[bool] = []

        sell = partial(lambda outcomes: outcomes.append(sold_one(db)), sold)
        delete = partial(deletions.delete_event, db, 1, ADMIN, NO_EVENT_CACHE, utc_now())
        raised = together(sell, delete)
        found = db.events.find_one({"eventId": 1})
        assert (found is not None) == sold[0]
        assert [type(error) for error in raised] == ([EventHasBookings] if sold[0] else [])


def test_an_edit_that_is_always_overtaken_gives_up_and_writes_nothing(db, event, monkeypatch):
    monkeypatch.setattr(editing, "EDIT_ATTEMPTS", 3)

    def overtaken(stored: Any) -> dict[str, Any]:
        sell_one(db)
        return {"title": "Never", "titleKey": fold_text("Never")}

    with pytest.raises(EditConflict):
        edit(db, overtaken)
    assert db.events.find_one({})["title"] == "Sample Event"
    assert first_type(db)["soldTickets"] == 3
