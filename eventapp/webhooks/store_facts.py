"""The collection `webhookState`: up to which row of the ledger deliveries are made."""

from contextlib import suppress
from typing import TypedDict, cast

from pymongo.collection import Collection
from pymongo.errors import DuplicateKeyError

from eventapp.core.database import Db, retry_on_write_conflict

LEDGER = "ledger"


class _State(TypedDict):
    """A document of `webhookState`."""

    _id: str
    number: int  # of the last row of the ledger of which all deliveries are stored


def _state(db: Db) -> Collection[_State]:
    return cast(Collection[_State], db.webhookState)


def find_position(db: Db) -> int | None:
    """Return the number of the last row that is done; None before the first webhook was made."""
    found = _state(db).find_one({"_id": LEDGER})
    return found["number"] if found else None


def begin_at(db: Db, number: int) -> None:
    """Let deliveries be made of the rows after this number, unless they are being made already."""
    begin = {"$setOnInsert": {"number": number}}
    with suppress(DuplicateKeyError):  # Another process has begun at the same moment.
        retry_on_write_conflict(lambda: _state(db).update_one({"_id": LEDGER}, begin, upsert=True))


def advance(db: Db, number: int) -> None:
    """Record that all deliveries of the rows up to this number are stored."""
    _state(db).update_one({"_id": LEDGER}, {"$max": {"number": number}})
