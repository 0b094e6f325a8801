"""Answers of Flask that come from a cache are compressed twice at most, and are never mixed up."""

import gzip
import os

import pytest
from flask import Flask
from flask_compress import flask_compress

from eventapp.core.http.compressed_bodies import COMPRESSED_BODIES, CompressedBodies
from eventapp.core.lru_cache import CacheBudget
from tests.factories import make_event, make_user

RECOMS = ("POST", "/api/recoms")
CACHED = [
    RECOMS,
    ("POST", "/android/api/recoms"),
    ("GET", "/android/api/events"),
    ("GET", "/android/api/favorites"),
]
GZIP = {"Accept-Encoding": "gzip"}


@pytest.fixture(autouse=True)
def events(db, client):
    for number in range(3):
        make_event(db, title=f"Jazz {number}", category="concert")
    client.post("/api/favorites", json={"eventId": 2})


@pytest.fixture
def compressed(app, monkeypatch):
    """Return a list of the bodies that Flask compresses, in an application that has kept none."""
    bodies, compress = [], flask_compress._compress_data
    monkeypatch.setattr(
        flask_compress,
        "_compress_data",
        lambda app, body, algorithm: bodies.append(body) or compress(app, body, algorithm),
    )
    COMPRESSED_BODIES.get(app)._bodies.clear()
    return bodies


def ask(client, call, headers=None):
    """Return the body of an answer, decompressed."""
    method, path = call
    body = ["concert"] if method == "POST" else None
    answer = client.open(path, method=method, json=body, headers=GZIP | (headers or {}))
    assert (answer.status_code, answer.headers["Content-Encoding"]) == (200, "gzip")
    assert answer.content_length == len(answer.data)
    return gzip.decompress(answer.data)


@pytest.mark.parametrize("call", CACHED)
def test_a_body_from_a_cache_is_compressed_twice_until_it_changes(
    client, compressed, organizer, db, call
):
    plain = client.open(call[1], method=call[0], json=["concert"] if call[0] == "POST" else None)
    assert [ask(client, call) for _ in range(5)] == [plain.data] * 5
    assert compressed == [plain.data] * 2
    client.delete("/api/favorites/2")
    client.post("/api/favorites", json={"eventId": 3})
    changed = ask(client, call)
    assert changed != plain.data
    assert compressed == [plain.data] * 2 + [changed]


def test_each_caller_gets_the_own_favorites_compressed(app, client, compressed):
    callers = [{}, *(make_user(app)["headers"] for _ in range(2))]
    for number, headers in enumerate(callers[1:]):
        client.post("/api/favorites", json={"eventId": 1 + 2 * number}, headers=headers)
    expected = [client.post("/api/recoms", json=["concert"], headers=own).data for own in callers]
    assert len(set(expected)) == 3
    for _ in range(4):
        assert [ask(client, RECOMS, own) for own in callers] == expected
    assert sorted(compressed) == sorted(expected * 2)


def test_other_answers_are_compressed_each_time(client, compressed, attendee):
    for _ in range(3):
        answer = client.get("/api/events/popular", headers=GZIP)
        assert answer.headers["Content-Encoding"] == "gzip"
    assert len(compressed) == 3


def test_bodies_that_are_sent_once_take_little_room():
    """They do not displace those that are sent again."""
    app = Flask("test")
    app.config["COMPRESS_LEVEL"] = 6
    bodies = CompressedBodies(app, CacheBudget(1))
    for _ in range(2):
        often = bodies.compress(b"often", "often", "gzip")
    for number in range(80):
        bodies.compress(os.urandom(3000), f"once {number}", "gzip")
    assert bodies.find("often", "gzip") == often
    assert bodies.find("once 79", "gzip") is None
