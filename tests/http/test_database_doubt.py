"""While the database is in doubt, all operations of a request share one time limit."""

import pymongo
import pytest
from pymongo.errors import AutoReconnect

from eventapp.accounts import store as accounts_store
from eventapp.core.http import database_doubt
from eventapp.core.http.database_doubt import DATABASE_DOUBT

LOGIN = {"email": "user@example.com", "password": "password123"}


@pytest.fixture
def limits(monkeypatch, app):
    """The time limits that requests had when they asked the database, which does not answer."""
    seen = []
    monkeypatch.setattr(DATABASE_DOUBT.get(app), "_failed_at", float("-inf"))

    def fail(*_args, **_options):
        seen.append(pymongo._csot.remaining())
        raise AutoReconnect("down")

    monkeypatch.setattr(accounts_store, "find_by_email", fail)
    return seen


def test_a_request_has_a_limit_from_the_first_failure_on(client, limits, monkeypatch):
    for _ in range(2):
        assert client.post("/api/auth/login", json=LOGIN).status_code == 503
    monkeypatch.setattr(database_doubt, "DOUBT_SECONDS", 0)
    assert client.post("/api/auth/login", json=LOGIN).status_code == 503
    assert limits[0] is None
    assert 0 < limits[1] <= database_doubt.REQUEST_SECONDS
    assert limits[2] is None


def test_the_limit_ends_with_the_request(client, limits):
    for _ in range(2):
        client.post("/api/auth/login", json=LOGIN)
    assert pymongo._csot.remaining() is None
