"""Callers of the API: attendees, an organizer and an admin; and requests answered in two ways.

A test file that needs other callers defines its own fixtures.
"""

import pytest

from tests.bookings_factories import Caller
from tests.early_answers import note_ways, prepare


@pytest.fixture
def ann(client, app):
    return Caller(client, app)


@pytest.fixture
def bob(client, app):
    return Caller(client, app)


@pytest.fixture
def holder(client, app):
    """The attendee who holds the tickets."""
    return Caller(client, app)


@pytest.fixture
def host(client, app):
    return Caller(client, app, "organizer")


@pytest.fixture
def root(client, app):
    return Caller(client, app, "admin")


@pytest.fixture
def ask_both(app, db, capsys, monkeypatch):
    """A function that lets the application answer a request before Flask and by Flask."""
    return prepare(app, capsys, monkeypatch)


@pytest.fixture
def early(monkeypatch):
    """How each request was answered: see `note_ways`."""
    return note_ways(monkeypatch)
