"""The collection `bookings`: what its unique indexes refuse, and its guarded updates."""

import pytest
from bson import ObjectId

from eventapp.bookings import store, store_audits, store_moves
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


@pytest.mark.parametrize("active", [True, False])
def test_a_refund_is_stored_once_and_only_for_an_ended_booking(db, active):
    booking = row(active=active, refund=None)
    store.insert_bookings(db, [booking])
    for refund_id in ("r", "r2"):
        paid = (booking, {"amount": 1, "refundId": refund_id}, [{"kind": "refunded"}])
        store_moves.record_refunds_paid(db, [paid])
    store_moves.record_refunds_paid(db, [])
    stored = store.find_booking(db, booking["_id"])
    assert stored["refund"] == (None if active else {"amount": 1, "refundId": "r"})
    assert len(stored["entries"]) == (0 if active else 1)


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
