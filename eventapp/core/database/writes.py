"""Insert and delete documents, and repeat writes that failed with a write conflict.

Two concurrent writes of the same key in a unique index conflict: one fails with WriteConflict and
has written nothing. MongoDB retries it by itself; a compatible server may leave that to the client.
There is no pause between attempts, because a request waits and the other write has ended by then.

If the connection is lost, the time is over or a write concern error is reported, the outcome of a
write is unknown: it may have been made, be made later, or be rolled back. Then nothing is reported
as done. An insert reads its documents again by their ids with majority read concern. Those that are
found are stored for good; of the others nothing is known.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import pymongo
from pymongo.collection import Collection
from pymongo.errors import AutoReconnect, BulkWriteError, OperationFailure, PyMongoError
from pymongo.read_concern import ReadConcern

from eventapp.core.database.client import is_unavailable
from eventapp.core.database.request_limit import note_no_answer

Result = TypeVar("Result")
Stored = TypeVar("Stored", bound=Mapping[str, Any])

# Error codes of MongoDB.
DUPLICATE_KEY_CODE, WRITE_CONFLICT_CODE = 11000, 112
MAX_RETRIES = 5
# How often a document is deleted that other requests change at the same moments.
MAX_DELETE_ATTEMPTS = 10
# How often an insert that conflicts is repeated, and for how long. Some servers answer a conflict
# only after a second.
MAX_INSERT_ATTEMPTS, MAX_INSERT_SECONDS = 10, 1.0
# Stands for an error code where it is unknown whether a write was made.
UNKNOWN_OUTCOME = 0
# Whether a document was inserted, by its error code; None if nothing is known.
OUTCOMES: dict[int | None, bool | None] = {
    DUPLICATE_KEY_CODE: False,
    WRITE_CONFLICT_CODE: None,
    UNKNOWN_OUTCOME: None,
}
# How long to read documents again, if the write has not used up the time of the request.
READ_AGAIN_SECONDS = 0.4
# A document with `void: true` occupies an `_id`, so that no document is ever stored under it.
TOMBSTONE_FIELD = "void"


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
        For each document whether it is stored; False where a unique index refused it. It is stored
        also if an earlier attempt has inserted it, but not if a tombstone has its `_id`.

    Raises:
        AutoReconnect: it is unknown whether some documents are stored, or some conflicted at every
            attempt. For `is_unavailable` this is an unavailable database, so the client is told to
            try again.
        BulkWriteError: a document was refused for a reason other than these.
    """
    outcomes = try_insert_unordered(collection, documents)
    if None in outcomes:
        raise make_unknown_outcome_error(collection.name)
    return [outcome is True for outcome in outcomes]


def try_insert_unordered(
    collection: Collection[Stored], documents: Sequence[Stored]
) -> list[bool | None]:
    """Insert many documents as `insert_unordered` does; return None where the outcome is unknown.

    Raises:
        BulkWriteError: a document was refused for another reason than a unique index.
    """
    outcomes: list[bool | None] = [True] * len(documents)
    remaining = list(range(len(documents)))
    give_up_at = time.monotonic() + MAX_INSERT_SECONDS
    for attempt in range(MAX_INSERT_ATTEMPTS):
        if not remaining or (attempt and time.monotonic() > give_up_at):
            break
        error_codes = _insert_once(collection, [documents[index] for index in remaining])
        for index, position in enumerate(remaining):
            outcomes[position] = OUTCOMES.get(error_codes.get(index), True)
        remaining = [
            remaining[index] for index, code in error_codes.items() if code == WRITE_CONFLICT_CODE
        ]
    doubtful = [index for index, outcome in enumerate(outcomes) if not outcome]
    stored = _find_stored(collection, [documents[index] for index in doubtful])
    for index in doubtful:
        if documents[index]["_id"] in stored:
            outcomes[index] = True
    return outcomes


def delete_document(collection: Collection[Any], where: Mapping[str, Any]) -> bool:
    """Delete the document that matches, of which there is at most one; return whether there was.

    If another request changes it at the same moment, a server may delete nothing and report no
    conflict. So a document that was not deleted is looked for, and deleted again.

    Raises:
        AutoReconnect: it was still there after MAX_DELETE_ATTEMPTS.
    """
    for _ in range(MAX_DELETE_ATTEMPTS):
        if collection.delete_one(where).deleted_count == 1:
            return True
        if collection.find_one(where, {"_id": 1}) is None:
            return False
    raise AutoReconnect(f"{collection.name}: a document changes all the time")


def make_unknown_outcome_error(name: str) -> AutoReconnect:
    """Return the error to raise if it is unknown whether a document is stored."""
    return AutoReconnect(f"{name}: it is unknown whether a document is stored")


def insert_in_order(collection: Collection[Stored], documents: Sequence[Stored]) -> bool:
    """Insert documents one after the other, up to the first that is refused.

    Returns:
        True if all were inserted; False if a unique index or a write conflict refused one.

    Raises:
        BulkWriteError: a document was refused for another reason, or it is unknown which of them
            are stored.
    """
    try:
        collection.insert_many(documents, ordered=True)
    except BulkWriteError as error:
        if not has_only_conflicts(error):
            raise
        return False
    return True


def _insert_once(collection: Collection[Stored], documents: Sequence[Stored]) -> dict[int, int]:
    """Insert what can be inserted; return the error codes of the rest by index in `documents`.

    UNKNOWN_OUTCOME stands for the error code of a document that may be stored.
    """
    try:
        collection.insert_many(documents, ordered=False)
    except BulkWriteError as error:
        faults = error.details["writeErrors"]
        codes: dict[int, int] = {fault["index"]: fault["code"] for fault in faults}
        if set(codes.values()) - {DUPLICATE_KEY_CODE, WRITE_CONFLICT_CODE}:
            raise
        if error.details["writeConcernErrors"]:
            note_no_answer()
            return dict.fromkeys(range(len(documents)), UNKNOWN_OUTCOME) | codes
        return codes
    except PyMongoError as error:
        if not is_unavailable(error):
            raise
        note_no_answer()
        return dict.fromkeys(range(len(documents)), UNKNOWN_OUTCOME)
    return {}


def _find_stored(collection: Collection[Stored], documents: Sequence[Stored]) -> set[object]:
    """Return the ids under which these documents are stored for good, and not tombstones instead.

    Nothing is raised if the database does not answer: then no id is returned.
    """
    if not documents:
        return set()
    tombstones = {document["_id"]: document.get(TOMBSTONE_FIELD) for document in documents}
    majority = collection.with_options(read_concern=ReadConcern("majority"))
    try:
        with pymongo.timeout(READ_AGAIN_SECONDS):
            found = list(majority.find({"_id": {"$in": list(tombstones)}}, {TOMBSTONE_FIELD: 1}))
    except PyMongoError as error:
        if not is_unavailable(error):
            raise
        return set()
    return {each["_id"] for each in found if each.get(TOMBSTONE_FIELD) == tombstones[each["_id"]]}


def has_only_conflicts(error: BulkWriteError) -> bool:
    """Return whether concurrent writes of the same documents refused writes, for no other reason.

    All others are done.
    """
    codes = {fault["code"] for fault in error.details["writeErrors"]}
    is_known = not error.details["writeConcernErrors"]
    return is_known and codes <= {DUPLICATE_KEY_CODE, WRITE_CONFLICT_CODE}


def has_only_duplicates(error: BulkWriteError) -> bool:
    """Return whether a unique index refused writes, and all others are done."""
    codes = {fault["code"] for fault in error.details["writeErrors"]}
    return codes == {DUPLICATE_KEY_CODE} and not error.details["writeConcernErrors"]
