"""Processes die at each step of a payment, and its events arrive any number of times in any order.

A buyer books and pays at an imitation of Stripe. The process that works for the buyer, for the
provider or as the worker dies at one step. The events are then delivered 1 to 50 times, mixed, to
another process. In the end the same is stored as without a death, and the money that really moved
is that of the booking.
"""

import random
from datetime import timedelta

import pytest
from bson import ObjectId

from eventapp.bookings import recovery, transitions, waitlist_offers
from eventapp.bookings.context import BOOKING_CONTEXT
from eventapp.bookings.payments import checkout, events, reconciliation, refunds
from eventapp.bookings.sales.purchases import read_purchase
from eventapp.core.access.actor import Actor
from eventapp.core.clock import utc_now
from eventapp.core.failpoints import set_failpoint_hook
from eventapp.payments.providers import Providers
from eventapp.payments.stripe import StripePayments
from eventapp.payments.stripe_settings import StripeSettings
from tests import factories
from tests.conftest import MONGO_URI
from tests.fake_stripe import FakeStripe
from tests.race import kit

BUYER, OTHER = ObjectId(), ObjectId()
# A server takes many times as long as the embedded store, and shows the same faults.
MAX_COPIES = 5 if MONGO_URI else 50
LATE = timedelta(minutes=11)
# The steps of each story at which a process dies.
STEPS = {
    "in time": ("confirm", "move", "move-recorded"),
    "cancelled": ("end", "refund", "refund-recorded"),
    "late": ("late-payment", "take", "retake", "retake-confirmed"),
    "too late": ("late-payment", "late-refund", "refund", "refund-recorded"),
}
# How each story ends: status, cents that were charged, cents that were refunded.
ENDS = {
    "in time": ("confirmed", 4000, 0),
    "cancelled": ("cancelled", 4000, 4000),
    "late": ("confirmed", 4000, 0),
    "too late": ("expired", 4000, 4000),
}
# A process that dies while it takes the tickets again leaves a take that is undone, so the money
# goes back.
END_AFTER_RETAKE_DEATH = ("expired", 4000, 4000)


class Died(BaseException):
    """Ends a process as `kill -9` does: no handler catches it."""


class Death:
    """Lets the process die the first time that it passes a step."""

    def __init__(self, step):
        self.step, self.has_died = step, False

    def __call__(self, passed):
        if passed == self.step and not self.has_died:
            self.has_died = True
            raise Died

    def survive(self, call, *arguments, **options):
        """Call a function in a process that may die."""
        set_failpoint_hook(self)
        try:
            return call(*arguments, **options)
        except Died:
            return None
        finally:
            set_failpoint_hook(None)


class World:
    """An event with 2 tickets, and the processes that work for it."""

    def __init__(self, context, fake, death):
        self.fake, self.death, self.now = fake, death, utc_now()
        self._context = context
        self.event = factories.make_event(
            context.db, ticketTypes=[{"type": "General", "price": 20, "availableTickets": 2}]
        )
        body = {"eventId": self.event["eventId"], "quantity": 2, "hold": False}
        self.start_process()
        answer = checkout.book_and_pay(
            self.context, Actor(BUYER, "attendee"), read_purchase(body, None), self.now
        )
        self.booking_id = answer.data["booking"]["_id"]
        self.secret = answer.data["booking"]["payment"]["clientSecret"]

    def start_process(self):
        """Go on in a process that begins with nothing cached."""
        self.context = kit.another_process(self._context)
        account = StripeSettings(self.fake.secret_key, self.fake.webhook_secret, self.fake.url)
        self.context.payments = Providers(StripePayments(account))

    def deliver(self, copies=1, seed=0):
        """Deliver all events so often, mixed, each to a process that may die."""
        arrived = self.fake.events * copies
        random.Random(seed).shuffle(arrived)
        for event in arrived:
            self.death.survive(self._apply, event)

    def _apply(self, event):
        read = self.context.payments.current.read_event(
            event.body, self.fake.sign(event.body), utc_now()
        )
        events.apply_event(self.context, read, self.now)

    def expire(self):
        self.now += LATE
        waitlist_offers.expire_holds(self.context, self.now)

    def sell_to_another(self):
        kit.book(self.context, self.event, 2, user=OTHER, now=self.now)

    def cancel(self):
        actor = Actor(BUYER, "attendee")
        self.death.survive(
            transitions.cancel_booking, self.context, self.booking_id, actor, self.now
        )

    def run_worker(self, rounds=8):
        for _round in range(rounds):
            self.now += timedelta(minutes=2)
            for job in (
                recovery.recover,
                reconciliation.reconcile_payments,
                refunds.pay_due_refunds,
            ):
                self.death.survive(job, self.context, self.now)
            self.context.db.failedWork.delete_many({})

    def look(self):
        booking = self.context.db.bookings.find_one({"_id": self.booking_id})
        return (booking["status"], *self.fake.money_of(str(self.booking_id)))


@pytest.fixture
def fake():
    with FakeStripe() as fake:
        yield fake


def tell(world, story):
    """Let the buyer pay, in time or late, and let the processes learn of it."""
    if story in ("late", "too late"):
        world.context.payments = Providers(UnableToCancel(world.context.payments.current))
        world.expire()
        world.run_worker(rounds=1)
    if story == "too late":
        kit.book(world.context, world.event, 2, user=OTHER, now=world.now, hold=False)
    world.fake.pay(world.secret)
    world.start_process()


class UnableToCancel:
    """A provider that answers everything but cancellations, so that the buyer can still pay."""

    def __init__(self, provider):
        self._provider = provider

    def __getattr__(self, name):
        return getattr(self._provider, name)

    def cancel(self, attempt):
        return self._provider.fetch(attempt)


@pytest.mark.parametrize("copies", [1, MAX_COPIES])
@pytest.mark.parametrize(
    ("story", "step"), [(story, step) for story, steps in STEPS.items() for step in ("", *steps)]
)
def test_a_death_at_any_step_and_any_number_of_events_end_alike(app, db, fake, story, step, copies):
    world = World(BOOKING_CONTEXT.get(app), fake, Death(step))
    tell(world, story)
    world.deliver(copies if step != "move" else 1)
    if story == "cancelled":
        world.cancel()
    world.start_process()
    world.deliver(copies, seed=1)
    world.run_worker()
    world.deliver(copies, seed=2)
    assert world.death.has_died == bool(step)
    ends = {ENDS[story]} | ({END_AFTER_RETAKE_DEATH} if step in ("take", "retake") else set())
    assert world.look() in ends
    kit.assert_consistent(world.context, world.now)
    booking = db.bookings.find_one({"_id": world.booking_id})
    assert not booking.keys() & {"reconcileAt", "refundDueAt"}
    assert sum(each.get("fee", 0) for each in booking["entries"]) > 0
