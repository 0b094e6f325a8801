"""The PyMongo client: its options, the types of its data, and errors of unavailability."""

from collections.abc import Sequence
from typing import Any, TypeAlias

from pymongo import MongoClient
from pymongo.database import Database
from pymongo.errors import (
    BulkWriteError,
    ConnectionFailure,
    OperationFailure,
    PyMongoError,
    WriteConcernError,
)
from pymongo.uri_parser import parse_uri

# A raw BSON document, for code that handles every collection alike. A feature describes its
# documents by the TypedDicts of its `types` module.
Document: TypeAlias = dict[str, Any]
# A filter, an update, a projection or a pipeline stage of MongoDB.
Query: TypeAlias = dict[str, Any]
Db: TypeAlias = Database[Document]

DEFAULT_DATABASE = "eventapp"
# A request must be answered with 503 within 3 s. An operation with its retries takes at most
# timeoutMS, plus up to 0.5 s for which the driver pauses between two attempts to find the server.
CLIENT_OPTIONS: dict[str, Any] = {
    "appname": "eventapp",
    "timeoutMS": 2000,
    "serverSelectionTimeoutMS": 1900,
    "connectTimeoutMS": 1500,
    "waitQueueTimeoutMS": 2000,
    "maxPoolSize": 64,
}
# A sale must survive a failover, so a write is done once a majority of the servers has it.
# `timeoutMS` bounds the wait, too. The timeout here is for jobs, whose operations may take longer.
WRITE_CONCERN: dict[str, Any] = {"w": "majority", "wTimeoutMS": 2000}
# Error codes of a server that is reachable but cannot serve: it was interrupted, is shutting down,
# is not primary, has no connection left, or does not know yet what a majority has (134). The driver
# repeats a command after most of them, and may raise the last one when its time is over.
UNAVAILABLE_CODES = frozenset(
    {6, 7, 8, 89, 91, 134, 189, 202, 262, 9001, 10107, 11600, 11602, 13435, 13436}
)


def connect(uri: str) -> MongoClient[Document]:
    """Return a client with CLIENT_OPTIONS and WRITE_CONCERN.

    An option in the URI takes precedence over CLIENT_OPTIONS, but not over WRITE_CONCERN.
    """
    uri_options = {name.lower() for name in parse_uri(uri)["options"]}
    options = {
        name: value for name, value in CLIENT_OPTIONS.items() if name.lower() not in uri_options
    }
    return MongoClient(uri, tz_aware=True, connect=False, **options, **WRITE_CONCERN)


def exclude_ids(ids: Sequence[object], field: str = "_id") -> Query:
    """Return the condition that a field has none of these values."""
    return {field: {"$nin": list(ids)}} if ids else {}


def is_unavailable(error: BaseException) -> bool:
    """Return whether the database did not answer, so that the same call may succeed later.

    A write concern error counts too: the write was made, but it may be rolled back. After any of
    these errors it is unknown whether a write was made.
    """
    if not isinstance(error, PyMongoError):
        return False
    if isinstance(error, ConnectionFailure | WriteConcernError) or error.timeout:
        return True
    if isinstance(error, BulkWriteError):
        return bool(error.details.get("writeConcernErrors"))
    return isinstance(error, OperationFailure) and error.code in UNAVAILABLE_CODES
