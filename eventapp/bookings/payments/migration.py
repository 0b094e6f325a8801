"""Give the bookings of older schema versions the payments of version 4.

Until version 3, a booking had its last attempt alone, and a booking that was confirmed without a
hold had none. What was paid without an attempt counts as paid to the provider `legacy`, whose
refunds move no money. Each booking is written only while it has no payment of version 4, so a
process may be interrupted at any time, and several may run at once.
"""

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import cast

from eventapp.bookings import rules, store_migration
from eventapp.bookings.ledger.entries import build_opening_entry
from eventapp.bookings.types import OldPayment, StoredBooking
from eventapp.core.database import Db, Query
from eventapp.due_work.service import DueRun
from eventapp.payments import states
from eventapp.payments.types import StoredAttempt

BATCH_SIZE = 500


def migrate_payments(db: Db, now: datetime) -> bool:
    """Migrate the payments of older versions, and return whether none is left.

    A booking that cannot be migrated is recorded as failed work, and delays no other. It is tried
    again at the next start.
    """
    run = DueRun(db, "payment migration", now)
    return run.finish_all(partial(_try_each_booking, db, run, now))


def _try_each_booking(db: Db, run: DueRun, now: datetime) -> int:
    """Try once to migrate each booking that has not failed; return their number."""
    found, last_id = 0, None
    while batch := store_migration.find_old_payments(db, last_id, BATCH_SIZE, run.waiting):
        found, last_id = found + len(batch), batch[-1]["_id"]
        run.process(
            batch,
            get_key=lambda booking: booking["_id"],
            handle=lambda booking: _migrate(db, [booking], now),
            handle_together=lambda bookings: _migrate(db, bookings, now),
        )
    return found


def _migrate(db: Db, bookings: Sequence[StoredBooking], now: datetime) -> int:
    changes = [(booking, *build_payment_fields(booking, now)) for booking in bookings]
    return store_migration.write_payments(db, changes)


def build_payment_fields(booking: StoredBooking, now: datetime) -> tuple[Query, Query | None]:
    """Return the fields that version 4 adds to a booking, and its first entry if it has none."""
    old = cast(OldPayment | None, booking.get("payment"))
    attempt = _convert(booking, old) if old else _build_legacy_attempt(booking)
    payment = states.add_attempt(None, attempt)
    fields: Query = {"payment": states.update_state(payment, rules.list_refunds(booking))}
    if booking["status"] == rules.HELD:
        fields["reconcileAt"] = booking["expiresAt"]
    elif states.is_payable(attempt):
        fields["reconcileAt"] = now
    refund = booking["refund"]
    if refund and "refundId" not in refund and "refundDueAt" not in booking:
        fields["refundDueAt"] = now
    is_sold = booking["status"] == rules.CONFIRMED
    if not is_sold or booking.get("entries"):
        return fields, None
    migrated = cast(StoredBooking, {**booking, "payment": payment})
    return fields, cast(Query, build_opening_entry(migrated))


def _convert(booking: StoredBooking, old: OldPayment) -> StoredAttempt:
    """Return the attempt that an older version has recorded.

    It counts as unknown unless it has succeeded: a parallel charge of a refused one may have
    succeeded. The provider cancels it before another one begins. A forbidden one may have been
    paid back already, so its money must not pay for the booking.
    """
    begun_at = old.get("begunAt", booking["createdAt"])
    attempt: StoredAttempt = {
        "attemptId": old.get("attemptId", booking["_id"]),
        "provider": old["provider"],
        "cents": old.get("cents", booking["totalCents"]),
        "state": "unknown",
        "begunAt": begun_at,
    }
    refund = booking["refund"]
    if "id" in old or (refund and not booking["active"]):
        attempt["state"] = "succeeded"
        attempt["succeededAt"] = old.get("paidAt", begun_at)
        attempt["feeCents"] = 0
        if "id" in old:
            attempt["providerId"] = old["id"]
    elif "forbiddenAt" in old:
        attempt["givenUpAt"] = old["forbiddenAt"]
    return attempt


def _build_legacy_attempt(booking: StoredBooking) -> StoredAttempt:
    """Return the attempt that stands for what was paid when payments were not recorded."""
    refunds = sum(rules.to_cents(each["amount"]) for each in rules.list_refunds(booking))
    left = booking["totalCents"] if booking["active"] else 0
    paid_at = booking["createdAt"]
    return {
        "attemptId": booking["_id"],
        "provider": states.LEGACY,
        "cents": left + refunds,
        "state": "succeeded",
        "begunAt": paid_at,
        "succeededAt": paid_at,
        "feeCents": 0,
    }
