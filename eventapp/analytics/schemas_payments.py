"""Schemas of payments. Amounts of money are in whole units of the row's `currency`."""

from marshmallow import Schema, fields, validate

from eventapp.analytics.schemas import ListQuery
from eventapp.analytics.types import PAYMENT_STATES
from eventapp.core.http.fields import PageAnswer
from eventapp.core.http.timestamps import Timestamp
from eventapp.core.json import MAX_INT64


class PaymentsQuery(ListQuery):
    """Filters and page of a list of payments. `since` and `until` are about the booking."""

    state = fields.String(validate=validate.OneOf(PAYMENT_STATES))
    provider = fields.String(validate=validate.Regexp(r"^[a-z0-9_-]{1,40}\Z"))
    eventId = fields.Integer(validate=validate.Range(1, MAX_INT64))
    since = Timestamp(metadata={"description": "Bookings made at this time or later."})
    until = Timestamp(metadata={"description": "Bookings made before this time."})


class Attempt(Schema):
    """An attempt to pay."""

    attemptId = fields.String(required=True)
    provider = fields.String(required=True)
    amount = fields.Float(required=True)
    state = fields.String(required=True)
    begunAt = fields.DateTime(required=True)
    succeededAt = fields.DateTime(required=True, allow_none=True)
    providerId = fields.String(required=True, allow_none=True)
    refusal = fields.String(
        required=True,
        allow_none=True,
        metadata={"description": "The provider's code of the last refusal."},
    )


class FailedRefund(Schema):
    """Why a refund is not paid although it was tried."""

    at = fields.DateTime(required=True)
    reason = fields.String(required=True)


class PaidRefund(Schema):
    """A refund. It is paid once it has a `refundId`."""

    amount = fields.Float(required=True)
    reason = fields.String(required=True)
    decidedAt = fields.DateTime(required=True)
    refundId = fields.String(required=True, allow_none=True)
    failure = fields.Nested(FailedRefund, required=True, allow_none=True)


class Failure(Schema):
    """What the worker could not do about a payment."""

    error = fields.String(required=True)
    attempts = fields.Integer(required=True)
    nextAttemptAt = fields.DateTime(required=True)
    setAside = fields.Boolean(
        required=True, metadata={"description": "It failed often and is tried once an hour."}
    )


class PaymentRow(Schema):
    """The payment of a booking."""

    paymentId = fields.String(required=True, metadata={"description": "The id of the booking."})
    bookingId = fields.String(required=True)
    bookingReference = fields.String(required=True)
    eventId = fields.Integer(required=True)
    eventTitle = fields.String(required=True)
    organizerId = fields.String(required=True, allow_none=True)
    userId = fields.String(required=True, allow_none=True)
    status = fields.String(required=True, metadata={"description": "Of the booking."})
    state = fields.String(required=True, validate=validate.OneOf(PAYMENT_STATES))
    provider = fields.String(required=True)
    charged = fields.Float(required=True)
    refunded = fields.Float(required=True)
    fee = fields.Float(required=True)
    currency = fields.String(required=True)
    attempts = fields.List(fields.Nested(Attempt), required=True)
    refunds = fields.List(fields.Nested(PaidRefund), required=True)
    failure = fields.Nested(Failure, required=True, allow_none=True)
    createdAt = fields.DateTime(required=True)
    updatedAt = fields.DateTime(required=True)


class PaymentsAnswer(PageAnswer):
    """A page of payments."""

    payments = fields.List(fields.Nested(PaymentRow), required=True)
