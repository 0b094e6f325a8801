"""Accounts and tokens are found by an index whatever they are looked for by."""

from typing import Any

import pytest
from pymongo.errors import DuplicateKeyError

from eventapp.core.database import ensure_indexes
from eventapp.features import INDEXES, RETIRED_INDEXES
from tests.conftest import MONGO_URI
from tests.plans import scans_whole_collection

# The fields that identify a document, by collection. Each is absent in some documents.
IDENTIFYING_FIELDS = {
    "users": ("loginName", "claimedEmailKeys"),
    "mailTokens": ("digest",),
    "apiTokens": ("codeHash", "secretHash"),
}


@pytest.mark.skipif(not MONGO_URI, reason="the embedded store has no plans to show; set MONGO_URI")
@pytest.mark.parametrize("collection", IDENTIFYING_FIELDS)
def test_what_identifies_a_document_is_found_by_an_index(db: Any, collection: str) -> None:
    fields = IDENTIFYING_FIELDS[collection]
    rows = [{name: f"{name} {number}" for name in fields} for number in range(1000)]
    db[collection].insert_many(
        [{"emailKey": f"{n}@a.example", **row} for n, row in enumerate(rows)]
    )
    for name in fields:
        command = {"find": collection, "filter": {name: f"{name} 7"}}
        assert not scans_whole_collection(db, command), name


def test_an_older_index_of_names_is_replaced(db: Any) -> None:
    db.users.drop_index("loginNameClaim")
    limited = {"loginName": {"$type": "string"}}
    db.users.create_index(
        "loginName", name="loginName", unique=True, partialFilterExpression=limited
    )
    db.users.insert_many([{"emailKey": "a", "loginName": "ann"}, {"emailKey": "b"}])
    ensure_indexes(db, INDEXES, RETIRED_INDEXES)
    names = set(db.users.index_information())
    assert "loginNameClaim" in names
    assert "loginName" not in names
    with pytest.raises(DuplicateKeyError):
        db.users.insert_one({"emailKey": "c", "loginName": "ann"})


def test_no_query_needs_an_index_that_is_limited_by_the_type_of_a_value() -> None:
    """Servers do not conclude from a value in a query that such an index holds it."""
    limited, others = set(), set()
    for feature in INDEXES:
        for collection, models in feature.items():
            for model in models:
                is_limited = "$type" in str(model.document.get("partialFilterExpression"))
                first_field = (collection, next(iter(model.document["key"])))
                (limited if is_limited else others).add(first_field)
    assert limited <= others
