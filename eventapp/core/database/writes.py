"""Repeat writes that failed with a write conflict.

Two concurrent writes of the same key in a unique index conflict: one fails with WriteConflict and
has written nothing. MongoDB retries it by itself; a compatible server may leave that to the client.
There is no pause between attempts, because a request waits and the other write has ended by then.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from pymongo.collection import Collection
from pymongo.errors import AutoReconnect, BulkWriteError, OperationFailure

Result = TypeVar("Result")
Stored = TypeVar("Stored", bound=Mapping[str, Any])

# Error codes of MongoDB.
DUPLICATE_KEY_CODE, WRITE_CONFLICT_CODE = 11000, 112
MAX_RETRIES = 5
MAX_INSERT_ATTEMPTS = 10


def retry_on_write_conflict(write: Callable[[], Result]) -> Result:
    """Return the result of `write`, which is called again after a write conflict.

    Raises:
        OperationFailure: `write` raised it, or conflicted at every attempt.
    """
    for _ in range(MAX_RETRIES):
        try:
            return write()
        except OperationFailure as error:
            if error.code != WRITE_CONFLICT_CODE:
                raise
    return write()


def insert_unordered(collection: Collection[Stored], documents: Sequence[Stored]) -> list[bool]:
    """Insert many documents in one write. A document that is refused does not stop the others.

    Returns:
        For each document whether it was inserted; False where a unique index refused it.

    Raises:
        AutoReconnect: some documents conflicted at every attempt. For `is_unavailable` this is an
            unavailable database, so the client is told to try again.
        BulkWriteError: a document was refused for a reason other than these two.
    """
    inserted = [True] * len(documents)
    remaining = list(range(len(documents)))
    for _attempt in range(MAX_INSERT_ATTEMPTS):
        if not remaining:
            break
        error_codes = _insert_once(collection, [documents[index] for index in remaining])
        for index, code in error_codes.items():
            inserted[remaining[index]] = code != DUPLICATE_KEY_CODE
        remaining = [
            remaining[index] for index, code in error_codes.items() if code == WRITE_CONFLICT_CODE
        ]
    if remaining:
        raise AutoReconnect(f"{collection.name}: inserts conflicted at every attempt")
    return inserted


def insert_in_order(collection: Collection[Stored], documents: Sequence[Stored]) -> bool:
    """Insert documents one after the other, up to the first that is refused.

    Returns:
        True if all were inserted; False if a unique index or a write conflict refused one.

    Raises:
        BulkWriteError: a document was refused for another reason.
    """
    try:
        collection.insert_many(documents, ordered=True)
    except BulkWriteError as error:
        codes = {fault["code"] for fault in error.details["writeErrors"]}
        if codes - {DUPLICATE_KEY_CODE, WRITE_CONFLICT_CODE}:
            raise
        return False
    return True


def _insert_once(collection: Collection[Stored], documents: Sequence[Stored]) -> dict[int, int]:
    """Insert what can be inserted; return the error codes of the rest by index in `documents`."""
    try:
        collection.insert_many(documents, ordered=False)
    except BulkWriteError as error:
        codes = {fault["index"]: fault["code"] for fault in error.details["writeErrors"]}
        if set(codes.values()) - {DUPLICATE_KEY_CODE, WRITE_CONFLICT_CODE}:
            raise
        return codes
    return {}
