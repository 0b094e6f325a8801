"""Operations that follow one which the database did not answer share one time limit."""

import time

import pymongo
import pytest
from pymongo.errors import AutoReconnect

from eventapp.accounts import store as accounts_store
from eventapp.core.database import (
    DatabaseDoubt,
    limit_request,
    request_limit,
    try_insert_unordered,
)
from eventapp.core.http.database_doubt import DATABASE_DOUBT
from eventapp.due_work import service as due_work

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
    monkeypatch.setattr(request_limit, "DOUBT_SECONDS", 0)
    assert client.post("/api/auth/login", json=LOGIN).status_code == 503
    assert limits[0] is None
    assert 0 < limits[1] <= request_limit.REQUEST_SECONDS
    assert limits[2] is None


def test_the_limit_ends_with_the_request(client, limits):
    for _ in range(2):
        client.post("/api/auth/login", json=LOGIN)
    assert pymongo._csot.remaining() is None


def test_work_after_a_failure_in_the_same_request_shares_one_limit(db, monkeypatch):
    """Cancelled tickets are put back, refunded and offered. The worker does what fails."""
    monkeypatch.setattr(request_limit, "REQUEST_SECONDS", 0.2)
    limits = []

    def fail(_key):
        limits.append(pymongo._csot.remaining())
        time.sleep(0.15)
        raise AutoReconnect("down")

    doubt = DatabaseDoubt()
    with limit_request(doubt):
        for key in range(3):
            assert not due_work.process_now(db, "test", key, fail)
        assert doubt.exists()
    assert 0.1 < limits[0] <= 0.2
    assert 0 < limits[1] < 0.06
    assert limits[2] < 0
    assert pymongo._csot.remaining() is None


def test_work_that_the_worker_can_do_does_not_delay_an_answer_that_was_slow(db, monkeypatch):
    """Without a failure either: a slow database answers, but late."""
    limits = []

    def handle(_key):
        limits.append(pymongo._csot.remaining())
        return 1

    assert due_work.process_now(db, "test", 1, handle)
    monkeypatch.setattr(request_limit, "REQUEST_SECONDS", 0.2)
    with limit_request(DatabaseDoubt()):
        time.sleep(0.15)
        assert due_work.process_now(db, "test", 1, handle)
        assert pymongo._csot.remaining() is None
    assert limits[0] is None
    assert 0 < limits[1] < 0.06


def test_reading_again_after_an_insert_shares_the_limit(db, monkeypatch):
    """Else a request that inserts could wait for a database that is down two times."""
    limits = []

    def fail(*_args, **_options):
        limits.append(pymongo._csot.remaining())
        raise AutoReconnect("down")

    for name in ("insert_many", "find"):
        monkeypatch.setattr(type(db.bookings), name, fail)
    monkeypatch.setattr(request_limit, "REQUEST_SECONDS", 0)
    doubt = DatabaseDoubt()
    with limit_request(doubt):
        assert try_insert_unordered(db.bookings, [{"_id": 1}]) == [None]
    assert doubt.exists()
    assert limits[0] is None
    assert limits[1] < 0  # The driver fails without waiting.
