"""A payment provider at which the buyer pays later, and what it reports to the application."""

from bson import ObjectId

from eventapp.bookings.payments import events
from eventapp.core.clock import utc_now
from eventapp.payments.provider import PaymentRefused, ProviderEvent, ProviderPayment
from tests.bookings_factories import RecordingProvider


class BuyerProvider(RecordingProvider):
    """A provider whose payments are open until the test lets the buyer pay.

    Attributes:
        statuses: what it says of each attempt that it knows, by its id.
    """

    name = "buyer"
    buyer_pays = True

    def __init__(self):
        super().__init__()
        self.statuses = {}

    def create(self, attempt):
        self.calls.append(("charge", attempt.cents, attempt.currency))
        self._answer()
        self.before()
        attempt_id = ObjectId(attempt.attempt_id)
        if self.refuses or attempt_id in self.voided:
            raise PaymentRefused("card_declined")
        self.statuses.setdefault(attempt_id, "open")
        self.after()
        return self._show(attempt)

    def fetch(self, attempt):
        if ObjectId(attempt.attempt_id) not in self.statuses:
            return self.create(attempt)
        return super().fetch(attempt)

    def cancel(self, attempt):
        self._answer()
        attempt_id = ObjectId(attempt.attempt_id)
        self.voided.add(attempt_id)
        if self.statuses.get(attempt_id) not in ("succeeded", "processing"):
            self.statuses[attempt_id] = "cancelled"
        return self._show(attempt)

    def _show(self, attempt):
        status = self.statuses[ObjectId(attempt.attempt_id)]
        return ProviderPayment(
            f"charge-{attempt.attempt_id}",
            status,
            attempt.cents if status == "succeeded" else 0,
            client_secret=f"secret-{attempt.attempt_id}" if status in ("open", "refused") else None,
            refusal="card_declined" if status == "refused" else None,
        )

    def become(self, booking, status):
        """Let the last attempt of a stored booking have a status, without telling anybody.

        Money that comes is recorded in `charged`.
        """
        attempt = booking["payment"]["attempts"][-1]
        self.statuses[attempt["attemptId"]] = status
        if status == "succeeded":
            self.charged[attempt["attemptId"]] = attempt["cents"]


def make_event(booking, status, index=-1, **details):
    """Return the event by which a provider reports the status of an attempt of a stored booking."""
    attempt = booking["payment"]["attempts"][index]
    cents = attempt["cents"] if status == "succeeded" else 0
    seen = ProviderPayment(f"charge-{attempt['attemptId']}", status, cents, **details)
    return ProviderEvent("event-1", str(booking["_id"]), str(attempt["attemptId"]), payment=seen)


def report(context, booking, status, index=-1, now=None, **details):
    """Deliver the event that reports the status of an attempt; return the booking after it."""
    event = make_event(booking, status, index, **details)
    events.apply_event(context, event, now or utc_now())
    return context.db.bookings.find_one({"_id": booking["_id"]})


def pay(context, booking, now=None):
    """Let the buyer pay the last attempt of a stored booking, and report it."""
    context.payments.current.become(booking, "succeeded")
    return report(context, booking, "succeeded", now=now)
