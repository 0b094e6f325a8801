"""Every route treats what is own and what is foreign as its row in the permission table says."""

import io
import re

import pytest
from bson import ObjectId

from eventapp.core.access.actions import ANYONE, PERMISSION_TABLE, USERS
from eventapp.core.roles import ROLES, TEAM_ROLES
from tests import factories
from tests.api_tokens import TokenCaller
from tests.bookings_factories import Caller
from tests.http.test_docs import list_json_bodies
from tests.teams import add_member

# The parameters of a path that name something with an owner.
OWNED = ("event_id", "booking_id", "user_id", "ticket_id", "reference")
# The parameters of a path that name a part of an event, such as its first ticket type.
PARTS = {"ticket_type_index": 0, "schedule_index": 0}
# Actions on the events of others that every user may do: to book, and to write in their chats.
FOR_ALL_EVENTS = {"book and wait", "complete bookings", "write in chats", "keep favorites"}
# The refusals of a foreign event, account and booking. Whether a booking exists is not told.
REFUSALS = {"forbidden", "booking_not_found"}


@pytest.fixture
def examples(client):
    """The example of each JSON body, by the method and the path."""
    document = client.get("/api/openapi.json").json
    bodies = list_json_bodies(document)
    return {(method.upper(), path): body["example"] for method, path, body in bodies}


def list_owned_routes(app):
    """Return the row, the method and the path of each route on something that has an owner."""
    table, found = PERMISSION_TABLE.get(app), []
    for rule in app.url_map.iter_rules():
        action = table[rule.endpoint]
        is_for_all = action.callers == ANYONE or action.name in FOR_ALL_EVENTS
        if set(OWNED) & rule.arguments and (not is_for_all or "confirm" in rule.rule):
            path = re.sub(r"<(?:\w+(?:\([^)]*\))?:)?(\w+)>", r"{\1}", rule.rule)
            methods = sorted(rule.methods - {"HEAD", "OPTIONS"})
            found += [(action, method, path) for method in methods]
    return found


class Owners:
    """Makes what belongs to an organizer and to the holder of a booking, new for every request."""

    def __init__(self, client, app, db):
        self._client, self._app, self._db = client, app, db

    def make(self, path, role):
        """Return the owner of what the path names, with this role, and the values of the path.

        Events belong to an organizer. Bookings and accounts belong to any user.
        """
        owner = Caller(self._client, self._app, role)
        event = factories.make_event(self._db, organizer_id=owner.id)
        values = {"event_id": event["eventId"], "user_id": owner.id, **PARTS}
        values["image_id"] = values["announcement_id"] = values["device_id"] = ObjectId()
        if {"{booking_id}", "{ticket_id}", "{reference}"} & set(re.findall(r"{\w+}", path)):
            hold = path.endswith("/confirm")
            booking = owner.book(event["eventId"], hold=hold)
            values["booking_id"], values["reference"] = booking["_id"], booking["bookingReference"]
            values["ticket_id"] = next(iter(owner.ticket_ids(booking)), "")
        return owner, values


def send(caller, method, path, values, example):
    """Send a request and return the code of its error; None if it succeeds."""
    url = re.sub(r"{(\w+)}", lambda name: str(values.get(name[1], 1)), path)
    if "photo" in path or "image" in path or path.endswith("/gallery"):
        data = {"file": (io.BytesIO(b"no picture"), "x.png")}
        answer = caller.client.open(url, method=method, data=data, headers=caller.headers)
    else:
        answer = caller.client.open(url, method=method, json=example, headers=caller.headers)
    assert answer.status_code != 401
    if answer.status_code < 400:
        return None
    # The picture of a ticket is refused as if there were no such ticket.
    is_hidden_ticket = "{ticket_id}" in path and answer.json["code"] == "ticket_not_found"
    return "forbidden" if is_hidden_ticket else answer.json["code"]


def may_call(action, role):
    """Return whether the decorator of a route accepts this role."""
    return role == "admin" or role in action.callers.split() or "self" in action.callers


@pytest.mark.parametrize("role", ROLES)
def test_what_is_foreign_is_for_the_roles_in_its_column(app, client, db, examples, role):
    owners, caller, checked = Owners(client, app, db), Caller(client, app, role), set()
    for action, method, path in list_owned_routes(app):
        if not may_call(action, role):
            continue
        _, values = owners.make(path, "organizer")
        code = send(caller, method, path, values, examples.get((method, path)))
        if role in action.foreign:
            assert code not in REFUSALS, f"{method} {path}"
        else:
            assert code in REFUSALS, f"{method} {path}: {code}"
        checked.add(action.name)
    assert len(checked) >= 4


@pytest.mark.parametrize("role", ROLES)
def test_what_is_own_is_for_the_roles_in_its_column(app, client, db, examples, role):
    owners, checked = Owners(client, app, db), set()
    for action, method, path in list_owned_routes(app):
        if not may_call(action, role):
            continue
        owner, values = owners.make(path, role)
        code = send(owner, method, path, values, examples.get((method, path)))
        assert (code not in REFUSALS) == (role in action.own), f"{method} {path}: {code}"
        checked.add(action.name)
    assert len(checked) >= 4


@pytest.mark.parametrize("by_token", [False, True])
@pytest.mark.parametrize("role", TEAM_ROLES)
def test_events_of_a_team_are_for_the_team_roles_in_its_column(
    app, client, db, examples, role, by_token
):
    """The account of the member has the role attendee, which alone may do none of this."""
    owners, member, checked = Owners(client, app, db), Caller(client, app), set()
    caller = TokenCaller(member, db) if by_token else member
    for action, method, path in list_owned_routes(app):
        if "{event_id}" not in path:
            continue
        host, values = owners.make(path, "organizer")
        other = factories.make_event(db, organizer_id=host.id)["eventId"]
        for event_ids in (None, [values["event_id"]], [other]):
            add_member(db, host, member, role, event_ids)
            code = send(caller, method, path, values, examples.get((method, path)))
            if by_token and action.scope is None:
                assert code == "scope_missing", f"{method} {path}: {code}"
                continue
            # Who may act on certain events only does nothing that makes or concerns others.
            is_reached = event_ids is None or (event_ids != [other] and not action.is_account_wide)
            is_allowed = role in action.team and is_reached
            assert (code not in REFUSALS) == is_allowed, f"{method} {path} {event_ids}: {code}"
        checked.add(action.name)
    assert len(checked) >= 5


def test_the_columns_name_roles_that_may_call_the_route(app):
    for endpoint, action in PERMISSION_TABLE.get(app).items():
        assert set(action.own) | set(action.foreign) <= set(USERS), endpoint
        if action.callers != ANYONE:
            assert all(may_call(action, role) for role in action.own), endpoint
        # A team never may what its organizer may not. A manager may all that other members may.
        assert not action.team or set(action.own) >= {"organizer", "admin"}, endpoint
        assert not action.team or "manager" in action.team, endpoint
        # Whoever may act on what is foreign may act on what is own, too.
        assert set(action.foreign) <= set(action.own), endpoint
