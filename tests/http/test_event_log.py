"""The log of an event has an entry for each change that a person makes, for those who manage it."""

from io import BytesIO

import pytest

from eventapp.core.access.actions import PERMISSION_TABLE
from eventapp.core.roles import TEAM_ROLES
from eventapp.events import store, store_log
from eventapp.events.log_entries import MAX_CHANGES, MAX_TEXT
from tests import pictures
from tests.api_tokens import TokenCaller
from tests.bookings_factories import event_of, refused, types
from tests.factories import day, event_body
from tests.teams import add_member

# The rows of the permission table whose routes change events.
CHANGING_ACTIONS = {"create events", "duplicate events", "edit events"}
CODE = {"code": "SPRING", "kind": "percent", "value": 12.5}
QUOTA = {"name": "Hall", "capacity": 100}
TYPE = {"type": "Balcony", "price": 5, "availableTickets": 3}


@pytest.fixture
def event_id(host, db):
    """A draft of the host with two ticket types, a quota and a promo code."""
    event_id = event_of(db, 9, 9, organizer_id=host.id, status="draft")
    host.call("POST", f"/events/{event_id}/quotas", QUOTA)
    host.call("POST", f"/events/{event_id}/promo-codes", CODE)
    return event_id


def read_log(caller, event_id, query="limit=100"):
    answer = caller.get(f"/events/{event_id}/log?{query}")
    assert answer.status_code == 200, answer.json
    return answer.json["entries"]


def upload_photo(caller, event_id):
    form = {"file": (BytesIO(pictures.photo()), "photo.jpg")}
    path = f"/api/events/{event_id}/image"
    return caller.client.put(path, data=form, headers=caller.headers)


def call(method, path, body=None):
    return lambda host, event_id: host.call(method, f"/events/{event_id}{path}", body)


# For each route that changes an event: the request, the action, and a field that it changes.
CHANGES = {
    "events.replace_event": (
        lambda host, event_id: host.call(
            "PUT", f"/events/{event_id}", event_body(title="New", ticketTypes=types(9, 9))
        ),
        *("edited", "title"),
    ),
    "events.publish_event": (call("POST", "/publish"), "published", "status"),
    "event_bookings.cancel_event": (call("POST", "/cancel"), "cancelled", "status"),
    "event_photos.set_photo": (upload_photo, "edited", "image"),
    "event_parts.add_type": (call("POST", "/ticket-types", TYPE), "edited", "ticketTypes.3.type"),
    "event_parts.patch_type": (
        call("PATCH", "/ticket-types/2", {"price": 7.5}),
        *("edited", "ticketTypes.2.price"),
    ),
    "event_parts.drop_type": (
        call("DELETE", "/ticket-types/2"),
        *("edited", "ticketTypes.2.capacity"),
    ),
    "event_parts.patch_type_by_index": (
        call("PATCH", "/ticketTypes/0", {"availableTickets": 4}),
        *("edited", "ticketTypes.1.capacity"),
    ),
    "event_parts.patch_schedule_entry": (
        call("PATCH", "/schedule/0", {"location": "Tent"}),
        *("edited", "schedule.1.location"),
    ),
    "quotas.create_quota": (
        call("POST", "/quotas", {**QUOTA, "name": "Stage"}),
        *("edited", "quotas.2.capacity"),
    ),
    "quotas.patch_quota": (
        call("PATCH", "/quotas/1", {"capacity": 50}),
        *("edited", "quotas.1.capacity"),
    ),
    "quotas.delete_quota": (call("DELETE", "/quotas/1"), "edited", "quotas.1.name"),
    "promo_codes.create_promo_code": (
        call("POST", "/promo-codes", {**CODE, "code": "AUTUMN"}),
        *("edited", "promoCodes.2.value"),
    ),
    "promo_codes.patch_promo_code": (
        call("PATCH", "/promo-codes/1", {"code": "Summer"}),
        *("edited", "promoCodes.1.code"),
    ),
    "promo_codes.delete_promo_code": (
        call("DELETE", "/promo-codes/1"),
        *("edited", "promoCodes.1.code"),
    ),
}


# These have tests of their own: of the log here, and in `test_event_duplicate`.
CREATIONS = {"events.create_event", "event_duplicates.duplicate_event"}


def test_every_route_that_changes_an_event_is_tried(app):
    table = PERMISSION_TABLE.get(app)
    changing = {name for name, action in table.items() if action.name in CHANGING_ACTIONS}
    assert changing == {*CREATIONS, *CHANGES}


@pytest.mark.parametrize("endpoint", CHANGES)
def test_every_change_of_an_event_leaves_one_entry(host, db, event_id, endpoint):
    change, action, field = CHANGES[endpoint]
    before = read_log(host, event_id)
    answer = change(host, event_id)
    assert answer.status_code < 300, answer.json
    (entry, *older) = read_log(host, event_id)
    assert older == before
    assert (entry["action"], entry["via"], entry["moreChanges"]) == (action, "session", 0)
    assert entry["user"]["userId"] == str(host.id)
    assert field in {each["field"] for each in entry["changes"]}
    assert all(each["before"] != each["after"] for each in entry["changes"])
    stored = db.events.find_one({"eventId": event_id})
    assert not {"logEntries", "logDue"} & stored.keys()


def test_the_log_begins_with_the_creation(host):
    event_id = host.call("POST", "/events", event_body()).json["eventId"]
    (entry,) = read_log(host, event_id)
    assert (entry["action"], entry["changes"]) == ("created", [])
    person = host.call("GET", "/auth/profile").json
    name = person.get("user", person)["name"]
    assert entry["user"] == {"userId": str(host.id), "name": name}


def test_an_entry_says_what_each_field_was_and_is(host, event_id):
    host.call("PATCH", f"/events/{event_id}/ticket-types/1", {"price": 25, "capacity": 12})
    host.call("PATCH", f"/events/{event_id}/schedule/0", {"date": day(40), "startTime": "20:00"})
    host.call("PATCH", f"/events/{event_id}/promo-codes/1", {"value": 15, "maxUses": 3})
    code, entry, ticket_type = (each["changes"] for each in read_log(host, event_id)[:3])
    assert ticket_type == [
        {"field": "ticketTypes.1.price", "before": 20, "after": 25},
        {"field": "ticketTypes.1.capacity", "before": 9, "after": 12},
    ]
    assert entry == [
        {"field": "schedule.1.date", "before": day(30), "after": day(40)},
        {"field": "schedule.1.startTime", "before": None, "after": "20:00"},
    ]
    assert code == [
        {"field": "promoCodes.1.value", "before": 12.5, "after": 15},
        {"field": "promoCodes.1.maxUses", "before": None, "after": 3},
    ]


def test_an_entry_names_the_questions_that_changed(host, event_id):
    meal = {"label": "Meal", "kind": "choice", "required": True, "choices": ["Fish", "Vegan"]}
    body = event_body(ticketTypes=types(9, 9), questions=[meal])
    assert host.call("PUT", f"/events/{event_id}", body).status_code == 200
    (entry, *_) = read_log(host, event_id)
    changes = {each["field"]: each["after"] for each in entry["changes"]}
    assert changes["questions.1.label"] == "Meal"
    assert changes["questions.1.choices"] == "Fish, Vegan"


@pytest.mark.parametrize("role", TEAM_ROLES)
def test_the_managers_and_viewers_of_the_team_read_the_log(host, ann, db, event_id, role):
    add_member(db, host, ann, role)
    answer = ann.get(f"/events/{event_id}/log")
    assert answer.status_code == (200 if role in ("manager", "viewer") else 403)
    if role == "manager":
        ann.call("PATCH", f"/events/{event_id}/quotas/1", {"capacity": 70})
        assert read_log(host, event_id)[0]["user"]["userId"] == str(ann.id)


def test_a_large_change_is_cut(host, event_id):
    entries = [{"date": day(n), "location": f"Hall {n}"} for n in range(1, MAX_CHANGES + 1)]
    body = event_body(description="x" * 9_000, schedule=entries, tags=["a", "b"])
    assert host.call("PUT", f"/events/{event_id}", body).status_code == 200
    (entry, *_) = read_log(host, event_id)
    assert len(entry["changes"]) == MAX_CHANGES
    assert entry["moreChanges"] >= MAX_CHANGES
    changes = {each["field"]: each for each in entry["changes"]}
    assert len(changes["description"]["after"]) == MAX_TEXT
    assert (changes["tags"]["before"], changes["tags"]["after"]) == ("test, api", "a, b")


def test_a_refused_change_and_a_sale_leave_no_entry(host, ann, event_id):
    host.call("POST", f"/events/{event_id}/publish")
    before = read_log(host, event_id)
    ann.book(event_id)
    refused(host.call("DELETE", f"/events/{event_id}/ticket-types/1"), 409, "tickets_taken")
    refused(ann.call("POST", f"/events/{event_id}/publish"), 403, "forbidden")
    assert read_log(host, event_id) == before


def test_the_entry_of_a_program_names_its_token(host, db, event_id):
    program = TokenCaller(host, db, "events:read", "events:write")
    program.call("PATCH", f"/events/{event_id}/quotas/1", {"capacity": 70})
    (entry, *_) = read_log(program, event_id)
    assert (entry["via"], entry["tokenName"]) == ("apiToken", "Test")
    assert entry["user"]["userId"] == str(host.id)
    assert program.secret not in str(db.eventLog.find_one({"via": "apiToken"}))


def test_the_log_is_for_those_who_manage_the_event(client, app, host, root, ann, event_id):
    path = f"/events/{event_id}/log"
    assert root.get(path).status_code == 200
    assert client.get(f"/api{path}").status_code == 401
    refused(ann.get(path), 403, "forbidden")
    other = type(host)(client, app, "organizer")
    refused(other.get(path), 404, "event_not_found")  # It is a draft.
    host.call("POST", f"/events/{event_id}/publish")
    refused(other.get(path), 403, "forbidden")
    refused(host.get("/events/99999/log"), 404, "event_not_found")
    for cursor in ("x", "e30"):
        refused(host.get(f"{path}?cursor={cursor}"), 400, "validation_error")


def test_entries_on_their_way_are_in_no_answer_about_the_event(host, db, event_id, monkeypatch):
    host.call("POST", f"/events/{event_id}/publish")
    monkeypatch.setattr("eventapp.events.event_log.process_now", lambda *_arguments: True)
    body = host.call("PATCH", f"/events/{event_id}/ticket-types/1", {"price": 3}).json
    assert len(db.events.find_one({"eventId": event_id})["logEntries"]) == 1
    shown = host.get(f"/events/{event_id}").json
    (listed,) = host.get("/events?mine=true").json["events"]
    for each in (body, shown, listed, store.find_event(db, event_id)):
        assert not {"logEntries", "logDue"} & each.keys()
    assert not {"logEntries", "logDue"} & store.find_events(db, [event_id])[0].keys()
    assert read_log(host, event_id)[0]["changes"][0]["after"] == 3
    assert "logEntries" not in db.events.find_one({"eventId": event_id})


def test_the_log_goes_with_its_event(host, db, event_id):
    assert db.eventLog.count_documents({"eventId": event_id})
    assert host.call("DELETE", f"/events/{event_id}").status_code == 200
    assert db.eventLog.count_documents({"eventId": event_id}) == 0
    refused(host.get(f"/events/{event_id}/log"), 404, "event_not_found")


def test_the_log_says_who_wrote_and_deleted_announcements(host, db, event_id):
    host.call("POST", f"/events/{event_id}/publish")
    at = f"{day(20)}T10:00:00.000Z"
    body = {"subject": "New doors", "text": "Come by the back.", "to": {}, "sendAt": at}
    path = f"/events/{event_id}/announcements"
    announcement_id = host.call("POST", path, body).json["announcementId"]
    assert host.call("DELETE", f"{path}/{announcement_id}").status_code == 200
    deleted, written = read_log(host, event_id)[:2]
    assert (deleted["action"], written["action"]) == ("announcement_deleted", "announced")
    assert written["changes"] == [
        {"field": "subject", "before": None, "after": "New doors"},
        {"field": "sendAt", "before": None, "after": at},
    ]
    assert deleted["changes"] == [{"field": "subject", "before": "New doors", "after": None}]
    assert deleted["user"]["userId"] == written["user"]["userId"] == str(host.id)
    assert db.announcements.count_documents({}) == 0
    refused(host.call("DELETE", f"{path}/{announcement_id}"), 404, "announcement_not_found")


def test_an_erasure_leaves_the_changes_without_the_person(
    client, app, host, root, db, event_id, monkeypatch
):
    admin = type(root)(client, app, "admin")
    program = TokenCaller(admin, db)
    admin.call("PATCH", f"/events/{event_id}/quotas/1", {"capacity": 60})
    db.eventLog.update_one({"userId": admin.id}, {"$set": {"tokenName": program.token["name"]}})
    exported = admin.get(f"/users/{admin.id}/export").json["eventChanges"]
    assert [(each["eventId"], each["action"]) for each in exported] == [(event_id, "edited")]
    monkeypatch.setattr("eventapp.events.event_log.process_now", lambda *_arguments: True)
    admin.call("PATCH", f"/events/{event_id}/quotas/1", {"capacity": 80})  # It is not moved.
    assert admin.call("DELETE", f"/users/{admin.id}").status_code == 200
    newest, older, *rest = read_log(host, event_id)
    assert [each["after"] for each in newest["changes"] + older["changes"]] == [80, 60]
    assert newest["user"] is older["user"] is older["tokenName"] is None
    assert rest[0]["user"]["userId"] == str(host.id)
    assert store_log.find_of_user(db, admin.id) == []
    assert str(admin.id) not in str(list(db.events.find()) + list(db.eventLog.find()))
