"""Those who call: two people, an organizer, and an admin.

A file whose people are others defines its own.
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
def host(client, app):
    return Caller(client, app, "organizer")


@pytest.fixture
def root(client, app):
    return Caller(client, app, "admin")
