"""Members of an organizer's team act on the events of the organizer, as their role allows."""

import pytest

from eventapp.analytics import csv_tables
from eventapp.bookings.ledger import service as ledger
from eventapp.core.clock import utc_now
from eventapp.core.errors import Forbidden
from eventapp.core.roles import TEAM_ROLES
from eventapp.core.streams import hub as hub_module
from eventapp.events import service as event_service
from eventapp.events import store as events_store
from eventapp.tickets import check_ins
from tests.api_tokens import TokenCaller
from tests.bookings_factories import Caller, event_of, refused
from tests.factories import event_body
from tests.streaming import ClientStream
from tests.teams import add_member, remove_member

pytestmark = pytest.mark.usefixtures("clean_inventory")

READERS = ("manager", "viewer")


@pytest.fixture
def member(client, app):
    """An attendee, whom the tests make a member of the host's team."""
    return Caller(client, app)


def shows_counts(event):
    return "capacity" in event["ticketTypes"][0]


@pytest.mark.parametrize("role", TEAM_ROLES)
def test_readers_see_drafts_and_counts(db, host, member, role):
    event_of(db, 10, organizer_id=host.id)
    event_of(db, 10, organizer_id=host.id, status="draft")
    add_member(db, host, member, role)
    may_read = role in READERS
    assert shows_counts(member.get("/events/1").json) == may_read
    assert shows_counts(member.get("/events").json["events"][0]) == may_read
    assert shows_counts(member.get("/events/popular").json["events"][0]) == may_read
    for path in ("", "/ticket-types", "/messages", "/availability"):
        expected = 200 if may_read else 404
        assert member.get(f"/events/2{path}").status_code == expected, path
    assert member.call("POST", "/favorites", {"eventId": 2}).status_code == (
        201 if may_read else 404
    )
    remove_member(db, host, member)
    assert not shows_counts(member.get("/events/1").json)
    assert not shows_counts(member.get("/events").json["events"][0])
    refused(member.get("/events/2"), 404, "event_not_found")
    assert member.get("/favorites").json["events"] == []


def test_a_viewer_is_told_that_a_draft_is_not_theirs_to_edit(db, host, app, client):
    event_of(db, 10, organizer_id=host.id, status="draft")
    other = Caller(client, app, "organizer")
    refused(other.call("POST", "/events/1/publish"), 404, "event_not_found")
    add_member(db, host, other, "viewer")
    refused(other.call("POST", "/events/1/publish"), 403, "forbidden")
    add_member(db, host, other, "door")
    refused(other.call("POST", "/events/1/publish"), 404, "event_not_found")
    add_member(db, host, other, "manager")
    assert other.call("POST", "/events/1/publish").status_code == 200


@pytest.mark.parametrize("role", TEAM_ROLES)
def test_bookings_are_read_by_readers_and_cancelled_by_managers(db, host, member, ann, role):
    event_of(db, 10, organizer_id=host.id)
    booking = ann.book(1, 3)
    path = f"/bookings/{booking['_id']}"
    paths = (path, f"/bookings/reference/{booking['bookingReference']}", f"{path}/receipt")
    add_member(db, host, member, role)
    for each in paths:
        assert member.get(each).status_code == (200 if role in READERS else 404), each
    # Tickets let their bearer in. They are for their holder.
    refused(member.get(f"{path}/tickets"), 404, "booking_not_found")
    if role == "manager":
        assert member.cancel_some(booking, 1).status_code == 201
        assert member.cancel(booking).status_code == 200
    else:
        refused(member.cancel_some(booking, 1), 404, "booking_not_found")
        refused(member.cancel(booking), 404, "booking_not_found")
    remove_member(db, host, member)
    for each in paths:
        refused(member.get(each), 404, "booking_not_found")


def test_a_manager_cancels_after_the_deadline_of_holders(db, host, member, ann):
    today = {"date": utc_now().date().isoformat(), "location": "X"}
    event_of(db, 10, organizer_id=host.id, schedule=[today])
    booking = ann.book(1)
    refused(ann.cancel(booking), 409, "cancellation_closed")
    add_member(db, host, member, "manager")
    assert member.cancel(booking).status_code == 200


@pytest.mark.parametrize("role", TEAM_ROLES)
def test_managers_delete_messages_of_others(db, host, member, ann, role):
    event_of(db, 10, organizer_id=host.id)
    ann.call("POST", "/events/1/messages", {"text": "hello"})
    id_ = db.messages.find_one({"text": "hello"})["_id"]
    add_member(db, host, member, role)
    answer = member.call("DELETE", f"/events/1/messages/{id_}")
    assert answer.status_code == (200 if role == "manager" else 403)


def test_a_membership_is_for_one_organizer_and_certain_events(db, client, app, host, member):
    other = Caller(client, app, "organizer")
    mine = [event_of(db, 9, organizer_id=host.id) for _ in range(2)]
    foreign = event_of(db, 9, organizer_id=other.id)
    add_member(db, host, member, "manager", [mine[0], foreign])
    assert member.get(f"/events/{mine[0]}/stats").status_code == 200
    refused(member.get(f"/events/{mine[1]}/stats"), 403, "forbidden")
    refused(member.get(f"/events/{foreign}/stats"), 403, "forbidden")
    counts = [shows_counts(each) for each in member.get("/events").json["events"]]
    assert counts == [True, False, False]


def test_members_reach_nothing_of_the_organizer_but_events(db, host, member):
    event_of(db, 10, organizer_id=host.id)
    add_member(db, host, member, "manager")
    refused(member.call("DELETE", "/events/1"), 403, "forbidden")
    refused(member.get("/analytics/overview"), 403, "forbidden")
    refused(member.get("/analytics/payments.csv"), 403, "forbidden")
    refused(member.get(f"/users/{host.id}"), 403, "forbidden")


def test_a_member_loses_access_with_the_role_of_the_organizer(db, host, member, root):
    event_of(db, 10, organizer_id=host.id)
    add_member(db, host, member, "manager")
    assert member.get("/events/1/bookings").status_code == 200
    root.call("PUT", f"/users/{host.id}", {"role": "attendee"})
    refused(member.get("/events/1/bookings"), 403, "forbidden")
    assert not shows_counts(member.get("/events/1").json)
    root.call("PUT", f"/users/{host.id}", {"role": "organizer"})
    assert member.get("/events/1/bookings").status_code == 200


def test_a_token_of_a_member_reaches_the_events_of_its_team(db, host, member):
    for _event in range(2):
        event_of(db, 10, organizer_id=host.id)
    add_member(db, host, member, "viewer")
    everything, first = TokenCaller(member, db), TokenCaller(member, db, eventIds=[1])
    door = TokenCaller(member, db, "check-in")
    assert everything.get("/events/2/stats").status_code == 200
    assert first.get("/events/1/stats").status_code == 200
    refused(first.get("/events/2/stats"), 403, "scope_missing")
    refused(everything.call("POST", "/events/1/publish"), 403, "forbidden")
    assert door.get("/events/2/check-in").status_code == 200
    refused(door.get("/events/2/stats"), 403, "scope_missing")
    remove_member(db, host, member)
    refused(everything.get("/events/2/stats"), 403, "forbidden")
    refused(door.get("/events/2/check-in"), 403, "forbidden")


def test_a_token_of_an_admin_reaches_the_teams_of_the_admin(db, host, root):
    event_of(db, 10, organizer_id=host.id)
    token = TokenCaller(root, db)
    refused(token.get("/events/1/stats"), 403, "forbidden")
    add_member(db, host, root, "viewer")
    assert token.get("/events/1/stats").status_code == 200


def lose_membership(db, host, member, root):
    remove_member(db, host, member)


def lose_events(db, host, member, root):
    remove_member(db, host, member)
    add_member(db, host, member, "manager", [99])


def lose_organizer(db, host, member, root):
    assert root.call("PUT", f"/users/{host.id}", {"role": "attendee"}).status_code == 200


LOSSES = [lose_membership, lose_events, lose_organizer]


@pytest.mark.parametrize("path", ["bookings.csv", "payments.csv", "check-in"])
@pytest.mark.parametrize("lose", LOSSES)
def test_a_long_answer_breaks_off_for_a_former_member(
    db, client, ann, bob, host, member, root, monkeypatch, path, lose
):
    monkeypatch.setattr(event_service, "RECHECK_SECONDS", 0)
    monkeypatch.setattr(csv_tables, "ROWS_PER_CHUNK", 1)
    monkeypatch.setattr(check_ins, "BATCH_SIZE", 1)
    event_of(db, 10, organizer_id=host.id)
    ann.book(1)
    bob.book(1)
    ledger.copy_entries(db, utc_now())
    add_member(db, host, member, "viewer")
    answer = client.get(f"/api/events/1/{path}", headers=member.headers, buffered=False)
    parts = iter(answer.response)
    next(parts)
    lose(db, host, member, root)
    with pytest.raises(Forbidden):
        list(parts)
    answer.close()


@pytest.mark.parametrize("lose", LOSSES)
@pytest.mark.parametrize("by_token", [False, True])
def test_the_stream_of_a_draft_ends_for_a_former_member(
    db, client, host, member, root, monkeypatch, lose, by_token
):
    monkeypatch.setattr(hub_module, "RESTRICTED_CHECK_SECONDS", 0.05)
    event_of(db, 10, organizer_id=host.id, status="draft")
    add_member(db, host, member, "viewer")
    caller = TokenCaller(member, db) if by_token else member
    with ClientStream(client, "/api/events/1/stream", headers=caller.headers) as stream:
        assert stream.next().event == "availability"
        lose(db, host, member, root)
        assert stream.has_ended()


def test_a_deleted_account_leaves_no_memberships(db, host, member, root):
    for each in (host, root):
        add_member(db, each, member, "manager")
    add_member(db, host, root, "door")
    assert root.call("DELETE", f"/users/{host.id}").status_code == 200
    (left,) = db.memberships.find()
    assert (left["organizerId"], left["userId"]) == (root.id, member.id)
    assert root.call("DELETE", f"/users/{member.id}").status_code == 200
    assert db.memberships.count_documents({}) == 0


def list_mine(caller, query="upcoming=false"):
    answer = caller.get(f"/events?mine=true&{query}")
    assert answer.status_code == 200, answer.json
    return [each["eventId"] for each in answer.json["events"]]


def test_mine_lists_what_the_caller_reads_as_organizer_or_member(db, client, app, member, host):
    others = [Caller(client, app, "organizer") for _ in range(3)]
    full, limited, door = others
    own = Caller(client, app, "organizer")
    for organizer in (full, limited, door, own, host):
        event_of(db, 9, organizer_id=organizer.id)
        event_of(db, 9, organizer_id=organizer.id, status="draft")
    event_of(db, 9, organizer_id=limited.id)
    assert list_mine(own) == [7, 8]
    for person in (own, member):
        add_member(db, full, person, "viewer")
        add_member(db, limited, person, "manager", [4, 11, 9])
        add_member(db, door, person, "door")
    assert list_mine(own) == [1, 2, 4, 5, 7, 8, 11]
    assert list_mine(own, "upcoming=true&sortBy=date&limit=100") == list_mine(own)
    assert list_mine(member) == [1, 2, 4, 5, 11]
    assert list_mine(member, f"upcoming=true&organizerId={full.id}") == [1, 2]
    assert list_mine(member, "search=sample&sortBy=eventId") == [1, 2, 4, 5, 11]
    shown = member.get("/events?mine=true").json["events"]
    assert [each["eventId"] for each in shown if shows_counts(each)] == [1, 2, 4, 11]
    remove_member(db, full, member)
    assert list_mine(member) == [4, 5, 11]


@pytest.mark.parametrize("sort", ["eventId", "title", "date", "price", "popularity"])
def test_mine_is_walked_by_cursor(db, client, app, member, sort):
    for number, role in enumerate(TEAM_ROLES):
        organizer = Caller(client, app, "organizer")
        add_member(db, organizer, member, role)
        for each in range(3):
            event_of(db, 9, organizer_id=organizer.id, title=f"Title {(each * 2 + number) % 5}")
    path, seen = f"/events?mine=true&limit=2&sortBy={sort}", []
    while path:
        page = member.get(path).json
        seen += [each["eventId"] for each in page["events"]]
        path = page["nextCursor"] and f"/events?limit=2&cursor={page['nextCursor']}"
    assert page["total"] == len(seen) == len(set(seen)) == 9


@pytest.mark.parametrize("role", TEAM_ROLES)
@pytest.mark.parametrize("by_token", [False, True])
def test_managers_create_events_of_the_organizer(db, host, member, role, by_token):
    caller = TokenCaller(member, db) if by_token else member
    body = event_body(organizerId=str(host.id))
    refused(caller.call("POST", "/events", body), 403, "forbidden")
    add_member(db, host, member, role)
    answer = caller.call("POST", "/events", body)
    if role != "manager":
        refused(answer, 403, "forbidden")
        return
    assert answer.status_code == 201
    assert answer.json["organizerId"] == str(host.id)
    assert shows_counts(answer.json)
    assert host.get(f"/events/{answer.json['eventId']}/stats").status_code == 200
    # The event of an attendee would have an organizer who is none.
    refused(caller.call("POST", "/events", event_body()), 403, "forbidden")
    add_member(db, host, member, role, [answer.json["eventId"]])
    refused(caller.call("POST", "/events", body), 403, "forbidden")
    assert db.events.count_documents({}) == 1


def test_an_organizer_creates_own_events_and_no_foreign_ones(db, client, app, host, root, member):
    other = Caller(client, app, "organizer")
    assert host.call("POST", "/events", event_body(organizerId=str(host.id))).status_code == 201
    refused(host.call("POST", "/events", event_body(organizerId=str(other.id))), 403, "forbidden")
    assert root.call("POST", "/events", event_body(organizerId=str(other.id))).status_code == 201
    refused(root.call("POST", "/events", event_body(organizerId=str(member.id))), 403, "forbidden")
    assert db.events.count_documents({}) == 2
    token = TokenCaller(root, db)
    refused(token.call("POST", "/events", event_body(organizerId=str(host.id))), 403, "forbidden")


def test_no_event_is_created_for_an_organizer_who_is_demoted_meanwhile(
    db, host, member, monkeypatch
):
    add_member(db, host, member, "manager")
    original = events_store.insert

    def insert_late(*args):
        db.users.update_one({"_id": host.id}, {"$set": {"role": "attendee"}})
        return original(*args)

    monkeypatch.setattr(events_store, "insert", insert_late)
    body = event_body(organizerId=str(host.id))
    refused(member.call("POST", "/events", body), 403, "forbidden")
    assert db.events.count_documents({}) == 0
