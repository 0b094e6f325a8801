"""Tools of the race tests of bookings: concurrent calls, suspended calls, and a final check."""

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta

import pymongo
from bson import ObjectId

from eventapp.bookings import auditing, recovery
from eventapp.bookings.context import BookingContext
from eventapp.bookings.sales import service as sales
from eventapp.bookings.sales.purchases import Purchase
from eventapp.core.access.actor import Actor
from eventapp.core.clock import utc_now
from eventapp.core.errors import AppError
from eventapp.events import editing
from eventapp.events.changes import NO_EVENT_CACHE
from eventapp.inventory.service import Inventory
from eventapp.jobs import service as jobs

# A second more than recovery waits before it takes something for abandoned.
AFTER_ABANDONMENT = timedelta(seconds=31)
TIMEOUT_SECONDS = 20
CONFLICT_SECONDS = 30
ADMIN = Actor(user_id=ObjectId(), role="admin")
COUNTERS = ("availableTickets", "heldTickets", "soldTickets", "waiting")


def run_concurrently(*calls):
    """Start all calls at the same moment; return what each returned, or its AppError.

    On the engine, conflicting writes can wait for each other longer than a request waits.
    """
    gate = threading.Barrier(len(calls))

    def run(call):
        gate.wait()
        try:
            with pymongo.timeout(CONFLICT_SECONDS):
                return call()
        except AppError as error:
            return error

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(run, calls))


def count_outcomes(results):
    """Count results by the status of an answer and the code of an error."""
    return Counter(
        r.code if isinstance(r, AppError) else getattr(r, "status", type(r).__name__)
        for r in results
    )


def book(context, event, quantity=1, *, user=None, now=None, key=None, **purchase):
    """Book tickets of the event's first type, or the `items` of a purchase."""
    purchase.setdefault("items", ((1, None, quantity),))
    digest = repr(sorted(purchase.items())) if key else ""
    wanted = Purchase(
        event_id=event["eventId"], idempotency_key=key, body_digest=digest, **purchase
    )
    return sales.book(context, attendee(user), wanted, now or utc_now())


def edit(db, event, change):
    """Make an edit of the event, such as `editing` and `quota_editing` return, as an admin."""
    editing.edit_event(
        db,
        event["eventId"],
        change,
        event_changes=NO_EVENT_CACHE,
        actor=ADMIN,
        now=utc_now(),
        image_base_url="",
    )


def booking_id(answer):
    """Return the id of the booking in an answer."""
    return answer.data["booking"]["_id"]


def attendee(user_id=None):
    """Return an attendee, by default a new one."""
    return Actor(user_id=user_id or ObjectId(), role="attendee")


def stock_counters(db, event, index=0):
    """Return the available, held, sold and waiting counts of a ticket type."""
    ticket_type = db.events.find_one({"eventId": event["eventId"]})["ticketTypes"][index]
    return tuple(ticket_type[name] for name in COUNTERS)


def run_all_jobs(context, now=None):
    """Run every job of the worker once."""
    for job in jobs.JOBS.values():
        job.function(context, now or utc_now())


def another_process(context):
    """Return a context such as another server process on the same database has."""
    return BookingContext(
        context.db,
        Inventory(context.db),
        context.limits,
        context.payments,
        context.outbox,
        link_keys=context.link_keys,
    )


def find_faults(context):
    """Return what the check of the inventory finds."""
    return [f"{fault.event_id}: {fault.message}" for fault in auditing.check(context, utc_now())]


def find_wrong_entries(db):
    """Return the bookings whose entries do not add up to their tickets and money."""
    bookings = db.bookings.find({"void": {"$ne": True}})
    wrong = (booking for booking in bookings if _sum_entries(booking) != _list_state(booking))
    return [(_sum_entries(booking), booking) for booking in wrong]


def _sum_entries(booking):
    return {
        name: sum(entry.get(name, 0) for entry in booking["entries"])
        for name in ("bookings", "held", "sold", "cents", "discount", "paid")
    }


def _list_state(booking):
    """Return what the entries of a booking must add up to, from its other fields."""
    held, confirmed = (booking["status"] == status for status in ("held", "confirmed"))
    refund = booking["refund"] or {"refundId": None}
    is_paid = confirmed or "refundId" not in refund
    parts = [each["refund"] for each in booking.get("cancellations", [])]
    unpaid = sum(round(each["amount"] * 100) for each in parts if each and "refundId" not in each)
    return {
        "bookings": int(confirmed),
        "held": booking["quantity"] * held,
        "sold": booking["quantity"] * confirmed,
        "cents": booking["totalCents"] * confirmed,
        "discount": booking.get("discountCents", 0) * confirmed,
        "paid": booking["totalCents"] * is_paid + unpaid,
    }


def assert_consistent(context, now=None):
    """Assert that stock and entries have no fault now, nor when the worker has run."""
    now = now or utc_now()
    assert find_faults(context) == []
    assert find_wrong_entries(context.db) == []
    run_all_jobs(context, now + AFTER_ABANDONMENT)
    assert find_faults(context) == []
    # This clears the in-flight entries of what the jobs did.
    recovery.recover(context, now + 2 * AFTER_ABANDONMENT)
    events = context.db.events.find({}, {"inFlight": 1})
    entries = [entry for event in events for entry in event["inFlight"].values()]
    assert [entry for entry in entries if entry["at"] < now] == []
    assert find_wrong_entries(context.db) == []
    assert context.db.bookings.count_documents({"restock": "due"}) == 0
    assert context.db.waitlist.count_documents({"restock": "due"}) == 0


class Suspension:
    """Suspends one call of a function, before it or after it, until it is resumed."""

    def __init__(self):
        self.reached, self._resumed = threading.Event(), threading.Event()

    def wait(self):
        """Wait until the call is suspended."""
        assert self.reached.wait(TIMEOUT_SECONDS), "the call did not come"

    def resume(self):
        """Let the call go on."""
        self._resumed.set()

    def suspend(self):
        """Suspend the calling thread until `resume`."""
        self.reached.set()
        assert self._resumed.wait(TIMEOUT_SECONDS), "the call was not resumed"


@contextmanager
def suspended(monkeypatch, owner, name, *, when=lambda *a, **k: True, after=False):
    """Suspend the first call of `owner.name` for whose arguments `when` is true.

    Args:
        after: suspend it when the function has returned, not before it is called.
    """
    suspension, real, first = Suspension(), getattr(owner, name), threading.Lock()

    def wrapper(*args, **kwargs):
        is_first = when(*args, **kwargs) and first.acquire(blocking=False)
        if is_first and not after:
            suspension.suspend()
        result = real(*args, **kwargs)
        if is_first and after:
            suspension.suspend()
        return result

    monkeypatch.setattr(owner, name, wrapper)
    try:
        yield suspension
    finally:
        suspension.resume()


@contextmanager
def in_background(call):
    """Run a call on a thread of its own, and yield its future; wait for it at the end."""
    with ThreadPoolExecutor(1) as pool:
        yield pool.submit(call)
