"""What the clients of a history do: the requests of one user, or of the organizer."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from random import Random
from typing import Any, NamedTuple, Protocol

from bson import ObjectId

from eventapp.bookings import (
    offer_answers,
    partial_cancellations,
    waitlist_offers,
)
from eventapp.bookings.bodies import CancellationInput
from eventapp.bookings.context import BookingContext
from eventapp.bookings.partial_cancellations import CancellationRequest
from eventapp.bookings.payments import checkout
from eventapp.bookings.payments.checkout import PaymentRequest
from eventapp.bookings.sales import ticket_limit
from eventapp.bookings.sales.purchases import Purchase, PurchaseItem
from eventapp.core.access.actor import Actor
from eventapp.core.errors import AppError
from eventapp.events.bodies import QuotaInput
from eventapp.waitlist import joining
from tests.simulation import invariants
from tests.simulation.scheduler import Process, Scheduler
from tests.simulation.store import SimulatedStore


@dataclass
class Server:
    """A server process: its context, which dies with it."""

    process: Process
    context: BookingContext


@dataclass
class Outcome:
    """How a request ended for its client.

    Attributes:
        value: what the service returned; None if it did not.
        error: the refusal, or the failure that the client sees as a 503; None for neither.
        is_done: False if the process died first, so that the client got no answer.
    """

    value: Any = None
    error: Exception | None = None
    is_done: bool = False

    @property
    def is_refused(self) -> bool:
        """Whether the client was told that nothing was done."""
        return isinstance(self.error, AppError) and self.error.status < 500


class KnownPrice(NamedTuple):
    """The price of a ticket type as the last edit left it.

    Attributes:
        price: None while an edit has not been answered, or if it never was.
        edits: how many edits there were.
    """

    price: float | None
    edits: int


def choose_quota(random: Random) -> QuotaInput:
    """Return a quota of all tickets, of those of one of two dates, or of the first type."""
    quota: QuotaInput = {"name": "quota", "capacity": random.randint(1, 5)}
    name = random.choice([None, "scheduleIds", "ticketTypeIds"])
    if name == "scheduleIds":
        quota["scheduleIds"] = [random.randint(1, 2)]
    elif name:
        quota["ticketTypeIds"] = [1]
    return quota


class World(Protocol):
    """What a client needs of its history.

    Attributes:
        events: the events, as they were when the history began.
        told: what clients were told of each booking: see `invariants.check_answers`.
        cancelling: the bookings of which somebody is about to cancel tickets.
        cancelled: the requests to cancel tickets that succeeded: see `invariants.check_answers`.
        action_weights: how likely each action is.
        hold_chance: the probability that a booking is held for a payment.
        has_codes: whether the events have a promo code.
        has_quotas: whether the events have two dates and quotas.
        prices: by eventId and ticketTypeId; empty if the organizer edits none.
    """

    store: SimulatedStore
    scheduler: Scheduler
    events: list[dict[str, Any]]
    told: dict[ObjectId, str]
    cancelling: list[dict[str, Any]]
    cancelled: list[tuple[ObjectId, CancellationRequest, int]]
    action_weights: list[int]
    hold_chance: float
    has_codes: bool
    has_quotas: bool
    prices: dict[tuple[int, int], KnownPrice]

    def request(self, text: str, call: Callable[[Server], Any]) -> Outcome:
        """Send a request to one of the servers, and wait for its answer or the server's death."""


class Client:
    """The requests of one user, whose id is `user_id`."""

    def __init__(self, world: World, actor: Actor) -> None:
        self._world, self._actor = world, actor
        self.user_id = actor.require_user_id()
        self._random = world.scheduler.random
        self._bookings: list[ObjectId] = []
        self._sent: list[Purchase] = []
        self._key_count = 0
        self._actions = (
            *(self.book, self.book_again, self.cancel, self.confirm),
            *(self.join, self.accept, self.leave, self.cancel_tickets),
        )

    def act(self) -> None:
        """Send one request. Some histories consist mostly of a few kinds of requests."""
        self._random.choices(self._actions, self._world.action_weights)[0]()

    def _now(self, server: Server) -> datetime:
        return self._world.scheduler.time_of(server.process)

    def _choose_event(self) -> dict[str, Any]:
        return self._random.choice(self._world.events)

    def book(self) -> None:
        """Book some tickets, maybe for a later payment, maybe with a key."""
        event = self._choose_event()
        type_ = self._random.choice(event["ticketTypes"])
        key = self._random.choice([None, f"key {len(self._sent)}"])
        purchase = Purchase(
            event_id=event["eventId"],
            items=(PurchaseItem(type_["ticketTypeId"], None, self._random.randint(1, 3)),),
            schedule_id=self._choose_entry(),
            hold=self._random.random() < self._world.hold_chance,
            on_shortfall=self._random.choice(["reject", "partial", "waitlist"]),
            promo_code=self._choose_code(),
            idempotency_key=key,
            body_digest="digest" if key else "",
        )
        before, sent_at = dict(self._world.prices), self._world.scheduler.time_of()
        booking = self._send(purchase)
        if booking:
            self._check_window(type_, sent_at)
        for item in booking["items"] if booking else ():
            key = event["eventId"], item["ticketTypeId"]
            known = before.get(key, KnownPrice(None, 0))
            if known.price is not None and self._world.prices[key] == known:
                assert item["unitPrice"] == known.price, f"sold for a price of the past: {booking}"

    def _check_window(self, ticket_type: dict[str, Any], sent_at: datetime) -> None:
        """Check that a ticket type was on sale at some moment between a request and its answer."""
        answered_at = self._world.scheduler.time_of()
        begins, ends = ticket_type.get("salesFrom"), ticket_type.get("salesUntil")
        assert not begins or begins <= answered_at, f"sold before the sale: {ticket_type}"
        assert not ends or sent_at < ends, f"sold after the sale: {ticket_type}"

    def _choose_entry(self) -> int | None:
        return self._random.choice([None, 1, 2]) if self._world.has_quotas else None

    def _choose_code(self) -> str | None:
        return self._random.choice([None, "half", "HALF"]) if self._world.has_codes else None

    def book_again(self) -> None:
        """Repeat a request with its key, as a client without an answer does."""
        with_keys = [purchase for purchase in self._sent if purchase.idempotency_key]
        if with_keys:
            self._send(self._random.choice(with_keys))

    def _send(self, purchase: Purchase) -> dict[str, Any] | None:
        """Send a purchase and return the booking of the answer, if there is one."""
        self._sent.append(purchase)
        outcome = self._world.request(
            f"book {purchase}",
            lambda server: checkout.book_and_pay(
                server.context, self._actor, purchase, self._now(server)
            ),
        )
        booking = outcome.value and outcome.value.data.get("booking")
        if booking:
            self._bookings.append(booking["_id"])
            self._world.told.setdefault(booking["_id"], booking["status"])
        return booking

    def cancel(self) -> None:
        """Cancel one of the user's bookings."""
        if self._bookings:
            self._cancel(self._random.choice(self._bookings))

    def _cancel(self, booking_id: ObjectId) -> None:
        self._world.told[booking_id] = "ended"
        self._world.request(
            f"cancel {booking_id}",
            lambda server: waitlist_offers.cancel_and_offer(
                server.context, booking_id, self._actor, self._now(server)
            ),
        )

    def cancel_tickets(self) -> None:
        """Cancel some tickets of a booking.

        Without an answer, repeat the request with its key, or cancel the whole booking.
        """
        bookings = [
            booking
            for booking in self._world.store.read("bookings")
            if booking["_id"] in self._bookings and booking["status"] == "confirmed"
        ]
        if not bookings:
            return
        booking = self._random.choice(bookings)
        self._world.cancelling.append(booking)
        request = self._choose_tickets(booking)
        # If these are all of its tickets, the booking ends.
        self._world.told[booking["_id"]] = "ended"
        while True:
            outcome = self._world.request(
                f"cancel {request} of {booking['_id']}",
                lambda server: partial_cancellations.cancel_tickets(
                    server.context, booking["_id"], request, self._actor, self._now(server)
                ),
            )
            if outcome.value or outcome.is_refused:
                break
            if self._random.random() < 0.5:
                self._cancel(booking["_id"])
                break
        if outcome.value:
            self._world.cancelled.append((booking["_id"], request, outcome.value.quantity))

    def _choose_tickets(self, booking: dict[str, Any]) -> CancellationRequest:
        item = self._random.choice(booking["items"])
        type_id, issued = item["ticketTypeId"], item.get("issued", item["quantity"])
        ticket_id = f"{booking['_id']}-{type_id}-{self._random.randint(1, issued)}"
        quantity = self._random.randint(1, issued)
        by_type: CancellationInput = {"items": [{"ticketTypeId": type_id, "quantity": quantity}]}
        by_id: CancellationInput = {"ticketIds": [ticket_id]}
        self._key_count += 1
        return partial_cancellations.read_request(
            self._random.choice([by_type, by_id]), f"part {self._key_count}", self._actor
        )

    def confirm(self) -> None:
        """Pay for one of the user's bookings. Without an answer, try again, or cancel it."""
        if self._bookings:
            booking_id = self._random.choice(self._bookings)
            while not self._confirm(booking_id):
                if self._random.random() < 0.5:
                    self._cancel(booking_id)
                    break

    def _confirm(self, booking_id: ObjectId) -> bool:
        """Return whether there was an answer."""
        request = PaymentRequest(
            is_next=self._random.random() < 0.3, digest=self._random.choice([None, "a", "b"])
        )
        outcome = self._world.request(
            f"pay {request} for {booking_id}",
            lambda server: checkout.pay(
                server.context, booking_id, self._actor, request, self._now(server)
            ),
        )
        if outcome.value and self._world.told[booking_id] == "held":
            self._world.told[booking_id] = outcome.value.booking["status"]
        return outcome.value is not None or outcome.is_refused

    def join(self) -> None:
        """Join a waitlist."""
        event = self._choose_event()
        type_ = self._random.choice(event["ticketTypes"])
        quantity, schedule_id = self._random.randint(1, 3), self._choose_entry()
        self._world.request(
            f"join {event['eventId']}",
            lambda server: joining.join_waitlist(
                server.context.db,
                server.context.inventory,
                actor=self._actor,
                event_id=event["eventId"],
                type_id=type_["ticketTypeId"],
                schedule_id=schedule_id,
                quantity=quantity,
                max_quantity=invariants.MAX_PER_USER,
                count_tickets=ticket_limit.count_tickets,
                requires_verified_email=False,
                now=self._now(server),
            ),
        )

    def accept(self) -> None:
        """Wait for an offer, and accept it or a part of it."""
        event, quantity = self._choose_event(), self._random.choice([None, 1, 2])
        self._world.scheduler.pause(lambda: self._has_offer(event), seconds=100)
        outcome = self._world.request(
            f"accept {quantity} of {event['eventId']}",
            lambda server: offer_answers.accept_offer(
                server.context, event["eventId"], self._actor, quantity, self._now(server)
            ),
        )
        if outcome.value:
            booking = outcome.value.booking
            self._bookings.append(booking["_id"])
            # Another device of the user may have been told more.
            if self._world.told.get(booking["_id"], "held") == "held":
                self._world.told[booking["_id"]] = booking["status"]

    def _has_offer(self, event: dict[str, Any]) -> bool:
        """Return whether the user would see an offer in the app."""
        return any(
            booking["userId"] == self._actor.user_id and "waitlistEntryId" in booking
            for booking in self._world.store.read("bookings")
            if booking.get("status") == "held" and booking["eventId"] == event["eventId"]
        )

    def leave(self) -> None:
        """Leave a waitlist, and decline its offers."""
        event = self._choose_event()
        self._world.request(
            f"leave {event['eventId']}",
            lambda server: offer_answers.leave_waitlist(
                server.context, event["eventId"], self._actor, self._now(server)
            ),
        )
