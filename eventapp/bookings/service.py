"""What every use case of bookings works with, and reading bookings. `service_book` makes them."""

from dataclasses import dataclass, field
from typing import Any

from bson import ObjectId

from eventapp.bookings import rules, store, store_privacy
from eventapp.bookings.context import BookingContext
from eventapp.bookings.errors import BookingNotFound
from eventapp.core.access.actor import Actor
from eventapp.core.database import Db, Document


@dataclass(frozen=True)
class Order:
    """What a caller asks for.

    Attributes:
        named: `(ticketTypeId or None, type's name or None, quantity)` each.
        bare: a quantity of the event's only type, in place of `named`.
        on_shortfall: None for the default: reject where types are named, else waitlist.
        digest: of the body, to tell whether an idempotency key comes with another one.
    """

    event_id: int
    named: tuple[tuple[int | None, str | None, int], ...] = ()
    bare: int | None = None
    schedule_index: int | None = None
    hold: bool = False
    on_shortfall: str | None = None
    key: str | None = None
    digest: str = ""


@dataclass(frozen=True)
class Answer:
    """What became of an order: 201 with a booking, 202 with only places on the waitlist."""

    status: int
    message: str
    data: dict[str, Any] = field(default_factory=dict)


def find(context: BookingContext, booking_id: ObjectId) -> Document:
    """The stored booking. BookingNotFound."""
    booking = store.get(context.db, booking_id)
    if booking is None:
        raise BookingNotFound
    return booking


def visible(booking: Document | None, actor: Actor) -> Document:
    """The booking where it is the caller's, of their event, or they are admin. BookingNotFound."""
    if booking and (manages(booking, actor) or is_own(booking, actor)):
        return booking
    raise BookingNotFound


def is_own(booking: Document, actor: Actor) -> bool:
    return actor.user_id is not None and bool(booking["userId"] == actor.user_id)


def own(context: BookingContext, booking_id: ObjectId, actor: Actor) -> Document:
    """The booking where it is the caller's, or they are admin. BookingNotFound."""
    booking = find(context, booking_id)
    if not is_holder(booking, actor):
        raise BookingNotFound
    return booking


def is_holder(booking: Document, actor: Actor) -> bool:
    """True for the person who booked and for admins."""
    return actor.is_admin or is_own(booking, actor)


def manages(booking: Document, actor: Actor) -> bool:
    """True for the organizer of the booking's event and for admins."""
    return actor.may_manage_events_of(booking["organizerId"])


def show(context: BookingContext, booking_id: ObjectId, actor: Actor) -> dict[str, Any]:
    """The booking as the API shows it, to who may see it. BookingNotFound."""
    return shown(visible(store.get(context.db, booking_id), actor))


def show_by_reference(context: BookingContext, reference: str, actor: Actor) -> dict[str, Any]:
    """The same, by its reference."""
    return shown(visible(store.by_reference(context.db, reference), actor))


def shown(booking: Document) -> dict[str, Any]:
    return rules.view(booking)


def forget_user(db: Db, user_id: ObjectId) -> None:
    """After a user is deleted: the bookings stay, without the person."""
    store_privacy.forget_user(db, user_id)


def export_user(db: Db, user_id: ObjectId) -> dict[str, Any]:
    """What is stored here about the person."""
    bookings = store_privacy.all_of(db, user_id)
    return {"bookings": [{**rules.view(one), "payment": one.get("payment")} for one in bookings]}
