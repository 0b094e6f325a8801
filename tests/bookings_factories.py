"""Tools of the tests of bookings: events with tickets, users, a fixed clock, stock counters."""

from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from bson import ObjectId

from eventapp.bookings import waitlist_offers
from eventapp.bookings.context import BOOKING_CONTEXT
from eventapp.bookings.payments import checkout, reconciliation, refunds
from eventapp.bookings.routes import bookings, event_bookings, offers
from eventapp.core.clock import utc_now
from eventapp.payments.provider import PaymentRefused, PaymentUnavailable, ProviderPayment
from eventapp.waitlist import routes as waitlist_routes
from tests.factories import make_event, make_user

CLOCKS = (bookings, event_bookings, offers, waitlist_routes)
COUNTERS = ("availableTickets", "soldTickets", "heldTickets", "waiting")


def types(*quantities, price=20):
    """Return ticket types A, B, ... with these numbers of tickets."""
    names = "ABCDEFGH"[: len(quantities)]
    return [
        {"type": name, "price": price, "availableTickets": quantity}
        for name, quantity in zip(names, quantities, strict=True)
    ]


def event_of(db, *quantities, **changes) -> int:
    """Insert an event with these numbers of tickets; return its eventId."""
    changes.setdefault("ticketTypes", types(*quantities))
    return make_event(db, **changes)["eventId"]


class Caller:
    """A logged-in user and the requests that the tests make as this user."""

    def __init__(self, client, app, role="attendee"):
        person = make_user(app, role)
        self.client, self.id, self.headers = client, person["id"], person["headers"]

    def call(self, method, path, body=None, **headers):
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.client.open(
            f"/api{path}", method=method, json=body, headers={**self.headers, **names}
        )

    def get(self, path):
        return self.call("GET", path)

    def order(self, event_id, key=None, **body):
        """Send POST /bookings and return the response, which may be a refusal."""
        headers = {} if key is None else {"Idempotency_Key": key}
        return self.call("POST", "/bookings", {"eventId": event_id, **body}, **headers)

    def book(self, event_id, quantity=1, type_id=1, **body) -> dict[str, Any]:
        """Book tickets of one type and return the booking; fail if it is refused."""
        answer = self.order(event_id, ticketTypeId=type_id, quantity=quantity, **body)
        assert answer.status_code == 201, answer.json
        return answer.json["data"]["booking"]

    def cancel(self, booking):
        return self.call("PUT", f"/bookings/{booking['_id']}/cancel")

    def cancel_tickets(self, booking, key=None, **body):
        """Cancel some tickets of a booking, by `items` or `ticketIds`."""
        headers = {} if key is None else {"Idempotency_Key": key}
        return self.call("POST", f"/bookings/{booking['_id']}/cancellations", body, **headers)

    def cancel_some(self, booking, quantity, type_id=1, key=None):
        items = [{"ticketTypeId": type_id, "quantity": quantity}]
        return self.cancel_tickets(booking, key, items=items)

    def ticket_ids(self, booking):
        return [
            each["ticketId"]
            for each in self.get(f"/bookings/{booking['_id']}/tickets").json["tickets"]
        ]

    def confirm(self, booking):
        return self.call("POST", f"/bookings/{booking['_id']}/confirm")

    def join(self, event_id, quantity=1, type_id=1, **body):
        body |= {"eventId": event_id, "quantity": quantity}
        if type_id is not None:
            body["ticketTypeId"] = type_id
        return self.call("POST", "/waitlist", body)

    def wait(self, event_id, quantity=1, type_id=1, **body) -> dict[str, Any]:
        """Join the waitlist and return the entry; fail if it is refused."""
        answer = self.join(event_id, quantity, type_id, **body)
        assert answer.status_code == 201, answer.json
        return answer.json["data"]["waitlistEntry"]

    def waitlist_entries(self):
        return self.get("/waitlist").json["waitlist"]

    def offers(self):
        return self.get("/waitlist/notifications").json["notifications"]

    def accept(self, event_id, **body):
        return self.call("POST", f"/waitlist/{event_id}/accept", body)


class RecordingProvider:
    """A payment provider that records its calls, and refuses, fails or breaks on request.

    Attributes:
        charged, returned: cents by the id of the attempt.
        refunds: cents by the key of the refund; 0 for an attempt that was not charged.
        refuses: True to refuse every charge.
        refuses_refunds_of: ids of attempts of which it refuses the refund.
        refuses_keys: keys of refunds that it refuses.
        is_down: True to answer no call.
        before, after: called before and after each charge.
    """

    name = "recording"
    charges_at_once, buyer_pays = False, False

    def __init__(self):
        self.charged, self.returned, self.voided, self.calls = {}, {}, set(), []
        self.refuses, self.before, self.after = False, lambda: None, lambda: None
        self.refuses_refunds_of, self.refuses_keys = set(), set()
        self.is_down, self.refunds = False, {}

    def create(self, attempt):
        self.calls.append(("charge", attempt.cents, attempt.currency))
        self._answer()
        self.before()
        attempt_id = ObjectId(attempt.attempt_id)
        if self.refuses or attempt_id in self.voided:
            raise PaymentRefused
        self.charged.setdefault(attempt_id, attempt.cents)
        self.after()
        return ProviderPayment(f"charge-{attempt_id}", "succeeded", attempt.cents)

    def fetch(self, attempt):
        self._answer()
        return self._show(attempt)

    def cancel(self, attempt):
        self._answer()
        self.voided.add(ObjectId(attempt.attempt_id))
        return self._show(attempt)

    def _show(self, attempt):
        cents = self.charged.get(ObjectId(attempt.attempt_id), 0)
        status = "succeeded" if cents else "cancelled"
        return ProviderPayment(f"charge-{attempt.attempt_id}", status, cents, fee_cents=0)

    def refund(self, attempt, cents, key):
        self.calls.append(("refund", cents, attempt.currency))
        self._answer()
        attempt_id = ObjectId(attempt.attempt_id)
        if attempt_id in self.refuses_refunds_of or key in self.refuses_keys:
            raise PaymentRefused("account_closed")
        if key not in self.refunds:
            self.refunds[key] = cents if attempt_id in self.charged else 0
            self.returned[attempt_id] = self.returned.get(attempt_id, 0) + self.refunds[key]
        return f"refund-{key}"

    def _answer(self):
        if self.is_down:
            raise PaymentUnavailable("timed out")

    @property
    def balance(self):
        return sum(self.charged.values()) - sum(self.returned.values())


def context_of(app):
    return BOOKING_CONTEXT.get(app)


def stock_of(db, event_id, type_id=1):
    """Return the stored available, sold, held and waiting counts of a ticket type."""
    event = db.events.find_one({"eventId": event_id})
    ticket_type = next(t for t in event["ticketTypes"] if t["ticketTypeId"] == type_id)
    return tuple(ticket_type[name] for name in COUNTERS)


def later(**span):
    return utc_now() + timedelta(**span)


def set_clock(monkeypatch, moment):
    """Set the time that all routes of bookings and the waitlist read."""
    for module in CLOCKS:
        monkeypatch.setattr(module, "utc_now", lambda: moment)


def expire_holds(app, **span):
    """Run the job that expires holds and offers as if so much time had passed."""
    return waitlist_offers.expire_holds(context_of(app), later(**span))


def pay_refunds(app, **span):
    """Run the job that pays refunds as if so much time had passed."""
    return refunds.pay_due_refunds(context_of(app), later(**span))


def reconcile(app, **span):
    """Run the job that asks the provider about attempts as if so much time had passed."""
    return reconciliation.reconcile_payments(context_of(app), later(**span))


def confirm_booking(context, booking_id, actor, now, quantity=None):
    """Pay for a hold, or for some tickets of an offer; return the booking as it is then."""
    return checkout.pay(context, booking_id, actor, checkout.PaymentRequest(quantity), now).booking


def refused(answer, status, code):
    """Assert that a response is this error, and return its body."""
    assert (answer.status_code, answer.json.get("code")) == (status, code), answer.json
    return answer.json


@contextmanager
def changed(object_, **attributes):
    """Set attributes of an object for the duration of the block."""
    before = {name: getattr(object_, name) for name in attributes}
    for name, value in attributes.items():
        setattr(object_, name, value)
    try:
        yield
    finally:
        for name, value in before.items():
            setattr(object_, name, value)
