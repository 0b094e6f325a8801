"""Each guard of an update of the stock fails alone, and an update writes to its own event alone."""

from datetime import timedelta

import pytest

from eventapp.core.clock import utc_now
from eventapp.inventory import store, store_promo_codes
from eventapp.inventory.types import QueueUpdate
from tests.bookings_factories import event_of

NO_QUEUES = QueueUpdate({}, {}, [], {})
ENTRY = {"kind": "take", "items": [[1, 2]], "held": False, "by": ""}
SECOND = timedelta(seconds=1)


@pytest.fixture
def event(db):
    """The second of two events: a write or read without the eventId meets the first."""
    event_of(db, 10)
    return store.find_with_entries(db, event_of(db, 10, 5))


def take(db, event, queues=NO_QUEUES, **more):
    changes = {0: {"availableTickets": -2, "soldTickets": 2}}
    fixed = {"cells": {}, "quotas": {}, "guards": {}, "now": utc_now(), **more}
    return store.update_stock(db, event, changes, queues=queues, **fixed)


def find(db, event):
    return db.events.find_one({"eventId": event["eventId"]})


def set_fields(db, event, **fields):
    db.events.update_one({"eventId": event["eventId"]}, {"$set": fields})


def test_reads_and_writes_are_of_the_event(db, event):
    first = db.events.find_one({"eventId": 1})
    assert (event["eventId"], store.find_sale_state(db, 2)["eventId"]) == (2, 2)
    assert store_promo_codes.find_code_with_entries(db, 2, "may")["eventId"] == 2
    assert take(db, event, new_entries={"a": {**ENTRY, "at": utc_now()}})["eventId"] == 2
    store.clear_entries(db, 2, ["a"], utc_now())
    event = store.find_with_entries(db, 2)
    store.set_oldest_entry_time(db, event, utc_now())
    assert "marksSince" in find(db, event)
    store.set_oldest_entry_time(db, event, None)
    assert "marksSince" not in find(db, event)
    assert db.events.find_one({"eventId": 1}) == first


@pytest.mark.parametrize(
    ("field", "value"),
    [("terms", 1), ("cellsCounted", None), ("ticketTypes.0.ticketTypeId", 9)],
)
def test_an_event_that_differs_from_the_state_read_is_not_changed(db, event, field, value):
    db.events.update_one({"eventId": 2}, {"$set": {field: value}})
    before = find(db, event)
    assert take(db, event) is None
    assert find(db, event) == before


def test_a_closed_event_is_not_changed_until_the_closure_ends(db, event):
    now = utc_now()
    set_fields(db, event, closedUntil=now + SECOND, inFlight={"a": {**ENTRY, "at": now}})
    assert take(db, event, now=now) is None
    store.clear_entries(db, 2, ["a"], now)
    assert "a" in find(db, event)["inFlight"]
    assert take(db, event, now=now + SECOND) is not None
    store.clear_entries(db, 2, ["a"], now + SECOND)
    assert find(db, event)["inFlight"] == {}


def test_the_guards_of_queues_and_of_the_caller_both_count(db, event):
    failing = {"ticketTypes.1.waiting": 3}
    assert take(db, event, QueueUpdate({}, {}, [], failing)) is None
    assert take(db, event, guards=failing) is None
    assert take(db, event) is not None


def test_an_update_of_queues_adds_sets_and_removes(db, event):
    set_fields(db, event, queues={"1": {"1": {"waiting": 2}}})
    changes = QueueUpdate({"ticketTypes.1.waiting": 2}, {"hadWaitlist": True}, ["queues.1"], {})
    assert take(db, event, changes) is not None
    stored = find(db, event)
    assert stored["ticketTypes"][1]["waiting"] == 2
    assert (stored["queues"], stored["hadWaitlist"]) == ({}, True)


def test_only_joins_are_counted(db, event):
    before = find(db, event).get("waitSequence", 0)
    take(db, event)
    assert find(db, event).get("waitSequence", 0) == before
    take(db, event, joins=2)
    assert find(db, event)["waitSequence"] == before + 2


def test_every_update_raises_the_revision_by_one(db, event):
    for revision in range(1, 4):
        take(db, event)
        assert find(db, event)["rev"] == event["rev"] + revision
    store.clear_entries(db, 2, ["a"], utc_now())
    assert find(db, event)["rev"] == event["rev"] + 4


@pytest.mark.parametrize("key", ["give-1", "confirm-1", "leave-1", "1", "wait-1", "retake-1-2"])
def test_clearing_entries_of_moves_is_counted_once(db, event, key):
    counted = int(key.startswith(store.MOVE_PREFIXES))
    take(db, event, cleared_keys=[key, "other"])
    assert find(db, event).get("struck", 0) == counted
    store.clear_entries(db, 2, [key, key], utc_now())
    assert find(db, event).get("struck", 0) == 2 * counted


def test_a_move_needs_that_its_entry_was_not_there_and_not_cleared(db, event):
    guards = store.build_never_existed_guard(event, ["give-1", "give-2"])
    set_fields(db, event, inFlight={"give-2": {**ENTRY, "at": utc_now()}})
    assert take(db, event, guards=guards) is None
    set_fields(db, event, inFlight={})
    assert take(db, event, guards=guards, cleared_keys=["give-1"]) is not None
    assert take(db, event, guards=guards) is None  # `struck` has changed


def test_the_booked_entry_is_where_it_was_and_not_over(db, event):
    now = utc_now()
    entry = find(db, event)["schedule"][0]
    for change, sold in (
        ({}, True),
        ({"scheduleId": 7}, False),
        ({"overAt": now}, False),
        ({"overAt": now + SECOND}, True),
    ):
        set_fields(db, event, schedule=[{**entry, **change}])
        guards = store.build_entry_guards({entry["scheduleId"]: 0}, now)
        assert (take(db, event, guards=guards) is not None) is sold


def test_an_event_is_on_sale_while_published_and_one_entry_is_not_over(db, event):
    now = utc_now()
    for status, over_at, sold in (
        ("published", now + SECOND, True),
        ("published", now, False),
        ("draft", now + SECOND, False),
    ):
        set_fields(db, event, **{"status": status, "schedule.0.overAt": over_at})
        assert (take(db, event, guards=store.build_on_sale_guard(now)) is not None) is sold


def test_an_offer_takes_what_is_there_and_no_more(db, event):
    assert take(db, event, guards=store.build_offer_guards(0, 11)) is None
    assert take(db, event, guards=store.build_offer_guards(0, 10)) is not None


def test_an_event_has_room_for_one_entry_less_than_the_limit(db, event, monkeypatch):
    monkeypatch.setattr(store, "MAX_ENTRIES", 2)
    entry = {**ENTRY, "at": utc_now()}
    for entries, sold in (({}, True), ({"a": entry}, True), ({"a": entry, "b": entry}, False)):
        set_fields(db, event, inFlight=entries)
        assert (take(db, event, guards=store.build_room_guard()) is not None) is sold


def test_a_code_has_as_many_uses_as_its_limit(db, event):
    set_fields(db, event, promoCodes={"may": {"codeId": 1, "used": 3, "maxUses": 5}})
    event = store.find_sale_state(db, 2, ["may"])
    guards = store_promo_codes.build_promo_guards(event, {"may": 2})
    assert take(db, event, guards=guards, promo_uses={"may": 2}) is not None
    assert find(db, event)["promoCodes"]["may"] == {
        "codeId": 1,
        "used": 5,
        "maxUses": 5,
        "taken": True,
    }
    assert take(db, event, guards=guards) is None
    unlimited = {**event, "promoCodes": {"may": {"codeId": 1, "used": 3}}}
    assert store_promo_codes.build_promo_guards(unlimited, {"may": 2}) == {}


def test_the_time_of_the_oldest_entry_is_set_only_on_the_state_that_was_read(db, event):
    stale = {**event, "rev": event["rev"] - 1}
    store.set_oldest_entry_time(db, stale, utc_now())
    assert "marksSince" not in find(db, event)
    set_fields(db, event, marksSince=utc_now(), inFlight={"a": {**ENTRY, "at": utc_now()}})
    store.set_oldest_entry_time(db, event, None)  # There is an entry.
    set_fields(db, event, inFlight={})
    store.set_oldest_entry_time(db, stale, None)
    assert "marksSince" in find(db, event)
    store.set_oldest_entry_time(db, event, None)
    assert "marksSince" not in find(db, event)


def test_an_update_notes_that_the_event_has_changed(db, event):
    long_ago = utc_now() - timedelta(days=1)
    set_fields(db, event, changedAt=long_ago)
    take(db, event)
    assert find(db, event)["changedAt"] > long_ago


def test_only_a_change_of_available_tickets_changes_their_sum(db, event):
    set_fields(db, event, **{"ticketTypes.0.heldTickets": 2})
    changes = {0: {"heldTickets": -2, "soldTickets": 2}}
    more = {"cells": {}, "quotas": {}, "queues": NO_QUEUES, "guards": {}}
    assert store.update_stock(db, event, changes, now=utc_now(), **more) is not None
    assert find(db, event)["available"] == 15


def test_events_with_old_entries_are_found_by_their_time(db, event):
    now = utc_now()
    store.set_oldest_entry_time(db, event, now)
    assert find(db, event)["marksSince"] == now
    assert store.find_ids_with_entries_before(db, now, 10) == []
    assert store.find_ids_with_entries_before(db, now + SECOND, 10) == [2]
    assert store.find_ids_with_entries_before(db, now + SECOND, 10, without=[2]) == []


def test_a_code_is_read_with_the_entries(db, event):
    set_fields(db, event, promoCodes={"may": {"used": 3}, "june": {"used": 4}})
    found = store_promo_codes.find_code_with_entries(db, 2, "may")
    assert (found["promoCodes"], found["inFlight"]) == ({"may": {"used": 3}}, {})
