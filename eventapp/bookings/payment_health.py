"""Count the payments and refunds that wait for a payment provider, for operators."""

from datetime import datetime
from typing import NamedTuple

from eventapp.bookings import store_payment_health as store
from eventapp.core.database import Db
from eventapp.due_work import service as due_work

# The name of the work of the job `refunds` in the records of what fails.
REFUND_KIND = "refund"
# More are not counted, so that a count costs the same however much there is to do.
MAX_COUNTED = 10_000


class PaymentHealth(NamedTuple):
    """What waits for a payment provider. Each number is at most MAX_COUNTED.

    Attributes:
        refunds_open: bookings with a refund that is decided and not paid.
        oldest_refund_at: since when the oldest of them is due, in UTC; None without one.
        refunds_failed: those of which the last try to pay has failed.
        payments_unknown: payments of which the provider has not said what became of them.
    """

    refunds_open: int
    oldest_refund_at: datetime | None
    refunds_failed: int
    payments_unknown: int

    def compute_oldest_age(self, now: datetime) -> float:
        """Return for how many seconds the oldest open refund is due, 0 without one."""
        if self.oldest_refund_at is None:
            return 0.0
        return max(0.0, (now - self.oldest_refund_at).total_seconds())


def measure_payments(db: Db) -> PaymentHealth:
    """Return how many payments and refunds wait for a payment provider."""
    return PaymentHealth(
        store.count_open_refunds(db, MAX_COUNTED),
        store.find_oldest_refund_time(db),
        due_work.count_failures(db, REFUND_KIND, MAX_COUNTED),
        store.count_unknown_payments(db, MAX_COUNTED),
    )
