"""Open the database that the settings name, and prepare it at the start and on each new day."""

import threading
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self, TypeAlias, cast

import pymongo
import structlog
from flask import Flask
from pymongo import IndexModel, MongoClient
from pymongo.errors import OperationFailure, PyMongoError
from tenacity import RetryCallState, Retrying, retry_if_exception_type

from eventapp.config import Config
from eventapp.core.app_key import AppKey
from eventapp.core.clock import utc_now
from eventapp.core.database.client import DEFAULT_DATABASE, Db, Document, connect, is_unavailable
from eventapp.core.database.server_clock import ServerClock
from eventapp.core.errors import DatabaseUnavailable

if TYPE_CHECKING:
    from eventapp.core.embedded.client import EmbeddedClient

PREPARE_RETRY_SECONDS, UNEXPECTED_RETRY_SECONDS = 0.5, 5.0
# Building an index on a large collection may take minutes. A build that the timeout of requests
# interrupted would start from the beginning at each retry, and never end.
PREPARE_TIMEOUT_SECONDS = 3600

NO_NAMES: Mapping[str, Iterable[str]] = {}
# The indexes of one feature, by the name of their collection.
Indexes: TypeAlias = Mapping[str, Iterable[IndexModel]]

log = structlog.get_logger()


class DatabaseClient(Protocol):
    """What MongoClient and the client of the embedded store have in common."""

    def close(self) -> None: ...
    def __enter__(self) -> Self: ...
    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
        /,
    ) -> None: ...


_NEVER = datetime.min.replace(tzinfo=UTC)


class OpenDatabase:
    """A database, on MongoDB or embedded, that may be used once it has been prepared for today.

    Some stored values by which events are listed depend on today's date, so the database is
    prepared again on each new day.
    """

    def __init__(
        self,
        client: DatabaseClient,
        db: Db,
        prepare: Callable[[Db], None],
        zone: tzinfo = UTC,
    ) -> None:
        """Wrap a client and one of its databases.

        Args:
            prepare: creates the indexes, and updates the stored values that depend on the date.
            zone: the time zone of that date.
        """
        self.client, self.db = client, db
        self.clock = ServerClock(db)
        self._prepare, self._zone = prepare, zone
        # When the day begins and ends on which the database was last prepared.
        self._prepared_from = self._prepared_until = _NEVER
        self._prepare_lock = threading.Lock()

    @property
    def is_ready(self) -> bool:
        """Whether the database has been prepared at least once."""
        return self._prepared_until > _NEVER

    @property
    def is_prepared_for_today(self) -> bool:
        """Whether `ensure_prepared` would do nothing now."""
        return self._prepared_from <= utc_now() < self._prepared_until

    def ensure_prepared(self) -> None:
        """Prepare the database unless that was done today. Concurrent callers wait for the first.

        Raises:
            PyMongoError: the preparation failed. The next caller tries it again.
            SchemaTooNew: a newer version of the application has written to the database.
        """
        if self.is_prepared_for_today:
            return
        with self._prepare_lock:
            if not self.is_prepared_for_today:
                today = utc_now().astimezone(self._zone).date()
                self._prepare(self.db)
                self._prepared_from = self._find_midnight(today)
                self._prepared_until = self._find_midnight(today + timedelta(days=1))

    def _find_midnight(self, day: date) -> datetime:
        return datetime.combine(day, time.min, self._zone).astimezone(UTC)

    def start(self) -> None:
        """Prepare the database now, or on a thread as soon as it is available."""
        try:
            self.ensure_prepared()
        except PyMongoError as error:
            if not is_unavailable(error):
                raise
            _log_unavailable(error)
            thread = threading.Thread(
                target=self._keep_preparing, name="mongo-prepare", daemon=True
            )
            thread.start()

    def _keep_preparing(self) -> None:
        retrying = Retrying(
            # Without the thread, the server would answer 503 until it is restarted.
            retry=retry_if_exception_type(Exception),
            wait=_choose_pause,
            before_sleep=_log_failed_attempt,
        )
        retrying(self._prepare_with_long_timeout)

    def _prepare_with_long_timeout(self) -> None:
        with pymongo.timeout(PREPARE_TIMEOUT_SECONDS):
            self.ensure_prepared()


def _get_error(attempt: RetryCallState) -> BaseException | None:
    return attempt.outcome.exception() if attempt.outcome else None


def _is_expected(error: BaseException | None) -> bool:
    return isinstance(error, PyMongoError) and is_unavailable(error)


def _choose_pause(attempt: RetryCallState) -> float:
    """Return the seconds until the next attempt: more after an error that may stay."""
    is_expected = _is_expected(_get_error(attempt))
    return PREPARE_RETRY_SECONDS if is_expected else UNEXPECTED_RETRY_SECONDS


def _log_failed_attempt(attempt: RetryCallState) -> None:
    error = _get_error(attempt)
    if _is_expected(error):
        _log_unavailable(error)
    else:
        log.error("the database cannot be prepared", exc_info=error)


def _log_unavailable(error: BaseException | None) -> None:
    log.warning("database does not answer", error=type(error).__name__)


OPEN_DATABASE: AppKey[OpenDatabase] = AppKey("database")


def open_database(config: Config, prepare: Callable[[Db], None]) -> OpenDatabase:
    """Open the database that the settings name, without preparing it.

    Raises:
        EmbeddedStoreBusy: another process has opened the embedded store.
    """
    if config.mongo_uri is None:
        # Processes on a server need neither mongomock nor the time to import it.
        from eventapp.core.embedded.client import open_embedded

        embedded = open_embedded(config.instance_dir)
        return OpenDatabase(embedded, embedded[DEFAULT_DATABASE], prepare, config.default_zone)
    client: MongoClient[Document] = connect(config.mongo_uri)
    db = client.get_default_database(DEFAULT_DATABASE)
    return OpenDatabase(client, db, prepare, config.default_zone)


def purge_deleted(db: Db) -> None:
    """Remove what was deleted from the files of the embedded store too.

    MongoDB decides itself when it overwrites deleted data: see docs/privacy.md.

    Raises:
        ConnectionFailure: the disk cannot be written.
    """
    client: object = db.client
    if not isinstance(client, MongoClient):
        cast("EmbeddedClient", client).purge_deleted()


def ensure_indexes(
    db: Db, indexes: Iterable[Indexes], retired: Mapping[str, Iterable[str]] = NO_NAMES
) -> None:
    """Create the indexes whose names do not exist yet, then drop the retired ones.

    An index with other keys gets a name of its own, and replaces the old one, which is retired. A
    collection has at most one text index, so a retired one is dropped before its replacement is
    created, and searches of older processes fail until then. Of an existing index only the age is
    changed at which its documents expire: it is dropped and created again, which the embedded store
    can do, too.

    Args:
        retired: names of indexes that older versions have created, by the name of their collection.
    """
    for feature in indexes:
        for collection, models in feature.items():
            existing = db[collection].index_information()
            for model in models:
                if _expires_otherwise(model, existing):
                    _drop_index(db, collection, model.document["name"])
                    del existing[model.document["name"]]
            for name in set(retired.get(collection, ())).intersection(existing):
                if "_fts" in dict(existing[name]["key"]):
                    _drop_index(db, collection, name)
            missing = [model for model in models if model.document["name"] not in existing]
            if missing:
                db[collection].create_indexes(missing)
    for collection, names in retired.items():
        for name in set(names).intersection(db[collection].index_information()):
            _drop_index(db, collection, name)


def _expires_otherwise(model: IndexModel, existing: Mapping[str, Mapping[str, Any]]) -> bool:
    """Return whether an index of this name exists that deletes documents at another age."""
    age = "expireAfterSeconds"
    index = existing.get(model.document["name"])
    return index is not None and index.get(age) != model.document.get(age)


def _drop_index(db: Db, collection: str, name: str) -> None:
    try:
        db[collection].drop_index(name)
    except OperationFailure:  # Another process that starts has dropped it.
        if name in db[collection].index_information():
            raise


def init_app(app: Flask, database: OpenDatabase) -> None:
    """Attach the database to the application, and start to prepare it."""
    OPEN_DATABASE.set(app, database)
    database.start()


def get_db() -> Db:
    """Return the database of this request's application.

    Raises:
        DatabaseUnavailable: the database has not been prepared yet, so indexes may be missing.
    """
    database = OPEN_DATABASE.get()
    if not database.is_ready:
        raise DatabaseUnavailable
    database.ensure_prepared()
    return database.db


def get_database_time() -> datetime:
    """Return the time by the clock of the database of this request's application.

    Raises:
        PyMongoError: the database does not answer.
    """
    return OPEN_DATABASE.get().clock.now()
