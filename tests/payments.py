"""Stored bookings with payments, for tests of lists and tables."""

from bson import ObjectId

from eventapp.core.clock import utc_now
from tests import sales


def attempt(state="succeeded", *, provider="stripe", cents=1000, at=None, **fields):
    """Return an attempt as it is stored."""
    made = {
        "attemptId": ObjectId(),
        "provider": provider,
        "cents": cents,
        "state": state,
        "begunAt": at or utc_now(),
    }
    if state == "succeeded":
        made |= {"succeededAt": made["begunAt"], "providerId": f"pi_{made['attemptId']}"}
    return {**made, **fields}


def refund(amount=10, reason="cancelled", *, at=None, **fields):
    """Return a refund as it is stored."""
    decided = {"amount": amount, "currency": "EUR", "reason": reason, "refundedAt": at or utc_now()}
    return {**decided, **fields}


def paid_booking(event, state="succeeded", *attempts, at=None, **fields):
    """Return a booking of one ticket with a payment, as it is stored."""
    made = sales.booking(event, status="confirmed", at=at or utc_now(), taken={1: 1})
    listed = list(attempts) or [attempt(at=made["createdAt"])]
    payment = {"state": state, "revision": len(listed), "attempts": listed}
    made["entries"][0] |= {"provider": listed[-1]["provider"]}
    made["entries"][0].pop("providerId", None)
    return {**made, "payment": payment, **fields}
