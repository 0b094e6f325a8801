"""Too few tickets: `onShortfall` as reject, partial and waitlist, and its default."""

import pytest

from tests.bookings_factories import Caller, event_of, refused, stock_of

pytestmark = pytest.mark.usefixtures("clean_inventory")


def items_of(*pairs):
    return [{"ticketTypeId": type_id, "quantity": quantity} for type_id, quantity in pairs]


def taken(answer):
    items = answer.json["data"]["booking"]["items"]
    return {item["ticketTypeId"]: item["quantity"] for item in items}


@pytest.mark.parametrize("mode", [{"onShortfall": "reject"}, {}])
def test_reject_answers_what_is_available_and_writes_nothing(db, ann, mode):
    event_of(db, 2)
    before = db.events.find_one({})
    body = refused(ann.order(1, type="A", quantity=3, **mode), 409, "sold_out")
    assert body["available"] == 2
    assert body["ticketTypes"] == [{"ticketTypeId": 1, "type": "A", "availableTickets": 2}]
    assert db.events.find_one({}) == before
    assert db.bookings.count_documents({}) == db.waitlist.count_documents({}) == 0


@pytest.mark.parametrize("mode", [{}, {"onShortfall": "reject"}])
def test_several_types_are_sold_together_or_not_at_all(db, ann, mode):
    event_of(db, 5, 1)
    body = refused(ann.order(1, items=items_of((1, 2), (2, 2)), **mode), 409, "sold_out")
    assert [kind["availableTickets"] for kind in body["ticketTypes"]] == [5, 1]
    assert (stock_of(db, 1, 1), stock_of(db, 1, 2)) == ((5, 0, 0, 0), (1, 0, 0, 0))


def test_the_answer_names_the_types_of_which_too_few_are_left(db, ann):
    event_of(db, 5, 1)
    body = refused(ann.order(1, items=items_of((1, 2), (2, 2))), 409, "sold_out")
    assert body["limitedBy"] == [{"ticketTypeId": 2}]


def test_only_the_organizer_and_admins_learn_which_quota_is_the_reason(db, client, app, ann):
    host = Caller(client, app, "organizer")
    event_of(db, 5, 5, organizer_id=host.id)
    quota = {"quotaId": 3, "name": "hall", "capacity": 3, "availableTickets": 3, "waiting": 0}
    db.events.update_one({}, {"$set": {"quotas": [quota]}})
    order = {"items": items_of((1, 2), (2, 2))}
    body = refused(ann.order(1, **order), 409, "sold_out")
    # The first type takes two of the three places before the second is counted.
    assert [kind["availableTickets"] for kind in body["ticketTypes"]] == [3, 1]
    assert body["limitedBy"] == [{"ticketTypeId": 2}]
    for caller in (host, Caller(client, app, "admin")):
        body = refused(caller.order(1, **order), 409, "sold_out")
        assert body["limitedBy"] == [{"ticketTypeId": 2, "quotaId": 3}]
    other = Caller(client, app, "organizer")
    body = refused(other.order(1, **order), 409, "sold_out")
    assert body["limitedBy"] == [{"ticketTypeId": 2}]
    assert db.events.find_one({})["quotas"] == [quota]


def test_reject_also_works_for_a_quantity_alone(db, ann):
    event_of(db, 2)
    refused(ann.order(1, quantity=3, onShortfall="reject"), 409, "sold_out")
    assert db.waitlist.count_documents({}) == 0


def test_partial_books_the_available_tickets(db, ann):
    event_of(db, 2)
    answer = ann.order(1, quantity=3, onShortfall="partial")
    assert (answer.status_code, answer.json["message"]) == (201, "Booked 2 tickets.")
    assert list(answer.json["data"]) == ["booking"]
    assert taken(answer) == {1: 2}
    assert stock_of(db, 1) == (0, 2, 0, 0)


def test_partial_books_what_is_available_of_each_type(db, ann):
    event_of(db, 2, 0, 5)
    answer = ann.order(1, items=items_of((1, 3), (2, 2), (3, 2)), onShortfall="partial", hold=True)
    assert taken(answer) == {1: 2, 3: 2}
    assert stock_of(db, 1, 3) == (3, 0, 2, 0)
    assert db.waitlist.count_documents({}) == 0


def test_partial_is_sold_out_if_no_ticket_is_available(db, ann):
    event_of(db, 0, 0)
    answer = ann.order(1, items=items_of((1, 3), (2, 2)), onShortfall="partial")
    assert refused(answer, 409, "sold_out")["available"] == 0


@pytest.mark.parametrize("mode", [{}, {"onShortfall": "waitlist"}])
def test_waitlist_books_the_available_tickets_and_waits_for_the_rest(db, ann, mode):
    event_of(db, 2, title="Show")
    answer = ann.order(1, quantity=10, **mode)
    assert answer.status_code == 201
    assert answer.json["message"] == "Booked 2 tickets. Remaining 8 tickets added to waitlist."
    entry = answer.json["data"]["waitlistEntry"]
    assert list(answer.json["data"]) == ["booking", "waitlistEntry"]
    assert (entry["position"], entry["quantity"], entry["eventId"]) == (1, 8, 1)
    assert (entry["ticketTypeId"], entry["type"], entry["eventTitle"]) == (1, "A", "Show")
    assert stock_of(db, 1) == (0, 2, 0, 1)
    assert ann.waitlist_entries() == [entry]


def test_the_message_for_one_waitlisted_ticket_is_in_the_singular(db, ann):
    event_of(db, 1)
    said = ann.order(1, quantity=2).json["message"]
    assert said == "Booked 1 ticket. Remaining 1 ticket added to waitlist."


def test_waitlist_answers_202_with_an_entry_if_no_ticket_is_available(db, ann, bob):
    event_of(db, 0)
    answer = ann.order(1, quantity=3)
    assert answer.status_code == 202
    assert list(answer.json["data"]) == ["waitlistEntry"]
    assert answer.json["message"] == "Sold out. 3 tickets added to waitlist."
    assert bob.order(1, quantity=1).json["data"]["waitlistEntry"]["position"] == 2
    assert db.bookings.count_documents({}) == 0
    assert stock_of(db, 1) == (0, 0, 0, 2)


def test_waitlist_makes_an_entry_for_each_type(db, ann):
    event_of(db, 1, 0, 5)
    answer = ann.order(1, items=items_of((1, 3), (2, 2), (3, 1)), onShortfall="waitlist")
    assert taken(answer) == {1: 1, 3: 1}
    entries = answer.json["data"]["waitlistEntries"]
    assert [(e["ticketTypeId"], e["quantity"], e["position"]) for e in entries] == [
        (1, 2, 1),
        (2, 2, 1),
    ]
    assert answer.json["data"]["waitlistEntry"] == entries[0]
    assert sorted(entry["_id"] for entry in ann.waitlist_entries()) == sorted(
        e["_id"] for e in entries
    )
    assert [stock_of(db, 1, id_)[3] for id_ in (1, 2, 3)] == [1, 1, 0]


def test_a_hold_can_have_its_rest_on_the_waitlist(db, ann):
    event_of(db, 1)
    answer = ann.order(1, quantity=2, hold=True)
    assert answer.json["message"] == "Held 1 ticket. Remaining 1 ticket added to waitlist."
    assert stock_of(db, 1) == (0, 0, 1, 1)


def test_a_second_entry_for_a_ticket_type_is_refused(db, ann):
    event_of(db, 0)
    ann.order(1, quantity=3)
    refused(ann.order(1, quantity=2), 409, "already_waitlisted")
    assert stock_of(db, 1) == (0, 0, 0, 1)
    assert ann.waitlist_entries()[0]["quantity"] == 3


def test_an_entry_is_kept_if_the_user_books_another_type(db, ann):
    event_of(db, 0, 5)
    entry = ann.wait(1, 2, 1)
    answer = ann.order(1, items=items_of((1, 3), (2, 2)), onShortfall="waitlist")
    assert (answer.status_code, taken(answer)) == (201, {2: 2})
    assert answer.json["message"] == "Booked 2 tickets."
    assert list(answer.json["data"]) == ["booking"]
    assert ann.waitlist_entries() == [entry]
    assert stock_of(db, 1, 1) == (0, 0, 0, 1)


def test_an_entry_is_kept_if_the_user_also_waits_for_another_type(db, ann):
    event_of(db, 0, 0)
    old = ann.wait(1, 2, 1)
    answer = ann.order(1, key="k", items=items_of((1, 3), (2, 2)), onShortfall="waitlist")
    assert answer.status_code == 202
    new = answer.json["data"]["waitlistEntry"]
    assert new["ticketTypeId"] == 2
    assert ann.waitlist_entries() == [new, old]
    again = ann.order(1, key="k", items=items_of((1, 3), (2, 2)), onShortfall="waitlist")
    assert again.data == answer.data


def test_no_ticket_is_sold_past_the_waitlist(db, client, ann, bob, organizer):
    event_of(db, 0, organizer_id=organizer["id"])
    ann.wait(1, 2)
    more = {"availableTickets": 5}
    client.patch("/api/events/1/ticketTypes/0", json=more, headers=organizer["headers"])
    body = refused(bob.order(1, ticketTypeId=1, quantity=1), 409, "sold_out")
    assert body["available"] == 0
    refused(bob.order(1, quantity=1, onShortfall="partial"), 409, "sold_out")
    assert bob.order(1, quantity=1).json["data"]["waitlistEntry"]["position"] == 2
    assert stock_of(db, 1) == (5, 0, 0, 2)
