"""The data that a benchmark runs on: 10,000 events, logged-in users, and the requests they send."""

import json
import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from bson import ObjectId
from flask import Flask

from eventapp import prepare_database
from eventapp.config import Config
from eventapp.core.access import tokens
from eventapp.core.clock import utc_now
from eventapp.core.database import Db, Document
from eventapp.core.roles import ATTENDEE
from eventapp.events.bodies import EventInput
from scripts.bulk_load import insert_events, make_unowned_event
from scripts.synthetic_events import CUMULATIVE_WEIGHTS, WORDS, generate_bodies

EVENTS = 10_000
# How many events the bookings of row `spread` go to, and the most rounds of row `hot`, each of
# which sells tickets of an event of its own.
SPREAD_EVENTS, HOT_EVENTS = 1000, 40
BATCH_SIZE = 1000
# More tickets of an event than any run sells.
AMPLE_TICKETS = 10_000_000
SEED = 20_260_101


@dataclass(frozen=True)
class BenchmarkData:
    """The eventIds in the database, by their use, and the access tokens of the users.

    Attributes:
        event_ids: of all events.
        reference: of events that only the reference updates, and that nobody books.
        spread: of events that take bookings in row `spread`.
        hot: of events that take all bookings of one round of row `hot`.
        tokens: one access token for each user.
    """

    event_ids: Sequence[int]
    reference: Sequence[int]
    spread: Sequence[int]
    hot: Sequence[int]
    tokens: Sequence[str]


def load_data(db: Db, config: Config, users: int) -> BenchmarkData:
    """Fill an empty database with indexes, events and this many logged-in users."""
    prepare_database(db)
    event_ids = insert_events(db, list(generate_events()))
    bookable = event_ids[-(2 * SPREAD_EVENTS + HOT_EVENTS) :]
    prepare_database(db)
    return BenchmarkData(
        event_ids=event_ids,
        reference=bookable[:SPREAD_EVENTS],
        spread=bookable[SPREAD_EVENTS : 2 * SPREAD_EVENTS],
        hot=bookable[2 * SPREAD_EVENTS :],
        tokens=log_in_users(db, config, users),
    )


def generate_events() -> Iterator[Document]:
    """Yield 10,000 generated events. The last of them are upcoming and do not sell out."""
    today = utc_now().date()
    for number, body in enumerate(generate_bodies(EVENTS, seed=SEED, today=today)):
        if number >= EVENTS - 2 * SPREAD_EVENTS - HOT_EVENTS:
            yield make_unowned_event(make_bookable(body, today + timedelta(days=60), AMPLE_TICKETS))
        else:
            yield make_unowned_event(body)


def make_bookable(body: EventInput, day: date, tickets: int) -> EventInput:
    """Return a copy of the event on this one date, with this many tickets of one type."""
    return {
        **body,
        "schedule": [{**body["schedule"][0], "date": day}],
        "ticketTypes": [{"type": "General", "price": 20, "availableTickets": tickets}],
    }


def log_in_users(db: Db, config: Config, count: int) -> list[str]:
    """Store users with one session each, without the API; return their access tokens."""
    app = Flask("bench")
    tokens.init_app(app, config)
    access_tokens: list[str] = []
    with app.app_context():
        for start in range(0, count, BATCH_SIZE):
            numbers = range(start, min(start + BATCH_SIZE, count))
            users = [_make_user(number) for number in numbers]
            sessions = [_make_session(user) for user in users]
            db.users.insert_many(users, ordered=False)
            db.sessions.insert_many(sessions, ordered=False)
            access_tokens += [
                tokens.create_access_token(session["userId"], session["_id"])
                for session in sessions
            ]
    return access_tokens


def _make_user(number: int) -> Document:
    now, email = utc_now(), f"bench{number}@example.org"
    return {
        "_id": ObjectId(),
        "name": f"Bench {number}",
        "email": email,
        "emailKey": email,
        "passwordHash": "!",
        "role": ATTENDEE,
        "about": "",
        "userImg": "",
        "createdAt": now,
        "updatedAt": now,
        "__v": 0,
    }


def _make_session(user: Document) -> Document:
    return {
        "_id": ObjectId(),
        "userId": user["_id"],
        "role": user["role"],
        "gen": 0,
        "createdAt": utc_now(),
        "lastUsedAt": utc_now(),
        "expiresAt": utc_now() + timedelta(days=1),
    }


def make_booking_requests(
    access_tokens: Iterable[str], event_ids: Sequence[int], promo_code: str | None = None
) -> Iterator[tuple[str, str]]:
    """Yield a token and a body of POST /api/bookings for each user, for the events in turn."""
    code = {"promoCode": promo_code} if promo_code else {}
    for number, token in enumerate(access_tokens):
        order: dict[str, Any] = {
            "eventId": event_ids[number % len(event_ids)],
            "ticketTypeId": 1,
            "quantity": 1,
            **code,
        }
        yield token, json.dumps(order)


def draw_word_pairs(count: int, *, seed: int, common: bool) -> list[str]:
    """Return different pairs of words to search for. The order of a pair does not count.

    Args:
        common: True draws words as often as they occur in texts; False draws all words equally
            often.
    """
    rng, pairs = random.Random(seed), set[frozenset[str]]()
    while len(pairs) < count:
        pair = frozenset(
            rng.choices(WORDS, cum_weights=CUMULATIVE_WEIGHTS if common else None, k=2)
        )
        if len(pair) == 2:
            pairs.add(pair)
    return [" ".join(sorted(pair)) for pair in pairs]
