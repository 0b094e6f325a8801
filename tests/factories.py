"""Factories for what tests need: bodies, events, logged-in users."""

import os
from collections.abc import Iterable
from datetime import date, timedelta
from itertools import count
from typing import Any

from bson import ObjectId
from flask import Flask

from eventapp.core.access import tokens
from eventapp.core.clock import utc_now
from eventapp.core.database import OPEN_DATABASE
from eventapp.events import service as events
from eventapp.events import store as events_store

_numbers = count(1)

# A date in the future whenever the tests run, and a schedule on it. Parameters of tests use them in
# place of day(), as they are computed while tests are collected.
FAR_DAY = "2099-06-15"
FAR_SCHEDULE = [{"date": FAR_DAY, "location": "Volos"}]


def day(offset: int) -> str:
    """Return the UTC date this many days from today, as text.

    Raises:
        RuntimeError: no test runs. Tests are collected minutes before the last of them runs, and
            a date computed then is wrong for the tests that run after midnight.
    """
    if "PYTEST_CURRENT_TEST" not in os.environ:
        raise RuntimeError("call day() inside a test or a fixture, not while tests are collected")
    return (utc_now().date() + timedelta(days=offset)).isoformat()


def event_body(**changes: Any) -> dict[str, Any]:
    """Return a valid body of POST /api/events with these changes."""
    if "schedule" not in changes:
        place = {"location": "Volos", "lat": 39.36, "lng": 22.94}
        changes["schedule"] = [{"date": day(30), **place}]
    body = {
        "title": "Sample Event",
        "description": "An example event",
        "category": "other",
        "image": "https://example.org/sample.jpg",
        "ticketTypes": [{"type": "General", "price": 20, "availableTickets": 100}],
        "organizer": "Some Organizer",
        "tags": ["test", "api"],
    }
    return {**body, **changes}


def make_event(db: Any, *, organizer_id: ObjectId | None = None, **changes: Any) -> dict[str, Any]:
    """Store an event and return it; `changes` as for `event_body`."""
    return events_store.insert(db, _build_event(organizer_id, changes))


def make_events(db: Any, organizer_ids: Iterable[ObjectId], **changes: Any) -> list[dict[str, Any]]:
    """Store an event for each of these organizers, all at once, and return them."""
    made = [_build_event(organizer_id, changes) for organizer_id in organizer_ids]
    event_ids = events_store.allocate_event_ids(db, len(made))
    stored = [
        {"_id": ObjectId(), **event, "eventId": event_id}
        for event, event_id in zip(made, event_ids, strict=True)
    ]
    events_store.insert_many(db, stored)
    return stored


def _build_event(organizer_id: ObjectId | None, changes: dict[str, Any]) -> Any:
    body = event_body(**changes)
    body["schedule"] = [
        {**entry, "date": date.fromisoformat(entry["date"])} for entry in body["schedule"]
    ]
    return events.make_new_event(body, organizer_id=organizer_id, now=utc_now())


def make_user(
    app: Flask, role: str = "attendee", user_id: ObjectId | None = None
) -> dict[str, Any]:
    """Store a user with a session, without the API.

    Returns:
        `{"id": ObjectId, "headers": {...}}` for requests in the user's name.
    """
    db = OPEN_DATABASE.get(app).db
    number = next(_numbers)
    user = {
        "_id": user_id or ObjectId(),
        "name": f"Person {number}",
        "email": f"person{number}@example.org",
        "emailKey": f"person{number}@example.org",
        "passwordHash": "!",
        "role": role,
        "about": "",
        "userImg": "",
        "createdAt": utc_now(),
        "updatedAt": utc_now(),
        "__v": 0,
    }
    db.users.insert_one(user)
    session = {"_id": ObjectId(), "userId": user["_id"], "role": role, "gen": 0}
    db.sessions.insert_one(
        {
            **session,
            "createdAt": utc_now(),
            "lastUsedAt": utc_now(),
            "expiresAt": utc_now() + timedelta(days=1),
        }
    )
    with app.app_context():
        token = tokens.create_access_token(user["_id"], session["_id"])
    return {"id": user["_id"], "headers": bearer(token)}


def bearer(token: str) -> dict[str, str]:
    """Return the headers that send a token."""
    return {"Authorization": f"Bearer {token}"}
