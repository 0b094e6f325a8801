"""Random sequences of purchases, payments, refusals and webhook events lose no money.

The provider is an imitation of Stripe over HTTP (`tests.fake_stripe`), which counts the money that
really moved. The operations are those of buyers, of the provider and of the worker, in any order.
"""

import os
import random
from contextlib import suppress
from datetime import timedelta

import pytest
from bson import ObjectId
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from eventapp.bookings import partial_cancellations, recovery, transitions, waitlist_offers
from eventapp.bookings.context import BOOKING_CONTEXT
from eventapp.bookings.payments import (
    checkout,
    events,
    late_payments,
    reconciliation,
    refunds,
    settlement,
)
from eventapp.bookings.sales.purchases import read_purchase
from eventapp.core.access.actor import Actor
from eventapp.core.clock import utc_now
from eventapp.core.errors import AppError
from eventapp.payments.providers import Providers
from eventapp.payments.stripe import StripePayments
from eventapp.payments.stripe_settings import StripeSettings
from tests import factories
from tests.conftest import MONGO_URI
from tests.fake_stripe import FakeStripe, NotPayable
from tests.race import kit

PEOPLE = [ObjectId() for _ in range(3)]
people, any_number = st.sampled_from(PEOPLE), st.integers(0, 10)
# Each call of the provider takes some milliseconds, and each step on a server some tens.
EXAMPLES = int(os.environ.get("MACHINE_EXAMPLES", "2" if MONGO_URI else "12"))
ROUNDS_TO_REST = 12


class PaymentMachine(RuleBasedStateMachine):
    """Runs the operations on the services, with a clock of its own."""

    make_context = None  # set by the test: the context of an empty database
    fake = None  # set by the test

    def __init__(self):
        super().__init__()
        self.context = type(self).make_context()
        self.now, self.random = utc_now(), random.Random(0)
        self.event = factories.make_event(
            self.context.db, ticketTypes=[{"type": "General", "price": 20, "availableTickets": 5}]
        )

    def try_to(self, call, *arguments):
        """Call a function; it may refuse."""
        try:
            return call(*arguments)
        except AppError:
            return None

    def find_booking(self, user):
        return self.context.db.bookings.find_one({"userId": user}, sort=[("_id", -1)])

    def find_intent(self, number):
        intents = self.fake.intents()
        return intents[number % len(intents)]["id"] if intents else None

    @rule(user=people, quantity=st.integers(1, 3))
    def book(self, user, quantity):
        body = {
            "eventId": self.event["eventId"],
            "items": [{"ticketTypeId": 1, "quantity": quantity}],
            "hold": False,
        }
        purchase, actor = read_purchase(body, None), Actor(user, "attendee")
        self.try_to(checkout.book_and_pay, self.context, actor, purchase, self.now)

    @rule(user=people, is_next=st.booleans())
    def begin_payment(self, user, is_next):
        if booking := self.find_booking(user):
            request, actor = checkout.PaymentRequest(is_next=is_next), Actor(user, "attendee")
            self.try_to(checkout.pay, self.context, booking["_id"], actor, request, self.now)

    @rule(number=any_number, how=st.sampled_from(["pay", "pay", "refuse", "process"]))
    def buyer_acts(self, number, how):
        if intent_id := self.find_intent(number):
            with suppress(NotPayable):
                getattr(self.fake, how)(intent_id)

    @rule(copies=st.integers(1, 3), share=st.sampled_from([0.5, 1]))
    def events_arrive(self, copies, share):
        arrived = [each for each in self.fake.events if self.random.random() < share] * copies
        self.random.shuffle(arrived)
        for event in arrived[:20]:
            self.apply_event(event)

    def apply_event(self, event):
        read = self.context.payments.current.read_event(
            event.body, self.fake.sign(event.body), utc_now()
        )
        events.apply_event(self.context, read, self.now)

    @rule(minutes=st.sampled_from([1, 3, 11]))
    def time_passes(self, minutes):
        self.now += timedelta(minutes=minutes)
        waitlist_offers.expire_holds(self.context, self.now)

    @rule(fault=st.sampled_from(["lose_answer", "lose_request", "error", "error_after"]))
    def requests_fail(self, fault):
        self.fake.inject(fault, times=4)

    @rule()
    def worker_runs(self):
        reconciliation.reconcile_payments(self.context, self.now)
        refunds.pay_due_refunds(self.context, self.now)

    @rule(user=people)
    def cancel(self, user):
        if booking := self.find_booking(user):
            actor = Actor(user, "attendee")
            self.try_to(transitions.cancel_booking, self.context, booking["_id"], actor, self.now)

    @rule(user=people)
    def cancel_one(self, user):
        booking = self.find_booking(user)
        if booking and booking["status"] == "confirmed":
            actor, body = Actor(user, "attendee"), {"items": [{"ticketTypeId": 1, "quantity": 1}]}
            request = partial_cancellations.read_request(body, None, actor)
            self.try_to(
                *(partial_cancellations.cancel_tickets, self.context, booking["_id"]),
                *(request, actor, self.now),
            )

    @rule(number=any_number)
    def bank_returns_a_refund(self, number):
        paid = [each for each in self.fake.refunds() if each["status"] == "succeeded"]
        if paid:
            self.fake.fail_refund(paid[number % len(paid)]["metadata"]["refundKey"])

    @invariant()
    def no_booking_is_confirmed_before_its_money_came(self):
        for booking in self.context.db.bookings.find({"status": "confirmed"}):
            charged, _refunded = self.fake.money_of(str(booking["_id"]))
            assert charged >= booking["totalCents"], booking

    @invariant()
    def no_more_is_refunded_than_was_charged(self):
        for booking in self.context.db.bookings.find():
            charged, refunded = self.fake.money_of(str(booking["_id"]))
            kept = booking["totalCents"] if booking["status"] == "confirmed" else 0
            assert charged - refunded >= kept, booking

    @invariant()
    def stock_and_entries_add_up(self):
        assert kit.find_faults(self.context) == []
        assert kit.find_wrong_entries(self.context.db) == []

    def teardown(self):
        """Let everything come to rest, and compare the money that moved with the bookings."""
        self.come_to_rest()
        for booking in self.context.db.bookings.find({"void": {"$ne": True}}):
            attempts = booking["payment"]["attempts"] if "payment" in booking else []
            assert sum(each["state"] == "succeeded" for each in attempts) <= 1, booking
            charged, refunded = self.fake.money_of(str(booking["_id"]))
            owed = booking["totalCents"] if booking["status"] == "confirmed" else 0
            assert charged - refunded == owed, (charged, refunded, booking)
            assert sum(each["paid"] for each in booking["entries"]) == owed, booking
            fees = sum(each.get("fee", 0) for each in booking["entries"])
            assert (fees > 0) == (charged > 0), booking

    def come_to_rest(self):
        self.fake.recover()
        self.context.db.failedWork.delete_many({})
        for intent in self.fake.intents():  # Whatever was processing is decided in the end.
            if intent["status"] == "processing":
                self.fake.refuse(intent["id"])
        for event in self.fake.events:
            self.apply_event(event)
        for _round in range(ROUNDS_TO_REST):
            self.time_passes(minutes=11)
            recovery.recover(self.context, self.now)
            self.worker_runs()
            for event in self.fake.events:
                self.apply_event(event)
            waiting = {"$or": [{"reconcileAt": {"$exists": 1}}, {"refundDueAt": {"$exists": 1}}]}
            if not self.context.db.bookings.count_documents(waiting):
                return
        raise AssertionError(list(self.context.db.bookings.find(waiting)))


@pytest.fixture
def machine(app, db):
    """Return the class of machines that use the application's database."""
    with FakeStripe() as fake:

        def make_context():
            for name in ("events", "bookings", "failedWork"):
                db[name].delete_many({})
            fake.recover()
            fake.forget()
            context = kit.another_process(BOOKING_CONTEXT.get(app))
            account = StripeSettings(fake.secret_key, fake.webhook_secret, fake.url)
            context.payments = Providers(StripePayments(account))
            return context

        PaymentMachine.make_context = staticmethod(make_context)
        PaymentMachine.fake = fake
        yield PaymentMachine


def test_any_sequence_of_operations_loses_no_money(machine):
    case = machine.TestCase
    case.settings = settings(
        max_examples=EXAMPLES,
        stateful_step_count=25,
        database=None,
        derandomize="MACHINE_EXAMPLES" not in os.environ,
        phases=[Phase.generate],  # no shrinking: it takes long
        suppress_health_check=list(HealthCheck),
    )
    case().runTest()


# The control tests run the few steps that show the fault: random ones might need many examples.


def test_control_the_machine_notices_a_booking_that_is_confirmed_unpaid(machine, monkeypatch):
    run = machine()
    monkeypatch.setattr(settlement.states, "has_paid", lambda attempt: True)
    monkeypatch.setattr(settlement.states, "find_payable_attempt", lambda _payment: None)
    run.book(user=PEOPLE[0], quantity=2)
    booking = run.find_booking(PEOPLE[0])
    settlement.confirm_hold(run.context, booking, booking["payment"]["attempts"][0], run.now)
    with pytest.raises(AssertionError):
        run.no_booking_is_confirmed_before_its_money_came()


def test_control_the_machine_notices_late_money_that_is_kept(machine, monkeypatch):
    run = machine()
    run.book(user=PEOPLE[0], quantity=2)
    monkeypatch.setattr(late_payments, "decide", lambda *_: run.find_booking(PEOPLE[0]))
    run.time_passes(minutes=11)
    run.buyer_acts(number=0, how="pay")
    with pytest.raises(AssertionError):
        run.teardown()


def test_control_the_machine_notices_a_refund_that_is_not_made(machine, monkeypatch):
    run = machine()
    run.book(user=PEOPLE[0], quantity=2)
    run.buyer_acts(number=0, how="pay")
    run.events_arrive(copies=1, share=1)
    monkeypatch.setattr(refunds.ticket_places, "list_unpaid_refunds", lambda _booking: [])
    run.cancel(user=PEOPLE[0])
    with pytest.raises(AssertionError):
        run.teardown()
