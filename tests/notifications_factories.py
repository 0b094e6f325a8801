"""What tests of notifications need: a mail server of one's own, the worker's rounds, the post."""

import asyncio
import threading
from contextlib import contextmanager
from datetime import timedelta
from functools import partial

from aiosmtpd.controller import Controller
from bson import ObjectId

from eventapp.bookings import notifications as booking_notifications
from eventapp.bookings.context import BookingContext
from eventapp.core.clock import utc_now
from eventapp.inventory.service import Inventory
from eventapp.notifications import outbox
from eventapp.notifications import service as notifications
from eventapp.notifications.outbox import Outbox
from eventapp.notifications.smtp import SmtpConnection
from eventapp.notifications.types import NewNotification, Recipient
from tests.live import free_port

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
ITEMS = [{"type": "General", "quantity": 2, "unitPrice": 20, "subtotal": 40}]


def news_of(kind="booking_confirmed", *, key=None, email="ann@example.org", **changes):
    """Something to tell one person."""
    return NewNotification(
        key=key or f"test:{ObjectId()}",
        kind=kind,
        recipient=Recipient(changes.pop("user_id", ObjectId()), "Ann", email),
        occurred_at=utc_now(),
        data={**FACTS, **changes.pop("data", {})},
        mail_data={"items": ITEMS, "totalPrice": 40},
        **changes,
    )


def told(db, *news, base_url="https://tickets.example"):
    return notifications.notify(db, base_url, news, utc_now())


def posted(context, post):
    """The context of a worker that has this post."""
    return BookingContext(context.db, Inventory(context.db), context.limits, context.payments, post)


def tell(context, **span):
    return booking_notifications.notify_holders(context, utc_now() + timedelta(**span))


def send(db, post, **span):
    """The worker's round of mails, after this span."""
    return outbox.send_due_mails(db, post, utc_now() + timedelta(**span))


class Mailbox:
    """A real mail server: it keeps what it takes, and answers as `say` tells it to.

    Attributes:
        say: {"RCPT" or "DATA": its answer}; "stall" waits, "drop" hangs up without a word.
        taken: `(recipient, content)` each, also of what it dropped after having it.
    """

    def __init__(self):
        self.say, self.taken, self.port = {}, [], free_port()
        self.let_go = threading.Event()

    async def _answer(self, server, command, by_default):
        answer = self.say.get(command, by_default)
        if answer == "stall":
            await asyncio.get_running_loop().run_in_executor(None, self.let_go.wait, 20)
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
            self.taken += [(to, envelope.content) for to in envelope.rcpt_tos]
        return answer

    def post(self, timeout=5.0):
        line = partial(SmtpConnection, f"smtp://127.0.0.1:{self.port}", timeout=timeout)
        return Outbox(line, "Events <events@tickets.example>", "https://tickets.example")


@contextmanager
def mail_server():
    """A Mailbox that listens."""
    box = Mailbox()
    controller = Controller(box, hostname="127.0.0.1", port=box.port)
    controller.start()
    try:
        yield box
    finally:
        box.let_go.set()
        controller.stop()
