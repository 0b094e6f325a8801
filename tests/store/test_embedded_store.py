"""Behaviour of the embedded store that the comparison with a server does not cover."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import bson
import pytest
from bson.errors import InvalidDocument
from pymongo import ReturnDocument
from pymongo.errors import DuplicateKeyError, InvalidOperation

from eventapp.core.embedded.client import open_embedded
from eventapp.core.embedded.operations import CollectionOperations
from eventapp.core.embedded.values import copy_as_stored
from tests.store.test_embedded_same_as_server import UPDATES


@pytest.fixture
def items() -> Iterator[Any]:
    with open_embedded(None) as client:
        yield client["app"]["items"]


def test_a_ttl_index_removes_only_expired_documents(
    items: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("eventapp.core.embedded.storage._EXPIRY_CHECK_INTERVAL", timedelta(0))
    now = datetime.now(UTC)
    items.create_index("at", expireAfterSeconds=60)
    items.insert_many(
        [
            {"_id": 1, "at": now - timedelta(seconds=61)},
            {"_id": 2, "at": now},
            {"_id": 3},
            {"_id": 4, "at": "yesterday"},
        ]
    )
    assert [one["_id"] for one in items.find()] == [2, 3, 4]


def test_a_duplicate_key_error_names_the_index_and_the_value(items: Any) -> None:
    items.create_index([("user", 1), ("event", 1)], unique=True, name="one_each")
    items.insert_one({"user": 1, "event": 2})
    with pytest.raises(DuplicateKeyError) as refusal:
        items.insert_one({"user": 1, "event": 2})
    assert refusal.value.details["keyPattern"] == {"user": 1, "event": 1}
    assert refusal.value.details["keyValue"] == {"user": 1, "event": 2}
    assert "app.items index: one_each" in str(refusal.value)


def test_a_value_that_bson_cannot_hold_is_refused_and_not_stored(items: Any) -> None:
    with pytest.raises(InvalidDocument):
        items.insert_one({"_id": 1, "bad": {1, 2}})
    assert items.count_documents({}) == 0


def test_true_differs_from_one_in_a_unique_index(items: Any) -> None:
    items.create_index("value", unique=True)
    items.insert_many([{"value": True}, {"value": 1}, {"value": "1"}, {"value": None}])
    with pytest.raises(DuplicateKeyError):
        items.insert_one({"value": 1.0})


def test_an_id_may_be_a_document(items: Any) -> None:
    items.insert_one({"_id": {"user": 1, "day": "x"}, "n": 1})
    items.update_one({"_id": {"user": 1, "day": "x"}}, {"$inc": {"n": 1}}, upsert=True)
    assert items.find_one({"_id": {"user": 1, "day": "x"}})["n"] == 2
    with pytest.raises(DuplicateKeyError):
        items.insert_one({"_id": {"user": 1, "day": "x"}})
    items.delete_one({"_id.user": 1})
    assert items.count_documents({}) == 0


def test_an_equality_on_an_indexed_field_does_not_scan_the_collection(items: Any) -> None:
    items.create_index("eventId", unique=True)
    items.create_index([("userId", 1), ("at", -1)])
    items.insert_many([{"eventId": n, "userId": n % 1000, "at": n} for n in range(10_000)])
    started = time.thread_time()  # Other load does not count.
    for n in range(100):
        assert items.find_one({"eventId": n, "at": {"$gte": 0}})["eventId"] == n
        assert items.count_documents({"$and": [{"userId": {"$in": [n]}}, {"at": n}]}) == 1
        items.find_one_and_update({"eventId": n}, {"$set": {"userId": -1}})
    assert time.thread_time() - started < 0.5
    assert items.count_documents({"userId": -1}) == 100
    assert items.find_one({"eventId": 7, "userId": 7}) is None


def test_options_without_effect_are_accepted_and_others_refused(items: Any) -> None:
    items.insert_one({"_id": 1}, session=None, comment="why")
    assert items.find_one({"_id": 1}, max_time_ms=100, hint="_id_", comment="why", session=None)
    assert items.count_documents({}, maxTimeMS=100, hint="_id_") == 1
    assert list(items.aggregate([], maxTimeMS=100, batchSize=5, allowDiskUse=True)) == [{"_id": 1}]
    with pytest.raises(NotImplementedError):
        items.find_one({}, session=object())
    with pytest.raises(NotImplementedError):
        items.find_one({}, collation={"locale": "en"})
    with pytest.raises(TypeError):
        items.find_one({}, limmit=1)
    # PyMongo's methods have no `sort`, either.
    for call in (
        lambda: items.update_many({}, {"$set": {"a": 1}}, sort=[("a", 1)]),
        lambda: items.delete_one({}, sort=[("a", 1)]),
        lambda: items.delete_many({}, sort=[("a", 1)]),
    ):
        with pytest.raises(TypeError):
            call()
    assert items.find_one({}) == {"_id": 1}


def test_a_cursor_reads_when_first_iterated_and_cannot_be_changed_then(items: Any) -> None:
    cursor = items.find({})
    items.insert_one({"_id": 1})
    assert next(cursor) == {"_id": 1}
    with pytest.raises(InvalidOperation):
        cursor.sort("_id", 1)
    cursor.close()
    assert list(cursor) == []
    assert not cursor.alive


def test_the_projection_of_an_update_may_exclude_the_id(items: Any) -> None:
    items.insert_many([{"_id": 1, "n": 1}, {"_id": 2, "n": 1}])
    after = items.find_one_and_update(
        {"n": 1}, {"$inc": {"n": 1}}, {"_id": 0}, return_document=ReturnDocument.AFTER
    )
    assert after == {"n": 2}
    assert [one["n"] for one in items.find()] == [2, 1]


@pytest.mark.parametrize("row", UPDATES, ids=lambda name: name.replace(" ", "-"))
def test_an_update_leaves_the_document_that_it_replaces_as_it_was(
    items: Any, row: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    document, update, _after = UPDATES[row]
    items.insert_one({"_id": 1, **document})
    encoded = bson.encode(copy_as_stored(items.find_one({})))
    outcomes = []
    rewrite = CollectionOperations.rewrite
    monkeypatch.setattr(
        CollectionOperations,
        "rewrite",
        lambda *args, **options: outcomes.append(rewrite(*args, **options)) or outcomes[-1],
    )
    items.update_one({"_id": 1}, update)
    assert bson.encode(outcomes[0].before) == encoded
    assert describe(outcomes[0].after) == describe(copy_as_stored(outcomes[0].after))


def describe(value: Any) -> Any:
    """Return a text in which values differ that are equal but of different types."""
    if isinstance(value, dict):
        return {name: describe(item) for name, item in value.items()}
    if isinstance(value, list):
        return [describe(item) for item in value]
    return f"{type(value).__name__} {value!r}"


def test_values_that_an_update_computes_are_stored_as_bson_holds_them(items: Any) -> None:
    items.insert_one({"_id": 1, "n": 2**31, "list": []})
    update = {"$currentDate": {"at": True}, "$inc": {"n": 1}, "$push": {"list": datetime.now()}}
    for _ in range(2):
        items.update_one({}, update)
    (stored,) = items._operations.store.documents
    assert describe(stored) == describe(copy_as_stored(stored))
    with pytest.raises(OverflowError):
        items.update_one({}, {"$inc": {"n": 2**63 - 1}})
    assert items.find_one({})["n"] == 2**31 + 2


def test_documents_of_one_update_share_nothing_that_a_later_update_changes(items: Any) -> None:
    items.insert_many([{"_id": 1}, {"_id": 2}])
    items.update_many({}, {"$set": {"a": {"b": [1]}}})
    items.update_one({"_id": 1}, {"$push": {"a.b": 2}})
    assert [one["a"]["b"] for one in items.find()] == [[1, 2], [1]]
