"""Read the gauges that are the same in all processes, because the database has them."""

from datetime import datetime

from eventapp.bookings.payment_health import measure_payments
from eventapp.core.database import Db
from eventapp.core.metrics import GaugeValue


def read_gauges(db: Db, now: datetime) -> list[GaugeValue]:
    """Return the gauges of the payments and refunds that wait for a payment provider."""
    found = measure_payments(db)
    return [
        GaugeValue("eventapp_refunds_open", "Refunds to be paid", found.refunds_open),
        GaugeValue(
            "eventapp_refunds_oldest_seconds",
            "Age of the oldest refund to be paid",
            found.compute_oldest_age(now),
        ),
        GaugeValue(
            "eventapp_refunds_failing", "Refunds whose last try failed", found.refunds_failed
        ),
        GaugeValue(
            "eventapp_payments_unknown",
            "Payments for which the provider has not answered",
            found.payments_unknown,
        ),
    ]
