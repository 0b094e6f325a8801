"""The public profile of an organizer: what everyone sees, and how the organizer writes it."""

from io import BytesIO

import pytest
from bson import ObjectId

from tests import pictures
from tests.api_tokens import TokenCaller
from tests.bookings_factories import Caller, event_of, refused, types
from tests.factories import day

OWN = "/organizers/me"
EMPTY = {"name": None, "about": "", "links": [], "showPhoto": False}
WRITTEN = {
    "name": "Blue Note Nights",
    "about": "Jazz\nin small rooms",
    "links": [
        {"url": "https://bluenote.example.org/a?b=c#d", "label": "Programme"},
        {"url": "https://example.org:8443"},
    ],
    "showPhoto": True,
}
SECRET_TYPES = [{**each, "visibility": "secret"} for each in types(5)]


def at(offset):
    return [{"date": day(offset), "location": "Volos"}]


def page_of(organizer):
    return f"/organizers/{organizer.id}"


def is_hidden(client, organizer):
    """Return whether profile and list are refused, both exactly as those of an unknown id."""
    found = []
    for path in ("", "/events"):
        shown = client.get(f"/api{page_of(organizer)}{path}")
        unknown = client.get(f"/api/organizers/{ObjectId()}{path}")
        refused(unknown, 404, "organizer_not_found")
        found.append((shown.status_code, shown.json) == (404, unknown.json))
    assert found[0] == found[1]
    return found[0]


def test_an_organizer_writes_the_profile_as_a_whole(db, host, ann, client):
    assert host.get(OWN).json == EMPTY
    answer = host.call("PUT", OWN, WRITTEN)
    assert (answer.status_code, answer.json) == (200, WRITTEN)
    assert host.get(OWN).json == WRITTEN
    account = host.get("/auth/profile").json
    assert WRITTEN["name"] not in str(account)
    assert host.get(f"/users/{host.id}/export").json["organizerProfile"] == WRITTEN
    assert host.call("PUT", OWN, {"about": "New"}).json == {**EMPTY, "about": "New"}
    assert host.call("PUT", OWN, {}).json == EMPTY
    for method in ("GET", "PUT"):
        refused(ann.call(method, OWN), 403, "forbidden")
        assert client.open(f"/api{OWN}", method=method).status_code == 401
    token = TokenCaller(host, db, "events:read", "events:write")
    refused(token.get(OWN), 403, "scope_missing")


@pytest.mark.parametrize(
    "url",
    [
        "http://example.org",
        "javascript:alert(1)",
        "https://user:password@example.org",
        "https://example.org\\@evil.example",
        "https://localhost",
        "https://exa mple.org",
        "https://example.org/\u2028x",
        "//example.org",
        "",
        "https://example.org/" + "x" * 500,
        {"$ne": 1},
        None,
    ],
)
def test_only_https_links_are_taken(host, url):
    body = refused(host.call("PUT", OWN, {"links": [{"url": url}]}), 400, "validation_error")
    assert list(body["errors"]) == ["links.0.url"]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", " "),
        ("name", "x" * 201),
        ("about", "x" * 2001),
        ("about", None),
        ("links", [{"url": "https://example.org"}] * 11),
        ("links", None),
        ("showPhoto", "yes"),
        ("photo", "https://example.org/x.png"),
    ],
)
def test_other_values_are_refused(host, field, value):
    body = refused(host.call("PUT", OWN, {field: value}), 400, "validation_error")
    assert list(body["errors"]) == [field]


def test_everyone_sees_the_profile_and_the_upcoming_events(client, db, host, app):
    event_of(db, 5, organizer_id=host.id, schedule=at(9))
    event_of(db, 5, organizer_id=host.id, schedule=at(3))
    event_of(db, 5, organizer_id=host.id, schedule=at(-9))
    event_of(db, 5, organizer_id=host.id, status="draft")
    event_of(db, 5, organizer_id=host.id, status="cancelled")
    event_of(db, organizer_id=host.id, ticketTypes=SECRET_TYPES)
    event_of(db, 5, organizer_id=Caller(client, app, "organizer").id)
    host.call("PUT", OWN, WRITTEN)
    shown = client.get(f"/api{page_of(host)}")
    expected = {each: WRITTEN[each] for each in ("name", "about", "links")}
    expected |= {"organizerId": str(host.id), "photo": "", "upcomingEvents": 2}
    assert shown.json == expected
    assert shown.headers["Cache-Control"].startswith("public")
    again = client.get(f"/api{page_of(host)}", headers={"If-None-Match": shown.headers["ETag"]})
    assert again.status_code == 304
    listed = client.get(f"/api{page_of(host)}/events").json
    assert [each["eventId"] for each in listed["events"]] == [2, 1]
    assert listed["total"] == 2
    # The organizer sees the counts of the own events, and no drafts.
    own = host.get(f"{page_of(host)}/events").json["events"]
    assert [("capacity" in each["ticketTypes"][0], each["eventId"]) for each in own] == [
        (True, 2),
        (True, 1),
    ]


def test_an_organizer_without_an_event_that_everyone_sees_has_no_page(client, db, host, ann):
    host.call("PUT", OWN, WRITTEN)
    assert is_hidden(client, host)
    assert is_hidden(client, ann)
    event_of(db, 5, organizer_id=host.id, status="draft")
    event_of(db, 5, organizer_id=host.id, status="cancelled")
    event_of(db, organizer_id=host.id, ticketTypes=SECRET_TYPES)
    assert is_hidden(client, host)
    assert host.get(page_of(host)).status_code == 404
    event_of(db, 5, organizer_id=host.id, schedule=at(-9))
    assert not is_hidden(client, host)
    assert client.get(f"/api{page_of(host)}").json["upcomingEvents"] == 0
    assert client.get(f"/api{page_of(host)}/events").json["events"] == []
    refused(client.get("/api/organizers/7"), 400, "validation_error")


def test_neither_name_nor_about_nor_photo_of_the_account_are_shown(client, db, host):
    db.users.update_one({"_id": host.id}, {"$set": {"name": "Zenobia", "about": "Zenobia's own"}})
    form = {"file": (BytesIO(pictures.photo()), "photo.jpg")}
    photo = client.put(f"/api/users/{host.id}/photo", data=form, headers=host.headers)
    assert photo.status_code == 200
    event_of(db, 5, organizer_id=host.id, organizer="Old Hall", schedule=at(3))
    event_of(db, 5, organizer_id=host.id, organizer="New Hall", schedule=at(3))
    event_of(db, 5, organizer_id=host.id, organizer="Past Hall", schedule=at(-3))
    event_of(db, 5, organizer_id=host.id, organizer="Drafted Hall", status="draft")
    shown = client.get(f"/api{page_of(host)}")
    assert "Zenobia" not in shown.text
    assert (shown.json["name"], shown.json["about"], shown.json["photo"]) == ("New Hall", "", "")
    host.call("PUT", OWN, {"showPhoto": True})
    url = client.get(f"/api{page_of(host)}").json["photo"]
    assert url.startswith("http")
    assert url == host.get("/auth/profile").json["userImg"]


def test_cursors_walk_the_list_of_one_organizer(client, db, host, app):
    other = Caller(client, app, "organizer")
    for organizer in (host, host, host, other):
        event_of(db, 5, organizer_id=organizer.id)
    first = client.get(f"/api{page_of(host)}/events?limit=2").json
    rest = client.get(f"/api{page_of(host)}/events?limit=2&cursor={first['nextCursor']}").json
    assert [len(each["events"]) for each in (first, rest)] == [2, 1]
    assert rest["nextCursor"] is None
    taken = client.get(f"/api{page_of(other)}/events?cursor={first['nextCursor']}")
    refused(taken, 400, "validation_error")
    foreign = client.get("/api/events?limit=2").json["nextCursor"]
    refused(client.get(f"/api{page_of(host)}/events?cursor={foreign}"), 400, "validation_error")


def test_a_demoted_or_deleted_organizer_has_no_page(client, db, host, root, app):
    other = Caller(client, app, "organizer")
    event_of(db, 5, organizer_id=host.id)
    host.call("PUT", OWN, WRITTEN)
    assert not is_hidden(client, host)
    for role, hidden in (("attendee", True), ("organizer", False)):
        assert root.call("PUT", f"/users/{host.id}", {"role": role}).status_code == 200
        assert is_hidden(client, host) == hidden
    deleted = root.call("DELETE", f"/users/{host.id}?transferTo={other.id}")
    assert deleted.status_code == 200, deleted.json
    assert is_hidden(client, host)
    assert not is_hidden(client, other)
    assert WRITTEN["name"] not in str(list(db.users.find()))
