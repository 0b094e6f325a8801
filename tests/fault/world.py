"""An event with a buyer and a user who waits, the calls of both, and what must hold afterwards."""

from contextlib import contextmanager

from eventapp.bookings import auditing
from eventapp.core.clock import utc_now
from eventapp.jobs import service as jobs
from tests.bookings_factories import Caller, context_of, event_of, later
from tests.conftest import empty_written_collections

JOBS = (
    "settle",
    "expire-holds",
    "reconcile-payments",
    "refunds",
    "serve-waiting",
    "close-cancelled",
)


class World:
    """An event with a host, a buyer and a user who waits, and a provider that counts money."""

    def __init__(self, app, db, provider):
        empty_written_collections(db)
        client = app.test_client()
        self.app, self.db, self.provider = app, db, provider
        self.context = context_of(app)
        self.host = Caller(client, app, "organizer")
        self.ann, self.bob = Caller(client, app), Caller(client, app)
        event_of(db, 4, organizer_id=self.host.id)
        self.context.inventory.invalidate(1)

    def paid(self, booking):
        """Return what was charged for a booking and not paid back, in cents."""
        ids = [each["attemptId"] for each in booking["payment"]["attempts"]]
        charged = sum(self.provider.charged.get(id_, 0) for id_ in ids)
        return charged - sum(self.provider.returned.get(id_, 0) for id_ in ids)

    def run_jobs(self, **span):
        for name in JOBS:
            jobs.JOBS[name].function(self.context, later(**span))


def book(world):
    return lambda: world.ann.order(1, ticketTypeId=1, quantity=2)


def book_with_a_key(world):
    return lambda: world.ann.order(1, key="k", ticketTypeId=1, quantity=2)


def book_and_wait_for_the_rest(world):
    return lambda: world.ann.order(1, key="k", quantity=6)


def confirm(world):
    held = world.ann.book(1, 2, hold=True)
    return lambda: world.ann.confirm(held)


def cancel(world):
    booking = world.ann.book(1, 2)
    return lambda: world.ann.cancel(booking)


def cancel_what_was_paid(world):
    held = world.ann.book(1, 2, hold=True)
    assert world.ann.confirm(held).status_code == 200
    return lambda: world.ann.cancel(held)


def cancel_with_a_waitlist(world):
    booking = world.ann.book(1, 4)
    world.bob.wait(1, 3)
    return lambda: world.ann.cancel(booking)


def cancel_a_part(world):
    booking = world.ann.book(1, 3)
    return lambda: world.ann.cancel_some(booking, 1, key="k")


def cancel_a_part_of_what_was_paid(world):
    held = world.ann.book(1, 4, hold=True)
    assert world.ann.confirm(held).status_code == 200
    world.bob.wait(1, 2)
    assert world.ann.cancel_some(held, 1).status_code == 201
    return lambda: world.ann.cancel_some(held, 2, key="k")


def cancel_the_last_part(world):
    held = world.ann.book(1, 3, hold=True)
    assert world.ann.confirm(held).status_code == 200
    assert world.ann.cancel_some(held, 1).status_code == 201
    return lambda: world.ann.cancel_some(held, 2, key="k")


def join(world):
    world.ann.book(1, 4)
    return lambda: world.bob.join(1, 2)


def leave(world):
    world.ann.book(1, 4)
    world.bob.wait(1, 2)
    return lambda: world.bob.call("DELETE", "/waitlist/1")


def accept_a_part(world):
    booking = world.ann.book(1, 4)
    world.bob.wait(1, 3)
    world.ann.cancel(booking)
    return lambda: world.bob.accept(1, quantity=2)


def cancel_the_event(world):
    world.ann.book(1, 4)
    world.bob.wait(1, 3)
    return lambda: world.host.call("POST", "/events/1/cancel")


def add_a_favorite(world):
    return lambda: world.ann.call("POST", "/favorites", {"eventId": 1})


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


@contextmanager
def describing(*facts):
    """Add facts to the failure of an assertion in the block."""
    try:
        yield
    except AssertionError as error:
        raise AssertionError(f"{facts}: {error}") from error


def check_answer(world, answer):
    if answer.status_code >= 400:
        assert (answer.status_code, answer.json["code"]) == (503, "database_unavailable")
        assert answer.headers["Retry-After"]


def settle(world, after_first_run=lambda: None):
    """Let the worker clean up; call a function after its first run."""
    world.run_jobs(seconds=31)
    after_first_run()
    for minutes in (1, 2, 3):
        world.run_jobs(minutes=minutes)


def check_all(world, answer):
    check_stock_and_money(world)
    told = (answer.json.get("data") or {}).get("booking") if answer.status_code < 300 else None
    bookings = list(world.db.bookings.find({"void": {"$ne": True}}))
    if told:
        (stored,) = [each for each in bookings if str(each["_id"]) == told["_id"]]
        assert (stored["status"], stored["quantity"]) == (told["status"], told["quantity"])


def check_stock_and_money(world):
    """Assert that the stock adds up, that nothing fails, and that only confirmed bookings cost."""
    assert [fault.message for fault in auditing.check(world.context, utc_now())] == []
    assert list(world.db.failedWork.find()) == []
    for booking in world.db.bookings.find({"payment": {"$exists": True}}):
        if booking["status"] != "held":  # Else the outcome of the charge may be open.
            price = booking["totalCents"] if booking["status"] == "confirmed" else 0
            assert world.paid(booking) == price


def check_repetition(world, operation, call, answer):
    """Assert that the call, if it failed, succeeds when it is repeated with its key."""
    if operation in (book_with_a_key, book_and_wait_for_the_rest):
        again = call()
        assert again.status_code == 201, again.json
        assert answer.status_code == 503 or again.json == answer.json
        assert world.db.bookings.count_documents({"void": {"$ne": True}}) == 1
    if operation in (cancel, cancel_what_was_paid, cancel_with_a_waitlist):
        assert call().status_code == 200
    if operation in (cancel_a_part, cancel_a_part_of_what_was_paid, cancel_the_last_part):
        assert call().status_code == 201
        bookings = world.db.bookings.find({"cancellations": {"$exists": True}})
        quantities = [len(part["places"]) for each in bookings for part in each["cancellations"]]
        assert quantities == ([1] if operation is cancel_a_part else [1, 2])
    if operation is confirm:
        assert call().status_code == 200
        (booking,) = world.db.bookings.find()
        assert world.paid(booking) == 4000
