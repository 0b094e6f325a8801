"""The PyMongo client: its options, and the type aliases for what it reads and writes."""

from typing import Any, TypeAlias

from pymongo import MongoClient
from pymongo.database import Database
from pymongo.uri_parser import parse_uri

# A raw BSON document, for code that handles every collection alike. A feature describes its
# documents by the TypedDicts of its `types` module.
Document: TypeAlias = dict[str, Any]
# A filter, an update, a projection or a pipeline stage of MongoDB.
Query: TypeAlias = dict[str, Any]
Db: TypeAlias = Database[Document]

DEFAULT_DATABASE = "eventapp"
# A request must be answered with 503 within 3 s. So no operation may take longer than timeoutMS,
# retries included, plus up to 0.5 s that the driver pauses between two attempts to find the server.
CLIENT_OPTIONS: dict[str, Any] = {
    "appname": "eventapp",
    "timeoutMS": 2200,
    "serverSelectionTimeoutMS": 2000,
    "connectTimeoutMS": 1500,
    "waitQueueTimeoutMS": 2000,
    "maxPoolSize": 64,
}


def connect(uri: str) -> MongoClient[Document]:
    """Return a client with CLIENT_OPTIONS; an option in the URI takes precedence."""
    uri_options = {name.lower() for name in parse_uri(uri)["options"]}
    options = {
        name: value for name, value in CLIENT_OPTIONS.items() if name.lower() not in uri_options
    }
    return MongoClient(uri, tz_aware=True, connect=False, **options)
