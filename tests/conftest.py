"""One application on one throw-away database, emptied after each test.

With MONGO_URI set the database is a fresh one on that server; without, the embedded store.
"""

import os
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import pytest
from flask import Flask
from flask.testing import FlaskClient
from pymongo import MongoClient

from eventapp import create_app
from eventapp.bookings import auditing
from eventapp.bookings.context import BOOKING_CONTEXT
from eventapp.config import Config, load_config
from eventapp.core.clock import utc_now
from eventapp.core.http.app_context import CONFIG
from eventapp.events import service as events
from eventapp.events.cache.event_cache import EVENT_CACHE
from tests import factories

QUIET = {"RATE_LIMIT_ENABLED": "false", "BCRYPT_ROUNDS": "4", "LOG_LEVEL": "error"}
MONGO_URI = os.environ.get("MONGO_URI")


def fresh_uri(server: str) -> str:
    """The server's URI with a database name that nobody has used."""
    parts = urlsplit(server)
    return urlunsplit(parts._replace(path=f"/eventapp_test_{uuid.uuid4().hex[:12]}"))


def settings_for(directory: Path, **changes: str) -> dict[str, str]:
    """The environment of a test server that keeps its data in `directory` or on MONGO_URI."""
    environ = {**QUIET, "INSTANCE_DIR": str(directory), **changes}
    if MONGO_URI:
        environ.setdefault("MONGO_URI", fresh_uri(MONGO_URI))
    return environ


def drop_database(config: Config) -> None:
    if config.mongo_uri:
        with MongoClient(config.mongo_uri) as client:
            client.drop_database(client.get_default_database())


@pytest.fixture(scope="session")
def make_app(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Callable[..., Flask]]:
    """Applications with settings of their own, each on a database of its own."""
    made: list[Flask] = []

    def make(**changes: str) -> Flask:
        directory = tmp_path_factory.mktemp("instance")
        app = create_app(load_config(settings_for(directory, **changes)))
        app.testing = True
        app.config["PROPAGATE_EXCEPTIONS"] = False
        made.append(app)
        return app

    yield make
    for app in made:
        app.extensions["database"].client.close()
        drop_database(CONFIG.get(app))


@pytest.fixture(scope="session")
def app(make_app: Callable[..., Flask]) -> Flask:
    return make_app()


@pytest.fixture
def db(app: Flask) -> Iterator[Any]:
    """The application's database, empty before and after."""
    database = app.extensions["database"].db
    empty(database)
    EVENT_CACHE.get(app).reset()
    yield database
    empty(database)


def empty(database: Any) -> None:
    for name in database.list_collection_names():
        database[name].delete_many({})
    events.prepare(database, utc_now())  # indexes outlive their documents


@pytest.fixture
def client(app: Flask, db: Any) -> FlaskClient:
    return app.test_client()


@pytest.fixture
def clean_inventory(app: Flask, db: Any) -> Iterator[None]:
    """For tests that book: at their end all tickets must add up."""
    context = BOOKING_CONTEXT.get(app)
    for event_id in range(1, 100):  # another test's events had these ids
        context.inventory.invalidate(event_id)
    yield
    faults = [fault.message for fault in auditing.check(context, utc_now())]
    assert faults == []


@pytest.fixture
def organizer(app: Flask, db: Any) -> dict[str, Any]:
    return factories.sign_in(app, "organizer")


@pytest.fixture
def admin(app: Flask, db: Any) -> dict[str, Any]:
    return factories.sign_in(app, "admin")


@pytest.fixture
def attendee(app: Flask, db: Any) -> dict[str, Any]:
    return factories.sign_in(app, "attendee")
