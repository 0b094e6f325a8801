"""Cached favorites contain every change of their owner that the process has received."""

import threading

import pytest

from eventapp.core.errors import DatabaseUnavailable
from eventapp.events.cache import favorites_cache
from eventapp.events.cache.favorites_cache import FavoritesCache

ANN, BOB = "user:ann", "user:bob"


class OverlookingCache(FavoritesCache):
    """The control: a change drops what is cached, but not what is being read."""

    def drop(self, owner):
        self._cached.discard(owner)


@pytest.fixture
def stored(monkeypatch):
    """The stored favorites by owner, and a `before_answer` that runs in the middle of a read."""

    class Stored(dict):
        reads = 0

        def before_answer(self):
            """Run between the read of the database and its result."""

        def list_event_ids(self, _db, owner):
            self.reads += 1
            found = list(self.get(owner, ()))
            self.before_answer()
            return found

    stored = Stored()
    monkeypatch.setattr(favorites_cache.favorites, "list_event_ids", stored.list_event_ids)
    return stored


def test_favorites_are_read_once_until_a_change_of_their_owner(stored):
    cache = FavoritesCache(None, 10_000)
    stored[ANN] = [1]
    assert [cache.load(ANN) for _ in range(3)] == [{1}] * 3
    cache.drop(BOB)
    assert cache.get(ANN) == {1}
    assert stored.reads == 1
    stored[ANN] = [1, 2]
    cache.drop(ANN)
    assert cache.get(ANN) is None
    assert cache.load(ANN) == {1, 2}


@pytest.mark.parametrize(
    ("cache_class", "cached"), [(FavoritesCache, None), (OverlookingCache, {1})]
)
def test_what_is_read_during_a_change_is_not_cached(stored, cache_class, cached):
    cache = cache_class(None, 10_000)
    stored[ANN] = [1]

    def change():
        stored[ANN] = [1, 2]
        cache.drop(ANN)

    stored.before_answer = change
    assert cache.load(ANN) == {1}
    assert cache.get(ANN) == cached


def test_a_read_during_a_change_of_another_owner_is_cached(stored):
    cache = FavoritesCache(None, 10_000)
    stored[ANN] = [1]
    stored.before_answer = lambda: cache.drop(BOB)
    cache.load(ANN)
    assert cache.get(ANN) == {1}


def test_a_read_that_is_outdated_does_not_keep_a_later_one_from_being_cached(stored):
    cache = FavoritesCache(None, 10_000)
    stored[ANN], found = [1], []

    def change_and_read():
        stored.before_answer = lambda: None
        stored[ANN] = [2]
        cache.drop(ANN)
        found.append(cache.load(ANN))

    stored.before_answer = change_and_read
    assert cache.load(ANN) == {1}
    assert found == [{2}]
    assert cache.get(ANN) == {2}


def test_what_is_read_while_everything_is_dropped_is_not_cached(stored):
    cache = FavoritesCache(None, 10_000)
    stored.before_answer = cache.clear
    cache.load(ANN)
    assert cache.get(ANN) is None


def test_a_read_that_fails_caches_nothing(stored):
    cache = FavoritesCache(None, 10_000)

    def fail():
        raise DatabaseUnavailable

    stored.before_answer = fail
    with pytest.raises(DatabaseUnavailable):
        cache.load(ANN)
    assert cache.get(ANN) is None
    stored.before_answer = lambda: None
    cache.load(ANN)
    assert cache.get(ANN) == set()


def test_many_threads_never_leave_outdated_favorites_cached(stored):
    cache, stop = FavoritesCache(None, 10_000), threading.Event()

    def read():
        while not stop.is_set():
            cache.load(ANN)

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    for number in range(500):
        stored[ANN] = [number]
        cache.drop(ANN)
        assert cache.load(ANN) == {number}
    stop.set()
    for reader in readers:
        reader.join(10)
    assert cache.load(ANN) == {499}
