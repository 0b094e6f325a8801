"""Which events the worker offers tickets of, closes waitlists of, and repairs."""

from datetime import timedelta

import pytest
from bson import ObjectId

from eventapp.core.clock import utc_now
from eventapp.events.types import CountedStock
from eventapp.inventory import store, store_repairs, store_waitlists
from tests.bookings_factories import event_of

NOW = utc_now()
SECOND = timedelta(seconds=1)
FREE_QUOTA = {"quotaId": 1, "availableTickets": 2, "waiting": 1}


def change(db, event_id, **fields):
    db.events.update_one({"eventId": event_id}, {"$set": fields})


@pytest.fixture
def awaited(db):
    """Three events on sale; for each somebody waits for a type that has tickets."""
    event_ids = [event_of(db, 1, 1) for _ in range(3)]
    for event_id in event_ids:
        change(db, event_id, **{"hadWaitlist": True, "ticketTypes.0.waiting": 1})
    return event_ids


def find_to_offer(db, **options):
    return store_waitlists.find_ids_to_offer(db, NOW, options.pop("limit", 10), **options)


def test_events_to_offer_tickets_of_are_found_in_pages(db, awaited):
    first, second, third = awaited
    assert find_to_offer(db) == awaited
    assert find_to_offer(db, limit=1) == [first]
    assert find_to_offer(db, after=first) == [second, third]
    assert find_to_offer(db, without=[second]) == [first, third]
    assert find_to_offer(db, after=first, without=[second]) == [third]
    change(db, 1, hadWaitlist=None)
    change(db, 2, eventId=0)
    assert find_to_offer(db) == [third]


@pytest.mark.parametrize(
    "fields",
    [
        {"status": "draft"},
        {"hadWaitlist": False},
        {"ticketTypes.0.waiting": 0},
        {"ticketTypes.0.availableTickets": 0},
        {
            "ticketTypes.0.waiting": 0,
            "ticketTypes.1.waiting": 1,
            "ticketTypes.1.availableTickets": 0,
        },
        {"ticketTypes.0.salesFrom": NOW + SECOND},
        {"ticketTypes.0.salesUntil": NOW},
        {"schedule.0.overAt": NOW},
    ],
)
def test_no_offer_is_made_of_what_is_not_on_sale_or_not_waited_for(db, awaited, fields):
    change(db, 2, **fields)
    assert find_to_offer(db) == [1, 3]


def test_offers_are_made_within_sale_windows_and_of_quotas_with_places(db, awaited):
    window = {"ticketTypes.0.salesFrom": NOW, "ticketTypes.0.salesUntil": NOW + SECOND}
    change(db, 1, **window)
    assert find_to_offer(db) == [1, 2, 3]
    for event_id, quota in ((1, {}), (2, {"waiting": 0}), (3, {"availableTickets": 0})):
        change(db, event_id, **{"ticketTypes.0.waiting": 0, "quotas": [{**FREE_QUOTA, **quota}]})
    assert find_to_offer(db) == [1]


def end_entries(db, *event_ids):
    for event_id in event_ids:
        change(db, event_id, **{"schedule.0.overAt": NOW})


def find_over(db, *, after=0, limit=10, without=()):
    found = store_waitlists.find_schedules_with_entry_over(
        db, NOW, limit, after=after, without=without
    )
    return [each["eventId"] for each in found]


def test_events_with_an_entry_that_is_over_and_a_waitlist_are_found_in_pages(db, awaited):
    end_entries(db, 1, 2, 3)
    assert find_over(db) == [1, 2, 3]
    assert find_over(db, limit=2) == [1, 2]
    assert find_over(db, after=1) == [2, 3]
    assert find_over(db, after=1, without=[2]) == [3]
    change(db, 1, queues={"1": {"1": {"waiting": 1}}})
    first, *_ = store_waitlists.find_schedules_with_entry_over(db, NOW, 1, after=0)
    stored = db.events.find_one({"eventId": 1})
    assert first == {name: stored[name] for name in ("_id", "eventId", "schedule", "queues")}


@pytest.mark.parametrize(
    "fields",
    [
        {"status": "cancelled"},
        {"hadWaitlist": False},
        {"ticketTypes.0.waiting": 0},
        {"schedule.0.overAt": NOW + SECOND},
    ],
)
def test_the_waitlist_of_an_event_stays_open_until_an_entry_is_over(db, awaited, fields):
    end_entries(db, 1, 2, 3)
    change(db, 2, **fields)
    assert find_over(db) == [1, 3]
    change(db, 2, quotas=[FREE_QUOTA])
    assert find_over(db) == ([1, 2, 3] if "ticketTypes.0.waiting" in fields else [1, 3])


def test_ended_events_for_which_somebody_waits_are_found(db, awaited):
    def find(limit=10, without=()):
        return store_waitlists.find_ended_ids_with_waitlist(db, limit, without)

    assert find() == []
    for event_id, status in ((1, "cancelled"), (2, "completed"), (3, "cancelled")):
        change(db, event_id, status=status)
    assert find() == [1, 2, 3]
    assert find(limit=2) == [1, 2]
    assert find(without=[2]) == [1, 3]
    change(db, 1, hadWaitlist=False)
    change(db, 2, **{"ticketTypes.0.waiting": 0})
    assert find() == [3]
    change(db, 2, quotas=[FREE_QUOTA])
    assert find() == [2, 3]


# Repairs.


def audit(db, event_id):
    return store_repairs.find_to_audit(db, event_id)


def test_audits_read_events_in_order_and_their_revisions(db):
    event_ids = [event_of(db, 5) for _ in range(3)]
    change(db, 2, rev=7)
    assert [each["eventId"] for each in store_repairs.find_after(db, 1, 10)] == event_ids[1:]
    assert store_repairs.find_after(db, 1, 1) == [audit(db, 2)]
    assert audit(db, 9) is None
    revision = audit(db, 1)["rev"]
    assert store_repairs.find_revisions(db, [1, 2, 9]) == {1: revision, 2: 7}


def test_an_audit_reads_the_cells_the_codes_and_the_entries_of_its_event(db):
    event_of(db, 5), event_of(db, 5)
    read = {"cells": {"1": {"1": {"sold": 1}}}, "promoCodes": {"a": {"used": 1}}, "struck": 1}
    change(db, 2, **read, inFlight={"b": {"at": NOW}})
    found = audit(db, 2)
    assert {name: found[name] for name in read} == read
    assert (found["eventId"], found["inFlight"]) == (2, {"b": {"at": NOW}})
    assert found["ticketTypes"][0]["availableTickets"] == 5


def close(db, event_id, token):
    return store_repairs.close_event(db, event_id, token, NOW, NOW + SECOND)


def test_a_repair_closes_and_opens_the_own_event_alone_and_each_raises_its_revision(db):
    event_of(db, 5), event_of(db, 5)
    token = ObjectId()
    change(db, 1, closedBy=token)
    other, before = db.events.find_one({"eventId": 1}), audit(db, 2)
    closed = close(db, 2, token)
    assert closed == {**before, "rev": before["rev"] + 1, "closedUntil": NOW + SECOND}
    assert close(db, 9, token) is None
    assert db.events.find_one({"eventId": 2})["closedBy"] == token
    store_repairs.reopen_event(db, 2, ObjectId())
    assert audit(db, 2) == closed
    store_repairs.reopen_event(db, 2, token)
    assert audit(db, 2) == {**before, "rev": before["rev"] + 2}
    assert db.events.find_one({"eventId": 1}) == other


def test_a_repair_sets_all_counters_of_its_event_alone(db):
    event_of(db, 5), event_of(db, 5)
    token = ObjectId()
    change(db, 2, promoCodes={"a": {"used": 3}, "b": {"used": 0}}, changedAt=NOW - SECOND)
    db.events.update_one({"eventId": 2}, {"$unset": {"cellsCounted": ""}})
    closed = close(db, 2, token)
    change(db, 1, rev=closed["rev"], closedBy=token)
    other = db.events.find_one({"eventId": 1})
    ticket_type = {**closed["ticketTypes"][0], "availableTickets": 3, "waitSequence": 4}
    quotas, queues, cells = [{"quotaId": 1}], {"1": {}}, {"3": {"1": {"sold": 2}}}
    stock = CountedStock(queues, [ticket_type], quotas)
    assert store_repairs.replace_stock(db, closed, token, stock, cells, {"a": 2})
    del ticket_type["waitSequence"]
    stored = db.events.find_one({"eventId": 2})
    assert {name: stored[name] for name in ("ticketTypes", "quotas", "queues", "cells")} == {
        "ticketTypes": [ticket_type],
        "quotas": quotas,
        "queues": queues,
        "cells": cells,
    }
    assert (stored["available"], stored["cellsCounted"]) == (3, True)
    assert stored["promoCodes"] == {"a": {"used": 2}, "b": {"used": 0}}
    assert (stored["rev"], stored["waitSequence"]) == (closed["rev"] + 1, closed["waitSequence"])
    assert stored["changedAt"] > NOW - SECOND
    assert not {"closedUntil", "closedBy"} & stored.keys()
    assert db.events.find_one({"eventId": 1}) == other


def test_counts_are_written_to_events_with_the_revision_that_was_read(db):
    event_of(db, 5), event_of(db, 5), event_of(db, 5), event_of(db, 5)
    first, second, unawaited = audit(db, 1), audit(db, 2), audit(db, 4)
    other = db.events.find_one({"eventId": 3})
    for event_id in (1, 2):
        db.events.update_one({"eventId": event_id}, {"$unset": {"waitSequence": ""}})
    del first["waitSequence"], unawaited["waitSequence"]
    change(db, 2, rev=second["rev"] + 1)
    changed = db.events.find_one({"eventId": 2})
    numbered = [{"ticketTypeId": number, "waitSequence": number + 5} for number in (1, 3, 2)]
    stock = CountedStock({}, numbered, [])
    counts = [(first, {"1": {}}, stock), (second, {"1": {}}, stock)]
    counts.append((unawaited, {}, CountedStock({}, [{"ticketTypeId": 1}], [])))
    assert store_repairs.write_counts(db, counts) == 2
    assert db.events.find_one({"eventId": 4})["waitSequence"] == 0
    stored = db.events.find_one({"eventId": 1})
    assert (stored["rev"], stored["cells"]) == (first["rev"] + 1, {"1": {}})
    # An event of an older version has numbered the entries of each type on their own.
    assert stored["waitSequence"] == 8
    assert stored["ticketTypes"] == [{"ticketTypeId": number} for number in (1, 3, 2)]
    assert "quotas" not in stored
    assert [db.events.find_one({"eventId": n}) for n in (2, 3)] == [changed, other]


def test_only_an_open_event_is_sold(db):
    event_of(db, 5)
    where = {"eventId": 1, **store.build_open_guard(NOW)}
    for until, is_open in ((NOW + SECOND, False), (NOW, True), (NOW - SECOND, True)):
        change(db, 1, closedUntil=until)
        assert (db.events.find_one(where) is not None) is is_open
