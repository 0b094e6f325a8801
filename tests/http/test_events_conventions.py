"""Conventions of all responses: request ids, ETags, HEAD, compression, and one error body."""

import gzip
import json
import re

import pytest

from eventapp.events.cache.event_cache import EventCache
from tests.factories import event_body, make_event, make_user

PATHS = ["/api/events", "/api/events/1", "/api/events/popular"]


@pytest.fixture
def event(db, organizer):
    return make_event(db, organizer_id=organizer["id"])


@pytest.mark.parametrize("path", [*PATHS, "/nope", "/api/events/x", "/healthz", "/images/nope"])
def test_every_response_has_a_request_id_of_its_own(client, event, path):
    first, second = client.get(path), client.get(path)
    assert re.fullmatch("[0-9a-f]{16}", first.headers["X-Request-Id"])
    assert first.headers["X-Request-Id"] != second.headers["X-Request-Id"]


@pytest.mark.parametrize("sent", ["abc-123", "A.b:c_d", "x" * 128])
def test_an_acceptable_request_id_is_returned(client, sent):
    answer = client.get("/api/events", headers={"X-Request-Id": sent})
    assert answer.headers["X-Request-Id"] == sent


@pytest.mark.parametrize("sent", ["", "x" * 129, "a b", "a<script>", "a;b", "é"])
def test_any_other_request_id_is_replaced(client, sent):
    answer = client.get("/api/events", headers={"X-Request-Id": sent})
    assert re.fullmatch("[0-9a-f]{16}", answer.headers["X-Request-Id"])


@pytest.mark.parametrize("path", PATHS)
def test_reads_of_events_have_an_etag_and_answer_304(client, event, path):
    first = client.get(path)
    again = client.get(path, headers={"If-None-Match": first.headers["ETag"]})
    assert (first.status_code, again.status_code, again.data) == (200, 304, b"")
    assert again.headers["ETag"] == first.headers["ETag"]
    other = client.get(path, headers={"If-None-Match": '"another"'})
    assert (other.status_code, other.data) == (200, first.data)


@pytest.mark.parametrize("path", PATHS)
def test_the_etag_changes_with_the_event(client, organizer, event, path):
    tag = client.get(path).headers["ETag"]
    client.patch("/api/events/1/schedule/0", json={"location": "X"}, headers=organizer["headers"])
    again = client.get(path, headers={"If-None-Match": tag})
    assert again.status_code == 200


def test_the_etag_changes_with_the_favorites_of_the_caller(client, app, event):
    tag = client.get("/api/events/1").headers["ETag"]
    fan = make_user(app)["headers"]
    client.post("/api/favorites", json={"eventId": 1}, headers=fan)
    again = client.get("/api/events/1", headers={**fan, "If-None-Match": tag})
    assert again.json["favorited"] is True


@pytest.mark.parametrize("path", [*PATHS, "/healthz"])
def test_head_answers_as_get_without_the_body(client, event, path):
    got, head = client.get(path), client.head(path)
    assert (head.status_code, head.data) == (200, b"")
    for name in ("Content-Type", "Content-Length", "ETag"):
        assert head.headers.get(name) == got.headers.get(name)


def test_long_bodies_are_compressed_if_the_client_accepts_it(client, db):
    for _ in range(5):
        make_event(db)
    plain = client.get("/api/events")
    compressed = client.get("/api/events", headers={"Accept-Encoding": "gzip"})
    assert "Content-Encoding" not in plain.headers
    assert compressed.headers["Content-Encoding"] == "gzip"
    assert "Accept-Encoding" in compressed.headers["Vary"]
    assert len(compressed.data) < len(plain.data)
    assert json.loads(gzip.decompress(compressed.data)) == plain.json


@pytest.mark.parametrize("accepts", ["gzip", None])
def test_compressed_and_plain_answers_revalidate_alike(client, db, accepts):
    for _ in range(5):
        make_event(db)
    headers = {"Accept-Encoding": accepts} if accepts else {}
    tag = client.get("/api/events", headers=headers).headers["ETag"]
    again = client.get("/api/events", headers={**headers, "If-None-Match": tag})
    assert again.status_code == 304


def test_short_bodies_are_not_compressed(client, db):
    answer = client.get("/healthz", headers={"Accept-Encoding": "gzip"})
    assert "Content-Encoding" not in answer.headers


def test_an_unknown_path_is_404_with_the_common_error_body(client):
    for path in ("/nope", "/api", "/api/nope", "/api/events/1/nope"):
        answer = client.get(path)
        assert answer.status_code == 404
        assert answer.json == {"message": "Not Found", "code": "not_found"}


def test_a_wrong_method_is_405_with_the_allowed_methods(client):
    answer = client.patch("/api/events")
    assert (answer.status_code, answer.json["code"]) == (405, "method_not_allowed")
    assert {"GET", "HEAD", "POST"} <= set(answer.headers["Allow"].split(", "))


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "/api/events/popular", "GET, HEAD, OPTIONS"),
        ("PATCH", "/api/events/popular/", "GET, HEAD, OPTIONS"),
        ("DELETE", "/api/waitlist/join", "OPTIONS, POST"),
        ("PUT", "/api/users/login", "OPTIONS, POST"),
    ],
)
def test_a_fixed_path_is_not_taken_for_a_value_of_another_route(client, method, path, allowed):
    answer = client.open(path, method=method, json={})
    assert (answer.status_code, answer.headers["Allow"]) == (405, allowed)
    assert client.options(path).headers["Allow"] == allowed


def test_a_trailing_slash_makes_no_difference(client, event):
    assert client.get("/api/events/").json == client.get("/api/events").json
    assert client.get("/api/events/1/").json == client.get("/api/events/1").json


@pytest.mark.parametrize("token", ["x", "a.b.c", "e30.e30."])
def test_an_invalid_token_is_401_even_if_none_is_needed(client, event, token):
    for path in ("/api/events", "/api/events/1"):
        answer = client.get(path, headers={"Authorization": f"Bearer {token}"})
        assert (answer.status_code, answer.json["code"]) == (401, "unauthorized")


def test_an_unexpected_error_reveals_no_detail(client, monkeypatch, event):
    def fail(*_args, **_kwargs):
        raise RuntimeError("secret detail")

    monkeypatch.setattr(EventCache, "get_event", fail)
    answer = client.get("/api/events/1")
    assert answer.status_code == 500
    assert answer.json == {"message": "Internal server error", "code": "internal_error"}
    assert "X-Request-Id" in answer.headers


def test_a_created_resource_is_at_its_location(client, event, attendee, organizer):
    booking = {"eventId": event["eventId"], "quantity": 1}
    person = {"name": "New", "email": "new@example.org", "password": "correct horse"}
    for path, body, headers in (
        ("/api/events", event_body(), organizer["headers"]),
        ("/api/bookings", booking, attendee["headers"]),
        ("/api/auth/register", person, {}),
    ):
        created = client.post(path, json=body, headers=headers)
        assert created.status_code == 201
        headers = headers or {"Authorization": f"Bearer {created.json['accessToken']}"}
        assert client.get(created.headers["Location"], headers=headers).status_code == 200
