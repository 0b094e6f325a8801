"""Give each Idempotency-Key one answer, even if two requests with it run at the same time.

The answer is stored in the first document that a purchase stores: its booking or, without one, its
first waitlist entry. Unique indexes over user and key let only one of several concurrent requests
store it. The others find the stored answer, give back what they have taken, and answer the same.
"""

import time
from typing import cast

from bson import ObjectId

from eventapp.bookings import store
from eventapp.bookings.context import BookingContext
from eventapp.bookings.errors import IdempotencyMismatch
from eventapp.bookings.sales.purchases import Purchase, PurchaseAnswer
from eventapp.bookings.types import PurchaseData
from eventapp.waitlist import service as waitlist

WAIT_ATTEMPTS, WAIT_PAUSE_SECONDS = 100, 0.02


class AnsweredBefore(Exception):
    """A concurrent request with the same key was faster. Its answer is the answer to this one."""

    def __init__(self, answer: PurchaseAnswer) -> None:
        super().__init__()
        self.answer = answer


def find_answer(
    context: BookingContext, user_id: ObjectId, purchase: Purchase
) -> PurchaseAnswer | None:
    """Return the answer that the key of this purchase got before; None without key or answer.

    Raises:
        IdempotencyMismatch: the key came with another body before.
    """
    key = purchase.idempotency_key
    if key is None:
        return None
    made = store.find_by_idempotency_key(
        context.db, user_id, key
    ) or waitlist.find_by_idempotency_key(context.db, user_id, key)
    if made is None:
        return None
    record = made["idempotency"]
    if record["digest"] != purchase.body_digest:
        raise IdempotencyMismatch
    answer = record["answer"]
    data = cast(PurchaseData, answer["data"])
    return PurchaseAnswer(answer["status"], answer["message"], data)


def raise_if_answered(context: BookingContext, user_id: ObjectId, purchase: Purchase) -> None:
    """Look for an answer that the key has got since this request began.

    Raises:
        AnsweredBefore: there is one.
        IdempotencyMismatch: there is one, to another body.
    """
    if answer := find_answer(context, user_id, purchase):
        raise AnsweredBefore(answer)


def requester_name(user_id: ObjectId, purchase: Purchase) -> str:
    """Return the name under which the tickets of this purchase are in flight.

    It begins with the user's id, and is the same for all requests with the same key.
    """
    key = purchase.idempotency_key
    return f"{user_id} {key}" if key else str(user_id)


def await_answer(
    context: BookingContext, user_id: ObjectId, purchase: Purchase
) -> PurchaseAnswer | None:
    """Wait for a concurrent request with the same key that took the tickets this one did not get.

    Returns:
        Its answer; None if there is no such request, or it has given its tickets back.
    """
    if purchase.idempotency_key is None:
        return None
    requester = requester_name(user_id, purchase)
    for _attempt in range(WAIT_ATTEMPTS):
        in_flight = context.inventory.in_flight.has_take(purchase.event_id, requester)
        if answer := find_answer(context, user_id, purchase):
            return answer
        if not in_flight:
            return None
        time.sleep(WAIT_PAUSE_SECONDS)
    return None
