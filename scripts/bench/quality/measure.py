"""Ask the API every judged query, once for each part of the application that answers searches."""

import secrets
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pymongo
from flask import Flask
from flask.testing import FlaskClient
from pymongo import MongoClient

from eventapp import create_app
from eventapp.config import load_config
from eventapp.core.clock import utc_now
from eventapp.core.database import OPEN_DATABASE
from eventapp.events.cache.event_cache import EVENT_CACHE
from scripts.bench.quality.collection import GENERATED_EVENTS, make_collection
from scripts.bench.quality.judgments import (
    CUTOFF,
    JudgedQuery,
    compute_ndcg,
    grade_events,
    is_missed,
)
from scripts.bench.wrk import BenchmarkError
from scripts.bulk_load import insert_events, make_unowned_event

# Who answers, and the parameters for which it answers. The in-memory index has no past events.
ANSWERERS: dict[str, dict[str, str]] = {"index": {}, "database": {"upcoming": "false"}}
INDEX_SECONDS, INDEX_POLL_SECONDS = 120.0, 0.1
LOADING_SECONDS = 300


@dataclass(frozen=True)
class Score:
    """How well one query was answered.

    Attributes:
        answerer: a key of ANSWERERS.
        missed: whether no event of the highest grade was found (`is_missed`).
        found: the titles of the results, best first.
    """

    query: JudgedQuery
    answerer: str
    ndcg: float
    missed: bool
    found: Sequence[str]


def measure_quality(
    uri: str | None, queries: Sequence[JudgedQuery], *, generated: int = GENERATED_EVENTS
) -> list[Score]:
    """Fill a new database with the collection, and return the scores of all queries.

    Args:
        uri: the URI of a database that does not exist yet, and is dropped at the end; None for an
            embedded store.
        generated: how many generated events the collection has.
    """
    with open_app(uri) as app:
        events = make_collection(utc_now().date(), generated=generated)
        with pymongo.timeout(LOADING_SECONDS):
            documents = [make_unowned_event(event) for event in events]
            ids = insert_events(OPEN_DATABASE.get(app).db, documents)
        _wait_for_index(app)
        positions = {event_id: position for position, event_id in enumerate(ids)}
        client, scores = app.test_client(), []
        for query in queries:
            grades = grade_events(query, events)
            for answerer in ANSWERERS:
                found = [positions[event_id] for event_id in _search(client, query, answerer)]
                titles = [events[position]["title"] for position in found]
                ndcg, missed = compute_ndcg(found, grades), is_missed(found, grades)
                scores.append(Score(query, answerer, ndcg, missed, titles))
        return scores


@contextmanager
def open_app(uri: str | None) -> Iterator[Flask]:
    """Yield an application on a database of its own, and remove that database at the end."""
    with tempfile.TemporaryDirectory(prefix="eventapp-bench-") as folder:
        settings = {
            "INSTANCE_DIR": str(Path(folder)),
            "MONGO_URI": uri or "",
            "JWT_SECRET": secrets.token_urlsafe(48),
            "RATE_LIMIT_ENABLED": "false",
            "LOG_LEVEL": "error",
        }
        with pymongo.timeout(LOADING_SECONDS):
            app = create_app(load_config(settings))
        try:
            yield app
        finally:
            OPEN_DATABASE.get(app).client.close()
            if uri:
                with MongoClient[Any](uri) as client:
                    client.drop_database(client.get_default_database())


def _wait_for_index(app: Flask) -> None:
    """Wait until the in-memory index is built. Until then the database would answer."""
    index, deadline = EVENT_CACHE.get(app).index, time.monotonic() + INDEX_SECONDS
    while index.count(utc_now().date()) is None:
        if time.monotonic() > deadline:
            raise BenchmarkError("the in-memory index was not built")
        time.sleep(INDEX_POLL_SECONDS)


def _search(client: FlaskClient, query: JudgedQuery, answerer: str) -> list[int]:
    """Return the eventIds of the first results."""
    parameters = {"search": query.query, "limit": str(CUTOFF), **ANSWERERS[answerer]}
    response = client.get("/api/events", query_string=parameters)
    if response.status_code != 200:
        raise BenchmarkError(f"{query.query!r}: status {response.status_code}")
    return [event["eventId"] for event in response.get_json()["events"]]
