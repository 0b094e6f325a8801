"""The parts of mongomock that `embedded/mongomock_internals.py` uses exist and behave as expected.

A test that fails here after an update of mongomock names the part that changed.
"""

import inspect
import re
from pathlib import Path

import mongomock
import mongomock.aggregate
import mongomock.collection
import mongomock.filtering
import mongomock.helpers
import pytest

from eventapp.core.embedded import mongomock_internals
from eventapp.core.embedded.client import open_embedded
from eventapp.core.embedded.storage import ChangeLog, ServerStore

PACKAGE = Path(mongomock_internals.__file__).parent
PARSER = mongomock.aggregate._Parser
COLLECTION = mongomock.collection.Collection
SIGNATURES = [
    (mongomock.filtering.filter_applies, "(search_filter, document)"),
    (mongomock.filtering._get_compare_type, "(val)"),
    (mongomock.filtering.bson_compare, "(op, a, b, can_compare_types=True)"),
    (mongomock.filtering.register_parse_expression, "(parse_expression)"),
    (mongomock_internals._unpatched_candidates, "(key, doc)"),
    (mongomock_internals._unpatched_type_op, "(doc_val, search_val, in_array=False)"),
    (mongomock.aggregate.process_pipeline, "(collection, database, pipeline, session)"),
    (PARSER.__mro__[1].parse, "(self, expression)"),
    (PARSER.__mro__[1]._handle_comparison_operator, "(self, operator, values)"),
    (PARSER.parse_many, "(self, values)"),
    (PARSER._parse_or_nothing, "(self, expression)"),
    (COLLECTION._apply_update_document, "(self, existing_document, spec, document, was_insert)"),
    (COLLECTION._copy_only_fields, "(self, doc, fields, container)"),
    (mongomock.collection.validate_is_mapping, "(option, value)"),
    (mongomock.collection.validate_is_mutable_mapping, "(option, value)"),
    (mongomock.collection.validate_ok_for_update, "(update)"),
    (mongomock.collection.validate_ok_for_replace, "(replacement)"),
    (mongomock.helpers.get_value_by_dot, "(doc, key, can_generate_array=False)"),
]


@pytest.mark.parametrize(
    ("part", "signature"), SIGNATURES, ids=lambda part: getattr(part, "__qualname__", None)
)
def test_a_part_has_the_expected_signature(part, signature):
    assert str(inspect.signature(part)) == signature


def test_no_other_module_imports_mongomock():
    importing = [
        path.name
        for path in PACKAGE.parents[1].rglob("*.py")
        if re.search(r"^(from|import) mongomock", path.read_text(), re.MULTILINE)
    ]
    assert importing == ["mongomock_internals.py"]


def test_the_client_takes_our_stores():
    server = ServerStore(ChangeLog(is_active=False))
    client = mongomock_internals.open_mongomock(server)
    items = client["app"]["items"]
    items.insert_one({"_id": 1})
    assert list(server["app"]["items"].documents) == [{"_id": 1}]
    assert client.list_database_names() == ["app"]
    assert client["app"].list_collection_names() == ["items"]
    client["app"].create_collection("empty")
    assert server["app"]["empty"].is_created
    items.drop()
    assert server["app"]["items"].is_empty


def test_our_patches_are_where_mongomock_looks_for_them():
    assert (
        mongomock.filtering.iter_key_candidates is mongomock_internals._iter_candidates_with_missing
    )
    assert mongomock.aggregate._Parser is mongomock_internals._Parser
    operators = mongomock.filtering._filterer_inst._operator_map
    assert operators["$type"] is mongomock_internals._match_type
    assert operators["$mod"] is mongomock_internals._match_mod
    assert operators["$geoWithin"] is mongomock_internals._match_geo_within
    assert mongomock.filtering._filterer_inst.parse_expression[0] is mongomock_internals._evaluate


@pytest.mark.parametrize(
    ("query", "document"),
    [
        ({"a.b": None}, {"a": None}),
        ({"a": {"$type": [2, "int"]}}, {"a": "text"}),
        ({"a": {"$mod": [3, 1]}}, {"a": ["text", 4]}),
        ({"$expr": {"$eq": [{"$round": [{"$divide": ["$a", 3]}, 1]}, 1.7]}}, {"a": 5}),
        ({"$expr": {"$lt": ["$missing", None]}}, {}),
        (
            {"a.p": {"$geoWithin": {"$centerSphere": [[179.9, 0], 0.01]}}},
            {"a": [{"b": 1}, {"p": {"type": "Point", "coordinates": [-179.9, 0.1]}}]},
        ),
    ],
    ids=str,
)
def test_patched_filters_match(query, document):
    assert mongomock_internals.matches_filter(query, document)


def test_lookup_and_out_read_and_write_our_stores():
    with open_embedded(None) as client:
        db = client["app"]
        db["users"].insert_one({"_id": 7, "name": "Ann"})
        db["bookings"].insert_one({"_id": 1, "user": 7})
        join = {"from": "users", "localField": "user", "foreignField": "_id", "as": "users"}
        (booking,) = db["bookings"].aggregate([{"$lookup": join}, {"$out": "copies"}])
        assert booking["users"] == [{"_id": 7, "name": "Ann"}]
        assert db["copies"].find_one({"_id": 1})["user"] == 7
