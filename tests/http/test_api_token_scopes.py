"""An API token does what its scopes allow, for its events, and never more than its owner may."""

import pytest

from eventapp.core.access.actions import PERMISSION_TABLE, SCOPES
from eventapp.core.errors import Unauthorized
from eventapp.events import service as event_service
from eventapp.tickets import check_ins
from tests.api_tokens import TokenCaller
from tests.bookings_factories import event_of, refused
from tests.http.test_permissions import METHODS, make_path


def list_identifying_routes(app):
    """Return the row, the method and the path of each route that identifies its caller."""
    table = PERMISSION_TABLE.get(app)
    return [
        (table[rule.endpoint], method, make_path(rule).removeprefix("/api"))
        for rule in app.url_map.iter_rules()
        if app.view_functions[rule.endpoint].security
        for method in sorted(rule.methods & set(METHODS))
    ]


def test_every_route_needs_its_scope(app, db, host):
    needed = set()
    all_but = {
        scope: TokenCaller(host, db, *(each for each in SCOPES if each != scope))
        for scope in SCOPES
    }
    everything = TokenCaller(host, db)
    for action, method, path in list_identifying_routes(app):
        token = all_but[action.scope] if action.scope else everything
        refused(token.call(method, path, {}), 403, "scope_missing")
        needed.add(action.scope)
    assert needed == {None, *SCOPES}


def test_every_scope_opens_its_routes(app, db, host):
    only = {scope: TokenCaller(host, db, scope) for scope in SCOPES}
    for action, method, path in list_identifying_routes(app):
        # The bookings of another user are refused by any token.
        if action.scope and not path.startswith("/users/") and "stream" not in path:
            code = (only[action.scope].call(method, path, {}).json or {}).get("code")
            assert code not in ("scope_missing", "forbidden", "unauthorized"), f"{method} {path}"


def test_account_wide_routes_refuse_a_token_for_certain_events(app, db, host):
    token = TokenCaller(host, db, eventIds=[1])
    wide = {True: 0, False: 0}
    for action, method, path in list_identifying_routes(app):
        if action.scope is None or "stream" in path:
            continue
        code = (token.call(method, path, {}).json or {}).get("code")
        # The paths with an event name one that is not the token's.
        is_refused = action.is_account_wide or path.startswith("/events/9")
        is_for_others = is_refused or "/waitlist/9" in path
        assert (code == "scope_missing") == is_for_others, f"{method} {path}: {code}"
        wide[action.is_account_wide] += 1
    assert min(wide.values()) >= 6


def test_a_token_for_certain_events_reaches_these(db, host, ann):
    for _event in range(2):
        event_of(db, 10, organizer_id=host.id)
    token = TokenCaller(host, db, eventIds=[1])
    assert "capacity" in token.get("/events/1").json["ticketTypes"][0]
    assert token.get("/events/1/bookings").json["bookings"] == []
    refused(token.get("/events/2"), 403, "scope_missing")
    listed = {each["eventId"]: each for each in token.get("/events").json["events"]}
    assert {id_: "capacity" in each["ticketTypes"][0] for id_, each in listed.items()} == {
        1: True,
        2: False,
    }
    refused(token.get("/events?mine=true"), 403, "scope_missing")
    bookings = [ann.book(event_id) for event_id in (1, 2)]
    assert token.get(f"/bookings/{bookings[0]['_id']}").status_code == 200
    refused(token.get(f"/bookings/{bookings[1]['_id']}"), 404, "booking_not_found")
    refused(token.cancel(bookings[1]), 404, "booking_not_found")
    assert token.cancel(bookings[0]).status_code == 200


def test_a_token_for_certain_events_books_only_these(db, ann):
    for _event in range(2):
        event_of(db, 2)
    token = TokenCaller(ann, db, eventIds=[1])
    refused(token.order(2, ticketTypeId=1, quantity=2), 403, "scope_missing")
    refused(token.join(2), 403, "scope_missing")
    booking = token.book(1, 2)
    assert token.get(f"/bookings/{booking['_id']}/tickets").status_code == 200
    other = ann.book(2)
    for path in ("", "/tickets", "/calendar.ics"):
        refused(token.get(f"/bookings/{other['_id']}{path}"), 404, "booking_not_found")
    (ticket_id,) = ann.ticket_ids(other)
    refused(token.get(f"/tickets/{ticket_id}/qr.png"), 404, "ticket_not_found")


def test_a_token_of_an_attendee_may_not_organize(db, ann):
    token = TokenCaller(ann, db)
    refused(token.call("POST", "/events", {}), 403, "forbidden")
    refused(token.get("/analytics/overview"), 403, "forbidden")
    assert token.get("/bookings").status_code == 200


def test_a_token_of_an_admin_reaches_only_what_is_the_admins(db, root, host, ann):
    own, foreign = event_of(db, 9, organizer_id=root.id), event_of(db, 9, organizer_id=host.id)
    draft = event_of(db, 9, organizer_id=host.id, status="draft")
    token, booking = TokenCaller(root, db), ann.book(foreign, 3)
    assert token.get(f"/events/{own}/stats").status_code == 200
    refused(token.get(f"/events/{foreign}/stats"), 403, "forbidden")
    refused(token.call("DELETE", f"/events/{foreign}"), 403, "forbidden")
    refused(token.get(f"/events/{draft}"), 404, "event_not_found")
    refused(token.get(f"/bookings/{booking['_id']}"), 404, "booking_not_found")
    refused(token.get(f"/users/{ann.id}/bookings"), 403, "forbidden")
    assert token.get(f"/users/{root.id}/bookings").status_code == 200
    assert token.get("/analytics/overview").json["events"]["total"] == 1
    listed = token.get("/analytics/events").json["events"]
    assert [each["eventId"] for each in listed] == [own]
    for path in ("/users", "/admin/dashboard", f"/users/{ann.id}", "/auth/profile"):
        refused(token.get(path), 403, "scope_missing")
    assert root.get("/analytics/overview").json["events"]["total"] == 3


def test_a_token_makes_no_tokens_and_passwords(db, host):
    token = TokenCaller(host, db)
    body = {"name": "More", "scopes": ["events:read"], "currentPassword": "correct horse"}
    passwords = {"currentPassword": "correct horse", "newPassword": "battery staple"}
    refused(token.call("POST", "/auth/tokens", body), 403, "scope_missing")
    refused(token.get("/auth/tokens"), 403, "scope_missing")
    refused(token.call("DELETE", f"/auth/tokens/{token.token['_id']}"), 403, "scope_missing")
    refused(token.call("PUT", "/auth/change-password", passwords), 403, "scope_missing")
    refused(token.call("POST", "/auth/logout", {}), 403, "scope_missing")
    assert db.apiTokens.count_documents({}) == 1


def test_a_demoted_owner_loses_what_the_token_did_for_events(db, client, app, host, root):
    event_of(db, 10, organizer_id=host.id)
    token = TokenCaller(host, db)
    assert token.get("/events/1/stats").status_code == 200
    root.call("PUT", f"/users/{host.id}", {"role": "attendee"})
    refused(token.get("/events/1/stats"), 403, "forbidden")
    refused(token.call("POST", "/events/1/check-in", {"code": "x"}), 403, "forbidden")
    assert "capacity" not in token.get("/events/1").json["ticketTypes"][0]
    root.call("PUT", f"/users/{host.id}", {"role": "organizer"})
    assert token.get("/events/1/stats").status_code == 200


def test_a_long_answer_breaks_off_when_its_token_ends(db, client, ann, bob, host, monkeypatch):
    monkeypatch.setattr(event_service, "RECHECK_SECONDS", 0)
    monkeypatch.setattr(check_ins, "BATCH_SIZE", 1)
    event_of(db, 10, organizer_id=host.id)
    ann.book(1)
    bob.book(1)
    token = TokenCaller(host, db, "check-in")
    answer = client.get("/api/events/1/check-in", headers=token.headers, buffered=False)
    parts = iter(answer.response)
    next(parts)
    host.call("DELETE", f"/auth/tokens/{token.token['_id']}")
    with pytest.raises(Unauthorized):
        list(parts)
    answer.close()


def test_a_device_id_is_read_beside_a_token(db, host):
    token = TokenCaller(host, db)
    answer = token.client.get("/api/events", headers={**token.headers, "X-Device-Id": "!"})
    assert answer.status_code == 400


def test_the_document_names_the_scope_of_each_call(client):
    paths = client.get("/api/openapi.json").json["paths"]
    assert "needs the scope `bookings:write`." in paths["/api/bookings"]["post"]["description"]
    wide = paths["/api/events"]["post"]["description"]
    assert "`events:write`, and must not be limited to certain events." in wide
    assert "Not for API tokens." in paths["/api/auth/profile"]["get"]["description"]
    assert "API token" not in paths["/api/auth/login"]["post"]["description"]
