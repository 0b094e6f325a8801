"""What a benchmark runs on: 10,000 events, a crowd of signed-in users, and what they ask for."""

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
from eventapp.core.access import actor, tokens
from eventapp.core.clock import utc_now
from eventapp.core.database import Db, Document
from eventapp.events import store
from scripts.bulk_load import new_event
from scripts.synthetic_events import WEIGHTS, WORDS, bodies

EVENTS, SPREAD, HOT = 10_000, 1000, 40
BATCH = 1000
PLENTY = 10_000_000
SEED = 20_260_101


@dataclass(frozen=True)
class Stage:
    """What is in the database: eventIds by what they are for, and users' access tokens.

    Attributes:
        reference: sold by the reference's own updates, never booked.
    """

    event_ids: Sequence[int]
    reference: Sequence[int]
    spread: Sequence[int]
    hot: Sequence[int]
    tokens: Sequence[str]


def fill(db: Db, config: Config, users: int) -> Stage:
    """Prepare an empty database: the events, some with tickets for everyone, and the users."""
    prepare_database(db)
    ids = insert_events(db, list(events_for_bench()))
    plenty = ids[-(2 * SPREAD + HOT) :]
    prepare_database(db)
    return Stage(
        event_ids=ids,
        reference=plenty[:SPREAD],
        spread=plenty[SPREAD : 2 * SPREAD],
        hot=plenty[2 * SPREAD :],
        tokens=sign_in(db, config, users),
    )


def events_for_bench() -> Iterator[Document]:
    """Generated events; the last of them upcoming, with one type and tickets for everyone."""
    today = utc_now().date()
    for number, body in enumerate(bodies(EVENTS, seed=SEED, today=today)):
        if number >= EVENTS - 2 * SPREAD - HOT:
            body |= for_everyone(body, today + timedelta(days=60))
        yield new_event(body)


def for_everyone(body: dict[str, Any], day: date) -> dict[str, Any]:
    """What makes of an event one that is not over and never sold out."""
    kind = {"type": "General", "price": 20, "availableTickets": PLENTY}
    return {"schedule": [{**body["schedule"][0], "date": day}], "ticketTypes": [kind]}


def insert_events(db: Db, events: list[Document]) -> list[int]:
    """Insert under fresh eventIds, which are returned."""
    ids = list(store.take_event_ids(db, len(events)))
    for event, event_id in zip(events, ids, strict=True):
        event["eventId"] = event_id
    for start in range(0, len(events), BATCH):
        store.insert_many(db, events[start : start + BATCH])
    return ids


def sign_in(db: Db, config: Config, count: int) -> list[str]:
    """So many users with a session each, straight into the database; their access tokens."""
    app = Flask("bench")
    tokens.init_app(app, config)
    signed: list[str] = []
    with app.app_context():
        for start in range(0, count, BATCH):
            users = [_user(number) for number in range(start, min(start + BATCH, count))]
            sessions = [_session(user) for user in users]
            db.users.insert_many(users, ordered=False)
            db.sessions.insert_many(sessions, ordered=False)
            signed += [tokens.create_access_token(s["userId"], s["_id"]) for s in sessions]
    return signed


def _user(number: int) -> Document:
    now, email = utc_now(), f"bench{number}@example.org"
    return {
        "_id": ObjectId(),
        "name": f"Bench {number}",
        "email": email,
        "emailKey": email,
        "passwordHash": "!",
        "role": actor.ATTENDEE,
        "about": "",
        "userImg": "",
        "createdAt": now,
        "updatedAt": now,
        "__v": 0,
    }


def _session(user: Document) -> Document:
    over = utc_now() + timedelta(days=1)
    return {
        "_id": ObjectId(), "userId": user["_id"], "role": user["role"], "gen": 0, "expiresAt": over,
    }  # fmt: skip


def orders(signed: Iterable[str], event_ids: Sequence[int]) -> Iterator[tuple[str, str]]:
    """A token and a body of POST /api/bookings for each user, going round these events."""
    for number, token in enumerate(signed):
        order = {
            "eventId": event_ids[number % len(event_ids)],
            "ticketTypeId": 1,
            "quantity": 1,
        }
        yield token, json.dumps(order)


def word_pairs(count: int, *, seed: int, common: bool) -> list[str]:
    """So many pairs of words, no two alike in either order.

    Args:
        common: words drawn as often as they come in texts; else each word alike.
    """
    rng, seen = random.Random(seed), set[frozenset[str]]()
    while len(seen) < count:
        pair = frozenset(rng.choices(WORDS, cum_weights=WEIGHTS if common else None, k=2))
        if len(pair) == 2:
            seen.add(pair)
    return [" ".join(sorted(pair)) for pair in seen]
