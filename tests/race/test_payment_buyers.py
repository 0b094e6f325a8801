"""A crowd of buyers pays for the tickets of one event: none is sold twice, and no money is lost.

One card of ten is refused, one answer of the provider of twenty is lost, and its events arrive
mixed, twice and late. Some buyers pay after their hold has ended.
"""

import os
import random
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from bson import ObjectId

from eventapp.bookings import recovery, waitlist_offers
from eventapp.bookings.context import BOOKING_CONTEXT
from eventapp.bookings.payments import checkout, events, reconciliation, refunds
from eventapp.bookings.sales.purchases import read_purchase
from eventapp.core.access.actor import Actor
from eventapp.core.clock import utc_now
from eventapp.core.errors import AppError
from eventapp.payments.providers import Providers
from eventapp.payments.stripe import StripePayments, StripeSettings
from tests import factories
from tests.fake_stripe import FakeStripe, NotPayable
from tests.race import kit

BUYERS = int(os.environ.get("PAYMENT_BUYERS", "60"))
TICKETS, THREADS = BUYERS // 2, 8
REFUSED, LOST, LATE = 0.1, 0.05, 0.1


class Crowd:
    """Buyers of an event, the provider that they pay at, and what they were told."""

    def __init__(self, context, fake):
        self.context, self.fake = kit.another_process(context), fake
        account = StripeSettings(fake.secret_key, fake.webhook_secret, fake.url)
        self.context.payments = Providers(StripePayments(account))
        self.event = factories.make_event(
            context.db,
            ticketTypes=[{"type": "General", "price": 20, "availableTickets": TICKETS}],
        )
        self.late_secrets, self._lock = [], threading.Lock()
        self._done = threading.Event()

    def buy(self, number):
        """Book a ticket and pay for it, with another card if the first one is refused."""
        rng, actor = random.Random(number), Actor(ObjectId(), "attendee")
        items = [{"ticketTypeId": 1, "quantity": 1}]
        body = {"eventId": self.event["eventId"], "items": items, "hold": False}
        try:
            answer = checkout.book_and_pay(
                self.context, actor, read_purchase(body, None), utc_now()
            )
        except AppError as refusal:
            if refusal.code != "sold_out":
                raise
            return
        booking = answer.data["booking"]
        for _try in range(4):
            secret = self._begin(actor, booking["_id"], is_next=_try > 0)
            if secret is None:
                continue
            if rng.random() < LATE:
                with self._lock:
                    self.late_secrets.append(secret)
                return
            if rng.random() >= REFUSED:
                self.fake.pay(secret)
                return
            self.fake.refuse(secret)

    def _begin(self, actor, booking_id, *, is_next):
        request = checkout.PaymentRequest(is_next=is_next)
        try:
            return checkout.pay(self.context, booking_id, actor, request, utc_now()).client_secret
        except AppError as refusal:
            if refusal.code not in ("payment_unavailable", "payment_under_way"):
                raise
            return None

    def deliver_until_done(self):
        """Deliver the events mixed and twice, while the buyers are at it."""
        rng, seen = random.Random(0), 0
        while not self._done.wait(0.05):
            arrived = self.fake.events[seen:]
            seen += len(arrived)
            for event in rng.sample(arrived * 2, 2 * len(arrived)):
                read = self.context.payments.current.read_event(
                    event.body, self.fake.sign(event.body), utc_now()
                )
                events.apply_event(self.context, read, utc_now())

    def rush(self):
        with ThreadPoolExecutor(THREADS + 1) as pool:
            delivering = pool.submit(self.deliver_until_done)
            try:
                buying = [pool.submit(self.buy, number) for number in range(BUYERS)]
                for bought in buying:
                    bought.result()
            finally:
                self._done.set()
            delivering.result()

    def come_to_rest(self):
        now = utc_now() + timedelta(minutes=11)
        waitlist_offers.expire_holds(self.context, now)
        for secret in self.late_secrets:
            try:
                self.fake.pay(secret)
            except NotPayable:
                continue
        self.fake.recover()
        for _round in range(6):
            now += timedelta(minutes=3)
            recovery.recover(self.context, now)
            reconciliation.reconcile_payments(self.context, now)
            refunds.pay_due_refunds(self.context, now)


@pytest.fixture
def crowd(app, db):
    with FakeStripe() as fake:
        fake.set_chances(random.Random(1), lose_answer=LOST)
        yield Crowd(BOOKING_CONTEXT.get(app), fake)


def test_a_crowd_that_pays_oversells_nothing_and_loses_no_money(db, crowd):
    crowd.rush()
    crowd.come_to_rest()
    kit.assert_consistent(crowd.context, utc_now() + timedelta(hours=1))
    bookings = list(db.bookings.find({"void": {"$ne": True}}))
    sold = sum(each["quantity"] for each in bookings if each["status"] == "confirmed")
    assert 0 < sold <= TICKETS
    for booking in bookings:
        attempts = booking["payment"]["attempts"]
        assert sum(each["state"] == "succeeded" for each in attempts) <= 1
        charged, refunded = crowd.fake.money_of(str(booking["_id"]))
        owed = booking["totalCents"] if booking["status"] == "confirmed" else 0
        assert charged - refunded == owed, booking
    charged, refunded = crowd.fake.money_of()
    assert charged - refunded == sold * 2000
    assert any("refusal" in a for b in bookings for a in b["payment"]["attempts"])
