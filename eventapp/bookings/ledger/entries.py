"""Build the entries that a change of a booking adds to it.

Every write of a booking that changes its tickets or its money pushes its entries in the same
update. So there is an entry if and only if there is the change. A booking that was stored before
there were entries gets an opening entry with its first change.
"""

from datetime import datetime

from eventapp.bookings import rules
from eventapp.bookings.ledger.types import EntryKind, LedgerEntry
from eventapp.bookings.types import ChangeReason, ItemTotals, Refund, StoredBooking

# The kind of the entry by the reason why a booking ended.
END_KINDS: dict[ChangeReason, EntryKind] = {
    "cancelled": "cancelled",
    "event_cancelled": "event_cancelled",
    "declined": "declined",
    "expired": "expired",
}


def add_first_entry(booking: StoredBooking) -> StoredBooking:
    """Return a copy of a new booking with its first entry, to be stored."""
    kind: EntryKind = "held" if booking["status"] == rules.HELD else "sold"
    return {**booking, "entries": [_build_state_entry(booking, kind)], "ledgerDue": True}


def build_confirmation_entries(
    booking: StoredBooking, kept: ItemTotals, at: datetime
) -> list[LedgerEntry]:
    """Return the entries that confirm a hold.

    Args:
        booking: the hold as it was read.
        kept: the tickets that were charged. The rest of an offer is returned.
    """
    entry = _build_entry(
        "confirmed",
        at,
        bookings=1,
        held=-booking["quantity"],
        sold=kept["quantity"],
        cents=kept["totalCents"],
        discount=kept["discountCents"],
        paid=kept["totalCents"],
    )
    return [*_build_opening(booking), entry]


def build_end_entries(
    booking: StoredBooking, reason: ChangeReason, at: datetime
) -> list[LedgerEntry]:
    """Return the entries that end an active booking.

    Args:
        booking: the booking as it was read.
    """
    if booking["status"] == rules.HELD:
        entry = _build_entry(END_KINDS[reason], at, held=-booking["quantity"])
    else:
        entry = _build_entry(
            END_KINDS[reason],
            at,
            bookings=-1,
            sold=-booking["quantity"],
            cents=-booking["totalCents"],
            discount=-_count_recorded_discount(booking),
        )
    return [*_build_opening(booking), entry]


def build_part_entries(booking: StoredBooking, left: ItemTotals, at: datetime) -> list[LedgerEntry]:
    """Return the entries that cancel some tickets of a confirmed booking.

    Args:
        booking: the booking as it was read.
        left: the tickets that are left.
    """
    entry = _build_entry(
        "part_cancelled",
        at,
        sold=left["quantity"] - booking["quantity"],
        cents=left["totalCents"] - booking["totalCents"],
        discount=left["discountCents"] - _count_recorded_discount(booking),
    )
    return [*_build_opening(booking), entry]


def build_charge_entries(booking: StoredBooking, refund: Refund, at: datetime) -> list[LedgerEntry]:
    """Return the entries of a charge that the booking does not count as paid.

    The hold had ended before the success of the charge was recorded.

    Args:
        booking: the booking as it was read.
        refund: the decision to pay the charge back, which is stored with the entries.
    """
    charged = _build_entry("charged", at, paid=rules.to_cents(refund["amount"]))
    return [*_build_opening(booking), charged]


def build_refund_entries(booking: StoredBooking, refund: Refund, at: datetime) -> list[LedgerEntry]:
    """Return the entries of a refund that was paid.

    Args:
        booking: the booking as it was read.
    """
    refunded = _build_entry("refunded", at, paid=-rules.to_cents(refund["amount"]))
    return [*_build_opening(booking), refunded]


def _build_opening(booking: StoredBooking) -> list[LedgerEntry]:
    """Return the opening entry of a booking that has no entries; else nothing."""
    return [] if booking.get("entries") else [_build_state_entry(booking, "opening")]


def _count_recorded_discount(booking: StoredBooking) -> int:
    """Return the discount in cents that the entries of a booking add up to.

    It is less than the booking's if an older version has stored entries without a discount.
    """
    entries = booking.get("entries") or _build_opening(booking)
    return sum(entry.get("discount", 0) for entry in entries)


def _build_state_entry(booking: StoredBooking, kind: EntryKind) -> LedgerEntry:
    """Return the entry that leads from nothing to the present state of a booking."""
    at, quantity = booking["createdAt"], booking["quantity"]
    if booking["status"] == rules.HELD:
        return _build_entry(kind, at, held=quantity)
    if booking["status"] == rules.CONFIRMED:
        return _build_entry(
            kind,
            at,
            bookings=1,
            sold=quantity,
            cents=booking["totalCents"],
            discount=booking.get("discountCents", 0),
            paid=rules.compute_charged_cents(booking),
        )
    refund = booking["refund"]
    unpaid = rules.to_cents(refund["amount"]) if refund and "refundId" not in refund else 0
    return _build_entry(kind, at, paid=unpaid)


def _build_entry(
    kind: EntryKind,
    at: datetime,
    *,
    bookings: int = 0,
    held: int = 0,
    sold: int = 0,
    cents: int = 0,
    discount: int = 0,
    paid: int = 0,
) -> LedgerEntry:
    return {
        "at": at,
        "kind": kind,
        "bookings": bookings,
        "held": held,
        "sold": sold,
        "cents": cents,
        "discount": discount,
        "paid": paid,
    }
