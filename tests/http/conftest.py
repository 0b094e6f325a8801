"""Callers of the API: attendees, an organizer and an admin.

A test file that needs other callers defines its own fixtures.
"""

import pytest

from tests.bookings_factories import Caller


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
