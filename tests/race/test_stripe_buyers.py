"""Buyers pay by Stripe while requests, answers and events are lost, and no money is.

In the end each booking has brought what it costs if it is confirmed, and nothing if it is not.
STRIPE_BUYERS is how many buyers there are.
"""

import os
import random
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
import stripe

from eventapp.bookings import waitlist_offers
from eventapp.bookings.context import BOOKING_CONTEXT
from eventapp.bookings.payments import reconciliation, refunds
from eventapp.core.clock import utc_now
from tests import factories
from tests.bookings_factories import Caller
from tests.conftest import MONGO_URI
from tests.fake_stripe import FakeStripe, NotPayable
from tests.race import kit

BUYERS = int(os.environ.get("STRIPE_BUYERS", "30" if MONGO_URI else "40"))
SEATS, THREADS = BUYERS * 3 // 4, 16
FAULTS = {"lose_request": 0.05, "lose_answer": 0.08, "delay": 0.05}
FAULTS |= {"error": 0.05, "error_after": 0.05, "garbage": 0.05}
# Minutes after the sale at which the worker runs: holds have expired, and refunds are repeated.
LATER = (3, 6, 15, 30, 120, 600, 1440)


@pytest.fixture(scope="module")
def fake():
    with FakeStripe() as fake:
        yield fake


@pytest.fixture(scope="module")
def app(make_app, fake):
    return make_app(PAYMENT_PROVIDER="stripe", **fake.settings)


class Buyer:
    """Books one seat and pays, or not; some are refused, and some cancel."""

    def __init__(self, app, fake, event_id, seed):
        self.caller, self.fake = Caller(app.test_client(), app), fake
        self.event_id, self.random = event_id, random.Random(seed)

    def buy(self):
        answer = self._order()
        if answer.status_code != 201:
            return
        booking = answer.json["data"]["booking"]
        secret = booking["payment"].get("clientSecret")
        try:
            if secret is None or self.random.random() < 0.1:
                return
            if self.random.random() < 0.1:
                self.fake.refuse(secret)
                return
            if self.random.random() < 0.2:
                self.fake.require_action(secret)
            self.fake.pay(secret)
        except NotPayable:
            return
        if self.random.random() < 0.3:
            self.caller.cancel(booking)

    def _order(self):
        for _ in range(20):
            answer = self.caller.order(self.event_id, "key", ticketTypeId=1, quantity=1)
            if answer.status_code != 503:
                break
            time.sleep(0.05)
        return answer


def run_worker(app, fake):
    """Run the jobs of payments at times after all holds have expired."""
    context = BOOKING_CONTEXT.get(app)
    for minutes in LATER:
        now = utc_now() + timedelta(minutes=minutes)
        reconciliation.reconcile_payments(context, now)
        waitlist_offers.expire_holds(context, now)
        refunds.pay_due_refunds(context, now)
        fake.deliver(app.test_client())


def test_no_money_is_lost_or_kept_whatever_stripe_does(app, db, fake, monkeypatch):
    monkeypatch.setattr(stripe.HTTPClient, "INITIAL_DELAY", 0.01)
    event = factories.make_event(
        db, ticketTypes=[{"type": "Seat", "price": 20, "availableTickets": SEATS}]
    )
    fake.set_chances(random.Random(1), **FAULTS)
    buyers = [Buyer(app, fake, event["eventId"], seed) for seed in range(BUYERS)]
    has_ended, rng = threading.Event(), random.Random(2)

    def deliver():
        while not has_ended.wait(0.02):
            fake.deliver(app.test_client(), rng=rng, copies=2, lose=0.1)

    delivery = threading.Thread(target=deliver)
    delivery.start()
    try:
        with ThreadPoolExecutor(THREADS) as pool:
            for bought in [pool.submit(buyer.buy) for buyer in buyers]:
                bought.result()
    finally:
        has_ended.set()
        delivery.join()
    fake.recover()
    run_worker(app, fake)

    outcomes = Counter(booking["status"] for booking in db.bookings.find())
    assert outcomes["confirmed"] > 5
    assert outcomes["cancelled"] > 2
    assert outcomes["confirmed"] <= SEATS
    for booking in db.bookings.find():
        charged, refunded = fake.money_of(str(booking["_id"]))
        due = booking["totalCents"] if booking["status"] == "confirmed" else 0
        assert charged - refunded == due, (booking["status"], booking["payment"])
    kit.assert_consistent(BOOKING_CONTEXT.get(app))
