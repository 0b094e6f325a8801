"""A payment provider that refuses, does not answer or answers too late; nobody pays twice."""

import pytest
from bson import ObjectId

from eventapp.payments.provider import PaymentRefused, PaymentUnavailable
from eventapp.payments.providers import Providers
from tests.bookings_factories import RecordingProvider, changed, context_of
from tests.conftest import empty_written_collections
from tests.fault.world import (
    World,
    accept_a_part,
    cancel_a_part_of_what_was_paid,
    cancel_the_last_part,
    cancel_what_was_paid,
    check_stock_and_money,
    confirm,
    settle,
)

FAULTS = ("refuses", "loses the request", "loses the reply")


class FaultyProvider(RecordingProvider):
    """A provider of which one call fails.

    Attributes:
        count: the calls since `begin`.
    """

    def begin(self, number, fault):
        """Let the call with this number, counted from now on, fail."""
        self.count, self._number, self._fault = 0, number, fault

    def __init__(self):
        super().__init__()
        self.begin(0, "")

    def _call(self, method, *arguments, can_refuse):
        self.count += 1
        is_faulty = self.count == self._number
        if is_faulty and can_refuse and self._fault == "refuses":
            raise PaymentRefused
        if is_faulty and self._fault != "loses the reply":
            raise PaymentUnavailable
        answer = method(*arguments)
        if is_faulty:
            raise PaymentUnavailable
        return answer

    def create(self, attempt):
        is_charged = ObjectId(attempt.attempt_id) in self.charged
        return self._call(super().create, attempt, can_refuse=not is_charged)

    def fetch(self, *arguments):
        return self._call(super().fetch, *arguments, can_refuse=False)

    def cancel(self, *arguments):
        return self._call(super().cancel, *arguments, can_refuse=False)

    def refund(self, *arguments):
        return self._call(super().refund, *arguments, can_refuse=True)


def accept_another_part(world):
    """Accept all tickets that are left after the provider did not answer for two of them."""
    call = accept_a_part(world)
    world.provider.begin(1, "loses the reply")
    assert call().status_code == 503
    world.provider.begin(0, "")
    return lambda: world.bob.accept(world.event_id, quantity=3)


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize(
    "operation",
    [
        *(confirm, cancel_what_was_paid, accept_a_part, accept_another_part),
        *(cancel_a_part_of_what_was_paid, cancel_the_last_part),
    ],
    ids=lambda operation: operation.__name__,
)
def test_a_call_of_the_provider_that_fails_loses_no_money(app, db, operation, fault):
    number = 0
    while True:
        number += 1
        provider = FaultyProvider()
        with changed(context_of(app), payments=Providers(provider)):
            empty_written_collections(db)
            world = World(app, db, provider)
            call = operation(world)
            provider.begin(number, fault)
            answer = call()
            if provider.count < number:
                break
            codes = (None, "payment_unavailable", "payment_failed")
            assert answer.json.get("code") in codes, answer.json
            settle(world)
            again = call()
            # The worker may have learned of the money, and have confirmed the offer.
            is_accepted = again.json.get("offerStatus") == "accepted"
            assert again.status_code in (200, 201) or is_accepted, again.json
            world.run_jobs(minutes=45)
            check_stock_and_money(world)
            confirmed = db.bookings.find({"status": "confirmed"})
            assert provider.balance == sum(
                each["totalCents"] for each in confirmed if "payment" in each
            )
    assert number > 1


def test_a_provider_that_is_down_for_all_refunds_delays_no_ticket(app, db, provider):
    world = World(app, db, provider)
    cancel = cancel_what_was_paid(world)
    provider.is_down = True
    assert cancel().status_code == 200
    assert world.bob.order(world.event_id, ticketTypeId=1, quantity=4).status_code == 201
    world.run_jobs(minutes=1)
    assert db.failedWork.count_documents({"kind": "refund"}) == 1
    provider.is_down = False
    world.run_jobs(minutes=10)
    check_stock_and_money(world)
