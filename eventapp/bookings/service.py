"""What every use case of bookings works with, and reading bookings. `service_book` makes them."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any

from bson import ObjectId

from eventapp.bookings import rules, store
from eventapp.bookings.errors import BookingNotFound
from eventapp.bookings.rules import Limits
from eventapp.bookings.service_payments import PaymentProvider
from eventapp.core.crowd import Crowd
from eventapp.core.mongo import Db, Document
from eventapp.core.security import Actor
from eventapp.core.steps import reached
from eventapp.inventory.service import BoxOffice


class Shop:
    """What every use case of bookings works with: database, box office, limits, payments."""

    def __init__(
        self, db: Db, office: BoxOffice, limits: Limits, payments: PaymentProvider
    ) -> None:
        self.db, self.office, self.limits, self.payments = db, office, limits, payments
        self._recorder: Crowd[Document, bool] = Crowd(self._insert)

    def record(self, booking: Document) -> bool:
        """Insert with all others that wait to be; False where a unique index refused."""
        return self._recorder.submit("bookings", booking)

    def _insert(self, _key: Hashable, bookings: Sequence[Document]) -> Sequence[bool]:
        inserted = store.insert_many(self.db, bookings)
        reached("record")
        return inserted


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


def find(shop: Shop, booking_id: ObjectId) -> Document:
    """The stored booking. BookingNotFound."""
    booking = store.get(shop.db, booking_id)
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


def manages(booking: Document, actor: Actor) -> bool:
    """True for the organizer of the booking's event and for admins."""
    return actor.may_manage(booking["organizerId"])


def show(shop: Shop, booking_id: ObjectId, actor: Actor) -> dict[str, Any]:
    """The booking as the API shows it, to who may see it. BookingNotFound."""
    return shown(visible(store.get(shop.db, booking_id), actor))


def show_by_reference(shop: Shop, reference: str, actor: Actor) -> dict[str, Any]:
    """The same, by its reference."""
    return shown(visible(store.by_reference(shop.db, reference), actor))


def shown(booking: Document) -> dict[str, Any]:
    return rules.view(booking)


def forget_user(db: Db, user_id: ObjectId) -> None:
    """After a user is deleted: the bookings stay, without the person."""
    store.forget_user(db, user_id)


def export_user(db: Db, user_id: ObjectId) -> dict[str, Any]:
    """What is stored here about the person."""
    return {"bookings": [rules.view(booking) for booking in store.all_of(db, user_id)]}
