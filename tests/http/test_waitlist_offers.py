"""Returned tickets are offered to those who wait: in order, for a time, whole or in part."""

from itertools import count, pairwise

import pytest

from eventapp.bookings import event_closing, waitlist_offers
from eventapp.core import clock
from tests.bookings_factories import (
    Caller,
    context_of,
    event_of,
    expire_holds,
    later,
    refused,
    set_clock,
    stock_of,
)
from tests.factories import day
from tests.seen_library import replace_seen

pytestmark = pytest.mark.usefixtures("clean_inventory")


@pytest.fixture
def people(client, app):
    return [Caller(client, app) for _ in range(5)]


@pytest.fixture
def holder(people):
    return people[4]


def open_offers(person):
    return [offer["quantity"] for offer in person.offers() if offer["status"] == "open"]


def offer_available(app, **span):
    return waitlist_offers.offer_available_tickets(context_of(app), later(**span))


def test_an_offer_is_a_held_booking_with_its_own_duration(db, people, holder):
    event_of(db, 3, title="Show")
    booking = holder.book(1, 3)
    people[0].wait(1, 3)
    holder.cancel(booking)
    (offer,) = people[0].offers()
    held = people[0].get(f"/bookings/{offer['bookingId']}").json["data"]["booking"]
    assert (held["status"], held["quantity"]) == ("held", 3)
    for name in ("bookingReference", "eventId", "eventTitle", "quantity", "items", "expiresAt"):
        assert offer[name] == held[name]
    assert (offer["status"], offer["createdAt"]) == ("open", held["createdAt"])
    stored = db.bookings.find_one({"status": "held"})
    assert (stored["expiresAt"] - stored["createdAt"]).total_seconds() == 1800
    assert stock_of(db, 1) == (0, 0, 3, 0)
    assert people[0].waitlist_entries() == []


def test_offers_are_made_in_order_and_may_be_smaller_than_wanted(db, people, holder):
    event_of(db, 5)
    booking = holder.book(1, 5)
    for person, quantity in zip(people, (2, 1, 4), strict=False):
        person.wait(1, quantity)
    holder.cancel(booking)
    assert [open_offers(person) for person in people[:3]] == [[2], [1], [2]]
    (entry,) = people[2].waitlist_entries()
    assert (entry["quantity"], entry["position"], entry["status"]) == (2, 1, "waiting")
    assert stock_of(db, 1) == (0, 0, 5, 1)


def test_the_rest_of_an_entry_is_offered_next(db, people, holder):
    event_of(db, 2, 1)
    items = [{"ticketTypeId": 1, "quantity": 2}]
    first = holder.order(1, items=items).json["data"]["booking"]
    people[3].book(1, 1, 2)
    for person in people[:2]:
        person.wait(1, 3)
    holder.cancel(first)
    assert [open_offers(person) for person in people[:2]] == [[2], []]
    people[0].accept(1, quantity=1)
    assert [open_offers(person) for person in people[:2]] == [[1], []]
    assert people[0].waitlist_entries() == []
    assert people[1].waitlist_entries()[0]["position"] == 1


def test_an_expired_offer_goes_to_the_next_in_the_queue(db, app, people, holder):
    event_of(db, 2)
    booking = holder.book(1, 2)
    for person in people[:3]:
        person.wait(1, 2)
    holder.cancel(booking)
    assert expire_holds(app, minutes=29) == 0
    assert expire_holds(app, minutes=31) == 1
    assert [offer["status"] for offer in people[0].offers()] == ["expired"]
    stored = db.bookings.find_one({"status": "held"})
    assert stored["userId"] == people[1].id
    assert people[0].waitlist_entries() == []
    assert people[2].waitlist_entries()[0]["position"] == 1
    assert stock_of(db, 1) == (0, 0, 2, 1)


def test_an_offer_can_be_accepted_whole(db, people, holder):
    event_of(db, 2)
    booking = holder.book(1, 2)
    people[0].wait(1, 2)
    holder.cancel(booking)
    answer = people[0].accept(1)
    mine = answer.json["data"]["booking"]
    assert (answer.status_code, mine["status"], mine["quantity"]) == (200, "confirmed", 2)
    assert [offer["status"] for offer in people[0].offers()] == ["accepted"]
    assert stock_of(db, 1) == (0, 2, 0, 0)
    refused(people[0].accept(1), 404, "no_offer")


def test_the_rest_of_an_offer_accepted_in_part_is_offered_on(db, people, holder):
    event_of(db, 3)
    booking = holder.book(1, 3)
    people[0].wait(1, 3)
    people[1].wait(1, 3)
    holder.cancel(booking)
    mine = people[0].accept(1, quantity=1).json["data"]["booking"]
    assert (mine["quantity"], mine["totalPrice"], mine["items"][0]["subtotal"]) == (1, 20, 20)
    assert open_offers(people[1]) == [2]
    assert stock_of(db, 1) == (0, 1, 2, 1)


def test_the_rest_of_an_offer_goes_on_sale_if_nobody_waits(db, people, holder):
    event_of(db, 3)
    booking = holder.book(1, 3)
    people[0].wait(1, 3)
    holder.cancel(booking)
    people[0].accept(1, quantity=2)
    assert stock_of(db, 1) == (1, 2, 0, 0)
    people[1].book(1, 1)


def test_accepting_without_an_open_offer_is_refused(db, app, people, holder, monkeypatch):
    event_of(db, 2)
    refused(people[0].accept(1), 404, "no_offer")
    refused(people[0].accept(99), 404, "no_offer")
    booking = holder.book(1, 2)
    people[0].wait(1, 2)
    refused(people[0].accept(1), 404, "no_offer")
    holder.cancel(booking)
    refused(people[1].accept(1), 404, "no_offer")
    set_clock(monkeypatch, later(minutes=31))
    refused(people[0].accept(1), 404, "no_offer")
    assert stock_of(db, 1) == (0, 0, 2, 0)


def test_an_offer_can_be_confirmed_and_cancelled_as_a_booking(db, people, holder):
    event_of(db, 2)
    booking = holder.book(1, 2)
    people[0].wait(1, 1)
    people[1].wait(1, 1)
    holder.cancel(booking)
    mine, other = (person.offers()[0]["bookingId"] for person in people[:2])
    assert people[0].confirm({"_id": mine}).status_code == 200
    assert people[1].cancel({"_id": other}).status_code == 200
    assert people[1].offers()[0]["status"] == "declined"
    assert stock_of(db, 1) == (1, 1, 0, 0)


def test_leaving_the_waitlist_offers_the_open_offer_on(db, people, holder):
    event_of(db, 2)
    booking = holder.book(1, 2)
    people[0].wait(1, 5)
    people[1].wait(1, 1)
    holder.cancel(booking)
    assert open_offers(people[0]) == [2]
    assert people[0].call("DELETE", "/waitlist/1").status_code == 200
    assert (people[0].waitlist_entries(), open_offers(people[0])) == ([], [])
    assert open_offers(people[1]) == [1]
    assert stock_of(db, 1) == (1, 0, 1, 0)


def test_tickets_added_by_the_organizer_are_offered_first(db, client, app, people, organizer):
    event_of(db, 0, organizer_id=organizer["id"])
    people[0].wait(1, 2)
    more = {"availableTickets": 5}
    client.patch("/api/events/1/ticketTypes/0", json=more, headers=organizer["headers"])
    refused(people[1].order(1, ticketTypeId=1, quantity=1), 409, "sold_out")
    assert offer_available(app) == 1
    assert open_offers(people[0]) == [2]
    people[1].book(1, 3)
    assert stock_of(db, 1) == (0, 3, 2, 0)


def test_an_entry_of_a_user_at_the_ticket_limit_is_closed(db, app, people, holder):
    event_of(db, 2, 20)
    booking = holder.book(1, 2)
    people[0].wait(1, 2)
    people[0].book(1, 10, 2)
    people[1].wait(1, 2)
    holder.cancel(booking)
    assert (people[0].offers(), open_offers(people[1])) == ([], [2])
    assert people[0].waitlist_entries() == []


@pytest.mark.parametrize("how", ["draft", "past"])
def test_no_tickets_are_offered_of_an_event_not_on_sale(db, app, people, holder, how):
    event_of(db, 2, schedule=[{"date": day(2), "location": "X"}])
    holder.book(1, 2)
    people[0].wait(1, 2)
    if how == "draft":
        db.events.update_one({"eventId": 1}, {"$set": {"status": "draft"}})
    context, span = context_of(app), {"days": 4} if how == "past" else {}
    event_closing.end_all_bookings(context, 1, "event_cancelled", later(**span))
    assert offer_available(app, **span) == 0
    assert people[0].offers() == []
    if how == "past":
        assert event_closing.close_past_events(context, later(**span)) == 1
        assert people[0].waitlist_entries() == []
        assert stock_of(db, 1) == (2, 0, 0, 0)


def test_cancelling_an_event_ends_its_offers(db, client, people, holder, organizer):
    event_of(db, 2, organizer_id=organizer["id"])
    booking = holder.book(1, 2)
    people[0].wait(1, 2)
    people[1].wait(1, 2)
    holder.cancel(booking)
    client.post("/api/events/1/cancel", headers=organizer["headers"])
    assert [offer["status"] for offer in people[0].offers()] == ["declined"]
    refused(people[0].accept(1), 404, "no_offer")
    assert people[1].offers() == []
    assert stock_of(db, 1) == (2, 0, 0, 0)


def test_a_user_can_join_again_after_an_offer(db, people, holder):
    event_of(db, 2)
    booking = holder.book(1, 2)
    people[0].wait(1, 2)
    holder.cancel(booking)
    people[0].accept(1)
    assert people[0].wait(1, 1)["position"] == 1
    assert stock_of(db, 1) == (0, 2, 0, 1)


def test_each_offer_of_a_long_run_has_its_own_time(db, app, people, holder, monkeypatch):
    """If all had the time of the first one, a worker could take the last ones for abandoned."""
    event_of(db, 4)
    booking = holder.book(1, 4)
    for person in people[:4]:
        person.wait(1, 1)
    ticks = count(0, 10)
    replace_seen(monkeypatch, clock, "time", monotonic=lambda: next(ticks))
    holder.cancel(booking)
    monkeypatch.undo()
    made = [offer["createdAt"] for offer in db.bookings.find({"status": "held"})]
    gaps = [(second - first).total_seconds() for first, second in pairwise(made)]
    assert gaps == [10, 10, 10]
