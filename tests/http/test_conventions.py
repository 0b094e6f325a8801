"""Conventions that hold for the answers of every route."""

import ast

import pytest

from eventapp.config import ROOT
from eventapp.core import errors
from tests.architecture import FILES
from tests.factories import day, make_event
from tests.http.test_undeclared_input import list_routes

NO_TOKENS = [
    "Bearer null",
    "Bearer undefined",
    "Bearer None",
    "Bearer",
    "Bearer ",
    "bearer NULL",
    "",
]
PUBLIC = ["/api/events", "/api/events/1", "/api/events/popular", "/api/favorites"]


def raises_validation_error(node, class_names):
    """Return True for a call that makes a ValidationFailed itself."""
    return isinstance(node, ast.Call) and getattr(node.func, "id", None) in class_names


def find_errors_without_fields(source):
    """Return the lines that make an error of status 400 without naming a field."""
    tree, lines = ast.parse(source), []
    for node in ast.walk(tree):
        calls = [node] if raises_validation_error(node, {"ValidationFailed"}) else []
        if isinstance(node, ast.ClassDef) and any(
            getattr(base, "id", None) == "ValidationFailed" for base in node.bases
        ):
            calls += [each for each in ast.walk(node) if is_super_call(each)] or [node]
        lines += [
            call.lineno
            for call in calls
            if not any(keyword.arg == "errors" for keyword in getattr(call, "keywords", []))
        ]
    return lines


def is_super_call(node):
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Call)
        and getattr(node.func.value.func, "id", None) == "super"
    )


def test_every_validation_error_names_the_field_at_fault():
    sources = {name: (ROOT / name).read_text() for name in FILES if name.startswith("eventapp/")}
    without = {name: find_errors_without_fields(source) for name, source in sources.items()}
    assert {name: lines for name, lines in without.items() if lines} == {}
    assert find_errors_without_fields("raise ValidationFailed('x')") == [1]
    assert find_errors_without_fields("class A(ValidationFailed): pass") == [1]
    assert errors.ValidationFailed.status == 400


def test_every_401_has_a_challenge(app, client):
    checked = 0
    for method, path, _ in list_routes(app):
        for header in (None, "Bearer null", "Bearer a.b.c"):
            headers = {"Authorization": header} if header else {}
            answer = client.open(path, method=method, json={}, headers=headers)
            answer.close()
            if answer.status_code == 401:
                checked += 1
                challenge = answer.headers["WWW-Authenticate"]
                assert challenge.startswith('Bearer realm="eventapp"'), path
                assert ("invalid_token" in challenge) == (header is not None), path
    assert checked > 100
    wrong = client.post("/api/auth/login", json={"name": "nobody", "password": "wrong password"})
    assert wrong.status_code == 401
    assert wrong.headers["WWW-Authenticate"] == 'Bearer realm="eventapp"'


@pytest.mark.parametrize("header", NO_TOKENS)
def test_a_header_without_a_token_counts_as_none(client, db, organizer, header):
    make_event(db, organizer_id=organizer["id"])
    for path in PUBLIC:
        answer = client.get(path, headers={"Authorization": header})
        expected = client.get(path)
        assert (answer.status_code, answer.data) == (200, expected.data), path
    for path in ("/api/auth/profile", "/api/bookings"):
        assert client.get(path, headers={"Authorization": header}).status_code == 401
    assert client.post("/api/auth/refresh", headers={"Authorization": header}).status_code == 401


@pytest.mark.parametrize(
    "path", ["/api/events/%2F", "/api/events/%2f/", "/api/events//", "/api/bookings/reference/%2F"]
)
def test_an_encoded_slash_is_no_redirect_to_the_list(client, path):
    answer = client.get(path)
    assert (answer.status_code, answer.json["code"]) == (404, "not_found")
    assert answer.content_type == "application/json"


def test_an_index_out_of_range_names_its_field(client, db, organizer, attendee):
    make_event(db, organizer_id=organizer["id"], schedule=[{"date": day(3), "location": "Volos"}])
    headers = organizer["headers"]
    missing = ["The event has no such entry."]
    for path, body, field in (
        ("/api/events/1/schedule/5", {"location": "X"}, "scheduleIndex"),
        ("/api/events/1/ticketTypes/5", {"price": 1}, "ticketTypeIndex"),
    ):
        answer = client.patch(path, json=body, headers=headers)
        assert (answer.status_code, answer.json["errors"]) == (400, {field: missing})
        answer = client.patch(path.replace("5", "x"), json=body, headers=headers)
        assert (answer.status_code, list(answer.json["errors"])) == (400, [field])
    order = {"eventId": 1, "quantity": 1, "scheduleIndex": 7}
    answer = client.post("/api/bookings", json=order, headers=attendee["headers"])
    assert (answer.status_code, answer.json["errors"]) == (400, {"scheduleIndex": missing})
    assert answer.json["message"] == "Invalid schedule index"
