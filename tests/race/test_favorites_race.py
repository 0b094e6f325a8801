"""Concurrent favorites: none is lost, none is added twice, and the limit holds."""

import time
from typing import Any

import pytest
from pymongo.errors import ServerSelectionTimeoutError

from eventapp.core.clock import utc_now
from eventapp.events import rules
from eventapp.favorites import batched_changes, service, store
from eventapp.favorites.batched_changes import Addition, Removal
from tests.factories import make_event, make_user
from tests.race.test_event_ids import together

THREADS = 8


@pytest.fixture(params=[store, service], ids=["alone", "batched"])
def way(request):
    """The module that adds and removes: each favorite by a write of its own, or in batches."""
    return request.param


def add(way: Any, db: Any, number: int, limit: int = 500) -> bool:
    return way.add(db, "guest", number, limit=limit, now=utc_now())


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
def test_concurrent_first_favorites_are_all_kept(way, db, _round):
    results: list[bool] = []
    works = [
        lambda number=number: results.append(add(way, db, number)) for number in range(THREADS)
    ]
    assert together(*works) == []
    assert results == [True] * THREADS
    assert kept(db) == list(range(THREADS))
    assert db.favorites.find_one({})["count"] == THREADS


@pytest.mark.parametrize("_round", range(5))
def test_an_event_that_is_added_concurrently_is_added_once(way, db, _round):
    results: list[bool] = []
    assert together(*[lambda: results.append(add(way, db, 7))] * THREADS) == []
    assert sorted(results) == [False] * (THREADS - 1) + [True]
    assert kept(db) == [7]


def test_the_limit_holds_between_threads(way, db):
    results: list[bool] = []

    def fill(first: int) -> None:
        results.extend(add(way, db, first + step, limit=20) for step in range(10))

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


def test_concurrent_adding_and_removing_keeps_the_count_right(way, db):
    def flip() -> None:
        for _ in range(10):
            add(way, db, 3)
            way.remove(db, "guest", 3)

    assert together(*[flip] * THREADS) == []
    assert db.favorites.find_one({})["count"] == len(kept(db)) == 0


def test_one_of_two_concurrent_removals_succeeds(way, db):
    add(way, db, 3)
    results: list[bool] = []
    assert together(*[lambda: results.append(way.remove(db, "guest", 3))] * THREADS) == []
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


def addition(db: Any, event_id: int, limit: int = 500) -> Addition:
    return Addition(db, "guest", event_id, utc_now(), limit)


@pytest.fixture
def writes(monkeypatch):
    """The names of the functions of the store that write."""
    names: list[str] = []

    def note(name: str) -> None:
        write = getattr(store, name)

        def write_and_note(*arguments: Any, **others: Any) -> bool:
            names.append(name)
            return write(*arguments, **others)

        monkeypatch.setattr(store, name, write_and_note)

    for name in ("add", "add_all", "remove", "remove_all"):
        note(name)
    return names


def test_changes_of_different_events_share_a_write(db, writes):
    store.add(db, "guest", 1, limit=500, now=utc_now())
    del writes[:]
    added = batched_changes._add_batch("guest", [addition(db, number) for number in (2, 3, 4)])
    assert (added, kept(db), writes) == ([True] * 3, [1, 2, 3, 4], ["add_all"])
    assert db.favorites.find_one({})["count"] == 4
    removals = [Removal(db, "guest", number) for number in (1, 3)]
    assert batched_changes._remove_batch("guest", removals) == [True, True]
    assert (kept(db), writes[1:]) == ([2, 4], ["remove_all"])
    assert db.favorites.find_one({})["count"] == 2


@pytest.mark.parametrize(
    ("before", "batch", "limit", "added"),
    [
        ([], [2, 3], 9, [True, True]),  # a new owner
        ([3], [2, 3, 4], 9, [True, False, True]),
        ([1], [2, 3, 2], 9, [True, True, False]),
        ([1], [2, 3, 4], 3, [True, True, False]),
        ([1], [2, 3], 3, [True, True]),
    ],
)
def test_each_addition_of_a_batch_has_its_own_outcome(db, before, batch, limit, added):
    for number in before:
        store.add(db, "guest", number, limit=limit, now=utc_now())
    additions = [addition(db, number, limit) for number in batch]
    assert batched_changes._add_batch("guest", additions) == added
    expected = {*before, *(number for number, is_new in zip(batch, added, strict=True) if is_new)}
    assert kept(db) == sorted(expected)
    assert db.favorites.find_one({})["count"] == len(expected)


def test_each_removal_of_a_batch_has_its_own_outcome(db):
    for number in (1, 2, 3):
        store.add(db, "guest", number, limit=9, now=utc_now())
    removals = [Removal(db, "guest", number) for number in (3, 4, 1, 1)]
    assert batched_changes._remove_batch("guest", removals) == [True, False, True, False]
    assert kept(db) == [2]
    assert db.favorites.find_one({})["count"] == 1


def test_after_a_failure_the_rest_of_a_batch_is_not_tried(db, monkeypatch):
    store.add(db, "guest", 3, limit=9, now=utc_now())
    error, add_one, tried = ServerSelectionTimeoutError("down"), store.add, []

    def fail_later(db: Any, owner: str, event_id: int, **others: Any) -> bool:
        tried.append(event_id)
        if event_id == 4:
            raise error
        return add_one(db, owner, event_id, **others)

    monkeypatch.setattr(store, "add", fail_later)
    outcomes = batched_changes._add_batch("guest", [addition(db, n) for n in (2, 3, 4, 5)])
    assert outcomes == [True, False, error, error]
    assert tried == [2, 3, 4]
