"""The database: client, readiness, indexes, and a dead server as one error."""

import threading
from collections.abc import Callable, Iterable, Mapping
from datetime import date
from typing import Any, TypeAlias, TypeVar

import pymongo
import structlog
from flask import Flask, current_app
from pymongo import IndexModel, MongoClient
from pymongo.database import Database
from pymongo.errors import ConnectionFailure, OperationFailure, PyMongoError
from pymongo.uri_parser import parse_uri

from eventapp.config import Config
from eventapp.core.clock import utc_now
from eventapp.core.embedded.client import open_embedded
from eventapp.core.errors import DatabaseUnavailable

# Two writes that hinder each other on unique indexes: one of them is told so, having written
# nothing. MongoDB tries again by itself; the engine leaves it to us.
WRITE_CONFLICT, TRIES = 112, 5
Result = TypeVar("Result")

Document: TypeAlias = dict[str, Any]
# A filter, an update, a projection or a pipeline stage of MongoDB.
Query: TypeAlias = dict[str, Any]
Db: TypeAlias = Database[Document]
Indexes: TypeAlias = Mapping[str, Iterable[IndexModel]]

DEFAULT_DATABASE = "eventapp"
RETRY_SECONDS = 0.5
# A request must hear 503 within 3 s: no operation may take longer than this, retries included,
# and up to half a second that the driver pauses between two looks for the server.
CLIENT_OPTIONS: dict[str, Any] = {
    "appname": "eventapp",
    "timeoutMS": 2200,
    "serverSelectionTimeoutMS": 2000,
    "connectTimeoutMS": 1500,
    "waitQueueTimeoutMS": 2000,
    "maxPoolSize": 64,
}
# Building an index on a big collection takes as long as it takes; a build that is broken off by
# the timeout of requests begins anew at the next try, and would never end.
PATIENCE_SECONDS = 3600
# Interrupted, shutting down, not primary, out of connections: the server is there but can't serve.
UNAVAILABLE_CODES = frozenset({6, 7, 8, 89, 91, 189, 202, 262, 10107, 11600, 11602, 13435, 13436})

log = structlog.get_logger()


class Store:
    """One open database, on MongoDB or embedded, that may be used once `prepare` has run today.

    Some of what lists go by changes with the date alone, so each day begins with `prepare`.
    """

    def __init__(self, client: Any, db: Db, prepare: Callable[[Db], None]) -> None:
        self.client, self.db = client, db
        self._prepare = prepare
        self._prepared_on: date | None = None
        self._renewal = threading.Lock()

    @property
    def ready(self) -> bool:
        return self._prepared_on is not None

    def renew(self, today: date) -> None:
        """Prepare again where a new day has begun; further callers wait for the first."""
        if self._prepared_on == today:
            return
        with self._renewal:
            if self._prepared_on != today:
                self._prepare(self.db)
                self._prepared_on = today

    def start(self) -> None:
        """Prepare now; where the database is down, keep trying behind the requests."""
        if not self._try_prepare():
            threading.Thread(target=self._keep_trying, name="mongo-prepare", daemon=True).start()

    def _keep_trying(self) -> None:
        pause, ready = threading.Event(), False
        while not ready:
            pause.wait(RETRY_SECONDS)
            with pymongo.timeout(PATIENCE_SECONDS):
                ready = self._try_prepare()

    def _try_prepare(self) -> bool:
        try:
            self.renew(utc_now().date())
        except PyMongoError as error:
            if not is_unavailable(error):
                raise
            log.warning("database does not answer", error=type(error).__name__)
            return False
        return True


def open_store(config: Config, prepare: Callable[[Db], None]) -> Store:
    """The store the settings name, unprepared. EmbeddedStoreBusy where another process has it."""
    if config.mongo_uri is None:
        embedded = open_embedded(config.instance_dir)
        return Store(embedded, embedded[DEFAULT_DATABASE], prepare)
    client: MongoClient[Document] = connect(config.mongo_uri)
    return Store(client, client.get_default_database(DEFAULT_DATABASE), prepare)


def connect(uri: str) -> MongoClient[Document]:
    """A client with our timeouts and pool, except where the URI says otherwise."""
    said = {name.lower() for name in parse_uri(uri)["options"]}
    options = {name: value for name, value in CLIENT_OPTIONS.items() if name.lower() not in said}
    return MongoClient(uri, tz_aware=True, connect=False, **options)


def ensure_indexes(db: Db, indexes: Iterable[Indexes]) -> None:
    """Make what is missing, by name; an index that is there is left alone."""
    for feature in indexes:
        for collection, models in feature.items():
            there = db[collection].index_information()
            missing = [model for model in models if model.document["name"] not in there]
            if missing:
                db[collection].create_indexes(missing)


def init_app(app: Flask, store: Store) -> None:
    app.extensions["store"] = store
    store.start()


def get_store() -> Store:
    store: Store = current_app.extensions["store"]
    return store


def get_db() -> Db:
    """The request's database. DatabaseUnavailable until its indexes are sure to be there."""
    store = get_store()
    if not store.ready:
        raise DatabaseUnavailable
    store.renew(utc_now().date())
    return store.db


def unhindered(write: Callable[[], Result]) -> Result:
    """What `write` gives, tried again where another write was in its way."""
    for _ in range(TRIES):
        try:
            return write()
        except OperationFailure as error:
            if error.code != WRITE_CONFLICT:
                raise
    return write()


def is_unavailable(error: BaseException) -> bool:
    """True where the server does not answer, and the same call may succeed later."""
    if not isinstance(error, PyMongoError):
        return False
    if isinstance(error, ConnectionFailure) or error.timeout:
        return True
    return isinstance(error, OperationFailure) and error.code in UNAVAILABLE_CODES
