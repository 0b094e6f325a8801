"""Callers see their own writes at once, whichever process answers, over new connections.

`own_writes` has the pairs of a write and a read. On a server, two processes answer them. In one
process, the application writes, and a second event cache on the same database answers the reads, as
that of another process does; there, no cache polls or expires by itself.

OWN_WRITES_PAIRS is the number of pairs of each kind that the two processes answer.
"""

import os
from datetime import timedelta

import pytest
import requests

from eventapp.core.access import early_callers, permissions, recent_writes
from eventapp.events.cache import change_feed
from eventapp.events.cache.event_cache import EventCache
from tests.conftest import MONGO_URI, make_database_uri
from tests.live import Server
from tests.race.own_writes import KINDS, World, count_stale, swapped

PAIRS = int(os.environ.get("OWN_WRITES_PAIRS", "12"))
SECRET = "s3cret-" * 8
needs_server = pytest.mark.skipif(not MONGO_URI, reason="processes share a server: set MONGO_URI")
# The kinds that are stale if nobody remembers who has written. Other reads ask the database, or
# belong to callers who always do.
REMEMBERED = ("favorite", "favorite, another session", "edit", "edit, by a token", "booking")


class Servers:
    """Two server processes."""

    def __init__(self, one, two):
        self.writing, self.reading = one, two

    def write(self, method, path, body, headers):
        answer = requests.request(
            method, self.writing.url + path, json=body, headers=headers, timeout=10
        )
        assert answer.ok, answer.text
        return answer.json()

    def read(self, path, headers):
        answer = requests.get(self.reading.url + path, headers=headers, timeout=10)
        assert answer.ok, answer.text
        return answer.json()

    def swap(self):
        self.writing, self.reading = self.reading, self.writing


class Caches:
    """An application that writes with its own event cache, and reads with another one."""

    def __init__(self, app, db):
        self.app, self.client = app, app.test_client()
        self.other = EventCache(db)

    def write(self, method, path, body, headers):
        return self._call(path, method=method, json=body, headers=headers)

    def read(self, path, headers):
        with swapped(self.app.extensions, "event_cache", self.other):
            return self._call(path, headers=headers)

    def swap(self):
        """Bookings notify the cache with which they were built, so it writes every time."""

    def _call(self, path, **options):
        answer = self.client.open(path, **options)
        assert answer.status_code < 300, answer.get_data(as_text=True)
        return answer.json


@pytest.fixture(scope="module")
def servers(make_app, tmp_path_factory):
    """Two server processes, and an application, on one database."""
    shared = {"MONGO_URI": make_database_uri(MONGO_URI), "JWT_SECRET": SECRET}
    app = make_app(**shared)
    one, two = (
        Server(tmp_path_factory.mktemp(name), WEB_CONCURRENCY="1", **shared)
        for name in ("one", "two")
    )
    with one, two:
        yield World(app, Servers(one.wait(), two.wait()))


@needs_server
@pytest.mark.parametrize("kind", KINDS)
def test_callers_see_their_own_writes_through_another_process(servers, kind):
    assert count_stale(servers, kind, PAIRS) == 0


@pytest.fixture
def caches(app, db, monkeypatch):
    """An application and a second event cache, whose contents never become old by themselves."""
    for name in ("MAX_AGE_SECONDS", "POLL_SECONDS"):
        monkeypatch.setattr(change_feed, name, 3600)
    monkeypatch.setattr(recent_writes, "REMEMBERED", timedelta(hours=1))
    return World(app, Caches(app, db))


@pytest.mark.parametrize("kind", KINDS)
def test_callers_see_their_own_writes_through_another_cache(caches, kind):
    assert count_stale(caches, kind, 6) == 0


@pytest.mark.parametrize("kind", REMEMBERED)
def test_control_if_writes_are_not_remembered_reads_are_stale(caches, kind, monkeypatch):
    for module in (permissions, early_callers):
        monkeypatch.setattr(module, "is_recent", lambda _wrote_at, _now: False)
    assert count_stale(caches, kind, 6) > 0


def test_no_cache_is_older_than_callers_are_remembered_for():
    assert change_feed.MAX_AGE_SECONDS < recent_writes.GREATEST_AGE_SECONDS
