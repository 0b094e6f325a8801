"""Repeat the stored answer to an Idempotency-Key, even if requests with it run at the same time.

The answer is stored in the first document that a purchase stores: its booking or, if there is none,
its first waitlist entry. Unique indexes over user and key let only one of several concurrent
requests store it. The others find the stored answer, give back what they have taken, and return the
same answer.

A request that gets no tickets may have lost them to a concurrent request with its own key. It waits
for the answer of that request, but not for long (`await_answer`). If there is still no answer, the
client is told to try again. It is not put on the waitlist: its entry would store the key and an
answer, and the booking of the other request could store the key with another answer, because no
index spans both collections.
"""

import hashlib
from typing import cast

from bson import ObjectId

from eventapp.bookings import store
from eventapp.bookings.bodies import PurchaseData
from eventapp.bookings.errors import RequestUnderWay
from eventapp.bookings.sales.purchases import Purchase, PurchaseAnswer
from eventapp.core.database import Db
from eventapp.core.errors import IdempotencyMismatch
from eventapp.core.waiting import BoundedWait
from eventapp.inventory.service import Inventory
from eventapp.waitlist import joining
from eventapp.waitlist.types import IdempotencyRecord

# How long the answer of a concurrent request is waited for, and the pause after each read.
MAX_WAIT_SECONDS, PAUSE_SECONDS = 2.0, 0.02
# Hexadecimal digits of the digest of a key in an in-flight entry.
DIGEST_LENGTH = 32


class AnsweredBefore(Exception):
    """A concurrent request with the same key has stored its answer first.

    Attributes:
        answer: the stored answer, to be returned to this request too.
    """

    def __init__(self, answer: PurchaseAnswer) -> None:
        super().__init__()
        self.answer = answer


def build_record(purchase: Purchase, answer: PurchaseAnswer) -> IdempotencyRecord | None:
    """Return the record to store with the first document of a purchase; None without a key.

    The record shares the dictionary `answer.data`: a reference that is replaced there later is
    replaced in the record as well.
    """
    if purchase.idempotency_key is None:
        return None
    return {
        "key": purchase.idempotency_key,
        "digest": purchase.body_digest,
        "answer": {"status": answer.status, "message": answer.message, "data": answer.data},
    }


def find_answer(db: Db, user_id: ObjectId, purchase: Purchase) -> PurchaseAnswer | None:
    """Return the stored answer for the key of a purchase; None without a key or an answer.

    Raises:
        IdempotencyMismatch: the key came with another body before.
    """
    key = purchase.idempotency_key
    if key is None:
        return None
    stored = store.find_by_idempotency_key(db, user_id, key) or joining.find_by_idempotency_key(
        db, user_id, key
    )
    if stored is None:
        return None
    record = stored["idempotency"]
    if record["digest"] != purchase.body_digest:
        raise IdempotencyMismatch
    answer = record["answer"]
    data = cast(PurchaseData, answer["data"])
    return PurchaseAnswer(answer["status"], answer["message"], data)


def raise_if_answered(db: Db, user_id: ObjectId, purchase: Purchase) -> None:
    """Raise if a concurrent request has stored an answer for the key of a purchase.

    Raises:
        AnsweredBefore: with the stored answer.
        IdempotencyMismatch: the stored answer is for another body.
    """
    if answer := find_answer(db, user_id, purchase):
        raise AnsweredBefore(answer)


def build_requester(user_id: ObjectId, purchase: Purchase) -> str:
    """Return the `requester` of the in-flight entries of a purchase (see `TicketRequest`).

    It begins with the user's id, and is equal for all requests of the user with the same key. The
    key itself is not part of it, because the client chooses it and an event is not erased with its
    buyers.
    """
    key = purchase.idempotency_key
    if key is None:
        return str(user_id)
    digest = hashlib.sha256(f"{user_id} {key}".encode()).hexdigest()[:DIGEST_LENGTH]
    return f"{user_id} {digest}"


def _list_requesters(user_id: ObjectId, purchase: Purchase) -> tuple[str, str]:
    """Return the `requester` of a purchase with a key, and the one of older versions."""
    return build_requester(user_id, purchase), f"{user_id} {purchase.idempotency_key}"


def await_answer(
    db: Db, inventory: Inventory, user_id: ObjectId, purchase: Purchase
) -> PurchaseAnswer | None:
    """Wait for a concurrent request with the same key that has taken tickets.

    Returns:
        The answer of that request; None if there is no such request, or it has given its tickets
        back.

    Raises:
        RequestUnderWay: the request has stored no answer within MAX_WAIT_SECONDS.
    """
    if purchase.idempotency_key is None:
        return None
    requesters = _list_requesters(user_id, purchase)
    wait = BoundedWait(
        max_seconds=MAX_WAIT_SECONDS, pause_seconds=PAUSE_SECONDS, error=RequestUnderWay
    )
    while True:
        # The entry is read before the answer: an answer that is stored in between is found.
        is_in_flight = inventory.in_flight_entries.has_take(purchase.event_id, requesters)
        if answer := find_answer(db, user_id, purchase):
            return answer
        if not is_in_flight:
            return None
        wait.pause()
