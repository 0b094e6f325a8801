"""Guards of the application, each taken out: the simulation must notice every one of them.

A mutation is a list of replacements: a module or class, a name in it, and what takes its place.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest import mock

from eventapp.bookings import partial_cancellations, recovery, store_payments
from eventapp.bookings import store as bookings_store
from eventapp.bookings.ledger import store as ledger_store
from eventapp.events import store as events_store
from eventapp.inventory import allocation, sale_windows, store_promo_codes
from eventapp.inventory import queues as inventory_queues
from eventapp.inventory import store as inventory_store
from eventapp.inventory.service import StockMove
from eventapp.tickets import store as tickets_store
from eventapp.waitlist import store as waitlist_store

Replacement = tuple[Any, str, Any]


def _without_tombstones() -> list[Replacement]:
    def pretend(db: Any, id_: Any) -> bool:
        return db.bookings.count_documents({"_id": id_}) == 0

    return [(bookings_store, "insert_tombstone", pretend)]


def _without_quota_guards() -> list[Replacement]:
    real = inventory_queues._build_stock_guards

    def build(path: str, taken: int) -> Any:
        return {} if path.startswith("quotas.") else real(path, taken)

    return [(inventory_queues, "_build_stock_guards", build)]


def _without_status_guard() -> list[Replacement]:
    real = bookings_store.update_booking

    def update(db: Any, id_: Any, _where: Any, *changes: Any, **options: Any) -> Any:
        return real(db, id_, {}, *changes, **options)

    return [(bookings_store, "update_booking", update)]


def _without_claims() -> list[Replacement]:
    real = waitlist_store.claim_for_offer

    def claim(db: Any, entry_id: Any, booking_id: Any, now: Any) -> Any:
        return real(db, entry_id, booking_id, now) or db.waitlist.find_one({"_id": entry_id})

    return [(waitlist_store, "claim_for_offer", claim)]


def _with_one_key() -> list[Replacement]:
    real = StockMove.for_return

    def build(*arguments: Any, **options: Any) -> StockMove:
        return real(*arguments, **{**options, "part": ""})

    return [(StockMove, "for_return", build)]


def _without_payment_guard() -> list[Replacement]:
    owners = (store_payments, bookings_store)
    return [(owner, "build_payment_guard", lambda _booking: {}) for owner in owners]


def _without_void_mark() -> list[Replacement]:
    def give_up(context: Any, booking_id: Any, _attempt_id: Any, take_id: Any, _now: Any) -> bool:
        booking = bookings_store.find_booking(context.db, booking_id)
        return booking is not None and booking.get("retakeId") == take_id

    return [(recovery, "give_up_retake", give_up)]


def _without_windows() -> list[Replacement]:
    return [
        (allocation, "is_in_window", lambda *_: True),
        (sale_windows, "build_window_guards", lambda _moments: {}),
    ]


def _without_revision() -> list[Replacement]:
    real = events_store.write_if_unchanged

    def write(db: Any, event: Any, *arguments: Any, **options: Any) -> Any:
        now = db.events.find_one({"eventId": event["eventId"]}, {"rev": 1})
        return real(db, {**event, "rev": now["rev"]}, *arguments, **options)

    return [(events_store, "write_if_unchanged", write)]


def _without_entry_count() -> list[Replacement]:
    def clear(db: Any, bookings: Any) -> None:
        ids = [booking["_id"] for booking in bookings]
        db.bookings.update_many({"_id": {"$in": ids}}, {"$unset": {"ledgerDue": ""}})

    return [(ledger_store, "clear_due", clear)]


MUTATIONS: dict[str, Callable[[], list[Replacement]]] = {
    "a take without the guard of its tickets": lambda: [
        (inventory_queues, "_build_stock_guards", lambda *_: {})
    ],
    "a take without the guard of its quotas": _without_quota_guards,
    "a take without the guard of its promo code": lambda: [
        (store_promo_codes, "build_promo_guards", lambda *_: {})
    ],
    "a change of the stock without the guard of the terms": lambda: [
        (inventory_store, "build_terms_guard", lambda _event: {})
    ],
    "a move without the guard that it is not applied yet": lambda: [
        (inventory_store, "build_never_existed_guard", lambda *_: {})
    ],
    "an undo without the guard that the take exists": lambda: [
        (inventory_store, "build_exists_guard", lambda *_: {})
    ],
    "undoing a take without a tombstone": _without_tombstones,
    "a change of a booking while a move is pending": lambda: [
        (bookings_store, "NO_PENDING_MOVE", {})
    ],
    "a change of a booking without the guard of its status": _without_status_guard,
    "an offer without its claim": _without_claims,
    "a cancellation of tickets without the guard of their check-ins": lambda: [
        (partial_cancellations, "build_not_checked_in_guard", lambda _places: {})
    ],
    "a check-in without the guard that the ticket is not cancelled": lambda: [
        (tickets_store, "build_not_cancelled_guard", lambda _place: {})
    ],
    "moves of one booking that share a key": _with_one_key,
    "a write of a payment without the guard of its revision": _without_payment_guard,
    "undoing a retake without marking its attempt as void": _without_void_mark,
    "a take whatever the sale window of its ticket type": _without_windows,
    "an edit without the guard of its revision": _without_revision,
    "an offer without the guard of its tickets": lambda: [
        (inventory_store, "build_offer_guards", lambda *_: {})
    ],
    "an end of a waitlist entry that is claimed for an offer": lambda: [
        (waitlist_store, "UNCLAIMED", {"active": True})
    ],
    "an end of copying to the ledger without the guard of new entries": _without_entry_count,
}


@contextmanager
def mutated(name: str) -> Iterator[None]:
    """Run the block with a guard taken out."""
    with ExitStack() as stack:
        for owner, attribute, replacement in MUTATIONS[name]():
            stack.enter_context(mock.patch.object(owner, attribute, replacement))
        yield
