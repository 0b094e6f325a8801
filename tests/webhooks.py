"""Webhooks for tests: made by an organizer, and served as workers serve them."""

import json
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from standardwebhooks import Webhook

from eventapp.core.clock import utc_now
from eventapp.webhooks import facts, notices, sending
from eventapp.webhooks.transport import Answer
from tests.bookings_factories import context_of

URL = "https://hooks.example.org/eventapp"
ALL_TYPES = [
    "booking.confirmed",
    "booking.cancelled",
    "booking.refunded",
    "ticket.checked_in",
    "waitlist.offered",
    "event.updated",
    "event.cancelled",
]


def try_to_create(host, **body):
    """Send POST /webhooks and return the response, which may be a refusal."""
    return host.call("POST", "/webhooks", {"url": URL, "events": ALL_TYPES, **body})


def create(host, **body) -> dict[str, Any]:
    """Create a webhook and return it with its `secret`; fail if it is refused."""
    answer = try_to_create(host, **body)
    assert answer.status_code == 201, answer.json
    return {**answer.json["webhook"], "secret": answer.json["secret"]}


@dataclass
class Sent:
    """What one attempt has sent."""

    url: str
    body: bytes
    headers: dict[str, str]

    @property
    def payload(self) -> dict[str, Any]:
        return json.loads(self.body)

    @property
    def type(self) -> str:
        return self.payload["type"]

    @property
    def data(self) -> dict[str, Any]:
        return self.payload["data"]

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    def verify(self, secret: str) -> None:
        """Raise WebhookVerificationError unless a signature is that of this secret."""
        Webhook(secret).verify(self.body.decode(), self.headers)


@dataclass
class Receivers:
    """Stand for the network: what was sent, in order, and how the receiver of each URL answers.

    Attributes:
        answers: the answer by URL; 200 for the others. A function is called with what was sent.
    """

    answers: dict[str, Any] = field(default_factory=dict)
    sent: list[Sent] = field(default_factory=list)

    def send(self, url, body, headers, *, allow_private):
        sent = Sent(url, body, dict(headers))
        self.sent.append(sent)
        answer = self.answers.get(url, answered(200, b"ok"))
        return answer(sent) if callable(answer) else answer

    def take(self) -> list[Sent]:
        """Return what was sent since the last call."""
        taken, self.sent = self.sent, []
        return taken


def answered(status, excerpt=b""):
    return Answer(status, excerpt, None, 7)


DOWN = Answer(None, b"", "connection_failed", 3)


def make(app, **span):
    """Run the job that makes deliveries as if a span of time had passed."""
    return facts.make_deliveries(context_of(app), utc_now() + timedelta(**span))


def send(app, **span):
    """Run both jobs that send, as if a span of time had passed; return how many attempts."""
    context, now = context_of(app), utc_now() + timedelta(**span)
    return sending.send_first_attempts(context, now) + sending.send_retries(context, now)


def tell(app, **span):
    """Run the job that tells owners that their webhooks were disabled."""
    return notices.notify_owners(context_of(app), utc_now() + timedelta(**span))


def deliver(app, **span):
    """Make the deliveries and send what is due; return how many attempts there were."""
    make(app, **span)
    return send(app, **span)


def list_deliveries(host, webhook):
    return host.get(f"/webhooks/{webhook['webhookId']}/deliveries").json["deliveries"]
