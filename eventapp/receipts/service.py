"""Issue the receipt of a booking at the first request for it, and show it.

The items, the sums and the number of a receipt are stored once and never change. Refunds are read
from the booking each time. The holder's name is stored by a second write, after the insert. Its
guard is that the holder was not removed from the receipt, so no name is stored after an erasure.
"""

from collections.abc import Hashable, Sequence
from datetime import datetime

from bson import ObjectId

from eventapp.accounts import service as accounts
from eventapp.bookings import service as bookings
from eventapp.bookings.context import BookingContext, current_booking_context
from eventapp.bookings.types import BookingItem, StoredBooking
from eventapp.core.access.actor import Actor
from eventapp.core.app_key import AppKey
from eventapp.core.batching import Batcher
from eventapp.core.clock import get_local_date
from eventapp.core.database import Db
from eventapp.core.failpoints import failpoint
from eventapp.core.json import JsonObject
from eventapp.core.translations import Translator
from eventapp.events import service as events
from eventapp.receipts import rules, store
from eventapp.receipts.errors import NoReceipt
from eventapp.receipts.types import (
    NewReceipt,
    PrintedReceipt,
    ReceiptItem,
    RefundFact,
    StoredReceipt,
)

# For the routes of receipts, which may not import other features.
__all__ = ["current_booking_context"]


class ReceiptIssuer:
    """Issues the receipts that the requests of this process ask for, in batches.

    Requests for receipts of the same organizer would choose the same number. In a batch, they are
    numbered together and stored by one insert.
    """

    def __init__(self, db: Db) -> None:
        """Create an issuer; one is enough for a process."""
        self._db = db
        self._batcher: Batcher[NewReceipt, StoredReceipt] = Batcher(self._issue_batch)

    def issue(self, receipt: NewReceipt) -> StoredReceipt:
        """Store a receipt, unless its booking has one, and return the stored one."""
        return self._batcher.submit((receipt["organizerId"], receipt["year"]), receipt)

    def _issue_batch(
        self, _key: Hashable, receipts: Sequence[NewReceipt]
    ) -> Sequence[StoredReceipt]:
        store.append_receipts(self._db, receipts)
        failpoint("receipt")
        stored = store.find_receipts(self._db, [receipt["_id"] for receipt in receipts])
        return [stored[receipt["_id"]] for receipt in receipts]


RECEIPT_ISSUER: AppKey[ReceiptIssuer] = AppKey("receipt_issuer")


def print_receipt(
    context: BookingContext,
    issuer: ReceiptIssuer,
    booking_id: ObjectId,
    actor: Actor,
    now: datetime,
    translator: Translator,
) -> PrintedReceipt:
    """Return the texts of the receipt of a booking. The first call issues the receipt.

    The organizer of the event sees it without the holder's name. The language is that of the
    reader: what was sold to whom is the same in all of them.

    Raises:
        BookingNotFound: there is no such booking, or the caller may not see it.
        NoReceipt: the booking was never paid.
    """
    booking = bookings.find_visible_booking(context, booking_id, actor)
    receipt = store.find_receipt(context.db, booking_id)
    if receipt is None:
        receipt = issuer.issue(_build_receipt(context, booking, now))
    if "buyer" not in receipt:
        receipt = _add_buyer(context.db, receipt)
    return rules.compose_receipt(
        receipt,
        _list_refunds(booking),
        context.default_zone,
        translator,
        shows_buyer=bookings.is_holder_or_admin(booking, actor),
    )


def has_receipt(booking: StoredBooking) -> bool:
    """Return whether a booking was paid, so that it has a receipt."""
    items = [_build_item(item) for item in bookings.list_issued_items(booking)]
    _subtotal, _discount, total = rules.sum_items(items)
    return bool(total) and rules.was_confirmed(booking)


def _build_receipt(context: BookingContext, booking: StoredBooking, now: datetime) -> NewReceipt:
    """Return the receipt of a booking, without its number.

    Raises:
        NoReceipt: the booking was never paid.
    """
    items = [_build_item(item) for item in bookings.list_issued_items(booking)]
    subtotal, discount, total = rules.sum_items(items)
    if not has_receipt(booking):
        raise NoReceipt
    organizer_id, seller = _find_seller(context.db, booking)
    shown = bookings.follow_event(context.db, booking)
    return {
        "_id": booking["_id"],
        "organizerId": organizer_id,
        "year": get_local_date(now, context.default_zone).year,
        "issuedAt": now,
        "seller": seller,
        "userId": booking["userId"],
        "bookingReference": booking["bookingReference"],
        "eventId": booking["eventId"],
        "eventTitle": booking["eventTitle"],
        "entry": {
            "date": shown["date"],
            "startsAt": shown.get("startsAt"),
            "timezone": shown.get("timezone"),
            "location": shown["location"],
        },
        "items": items,
        "subtotalCents": subtotal,
        "discountCents": discount,
        "totalCents": total,
        "currency": booking["currency"],
        "payment": rules.find_payment(booking),
    }


def _build_item(item: BookingItem) -> ReceiptItem:
    unit, discount = map(bookings.to_cents, (item["unitPrice"], item.get("discount", 0)))
    subtotal = unit * item["quantity"]
    return {
        "type": item["type"],
        "quantity": item["quantity"],
        "unitCents": unit,
        "subtotalCents": subtotal,
        "discountCents": discount,
        "totalCents": subtotal - discount,
    }


def _find_seller(db: Db, booking: StoredBooking) -> tuple[ObjectId | None, str | None]:
    """Return the organizer of a booked event, and the name that the event shows; None if gone."""
    try:
        event = events.get_event(db, booking["eventId"])
    except events.EventNotFound:
        return booking["organizerId"], None
    return event["organizerId"], event["organizer"]


def _add_buyer(db: Db, receipt: StoredReceipt) -> StoredReceipt:
    """Store the holder's name in a receipt, and return the receipt as it is stored then."""
    user_id = receipt["userId"]
    if user_id is None:
        return receipt
    holder = accounts.find_recipients(db, [user_id]).get(user_id)
    store.set_buyer(db, receipt["_id"], user_id, holder.name if holder else None)
    return store.find_receipt(db, receipt["_id"]) or receipt


def _list_refunds(booking: StoredBooking) -> list[RefundFact]:
    return [
        RefundFact(
            decided_at=refund["refundedAt"],
            # A booking that has ended as a whole gives back all tickets that were left.
            tickets=len(refund.get("ticketIds", ())) or booking["quantity"],
            cents=bookings.to_cents(refund["amount"]),
            is_paid="refundId" in refund,
        )
        for refund in bookings.list_refunds(booking)
        if rules.is_for_tickets(refund["reason"])
    ]


def forget_user(db: Db, user_id: ObjectId) -> None:
    """Remove a deleted user from their receipts, which keep their numbers and sums."""
    store.forget_user(db, user_id)


def export_user(db: Db, user_id: ObjectId) -> JsonObject:
    """Return the receipts of a user's bookings."""
    receipts = store.find_receipts_of_user(db, user_id)
    return {
        "receipts": [
            {**receipt, "receiptNumber": rules.format_number(receipt)} for receipt in receipts
        ]
    }
