"""Inserts tell what is stored, what is refused, and what is not known."""

import pytest
from bson import ObjectId
from pymongo.errors import (
    AutoReconnect,
    BulkWriteError,
    ExecutionTimeout,
    OperationFailure,
    WriteConcernError,
    WTimeoutError,
)

from eventapp.core.database import (
    connect,
    has_only_duplicates,
    insert_unordered,
    is_unavailable,
    try_insert_unordered,
)
from eventapp.core.database.writes import DUPLICATE_KEY_CODE, WRITE_CONFLICT_CODE
from tests.fault.database_faults import NO_COUNTS, NOT_REPLICATED, inject_faults

# A member answers majority reads with the first until it knows what a majority has.
READ_CONCERN_NOT_AVAILABLE_CODE, SOCKET_EXCEPTION_CODE = 134, 9001


@pytest.fixture
def documents():
    return [{"_id": ObjectId(), "bookingReference": name} for name in ("a", "b")]


@pytest.fixture
def faults():
    with inject_faults() as faults_:
        yield faults_


def bulk_error(*codes, is_replicated=True):
    errors = [{"index": index, "code": code, "errmsg": ""} for index, code in enumerate(codes)]
    concerns = [] if is_replicated else [NOT_REPLICATED]
    return BulkWriteError({**NO_COUNTS, "writeErrors": errors, "writeConcernErrors": concerns})


@pytest.mark.parametrize(
    ("fault", "outcomes"),
    [
        ("loses_the_request", [None, None]),
        ("loses_the_reply", [True, True]),
        ("answers_too_late", [None, None]),
        ("replicates_nothing", [True, True]),
        ("rolls_the_write_back", [None, None]),
    ],
)
def test_only_what_is_found_again_counts_as_stored(db, documents, faults, fault, outcomes):
    faults.begin(1, fault)
    assert try_insert_unordered(db.bookings, documents) == outcomes
    db.bookings.delete_many({})
    if None in outcomes:
        faults.begin(1, fault)
        with pytest.raises(AutoReconnect):
            insert_unordered(db.bookings, documents)


def test_an_insert_that_meets_its_own_write_succeeds(db, documents):
    assert insert_unordered(db.bookings, documents) == [True, True]
    assert insert_unordered(db.bookings, documents) == [True, True]
    other = {"_id": ObjectId(), "bookingReference": "a"}
    assert insert_unordered(db.bookings, [other, documents[1]]) == [False, True]


def test_an_insert_that_meets_a_tombstone_is_refused_and_the_reverse(db, documents):
    first, second = documents
    tombstone = {"_id": first["_id"], "bookingReference": "void", "void": True}
    assert insert_unordered(db.bookings, [tombstone, second]) == [True, True]
    assert insert_unordered(db.bookings, [first]) == [False]
    assert insert_unordered(db.bookings, [tombstone]) == [True]
    assert insert_unordered(db.bookings, [{**second, "void": True}]) == [False]


def test_an_insert_is_unknown_if_it_cannot_be_read_again(db, documents, faults, monkeypatch):
    def fail(*_arguments, **_options):
        raise AutoReconnect

    monkeypatch.setattr(type(db.bookings), "find", fail)
    faults.begin(1, "loses_the_reply")
    assert try_insert_unordered(db.bookings, documents) == [None, None]


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (AutoReconnect(), True),
        (WriteConcernError("", 64, NOT_REPLICATED), True),
        (WTimeoutError("", 64, NOT_REPLICATED), True),
        (ExecutionTimeout("", 50), True),
        (bulk_error(is_replicated=False), True),
        (bulk_error(DUPLICATE_KEY_CODE, is_replicated=False), True),
        (bulk_error(DUPLICATE_KEY_CODE), False),
        (OperationFailure("", READ_CONCERN_NOT_AVAILABLE_CODE), True),
        (OperationFailure("", SOCKET_EXCEPTION_CODE), True),
        (OperationFailure("", DUPLICATE_KEY_CODE), False),
        (ValueError(), False),
    ],
)
def test_an_error_after_which_the_outcome_is_unknown_is_an_unavailable_database(error, expected):
    assert is_unavailable(error) is expected


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (bulk_error(DUPLICATE_KEY_CODE, DUPLICATE_KEY_CODE), True),
        (bulk_error(DUPLICATE_KEY_CODE, is_replicated=False), False),
        (bulk_error(is_replicated=False), False),
        (bulk_error(DUPLICATE_KEY_CODE, WRITE_CONFLICT_CODE), False),
        (bulk_error(1), False),
    ],
)
def test_duplicates_are_all_that_went_wrong(error, expected):
    assert has_only_duplicates(error) is expected


@pytest.mark.parametrize("options", ["", "?w=1", "?w=1&wTimeoutMS=0"])
def test_writes_wait_for_a_majority_whatever_the_uri_says(options):
    with connect(f"mongodb://127.0.0.1:9/x{options}") as client:
        assert client.write_concern.document == {"w": "majority", "wtimeout": 2000}
