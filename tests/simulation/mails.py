"""The mail server of a simulation, and what it must have received once everything is at rest.

A worker that dies after the server has accepted a mail leads to a second one, with the same
Message-ID. So a message may arrive more than once, but never under two ids.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import EmailMessage

from eventapp.notifications.smtp import DeliveryFailed
from tests.simulation.scheduler import Scheduler
from tests.simulation.store import SimulatedStore


class SimulatedMailServer:
    """Accepts messages; sending may fail before a message is accepted, or after it.

    Attributes:
        received: how often each message was accepted, by its Message-ID.
        failure: the probability that sending fails before the acceptance, and again after it.
    """

    def __init__(self, scheduler: Scheduler, *, failure: float) -> None:
        self.received: Counter[str] = Counter()
        self.failure = failure
        self._scheduler = scheduler

    @contextmanager
    def connect(self) -> Iterator["SimulatedMailServer"]:
        """Open a connection, as `Outbox.connect` does."""
        yield self

    def send(self, message: EmailMessage) -> None:
        """Accept a message, or raise DeliveryFailed."""
        self._fail("the message was not accepted")
        self.received[message["Message-ID"]] += 1
        self._fail("the answer was lost")

    def _fail(self, reason: str) -> None:
        self._scheduler.pause()
        if self._scheduler.random.random() < self.failure:
            self._scheduler.note(reason)
            raise DeliveryFailed(reason)


def check_mails(store: SimulatedStore, server: SimulatedMailServer) -> None:
    """Check that each mail was sent, and that every holder of a confirmed booking has one."""
    mails = store.read("mails")
    for mail in mails:
        assert mail["status"] == "sent", f"a mail was not sent: {mail['key']} {mail['status']}"
    sent = {f"<{mail['_id']}@localhost>" for mail in mails}
    assert sent == server.received.keys(), "what the server received is not what was written"
    keys = {mail["key"] for mail in mails}
    users = {user["_id"] for user in store.read("users")}
    for booking in store.read("bookings"):
        if booking.get("status") == "confirmed" and booking["userId"] in users:
            key = f"booking:{booking['_id']}:booking_confirmed"
            assert key in keys, f"the holder was not told of the booking: {booking['_id']}"
