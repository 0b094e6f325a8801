"""An event with a buyer and a user who waits, the calls of both, and what must hold afterwards.

A database may hold many such worlds. The jobs of the worker run for all of them at once, because a
run that finds nothing to do costs as much as one that does, and tests examine hundreds of calls.
"""

from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from eventapp.bookings import auditing
from eventapp.core.clock import utc_now
from eventapp.jobs import service as jobs
from tests.bookings_factories import Caller, context_of, event_of, later

JOBS = (
    "settle",
    "expire-holds",
    "reconcile-payments",
    "refunds",
    "serve-waiting",
    "close-cancelled",
)


class World:
    """An event with a host, a buyer and a user who waits, and a provider that counts money.

    Attributes:
        event_id: the eventId of the event, which has four tickets.
        host, ann, bob: the callers that own the event, buy tickets, and wait for tickets.
    """

    def __init__(self, app, db, provider):
        client = app.test_client()
        self.app, self.db, self.provider = app, db, provider
        self.context = context_of(app)
        self.host = Caller(client, app, "organizer")
        self.ann, self.bob = Caller(client, app), Caller(client, app)
        self.event_id = event_of(db, 4, organizer_id=self.host.id)
        self.context.inventory.invalidate(self.event_id)

    def find_bookings(self, **conditions):
        """Return the stored bookings of the event for which these conditions hold."""
        return list(self.db.bookings.find({"eventId": self.event_id, **conditions}))

    def paid(self, booking):
        """Return what was charged for a booking and not paid back, in cents."""
        ids = [each["attemptId"] for each in booking["payment"]["attempts"]]
        charged = sum(self.provider.charged.get(id_, 0) for id_ in ids)
        return charged - sum(self.provider.returned.get(id_, 0) for id_ in ids)

    def run_jobs(self, **span):
        for name in JOBS:
            jobs.JOBS[name].function(self.context, later(**span))


def book(world):
    return lambda: world.ann.order(world.event_id, ticketTypeId=1, quantity=2)


def book_with_a_key(world):
    return lambda: world.ann.order(world.event_id, key="k", ticketTypeId=1, quantity=2)


def book_and_wait_for_the_rest(world):
    return lambda: world.ann.order(world.event_id, key="k", quantity=6)


def confirm(world):
    held = world.ann.book(world.event_id, 2, hold=True)
    return lambda: world.ann.confirm(held)


def cancel(world):
    booking = world.ann.book(world.event_id, 2)
    return lambda: world.ann.cancel(booking)


def cancel_what_was_paid(world):
    held = world.ann.book(world.event_id, 2, hold=True)
    assert world.ann.confirm(held).status_code == 200
    return lambda: world.ann.cancel(held)


def cancel_with_a_waitlist(world):
    booking = world.ann.book(world.event_id, 4)
    world.bob.wait(world.event_id, 3)
    return lambda: world.ann.cancel(booking)


def cancel_a_part(world):
    booking = world.ann.book(world.event_id, 3)
    return lambda: world.ann.cancel_some(booking, 1, key="k")


def cancel_a_part_of_what_was_paid(world):
    held = world.ann.book(world.event_id, 4, hold=True)
    assert world.ann.confirm(held).status_code == 200
    world.bob.wait(world.event_id, 2)
    assert world.ann.cancel_some(held, 1).status_code == 201
    return lambda: world.ann.cancel_some(held, 2, key="k")


def cancel_the_last_part(world):
    held = world.ann.book(world.event_id, 3, hold=True)
    assert world.ann.confirm(held).status_code == 200
    assert world.ann.cancel_some(held, 1).status_code == 201
    return lambda: world.ann.cancel_some(held, 2, key="k")


def join(world):
    world.ann.book(world.event_id, 4)
    return lambda: world.bob.join(world.event_id, 2)


def leave(world):
    world.ann.book(world.event_id, 4)
    world.bob.wait(world.event_id, 2)
    return lambda: world.bob.call("DELETE", f"/waitlist/{world.event_id}")


def accept_a_part(world):
    booking = world.ann.book(world.event_id, 4)
    world.bob.wait(world.event_id, 3)
    world.ann.cancel(booking)
    return lambda: world.bob.accept(world.event_id, quantity=2)


def cancel_the_event(world):
    world.ann.book(world.event_id, 4)
    world.bob.wait(world.event_id, 3)
    return lambda: world.host.call("POST", f"/events/{world.event_id}/cancel")


def add_a_favorite(world):
    return lambda: world.ann.call("POST", "/favorites", {"eventId": world.event_id})


OPERATIONS = (
    book,
    book_with_a_key,
    book_and_wait_for_the_rest,
    confirm,
    cancel,
    cancel_what_was_paid,
    cancel_with_a_waitlist,
    cancel_a_part,
    cancel_a_part_of_what_was_paid,
    cancel_the_last_part,
    join,
    leave,
    accept_a_part,
    cancel_the_event,
    add_a_favorite,
)


@dataclass(frozen=True)
class Trial:
    """A call that was made in a world of its own while something failed.

    Attributes:
        what: says what failed, for the message of an assertion.
        call: repeats the call.
        answer: what the call was answered.
    """

    what: tuple
    world: World
    call: Callable
    answer: Any


@contextmanager
def describing(trial):
    """Add what failed to the failure of an assertion in the block."""
    try:
        yield
    except AssertionError as error:
        facts = (trial.world.event_id, *trial.what, trial.answer.status_code, trial.answer.json)
        raise AssertionError(f"{facts}: {error}") from error


def check_trials(trials, operation=None, after_first_run=lambda: None):
    """Let the worker clean up, and assert that nothing is lost, sold twice or paid twice.

    Args:
        trials: those of one test, at least one.
        operation: assert also that this operation can be repeated, in each world.
        after_first_run: called after the first run of the worker.
    """
    assert trials, "nothing failed"
    worlds = [trial.world for trial in trials]
    for trial in trials:
        with describing(trial):
            check_answer(trial.answer)
    settle(worlds[0], after_first_run)
    check_stock_and_money(*worlds)
    for trial in trials:
        with describing(trial):
            check_what_was_told(trial.world, trial.answer)
            check_repetition(trial.world, operation, trial.call, trial.answer)
    worlds[0].run_jobs(minutes=45)  # Holds and offers have expired.
    check_stock_and_money(*worlds)


def check_answer(answer):
    if answer.status_code >= 400:
        assert (answer.status_code, answer.json["code"]) == (503, "database_unavailable")
        assert answer.headers["Retry-After"]


def settle(world, after_first_run=lambda: None):
    """Let the worker clean up in all worlds; call a function after its first run."""
    world.run_jobs(seconds=31)
    after_first_run()
    for minutes in (1, 2):
        world.run_jobs(minutes=minutes)


def check_what_was_told(world, answer):
    """Assert that the booking of an answer of success is stored as the answer says."""
    if answer.status_code < 300 and (told := (answer.json.get("data") or {}).get("booking")):
        bookings = world.find_bookings(void={"$ne": True})
        (stored,) = [each for each in bookings if str(each["_id"]) == told["_id"]]
        assert (stored["status"], stored["quantity"]) == (told["status"], told["quantity"])


def check_stock_and_money(world, *others):
    """Assert that the stock adds up, that nothing fails, and that only confirmed bookings cost."""
    faults = auditing.check(world.context, utc_now())
    assert [(fault.event_id, fault.message) for fault in faults] == []
    assert list(world.db.failedWork.find()) == []
    for each in (world, *others):
        check_money(each)


def check_money(world):
    for booking in world.find_bookings(payment={"$exists": True}):
        if booking["status"] != "held":  # Else the outcome of the charge may be open.
            price = booking["totalCents"] if booking["status"] == "confirmed" else 0
            assert world.paid(booking) == price, booking


def check_repetition(world, operation, call, answer):
    """Assert that the call, if it failed, succeeds when it is repeated with its key."""
    if operation in (book_with_a_key, book_and_wait_for_the_rest):
        again = call()
        assert again.status_code == 201, again.json
        assert answer.status_code == 503 or again.json == answer.json
        assert len(world.find_bookings(void={"$ne": True})) == 1
    if operation in (cancel, cancel_what_was_paid, cancel_with_a_waitlist):
        assert call().status_code == 200
    if operation in (cancel_a_part, cancel_a_part_of_what_was_paid, cancel_the_last_part):
        assert call().status_code == 201
        bookings = world.find_bookings(cancellations={"$exists": True})
        quantities = [len(part["places"]) for each in bookings for part in each["cancellations"]]
        assert quantities == ([1] if operation is cancel_a_part else [1, 2])
    if operation is confirm:
        assert call().status_code == 200
        (booking,) = world.find_bookings()
        assert world.paid(booking) == 4000
