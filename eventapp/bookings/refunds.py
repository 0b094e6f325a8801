"""Giving back what was charged for a booking that has ended: once, and never what was not charged.

The refund of a confirmed booking is noted with its end, and paid after it. Of a hold whose payment
was begun nobody may know whether it was charged, for a process may have died over it: there the
provider says, and charges nothing from then on, before any refund is noted.
"""

from collections.abc import Iterable
from datetime import datetime

from bson import ObjectId

from eventapp.bookings import rules, store
from eventapp.bookings.context import BookingContext
from eventapp.core.database import Document


def pay_due(context: BookingContext, bookings: Iterable[Document], now: datetime) -> None:
    """Pay what is due for these bookings, and note it; safe to do again."""
    due = ((booking["_id"], _due(context, booking, now)) for booking in bookings)
    store.refunded(context.db, {id_: paid(context, id_, refund) for id_, refund in due if refund})


def paid(context: BookingContext, booking_id: ObjectId, refund: Document) -> Document:
    """The refund, paid now."""
    cents = rules.cents(refund["amount"])
    return {**refund, "refundId": context.payments.refund(booking_id, cents, refund["currency"])}


def _due(context: BookingContext, booking: Document, now: datetime) -> Document | None:
    """The refund of an ended booking that is still to be paid."""
    if refund := booking["refund"]:
        return None if "refundId" in refund else refund
    if booking["active"] or not rules.is_unsure(booking.get("payment")):
        return None
    cents = context.payments.void(booking["_id"])
    reason = booking["due"]["reason"]
    return rules.refund(cents, booking["currency"], reason, now) if cents else None
