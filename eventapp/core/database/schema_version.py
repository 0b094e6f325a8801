"""The version of the schema: which form the stored documents have.

A database without a version has version 1. A start migrates the documents of older versions and
then records the version of the code. A migration is idempotent, so it may be interrupted and be run
by several processes at once. Code of an older version does not know the documents of a newer one.
Therefore it refuses the database.

Versions:

1  schedule entries have a date and a location.
2  schedule entries have ids, zones and instants; bookings have the id of their entry; events count
   their tickets by entry and type.
3  waitlist entries have the id of the schedule entry that they wait for; events count them by entry
   and type, and number them together.
4  bookings have all attempts to pay for them, with their states.
5  it is recorded which holders are to be told that organizers see their names.
6  the folded texts of events have plain quotes and hyphens, and letters without strokes.
7  schedule entries have their folded location, and their position as GeoJSON.
8  events have the terms by which searches find them.
9  accounts and sessions say whether their user has joined a team.
"""

from typing import TypedDict, cast

from eventapp.core.database.client import Db
from eventapp.core.errors import DatabaseUnavailable

SCHEMA_VERSION = 9
_KEY = "schemaVersion"


class _Counter(TypedDict):
    value: int


class SchemaTooNew(DatabaseUnavailable):
    """The database has a newer schema version than this code. A request is answered 503."""

    def __str__(self) -> str:
        return "the database was written by a newer version of eventapp"


def check_schema_version(db: Db) -> int:
    """Return the schema version of the database.

    Raises:
        SchemaTooNew: it is newer than SCHEMA_VERSION.
    """
    found = cast(_Counter | None, db.counters.find_one({"_id": _KEY}, {"value": 1}))
    version = found["value"] if found else 1
    if version > SCHEMA_VERSION:
        raise SchemaTooNew
    return version


def record_schema_version(db: Db) -> None:
    """Record that all documents have the form of SCHEMA_VERSION. A newer version stays."""
    db.counters.update_one({"_id": _KEY}, {"$max": {"value": SCHEMA_VERSION}}, upsert=True)
