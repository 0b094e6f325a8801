"""The Postman collection is up to date, complete, and has a route for every request."""

import json
import re
from urllib.parse import parse_qsl

import pytest
from werkzeug.exceptions import MethodNotAllowed, NotFound

from eventapp.core.http.blueprint import get_input_schemas
from scripts import postman, postman_examples
from tests.architecture import ROOT

METHODS = {"GET", "POST", "PUT", "PATCH", "DELETE"}
# These succeed only with a token that is in a mail, which Postman cannot read, or with a signature.
# The collection shows how each of them is refused; tests/http shows how it succeeds.
UNREACHABLE = {
    ("POST", "/api/payments/webhooks/<provider>"),
    ("POST", "/api/auth/reset-password"),
    ("POST", "/api/auth/verify-email"),
    ("POST", "/mails/unsubscribe"),
    ("POST", "/api/auth/void-email-change"),
    ("POST", "/api/organizers/invitations/accept"),
    ("PATCH", "/api/organizers/me/members/<oid:member_id>"),
    ("DELETE", "/api/organizers/me/members/<oid:member_id>"),
    ("DELETE", "/api/organizers/memberships/<oid:organizer_id>"),
}
LOCK = ROOT / "tests" / "postman" / "package-lock.json"


@pytest.fixture(scope="module")
def requests():
    return [request for folder in postman.read_folders() for request in folder.requests]


def find_route(app, request):
    """Return the method and the rule of a request, or None if it has no route."""
    method, path = re.sub(r"{{\w+}}", "7", request.call).split(" ", 1)
    routes = app.url_map.bind("localhost")
    try:
        rule, _ = routes.match(path.partition("?")[0], method, return_rule=True)
    except (NotFound, MethodNotAllowed):
        return None
    return method, rule.rule


def succeeds(request):
    """Return True if the route succeeds for the request or for the script before it."""
    return request.status < 400 or "pm.sendRequest" in request.before


def test_the_collection_is_generated_from_its_source():
    is_current = postman.COLLECTION.read_text() == postman.render_collection()
    assert is_current, "run python -m scripts.postman after a change in docs/postman/"


def test_every_route_has_a_request_that_succeeds(app, requests):
    routes = {
        (method, rule.rule)
        for rule in app.url_map.iter_rules()
        for method in rule.methods & METHODS
        # Pages are for browsers: tests/pages drives them.
        if not app.view_functions[rule.endpoint].__module__.startswith("eventapp.pages.")
    }
    missing = routes - {find_route(app, request) for request in requests if succeeds(request)}
    refused = {find_route(app, request) for request in requests if request.status in (400, 404)}
    assert missing & refused >= UNREACHABLE
    missing -= UNREACHABLE
    assert not missing, f"add requests to docs/postman/ for {sorted(missing)}"


def test_every_request_has_a_route(app, requests):
    without_route = [request.call for request in requests if find_route(app, request) is None]
    assert without_route == ["GET /api/nowhere", "DELETE /api/events"]


def test_the_names_of_requests_are_unique(requests):
    names = [request.name for request in requests]
    assert len(set(names)) == len(names), "a request with `until` is sent again by its name"


def test_every_variable_is_set_before_it_is_used():
    collection = postman.build_collection()
    environment = json.loads((ROOT / "docs" / "postman_environment.json").read_text())
    known_variables = {
        variable["key"] for variable in (*collection["variable"], *environment["values"])
    }
    for item in (item for folder in collection["item"] for item in folder["item"]):
        scripts = {event["listen"]: "\n".join(event["script"]["exec"]) for event in item["event"]}
        known_variables |= find_assigned_variables(scripts.get("prerequest", ""))
        sent = json.dumps(item["request"])
        read = re.findall(r"ariables\.get\('(\w+)'\)", "\n".join(scripts.values()))
        unknown_variables = {*re.findall(r"{{(\w+)}}", sent), *read} - known_variables
        assert not unknown_variables, f"{item['name']} uses {unknown_variables}"
        known_variables |= find_assigned_variables(scripts["test"])


def find_assigned_variables(script):
    return set(re.findall(r"ariables\.set\('(\w+)'", script))


def test_the_environment_holds_no_password():
    environment = json.loads((ROOT / "docs" / "postman_environment.json").read_text())
    assert {v["key"]: v["value"] for v in environment["values"]}["adminPassword"] == ""


def test_the_lock_file_names_no_registry():
    assert "resolved" not in LOCK.read_text(), (
        "run npm install in tests/postman: its .npmrc leaves the registry out"
    )


def test_requests_send_only_what_their_routes_declare(app, requests):
    undeclared = []
    for request in requests:
        method, path = re.sub(r"{{\w+}}", "7", request.call).split(" ", 1)
        if find_route(app, request) is None or not succeeds(request):
            continue
        endpoint = app.url_map.bind("localhost").match(path.partition("?")[0], method)[0]
        declared = get_input_schemas(app.view_functions[endpoint])
        names = {name for name, _ in parse_qsl(path.partition("?")[2], keep_blank_values=True)}
        known = declared["query"].fields if "query" in declared else {}
        if names - set(known) or (request.body and "json" not in declared):
            undeclared.append(request.name)
    assert undeclared == []


def test_every_request_has_an_example_of_its_answer(requests):
    examples = postman_examples.read_examples()
    assert set(examples) == {request.name for request in requests}, (
        "record them again as scripts/postman_examples.py says"
    )
    for request in requests:
        assert examples[request.name]["status"] == request.status, request.name
        assert request.answers in examples[request.name]["contentType"] or request.answers == (
            postman.NO_CONTENT
        )


def test_examples_hold_no_token(requests):
    text = postman_examples.EXAMPLES.read_text()
    assert re.search(r"[\w.-]{120,}", text) is None
    assert "127.0.0.1" not in text
    assert not re.search(r"whsec_[A-Za-z0-9+/=]{20}", text)
