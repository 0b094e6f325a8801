"""Start a server with users and events for schemathesis to call."""

import json
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from eventapp.accounts import sessions
from eventapp.bookings import auditing
from eventapp.bookings.context import BOOKING_CONTEXT
from eventapp.config import load_config
from eventapp.core.access import tokens
from eventapp.core.access.passwords import hash_password
from eventapp.core.clock import utc_now
from eventapp.core.database import OPEN_DATABASE
from tests import factories
from tests.conftest import MONGO_URI, create_prepared_app, drop_database, make_settings
from tests.live import Server

# Fuzzing ends sessions, deletes users and removes their roles. Then it uses another session.
USERS, SESSIONS, EVENTS, PASSWORD = 10, 30, 8, "correct horse"
TICKET_TYPES = [
    {"type": "Seat", "price": 19.5, "availableTickets": 3},
    {"type": "Standing", "price": 0, "availableTickets": 1000},
]
SETTINGS = {
    "JWT_SECRET": "a-secret-of-tests-0123456789-abcdefghijklmnop",
    "JWT_EXPIRES_IN": "12h",
    "WEB_CONCURRENCY": "2" if MONGO_URI else "1",
    "TRUSTED_PROXIES": "1",  # hooks.py sends made-up client addresses.
}


@dataclass(frozen=True)
class FuzzTarget:
    """A server, and a file of Authorization headers for each role, as a JSON list."""

    server: Server
    tokens: dict[str, Path]


@pytest.fixture
def target(tmp_path):
    """Start the server. Check afterwards that its log has no error and all tickets add up."""
    settings = make_settings(tmp_path, **SETTINGS)
    with open_app(settings) as app:
        tokens = {
            role: add_users(app, role, tmp_path) for role in ("attendee", "organizer", "admin")
        }
    server = Server(tmp_path, **{name: settings[name] for name in settings if name != "PORT"})
    try:
        with server.wait():
            yield FuzzTarget(server, tokens)
            assert server.stop() == 0
        assert "error" not in server.log_text()
        with open_app(settings) as app:
            found = auditing.check(BOOKING_CONTEXT.get(app), utc_now())
            assert [fault.message for fault in found] == []
    finally:
        drop_database(load_config(settings))


@contextmanager
def open_app(settings):
    """Open the application in this process, which the embedded store allows without a server."""
    app = create_prepared_app(settings)
    try:
        yield app
    finally:
        OPEN_DATABASE.get(app).client.close()


def add_users(app, role, directory):
    """Add users of a role with many sessions each, and return the file of their tokens.

    The first user is `<role>@example.org`. The first organizer has all events but two, which the
    second organizer has.
    """
    db, now = OPEN_DATABASE.get(app).db, utc_now()
    users = [factories.make_user(app, role)["id"] for _ in range(USERS)]
    password = {"passwordHash": hash_password(PASSWORD, 4)}
    db.users.update_many({"_id": {"$in": users}}, {"$set": password})
    address = f"{role}@example.org"
    db.users.update_one({"_id": users[0]}, {"$set": {"email": address, "emailKey": address}})
    headers = [header for user in users for header in open_sessions(app, user, now)]
    for number in range(EVENTS if role == "organizer" else 0):
        ticket_types = TICKET_TYPES if number % 2 else TICKET_TYPES[:1]
        owner = users[number // (EVENTS - 2)]
        factories.make_event(db, organizer_id=owner, ticketTypes=ticket_types)
    path = directory / f"{role}.json"
    path.write_text(json.dumps(headers))
    return path


def open_sessions(app, user_id, now):
    """Open SESSIONS sessions of a user, and yield their Authorization headers."""
    db = OPEN_DATABASE.get(app).db
    user, lifetime = db.users.find_one({"_id": user_id}), timedelta(days=1)
    for _ in range(SESSIONS):
        session = sessions.open_session(db, user, now=now, lifetime=lifetime)
        with app.app_context():
            yield f"Bearer {tokens.create_access_token(user_id, session['_id'])}"
