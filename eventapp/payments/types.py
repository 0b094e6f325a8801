"""The payment of a booking as it is stored in the booking, and its refunds.

Times are aware and in UTC.
"""

from datetime import datetime
from typing import Literal, NotRequired, TypeAlias, TypedDict

from bson import ObjectId

# The rules name ids by this, because only types may import bson.
AttemptId: TypeAlias = ObjectId
# Cents as the API writes an amount of money: an int where it is whole, else a float.
Amount: TypeAlias = int | float

AttemptState: TypeAlias = Literal[
    "starting",  # the provider was not asked yet, or has not answered yet
    "unknown",  # the provider did not answer; it may have the payment
    "open",  # the buyer can pay
    "refused",  # a card was refused; another one may still pay if the provider has the payment
    "processing",  # the buyer has paid, and the provider does not know yet whether money comes
    "succeeded",  # the money came
    "cancelled",  # no money came, and none can come any more
]
PaymentState: TypeAlias = Literal[
    "required",  # the buyer has to pay
    "processing",  # the buyer has paid, and the provider does not know yet whether money comes
    "unknown",  # the provider did not answer
    "succeeded",  # the money came; some of it may be refunded
    "failed",  # the last attempt was refused or ended unpaid, or the provider refuses a refund
    "refunding",  # a refund is decided and not paid yet
    "refunded",  # all money was paid back
]
RefundReason: TypeAlias = Literal[
    "cancelled",  # the booking, by its holder, the organizer or an admin
    "part_cancelled",  # the same, of some of its tickets
    "event_cancelled",
    "declined",  # an offer, by its holder
    "expired",  # a hold of an older version
    "hold_expired",  # the money for a hold came after the hold had ended
    "paid_twice",  # the money came for an attempt that was given up before
]


class RefundFailure(TypedDict):
    """Why a refund is not paid although it was tried."""

    at: datetime  # UTC, the last try
    reason: str  # the provider's code, or why it could not be asked


class Refund(TypedDict):
    """Money that is paid back for a booking that has ended, or for cancelled tickets."""

    amount: Amount  # in whole currency units
    currency: str  # ISO 4217
    reason: RefundReason
    refundedAt: datetime  # UTC, when the refund was decided
    refundId: NotRequired[str]  # the provider's id; absent until the provider has paid it back
    failure: NotRequired[RefundFailure]  # absent unless the provider refuses it
    # How often the provider has paid it back and has reported later that this failed; absent is 0.
    returns: NotRequired[int]


class StoredAttempt(TypedDict):
    """One try to pay for a booking: see `payments.provider`."""

    attemptId: AttemptId  # by which the provider recognizes the attempt
    provider: str  # the name of the provider
    cents: int  # the amount, in cents
    state: AttemptState
    begunAt: datetime  # UTC, before the provider was asked
    providerId: NotRequired[str]  # the provider's id of the payment; absent until it is known
    refusal: NotRequired[str]  # the provider's code of the last refusal
    succeededAt: NotRequired[datetime]  # UTC, when the application learned of the money
    feeCents: NotRequired[int]  # what the provider keeps, in cents; absent until it is known
    # UTC, when its money came, if the hold had ended by then and it is not decided yet whether the
    # tickets are taken again; removed by the decision.
    lateAt: NotRequired[datetime]
    # UTC, when an older version gave the attempt up and began to pay its money back. If money came,
    # it goes back.
    givenUpAt: NotRequired[datetime]
    voidAt: NotRequired[datetime]  # UTC; its money is paid back, it can confirm nothing any more
    refund: NotRequired[Refund]  # of money that came for an attempt that was given up
    request: NotRequired[str]  # a digest of the user and the Idempotency-Key; absent without one


class Payment(TypedDict):
    """The payment of a booking: a state machine, which `payments.states` describes."""

    state: PaymentState
    revision: int  # raised by every write of the payment, which guards on it
    attempts: list[StoredAttempt]  # in order; at most one has succeeded or can still be paid
