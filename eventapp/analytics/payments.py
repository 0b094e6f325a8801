"""List the payments of bookings for admins, and try again what fails.

A payment is that of a booking, and has its id. What fails is listed until it succeeds: a refund
that the provider refuses, or a question to the provider about an attempt (see `eventapp.due_work`).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from bson import ObjectId

from eventapp.analytics import store_payments
from eventapp.analytics.errors import PaymentNotFound
from eventapp.analytics.service import ListPage
from eventapp.analytics.types import PaidBooking, PaymentAttempt, PaymentRefund
from eventapp.bookings.context import current_booking_context
from eventapp.bookings.payments import reconciliation, refunds
from eventapp.bookings.service import from_cents, to_cents
from eventapp.core import paging
from eventapp.core.database import Db, Query
from eventapp.core.json import JsonObject
from eventapp.core.paging import PageRequest
from eventapp.due_work import service as due_work
from eventapp.due_work.types import FailedWork, ItemKey

# The kinds of due work that concern a payment, the first one first in a row.
FAILURE_KINDS = (refunds.REFUND_KIND, reconciliation.PAYMENT_KIND)


@dataclass(frozen=True)
class PaymentFilters:
    """Which payments are listed.

    Attributes:
        state: one of PAYMENT_STATES.
        provider: the name of the provider of one of the attempts.
        event_id: the event that was booked.
        since, until: when the booking was made, in UTC; `until` is exclusive.
    """

    state: str | None = None
    provider: str | None = None
    event_id: int | None = None
    since: datetime | None = None
    until: datetime | None = None

    def build_query(self) -> Query:
        """Return the filter of the store."""
        return store_payments.build_filter(
            state=self.state,
            provider=self.provider,
            event_id=self.event_id,
            since=self.since,
            until=self.until,
        )


def list_payments(db: Db, filters: PaymentFilters, request: PageRequest) -> ListPage:
    """Return a page of payments, those of the newest bookings first.

    Raises:
        ValidationFailed: the page begins after the last row that a page number can reach, or the
            list position is malformed.
    """
    where = filters.build_query()
    after: tuple[datetime, ObjectId] | None = None
    skip: int | None = 0
    if request.list_position is not None:
        counted, page = paging.parse_cursor_page(request.list_position)
        after = _parse_position(request.list_position)
    else:
        counted = store_payments.count_payments(db, where, up_to=paging.COUNT_LIMIT + 1)
        page = request.page
        skip = paging.find_page_offset(page=page, limit=request.limit, counted=counted)
    limit = request.limit
    found = []
    if skip is not None:
        found = store_payments.find_payments(db, where, after, skip, limit + 1)
    rows = _render_all(db, found[:limit])
    envelope = paging.make_page_envelope(page=page, limit=limit, counted=counted)
    next_position: JsonObject | None = None
    if len(found) > limit:
        next_position = {**_build_position(found[limit - 1]), "counted": counted, "page": page}
    return ListPage({"payments": rows, **envelope}, next_position)


def _build_position(booking: PaidBooking) -> JsonObject:
    return {
        "of": "payments",
        "value": int(booking["createdAt"].timestamp() * 1000),
        "id": str(booking["_id"]),
    }


def _parse_position(position: JsonObject) -> tuple[datetime, ObjectId]:
    if position.get("of") != "payments":
        raise paging.InvalidCursor
    created_at = paging.parse_cursor_time(paging.parse_cursor_int(position.get("value")))
    return created_at, paging.parse_cursor_object_id(position.get("id"))


def get_payment(db: Db, booking_id: ObjectId) -> JsonObject:
    """Return the payment of a booking, as a row of the list.

    Raises:
        PaymentNotFound: there is no such booking, or it has no payment.
    """
    booking = store_payments.find_payment(db, booking_id)
    if booking is None:
        raise PaymentNotFound
    (row,) = _render_all(db, [booking])
    return row


def retry_payment(booking_id: ObjectId, now: datetime) -> JsonObject:
    """Try to pay the refunds of a booking now, and return its payment as it is then.

    It does not fail if the provider does: the row says what failed, and the worker goes on trying.
    It may be called at any time, as often as one likes, because a provider pays each refund once.

    Raises:
        PaymentNotFound: there is no such booking, or it has no payment.
    """
    context = current_booking_context()
    get_payment(context.db, booking_id)
    refunds.pay_in_request(context, booking_id, now)
    reconciliation.reconcile_in_request(context, booking_id, now)
    _forget_failures(context.db, booking_id, now)
    return get_payment(context.db, booking_id)


def _forget_failures(db: Db, booking_id: ObjectId, since: datetime) -> None:
    """Remove the records of work that has not failed again since this time."""
    for kind in FAILURE_KINDS:
        failure = due_work.find_failures(db, [kind], [booking_id]).get(booking_id)
        if failure and failure["lastFailedAt"] < since:
            due_work.forget(db, kind, booking_id)


def _render_all(db: Db, bookings: Sequence[PaidBooking]) -> list[JsonObject]:
    failures = due_work.find_failures(db, FAILURE_KINDS, [each["_id"] for each in bookings])
    return [_render(booking, failures) for booking in bookings]


def _render(booking: PaidBooking, failures: Mapping[ItemKey, FailedWork]) -> JsonObject:
    attempts, refunds_ = booking["payment"]["attempts"], _list_refunds(booking)
    paid = [each for each in attempts if each["state"] == "succeeded"]
    return {
        "paymentId": booking["_id"],
        "bookingId": booking["_id"],
        "bookingReference": booking["bookingReference"],
        "eventId": booking["eventId"],
        "eventTitle": booking["eventTitle"],
        "organizerId": booking["organizerId"],
        "userId": booking["userId"],
        "status": booking["status"],
        "state": booking["payment"]["state"],
        "provider": (paid or attempts)[-1]["provider"],
        "charged": from_cents(sum(each["cents"] for each in paid)),
        "refunded": from_cents(
            sum(to_cents(each["amount"]) for each in refunds_ if "refundId" in each)
        ),
        "fee": from_cents(sum(each.get("feeCents", 0) for each in attempts)),
        "currency": booking["currency"],
        "attempts": [_render_attempt(each) for each in attempts],
        "refunds": [_render_refund(each) for each in refunds_],
        "failure": _render_failure(failures.get(booking["_id"])),
        "createdAt": booking["createdAt"],
        "updatedAt": booking["updatedAt"],
    }


def _list_refunds(booking: PaidBooking) -> list[PaymentRefund]:
    """Return the refunds of a booking, the first decided first, without those of nothing."""
    refunds_ = [each for each in _iter_refunds(booking) if each and each["amount"]]
    return sorted(refunds_, key=lambda each: each["refundedAt"])


def _iter_refunds(booking: PaidBooking) -> Iterator[PaymentRefund | None]:
    yield from (attempt.get("refund") for attempt in booking["payment"]["attempts"])
    yield from (part["refund"] for part in booking.get("cancellations", []))
    yield booking["refund"]


def _render_attempt(attempt: PaymentAttempt) -> JsonObject:
    return {
        "attemptId": attempt["attemptId"],
        "provider": attempt["provider"],
        "amount": from_cents(attempt["cents"]),
        "state": attempt["state"],
        "begunAt": attempt["begunAt"],
        "succeededAt": attempt.get("succeededAt"),
        "providerId": attempt.get("providerId"),
        "refusal": attempt.get("refusal"),
    }


def _render_refund(refund: PaymentRefund) -> JsonObject:
    return {
        "amount": refund["amount"],
        "reason": refund["reason"],
        "decidedAt": refund["refundedAt"],
        "refundId": refund.get("refundId"),
        "failure": refund.get("failure"),
    }


def _render_failure(failure: FailedWork | None) -> JsonObject | None:
    if failure is None:
        return None
    return {
        "error": failure["error"],
        "attempts": failure["attempts"],
        "nextAttemptAt": failure["nextAttemptAt"],
        "setAside": failure["setAsideAt"] is not None,
    }
