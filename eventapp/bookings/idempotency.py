"""One idempotency key, one answer: also when two requests with it run at once."""

import time

from bson import ObjectId

from eventapp.bookings import store
from eventapp.bookings.context import BookingContext
from eventapp.bookings.errors import IdempotencyMismatch
from eventapp.bookings.service import Answer, Order
from eventapp.waitlist import service as waitlist

TWIN_WAITS, TWIN_PAUSE_SECONDS = 100, 0.02


class Replayed(Exception):
    """Another request with the same key was quicker: its answer is ours."""

    def __init__(self, answer: Answer) -> None:
        super().__init__()
        self.answer = answer


def replay(context: BookingContext, user_id: ObjectId, order: Order) -> Answer | None:
    """The answer that this key got before. IdempotencyMismatch where it came with another body."""
    if order.key is None:
        return None
    made = store.by_key(context.db, user_id, order.key) or waitlist.find_by_idempotency_key(
        context.db, user_id, order.key
    )
    if made is None:
        return None
    if made["idempotency"]["digest"] != order.digest:
        raise IdempotencyMismatch
    return Answer(**made["idempotency"]["answer"])


def earlier(context: BookingContext, user_id: ObjectId, order: Order) -> Replayed | None:
    answer = replay(context, user_id, order)
    return Replayed(answer) if answer else None


def name_of(user_id: ObjectId, order: Order) -> str:
    """What all requests with this key take tickets by; it begins with the user's id."""
    return f"{user_id} {order.key}" if order.key else str(user_id)


def await_twin(context: BookingContext, user_id: ObjectId, order: Order) -> Answer | None:
    """The answer of a request with the same key that has the tickets this one did not get."""
    if order.key is None:
        return None
    for _wait in range(TWIN_WAITS):
        under_way = context.inventory.in_flight.has_take(order.event_id, name_of(user_id, order))
        if answer := replay(context, user_id, order):
            return answer
        if not under_way:
            return None
        time.sleep(TWIN_PAUSE_SECONDS)
    return None
