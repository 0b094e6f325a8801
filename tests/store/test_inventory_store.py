"""The guarded updates of the stock: each is one write, and a failed guard writes nothing."""

from datetime import timedelta

import pytest
from bson import ObjectId

from eventapp.core.clock import utc_now
from eventapp.events import store as events_store
from eventapp.events.types import CountedStock
from eventapp.inventory import queues, store, store_repairs, store_waitlists
from tests.bookings_factories import Caller, event_of

ENTRY = {"kind": "take", "items": [[1, 2]], "held": False, "by": ""}


@pytest.fixture
def event(db):
    event_of(db, 10, 5)
    return store.find_with_entries(db, 1)


def take(db, event, quantity, **more):
    more.setdefault("guards", {"ticketTypes.0.availableTickets": {"$gte": quantity}})
    more.setdefault("now", utc_now())
    more.setdefault("cells", {(3, 1): {"sold": quantity}})
    more.setdefault("quotas", {})
    more.setdefault("queues", queues.build_update(event, {}))
    changes = {0: {"availableTickets": -quantity, "soldTickets": quantity}}
    return store.update_stock(db, event, changes, **more)


def test_stock_entries_and_fields_change_in_one_update(db, event):
    now = utc_now()
    after = take(
        db, event, 2, new_entries={"a": {**ENTRY, "at": now}}, fields={"hadWaitlist": True}
    )
    stored = db.events.find_one({})
    ticket_type = stored["ticketTypes"][0]
    assert (ticket_type["availableTickets"], ticket_type["soldTickets"]) == (8, 2)
    assert stored["available"] == 13
    assert stored["inFlight"] == {"a": {**ENTRY, "at": now}}
    assert (stored["rev"], stored["hadWaitlist"]) == (event["rev"] + 1, True)
    assert stored["marksSince"] <= utc_now()
    assert after["ticketTypes"] == stored["ticketTypes"]
    assert "inFlight" not in after


def test_cells_change_in_the_update_of_the_types(db, event):
    take(db, event, 2)
    take(db, event, 1, cells={(0, 1): {"sold": 1, "held": 0}, (3, 1): {"sold": -1}})
    assert db.events.find_one({})["cells"] == {"3": {"1": {"sold": 1}}, "0": {"1": {"sold": 1}}}


def test_the_places_of_quotas_change_in_the_update_of_the_types(db, event):
    free = {"quotaId": 1, "availableTickets": 5, "waiting": 0}
    quotas = [free, {**free, "quotaId": 2, "availableTickets": 2}]
    db.events.update_one({}, {"$set": {"quotas": quotas}})
    event = store.find_with_entries(db, 1)

    def take_places(changes, guards):
        after = take(db, event, 1, quotas=changes, guards=guards(changes))
        return after and [each["availableTickets"] for each in after["quotas"]]

    def build_guards(changes):
        return queues.build_sale_guards(event, {}, changes, {})

    assert take_places({0: -3, 1: -3}, build_guards) is None
    assert take_places({0: -3, 1: -2}, build_guards) == [2, 0]
    db.events.update_one({}, {"$set": {"quotas.0.waiting": 1}})
    assert take_places({0: -1}, build_guards) is None
    assert take_places({0: -3}, store.build_quota_offer_guards) is None
    assert take_places({0: -2}, store.build_quota_offer_guards) == [0, 0]
    assert take_places({0: 5, 1: 2}, lambda _changes: {}) == [5, 2]


def test_the_state_after_an_update_is_what_a_read_returns(db, event):
    quota = {"quotaId": 1, "name": "Hall", "capacity": 9, "availableTickets": 5, "waiting": 0}
    quotas = [{**quota, "ticketTypeIds": [1]}, {**quota, "quotaId": 4, "scheduleIds": [1]}]
    codes = {name: {"codeId": 1, "code": name, "used": 0} for name in ("one", "two")}
    db.events.update_one({}, {"$set": {"quotas": quotas, "promoCodes": codes, "terms": 1}})
    state = store.find_sale_state(db, 1)
    # What other writes than edits change since the read.
    db.events.update_one({}, {"$set": {"quotas.1.capacity": 10, "hadWaitlist": True}})
    take(db, state, 1, quotas={0: -1}, guards={})
    after = take(db, state, 2, quotas={0: -2, 1: -2}, guards={}, promo_uses={"one": 1})
    assert after == store.find_sale_state(db, 1, ["one"])
    assert [each["availableTickets"] for each in after["quotas"]] == [2, 3]
    assert (after["quotas"][1]["capacity"], after["quotas"][1]["scheduleIds"]) == (10, [1])
    assert after["schedule"] == db.events.find_one({})["schedule"]


def test_the_cells_of_an_event_that_are_not_counted_stay(db, event):
    db.events.update_one({}, {"$unset": {"cellsCounted": ""}})
    assert take(db, event, 2) is None  # the event was read when they were counted
    assert take(db, store.find_sale_state(db, 1), 2) is not None
    assert "cells" not in db.events.find_one({})
    uncounted = store.find_sale_state(db, 1)
    db.events.update_one({}, {"$set": {"cellsCounted": True}})
    assert take(db, uncounted, 2) is None


@pytest.mark.parametrize(
    "guards",
    [
        {"ticketTypes.0.availableTickets": {"$gte": 11}},
        {"ticketTypes.0.waiting": 1},
        {"status": "draft"},
        store.build_on_sale_guard(utc_now() + timedelta(days=9999)),
        store.build_exists_guard("b"),
    ],
)
def test_a_failed_guard_writes_nothing(db, event, guards):
    before = db.events.find_one({})
    assert take(db, event, 2, guards=guards, new_entries={"a": {**ENTRY, "at": utc_now()}}) is None
    assert db.events.find_one({}) == before


def test_no_guard_of_a_sale_has_an_index_of_its_own():
    """The query planner of a MongoDB-compatible server would scan that index instead of eventId."""
    first_fields = {next(iter(model.document["key"])) for model in events_store.INDEXES["events"]}
    assert "eventId" in first_fields
    assert not first_fields & store.build_on_sale_guard(utc_now()).keys()


def test_a_ticket_type_at_another_index_fails_the_update(db, event):
    types = db.events.find_one({})["ticketTypes"]
    db.events.update_one({}, {"$set": {"ticketTypes": types[::-1]}})
    assert take(db, event, 2) is None
    assert take(db, {**event, "ticketTypes": types[::-1]}, 2)["ticketTypes"][0]["soldTickets"] == 2


def test_marks_since_is_the_time_of_the_oldest_entry(db, event):
    now = utc_now()
    for key, age in (("a", 5), ("b", 50), ("c", 20)):
        at = now - timedelta(seconds=age)
        take(db, event, 0, new_entries={key: {**ENTRY, "at": at}})
    assert db.events.find_one({})["marksSince"] == now - timedelta(seconds=50)
    assert store.find_ids_with_entries_before(db, now - timedelta(seconds=49), 10) == [1]
    assert store.find_ids_with_entries_before(db, now - timedelta(seconds=51), 10) == []


def test_entries_are_cleared_with_a_change_or_alone(db, event):
    for key in ("a", "b", "give-c"):
        take(db, event, 1, new_entries={key: {**ENTRY, "at": utc_now()}})
    take(db, event, 1, cleared_keys=["a"])
    assert list(db.events.find_one({})["inFlight"]) == ["b", "give-c"]
    store.clear_entries(db, 1, ["b", "nothing"], utc_now())
    assert list(db.events.find_one({})["inFlight"]) == ["give-c"]
    assert "struck" not in db.events.find_one({})
    store.clear_entries(db, 1, ["give-c"], utc_now())
    assert db.events.find_one({})["struck"] == 1


def test_a_move_fails_if_its_entry_was_added_and_cleared_since_the_read(db, event):
    guards = store.build_never_existed_guard(event, ["give-x"])
    take(db, event, 0, new_entries={"give-x": {"at": utc_now()}})
    assert take(db, event, 1, guards=guards) is None
    store.clear_entries(db, 1, ["give-x"], utc_now())
    assert take(db, event, 1, guards=guards) is None
    again = store.find_with_entries(db, 1)
    assert take(db, again, 1, guards=store.build_never_existed_guard(again, ["give-x"])) is not None


def test_marks_since_is_not_set_later_than_a_new_entry(db, event):
    now = utc_now()
    take(db, event, 1, new_entries={"a": {**ENTRY, "at": now}})
    store.set_oldest_entry_time(db, event, None)
    assert "marksSince" in db.events.find_one({})
    store.clear_entries(db, 1, ["a"], utc_now())
    store.set_oldest_entry_time(db, store.find_with_entries(db, 1), None)
    assert "marksSince" not in db.events.find_one({})


def close(db, **ahead):
    token = ObjectId()
    return token, store_repairs.close_event(db, 1, token, utc_now(), utc_now() + timedelta(**ahead))


def test_a_repair_replaces_only_the_stock_that_it_read(db, event):
    token, closed = close(db, seconds=9)
    stock = CountedStock({"1": {"1": {"waiting": 3}}}, event["ticketTypes"], [])

    def replace(closed, token, sold):
        cells = {"3": {"1": {"sold": sold}}}
        return store_repairs.replace_stock(db, closed, token, stock, cells, {})

    assert replace({**closed, "rev": 7}, token, 98) is False
    assert replace(closed, ObjectId(), 98) is False
    assert replace(closed, token, 99) is True
    assert replace(closed, token, 98) is False
    stored = db.events.find_one({})
    assert stored["available"] == sum(each["availableTickets"] for each in stored["ticketTypes"])
    assert stored["cells"] == {"3": {"1": {"sold": 99}}}
    assert stored["queues"] == {"1": {"1": {"waiting": 3}}}
    assert not {"closedUntil", "closedBy"} & stored.keys()


def test_an_event_is_closed_by_one_repair_at_a_time_and_opens_by_itself(db, event):
    first, _closed = close(db, seconds=9)
    assert close(db, seconds=9)[1] is None
    store_repairs.reopen_event(db, 1, ObjectId())
    assert close(db, seconds=9)[1] is None
    store_repairs.reopen_event(db, 1, first)
    second, closed = close(db, seconds=-1)
    assert closed is not None
    third, again = close(db, seconds=9)
    assert again is not None
    store_repairs.reopen_event(db, 1, second)
    assert db.events.find_one({})["closedBy"] == third


def test_marks_since_is_only_set_at_the_revision_that_was_read(db, event):
    """Otherwise it could become later than an entry that a slower clock has added since."""
    now = utc_now()
    take(db, event, 1, new_entries={"a": {**ENTRY, "at": now}})
    read = store.find_with_entries(db, 1)
    older = now - timedelta(seconds=60)
    take(db, event, 1, new_entries={"b": {**ENTRY, "at": older}})
    store.set_oldest_entry_time(db, read, now)
    assert db.events.find_one({})["marksSince"] == older
    assert store.find_ids_with_entries_before(db, now - timedelta(seconds=59), 10) == [1]


def find_ids_to_offer(db):
    return store_waitlists.find_ids_to_offer(db, utc_now(), 10)


def test_offerable_events_have_tickets_of_a_type_that_somebody_waits_for(db, event):
    assert find_ids_to_offer(db) == []
    waiting = {"ticketTypes.1.waiting": 1, "hadWaitlist": True}
    db.events.update_one({}, {"$set": waiting})
    assert find_ids_to_offer(db) == [1]
    db.events.update_one({}, {"$set": {"ticketTypes.1.availableTickets": 0}})
    assert find_ids_to_offer(db) == []
    quota = {"quotaId": 1, "availableTickets": 2, "waiting": 1}
    db.events.update_one({}, {"$set": {"quotas": [quota]}})
    assert find_ids_to_offer(db) == [1]
    db.events.update_one({}, {"$set": {"quotas.0.availableTickets": 0}})
    assert find_ids_to_offer(db) == []


def test_keys_to_clear_are_kept_when_a_guard_fails(db, client, app, event, clean_inventory):
    Caller(client, app).book(1)
    types = db.events.find_one({})["ticketTypes"]
    # The next update fails once, as the cached sale state has the types in the other order.
    db.events.update_one({}, {"$set": {"ticketTypes": types[::-1]}})
    last = Caller(client, app).book(1)
    assert list(db.events.find_one({})["inFlight"]) == [last["_id"]]
