"""Fixtures: one application for all tests, on a temporary database that is emptied for each test.

If MONGO_URI is set, the database is a new one on that server; otherwise it is an embedded store.
"""

import gc
import os
import sys
import uuid
from collections import defaultdict
from collections.abc import Callable, Collection, Generator, Iterator
from pathlib import Path
from typing import Any, TextIO, cast
from urllib.parse import urlsplit, urlunsplit

import pymongo
import pytest
import structlog
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import HealthCheck, settings
from pymongo import MongoClient, monitoring

from eventapp import create_app
from eventapp.bookings import auditing
from eventapp.bookings.context import BOOKING_CONTEXT
from eventapp.config import Config, load_config
from eventapp.core.clock import utc_now
from eventapp.core.database import OPEN_DATABASE
from eventapp.core.http.app_context import CONFIG
from eventapp.events.cache.event_cache import EVENT_CACHE
from eventapp.inventory.service import INVENTORY
from tests import factories
from tests.ambiguous_reads import refuse_ambiguous_reads
from tests.data_access import check_queries


class WrittenCollections(monitoring.CommandListener):
    """Remembers which collections of a server this process has written to, by their databases.

    To delete from one collection takes a server milliseconds, and few tests write to many.
    """

    def __init__(self) -> None:
        self._names: defaultdict[str, set[str]] = defaultdict(set)

    def take(self, database: str) -> set[str]:
        """Return the collections that were written to since the last call."""
        return self._names.pop(database, set())

    def forget(self, database: str, collection: str) -> None:
        """Ignore the writes to a collection since the last call of `take`."""
        self._names[database].discard(collection)

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        if event.command_name in ("insert", "update", "findAndModify"):
            self._names[event.database_name].add(event.command[event.command_name])

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None:
        pass

    def failed(self, event: monitoring.CommandFailedEvent) -> None:
        pass


WRITTEN = WrittenCollections()
monitoring.register(WRITTEN)
# The collection whose one document is the counter of eventIds, which applications expect to exist.
EVENT_IDS = "counters"
# The files whose tests take longest, on a server or on the embedded store, in the order in which
# pytest-xdist starts them. A file runs in one process, so a long one that started last would leave
# the others idle. Files with many server processes alternate with files without any.
LONG_FILES = (
    "tests/simulation/test_simulation.py",
    "tests/fault/test_unknown_outcomes.py",
    "tests/crash/test_killed_processes.py",
    "tests/race/test_check_inventory_race.py",
    "tests/crash/test_concurrent_users.py",
    "tests/race/test_cancelled_tickets_race.py",
    "tests/fault/test_failovers.py",
    "tests/crash/test_promo_code_buyers.py",
    "tests/fault/test_clocks.py",
    "tests/crash/test_engine_crash.py",
    "tests/abuse/test_connections.py",
    "tests/store/test_reports.py",
    "tests/store/test_analytics_ranking.py",
    "tests/http/test_limits.py",
    "tests/store/test_events_index.py",
    "tests/store/test_bookings_explain.py",
    "tests/race/test_quota_buyers.py",
    "tests/fuzz/test_schemathesis.py",
    "tests/store/test_bookings_event_closing.py",
)
QUIET = {"RATE_LIMIT_ENABLED": "false", "BCRYPT_ROUNDS": "4", "LOG_LEVEL": "error"}
# What these test does not depend on the store: the code itself, pure functions, the embedded store,
# clients that are generated from the API document, the log, and what is refused before the store is
# asked. test_permission_table.py sends every route to every role, and the answer is decided in
# Python; the tests of each route send some of these requests on both stores. All of them take
# minutes on a server, too.
NEED_NO_SERVER = (
    "tests/test_",
    "tests/unit/",
    "tests/clients/",
    "tests/abuse/",
    "tests/http/test_accounts_logs.py",
    "tests/http/test_bad_input.py",
    "tests/http/test_docs.py",
    "tests/http/test_first_steps.py",
    "tests/http/test_headers.py",
    "tests/http/test_large_bodies.py",
    "tests/http/test_permission_table.py",
    "tests/http/test_serving.py",
    "tests/http/test_undeclared_input.py",
    "tests/pages/test_files.py",
    "tests/pages/test_structured_data.py",
    "tests/store/test_embedded_disk.py",
    "tests/store/test_embedded_race.py",
    "tests/store/test_embedded_store.py",
    "tests/store/test_embedded_text.py",
)
# How long an example takes depends on what else the machine does, so examples have no time limit.
settings.register_profile(
    "untimed", settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("untimed")
PREPARE_SECONDS = 60
MONGO_URI = os.environ.get("MONGO_URI")
needs_no_server = pytest.mark.skipif(
    bool(MONGO_URI), reason="it needs no server: it runs on the embedded store"
)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Collect the tests without the garbage collector.

    Thousands of tests are collected, and nearly all that is allocated stays. To search it again and
    again takes a third of the time. `freeze` keeps later searches from what was collected here.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave out the files of NEED_NO_SERVER where all tests run on a server.

    They are thousands of tests, and to collect, skip and report one takes 2 ms of processor time.
    """
    tests = config.rootpath / "tests"
    if not MONGO_URI or tests not in [config.invocation_params.dir / name for name in config.args]:
        return None
    path = collection_path.relative_to(config.rootpath).as_posix()
    return path.startswith(NEED_NO_SERVER) or f"{path}/" in NEED_NO_SERVER or None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Let the tests of LONG_FILES run first, and skip on a server those of NEED_NO_SERVER."""
    named = (*LONG_FILES, *NEED_NO_SERVER)
    if missing := [name for name in named if not [*config.rootpath.glob(f"{name}*")]]:
        raise pytest.UsageError(f"tests/conftest.py names files that do not exist: {missing}")
    order = {config.rootpath / name: number for number, name in enumerate(LONG_FILES)}
    items.sort(key=lambda item: order.get(item.path, len(order)))
    for item in items:
        if item.nodeid.startswith(NEED_NO_SERVER):
            item.add_marker(needs_no_server)


def make_database_uri(server_uri: str) -> str:
    """Return the URI of a new database on a server."""
    parts = urlsplit(server_uri)
    return urlunsplit(parts._replace(path=f"/eventapp_test_{uuid.uuid4().hex[:12]}"))


def make_settings(directory: Path, **changes: str) -> dict[str, str]:
    """Return the settings of an application that keeps its data in `directory` or on MONGO_URI."""
    environ = {**QUIET, "INSTANCE_DIR": str(directory), **changes}
    if MONGO_URI:
        environ.setdefault("MONGO_URI", make_database_uri(MONGO_URI))
    return environ


def create_prepared_app(settings: dict[str, str]) -> Flask:
    """Create an application, and wait until its database has all indexes.

    A server under load may need seconds for that, and until then routes answer 503.
    """
    with pymongo.timeout(PREPARE_SECONDS):
        return create_app(load_config(settings))


def drop_database(config: Config) -> None:
    """Drop the database of these settings, if it is on a server."""
    if config.mongo_uri:
        with MongoClient(config.mongo_uri) as client:
            client.drop_database(client.get_default_database())


class CurrentStderr:
    """A file that writes to what `sys.stderr` is at the moment."""

    def write(self, text: str) -> int:
        return sys.stderr.write(text)

    def flush(self) -> None:
        sys.stderr.flush()


@pytest.fixture(scope="session", autouse=True)
def _loggers_forget_earlier_applications() -> Iterator[None]:
    """Loggers would keep the level of their first use, and a file that `capsys` has closed."""
    factory = structlog.WriteLoggerFactory(cast(TextIO, CurrentStderr()))
    configure = structlog.configure
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(structlog, "WriteLoggerFactory", lambda _file: factory)
        patch.setattr(
            structlog,
            "configure",
            lambda **options: configure(**{**options, "cache_logger_on_first_use": False}),
        )
        yield


@pytest.fixture(scope="session", autouse=True)
def _queries_are_checked() -> Iterator[None]:
    """Every query of a store is held against the tables of tests/data_access.py."""
    with check_queries():
        yield


@pytest.fixture(scope="session", autouse=True)
def _ambiguous_reads_are_refused() -> Iterator[None]:
    """No test depends on which of several documents a server returns."""
    with refuse_ambiguous_reads():
        yield


@pytest.fixture(scope="session")
def make_app(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Callable[..., Flask]]:
    """A function that creates an application with some settings, on a database of its own."""
    apps: list[Flask] = []

    def make(**changes: str) -> Flask:
        directory = tmp_path_factory.mktemp("instance")
        app = create_prepared_app(make_settings(directory, **changes))
        app.testing = True
        app.config["PROPAGATE_EXCEPTIONS"] = False
        apps.append(app)
        return app

    yield make
    for app in apps:
        OPEN_DATABASE.get(app).client.close()
        drop_database(CONFIG.get(app))


@pytest.fixture(scope="session")
def app(make_app: Callable[..., Flask]) -> Flask:
    """The application that tests share."""
    return make_app()


@pytest.fixture(scope="module")
def _emptied_databases() -> set[str]:
    """The names of the databases that tests of this module have emptied."""
    return set()


@pytest.fixture
def db(app: Flask, _emptied_databases: set[str]) -> Iterator[Any]:
    """The database of the application, empty before and after each test."""
    database = OPEN_DATABASE.get(app).db
    if database.name in _emptied_databases:
        empty_written_collections(database)
    else:  # Processes that an earlier module started may have written to it.
        WRITTEN.take(database.name)
        empty_database(database)
        _emptied_databases.add(database.name)
    EVENT_CACHE.get(app).reset()
    for event_id in range(1, 100):  # Events of other tests have the same ids.
        INVENTORY.get(app).invalidate(event_id)
    yield database
    empty_written_collections(database)


def empty_database(database: Any) -> None:
    """Delete all documents, but keep the indexes."""
    names = database.list_collection_names()
    _empty(database, find_filled_collections(database, names) if MONGO_URI else names)


def empty_written_collections(database: Any) -> None:
    """Delete all documents, if only this process has written to the database."""
    if MONGO_URI:
        _empty(database, WRITTEN.take(database.name))
    else:
        empty_database(database)


def find_filled_collections(database: Any, names: list[str]) -> list[str]:
    """Return those of these collections of a server that have a document.

    It is one command, because one for each collection takes the server ten times as long.
    """
    parts = [{"coll": name, "pipeline": _build_name_pipeline(name)} for name in names]
    pipeline = [{"$match": {"_id": None}}, *({"$unionWith": part} for part in parts)]
    return [found["_id"] for found in database[names[0]].aggregate(pipeline)]


def _build_name_pipeline(name: str) -> list[dict[str, Any]]:
    return [{"$limit": 1}, {"$project": {"_id": {"$literal": name}}}]


def _empty(database: Any, names: Collection[str]) -> None:
    for name in names:
        if name != EVENT_IDS:
            database[name].delete_many({})
    if not {"events", EVENT_IDS}.isdisjoint(names):
        database[EVENT_IDS].update_one({"_id": "eventId"}, {"$set": {"value": 0}}, upsert=True)
        WRITTEN.forget(database.name, EVENT_IDS)


@pytest.fixture
def client(app: Flask, db: Any) -> FlaskClient:
    return app.test_client()


@pytest.fixture
def clean_inventory(app: Flask, db: Any) -> Iterator[None]:
    """Assert after a test with bookings that the tickets of every event add up."""
    yield
    faults = [fault.message for fault in auditing.check(BOOKING_CONTEXT.get(app), utc_now())]
    assert faults == []


@pytest.fixture
def organizer(app: Flask, db: Any) -> dict[str, Any]:
    return factories.make_user(app, "organizer")


@pytest.fixture
def admin(app: Flask, db: Any) -> dict[str, Any]:
    return factories.make_user(app, "admin")


@pytest.fixture
def attendee(app: Flask, db: Any) -> dict[str, Any]:
    return factories.make_user(app, "attendee")
