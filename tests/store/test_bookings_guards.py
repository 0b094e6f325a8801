"""The collection `bookings`: queries beside other bookings, and each guard of the updates."""

from datetime import timedelta

import pytest
from bson import ObjectId

from eventapp.bookings import (
    store,
    store_copies,
    store_due,
    store_holders,
    store_links,
    store_moves,
    store_payment_health,
    store_payments,
    store_untold_holders,
)
from eventapp.core.clock import utc_now

NOW = utc_now()
SECOND = timedelta(seconds=1)
ANN, BEN = ObjectId(), ObjectId()


def add(db, **changes):
    """Store a confirmed booking of Ann for event 1."""
    id_ = ObjectId()
    booking = {
        "_id": id_,
        "bookingReference": f"EVT-{id_}",
        "userId": ANN,
        "eventId": 1,
        "slot": f"slot-{id_}",
        "active": True,
        "status": "confirmed",
        "quantity": 2,
        "copiedMoves": 0,
        "createdAt": NOW,
        "updatedAt": NOW,
        **changes,
    }
    db.bookings.insert_one(booking)
    return booking


def add_tombstone(db):
    tombstone_id = ObjectId()
    assert store.insert_tombstone(db, tombstone_id)
    return tombstone_id


def stored(db, booking):
    return db.bookings.find_one({"_id": booking["_id"]})


def ids(bookings):
    return [each["_id"] for each in bookings]


# Queries.


def test_a_tombstone_is_no_booking(db):
    add(db), add_tombstone(db)
    tombstone_id, booking = add_tombstone(db), add(db)
    both = [tombstone_id, booking["_id"]]
    assert ids(store.find_bookings(db, both)) == ids([booking])
    assert store.find_bookings(db, []) == []
    assert store.find_existing_ids(db, both) == {booking["_id"]}
    assert store.find_by_reference(db, f"void-{tombstone_id}") is None
    assert store_links.find(db, tombstone_id) is None
    assert store_links.find_by_reference(db, f"void-{tombstone_id}") is None
    assert not store.has_tombstone(db, booking["_id"])


def test_a_booking_is_found_by_its_reference_beside_others(db):
    add(db, linkVersion=1)
    booking = add(db, linkVersion=3)
    reference = booking["bookingReference"]
    linked = {"_id": booking["_id"], "userId": ANN, "linkVersion": 3}
    assert store.find_by_reference(db, reference) == booking
    assert store_links.find_by_reference(db, reference) == linked
    assert store_links.find(db, booking["_id"]) == linked


def test_an_idempotency_key_is_that_of_its_user(db):
    bens = add(db, userId=BEN, idempotency={"key": "k"})
    other, booking = add(db, idempotency={"key": "l"}), add(db, idempotency={"key": "k"})
    assert store.find_by_idempotency_key(db, ANN, "k") == booking
    assert store.find_by_idempotency_key(db, ANN, "l") == other
    assert store.find_by_idempotency_key(db, BEN, "k") == bens
    assert store.find_by_idempotency_key(db, BEN, "l") is None


def test_the_active_bookings_of_a_user_are_those_of_an_event(db):
    add(db, active=False)
    add(db, eventId=2)
    add(db, userId=BEN)
    booking = add(db)
    assert ids(store.find_active_bookings(db, ANN, 1)) == ids([booking])


def test_active_ids_are_those_of_given_bookings_that_have_not_ended(db):
    ended, active, _other = add(db, active=False), add(db), add(db)
    assert store.find_active_ids(db, ids([ended, active])) == {active["_id"]}


def test_the_holds_of_a_user_are_active_and_held(db):
    add(db)
    add(db, status="held", userId=BEN)
    add(db, status="held", active=False)
    held = add(db, status="held")
    assert ids(store.find_held_of_user(db, ANN)) == ids([held])


def add_offer(db, **changes):
    return add(db, waitlistEntryId=ObjectId(), **changes)


def test_the_offers_of_a_user_have_an_entry_of_the_waitlist(db):
    add(db)
    add_offer(db, userId=BEN)
    elsewhere = add_offer(db, eventId=2)
    ended, newest = add_offer(db, active=False), add_offer(db)
    assert ids(store.find_offers(db, ANN, 1, 10)) == ids([newest, ended])
    assert ids(store.find_offers(db, ANN, 1, 1)) == ids([newest])
    assert ids(store.find_offers(db, ANN, 1, 10, ended["_id"])) == ids([ended])
    assert store.count_offers(db, ANN, 10) == 3
    assert store.count_offers(db, ANN, 2) == 2
    page = {"before": None, "skip": 0, "limit": 10}
    assert ids(store.find_offers_page(db, ANN, **page)) == ids([newest, ended, elsewhere])
    second = store.find_offers_page(db, ANN, **{**page, "skip": 1, "limit": 1})
    assert ids(second) == ids([ended])
    older = store.find_offers_page(db, ANN, **{**page, "before": ended["_id"]})
    assert ids(older) == ids([elsewhere])


def test_open_offers_of_an_event_are_held_and_not_expired_the_first_to_expire_first(db):
    later = {"status": "held", "expiresAt": NOW + 2 * SECOND}
    add(db, **later)
    add_offer(db, **later, eventId=2)
    add_offer(db, **{**later, "status": "confirmed"})
    add_offer(db, **{**later, "expiresAt": NOW})
    second, first = add_offer(db, **later), add_offer(db, **{**later, "expiresAt": NOW + SECOND})
    assert ids(store.find_open_offers(db, 1, NOW, 10)) == ids([first, second])
    assert ids(store.find_open_offers(db, 1, NOW, 1)) == ids([first])


def test_pages_continue_after_a_booking_also_among_those_of_the_same_moment(db):
    add(db, eventId=2)
    newest = add(db, createdAt=NOW + SECOND)
    first, second = add(db), add(db)
    old, oldest = add(db, createdAt=NOW - SECOND), add(db, createdAt=NOW - 2 * SECOND)
    page = {"skip": 0, "limit": 10, "after": None}
    where = {"eventId": 1}
    all_ids = ids([newest, second, first, old, oldest])
    assert ids(store.find_page(db, where, **page)) == all_ids
    assert ids(store.find_page(db, where, **{**page, "skip": 1, "limit": 2})) == all_ids[1:3]
    after = (NOW, second["_id"])
    assert ids(store.find_page(db, where, **{**page, "after": after})) == all_ids[2:]
    for size in (3, 4):
        batches = [ids(batch) for batch in store.iterate_batches(db, where, size)]
        assert batches == [all_ids[:size], all_ids[size:]]
    assert store.count_bookings(db, where, up_to=3) == 3
    assert store.count_bookings(db, where, up_to=9, hint="event_newest") == 5
    assert store.count_bookings(db, where, up_to=3, hint="event_newest") == 3


def test_holders_are_counted_once_and_found_newest_first(db):
    items = [{"ticketTypeId": 1, "quantity": 1}]
    for others in ({"eventId": 2}, {"status": "held"}, {"userId": None}):
        add(db, **others, items=items)
    checked_in = add(db, items=items, scheduleId=1, checkIns={"1-1": {}})
    undone = add(db, items=items, scheduleId=2, checkIns={})
    bens = add(db, userId=BEN, items=[{"ticketTypeId": 2, "quantity": 1}], scheduleId=2)
    for wanted, found in (
        ({}, [bens, undone, checked_in]),
        ({"ticketTypeIds": [1]}, [undone, checked_in]),
        ({"scheduleIds": [2]}, [bens, undone]),
        ({"scheduleIds": [2], "ticketTypeIds": [1]}, [undone]),
        ({"checkedIn": True}, [checked_in]),
        ({"checkedIn": False}, [bens, undone]),
        ({"scheduleIds": [3]}, []),
    ):
        holders = {each["userId"] for each in found}
        assert store_holders.count_holders(db, 1, wanted) == len(holders), wanted
        assert ids(store_holders.find_bookings(db, 1, wanted, None, 10)) == ids(found)
    after = (NOW, bens["_id"])
    assert ids(store_holders.find_bookings(db, 1, {}, after, 1)) == ids([undone])
    assert ids(store_holders.find_bookings(db, 1, {}, after, 10)) == ids([undone, checked_in])


# What the worker finds. Each function gets a time at which one booking is due and another is not.


@pytest.mark.parametrize(
    ("find", "field", "more", "is_due_at"),
    [
        (store_due.find_expired_holds, "expiresAt", {"status": "held"}, True),
        (store_due.find_moves_before, "updatedAt", {"restock": "due"}, False),
        (store_due.find_refunds_due, "refundDueAt", {}, True),
        (store_due.find_payments_to_reconcile, "reconcileAt", {}, True),
    ],
)
def test_due_bookings_are_found_the_longest_due_first(db, find, field, more, is_due_at):
    add(db)
    if more:
        add(db, **{field: NOW - SECOND})  # confirmed, without a move
    add(db, **more, **{field: NOW + SECOND})
    at = add(db, **more, **{field: NOW})
    second, first = (add(db, **more, **{field: NOW - age * SECOND}) for age in (1, 2))
    due = [first, second, at] if is_due_at else [first, second]
    assert ids(find(db, NOW, 10)) == ids(due)
    assert ids(find(db, NOW, 1)) == ids([first])
    assert ids(find(db, NOW, 10, [first["_id"]])) == ids(due[1:])


def test_pending_notifications_are_cleared_unless_another_was_added(db):
    add(db)
    tells = {"tell": {"booking_confirmed": NOW}}
    later = add(db, **tells, tellAt=NOW + SECOND)
    second, first = add(db, **tells, tellAt=NOW), add(db, **tells, tellAt=NOW - SECOND)
    assert ids(store_due.find_with_pending_notifications(db, 10)) == ids([first, second, later])
    assert ids(store_due.find_with_pending_notifications(db, 1)) == ids([first])
    left = store_due.find_with_pending_notifications(db, 10, [first["_id"]])
    assert ids(left) == ids([second, later])
    db.bookings.update_one({"_id": second["_id"]}, {"$set": {"tell.booking_cancelled": NOW}})
    store_due.clear_pending_notifications(db, [first, second])
    store_due.clear_pending_notifications(db, [])
    assert not {"tell", "tellAt"} & stored(db, first).keys()
    assert ids(store_due.find_with_pending_notifications(db, 10)) == ids([second, later])


def test_open_refunds_and_unknown_payments_are_counted_up_to_a_limit(db):
    assert store_payment_health.find_oldest_refund_time(db) is None
    add(db, payment={"state": "succeeded"})
    for age in (1, 3, 2):
        add(db, refundDueAt=NOW - age * SECOND, payment={"state": "unknown"})
    for count in (
        store_payment_health.count_open_refunds,
        store_payment_health.count_unknown_payments,
    ):
        assert (count(db, 10), count(db, 2)) == (3, 2)
    assert store_payment_health.find_oldest_refund_time(db) == NOW - 3 * SECOND


def test_unshown_bookings_are_active_and_have_a_holder_and_a_date_to_come(db):
    to_come = {"date": NOW}
    for others in (
        {"active": False},
        {"holderIsShown": True},
        {"userId": None},
        {"date": NOW - SECOND},
    ):
        add(db, **{**to_come, **others})
    first, second = add(db, **to_come), add(db, **to_come, userId=BEN)
    find = store_untold_holders.find_unshown
    assert find(db, NOW, None, 10) == [
        {"_id": booking["_id"], "userId": booking["userId"]} for booking in (first, second)
    ]
    assert ids(find(db, NOW, None, 1)) == ids([first])
    assert ids(find(db, NOW, first["_id"], 10)) == ids([second])


def test_holders_to_be_told_are_recorded_once_and_found_the_longest_due_first(db):
    zoe = ObjectId()
    store_untold_holders.record(db, [ANN, BEN], NOW)
    store_untold_holders.record(db, [BEN, zoe], NOW - SECOND)
    find = store_untold_holders.find_due
    assert find(db, NOW, 1, []) == [zoe]
    store_untold_holders.postpone(db, ANN, NOW + SECOND)
    store_untold_holders.postpone(db, ObjectId(), NOW)
    assert find(db, NOW, 10, []) == [zoe, BEN]
    assert find(db, NOW, 10, [zoe]) == [BEN]
    store_untold_holders.remove(db, BEN)
    assert find(db, NOW + SECOND, 10, []) == [zoe, ANN]


def test_the_holder_of_bookings_is_shown_at_all_of_them(db):
    bens, mine = add(db, userId=BEN), [add(db), add(db, active=False)]
    store_untold_holders.show_holder(db, ANN)
    assert [stored(db, each)["holderIsShown"] for each in mine] == [True, True]
    assert stored(db, bens) == bens


# Updates.


@pytest.mark.parametrize(
    "change",
    [
        {"status": "held"},
        {"quantity": 1},
        {"copiedMoves": 1},
        {"payment": {"revision": 1}},
        {"restock": "due"},
    ],
)
def test_a_booking_that_has_changed_since_it_was_read_is_not_updated(db, change):
    booking = add(db)
    add(db)
    guard = store.build_unchanged_guard(booking)
    db.bookings.update_one({"_id": booking["_id"]}, {"$set": change})
    cancelled = {"status": "cancelled"}, [{"kind": "cancelled"}]
    assert store.update_booking(db, booking["_id"], guard, *cancelled) is None
    assert store.update_bookings(db, [(booking, *cancelled)]) == 0
    assert store.update_bookings(db, []) == 0
    assert stored(db, booking) == {**booking, **change}
    db.bookings.update_one({"_id": booking["_id"]}, {"$set": {**booking, "restock": "done"}})
    db.bookings.update_one({"_id": booking["_id"]}, {"$unset": {"payment": ""}})
    assert store.update_booking(db, booking["_id"], guard, *cancelled)["status"] == "cancelled"


def test_one_update_sets_and_removes_fields_and_adds_an_entry_and_a_cancellation(db):
    booking = add(db, attendees={"1-1": {}}, entries=[{"kind": "confirmed"}])
    cancellation = {"places": ["1-1"]}
    after = store.update_booking(
        db,
        booking["_id"],
        {},
        {"quantity": 1},
        [{"kind": "part_cancelled"}],
        removed=["attendees"],
        cancellation=cancellation,
    )
    del booking["attendees"]
    assert after == {
        **booking,
        "quantity": 1,
        "ledgerDue": True,
        "entries": [{"kind": "confirmed"}, {"kind": "part_cancelled"}],
        "cancellations": [cancellation],
    }
    assert stored(db, booking) == after
    db.bookings.update_one({"_id": booking["_id"]}, {"$set": {"attendees": {}}})
    changed = store.update_booking(
        db, booking["_id"], {}, {"updatedAt": NOW + SECOND}, removed=["attendees"]
    )
    assert changed == {**after, "updatedAt": NOW + SECOND}


@pytest.mark.parametrize(
    "change",
    [
        {"userId": BEN},
        {"status": "cancelled"},
        {"checkIns": {"1-1": {}}},
        {"cancellations": [{"places": ["1-2", "1-1"]}]},
    ],
)
def test_an_attendee_is_stored_for_a_ticket_that_is_as_it_was_read(db, change):
    booking = add(db, checkIns={"1-2": {}}, cancellations=[{"places": ["1-3"]}])
    add(db)
    attendee = {"name": "Zoe"}
    db.bookings.update_one({"_id": booking["_id"]}, {"$set": change})
    assert store.set_attendee(db, booking, "1-1", attendee) is False
    assert stored(db, booking) == {**booking, **change}
    db.bookings.update_one({"_id": booking["_id"]}, {"$set": booking})
    assert store.set_attendee(db, booking, "1-1", attendee) is True
    assert store.set_attendee(db, booking, "1-1", attendee) is True  # the same once more
    assert stored(db, booking) == {**booking, "attendees": {"1-1": attendee}}


@pytest.mark.parametrize("change", [{"active": False}, {"scheduleId": 2}, {"copiedMoves": 3}])
def test_only_an_older_copy_of_the_same_schedule_entry_is_replaced(db, change):
    booking, other = add(db, scheduleId=1, copiedMoves=2), add(db, scheduleId=1)
    copy = {"scheduleId": 1, "copiedMoves": 3, "location": "Hall"}
    db.bookings.update_one({"_id": booking["_id"]}, {"$set": change})
    assert store_copies.replace_copies(db, [(booking, copy)]) == 0
    db.bookings.update_one({"_id": booking["_id"]}, {"$set": booking})
    assert store_copies.replace_copies(db, [(booking, copy)]) == 1
    assert store_copies.replace_copies(db, []) == 0
    assert (stored(db, booking), stored(db, other)) == ({**booking, **copy}, other)


def test_a_link_is_replaced_by_its_holder_alone(db):
    other, booking = add(db), add(db)
    assert store_links.replace_link(db, booking["_id"], BEN) is None
    assert store_links.replace_link(db, booking["_id"], ANN)["linkVersion"] == 1
    assert store_links.replace_link(db, booking["_id"], ANN)["linkVersion"] == 2
    assert stored(db, other) == other


def test_a_move_is_recorded_as_applied_for_its_bookings_and_its_key_alone(db):
    fields = store_moves.build_pending_move_fields("give-x", {1: {"soldTickets": -2}}, "cancelled")
    move = {"key": "give-x", "changes": [[1, {"soldTickets": -2}]], "reason": "cancelled"}
    assert fields == {"restock": "due", "due": move}
    with_code = store_moves.build_pending_move_fields("give-x", {}, "cancelled", "spring")
    assert with_code["due"]["code"] == "spring"
    moved, other, done = add(db, **fields), add(db, **fields), add(db, **fields, slot="x")
    db.bookings.update_one({"_id": done["_id"]}, {"$set": {"restock": "done"}})
    two = ids([moved, done])
    assert ids(store_moves.find_bookings_with_pending_moves(db, two)) == ids([moved])
    assert store_moves.find_pending_move_keys(db, ids([done])) == set()
    store_moves.record_moves_applied(db, two, ["give-y"])
    assert stored(db, moved) == moved
    store_moves.record_moves_applied(db, two, ["give-x"])
    assert stored(db, moved) == {**moved, "restock": "done"}
    assert stored(db, other) == other


PAYMENT = {"payment": {"state": "pending", "revision": 1}}


@pytest.mark.parametrize("change", [{"payment.revision": 2}, {"status": "expired"}])
def test_a_payment_is_written_with_what_follows_from_it(db, change):
    booking, other = add(db, **PAYMENT, reconcileAt=NOW), add(db, **PAYMENT)
    fields = {"payment": {"state": "succeeded", "revision": 2}}

    def write(**more):
        return store_payments.update_payment(
            db, booking, fields, [{"kind": "paid"}], removed=["reconcileAt"], **more
        )

    db.bookings.update_one({"_id": booking["_id"]}, {"$set": change})
    assert write() is None
    db.bookings.update_one({"_id": booking["_id"]}, {"$set": booking})
    assert write(where={"userId": BEN}) is None
    assert stored(db, booking) == booking
    after = write(where={"userId": ANN})
    del booking["reconcileAt"]
    assert after == {**booking, **fields, "entries": [{"kind": "paid"}], "ledgerDue": True}
    assert (stored(db, booking), stored(db, other)) == (after, other)


@pytest.mark.parametrize(
    "change", [{"restock": "due"}, {"userId": BEN}, {"payment.revision": 2}, {"status": "x"}]
)
def test_an_expired_booking_becomes_active_again_if_it_is_as_it_was_read(db, change):
    booking = add(db, **PAYMENT, status="expired", active=False, slot="direct")
    paid = {"active": True, "status": "confirmed"}, [{"kind": "confirmed"}]
    db.bookings.update_one({"_id": booking["_id"]}, {"$set": change})
    assert store_payments.reactivate(db, booking, *paid) is None
    db.bookings.update_one({"_id": booking["_id"]}, {"$set": {**booking, "restock": "done"}})
    other = add(db, slot="direct")
    assert store_payments.reactivate(db, booking, *paid) is None
    db.bookings.delete_one({"_id": other["_id"]})
    assert store_payments.reactivate(db, booking, *paid)["active"] is True


def test_what_is_due_of_a_payment_is_set_as_long_as_it_is_as_it_was_read(db):
    other, booking = (add(db, **PAYMENT, refundDueAt=NOW, reconcileAt=NOW) for _ in range(2))
    changed = {**booking, "payment": {"revision": 0}}
    store_payments.clear_refund_due(db, changed)
    store_payments.set_reconcile_time(db, changed, None)
    store_payments.set_reconcile_time(db, changed, NOW + SECOND)
    assert stored(db, booking) == booking
    store_payments.set_reconcile_time(db, booking, NOW + SECOND)
    assert stored(db, booking) == {**booking, "reconcileAt": NOW + SECOND}
    store_payments.set_reconcile_time(db, booking, None)
    store_payments.clear_refund_due(db, booking)
    assert not {"refundDueAt", "reconcileAt"} & stored(db, booking).keys()
    assert stored(db, other) == other


def test_the_organizer_of_bookings_is_replaced_at_the_given_events(db):
    others = [add(db, organizerId=ANN, eventId=9), add(db, organizerId=ObjectId())]
    booking = add(db, organizerId=ANN)
    later = NOW + SECOND
    store.set_organizer(db, [1, 2], old_id=ANN, new_id=BEN, now=later)
    assert stored(db, booking) == {**booking, "organizerId": BEN, "updatedAt": later}
    assert [stored(db, each) for each in others] == others


def test_the_bookings_of_a_deleted_user_keep_no_personal_data(db):
    other = add(db, userId=BEN, attendees={"1-1": {}})
    booking = add(db, idempotency={"key": "k"}, attendees={"1-1": {}}, holderIsShown=True)
    assert ids(store.find_bookings_of_user(db, ANN)) == ids([booking])
    store.forget_user(db, ANN)
    for field in ("idempotency", "attendees", "holderIsShown"):
        del booking[field]
    gone = {"userId": None, "slot": f"gone-{booking['_id']}"}
    assert (stored(db, booking), stored(db, other)) == ({**booking, **gone}, other)
