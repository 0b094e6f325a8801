"""The same calls on the embedded store and, where MONGO_URI is set, on the server it names.

Each row of a table holds the answer of MongoDB, and both stores must give it.
"""

import math
import os
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pymongo import (
    DeleteOne,
    IndexModel,
    InsertOne,
    MongoClient,
    ReplaceOne,
    ReturnDocument,
    UpdateMany,
    UpdateOne,
)
from pymongo.errors import BulkWriteError, DuplicateKeyError, OperationFailure, WriteError

from eventapp.core.embedded.client import open_embedded

NOON = datetime(2030, 5, 1, 12, 0, 0, 123456, tzinfo=UTC)
STORED_NOON = NOON.replace(microsecond=123000)
STORES = ["embedded", *(["server"] if os.environ.get("MONGO_URI") else [])]


@pytest.fixture(params=STORES)
def db(request: pytest.FixtureRequest) -> Iterator[Any]:
    client: Any = (
        open_embedded(None)
        if request.param == "embedded"
        else MongoClient(os.environ["MONGO_URI"], tz_aware=True)
    )
    name = f"test_embedded_{uuid.uuid4().hex}"
    try:
        yield client[name]
    finally:
        client.drop_database(name)
        client.close()


def event(**fields: Any) -> dict[str, Any]:
    types = [
        {"ticketTypeId": 1, "type": "std", "price": 20, "availableTickets": 5, "waiting": 0},
        {"ticketTypeId": 2, "type": "vip", "price": 90, "availableTickets": 2, "waiting": 1},
    ]
    return {"_id": 1, "eventId": 7, "tags": ["a", "b"], "ticketTypes": types, **fields}


# An update, and its result: (document, update, document afterwards), without the _id.
UPDATES: dict[str, tuple[dict[str, Any], dict[str, Any], dict[str, Any]]] = {
    "inc in an array": (
        {"t": [{"n": 5}, {"n": 6}]},
        {"$inc": {"t.0.n": -2, "t.1.n": 1}},
        {"t": [{"n": 3}, {"n": 7}]},
    ),
    "inc creates the field": ({}, {"$inc": {"a.b": 2}}, {"a": {"b": 2}}),
    "mul": ({"n": 3}, {"$mul": {"n": 2, "m": 2}}, {"n": 6, "m": 0}),
    "set a dotted path": ({}, {"$set": {"in.ab12": {"q": 1}}}, {"in": {"ab12": {"q": 1}}}),
    "unset a dotted path": ({"in": {"x": 1, "y": 2}}, {"$unset": {"in.x": ""}}, {"in": {"y": 2}}),
    "unset a missing field": ({"a": 1}, {"$unset": {"in.x": ""}}, {"a": 1}),
    "set and unset and inc": (
        {"in": {"x": 1}, "n": 1},
        {"$set": {"in.y": 2}, "$unset": {"in.x": ""}, "$inc": {"n": -1}},
        {"in": {"y": 2}, "n": 0},
    ),
    "an empty set": ({"a": 1}, {"$set": {}}, {"a": 1}),
    "setOnInsert only applies to inserts": ({"a": 1}, {"$setOnInsert": {"a": 9}, "$set": {"b": 1}},
                                   {"a": 1, "b": 1}),
    "max and min": ({"a": 5, "b": 5}, {"$max": {"a": 9, "b": 1}}, {"a": 9, "b": 5}),
    "min lowers": ({"a": 5}, {"$min": {"a": 2, "b": 3}}, {"a": 2, "b": 3}),
    "max over null": ({"a": None}, {"$max": {"a": 1}}, {"a": 1}),
    "max of dates": ({"a": NOON}, {"$max": {"a": NOON + timedelta(1)}},
                     {"a": STORED_NOON + timedelta(1)}),
    "max in an array": ({"t": [{"n": 1}]}, {"$max": {"t.0.n": 4}}, {"t": [{"n": 4}]}),
    "push": ({"a": [1]}, {"$push": {"a": 2, "b": 1}}, {"a": [1, 2], "b": [1]}),
    "push each, slice the last": (
        {"a": [1, 2]}, {"$push": {"a": {"$each": [3, 4], "$slice": -3}}}, {"a": [2, 3, 4]}
    ),
    "push each, sort, slice": (
        {"a": [{"n": 3}]},
        {"$push": {"a": {"$each": [{"n": 1}, {"n": 2}], "$sort": {"n": -1}, "$slice": 2}}},
        {"a": [{"n": 3}, {"n": 2}]},
    ),
    "push at a position": (
        {"a": [1, 2]}, {"$push": {"a": {"$each": [0], "$position": 0}}}, {"a": [0, 1, 2]}
    ),
    "push into a nested list": ({"a": {"b": [1]}}, {"$push": {"a.b": 2}}, {"a": {"b": [1, 2]}}),
    "push into an array item": (
        {"t": [{"l": []}]}, {"$push": {"t.0.l": {"x": 1}}}, {"t": [{"l": [{"x": 1}]}]}
    ),
    "addToSet": ({"a": [1]}, {"$addToSet": {"a": 1}}, {"a": [1]}),
    "addToSet each": ({"a": [1]}, {"$addToSet": {"a": {"$each": [1, 2]}, "b": 3}},
                      {"a": [1, 2], "b": [3]}),
    "addToSet nested": ({}, {"$addToSet": {"a.b": 1}}, {"a": {"b": [1]}}),
    "pull a value": ({"a": [1, 2, 1]}, {"$pull": {"a": 1}}, {"a": [2]}),
    "pull by a condition": ({"a": [1, 5, 9]}, {"$pull": {"a": {"$gte": 5}}}, {"a": [1]}),
    "pull documents": (
        {"a": [{"id": 1, "x": 1}, {"id": 2}]}, {"$pull": {"a": {"id": 1}}}, {"a": [{"id": 2}]}
    ),
    "pull from a missing array": ({}, {"$pull": {"a.b": 1}}, {}),
    "pullAll": ({"a": [1, 2, 3]}, {"$pullAll": {"a": [1, 3]}}, {"a": [2]}),
    "pop": ({"a": [1, 2, 3]}, {"$pop": {"a": -1}}, {"a": [2, 3]}),
    "rename": ({"a": 1}, {"$rename": {"a": "b"}}, {"b": 1}),
    "times are kept to the millisecond": ({}, {"$set": {"at": NOON}}, {"at": STORED_NOON}),
    "naive times are UTC": ({}, {"$set": {"at": datetime(2030, 1, 1)}},
                            {"at": datetime(2030, 1, 1, tzinfo=UTC)}),
    "all array items": ({"t": [{"n": 1}, {"n": 2}]}, {"$inc": {"t.$[].n": 1}},
                        {"t": [{"n": 2}, {"n": 3}]}),
}  # fmt: skip


@pytest.mark.parametrize("row", UPDATES, ids=lambda name: name.replace(" ", "-"))
def test_an_update_operator_changes_the_document_as_on_a_server(db: Any, row: str) -> None:
    document, update, after = UPDATES[row]
    db["t"].insert_one({"_id": 1, **document})
    result = db["t"].update_one({"_id": 1}, update)
    assert db["t"].find_one({"_id": 1}) == {"_id": 1, **after}
    assert result.matched_count == 1
    assert result.modified_count == int(document != after)


REFUSED: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "inc of a string": ({"a": "x", "b": 1}, {"$inc": {"b": 1, "a": 1}}),
    "inc of null": ({"a": None, "b": 1}, {"$inc": {"b": 1, "a": 1}}),
    "two operators on a field": ({"a": 1}, {"$set": {"a": 2}, "$inc": {"a": 1}}),
    "a field and its part": ({"a": {"b": 1}}, {"$set": {"a": 2}, "$inc": {"a.b": 1}}),
    "push to a number": ({"a": 1, "b": 1}, {"$inc": {"b": 1}, "$push": {"a": 1}}),
    "another _id": ({"a": 1}, {"$set": {"_id": 2, "a": 2}}),
    "a path through a scalar": ({"a": 1, "b": 1}, {"$inc": {"b": 1}, "$set": {"a.b": 1}}),
    "unknown operator": ({"a": 1}, {"$frob": {"a": 1}}),
}


@pytest.mark.parametrize("row", REFUSED, ids=lambda name: name.replace(" ", "-"))
def test_a_refused_update_changes_nothing(db: Any, row: str) -> None:
    document, update = REFUSED[row]
    db["t"].insert_one({"_id": 1, **document})
    with pytest.raises(WriteError):
        db["t"].update_one({"_id": 1}, update)
    assert db["t"].find_one({"_id": 1}) == {"_id": 1, **document}


DOCUMENTS = [
    {"_id": 1, "s": "Apple pie", "n": 3, "tags": ["a", "b"], "at": NOON, "in": {},
     "t": [{"id": 1, "left": 2, "w": 0}, {"id": 2, "left": 0, "w": 1}], "sold": 1, "cap": 9},
    {"_id": 2, "s": "banana", "n": 1, "tags": ["b"], "at": NOON + timedelta(days=1),
     "in": {"ff": {"k": 1}}, "t": [{"id": 1, "left": 0, "w": 2}], "sold": 8, "cap": 9},
    {"_id": 3, "s": None, "n": 2, "tags": [], "m": {"x": None}, "t": []},
    {"_id": 4, "n": 2.5, "m": None, "tags": ["c", "a"], "flag": True, "list": [[1, 2], 3]},
]  # fmt: skip

# A filter, and the ids of the DOCUMENTS that it finds.
FILTERS: list[tuple[dict[str, Any], list[int]]] = [
    ({}, [1, 2, 3, 4]),
    ({"n": 2}, [3]),
    ({"n": {"$gte": 2}}, [1, 3, 4]),
    ({"n": {"$gt": 1, "$lt": 3}}, [3, 4]),
    ({"n": {"$gte": "a"}}, []),
    ({"s": {"$gte": "b"}}, [2]),
    ({"s": None}, [3, 4]),
    ({"s": {"$ne": None}}, [1, 2]),
    ({"s": {"$exists": True}}, [1, 2, 3]),
    ({"s": {"$exists": False}}, [4]),
    ({"s": {"$type": "string"}}, [1, 2]),
    ({"n": {"$in": [1, 3]}}, [1, 2]),
    ({"n": {"$nin": [1, 3]}}, [3, 4]),
    ({"zzz": {"$nin": [1]}}, [1, 2, 3, 4]),
    ({"zzz": {"$ne": 1}}, [1, 2, 3, 4]),
    ({"zzz": {"$in": [None]}}, [1, 2, 3, 4]),
    ({"tags": "a"}, [1, 4]),
    ({"tags": {"$all": ["a", "b"]}}, [1]),
    ({"tags": {"$in": ["c", "b"]}}, [1, 2, 4]),
    ({"tags": {"$nin": ["a"]}}, [2, 3]),
    ({"tags": {"$ne": "a"}}, [2, 3]),
    ({"tags": {"$size": 2}}, [1, 4]),
    ({"tags": []}, [3]),
    ({"tags.0": "c"}, [4]),
    ({"s": {"$regex": "^app", "$options": "i"}}, [1]),
    ({"s": {"$regex": "an"}}, [2]),
    ({"s": {"$not": {"$regex": "an"}}}, [1, 3, 4]),
    ({"n": {"$not": {"$gt": 2}}}, [2, 3]),
    ({"at": {"$lte": NOON}}, [1]),
    ({"at": STORED_NOON}, [1]),
    ({"at": {"$gt": NOON.replace(tzinfo=None)}}, [2]),
    ({"at": {"$lt": NOON + timedelta(days=2)}}, [1, 2]),
    ({"in.ff": {"$exists": False}}, [1, 3, 4]),
    ({"in.ff": {"$exists": True}}, [2]),
    ({"in.ff.k": 1}, [2]),
    ({"m.x": None}, [1, 2, 3, 4]),
    ({"m.x": {"$exists": False}}, [1, 2, 4]),
    ({"m.x": {"$ne": 1}}, [1, 2, 3, 4]),
    ({"s.x": {"$ne": None}}, []),
    ({"t.7.left": {"$exists": False}}, [1, 2, 3, 4]),
    ({"in.ff": None}, [1, 3, 4]),
    ({"t.0.left": {"$gte": 1}}, [1]),
    ({"t.0.left": {"$gte": 1}, "t.0.w": 0, "t.0.id": 1}, [1]),
    ({"t.id": 2}, [1]),
    ({"t.left": 0}, [1, 2]),
    ({"t.left": {"$ne": 0}}, [3, 4]),
    ({"t": {"$elemMatch": {"id": 1, "left": {"$gt": 0}}}}, [1]),
    ({"t": {"$elemMatch": {"id": 2, "w": 0}}}, []),
    ({"t": {"$not": {"$elemMatch": {"id": 1}}}}, [3, 4]),
    ({"tags": {"$elemMatch": {"$gte": "c"}}}, [4]),
    ({"$or": [{"n": 1}, {"tags": "c"}]}, [2, 4]),
    ({"$nor": [{"n": 1}, {"tags": "c"}]}, [1, 3]),
    ({"$and": [{"n": {"$gt": 1}}, {"n": {"$lt": 3}}]}, [3, 4]),
    ({"_id": {"$in": [3, 1, 99]}}, [1, 3]),
    ({"_id": {"$gt": 2}, "n": 2}, [3]),
    ({"flag": True}, [4]),
    ({"flag": 1}, []),
    ({"n": 1.0}, [2]),
    ({"n": True}, []),
    ({"list": 3}, [4]),
    ({"tags": {"$gt": "b"}}, [4]),
    ({"zzz": {"$lte": 1}}, []),
    ({"zzz": {"$exists": 0}}, [1, 2, 3, 4]),
    ({"flag": {"$ne": True}}, [1, 2, 3]),
    ({"$expr": {"$lte": [{"$add": ["$sold", 2]}, "$cap"]}, "sold": {"$exists": True}}, [1]),
    ({"sold": {"$exists": True}, "$expr": {"$lte": [{"$add": ["$sold", 1]}, "$cap"]}}, [1, 2]),
    ({"$expr": {"$gt": ["$sold", 1]}, "n": 1}, [2]),
    ({"$expr": {"$gt": ["$sold", 1]}}, [2]),
    ({"$expr": {"$lt": ["$sold", 5]}}, [1, 3, 4]),
    ({"$expr": {"$eq": ["$s", None]}}, [3]),
    ({"$expr": {"$eq": [{"$ifNull": ["$s", None]}, None]}}, [3, 4]),
    ({"$expr": {"$in": ["$n", [1, 2]]}}, [2, 3]),
    ({"$expr": {"$and": [{"$gte": ["$cap", "$sold"]}, {"$ne": ["$n", 1]}]}}, [1, 3, 4]),
    ({"$expr": {"$eq": [{"$size": {"$objectToArray": {"$ifNull": ["$in", {}]}}}, 1]}}, [2]),
    ({"n": {"$type": ["double", "string"]}}, [4]),
    ({"n": {"$type": "number"}}, [1, 2, 3, 4]),
    ({"n": {"$mod": [2, 1]}}, [1, 2]),
]  # fmt: skip


@pytest.mark.parametrize(("spec", "ids"), FILTERS, ids=lambda value: str(value)[:70])
def test_a_filter_finds_the_same_documents(db: Any, spec: dict[str, Any], ids: list[int]) -> None:
    db["t"].insert_many(DOCUMENTS)
    assert sorted(one["_id"] for one in db["t"].find(spec)) == ids
    assert db["t"].count_documents(spec) == len(ids)


@pytest.mark.parametrize(
    ("center", "radius_in_degrees", "ids"),
    [((0, 0), 1.5, [1, 2]), ((180, 0), 2.5, [3, 4]), ((20, 90), 1.5, [5]), ((50, 50), 5, [])],
    ids=str,
)
def test_positions_in_a_circle_are_the_same(db, center, radius_in_degrees, ids):
    positions = {1: [(0, 1), (50, 5)], 2: [(1, 0)], 3: [(178, 0)], 4: [(-178, 0)], 5: [(-120, 89)]}
    db["places"].create_index([("at.point", "2dsphere")])
    db["places"].insert_one({"_id": 6, "at": [{}]})
    db["places"].insert_many(
        {"_id": id_, "at": [{"point": {"type": "Point", "coordinates": [*each]}} for each in at]}
        for id_, at in positions.items()
    )
    circle = {"$centerSphere": [list(center), math.radians(radius_in_degrees)]}
    found = db["places"].find({"at.point": {"$geoWithin": circle}})
    assert sorted(each["_id"] for each in found) == ids


# A sort, and the ids of the DOCUMENTS in that order.
SORTS: list[tuple[list[tuple[str, int]], list[int]]] = [
    ([("n", 1)], [2, 3, 4, 1]),
    ([("n", -1)], [1, 4, 3, 2]),
    ([("s", 1), ("n", -1)], [4, 3, 1, 2]),
    ([("s", -1), ("n", 1)], [2, 1, 3, 4]),
    ([("at", 1), ("_id", -1)], [4, 3, 1, 2]),
    ([("tags", 1), ("_id", 1)], [3, 1, 4, 2]),
    ([("tags", -1), ("_id", 1)], [4, 1, 2, 3]),
    ([("t.left", 1), ("_id", 1)], [3, 4, 1, 2]),
    ([("t.left", -1), ("_id", 1)], [1, 2, 3, 4]),
    ([("m.x", 1), ("_id", -1)], [4, 3, 2, 1]),
]


@pytest.mark.parametrize(("sort", "ids"), SORTS, ids=str)
def test_a_sort_gives_the_same_order(db: Any, sort: list[tuple[str, int]], ids: list[int]) -> None:
    db["t"].insert_many(DOCUMENTS)
    assert [one["_id"] for one in db["t"].find().sort(sort)] == ids
    assert [one["_id"] for one in db["t"].find(sort=sort, skip=1, limit=2)] == ids[1:3]


@pytest.mark.parametrize(
    "values", [[5, 1, 3, 2], [5, None, 3], [5, 2.5, 3], [[1, 9], 4, 6], [5, True, 3], []], ids=str
)
@pytest.mark.parametrize("direction", [1, -1])
def test_the_first_documents_of_a_unique_index_are_those_of_the_whole_sort(
    db: Any, values: list[Any], direction: int
) -> None:
    db["t"].create_index("v", unique=True)
    for number, value in enumerate(values):
        db["t"].insert_one({"_id": number, "v": value})
    ordered = list(db["t"].find().sort("v", direction))
    for limit in (1, 2):
        assert list(db["t"].find().sort("v", direction).limit(limit)) == ordered[:limit]


PROJECTIONS: list[tuple[Any, dict[str, Any]]] = [
    ({"a": 1}, {"_id": 1, "a": 1}),
    ({"a": True, "_id": False}, {"a": 1}),
    ({"_id": 1}, {"_id": 1}),
    ({"_id": 0}, {"a": 1, "b": {"c": 2, "d": 3}, "l": [{"x": 1, "y": 2}, {"x": 3}], "n": [1, 2]}),
    ({"b": 0, "l": 0}, {"_id": 1, "a": 1, "n": [1, 2]}),
    ({"b.c": 0, "l": 0, "n": 0}, {"_id": 1, "a": 1, "b": {"d": 3}}),
    ({"b.c": 1}, {"_id": 1, "b": {"c": 2}}),
    ({"l.x": 1}, {"_id": 1, "l": [{"x": 1}, {"x": 3}]}),
    ({"l.x": 0, "b": 0, "n": 0, "a": 0}, {"_id": 1, "l": [{"y": 2}, {}]}),
    ({"l.x": 1, "b.d": 1, "a": 1}, {"_id": 1, "a": 1, "b": {"d": 3}, "l": [{"x": 1}, {"x": 3}]}),
    ({"a.x": 1, "b.x": 1, "n.x": 1}, {"_id": 1, "b": {}, "n": []}),
    ({"zzz": 1}, {"_id": 1}),
    (["a", "b.d"], {"_id": 1, "a": 1, "b": {"d": 3}}),
    ({"l": {"$elemMatch": {"x": 3}}}, {"_id": 1, "l": [{"x": 3}]}),
    ({"n": {"$slice": -1}, "l": 0, "b": 0, "a": 0}, {"_id": 1, "n": [2]}),
]


@pytest.mark.parametrize(("projection", "answer"), PROJECTIONS, ids=str)
def test_a_projection_gives_the_same_fields(
    db: Any, projection: Any, answer: dict[str, Any]
) -> None:
    stored = {"_id": 1, "a": 1, "b": {"c": 2, "d": 3}, "l": [{"x": 1, "y": 2}, {"x": 3}]}
    db["t"].insert_one({**stored, "n": [1, 2]})
    assert db["t"].find_one({"_id": 1}, projection) == answer
    assert list(db["t"].find({}, projection)) == [answer]


PIPELINES: dict[str, tuple[list[dict[str, Any]], list[dict[str, Any]]]] = {
    "group": (
        [{"$match": {"n": {"$lt": 3}}},
         {"$group": {"_id": None, "sum": {"$sum": "$n"}, "count": {"$sum": 1}}}],
        [{"_id": None, "sum": 5.5, "count": 3}],
    ),
    "group by a field": (
        [{"$unwind": "$tags"}, {"$group": {"_id": "$tags", "c": {"$sum": 1}, "m": {"$max": "$n"}}},
         {"$sort": {"c": -1, "_id": 1}}],
        [{"_id": "a", "c": 2, "m": 3}, {"_id": "b", "c": 2, "m": 3},
         {"_id": "c", "c": 1, "m": 2.5}],
    ),
    "group by two fields": (
        [{"$match": {"sold": {"$gt": 0}}},
         {"$group": {"_id": {"c": "$cap", "s": "$s"}, "n": {"$push": "$n"}}},
         {"$sort": {"_id.s": 1}}],
        [{"_id": {"c": 9, "s": "Apple pie"}, "n": [3]}, {"_id": {"c": 9, "s": "banana"}, "n": [1]}],
    ),
    "group by day": (
        [{"$match": {"at": {"$gte": NOON - timedelta(1)}}},
         {"$group": {"_id": {"$dateToString": {"format": "%Y-%m-%d", "date": "$at"}},
                     "c": {"$sum": 1}}}, {"$sort": {"_id": 1}}],
        [{"_id": "2030-05-01", "c": 1}, {"_id": "2030-05-02", "c": 1}],
    ),
    "dates stay dates": (
        [{"$match": {"_id": 1}}, {"$project": {"at": 1}}], [{"_id": 1, "at": STORED_NOON}]
    ),
    "a later match on dates": (
        [{"$project": {"at": 1}}, {"$match": {"at": {"$gt": NOON}}}],
        [{"_id": 2, "at": STORED_NOON + timedelta(1)}],
    ),
    "project with arithmetic": (
        [{"$match": {"_id": 2}},
         {"$project": {"_id": 0, "left": {"$subtract": ["$cap", "$sold"]},
                       "share": {"$divide": ["$sold", 16]}, "x": {"$multiply": ["$n", 2]}}}],
        [{"left": 1, "share": 0.5, "x": 2}],
    ),
    "cond and ifNull": (
        [{"$sort": {"_id": 1}},
         {"$project": {"big": {"$cond": [{"$gte": ["$n", 2.5]}, "y", "n"]},
                       "s": {"$ifNull": ["$s", "-"]}}}],
        [{"_id": 1, "big": "y", "s": "Apple pie"}, {"_id": 2, "big": "n", "s": "banana"},
         {"_id": 3, "big": "n", "s": "-"}, {"_id": 4, "big": "y", "s": "-"}],
    ),
    "sum of an array": (
        [{"$match": {"_id": 1}}, {"$project": {"left": {"$sum": "$t.left"}}}],
        [{"_id": 1, "left": 2}],
    ),
    "unwind keeps what is empty": (
        [{"$match": {"_id": 3}}, {"$unwind": {"path": "$tags", "preserveNullAndEmptyArrays": True}},
         {"$project": {"n": 1, "tags": 1}}],
        [{"_id": 3, "n": 2}],
    ),
    "facet": (
        [{"$facet": {"all": [{"$count": "n"}],
                     "page": [{"$sort": {"n": 1}}, {"$limit": 1}, {"$project": {"n": 1}}]}}],
        [{"all": [{"n": 4}], "page": [{"_id": 2, "n": 1}]}],
    ),
    "lookup": (
        [{"$match": {"_id": {"$lte": 2}}}, {"$sort": {"_id": 1}}, {"$project": {"n": 1}},
         {"$lookup": {"from": "other", "localField": "n", "foreignField": "k", "as": "o"}}],
        [{"_id": 1, "n": 3, "o": []},
         {"_id": 2, "n": 1, "o": [{"_id": 5, "k": 1, "at": STORED_NOON}]}],
    ),
    "count": ([{"$match": {"tags": "a"}}, {"$count": "total"}], [{"total": 2}]),
    "group of nothing": (
        [{"$match": {"tags": "zzz"}}, {"$group": {"_id": None, "n": {"$sum": 1}}}], []
    ),
    "cond on what is missing": (
        [{"$match": {"_id": {"$in": [2, 3]}}}, {"$sort": {"_id": 1}},
         {"$project": {"x": {"$cond": [{"$gt": ["$sold", 0]}, 1, 0]},
                       "y": {"$cond": [{"$lt": ["$sold", 0]}, 1, 0]},
                       "z": {"$add": ["$sold", 1]}}}],
        [{"_id": 2, "x": 1, "y": 0, "z": 9}, {"_id": 3, "x": 0, "y": 1, "z": None}],
    ),
    "sort by an array": (
        [{"$sort": {"tags": -1, "_id": 1}}, {"$project": {"_id": 1}}],
        [{"_id": 4}, {"_id": 1}, {"_id": 2}, {"_id": 3}],
    ),
    "skip and limit": (
        [{"$sort": {"n": -1}}, {"$skip": 1}, {"$limit": 2}, {"$project": {"_id": 1}}],
        [{"_id": 4}, {"_id": 3}],
    ),
    "unset and addFields": (
        [{"$match": {"_id": 3}}, {"$unset": ["s", "tags", "m", "t"]},
         {"$addFields": {"twice": {"$add": ["$n", "$n"]}}}],
        [{"_id": 3, "n": 2, "twice": 4}],
    ),
    "replaceRoot": (
        [{"$match": {"_id": 2}}, {"$replaceRoot": {"newRoot": "$in.ff"}}], [{"k": 1}]
    ),
    "avg, min, first": (
        [{"$sort": {"_id": 1}},
         {"$group": {"_id": None, "avg": {"$avg": "$sold"}, "min": {"$min": "$n"},
                     "first": {"$first": "$s"}}}],
        [{"_id": None, "avg": 4.5, "min": 1, "first": "Apple pie"}],
    ),
    "filter and size": (
        [{"$match": {"_id": 1}},
         {"$project": {"k": {"$size": {"$filter": {"input": "$t", "as": "x",
                                                   "cond": {"$gt": ["$$x.left", 0]}}}}}}],
        [{"_id": 1, "k": 1}],
    ),
    "addToSet": (
        [{"$match": {"sold": {"$gt": 0}}}, {"$group": {"_id": "$cap", "f": {"$addToSet": "$cap"}}}],
        [{"_id": 9, "f": [9]}],
    ),
    "conditional sum": (
        [{"$group": {"_id": None, "k": {"$sum": {"$cond": [{"$eq": ["$flag", True]}, 1, 0]}}}}],
        [{"_id": None, "k": 1}],
    ),
    "sortByCount": (
        [{"$unwind": "$tags"}, {"$match": {"tags": "c"}}, {"$sortByCount": "$tags"}],
        [{"_id": "c", "count": 1}],
    ),
    "round": (
        [{"$match": {"_id": 2}}, {"$project": {"r": {"$round": [{"$divide": ["$sold", 3]}, 2]}}}],
        [{"_id": 2, "r": 2.67}],
    ),
    "hour and day of week": (
        [{"$match": {"_id": 1}}, {"$project": {"h": {"$hour": "$at"}, "w": {"$dayOfWeek": "$at"}}}],
        [{"_id": 1, "h": 12, "w": 4}],
    ),
    "difference of dates": (
        [{"$match": {"_id": 1}}, {"$project": {"d": {"$subtract": ["$at", NOON - timedelta(1)]}}}],
        [{"_id": 1, "d": 86_400_000}],
    ),
    "arrayElemAt": (
        [{"$match": {"_id": 1}}, {"$project": {"x": {"$arrayElemAt": ["$t.left", 0]}}}],
        [{"_id": 1, "x": 2}],
    ),
    "concat and toLower": (
        [{"$match": {"_id": 2}}, {"$project": {"x": {"$concat": [{"$toLower": "AB"}, "$s"]}}}],
        [{"_id": 2, "x": "abbanana"}],
    ),
    "bucket": (
        [{"$bucket": {"groupBy": "$n", "boundaries": [0, 2, 4], "output": {"c": {"$sum": 1}}}}],
        [{"_id": 0, "c": 1}, {"_id": 2, "c": 3}],
    ),
    "objects": (
        [{"$match": {"_id": 2}}, {"$project": {"x": {"$objectToArray": "$in"}}}],
        [{"_id": 2, "x": [{"k": "ff", "v": {"k": 1}}]}],
    ),
}  # fmt: skip


@pytest.mark.parametrize("row", PIPELINES, ids=lambda name: name.replace(" ", "-"))
def test_a_pipeline_gives_the_same_result(db: Any, row: str) -> None:
    pipeline, answer = PIPELINES[row]
    db["t"].insert_many(DOCUMENTS)
    db["other"].insert_one({"_id": 5, "k": 1, "at": NOON})
    assert list(db["t"].aggregate(pipeline)) == answer


def test_positional_operators_update_the_matching_items(db: Any) -> None:
    events = db["events"]
    events.insert_one(event())
    vip = {"_id": 1, "ticketTypes.ticketTypeId": 2}
    assert events.update_one(vip, {"$inc": {"ticketTypes.$.waiting": 1}}).modified_count == 1
    match = {"ticketTypes": {"$elemMatch": {"ticketTypeId": 1, "availableTickets": {"$gte": 5}}}}
    after = events.find_one_and_update(
        match,
        {"$inc": {"ticketTypes.$.availableTickets": -5}},
        return_document=ReturnDocument.AFTER,
    )
    assert [one["availableTickets"] for one in after["ticketTypes"]] == [0, 2]
    assert [one["waiting"] for one in after["ticketTypes"]] == [0, 2]
    events.update_one(
        {"_id": 1}, {"$set": {"ticketTypes.$[t].price": 1}}, array_filters=[{"t.type": "vip"}]
    )
    assert [one["price"] for one in events.find_one()["ticketTypes"]] == [20, 1]
    assert events.find_one_and_update(match, {"$inc": {"ticketTypes.$.waiting": 1}}) is None


def test_an_update_may_be_a_pipeline(db: Any) -> None:
    db.t.insert_many([{"_id": 1, "n": 5, "x": 1}, {"_id": 2}, {"_id": 3, "n": 0}])
    old = {"$ifNull": ["$n", 0]}
    raised = {"$log": [{"$add": [{"$pow": [2.0, old]}, {"$pow": [2.0, 5]}]}, 2]}
    pipeline = [{"$set": {"n": {"$max": [old, 5]}}}, {"$set": {"log": raised}}, {"$unset": "x"}]
    assert db.t.update_one({"_id": 1}, pipeline).modified_count == 1
    assert db.t.find_one({"_id": 1}) == {"_id": 1, "n": 5, "log": pytest.approx(6)}
    many = [UpdateOne({"_id": 2}, pipeline), UpdateMany({"_id": {"$gte": 3}}, pipeline)]
    assert db.t.bulk_write(many, ordered=False).matched_count == 2
    assert [d["n"] for d in db.t.find({"_id": {"$gt": 1}})] == [5, 5]
    after = db.t.find_one_and_update({"_id": 3}, [{"$set": {"n": {"$add": ["$n", 1]}}}])
    assert after["n"] == 5
    assert db.t.find_one({"n": 6})["_id"] == 3
    with pytest.raises(WriteError):
        db.t.update_one({"_id": 3}, [{"$set": {"_id": 4}}])
    with pytest.raises((WriteError, OperationFailure)):
        db.t.update_one({"_id": 3}, [{"$group": {"_id": "$n"}}])
    assert db.t.find_one({"_id": 3})["n"] == 6


def test_a_guarded_update_applies_only_while_its_condition_holds(db: Any) -> None:
    events = db["events"]
    events.insert_one(event(inFlight={}))
    guard = {
        "eventId": 7,
        "ticketTypes.0.ticketTypeId": 1,
        "ticketTypes.0.availableTickets": {"$gte": 3},
        "ticketTypes.0.waiting": 0,
        "inFlight.ab12": {"$exists": False},
    }
    take = {
        "$inc": {"ticketTypes.0.availableTickets": -3, "ticketTypes.0.sold": 3},
        "$set": {"inFlight.ab12": {"kind": "take", "at": NOON}},
    }
    after = events.find_one_and_update(guard, take, return_document=ReturnDocument.AFTER)
    assert after["ticketTypes"][0]["availableTickets"] == 2
    assert after["ticketTypes"][0]["sold"] == 3
    assert after["inFlight"] == {"ab12": {"kind": "take", "at": STORED_NOON}}
    assert events.find_one_and_update(guard, take) is None


def test_upserts_start_from_the_equalities_of_the_filter(db: Any) -> None:
    counters = db["counters"]
    find = counters.find_one_and_update
    bump = {"$inc": {"value": 1}}
    after = {"upsert": True, "return_document": ReturnDocument.AFTER}
    assert find({"_id": "event"}, bump, **after) == {"_id": "event", "value": 1}
    assert find({"_id": "event"}, bump, {"_id": 0}, **after) == {"value": 2}
    assert find({"_id": "other"}, bump, upsert=True) is None
    result = counters.update_one(
        {"user": 1, "$and": [{"kind": {"$eq": "x"}}], "n": {"$gte": 5}},
        {"$setOnInsert": {"made": True}, "$set": {"seen.last": 1}},
        upsert=True,
    )
    assert (result.matched_count, result.modified_count) == (0, 0)
    stored = counters.find_one({"_id": result.upserted_id}, {"_id": 0})
    assert stored == {"user": 1, "kind": "x", "made": True, "seen": {"last": 1}}
    result = counters.replace_one({"_id": 9, "ignored": 1}, {"a": 1}, upsert=True)
    assert result.upserted_id == 9
    assert counters.find_one({"_id": 9}) == {"_id": 9, "a": 1}


def test_writes_return_the_old_document_or_the_number_of_documents(db: Any) -> None:
    items = db["items"]
    items.insert_many([{"_id": n, "n": n % 2} for n in range(4)])
    newest = [("_id", -1)]
    assert items.find_one_and_delete({"n": 1}, sort=newest) == {"_id": 3, "n": 1}
    assert items.find_one_and_delete({"n": 9}) is None
    assert items.find_one_and_replace({"n": 0}, {"x": 1}, sort=newest) == {"_id": 2, "n": 0}
    assert items.find_one_and_update({"n": 0}, {"$set": {"n": 5}}, {"n": 1, "_id": 0}) == {"n": 0}
    assert items.find_one(2) == {"_id": 2, "x": 1}
    assert items.find_one({"n": 77}) is None
    assert items.update_many({}, {"$set": {"y": 1}}).modified_count == 3
    assert items.update_many({}, {"$set": {"y": 1}}).modified_count == 0
    assert items.delete_many({"y": 1, "_id": {"$gte": 1}}).deleted_count == 2
    assert items.delete_one({"_id": 77}).deleted_count == 0
    assert items.count_documents({}) == 1


def test_cursors_take_options_and_matches_are_counted_and_made_distinct(db: Any) -> None:
    items = db["items"]
    items.insert_many([{"_id": n, "g": n % 3} for n in range(10)])
    cursor = items.find({}).sort("_id", -1).skip(2).limit(3).batch_size(2).max_time_ms(2000)
    assert next(cursor)["_id"] == 7
    assert [one["_id"] for one in cursor] == [6, 5]
    with items.find({}, sort=[("g", 1), ("_id", -1)]).comment("why") as cursor:
        assert [one["_id"] for one in cursor][:3] == [9, 6, 3]
    assert [one["_id"] for one in items.find({}, limit=2).sort([("_id", 1)]).to_list()] == [0, 1]
    assert items.count_documents({}, limit=4) == 4
    assert items.count_documents({"g": 0}, skip=1, limit=100) == 3
    assert sorted(items.distinct("g")) == [0, 1, 2]
    assert sorted(items.distinct("_id", {"g": 1})) == [1, 4, 7]


def test_a_unique_index_refuses_duplicates_and_changes_nothing(db: Any) -> None:
    users = db["users"]
    users.create_index([("email", 1)], unique=True, name="one_email")
    users.insert_one({"_id": 1, "email": "a", "n": 0})
    users.insert_one({"_id": 2, "email": "b", "n": 0})
    with pytest.raises(DuplicateKeyError) as refusal:
        users.insert_one({"email": "a"})
    assert refusal.value.code == 11000
    assert "one_email" in str(refusal.value)
    for call in (users.update_one, users.find_one_and_update):
        with pytest.raises(DuplicateKeyError):
            call({"_id": 2}, {"$inc": {"n": 1}, "$set": {"email": "a"}})
    with pytest.raises(DuplicateKeyError):
        users.replace_one({"_id": 2}, {"email": "a"})
    with pytest.raises(DuplicateKeyError):
        users.update_one({"x": 1}, {"$set": {"email": "a"}}, upsert=True)
    with pytest.raises(DuplicateKeyError):
        users.insert_one({"_id": 1})
    stored = list(users.find().sort("_id", 1))
    assert stored == [{"_id": 1, "email": "a", "n": 0}, {"_id": 2, "email": "b", "n": 0}]
    users.delete_one({"_id": 1})
    users.insert_one({"_id": 3, "email": "a"})
    users.insert_one({"_id": 4})  # A missing value counts as null.
    with pytest.raises(DuplicateKeyError):
        users.insert_one({"_id": 5, "email": None})


def test_a_unique_index_on_two_fields_compares_both(db: Any) -> None:
    favorites = db["favorites"]
    favorites.create_index([("userId", 1), ("eventId", 1)], unique=True)
    favorites.insert_many([{"userId": u, "eventId": e} for u in (1, 2) for e in (1, 2)])
    with pytest.raises(DuplicateKeyError):
        favorites.insert_one({"userId": 2, "eventId": 1})


PARTIAL: list[tuple[dict[str, Any], dict[str, Any], dict[str, Any]]] = [
    ({"status": "held"}, {"status": "held"}, {"status": "gone"}),
    ({"status": {"$in": ["held", "confirmed"]}}, {"status": "confirmed"}, {"status": "gone"}),
    ({"key": {"$exists": True}}, {"key": 1}, {}),
    ({"key": {"$type": "string"}}, {"key": "x"}, {"key": None}),
]


@pytest.mark.parametrize(("partial", "inside", "outside"), PARTIAL, ids=str)
def test_a_partial_unique_index_covers_only_matching_documents(
    db: Any, partial: dict[str, Any], inside: dict[str, Any], outside: dict[str, Any]
) -> None:
    bookings = db["bookings"]
    bookings.create_index("user", unique=True, partialFilterExpression=partial)
    bookings.insert_many([{"_id": n, "user": 1, **outside} for n in range(2)])
    bookings.insert_one({"_id": 5, "user": 1, **inside})
    bookings.insert_one({"_id": 6, "user": 2, **inside})
    with pytest.raises(DuplicateKeyError):
        bookings.insert_one({"user": 1, **inside})
    with pytest.raises(DuplicateKeyError):
        bookings.update_one({"_id": 0}, {"$set": inside})
    with pytest.raises(DuplicateKeyError):
        bookings.find_one_and_update({"_id": 6}, {"$set": {"user": 1}})
    assert bookings.find_one({"_id": 0}) == {"_id": 0, "user": 1, **outside}
    bookings.replace_one({"_id": 5}, {"user": 1, **outside})
    bookings.update_one({"_id": 0}, {"$set": inside})
    assert bookings.count_documents({"user": 1}) == 3


def test_an_index_follows_each_field_that_it_depends_on(db: Any) -> None:
    bookings = db["bookings"]
    bookings.create_index(
        [("user", 1), ("at.event", 1)], unique=True, partialFilterExpression={"active": True}
    )
    bookings.insert_one({"_id": 1, "user": "ann", "at": {"event": 7}, "active": True})
    bookings.insert_one({"_id": 2, "user": "ann", "at": {"event": 7}, "active": False})
    with pytest.raises(DuplicateKeyError):
        bookings.update_one({"_id": 2}, {"$set": {"active": True}})
    bookings.update_one({"_id": 1}, {"$set": {"at.event": 8, "note": "moved"}})
    bookings.update_one({"_id": 2}, {"$set": {"active": True}})
    with pytest.raises(DuplicateKeyError):
        bookings.update_one({"_id": 1}, {"$set": {"at": {"event": 7}}})
    bookings.update_one({"_id": 2}, {"$unset": {"active": ""}})
    bookings.update_one({"_id": 1}, [{"$set": {"at.event": 7}}])
    bookings.update_one({"_id": 1}, {"$set": {"user": "ben"}})
    assert [each["_id"] for each in bookings.find({"user": "ann"})] == [2]
    assert [each["_id"] for each in bookings.find({"user": "ben", "at.event": 7})] == [1]


def test_a_sparse_unique_index_ignores_documents_without_the_field(db: Any) -> None:
    users = db["users"]
    users.create_index("phone", unique=True, sparse=True)
    users.insert_many([{"_id": 1}, {"_id": 2}, {"_id": 3, "phone": "1"}])
    with pytest.raises(DuplicateKeyError):
        users.insert_one({"phone": "1"})
    with pytest.raises(DuplicateKeyError):
        users.update_one({"_id": 1}, {"$set": {"phone": "1"}})
    assert users.count_documents({}) == 3


def test_indexes_are_created_listed_and_dropped(db: Any) -> None:
    items = db["items"]
    names = items.create_indexes(
        [
            IndexModel([("a", 1), ("b", -1)]),
            IndexModel("until", expireAfterSeconds=3600, name="gone_after"),
        ]
    )
    assert names == ["a_1_b_-1", "gone_after"]
    assert items.create_index([("a", 1), ("b", -1)]) == "a_1_b_-1"
    information = items.index_information()
    assert set(information) == {"_id_", *names}
    assert information["a_1_b_-1"]["key"] == [("a", 1), ("b", -1)]
    assert information["gone_after"]["expireAfterSeconds"] == 3600
    assert {index["name"] for index in items.list_indexes()} == {"_id_", *names}
    items.drop_index("gone_after")
    with pytest.raises(OperationFailure):
        items.drop_index("gone_after")
    with pytest.raises(OperationFailure):
        items.create_index("a", name="a_1_b_-1")
    items.insert_many([{"c": 1}, {"c": 1}])
    with pytest.raises(DuplicateKeyError):
        items.create_index("c", unique=True)
    assert set(items.index_information()) == {"_id_", "a_1_b_-1"}


def test_a_bulk_write_counts_what_it_did(db: Any) -> None:
    items = db["items"]
    requests = [
        InsertOne({"_id": 1, "n": 1}),
        InsertOne({"_id": 2, "n": 1}),
        UpdateOne({"_id": 1}, {"$inc": {"n": 1}}),
        UpdateMany({"n": {"$gte": 1}}, {"$set": {"seen": True}}),
        ReplaceOne({"_id": 3}, {"n": 3}, upsert=True),
        DeleteOne({"_id": 2}),
    ]
    result = items.bulk_write(requests)
    counts = (result.inserted_count, result.matched_count, result.modified_count)
    assert counts == (2, 3, 3)
    assert (result.deleted_count, result.upserted_ids) == (1, {4: 3})
    assert list(items.find().sort("_id", 1)) == [
        {"_id": 1, "n": 2, "seen": True},
        {"_id": 3, "n": 3},
    ]


@pytest.mark.parametrize(("ordered", "kept"), [(True, [1, 2]), (False, [1, 2, 3])])
def test_a_refused_insert_of_many_stops_only_an_ordered_bulk(
    db: Any, ordered: bool, kept: list[int]
) -> None:
    items = db["items"]
    with pytest.raises(BulkWriteError) as refusal:
        items.insert_many([{"_id": n} for n in (1, 2, 2, 3)], ordered=ordered)
    (error,) = refusal.value.details["writeErrors"]
    assert (error["index"], error["code"]) == (2, 11000)
    assert refusal.value.details["nInserted"] == len(kept)
    assert [one["_id"] for one in items.find().sort("_id", 1)] == kept


def test_reads_return_copies(db: Any) -> None:
    items = db["items"]
    given = {"_id": 1, "list": [{"a": 1}], "at": NOON, "pair": (1, 2)}
    items.insert_one(given)
    given["list"][0]["a"] = 2
    got = items.find_one({"_id": 1})
    assert got == {"_id": 1, "list": [{"a": 1}], "at": STORED_NOON, "pair": [1, 2]}
    assert got["at"].utcoffset() == timedelta(0)
    got["list"].append(1)
    assert items.find_one({"_id": 1}, {"list": 1}) == {"_id": 1, "list": [{"a": 1}]}
    document: dict[str, Any] = {}
    items.insert_one(document)
    assert items.find_one({"_id": document["_id"]}) == document


def test_databases_and_collections_have_names_and_no_truth_value_and_answer_ping(db: Any) -> None:
    assert db.client.admin.command("ping")["ok"] == 1
    assert db.command("ping")["ok"] == 1
    db["a"].insert_one({})
    assert db.list_collection_names() == ["a"]
    assert db["a"].name == "a"
    assert db.a.database.name == db.name
    assert db["a"].with_options().count_documents({}) == 1
    db["a"].drop()
    assert db.list_collection_names() == []
    with pytest.raises(NotImplementedError):
        bool(db["a"])


@pytest.mark.parametrize("indexed", [False, True])
@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ([], [1, 5]),
        ({"$in": []}, []),
        (["a", "b"], [2, 6]),
        (["a"], []),
        ("a", [2, 3]),
        ({"$in": ["a", "b"]}, [2, 3]),
        (None, [4]),
        ({"$size": 0}, [1]),
    ],
)
def test_conditions_on_arrays_find_the_same_with_an_index(db, indexed, condition, expected):
    items = db["items"]
    if indexed:
        items.create_index("tags")
    values = {1: [], 2: ["a", "b"], 3: "a", 5: [[]], 6: [["a", "b"]]}
    items.insert_many([{"_id": id_, "tags": tags} for id_, tags in values.items()])
    items.insert_one({"_id": 4})
    assert sorted(item["_id"] for item in items.find({"tags": condition})) == expected


def test_bulk_writes_choose_by_their_sort(db):
    items = db["items"]
    items.insert_many([{"_id": number, "n": -number} for number in range(3)])
    items.bulk_write(
        [
            UpdateOne({}, {"$set": {"first": True}}, sort={"n": 1}),
            ReplaceOne({}, {"replaced": True}, sort={"n": -1}),
        ]
    )
    assert items.find_one({"first": True})["_id"] == 2
    assert items.find_one({"replaced": True})["_id"] == 0
