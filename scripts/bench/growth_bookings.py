"""The lists of bookings whose growth is measured, and the bookings."""

import random
from collections.abc import Callable
from datetime import timedelta
from itertools import islice
from typing import Any, cast

from bson import ObjectId

from eventapp import open_booking_context
from eventapp.bookings import listing, rules, store
from eventapp.bookings.context import BookingContext
from eventapp.bookings.listing import PageRequest
from eventapp.bookings.types import StoredBooking
from eventapp.config import load_config
from eventapp.core.access.actor import Actor
from eventapp.core.clock import utc_now
from eventapp.core.database import Db
from eventapp.core.roles import ADMIN
from eventapp.events.types import StoredEvent
from scripts.bench.wrk import BenchmarkError

# Half of all bookings are of one event, the others of users with 20 each.
EACH, BATCH = 20, 1000
ALL_CANCELLED = 10
Lists = dict[str, Callable[[random.Random], Any]]


def open_till(db: Db) -> BookingContext:
    """What lists of bookings work with."""
    return open_booking_context(load_config({"JWT_SECRET": "0" * 32}), db)


def fill_bookings(db: Db, size: int) -> None:
    """Add bookings until there are so many; straight into the store, no ticket is taken."""
    numbers = iter(range(db.bookings.count_documents({}), size))
    found = db.events.find({}).sort("eventId", 1).limit(1 + EACH)
    events = cast(list[StoredEvent], list(found))
    while batch := [_booking(events, number) for number in islice(numbers, BATCH)]:
        if not all(store.insert_bookings(db, batch)):
            raise BenchmarkError("a booking was refused")


def _booking(events: list[StoredEvent], number: int) -> StoredBooking:
    """Numbers are of users in turn: the even ones book the one event, the odd ones others."""
    half, hot = number // 2, number % 2 == 0
    event = events[0] if hot else events[1 + half % EACH]
    now = utc_now() - timedelta(seconds=number % 100_000)
    booking = rules.new_booking(
        ObjectId(),
        reference=f"EVT-{number:08}",
        user_id=user(1_000_000 + half) if hot else user(half // EACH),
        event=event,
        entry=event["schedule"][0],
        taken={1: 1},
        currency="EUR",
        hold_until=None,
        now=now,
    )
    if number % ALL_CANCELLED < 2:
        booking["status"] = rules.CANCELLED
        booking["active"] = False
        booking["cancelledAt"] = now
    return booking


def user(number: int) -> ObjectId:
    """The id of the user with this number."""
    return ObjectId(f"{number:024x}")


def booking_lists(context: BookingContext, size: int) -> Lists:
    """Calls by the name of their kind."""
    admin, users = Actor(ObjectId(), ADMIN), size // (2 * EACH)
    hot = context.db.events.find({}).sort("eventId", 1).limit(1)[0]["eventId"]

    def of_user(request: PageRequest, rng: random.Random) -> Any:
        page = listing.list_user_bookings(context, user(rng.randrange(users)), request, utc_now())
        return _with_rows(page)

    def of_event(request: PageRequest) -> Any:
        return _with_rows(listing.list_event_bookings(context, hot, admin, request, utc_now()))

    return {
        "bookings of a user": lambda rng: of_user(PageRequest(), rng),
        "bookings of a user, confirmed": lambda rng: of_user(PageRequest(status="confirmed"), rng),
        "bookings of an event": lambda _: of_event(PageRequest()),
        "bookings of an event, page 50": lambda _: of_event(PageRequest(page=50)),
        "bookings of an event, cancelled": lambda _: of_event(PageRequest(status="cancelled")),
    }


def _with_rows(page: dict[str, Any]) -> dict[str, Any]:
    if not page["bookings"]:
        raise BenchmarkError("no bookings listed")
    return page
