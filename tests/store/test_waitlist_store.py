"""The collection `waitlist`: its queries beside other entries, and each guard of its updates."""

from datetime import timedelta

import pytest
from bson import ObjectId

from eventapp.core.clock import utc_now
from eventapp.waitlist import store, store_audits
from eventapp.waitlist.types import EntryPosition

NOW = utc_now()
ANN, BEN = ObjectId(), ObjectId()


def add(db, **changes):
    """Store an active entry of Ann for event 1, schedule entry 1 and ticket type 1."""
    entry = {
        "_id": ObjectId(),
        "userId": ANN,
        "eventId": 1,
        "scheduleId": 1,
        "ticketTypeId": 1,
        "quantity": 2,
        "sequence": 1,
        "active": True,
        "status": "waiting",
        "joinedAt": NOW,
        "updatedAt": NOW,
        **changes,
    }
    db.waitlist.insert_one(entry)
    return entry


def add_others(db):
    """Store an entry of Ann that has ended, and active ones of another event and another user."""
    ended = add(db, active=False, status="left")
    return [ended, add(db, eventId=2), add(db, userId=BEN, scheduleId=2)]


def stored(db, entry):
    return db.waitlist.find_one({"_id": entry["_id"]})


def ids(entries):
    return [each["_id"] for each in entries]


def test_an_entry_is_not_stored_under_the_id_of_a_tombstone(db):
    entry_id = ObjectId()
    assert store.insert_tombstone(db, entry_id) is True
    assert store.insert_tombstone(db, entry_id) is True
    assert store.has_tombstone(db, entry_id)
    assert store.find_entry(db, entry_id) is None
    add(db, userId=BEN)
    entry = add(db)
    assert store.insert_entry(db, {**entry, "_id": entry_id, "eventId": 9}) is False
    assert store.insert_tombstone(db, entry["_id"]) is False
    assert not store.has_tombstone(db, entry["_id"])
    assert store.find_entry(db, entry["_id"]) == entry
    assert ids(store_audits.find_entries(db, [entry["_id"], entry_id])) == [entry["_id"]]
    assert store_audits.find_entries(db, []) == []


def test_an_idempotency_key_is_that_of_its_user(db):
    bens = add(db, userId=BEN, idempotency={"key": "k"})
    other, mine = add(db, idempotency={"key": "l"}), add(db, eventId=2, idempotency={"key": "k"})
    assert store.find_by_idempotency_key(db, ANN, "k") == mine
    assert store.find_by_idempotency_key(db, ANN, "l") == other
    assert store.find_by_idempotency_key(db, BEN, "k") == bens
    assert store.find_by_idempotency_key(db, BEN, "l") is None


def test_a_user_finds_the_own_active_entries(db):
    add_others(db)
    first = add(db)
    add(db, eventId=3, active=False)
    last = add(db, eventId=3)
    mine = {"user_id": ANN, "before": None, "skip": 0, "limit": 10}
    active = ids(store.find_active_of_user(db, **mine))
    assert active[:2] == ids([last, first])
    assert len(active) == 3  # the one of event 2
    assert ids(store.find_active_of_user(db, **{**mine, "skip": 1, "limit": 1})) == ids([first])
    assert ids(store.find_active_of_user(db, **{**mine, "before": last["_id"]})) == active[1:]
    assert sorted(ids(store.find_all_active_of_user(db, ANN))) == sorted(active)
    assert store.count_active_of_user(db, ANN, 10) == 3
    assert store.count_active_of_user(db, ANN, 2) == 2


def test_an_export_has_the_ended_entries_of_a_user_too_newest_first(db):
    first, second = add(db), add(db, active=False)
    old = add(db, active=False, joinedAt=NOW - timedelta(days=1))
    add(db, userId=BEN)
    assert ids(store.find_all_of_user(db, ANN)) == ids([second, first, old])


def test_the_entries_of_a_user_for_an_event_are_those_of_one_schedule_entry_or_of_all(db):
    add_others(db)
    first, second = add(db), add(db, scheduleId=2)
    assert ids(store.find_active_of_user_and_event(db, ANN, 1)) == ids([first, second])
    assert ids(store.find_active_of_user_and_event(db, ANN, 1, 2)) == ids([second])


def test_the_entries_of_an_event_are_those_of_some_schedule_entries_or_of_all(db):
    _ended, _elsewhere, bens = add_others(db)
    mine = add(db)
    assert sorted(ids(store.find_active_of_event(db, 1, 10))) == sorted(ids([bens, mine]))
    assert ids(store.find_active_of_event(db, 1, 10, [2, 3])) == ids([bens])
    assert store.find_active_of_event(db, 1, 10, []) == []
    assert len(store.find_active_of_event(db, 1, 1)) == 1


def test_entries_are_read_page_by_page_in_the_order_in_which_they_joined(db):
    add_others(db)
    db.waitlist.delete_many({"userId": BEN})
    last = add(db, sequence=7)
    # Entries of older versions may have equal numbers.
    ordered = [ObjectId(), ObjectId()]
    second, first = (
        add(db, _id=id_, sequence=3, scheduleId=n) for n, id_ in ((2, ordered[1]), (3, ordered[0]))
    )
    assert ids(store.find_active_in_order(db, 1, None, 10)) == ids([first, second, last])
    after_first = EntryPosition(3, first["_id"])
    assert ids(store.find_active_in_order(db, 1, after_first, 1)) == ids([second])
    assert ids(store.find_active_in_order(db, 1, after_first, 10)) == ids([second, last])
    assert store.find_active_in_order(db, 1, EntryPosition(7, last["_id"]), 10) == []


def test_the_first_entry_of_several_queues_wants_no_more_tickets_than_there_are(db):
    add(db, active=False, sequence=0)
    add(db, eventId=2, sequence=0)
    add(db, ticketTypeId=2, sequence=1)
    add(db, scheduleId=9, sequence=1)
    tied_id = ObjectId()
    small = add(db, userId=BEN, quantity=3, sequence=3)
    large = add(db, quantity=4, sequence=2)
    tied = add(db, _id=tied_id, userId=ObjectId(), quantity=3, sequence=3)
    other = add(db, scheduleId=2, sequence=4)

    def find_first(queues):
        return store.find_first_entry(db, 1, queues)["_id"]

    assert find_first({(1, 1): None, (2, 1): None}) == large["_id"]
    assert find_first({(1, 1): 4, (2, 1): None}) == large["_id"]
    assert tied_id < small["_id"]
    assert find_first({(1, 1): 3, (2, 1): None}) == tied["_id"]
    assert find_first({(1, 1): 2, (2, 1): 2}) == other["_id"]
    assert store.find_first_entry(db, 1, {(1, 1): 2}) is None


def test_those_ahead_are_active_and_in_the_same_queue(db):
    add(db, sequence=1, active=False)
    for others in ({"eventId": 2}, {"ticketTypeId": 2}, {"scheduleId": 2}):
        add(db, sequence=1, **others)
    for number in (2, 3):
        add(db, sequence=number, userId=ObjectId())
    mine = add(db, sequence=4)
    add(db, sequence=5, userId=BEN)
    alone = add(db, sequence=9, eventId=3)
    assert store.count_ahead(db, [mine, alone]) == {mine["_id"]: 2, alone["_id"]: 0}


def test_those_ahead_are_counted_in_any_number_of_queues(db, monkeypatch):
    monkeypatch.setattr(store, "QUEUES_PER_QUERY", 2)
    entries = [add(db, eventId=number, sequence=2) for number in range(5)]
    for number in range(5):
        add(db, eventId=number, sequence=1, userId=BEN)
    assert set(store.count_ahead(db, entries).values()) == {1}


CLAIM = {"offering": {"bookingId": ObjectId(), "at": NOW}}
CANNOT_BE_CLAIMED = [{"active": False}, CLAIM]


@pytest.mark.parametrize("changes", CANNOT_BE_CLAIMED)
def test_an_entry_that_has_ended_or_is_claimed_is_not_claimed_or_ended(db, changes):
    entry = add(db, **changes)
    assert store.claim_for_offer(db, entry["_id"], ObjectId(), NOW) is None
    assert store.end_entry(db, entry["_id"], "left", NOW) is None
    assert stored(db, entry) == entry


def test_a_claim_is_of_one_entry_and_for_one_booking(db):
    booking_id = ObjectId()
    other, entry = add(db, userId=BEN), add(db)
    claimed = store.claim_for_offer(db, entry["_id"], booking_id, NOW)
    assert claimed == {**entry, "offering": {"bookingId": booking_id, "at": NOW}}
    assert store.is_claimed_for(db, booking_id)
    assert not store.is_claimed_for(db, ObjectId())
    store.release_claim(db, entry["_id"], ObjectId())
    store.release_claim(db, other["_id"], booking_id)
    assert stored(db, entry) == claimed
    store.release_claim(db, entry["_id"], booking_id)
    assert (stored(db, entry), stored(db, other)) == (entry, other)


@pytest.mark.parametrize("ends_entry", [True, False])
def test_an_offer_replaces_its_claim_once(db, ends_entry):
    booking_id, later = ObjectId(), NOW + timedelta(minutes=1)
    entry = add(db, attendees={"1-1": {}}, offers=[])
    store.claim_for_offer(db, entry["_id"], booking_id, NOW)

    def subtract(entry_id, booking_id):
        store.subtract_offer(db, entry_id, booking_id, 2, ends_entry=ends_entry, now=later)

    subtract(entry["_id"], ObjectId())
    subtract(ObjectId(), booking_id)
    assert "offering" in stored(db, entry)
    subtract(entry["_id"], booking_id)
    subtract(entry["_id"], booking_id)
    after = {**entry, "quantity": 0, "offers": [booking_id], "updatedAt": later}
    if ends_entry:
        after |= {"active": False, "status": "offered"}
        del after["attendees"]
    assert stored(db, entry) == after


def test_old_claims_are_found_the_oldest_first(db):
    old = [
        add(db, userId=ObjectId(), offering={"at": NOW - timedelta(seconds=age)})
        for age in (0, 1, 3, 2)
    ]
    add(db)
    assert ids(store.find_claims_before(db, NOW, 10)) == ids([old[2], old[3], old[1]])
    assert ids(store.find_claims_before(db, NOW, 1, [old[2]["_id"]])) == ids([old[3]])


def test_the_user_of_a_closed_entry_is_to_be_told_why(db):
    later = NOW + timedelta(minutes=1)
    left, closed = add(db, attendees={"1-1": {}}), add(db, userId=BEN)
    ended = {"active": False, "restock": "due", "updatedAt": later}
    after = store.end_entry(db, closed["_id"], "closed", later, "event_cancelled")
    reason = {"status": "closed", "tellAt": later, "closeReason": "event_cancelled"}
    assert after == {**closed, **ended, **reason}
    after = store.end_entry(db, left["_id"], "left", later)
    del left["attendees"]
    assert after == {**left, **ended, "status": "left"}


def test_untold_users_are_found_the_oldest_first_until_they_are_told(db):
    late, early = add(db, tellAt=NOW), add(db, userId=BEN, tellAt=NOW - timedelta(seconds=1))
    add(db, userId=ObjectId())
    assert ids(store.find_untold(db, 10, [])) == ids([early, late])
    assert ids(store.find_untold(db, 1, [])) == ids([early])
    assert ids(store.find_untold(db, 10, [early["_id"]])) == ids([late])
    store.record_told(db, [early["_id"]])
    assert ids(store.find_untold(db, 10, [])) == ids([late])


def test_a_leave_is_pending_until_it_is_recorded_as_applied(db):
    first = add(db, restock="due", updatedAt=NOW - timedelta(seconds=2))
    second = add(db, userId=BEN, restock="due", updatedAt=NOW - timedelta(seconds=3))
    young = add(db, userId=ObjectId(), restock="due")
    add(db, userId=ObjectId(), restock="done", updatedAt=NOW - timedelta(seconds=9))
    both = ids([first, second])
    assert ids(store.find_pending_leaves_before(db, NOW, 10)) == ids([second, first])
    assert ids(store.find_pending_leaves_before(db, NOW, 1)) == ids([second])
    assert ids(store.find_pending_leaves_before(db, NOW, 10, [second["_id"]])) == ids([first])
    assert sorted(store.find_pending_leave_ids(db, both)) == sorted(both)
    store.record_leaves_applied(db, [first["_id"]])
    assert store.find_pending_leave_ids(db, both) == ids([second])
    assert stored(db, first) == {**first, "restock": "done"}
    assert stored(db, young) == young


def test_a_deleted_user_waits_no_longer_and_leaves_no_personal_data(db):
    personal = {"idempotency": {"key": "k"}, "attendees": {"1-1": {}}, "holderIsShown": True}
    bens = [add(db, userId=BEN), add(db, userId=BEN, active=False)]
    waiting = add(db, **personal)
    claimed = add(db, scheduleId=2, **{**personal, "idempotency": {"key": "l"}}, **CLAIM)
    again = add(db, scheduleId=3, **CLAIM)
    ended = add(db, active=False, status="offered")
    store.forget_user(db, ANN)
    assert [stored(db, each) for each in bens] == bens
    without = {key: value for key, value in waiting.items() if key not in personal}
    left = {"userId": None, "active": False, "status": "left", "restock": "due"}
    assert stored(db, waiting) == {**without, **left}
    assert stored(db, ended) == {**ended, "userId": None}
    # These stay active, as offers are being made from them, and count as their own users.
    assert stored(db, again) == {**again, "userId": again["_id"], "forgotten": True}
    without = {key: value for key, value in claimed.items() if key not in personal}
    assert stored(db, claimed) == {**without, "userId": claimed["_id"], "forgotten": True}


def test_an_audit_counts_entries_that_are_active_or_have_a_pending_leave(db):
    left_out = add(db)
    add(db, eventId=9)
    add(db, active=False, restock="done")
    add(db, userId=BEN)
    leaving = add(db, active=False, restock="due")
    claimed = add(db, userId=ObjectId(), ticketTypeId=2, scheduleId=None, **CLAIM)
    queue = {"event": 1, "type": 1, "schedule": 1, "leavingId": None, "offerId": None, "entries": 1}
    counted = store_audits.sum_waiting(db, [1, 2], [left_out["_id"]])
    assert sorted(counted, key=str) == sorted(
        [
            queue,
            {**queue, "leavingId": leaving["_id"]},
            {**queue, "type": 2, "schedule": 0, "offerId": claimed["offering"]["bookingId"]},
        ],
        key=str,
    )


def test_events_with_active_entries_are_found_in_order_each_once(db):
    for event_id in (5, 3, 3, 4):
        add(db, eventId=event_id, userId=ObjectId(), active=event_id != 4)
    assert store_audits.find_event_ids(db, 2, 10) == [3, 5]
    assert store_audits.find_event_ids(db, 3, 10) == [5]
    assert store_audits.find_event_ids(db, 0, 2) == [3]
