"""A payment provider with buyers: it is slow, refuses, and fails before or after it does something.

Some payments succeed when they are created. Others stay open until their buyer comes: the buyer
pays some time later, after a refused card or a time in which nobody knows whether money comes, or
never. Of each change the provider reports an event, which may be late, repeated, or lost.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from eventapp.payments.provider import (
    Attempt,
    PaymentRefused,
    PaymentStatus,
    PaymentUnavailable,
    ProviderEvent,
    ProviderPayment,
)
from tests.simulation.scheduler import Scheduler

# How long a buyer takes for each step. A hold ends after about a minute.
BUYER_SECONDS = (0, 1, 20, 59.9, 70, 150)
CAN_BE_PAID: frozenset[PaymentStatus] = frozenset({"open", "refused"})


@dataclass
class SimulatedPayment:
    """What the provider knows of an attempt."""

    attempt: Attempt
    status: PaymentStatus

    def show(self) -> ProviderPayment:
        """Return what the provider says of the payment."""
        cents = self.attempt.cents if self.status == "succeeded" else 0
        refusal = "card_declined" if self.status == "refused" else None
        return ProviderPayment(
            f"payment-{self.attempt.attempt_id}", self.status, cents, refusal=refusal
        )


class SimulatedProvider:
    """Charges and refunds each attempt at most once, however often it is asked.

    Attributes:
        charged, refunded: cents by the hex id of the attempt.
        failure: the probability that a call fails before it has an effect, and again after it.
        refusal: the probability that a payment is refused when it is created, so there is none.
        openness: the probability that a payment waits for its buyer.
        spawn: starts a task that the history waits for; None once the last buyer has gone.
        report: delivers an event; called by a task.
    """

    name = "simulated"
    charges_at_once = False

    def __init__(
        self, scheduler: Scheduler, *, failure: float, refusal: float, openness: float
    ) -> None:
        self._scheduler, self._random = scheduler, scheduler.random
        self.failure, self.refusal, self.openness = failure, refusal, openness
        self.buyer_pays = openness > 0
        self.spawn: Callable[[str, Callable[[], None]], Any] | None = None
        self.report: Callable[[ProviderEvent], None] = lambda _event: None
        self.charged: Counter[str] = Counter()
        self.refunded: Counter[str] = Counter()
        self._payments: dict[str, SimulatedPayment] = {}
        self._refused: set[str] = set()
        self._refund_keys: set[str] = set()
        self._event_count = 0

    def create(self, attempt: Attempt) -> ProviderPayment:
        """Create the payment of an attempt unless there is one; return it."""
        self._be_slow_or_fail()
        payment = self._payments.get(attempt.attempt_id) or self._create(attempt)
        self._be_slow_or_fail()
        return payment.show()

    def _create(self, attempt: Attempt) -> SimulatedPayment:
        if attempt.attempt_id in self._refused or self._random.random() < self.refusal:
            self._refused.add(attempt.attempt_id)
            raise PaymentRefused("card_declined")
        payment = SimulatedPayment(attempt, "open")
        self._payments[attempt.attempt_id] = payment
        if self._random.random() >= self.openness:
            self._change(payment, "succeeded")
        elif self.spawn:
            self.spawn(f"buyer of {attempt.attempt_id}", lambda: self._buy(payment))
        return payment

    def fetch(self, attempt: Attempt) -> ProviderPayment:
        """Return the payment of an attempt."""
        self._be_slow_or_fail()
        return self._payments[attempt.attempt_id].show()

    def cancel(self, attempt: Attempt) -> ProviderPayment:
        """Cancel the payment of an attempt, also before it is created, unless it is too late."""
        self._be_slow_or_fail()
        payment = self._payments.setdefault(
            attempt.attempt_id, SimulatedPayment(attempt, "cancelled")
        )
        if payment.status in CAN_BE_PAID:
            self._change(payment, "cancelled")
        self._be_slow_or_fail()
        return payment.show()

    def refund(self, attempt: Attempt, cents: int, key: str) -> str:
        """Pay back an amount of what an attempt has charged, once for each key."""
        self._be_slow_or_fail()
        if key not in self._refund_keys and attempt.attempt_id in self.charged:
            self.refunded[attempt.attempt_id] += cents
        self._refund_keys.add(key)
        self._be_slow_or_fail()
        return f"refund-{key}"

    def _be_slow_or_fail(self) -> None:
        self._scheduler.pause()
        if self._random.random() < self.failure:
            self._scheduler.note("the provider does not answer")
            raise PaymentUnavailable("the provider does not answer")

    # What happens by itself.

    def _buy(self, payment: SimulatedPayment) -> None:
        """Do what a buyer does, who may give up before each step."""
        while payment.status in CAN_BE_PAID and self._random.random() < 0.8:
            self._scheduler.pause(seconds=self._random.choice(BUYER_SECONDS))
            if payment.status not in CAN_BE_PAID:
                return
            status: PaymentStatus = self._random.choice(("refused", "processing", "succeeded"))
            self._change(payment, status)
        if payment.status == "processing":
            self._scheduler.pause(seconds=self._random.choice(BUYER_SECONDS))
            self._change(payment, self._random.choice(("succeeded", "succeeded", "refused")))

    def _change(self, payment: SimulatedPayment, status: PaymentStatus) -> None:
        attempt = payment.attempt
        payment.status = status
        self._scheduler.note(f"the payment of attempt {attempt.attempt_id} is {status}")
        if status == "succeeded":
            self.charged[attempt.attempt_id] = attempt.cents
        if not self.spawn or not self.openness:
            return
        self._event_count += 1
        event = ProviderEvent(
            f"event {self._event_count}", attempt.booking_id, attempt.attempt_id, payment.show()
        )
        for _delivery in range(self._random.choice((0, 1, 1, 2))):
            self.spawn(event.event_id, lambda: self.report(event))
