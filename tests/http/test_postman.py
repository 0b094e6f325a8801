"""The Postman collection: made of its source, whole, and fit for the routes there are."""

import json
import re

import pytest
from werkzeug.exceptions import MethodNotAllowed, NotFound

from scripts import postman
from tests.architecture import ROOT

METHODS = {"GET", "POST", "PUT", "PATCH", "DELETE"}
LOCK = ROOT / "tests" / "postman" / "package-lock.json"


@pytest.fixture(scope="module")
def requests():
    return [request for folder in postman.folders() for request in folder.requests]


def route_of(app, request):
    """The rule and the method of a request; None where there is none."""
    method, path = re.sub(r"{{\w+}}", "7", request.call).split(" ", 1)
    routes = app.url_map.bind("localhost")
    try:
        rule, _ = routes.match(path.partition("?")[0], method, return_rule=True)
    except (NotFound, MethodNotAllowed):
        return None
    return method, rule.rule


def succeeds(request):
    """Whether the route does its work: in the request itself, or for the script before it."""
    return request.status < 400 or "pm.sendRequest" in request.before


def test_the_file_is_what_its_source_makes():
    made = postman.COLLECTION.read_text() == postman.written()
    assert made, "run scripts/postman.py after a change in docs/postman/"


def test_every_route_has_a_request_that_succeeds(app, requests):
    routes = {
        (method, rule.rule)
        for rule in app.url_map.iter_rules()
        for method in rule.methods & METHODS
    }
    missing = routes - {route_of(app, request) for request in requests if succeeds(request)}
    assert not missing, f"add requests to docs/postman/ for {sorted(missing)}"


def test_every_request_has_a_route(app, requests):
    lost = [request.call for request in requests if route_of(app, request) is None]
    assert lost == ["GET /api/nowhere", "DELETE /api/events"]


def test_no_two_requests_have_one_name(requests):
    names = [request.name for request in requests]
    assert len(set(names)) == len(names), "`until` sends a request again by its name"


def test_every_variable_is_kept_before_it_is_used():
    made = postman.collection()
    environment = json.loads((ROOT / "docs" / "postman_environment.json").read_text())
    known = {variable["key"] for variable in (*made["variable"], *environment["values"])}
    for item in (item for folder in made["item"] for item in folder["item"]):
        scripts = {event["listen"]: "\n".join(event["script"]["exec"]) for event in item["event"]}
        known |= kept_by(scripts.get("prerequest", ""))
        sent = json.dumps(item["request"])
        read = re.findall(r"ariables\.get\('(\w+)'\)", "\n".join(scripts.values()))
        unknown = {*re.findall(r"{{(\w+)}}", sent), *read} - known
        assert not unknown, f"{item['name']} uses {unknown}"
        known |= kept_by(scripts["test"])


def kept_by(script):
    return set(re.findall(r"ariables\.set\('(\w+)'", script))


def test_the_environment_holds_no_password():
    environment = json.loads((ROOT / "docs" / "postman_environment.json").read_text())
    assert {v["key"]: v["value"] for v in environment["values"]}["adminPassword"] == ""


def test_the_lock_names_no_registry():
    assert "resolved" not in LOCK.read_text(), (
        "npm install in tests/postman, whose .npmrc leaves it out"
    )
