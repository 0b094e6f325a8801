"""The collection `bookings`: what its unique indexes refuse, and its guarded updates."""

import pytest
from bson import ObjectId

from eventapp.bookings import store, store_audits, store_moves, store_payments
from eventapp.core.clock import utc_now


def row(**changes):
    id_ = ObjectId()
    return {
        "_id": id_,
        "bookingReference": f"EVT-{id_}",
        "userId": ObjectId(),
        "eventId": 1,
        "slot": "direct",
        "active": True,
        "status": "confirmed",
        "createdAt": utc_now(),
        "updatedAt": utc_now(),
        "entries": [],
        "ledgerDue": True,
        **changes,
    }


def test_a_user_has_one_active_booking_in_a_slot(db):
    first = row()
    who = {"userId": first["userId"]}
    rows = [first, row(**who), row(**who, slot="offer-1"), row(**who, eventId=2), row()]
    assert store.insert_bookings(db, rows) == [True, False, True, True, True]
    over = {"active": False, "status": "cancelled"}
    assert store.insert_bookings(db, [row(**who, **over), row(**who, **over)]) == [True, True]


def test_references_and_idempotency_keys_are_unique(db):
    first = row(idempotency={"key": "k"})
    taken = row(bookingReference=first["bookingReference"])
    same = row(userId=first["userId"], eventId=2, idempotency={"key": "k"})
    other = row(idempotency={"key": "k"})
    assert store.insert_bookings(db, [first, taken, same, other]) == [True, False, False, True]
    assert store.find_by_idempotency_key(db, first["userId"], "k")["_id"] == first["_id"]


def test_no_booking_is_stored_under_the_id_of_a_tombstone(db):
    late, there = row(), row()
    assert store.insert_tombstone(db, late["_id"]) is True
    assert store.insert_tombstone(db, late["_id"]) is True
    assert store.insert_bookings(db, [late, there]) == [False, True]
    assert store.has_tombstone(db, late["_id"])
    assert store.find_booking(db, late["_id"]) is None
    assert store.insert_tombstone(db, there["_id"]) is False
    assert store.find_existing_ids(db, [late["_id"], there["_id"]]) == {there["_id"]}
    assert store.find_existing_ids(db, []) == set()


def test_only_one_of_several_transitions_succeeds(db):
    booking = row()
    store.insert_bookings(db, [booking])
    change = ({"status": "confirmed"}, {"status": "cancelled"}, [{"kind": "cancelled"}])
    assert store.update_booking(db, booking["_id"], *change)["status"] == "cancelled"
    assert store.update_booking(db, booking["_id"], *change) is None
    assert store.find_booking(db, booking["_id"])["entries"] == [{"kind": "cancelled"}]


def test_no_transition_succeeds_while_a_move_is_pending(db):
    booking = row(restock="due", due={"key": "confirm-x", "changes": []})
    store.insert_bookings(db, [booking])
    change = ({}, {"status": "cancelled"}, [{"kind": "cancelled"}])
    assert store.update_booking(db, booking["_id"], *change) is None
    store_moves.record_moves_applied(db, [booking["_id"]], ["give-x"])
    assert store_moves.find_pending_move_keys(db, [booking["_id"]]) == {"confirm-x"}
    store_moves.record_moves_applied(db, [booking["_id"]], ["confirm-x"])
    assert store_moves.find_pending_move_keys(db, [booking["_id"]]) == set()
    assert store.update_booking(db, booking["_id"], *change) is not None


@pytest.mark.parametrize(
    ("change", "is_written"),
    [
        ({}, True),
        ({"$set": {"payment.revision": 2}}, False),
        ({"$set": {"status": "cancelled"}}, False),
        ({"$set": {"restock": "due"}}, True),
    ],
)
def test_a_payment_is_written_only_as_it_was_read(db, change, is_written):
    booking = row(status="confirmed", payment={"state": "succeeded", "revision": 1, "attempts": []})
    store.insert_bookings(db, [booking])
    if change:
        db.bookings.update_one({}, change)
    written = store_payments.update_payment(
        db, booking, {"payment": {**booking["payment"], "revision": 9}}, [{"kind": "refunded"}]
    )
    assert (written is not None) is is_written
    stored = store.find_booking(db, booking["_id"])
    assert (stored["payment"]["revision"] == 9) is is_written
    assert len(stored.get("entries", [])) == is_written


@pytest.mark.parametrize(("revision", "is_cleared"), [(1, True), (2, False)])
def test_a_refund_stays_due_if_the_payment_has_changed(db, revision, is_cleared):
    payment = {"state": "refunding", "revision": 1, "attempts": []}
    booking = row(status="confirmed", payment=payment, refundDueAt=utc_now())
    store.insert_bookings(db, [booking])
    db.bookings.update_one({}, {"$set": {"payment.revision": revision}})
    store_payments.clear_refund_due(db, booking)
    assert ("refundDueAt" not in store.find_booking(db, booking["_id"])) is is_cleared


def test_bookings_are_changed_together_only_where_no_ticket_was_cancelled(db):
    booking = row(status="confirmed", quantity=3)
    store.insert_bookings(db, [booking])
    change = ({"status": "cancelled"}, [{"kind": "cancelled"}])
    db.bookings.update_one({}, {"$set": {"quantity": 2}})
    assert store.update_bookings(db, [(booking, *change)]) == 0
    assert store.update_bookings(db, [({**booking, "quantity": 2}, *change)]) == 1


def test_bookings_of_a_deleted_user_stay_without_the_user(db):
    one, other = row(idempotency={"key": "k"}), row(idempotency={"key": "k"})
    store.insert_bookings(db, [one, other])
    for booking in (one, other):
        store.forget_user(db, booking["userId"])
    kept = list(db.bookings.find())
    assert [booking["userId"] for booking in kept] == [None, None]
    assert not any("idempotency" in booking for booking in kept)


def test_bookings_are_summed_by_type_status_and_pending_move(db):
    items = [{"ticketTypeId": 1, "quantity": 2}, {"ticketTypeId": 2, "quantity": 1}]
    move = {"key": "give-1", "changes": [[1, {"soldTickets": -2}]], "reason": "cancelled"}
    rows = [
        row(items=items),
        row(items=items),
        row(items=items, status="held", restock="done", due=move),
        row(items=items, active=False, status="cancelled"),
        row(items=items[:1], active=False, status="cancelled", restock="due", due=move),
        row(items=items),
    ]
    store.insert_bookings(db, rows)
    sums = store_audits.sum_tickets(db, [1, 2], [rows[-1]["_id"]])
    assert sorted((r["event"], r["type"], r["status"], r["quantity"], r["move"]) for r in sums) == [
        (1, 1, "cancelled", 2, move),
        (1, 1, "confirmed", 4, None),
        (1, 1, "held", 2, None),
        (1, 2, "confirmed", 2, None),
        (1, 2, "held", 1, None),
    ]
