"""What the races of bookings share: threads let go together, stalls, and the audit at the end."""

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta

from bson import ObjectId

from eventapp.bookings import auditing, ordering
from eventapp.bookings.context import BookingContext
from eventapp.bookings.purchases import Purchase
from eventapp.core.access.actor import Actor
from eventapp.core.clock import utc_now
from eventapp.core.errors import AppError
from eventapp.inventory.service import Inventory
from eventapp.jobs import service as jobs

# One more than marks may stand still for.
LATER = timedelta(seconds=31)
PATIENCE_SECONDS = 20
AMOUNTS = ("availableTickets", "heldTickets", "soldTickets", "waiting")


def at_once(*calls):
    """What each call returned or refused with, all begun together."""
    gate = threading.Barrier(len(calls))

    def run(call):
        gate.wait()
        try:
            return call()
        except AppError as error:
            return error

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(run, calls))


def outcomes(results):
    """How many of each: a status for an answer, a code for a refusal."""
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
    return ordering.book(context, person(user), wanted, now or utc_now())


def booked(answer):
    return answer.data["booking"]["_id"]


def person(user_id=None):
    return Actor(user_id=user_id or ObjectId(), role="attendee")


def amounts(db, event, index=0):
    """Available, held, sold and waiting of a type."""
    kind = db.events.find_one({"eventId": event["eventId"]})["ticketTypes"][index]
    return tuple(kind[name] for name in AMOUNTS)


def round_of_work(context, now=None):
    """Every job of the worker once."""
    for job in jobs.JOBS.values():
        job.function(context, now or utc_now())


def another(context):
    """The context of another server process on the same database."""
    return BookingContext(context.db, Inventory(context.db), context.limits, context.payments)


def faults(context):
    return [f"{fault.event_id}: {fault.message}" for fault in auditing.check(context, utc_now())]


def audit(context, now=None):
    """All adds up now, and still does, with nothing under way, after the worker's rounds."""
    now = now or utc_now()
    assert faults(context) == []
    round_of_work(context, now + LATER)
    assert faults(context) == []
    round_of_work(context, now + 2 * LATER)  # strikes out the marks of what the first one did
    marks = [m for e in context.db.events.find({}, {"inFlight": 1}) for m in e["inFlight"].values()]
    assert [mark for mark in marks if mark["at"] < now] == []
    assert context.db.bookings.count_documents({"restock": "due"}) == 0
    assert context.db.waitlist.count_documents({"restock": "due"}) == 0


class Stall:
    """One call of a function, stopped before it runs (or after it has) until let go."""

    def __init__(self):
        self.arrived, self._go = threading.Event(), threading.Event()

    def wait(self):
        """Until the call stands here."""
        assert self.arrived.wait(PATIENCE_SECONDS), "nobody came"

    def let_go(self):
        self._go.set()

    def stand(self):
        self.arrived.set()
        assert self._go.wait(PATIENCE_SECONDS), "nobody let go"


@contextmanager
def stalled(monkeypatch, owner, name, *, when=lambda *a, **k: True, after=False):
    """Stop the first call of `owner.name` that `when` is true of."""
    stall, real, first = Stall(), getattr(owner, name), threading.Lock()

    def wrapper(*args, **kwargs):
        mine = when(*args, **kwargs) and first.acquire(blocking=False)
        if mine and not after:
            stall.stand()
        result = real(*args, **kwargs)
        if mine and after:
            stall.stand()
        return result

    monkeypatch.setattr(owner, name, wrapper)
    try:
        yield stall
    finally:
        stall.let_go()


@contextmanager
def in_background(call):
    """A call on a thread of its own; ends with it, its result in `.result()`."""
    with ThreadPoolExecutor(1) as pool:
        yield pool.submit(call)
