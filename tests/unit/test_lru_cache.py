"""The LRU cache takes no more memory than its bound."""

import tracemalloc

import pytest
from flask import Flask

from eventapp.android import service as android
from eventapp.core.clock import utc_now
from eventapp.core.http.compressed_bodies import CompressedBodies
from eventapp.core.lru_cache import SHARES, CacheBudget, LRUCache
from eventapp.events.cache.event_cache import EventCache
from eventapp.events.cache.favorites_cache import FavoritesCache
from eventapp.events.cache.freshness import Freshness
from eventapp.events.cache.rendering import render_event
from eventapp.events.service import make_new_event
from eventapp.inventory.sale_states import SaleStates
from tests.factories import event_body


class FakeDatabase:
    """A database that nothing is read from."""

    name = "unused"


def test_the_least_recently_used_value_is_evicted_first():
    cache = LRUCache(3, len)
    for key in "abc":
        cache.put(key, "x")
    assert cache.get("a")
    cache.put("d", "x")
    assert [cache.get(key) for key in "abcd"] == ["x", None, "x", "x"]


def test_the_bound_counts_bytes_not_values():
    cache = LRUCache(10, len)
    cache.put("a", "x" * 4)
    cache.put("b", "x" * 4)
    cache.put("a", "x" * 6)  # replaces the shorter one
    assert [len(cache.get(key)) for key in "ab"] == [6, 4]
    cache.put("c", "x" * 9)
    assert [cache.get(key) for key in "ab"] == [None, None]
    cache.put("d", "x" * 11)  # larger than the whole cache
    assert [cache.get(key) for key in "cd"] == [None, None]
    cache.put("e", "x" * 10)
    cache.discard("e")
    cache.put("f", "x" * 10)
    cache.clear()
    cache.put("g", "x" * 10)
    assert cache.get("g")


def test_an_event_takes_no_more_memory_than_its_size_says():
    events = [
        make_new_event(loaded_body(number), organizer_id=None, now=utc_now()) for number in "123"
    ]
    documents = [
        {**event, "_id": None, "eventId": 1000 + number} for number, event in enumerate(events * 99)
    ]
    cache = LRUCache(10**9, lambda event: event.size_bytes)
    render_event(documents[0], utc_now())
    tracemalloc.start()
    for document in documents:
        cache.put(document["eventId"], render_event(document, utc_now()))
    taken, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert 0.5 * cache._values.currsize < taken < cache._values.currsize


def test_the_shares_of_the_budget_add_up_to_it():
    assert sum(SHARES.values()) == 100
    budget = CacheBudget(100)
    assert sum(budget.get_bytes(name) for name in SHARES) == 100_000_000
    with pytest.raises(KeyError):
        budget.get_bytes("another")


def find_caches(owner):
    """Return the LRU caches that an object has, also through the objects that it consists of."""
    found = []
    for value in vars(owner).values():
        if isinstance(value, LRUCache):
            found.append(value)
        elif isinstance(value, (Freshness, FavoritesCache)):
            found += find_caches(value)
    return found


@pytest.mark.parametrize("megabytes", [10, 64])
def test_all_caches_together_stay_within_the_budget(monkeypatch, megabytes):
    budget = CacheBudget(megabytes)
    owners = (
        EventCache(FakeDatabase(), budget=budget),
        SaleStates(FakeDatabase(), None, budget),
        CompressedBodies(Flask("test"), budget),
    )
    caches = [cache for owner in owners for cache in find_caches(owner)]
    bodies = LRUCache(1, len)
    monkeypatch.setattr(android, "_CONVERTED", bodies)
    android.set_cache_budget(budget)
    caches.append(bodies)
    assert len(caches) == len(SHARES)
    for cache in caches:
        size = cache._values.maxsize // 100
        cache._values.getsizeof = lambda _value, size=size: size
        for number in range(150):
            cache.put(number, number)
        assert cache.get(149) == 149
    total = sum(cache._values.currsize for cache in caches)
    assert 0.99 * megabytes * 1_000_000 < total <= megabytes * 1_000_000


def loaded_body(number):
    """Return the body of an event as its schema loads it."""
    body = event_body(title=f"Event {number}" * int(number), description="words " * 40)
    return body | {"schedule": [{**entry, "date": utc_now().date()} for entry in body["schedule"]]}
