"""Build the entries that a change of a booking adds to it.

Every write of a booking that changes its tickets or its money pushes its entries in the same
update. So there is an entry if and only if there is the change. A booking that was stored before
there were entries gets an opening entry when it is migrated, or with its first change.
"""

from datetime import datetime

from eventapp.bookings import rules
from eventapp.bookings.ledger.types import EntryKind, LedgerEntry
from eventapp.bookings.types import ChangeReason, ItemTotals, StoredBooking
from eventapp.payments.types import Refund, StoredAttempt

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
    booking: StoredBooking, attempt: StoredAttempt | None, at: datetime
) -> list[LedgerEntry]:
    """Return the entries that confirm a hold.

    Args:
        booking: the hold as it was read.
        attempt: the attempt that has paid for it; None for a free one.
    """
    entry = _build_sale_entry("confirmed", booking, at)
    entry["held"] = -booking["quantity"]
    if attempt:
        entry["paid"] = attempt["cents"]
        _name_provider(entry, attempt["provider"], attempt.get("providerId"))
    return [*_build_opening(booking), entry]


def build_retake_entries(booking: StoredBooking, at: datetime) -> list[LedgerEntry]:
    """Return the entries that confirm an expired booking, whose money came late.

    The money has an entry of its own (`build_charge_entries`).
    """
    return [*_build_opening(booking), _build_sale_entry("retaken", booking, at)]


def build_kept_entries(booking: StoredBooking, kept: ItemTotals, at: datetime) -> list[LedgerEntry]:
    """Return the entries that give back some of the held tickets of an offer.

    Args:
        kept: the tickets that the offer has left.
    """
    entry = _build_entry("part_declined", at, held=kept["quantity"] - booking["quantity"])
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


def build_charge_entries(
    booking: StoredBooking, attempt: StoredAttempt, at: datetime
) -> list[LedgerEntry]:
    """Return the entries of money that came and confirmed nothing when it came.

    Args:
        booking: the booking as it was read.
    """
    charged = _build_entry("charged", at, paid=attempt["cents"])
    _name_provider(charged, attempt["provider"], attempt.get("providerId"))
    return [*_build_opening(booking), charged]


def build_refund_entries(
    booking: StoredBooking, refund: Refund, provider: str, at: datetime
) -> list[LedgerEntry]:
    """Return the entries of a refund that was paid.

    Args:
        booking: the booking as it was read.
        provider: the name of the provider that paid it.
    """
    cents = rules.to_cents(refund["amount"])
    refunded = _build_entry("refunded", at, paid=-cents)
    _name_provider(refunded, provider, refund.get("refundId"))
    return [*_build_opening(booking), refunded]


def build_returned_refund_entries(
    booking: StoredBooking, refund: Refund, provider: str, at: datetime
) -> list[LedgerEntry]:
    """Return the entries of a refund that the provider had accepted and could not pay."""
    cents = rules.to_cents(refund["amount"])
    returned = _build_entry("refund_returned", at, paid=cents)
    _name_provider(returned, provider, None)
    return [*_build_opening(booking), returned]


def build_fee_entries(
    booking: StoredBooking, attempt: StoredAttempt, at: datetime
) -> list[LedgerEntry]:
    """Return the entries of the fee of an attempt; none if it has no fee, or none is known."""
    cents = attempt.get("feeCents", 0)
    if not cents:
        return []
    fee = _build_entry("fee", at)
    _name_provider(fee, attempt["provider"], attempt.get("providerId"))
    fee["fee"] = cents
    return [*_build_opening(booking), fee]


def build_check_in_entry(place: str, at: datetime) -> LedgerEntry:
    """Return the entry of the check-in of the ticket at this place of a booking."""
    checked_in = _build_entry("checked_in", at)
    checked_in["place"] = place
    return checked_in


def build_opening_entry(booking: StoredBooking) -> LedgerEntry:
    """Return the entry of a booking that was stored before there were entries."""
    return _build_state_entry(booking, "opening")


def _build_opening(booking: StoredBooking) -> list[LedgerEntry]:
    """Return the opening entry of a booking that has no entries; else nothing."""
    return [] if booking.get("entries") else [build_opening_entry(booking)]


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
        entry = _build_sale_entry(kind, booking, at)
        entry["paid"] = booking["totalCents"]
    else:
        refund = booking["refund"]
        unpaid = rules.to_cents(refund["amount"]) if refund and "refundId" not in refund else 0
        entry = _build_entry(kind, at, paid=unpaid)
    if entry["paid"] and "payment" in booking:
        attempt = booking["payment"]["attempts"][-1]
        _name_provider(entry, attempt["provider"], attempt.get("providerId"))
    return entry


def _build_sale_entry(kind: EntryKind, booking: StoredBooking, at: datetime) -> LedgerEntry:
    """Return the entry that confirms a booking, without its money."""
    return _build_entry(
        kind,
        at,
        bookings=1,
        sold=booking["quantity"],
        cents=booking["totalCents"],
        discount=booking.get("discountCents", 0),
    )


def _name_provider(entry: LedgerEntry, provider: str, provider_id: str | None) -> None:
    """Record with an entry where its money came from or went to.

    Args:
        provider_id: the provider's id of the payment or refund; None if it is not known.
    """
    entry["provider"] = provider
    if provider_id:
        entry["providerId"] = provider_id


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
