"""A poll returns every change that was acknowledged before the poll began."""

import random
import threading
import time
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from eventapp.core.errors import DatabaseUnavailable
from eventapp.events.cache import change_feed
from eventapp.events.cache.change_feed import ChangeFeed
from eventapp.events.cache.freshness import VISIBILITY_DELAY, Effect
from eventapp.events.store import NEVER_CHANGED
from eventapp.favorites.types import FavoritesChange
from tests.seen_library import replace_seen

START = datetime(2030, 1, 1, tzinfo=UTC)
HISTORIES, POLLS = 500, 12
FAVORITES = "favorites"
COLLECTIONS = (*change_feed.store.CHANGE_COLLECTIONS, FAVORITES)


def make_feed(received=lambda _event_id: None):
    """Return a feed that passes on the eventId or owner of each change that a poll returns."""
    freshness = SimpleNamespace(
        start_poll=lambda: None,
        receive=lambda _change, _started: Effect.CONTENT,
        finish_poll=lambda _newest, _started: None,
    )
    return ChangeFeed(
        None, freshness, lambda change, _effect: received(change["eventId"]), received
    )


class History:
    """Writes at random times, in three collections, which become visible in another order.

    Attributes:
        seconds: the time now, by every clock.
    """

    def __init__(self, rng):
        self.seconds = 0.0
        self.writes = [self._make_write(rng, number) for number in range(rng.randrange(1, 30))]

    def _make_write(self, rng, number):
        changed = rng.uniform(-3, 10)
        changed_at = START + timedelta(milliseconds=round(changed * 1000))
        delay = rng.uniform(0, VISIBILITY_DELAY.total_seconds() - 0.002)
        visible = (changed_at - START).total_seconds() + delay
        collection = rng.choice(COLLECTIONS)
        return collection, visible, {"eventId": number, "changedAt": changed_at}

    def list_visible(self):
        return [write for write in self.writes if write[1] <= self.seconds]

    def find_last_changed_at(self, _db):
        return self._find_last(change_feed.store.CHANGE_COLLECTIONS) or NEVER_CHANGED

    def find_last_favorites(self, _db):
        return self._find_last((FAVORITES,))

    def _find_last(self, names):
        visible = self.list_visible()
        return max(
            (change["changedAt"] for name, _, change in visible if name in names), default=None
        )

    def find_changes_since(self, _db, name, moment):
        return [
            change
            for collection, _, change in self.list_visible()
            if collection == name and change["changedAt"] > moment
        ]

    def find_favorites_since(self, db, moment):
        found = self.find_changes_since(db, FAVORITES, moment)
        return [FavoritesChange(change["eventId"], change["changedAt"]) for change in found]


def find_missed(seed, monkeypatch):
    """Poll at random times; return the changes that were visible before a poll but not received."""
    rng, received = random.Random(seed), set()
    history, feed = History(rng), make_feed(received.add)
    store, favorites = change_feed.store, change_feed.favorites
    with monkeypatch.context() as patch:
        patch.setattr(favorites, "find_last_changed_at", history.find_last_favorites)
        patch.setattr(favorites, "find_changes_since", history.find_favorites_since)
        patch.setattr(store, "find_last_changed_at", history.find_last_changed_at)
        patch.setattr(store, "find_changes_since", history.find_changes_since)
        replace_seen(patch, change_feed, "time", monotonic=lambda: history.seconds)
        feed.poll()
        # What was visible before the first poll is not cached yet, and need not be received.
        known = {change["eventId"] for _, _, change in history.list_visible()}
        for _ in range(POLLS):
            history.seconds += rng.choice([0.01, 0.1, 0.4, 1.1, 2])
            feed.poll()
            visible = {change["eventId"] for _, _, change in history.list_visible()}
            if missed := visible - known - received:
                return missed
    return set()


def test_a_poll_returns_every_change_that_was_visible_when_it_began(monkeypatch):
    for seed in range(HISTORIES):
        assert find_missed(seed, monkeypatch) == set(), f"seed {seed}"


def test_control_polls_that_ask_only_for_later_changes_miss_some(monkeypatch):
    monkeypatch.setattr(change_feed, "VISIBILITY_DELAY", timedelta(0))
    assert any(find_missed(seed, monkeypatch) for seed in range(HISTORIES))


class SlowPolls:
    """Polls, each of which ends only after `may_end` is released.

    Attributes:
        began: one item for each poll that has begun.
        may_end: released once for each poll that may end.
    """

    def __init__(self, feed, monkeypatch):
        self.began, self.may_end = [], threading.Semaphore(0)
        monkeypatch.setattr(feed, "poll", self._poll)

    def _poll(self):
        self.began.append(time.monotonic())
        assert self.may_end.acquire(timeout=10)

    def wait_for(self, count):
        deadline = time.monotonic() + 10
        while len(self.began) < count:
            assert time.monotonic() < deadline
            time.sleep(0.001)


def test_a_call_during_a_poll_waits_for_one_that_begins_later(monkeypatch):
    feed = make_feed()
    polls = SlowPolls(feed, monkeypatch)
    first = threading.Thread(target=feed.poll_if_due)
    first.start()
    polls.wait_for(1)
    calls = [threading.Thread(target=feed.poll_now) for _ in range(3)]
    for call in calls:
        call.start()
    polls.may_end.release()
    polls.wait_for(2)
    assert all(call.is_alive() for call in calls)
    polls.may_end.release(3)
    for thread in (first, *calls):
        thread.join(10)
        assert not thread.is_alive()
    assert len(polls.began) <= 3  # one for the first of the calls, and one for the others


def test_after_a_call_no_poll_is_due(monkeypatch):
    feed = make_feed()
    polls = SlowPolls(feed, monkeypatch)
    polls.may_end.release(1)
    feed.poll_now()
    feed.poll_if_due()
    assert len(polls.began) == 1


def test_a_poll_that_fails_fails_its_callers(monkeypatch):
    feed = make_feed()

    def fail():
        raise DatabaseUnavailable

    monkeypatch.setattr(feed, "poll", fail)
    with pytest.raises(DatabaseUnavailable):
        feed.poll_now()
