"""A payment provider that is slow, refuses, fails before or after it has charged, and remembers."""

from collections import Counter

from bson import ObjectId

from eventapp.payments.providers import PaymentRefused, PaymentUnavailable
from tests.simulation.scheduler import Scheduler


class SimulatedProvider:
    """Charges and refunds each attempt at most once, however often it is asked.

    Attributes:
        charged, refunded: cents by the id of the attempt.
        failure: the probability that a call fails before it has an effect, and again after it.
        refusal: the probability that a charge is refused.
    """

    name = "simulated"

    def __init__(self, scheduler: Scheduler, failure: float, refusal: float) -> None:
        self._scheduler, self.failure, self.refusal = scheduler, failure, refusal
        self.charged: Counter[ObjectId] = Counter()
        self.refunded: Counter[ObjectId] = Counter()
        self._forbidden: set[ObjectId] = set()
        self._refund_keys: set[str] = set()

    def charge(self, attempt_id: ObjectId, cents: int, currency: str) -> str:
        """Charge an amount, unless the attempt was charged before."""
        self._be_slow_or_fail()
        if attempt_id not in self.charged:
            refuses = self._scheduler.random.random() < self.refusal
            if refuses or attempt_id in self._forbidden:
                raise PaymentRefused
            self.charged[attempt_id] = cents
        self._be_slow_or_fail()
        return f"charge-{attempt_id}"

    def forbid_charges(self, attempt_id: ObjectId) -> int:
        """Refuse all later charges of an attempt; return the cents charged before."""
        self._be_slow_or_fail()
        self._forbidden.add(attempt_id)
        self._be_slow_or_fail()
        return self.charged[attempt_id]

    def refund(self, attempt_id: ObjectId, cents: int, currency: str, key: str) -> str:
        """Pay back an amount of what an attempt has charged, once for each key."""
        self._be_slow_or_fail()
        if key not in self._refund_keys and attempt_id in self.charged:
            self.refunded[attempt_id] += cents
        self._refund_keys.add(key)
        self._be_slow_or_fail()
        return f"refund-{key}"

    def _be_slow_or_fail(self) -> None:
        self._scheduler.pause()
        if self._scheduler.random.random() < self.failure:
            self._scheduler.note("the provider does not answer")
            raise PaymentUnavailable("the provider does not answer")
