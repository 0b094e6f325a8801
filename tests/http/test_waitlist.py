"""Joining and leaving waitlists, and listing entries; `waiting` is checked at each step."""

import pytest

from tests.bookings_factories import Caller, event_of, refused, stock_of

pytestmark = pytest.mark.usefixtures("clean_inventory")
FIELDS = (
    "_id eventId eventTitle ticketTypeId type scheduleId date startsAt timezone location quantity "
    "status position joinedAt"
)


@pytest.fixture
def people(client, app):
    return [Caller(client, app) for _ in range(4)]


@pytest.fixture
def ann(people):
    return people[0]


@pytest.fixture
def bob(people):
    return people[1]


@pytest.mark.parametrize("path", ["/waitlist", "/waitlist/join"])
def test_joining_a_waitlist_gives_an_entry_and_raises_waiting(db, ann, path):
    event_of(db, 0, title="Show")
    answer = ann.call("POST", path, {"eventId": 1, "quantity": 3})
    assert (answer.status_code, answer.json["message"]) == (
        201,
        "You are number 1 on the waitlist.",
    )
    entry = answer.json["data"]["waitlistEntry"]
    assert list(entry) == FIELDS.split()
    assert (entry["eventId"], entry["eventTitle"], entry["type"]) == (1, "Show", "A")
    assert (entry["quantity"], entry["status"], entry["position"]) == (3, "waiting", 1)
    assert ann.waitlist_entries() == [entry]
    assert stock_of(db, 1) == (0, 0, 0, 1)


def test_the_default_quantity_is_one(db, ann):
    event_of(db, 0)
    answer = ann.call("POST", "/waitlist", {"eventId": 1})
    assert answer.json["data"]["waitlistEntry"]["quantity"] == 1


def test_one_of_several_ticket_types_must_be_named(db, ann):
    event_of(db, 0, 0)
    refused(ann.call("POST", "/waitlist", {"eventId": 1}), 400, "ticket_type_required")
    assert ann.wait(1, 1, 2)["type"] == "B"
    assert (stock_of(db, 1, 1)[3], stock_of(db, 1, 2)[3]) == (0, 1)


def test_a_second_ticket_type_added_later_must_be_named_too(db, client, ann, bob, organizer):
    event_of(db, 0, organizer_id=organizer["id"])
    ann.wait(1)
    new = {"type": "New", "price": 1, "availableTickets": 0}
    client.post("/api/events/1/ticket-types", json=new, headers=organizer["headers"])
    refused(bob.call("POST", "/waitlist", {"eventId": 1}), 400, "ticket_type_required")


def test_unknown_events_and_types_are_not_found_and_callers_must_sign_in(db, client, ann):
    event_of(db, 0)
    refused(ann.join(1, 1, 9), 404, "ticket_type_not_found")
    refused(ann.join(9), 404, "event_not_found")
    refused(ann.call("POST", "/waitlist", {"eventId": 9}), 404, "event_not_found")
    assert stock_of(db, 1) == (0, 0, 0, 0)
    for method, path in (("POST", ""), ("GET", ""), ("DELETE", "/1"), ("POST", "/1/accept")):
        answer = client.open(f"/api/waitlist{path}", method=method, json={"eventId": 1})
        refused(answer, 401, "unauthorized")


def test_nobody_joins_while_tickets_are_available(db, ann):
    event_of(db, 2)
    for quantity in (1, 2, 3):
        assert refused(ann.join(1, quantity), 409, "tickets_available")["available"] == 2
    assert stock_of(db, 1) == (2, 0, 0, 0)
    assert ann.waitlist_entries() == []


def test_a_user_has_one_entry_for_each_ticket_type(db, ann):
    event_of(db, 0, 0)
    entry = ann.wait(1, 3)
    refused(ann.join(1, 2), 409, "already_waitlisted")
    other = ann.wait(1, 2, 2)
    assert ann.waitlist_entries() == [other, entry]
    assert (stock_of(db, 1, 1)[3], stock_of(db, 1, 2)[3]) == (1, 1)


def test_nobody_waits_for_more_than_the_ticket_limit(db, ann):
    event_of(db, 0)
    refused(ann.join(1, 11), 409, "ticket_limit_exceeded")
    assert ann.wait(1, 10)["quantity"] == 10


def test_positions_follow_the_order_of_joining_and_fall_as_others_leave(db, people):
    event_of(db, 0)
    assert [person.wait(1)["position"] for person in people] == [1, 2, 3, 4]
    assert people[1].call("DELETE", "/waitlist/1").status_code == 200
    positions = [[entry["position"] for entry in person.waitlist_entries()] for person in people]
    assert positions == [[1], [], [2], [3]]
    assert people[1].wait(1)["position"] == 4
    assert stock_of(db, 1) == (0, 0, 0, 4)


def test_each_ticket_type_has_a_queue_of_its_own(db, ann, bob):
    event_of(db, 0, 0)
    assert (ann.wait(1, 1, 1)["position"], bob.wait(1, 1, 2)["position"]) == (1, 1)
    assert bob.wait(1, 1, 1)["position"] == 2


def test_leaving_ends_all_entries_for_the_event(db, ann, bob):
    event_of(db, 0, 0)
    ann.wait(1, 1, 1)
    ann.wait(1, 1, 2)
    bob.wait(1, 1, 1)
    answer = ann.call("DELETE", "/waitlist/1")
    assert (answer.status_code, answer.json) == (200, {"message": "You left the waitlist"})
    assert (stock_of(db, 1, 1)[3], stock_of(db, 1, 2)[3]) == (1, 0)
    assert ann.waitlist_entries() == []
    refused(ann.call("DELETE", "/waitlist/1"), 404, "not_on_waitlist")
    refused(ann.call("DELETE", "/waitlist/9"), 404, "not_on_waitlist")
    assert stock_of(db, 1, 1)[3] == 1


def test_once_the_last_entry_has_left_anyone_can_book(db, client, ann, bob, organizer):
    event_of(db, 0, organizer_id=organizer["id"])
    ann.wait(1, 5)
    more = {"availableTickets": 3}
    client.patch("/api/events/1/ticketTypes/0", json=more, headers=organizer["headers"])
    refused(bob.order(1, ticketTypeId=1, quantity=1), 409, "sold_out")
    ann.call("DELETE", "/waitlist/1")
    bob.book(1, 1)
    assert stock_of(db, 1) == (2, 1, 0, 0)


def test_entries_are_shown_to_and_left_by_their_user_alone(db, ann, bob):
    event_of(db, 0)
    ann.wait(1)
    assert bob.waitlist_entries() == []
    refused(bob.call("DELETE", "/waitlist/1"), 404, "not_on_waitlist")


def test_cancelling_an_event_ends_its_waitlist(db, client, ann, bob, organizer):
    event_of(db, 0, organizer_id=organizer["id"])
    ann.wait(1)
    bob.wait(1)
    client.post("/api/events/1/cancel", headers=organizer["headers"])
    assert (ann.waitlist_entries(), bob.waitlist_entries()) == ([], [])
    assert stock_of(db, 1) == (0, 0, 0, 0)
    refused(ann.join(1), 409, "event_not_on_sale")


def test_deleting_an_event_ends_its_waitlist(db, client, ann, organizer):
    event_of(db, 0, organizer_id=organizer["id"])
    ann.wait(1)
    assert client.delete("/api/events/1", headers=organizer["headers"]).status_code == 200
    assert ann.waitlist_entries() == []
    assert db.waitlist.count_documents({"active": True}) == 0
