"""A real server with people and events, for schemathesis to call."""

import json
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from eventapp import create_app
from eventapp.accounts import sessions
from eventapp.bookings import auditing
from eventapp.bookings.context import BOOKING_CONTEXT
from eventapp.config import load_config
from eventapp.core.access import tokens
from eventapp.core.access.passwords import hash_password
from eventapp.core.clock import utc_now
from tests import factories
from tests.conftest import MONGO_URI, drop_database, settings_for
from tests.live import Server

# Fuzzing ends sessions, deletes people and takes their roles away: then the next one calls.
PEOPLE, SESSIONS, EVENTS, PASSWORD = 10, 30, 8, "correct horse"
FEW_AND_MANY = [
    {"type": "Seat", "price": 19.5, "availableTickets": 3},
    {"type": "Standing", "price": 0, "availableTickets": 1000},
]
SETTINGS = {
    "JWT_SECRET": "a-secret-of-tests-0123456789-abcdefghijklmnop",
    "JWT_EXPIRES_IN": "12h",
    "WEB_CONCURRENCY": "2" if MONGO_URI else "1",
    "TRUSTED_PROXIES": "1",  # hooks.py makes addresses up
}


@dataclass(frozen=True)
class Stage:
    server: Server
    people: dict[str, Path]  # a JSON list of Authorization headers a role


@pytest.fixture
def stage(tmp_path):
    """The server; at the end all tickets must add up and its log may tell of no fault."""
    settings = settings_for(tmp_path, **SETTINGS)
    with opened(settings) as app:
        people = {role: fill(app, role, tmp_path) for role in ("attendee", "organizer", "admin")}
    server = Server(tmp_path, **{name: settings[name] for name in settings if name != "PORT"})
    try:
        with server.wait():
            yield Stage(server, people)
            assert server.stop() == 0
        assert "error" not in server.said()
        with opened(settings) as app:
            found = auditing.check(BOOKING_CONTEXT.get(app), utc_now())
            assert [fault.message for fault in found] == []
    finally:
        drop_database(load_config(settings))


@contextmanager
def opened(settings):
    """The application in this process; on the embedded store not beside a server."""
    app = create_app(load_config(settings))
    try:
        yield app
    finally:
        app.extensions["database"].client.close()


def fill(app, role, directory):
    """People of this role, each signed in many times; the first of a role is `<role>@example.org`.

    Of the events most are the first organizer's, two the second's.
    """
    db, now = app.extensions["database"].db, utc_now()
    people = [factories.sign_in(app, role)["id"] for _ in range(PEOPLE)]
    known = {"passwordHash": hash_password(PASSWORD, 4)}
    db.users.update_many({"_id": {"$in": people}}, {"$set": known})
    address = f"{role}@example.org"
    db.users.update_one({"_id": people[0]}, {"$set": {"email": address, "emailKey": address}})
    tokens = [token for person in people for token in sign_in_often(app, person, now)]
    for number in range(EVENTS if role == "organizer" else 0):
        kinds = FEW_AND_MANY if number % 2 else FEW_AND_MANY[:1]
        owner = people[number // (EVENTS - 2)]
        factories.make_event(db, organizer_id=owner, ticketTypes=kinds)
    path = directory / f"{role}.json"
    path.write_text(json.dumps(tokens))
    return path


def sign_in_often(app, user_id, now):
    """The Authorization headers of so many sessions."""
    db = app.extensions["database"].db
    user, lifetime = db.users.find_one({"_id": user_id}), timedelta(days=1)
    for _ in range(SESSIONS):
        session = sessions.open_session(db, user, now=now, lifetime=lifetime)
        with app.app_context():
            yield f"Bearer {tokens.create_access_token(user_id, session['_id'])}"
