"""Concurrent favorites: none is lost, none is added twice, and the limit holds."""

import time
from typing import Any

import pytest

from eventapp.core.clock import utc_now
from eventapp.events import rules
from eventapp.favorites import store
from tests.factories import make_event, make_user
from tests.race.test_event_ids import together

THREADS = 8


def add(db: Any, number: int, limit: int = 500) -> bool:
    return store.add(db, "guest", number, limit=limit, now=utc_now())


def kept(db: Any) -> list[int]:
    return sorted(store.find_event_ids(db, ["guest"])["guest"])


def naive_add(db: Any, number: int, limit: int) -> bool:
    """The control: read, then write."""
    found = db.favorites.find_one({"_id": "guest"}) or {"events": []}
    have = [entry["eventId"] for entry in found["events"]]
    if number in have or len(have) >= limit:
        return False
    time.sleep(0.001)  # lets others in between look and write
    change = {"$push": {"events": {"eventId": number, "at": utc_now()}}}
    db.favorites.update_one({"_id": "guest"}, change, upsert=True)
    return True


@pytest.mark.parametrize("_round", range(5))
def test_concurrent_first_favorites_are_all_kept(db, _round):
    results: list[bool] = []
    works = [lambda number=number: results.append(add(db, number)) for number in range(THREADS)]
    assert together(*works) == []
    assert results == [True] * THREADS
    assert kept(db) == list(range(THREADS))
    assert db.favorites.find_one({})["count"] == THREADS


@pytest.mark.parametrize("_round", range(5))
def test_an_event_that_is_added_concurrently_is_added_once(db, _round):
    results: list[bool] = []
    assert together(*[lambda: results.append(add(db, 7))] * THREADS) == []
    assert sorted(results) == [False] * (THREADS - 1) + [True]
    assert kept(db) == [7]


def test_the_limit_holds_between_threads(db):
    results: list[bool] = []

    def fill(first: int) -> None:
        results.extend(add(db, first + step, limit=20) for step in range(10))

    works = [lambda first=first: fill(first) for first in range(0, THREADS * 10, 10)]
    assert together(*works) == []
    assert results.count(True) == len(kept(db)) == 20
    assert db.favorites.find_one({})["count"] == 20


def test_the_control_adds_twice_or_beyond_the_limit(db):
    db.favorites.insert_one({"_id": "guest", "events": [], "count": 0})
    for _round in range(20):
        together(*[lambda: naive_add(db, 7, 1)] * THREADS)
        if len(kept(db)) > 1:
            return
        db.favorites.update_one({"_id": "guest"}, {"$set": {"events": []}})
    pytest.fail("the unguarded way held too: this race shows nothing")


def test_concurrent_adding_and_removing_keeps_the_count_right(db):
    def flip() -> None:
        for _ in range(10):
            add(db, 3)
            store.remove(db, "guest", 3)

    assert together(*[flip] * THREADS) == []
    assert db.favorites.find_one({})["count"] == len(kept(db)) == 0


def test_one_of_two_concurrent_removals_succeeds(db):
    add(db, 3)
    results: list[bool] = []
    assert together(*[lambda: results.append(store.remove(db, "guest", 3))] * THREADS) == []
    assert results.count(True) == 1


def test_the_limit_holds_over_http(app, db, monkeypatch):
    monkeypatch.setattr(rules, "MAX_FAVORITES", 5)
    fan, statuses = make_user(app)["headers"], []
    for _ in range(THREADS):
        make_event(db)

    def favorite(number: int) -> None:
        body = {"eventId": number}
        answer = app.test_client().post("/api/favorites", json=body, headers=fan)
        statuses.append(answer.status_code)

    works = [lambda number=number: favorite(number) for number in range(1, THREADS + 1)]
    assert together(*works) == []
    assert sorted(statuses) == [201] * 5 + [409] * (THREADS - 5)
