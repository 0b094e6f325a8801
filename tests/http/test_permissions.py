"""Every route declares which callers it accepts, and refuses all others."""

import re
from dataclasses import replace

import pytest
from bson import ObjectId
from flask import Flask

from eventapp.core.access import actions, permissions
from eventapp.core.access.actions import PERMISSION_TABLE, Action, build_permission_table
from eventapp.core.access.declarations import require_declared_permissions
from tests import factories

ROLES = ("attendee", "organizer", "admin")
SAMPLES = {"whole": "999999", "oid": str(ObjectId()), "path": "x", "string": "x", "int": "1"}
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
PERMISSIONS = {"anyone", "self admin", "admin", "organizer", "attendee organizer admin"}


def iter_routes(app):
    """Yield the method, a path with sample values, and the permission of each route."""
    for rule in app.url_map.iter_rules():
        permission = app.view_functions[rule.endpoint].permission
        for method in sorted(rule.methods & set(METHODS)):
            yield method, make_path(rule), permission


def make_path(rule):
    """Return the path of a route with sample values."""
    return re.sub(r"<(?:(\w+)(?:\([^)]*\))?:)?\w+>", _sample, rule.rule)


def _sample(match):
    return SAMPLES[match[1] or "string"]


def get_refusal_status(permission, role):
    """Return the status of the refusal of a role, or None if it is accepted."""
    if permission == "anyone" or (role == "admin" and role):
        return None
    if role is None:
        return 401
    return None if role in permission.split() else 403


def test_every_route_declares_a_permission(app):
    declared = {permission for _, _, permission in iter_routes(app)}
    assert declared <= PERMISSIONS
    assert len(declared) >= 4


@pytest.fixture
def bare_app():
    """An application with one route, which has a permission and a row in the table."""
    app = Flask(__name__, static_folder=None)
    app.add_url_rule("/declared", view_func=permissions.anyone(lambda: "x"), endpoint="declared")
    row = Action("look", actions.ANYONE, actions.NOBODY, actions.NOBODY, None, ())
    PERMISSION_TABLE.set(app, {"declared": row})
    require_declared_permissions(app)
    return app


def test_a_route_without_a_permission_is_an_error_at_start(bare_app):
    bare_app.add_url_rule("/undeclared", view_func=lambda: "x", endpoint="undeclared")
    with pytest.raises(RuntimeError, match="undeclared"):
        require_declared_permissions(bare_app)


def test_a_route_without_a_row_in_the_table_is_an_error_at_start(bare_app):
    view = permissions.anyone(lambda: "x")
    bare_app.add_url_rule("/unlisted", view_func=view, endpoint="unlisted")
    with pytest.raises(RuntimeError, match=r"add a row .* for \['unlisted'\]"):
        require_declared_permissions(bare_app)


def test_a_row_without_a_route_is_an_error_at_start(bare_app):
    table = PERMISSION_TABLE.get(bare_app)
    PERMISSION_TABLE.set(bare_app, {**table, "removed": table["declared"]})
    with pytest.raises(RuntimeError, match=r"without a route: \['removed'\]"):
        require_declared_permissions(bare_app)


def test_a_row_for_other_callers_than_its_route_is_an_error_at_start(bare_app):
    row = Action("look", actions.ANY_USER, actions.NOBODY, actions.NOBODY, None, ())
    PERMISSION_TABLE.set(bare_app, {"declared": row})
    with pytest.raises(RuntimeError, match="declared is for anyone, but by its row for attendee"):
        require_declared_permissions(bare_app)


def test_the_table_refuses_a_route_with_two_rows_and_unknown_scopes_and_team_roles():
    row = Action("look", actions.ANYONE, actions.NOBODY, actions.NOBODY, None, ())
    with pytest.raises(ValueError, match="events.look has two rows"):
        build_permission_table([(row, ["events.look"]), (row, ["events.look"])])
    with pytest.raises(ValueError, match="no scope events"):
        build_permission_table([(replace(row, scope="events"), ["events.look"])])
    with pytest.raises(ValueError, match="no team role {'owner'}"):
        build_permission_table([(replace(row, team=("owner",)), ["events.look"])])


@pytest.mark.parametrize("role", [None, "attendee", "organizer"])
def test_every_route_refuses_callers_without_its_permission(app, client, role):
    headers = factories.make_user(app, role)["headers"] if role else {}
    checked = 0
    for method, path, permission in iter_routes(app):
        status = get_refusal_status(permission, role)
        if status is None:
            continue
        answer = client.open(path, method=method, json={}, headers=headers)
        assert answer.status_code == status, f"{method} {path} for {permission}"
        assert answer.json["code"] == {401: "unauthorized", 403: "forbidden"}[status]
        checked += 1
    assert checked >= 5


def test_permissions_are_checked_before_the_body(client, attendee):
    for body in (b"{", b'{"title": 7}', b""):
        answer = client.post("/api/events", data=body, content_type="application/json")
        assert answer.status_code == 401
        answer = client.post(
            "/api/events", data=body, content_type="application/json", headers=attendee["headers"]
        )
        assert answer.status_code == 403


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/api/events"), ("GET", "/api/favorites"), ("GET", "/healthz"), ("GET", "/metrics")],
)
def test_routes_for_anyone_need_no_token(client, method, path):
    assert client.open(path, method=method).status_code == 200


def test_organizers_manage_only_their_own_events(app, client, db, organizer, admin):
    event = factories.make_event(db, organizer_id=organizer["id"])
    other = factories.make_user(app, "organizer")
    path = f"/api/events/{event['eventId']}"
    for method, body in (("PUT", factories.event_body()), ("DELETE", {})):
        answer = client.open(path, method=method, json=body, headers=other["headers"])
        assert (answer.status_code, answer.json["code"]) == (403, "forbidden")
    assert (
        client.put(path, json=factories.event_body(), headers=organizer["headers"]).status_code
        == 200
    )
    assert client.delete(path, headers=admin["headers"]).status_code == 200


@pytest.fixture(scope="module")
def demo_app(make_app):
    return make_app(DEMO_OPEN="1")


# The routes that DEMO_OPEN opens: those of the Tickest client that need a role.
OPEN_IN_DEMO = {
    ("POST", "/api/events"),
    ("PUT", "/api/events/<whole:event_id>"),
    ("DELETE", "/api/events/<whole:event_id>"),
    ("PATCH", "/api/events/<whole:event_id>/ticketTypes/<whole:ticket_type_index>"),
    ("PATCH", "/api/events/<whole:event_id>/schedule/<whole:schedule_index>"),
    ("GET", "/api/users"),
    ("GET", "/api/users/<oid:user_id>"),
    ("PUT", "/api/users/<oid:user_id>"),
    ("DELETE", "/api/users/<oid:user_id>"),
}


class TestDemoOpen:
    """With DEMO_OPEN=1, callers without a token may use every route of the Tickest client."""

    @pytest.fixture
    def app(self, demo_app):
        return demo_app

    def test_events_can_be_managed_without_a_token(self, client):
        created = client.post("/api/events", json=factories.event_body())
        assert created.status_code == 201
        path = f"/api/events/{created.json['eventId']}"
        assert client.get(path).status_code == 200
        assert client.put(path, json=factories.event_body(title="New")).json["title"] == "New"
        assert client.patch(f"{path}/ticketTypes/0", json={"price": 35}).status_code == 200
        assert client.patch(f"{path}/schedule/0", json={"location": "Volos"}).status_code == 200
        favorite = client.post("/api/favorites", json={"eventId": created.json["eventId"]})
        assert favorite.status_code == 201
        assert client.post("/api/recoms", json=["other"]).json[0]["favorited"] is True
        assert client.delete(path).json == {"message": "Event deleted successfully"}

    def test_users_can_be_managed_without_a_token(self, client):
        body = {"name": "John Doe", "email": "user@example.com", "password": "password123"}
        user = client.post("/api/users", json=body).json["user"]
        assert client.get("/api/users").json["users"] == [user]
        path = f"/api/users/{user['_id']}"
        assert client.get(path).json == user
        assert client.put(path, json={"name": "Jane Doe"}).json["name"] == "Jane Doe"
        assert client.delete(path).status_code == 200
        assert client.get(path).status_code == 404

    def test_all_other_restricted_routes_still_refuse(self, app, client):
        opened = {
            (method, rule.rule)
            for rule in app.url_map.iter_rules()
            if app.view_functions[rule.endpoint].permission != "anyone"
            for method in rule.methods & set(METHODS)
            if client.open(make_path(rule), method=method, json={}).status_code != 401
        }
        assert opened == OPEN_IN_DEMO

    def test_the_role_of_an_admin_is_not_given_away(self, app, client, db):
        body = {"name": "John Doe", "email": "user@example.com", "password": "password123"}
        path = f"/api/users/{client.post('/api/users', json=body).json['user']['_id']}"
        assert client.put(path, json={"role": "admin"}).status_code == 403
        assert client.put(path, json={"role": "organizer"}).status_code == 403
        root = factories.make_user(app, "admin")
        assert (
            client.put(f"/api/users/{root['id']}", json={"email": "x@y.example"}).status_code == 403
        )
        assert client.delete(f"/api/users/{root['id']}").status_code == 403
        assert (
            client.put(path, json={"role": "organizer"}, headers=root["headers"]).status_code == 200
        )

    def test_counts_of_sold_tickets_are_not_given_away(self, client, db):
        event = factories.make_event(db)
        path = f"/api/events/{event['eventId']}"
        assert "soldTickets" not in client.get(path).json["ticketTypes"][0]

    def test_a_token_still_limits_its_user_to_their_role(self, app, client, db):
        attendee = factories.make_user(app, "attendee")
        answer = client.post("/api/events", json={}, headers=attendee["headers"])
        assert answer.status_code == 403
