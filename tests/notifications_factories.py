"""Notifications, workers and a mail server for tests."""

import asyncio
import threading
from contextlib import contextmanager
from datetime import timedelta
from functools import partial

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult
from bson import ObjectId

from eventapp.bookings import notifications as booking_notifications
from eventapp.bookings.context import BookingContext
from eventapp.core.clock import utc_now
from eventapp.inventory.service import Inventory
from eventapp.notifications import service as notifications
from eventapp.notifications.outbox import Outbox, send_due_mails
from eventapp.notifications.smtp import SmtpConnection
from eventapp.notifications.types import NewNotification, Recipient
from tests.live import find_free_port

FACTS = {
    "bookingId": "b1",
    "bookingReference": "EVT-ABC234",
    "eventId": 1,
    "eventTitle": "Night <of> jazz",
    "date": "2030-05-01",
    "location": "Volos",
    "quantity": 2,
    "currency": "EUR",
    "expiresAt": None,
    "refund": None,
}
# What the text of any kind of notification needs, apart from a time in `expiresAt`.
ALL_FACTS = {
    **FACTS,
    "gross": 35,
    "discount": 5,
    "revenue": 30,
    "schedule": [{"date": "2030-05-02", "location": "Larissa"}],
    "reason": "event_over",
    "left": 1,
    "period": "daily",
    "from": "2030-04-30",
    "to": "2030-04-30",
    "organizer": "A <of> B",
    "subject": "News",
    "text": "Doors open at <of> seven.",
    "webhookHost": "hooks.example.org",
}
ITEMS = [{"type": "General", "quantity": 2, "unitPrice": 20, "subtotal": 40}]


def make_notification(kind="booking_confirmed", *, key=None, email="ann@example.org", **changes):
    """Return a notification of a booking to one user."""
    return NewNotification(
        key=key or f"test:{ObjectId()}",
        kind=kind,
        recipient=Recipient(
            changes.pop("user_id", ObjectId()),
            "Ann",
            email,
            language=changes.pop("language", "en"),
            credentials_version=changes.pop("credentials_version", 0),
        ),
        occurred_at=utc_now(),
        data={**FACTS, **changes.pop("data", {})},
        mail_data=changes.pop("mail_data", {"items": ITEMS, "totalPrice": 40}),
        **changes,
    )


def notify(db, *new, base_url="https://tickets.example"):
    """Write notifications and their mails; return how many notifications were new."""
    return notifications.notify(db, base_url, new, utc_now())


def worker_context(context, outbox):
    """Return the context of a worker that has this outbox."""
    inventory = Inventory(context.db)
    return BookingContext(
        context.db,
        inventory,
        context.limits,
        context.payments,
        outbox,
        link_keys=context.link_keys,
    )


def notify_holders(context, **span):
    """Run the job `tell` as if a span of time had passed; return how many it wrote."""
    return booking_notifications.notify_holders(context, utc_now() + timedelta(**span))


def send_mails(db, outbox, **span):
    """Send due mails as if a span of time had passed; return how many are finished."""
    return send_due_mails(db, outbox, utc_now() + timedelta(**span))


class Mailbox:
    """The handler of a real mail server.

    Attributes:
        answers: the answers to "RCPT" and "DATA". By default both are accepted. "stall" never
            answers, and "drop" closes the connection.
        received: the recipient and the content of each message that was accepted or dropped.
        release: set at the end, so that stalled connections end.
    """

    def __init__(self):
        self.answers, self.received, self.port = {}, [], find_free_port()
        self.release = threading.Event()

    async def _answer(self, server, command, by_default):
        answer = self.answers.get(command, by_default)
        if answer == "stall":
            await asyncio.get_running_loop().run_in_executor(None, self.release.wait, 20)
        if answer in ("stall", "drop"):
            server.transport.abort()
            return by_default
        return answer

    async def handle_RCPT(self, server, session, envelope, address, options):  # noqa: N802
        answer = await self._answer(server, "RCPT", "250 OK")
        if answer.startswith("250"):
            envelope.rcpt_tos.append(address)
        return answer

    async def handle_DATA(self, server, session, envelope):  # noqa: N802
        answer = await self._answer(server, "DATA", "250 taken")
        if answer.startswith("250"):
            self.received += [(to, envelope.content) for to in envelope.rcpt_tos]
        return answer

    def outbox(self, timeout=5.0, **parts):
        """Return an outbox that sends to this server.

        Args:
            parts: further attributes of the outbox.
        """
        connect = partial(SmtpConnection, f"smtp://127.0.0.1:{self.port}", timeout=timeout)
        sender = "Events <events@tickets.example>"
        return Outbox(connect, sender, "https://tickets.example", **parts)


@contextmanager
def mail_server(login=None):
    """Run a mail server and yield its Mailbox.

    Args:
        login: the name and the password that clients must log in with; None if they need not.
    """
    box = Mailbox()

    def authenticate(_server, _session, _envelope, _mechanism, data):
        sent = (data.login.decode(), data.password.decode())
        return AuthResult(success=sent == login)

    options = {"authenticator": authenticate, "auth_required": True, "auth_require_tls": False}
    controller = Controller(box, hostname="127.0.0.1", port=box.port, **(options if login else {}))
    controller.start()
    try:
        yield box
    finally:
        box.release.set()
        controller.stop()
