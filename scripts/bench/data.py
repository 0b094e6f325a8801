"""The data that a benchmark runs on: 10,000 events, logged-in users, and the requests they send."""

import json
import random
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from bson import ObjectId
from flask import Flask
from pymongo.errors import BulkWriteError

from eventapp import prepare_database
from eventapp.config import Config
from eventapp.core.access import tokens
from eventapp.core.access.actor import Actor
from eventapp.core.access.passwords import hash_password
from eventapp.core.clock import utc_now
from eventapp.core.database import Db, Document
from eventapp.core.roles import ATTENDEE
from eventapp.events.bodies import EventInput
from scripts.bench.wrk import BenchmarkError
from scripts.bulk_load import insert_events, make_unowned_event
from scripts.synthetic_events import CUMULATIVE_WEIGHTS, WORDS, generate_bodies

EVENTS = 10_000
# How many events the bookings of row `spread` go to.
SPREAD_EVENTS = 1000
# The first users have a password and favorites. The ids of the favorites are those of the first
# events.
KNOWN_USERS, FAVORITES = 2000, 5
PASSWORD, STORE_ATTEMPTS = "correct horse battery", 5
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
        mixed: of all other events, which mixed load reads and books.
        tokens: one access token for each user.
        user_ids: of the same users.
    """

    event_ids: Sequence[int]
    reference: Sequence[int]
    spread: Sequence[int]
    mixed: Sequence[int]
    tokens: Sequence[str]
    user_ids: Sequence[ObjectId]


def load_data(db: Db, config: Config, users: int) -> BenchmarkData:
    """Fill an empty database with indexes, events and this many logged-in users."""
    prepare_database(db)
    event_ids = insert_events(db, list(generate_events()))
    prepare_database(db)
    user_ids, access_tokens = log_in_users(db, config, users)
    data = BenchmarkData(
        event_ids=event_ids,
        reference=event_ids[-2 * SPREAD_EVENTS : -SPREAD_EVENTS],
        spread=event_ids[-SPREAD_EVENTS:],
        mixed=event_ids[: -2 * SPREAD_EVENTS],
        tokens=access_tokens,
        user_ids=user_ids,
    )
    store_favorites(db, data)
    return data


def generate_events() -> Iterator[Document]:
    """Yield 10,000 generated events. The last of them are upcoming and do not sell out."""
    today = utc_now().date()
    for number, body in enumerate(generate_bodies(EVENTS, seed=SEED, today=today)):
        if number >= EVENTS - 2 * SPREAD_EVENTS:
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


def log_in_users(db: Db, config: Config, count: int) -> tuple[list[ObjectId], list[str]]:
    """Store users with one session each, without the API; return their ids and access tokens."""
    app = Flask("bench")
    tokens.init_app(app, config)
    password_hash = hash_password(PASSWORD, config.bcrypt_rounds)
    user_ids: list[ObjectId] = []
    access_tokens: list[str] = []
    with app.app_context():
        for start in range(0, count, BATCH_SIZE):
            numbers = range(start, min(start + BATCH_SIZE, count))
            users = [_make_user(number, password_hash) for number in numbers]
            sessions = [_make_session(user) for user in users]
            db.users.insert_many(users, ordered=False)
            db.sessions.insert_many(sessions, ordered=False)
            user_ids += [user["_id"] for user in users]
            access_tokens += [
                tokens.create_access_token(session["userId"], session["_id"])
                for session in sessions
            ]
    return user_ids, access_tokens


def store_favorites(db: Db, data: BenchmarkData) -> None:
    """Give each known user the same favorites, and no others; the shared guest has them, too."""
    now = utc_now()
    entries = [{"eventId": id_, "at": now} for id_ in data.event_ids[:FAVORITES]]
    owners = [Actor(id_).favorites_key for id_ in data.user_ids[:KNOWN_USERS]]
    documents = [
        {"_id": owner, "events": entries, "count": FAVORITES, "changedAt": now}
        for owner in [*owners, Actor().favorites_key]
    ]
    # The last requests of a load may still run, and add a favorite between the two calls.
    for _attempt in range(STORE_ATTEMPTS):
        db.favorites.delete_many({})
        with suppress(BulkWriteError):
            db.favorites.insert_many(documents)
            return
        time.sleep(1)
    raise BenchmarkError("the favorites change all the time")


def make_email(number: int) -> str:
    """Return the email of a user, by which the user logs in."""
    return f"bench{number}@example.org"


def _make_user(number: int, password_hash: str) -> Document:
    now, email = utc_now(), make_email(number)
    return {
        "_id": ObjectId(),
        "name": f"Bench {number}",
        "email": email,
        "emailKey": email,
        "passwordHash": password_hash,
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
