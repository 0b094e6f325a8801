"""Liveness, readiness, metrics, and the photos of the `images/` folder."""

import time
from pathlib import Path

import pytest
from pymongo import MongoClient

from eventapp.core.database import OpenDatabase
from eventapp.events.cache.event_cache import EventCache
from eventapp.media.routes import IMAGES
from tests.factories import make_event

PHOTO = "rebetiko-before-midnight.webp"


@pytest.fixture
def database_down(app, monkeypatch):
    """Replace the database of the application by one that does not answer."""
    unreachable = MongoClient("mongodb://127.0.0.1:9/x?timeoutMS=300&serverSelectionTimeoutMS=200")
    database = OpenDatabase(unreachable, unreachable.get_default_database(), lambda _db: None)
    database.start()
    monkeypatch.setitem(app.extensions, "database", database)
    monkeypatch.setitem(app.extensions, "event_cache", EventCache(database.db))
    yield
    unreachable.close()


@pytest.mark.parametrize("path", ["/healthz", "/api/healthz"])
def test_healthz_answers_without_the_database(app, database_down, path):
    answer = app.test_client().get(path)
    assert (answer.status_code, answer.data) == (200, b'"Hello Tickest"')
    assert answer.content_type == "application/json"


def test_readyz_is_200_if_the_database_answers(client):
    answer = client.get("/readyz")
    assert answer.status_code == 200
    assert (answer.json["status"], answer.json["database"]) == ("ready", "ok")


def test_readyz_is_503_when_the_database_is_down(app, database_down):
    answer = app.test_client().get("/readyz")
    assert (answer.status_code, answer.json["code"]) == (503, "database_unavailable")
    assert answer.json["database"] == "unavailable"


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/api/events", None),
        ("GET", "/api/events/1", None),
        ("GET", "/api/favorites", None),
        ("POST", "/api/favorites", {"eventId": 1}),
        ("POST", "/api/recoms", []),
        ("GET", "/android/api/events", None),
        ("POST", "/android/api/users/login", {"name": "a", "password": "b"}),
    ],
)
def test_a_database_that_is_down_is_503_within_three_seconds(
    app, database_down, method, path, body
):
    started = time.monotonic()
    answer = app.test_client().open(path, method=method, json=body)
    assert time.monotonic() - started < 3
    assert (answer.status_code, answer.json["code"]) == (503, "database_unavailable")
    assert "127.0.0.1" not in answer.text
    assert int(answer.headers["Retry-After"]) >= 1


def test_every_call_is_503_until_the_database_is_prepared(app, db, monkeypatch):
    unprepared = OpenDatabase(None, db, lambda _db: None)
    monkeypatch.setitem(app.extensions, "database", unprepared)
    client = app.test_client()
    assert client.get("/api/events").status_code == 503
    assert client.get("/readyz").status_code == 503
    assert client.get("/healthz").status_code == 200
    unprepared.start()
    assert client.get("/api/events").status_code == 200


def test_metrics_count_requests_by_route_and_status(client, db):
    make_event(db)
    client.get("/api/events/1")
    client.get("/api/events/77")
    answer = client.get("/metrics")
    assert answer.content_type.startswith("text/plain")
    route = 'method="GET",route="/api/events/<whole:event_id>",status='
    assert f'eventapp_requests_total{{{route}"200"}}' in answer.text
    assert f'eventapp_requests_total{{{route}"404"}}' in answer.text
    assert "eventapp_request_seconds_bucket" in answer.text


def test_paths_without_a_route_share_one_metric(client):
    for number in range(3):
        client.get(f"/scan/{number}")
    assert "/scan/" not in client.get("/metrics").text


def test_a_photo_may_be_cached_for_at_least_a_week(client):
    answer = client.get(f"/images/{PHOTO}")
    assert (answer.status_code, answer.content_type) == (200, "image/webp")
    assert answer.data == (IMAGES / PHOTO).read_bytes()
    assert "public" in answer.headers["Cache-Control"]
    assert answer.cache_control.max_age >= 7 * 24 * 3600


def test_a_photo_supports_etags_head_and_ranges(client):
    tag = client.get(f"/images/{PHOTO}").headers["ETag"]
    again = client.get(f"/images/{PHOTO}", headers={"If-None-Match": tag})
    assert (again.status_code, again.data) == (304, b"")
    head = client.head(f"/images/{PHOTO}")
    assert (head.status_code, head.data) == (200, b"")
    part = client.get(f"/images/{PHOTO}", headers={"Range": "bytes=0-3"})
    assert (part.status_code, part.data) == (206, b"RIFF")


def test_a_missing_photo_is_404(client):
    answer = client.get("/images/nope.webp")
    assert (answer.status_code, answer.json) == (404, {"message": "Not Found", "code": "not_found"})


@pytest.mark.parametrize("path", ["/images", "/images/", "/images/.", "/images/./"])
def test_directories_are_not_listed(client, path):
    assert client.get(path).status_code == 404


@pytest.mark.parametrize(
    "path",
    [
        "../wsgi.py",
        "%2e%2e/wsgi.py",
        "..%2fwsgi.py",
        "%2e%2e%2fwsgi.py",
        "..%5cwsgi.py",
        "%252e%252e%252fwsgi.py",
        "x/../../wsgi.py",
        "....//wsgi.py",
        "%00",
        f"{PHOTO}%00.png",
        "a" * 5000,
        "%2fetc%2fpasswd",
        "//etc/passwd",
        "C:%5cwindows",
        "..",
        "..%2f",
        "%ff%fe",
    ],
)
def test_paths_outside_the_folder_are_404(client, path):
    assert Path(IMAGES, "..", "wsgi.py").exists()
    answer = client.get(f"/images/{path}", follow_redirects=True)
    assert (answer.status_code, answer.json["code"]) == (404, "not_found")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_photos_cannot_be_written(client, method):
    answer = client.open(f"/images/{PHOTO}", method=method)
    assert (answer.status_code, answer.json["code"]) == (405, "method_not_allowed")
    assert (IMAGES / PHOTO).exists()
