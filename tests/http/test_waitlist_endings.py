"""How waitlist entries and offers end, and of what their users are notified."""

from datetime import timedelta

import pytest

from eventapp.accounts import service as accounts
from eventapp.accounts.service import PERSONAL_DATA_HANDLERS
from eventapp.bookings import event_closing, recovery, waitlist_offers
from eventapp.bookings.sales import ticket_limit
from eventapp.core.clock import utc_now
from eventapp.jobs import service as jobs
from eventapp.waitlist import service as waitlist
from tests.bookings_factories import (
    Caller,
    context_of,
    event_of,
    later,
    refused,
    stock_of,
)
from tests.factories import day

pytestmark = pytest.mark.usefixtures("clean_inventory")


def told(app, caller):
    """Return the kind and the message of the caller's notifications after the worker ran."""
    jobs.run_job("tell", context_of(app))
    found = caller.get("/notifications").json["notifications"]
    return [(each["kind"], each["message"]) for each in found if "waitlist" in each["kind"]]


# The ticket limit.


def test_a_user_at_the_ticket_limit_cannot_wait(db, ann, bob):
    event_of(db, 1, 20)
    bob.book(1)
    ann.book(1, 10, 2)
    body = refused(ann.join(1), 409, "ticket_limit_exceeded")
    assert body["message"] == "At most 10 tickets of an event; you have 10"
    assert stock_of(db, 1) == (0, 1, 0, 0)


@pytest.mark.parametrize(("owned", "wanted", "status"), [(7, 3, 201), (7, 4, 409), (1, 10, 409)])
def test_what_a_user_has_and_waits_for_is_within_the_limit(db, ann, bob, owned, wanted, status):
    event_of(db, 1, 20)
    bob.book(1)
    ann.book(1, owned, 2)
    assert ann.join(1, wanted).status_code == status


def test_a_purchase_puts_no_more_on_the_waitlist_than_the_limit_allows(db, ann, bob):
    event_of(db, 6)
    booking = bob.book(1, 6)
    ann.wait(1, 6)
    bob.cancel(booking)
    refused(ann.order(1, quantity=5), 409, "ticket_limit_exceeded")
    assert stock_of(db, 1) == (0, 0, 6, 0)


def test_a_user_who_reaches_the_limit_later_is_told(app, db, ann, bob):
    schedule = [{"date": day(30), "location": "Athens"}]
    event_of(db, 2, 20, title="A Night", schedule=schedule)
    booking = bob.book(1, 2)
    ann.wait(1, 2)
    ann.book(1, 10, 2)
    bob.cancel(booking)
    assert ann.waitlist_entries() == []
    expected = (
        "You have as many tickets of A Night as one person may have. "
        f"You are no longer on the waitlist for 2 tickets on {day(30)}, Athens."
    )
    assert told(app, ann) == [("waitlist_closed", expected)]
    assert told(app, ann) == [("waitlist_closed", expected)]
    assert [mail["subject"] for mail in db.mails.find({"kind": "waitlist_closed"})] == [
        "Waitlist closed: A Night"
    ]


# Events that end.


@pytest.mark.parametrize("how", ["cancelled", "deleted", "over"])
def test_who_waits_for_an_event_that_ends_is_told(app, db, ann, bob, host, how):
    event_of(
        db, 1, title="A Night", organizer_id=host.id, schedule=[{"date": day(2), "location": "X"}]
    )
    booking = bob.book(1)
    ann.wait(1)
    if how == "cancelled":
        assert host.call("POST", "/events/1/cancel").status_code == 200
    elif how == "over":
        event_closing.close_past_events(context_of(app), later(days=4))
    else:
        # Tickets that are returned would be offered, so the last booking is removed by hand.
        db.bookings.delete_one({"bookingReference": booking["bookingReference"]})
        sold = {"ticketTypes.0.soldTickets": 0, "ticketTypes.0.capacity": 0, "inFlight": {}}
        db.events.update_one({"eventId": 1}, {"$set": sold})
        assert host.call("DELETE", "/events/1").status_code == 200
    reasons = {
        "cancelled": "A Night does not take place.",
        "deleted": "A Night is no longer offered.",
        "over": "A Night is over.",
    }
    awaited = "1 ticket" if how == "deleted" else f"1 ticket on {day(2)}, X"
    expected = f"{reasons[how]} You are no longer on the waitlist for {awaited}."
    assert told(app, ann) == [("waitlist_closed", expected)]
    assert told(app, bob) == []


def test_who_leaves_is_told_nothing(app, db, ann, bob):
    event_of(db, 1)
    bob.book(1)
    ann.wait(1)
    assert ann.call("DELETE", "/waitlist/1").status_code == 200
    assert told(app, ann) == []


# Deleted accounts.


def delete(caller):
    assert caller.call("DELETE", f"/users/{caller.id}").status_code == 200


def assert_forgotten(db, user_id):
    for name in db.list_collection_names():
        for document in db[name].find():
            assert str(user_id) not in str(document), name


def test_an_account_deleted_with_an_open_offer_gives_the_tickets_back(app, client, db, ann, bob):
    event_of(db, 2)
    booking, next_ = bob.book(1, 2), Caller(client, app)
    ann.wait(1, 2)
    next_.wait(1, 2)
    bob.cancel(booking)
    assert ann.offers()[0]["status"] == "open"
    delete(ann)
    assert [offer["status"] for offer in next_.offers()] == ["open"]
    assert_forgotten(db, ann.id)


def test_an_account_deleted_with_a_hold_or_an_entry_gives_them_back(app, db, ann, bob):
    event_of(db, 2, 1)
    ann.book(1, 2, hold=True)
    bob.book(1, 1, 2)
    ann.wait(1, 1, 2)
    delete(ann)
    assert stock_of(db, 1) == (2, 0, 0, 0)
    assert stock_of(db, 1, 2) == (0, 1, 0, 0)
    assert_forgotten(db, ann.id)


@pytest.mark.parametrize("at", ["count_tickets_left_for_offer", "subtract_offer", "crash"])
def test_an_offer_that_is_being_made_to_a_deleted_account_goes_back(
    app, db, ann, bob, monkeypatch, at
):
    """The account is deleted while its entry is claimed, before or after the offer is stored."""
    event_of(db, 2)
    booking = bob.book(1, 2)
    ann.wait(1, 5)
    module = ticket_limit if at == "count_tickets_left_for_offer" else waitlist
    name = "subtract_offer" if at == "crash" else at
    original, calls = getattr(module, name), []

    def delete_first(*args, **kwargs):
        calls.append(1)
        if len(calls) == 1:
            monkeypatch.setattr(module, name, original)
            forget = PERSONAL_DATA_HANDLERS.get(app).forget_functions
            accounts.delete_user(db, ann.id, forget_functions=forget, now=utc_now())
            if at == "crash":
                raise RuntimeError("the process died")
        return original(*args, **kwargs)

    monkeypatch.setattr(module, name, delete_first)
    bob.cancel(booking)
    assert calls
    if at == "crash":
        recovery.recover(context_of(app), utc_now() + timedelta(minutes=1))
    waitlist_offers.offer_available_tickets(context_of(app), utc_now() + timedelta(hours=1))
    assert stock_of(db, 1) == (2, 0, 0, 0)
    assert db.waitlist.count_documents({"active": True}) == 0
    assert_forgotten(db, ann.id)


def test_two_claimed_entries_of_deleted_accounts_are_both_forgotten(db, app, client, ann, bob):
    event_of(db, 1)
    bob.book(1)
    people = [Caller(client, app) for _ in range(2)]
    for person in people:
        person.wait(1)
        claim = {"bookingId": person.id, "at": utc_now()}
        db.waitlist.update_one({"userId": person.id}, {"$set": {"offering": claim}})
    for person in people:
        accounts.delete_user(db, person.id, forget_functions=(waitlist.forget_user,), now=utc_now())
        assert db.waitlist.count_documents({"userId": person.id}) == 0
    db.waitlist.update_many({}, {"$unset": {"offering": ""}})
    bob.cancel({"_id": db.bookings.find_one({"userId": bob.id})["_id"]})
    assert stock_of(db, 1) == (1, 0, 0, 0)


# What answers say.


def offer_to(db, caller, holder, tickets, wanted):
    event_of(db, tickets)
    booking = holder.book(1, tickets)
    caller.wait(1, wanted)
    holder.cancel(booking)


@pytest.mark.parametrize(
    ("quantity", "message"),
    [
        (None, "Booking confirmed"),
        (2, "Booking confirmed"),
        (5, "Booking confirmed: 2 tickets; no more were offered"),
        (1, "Booking confirmed: 1 ticket; 1 ticket of the offer went back"),
    ],
)
def test_accepting_says_what_it_did(db, ann, bob, quantity, message):
    offer_to(db, ann, bob, 2, 2)
    body = {} if quantity is None else {"quantity": quantity}
    answer = ann.accept(1, **body)
    assert (answer.status_code, answer.json["message"]) == (200, message)
    assert answer.json["data"]["booking"]["quantity"] == min(quantity or 2, 2)


def test_a_second_acceptance_says_what_became_of_the_offer(db, ann, bob):
    offer_to(db, ann, bob, 2, 2)
    reference = ann.accept(1).json["data"]["booking"]["bookingReference"]
    body = refused(ann.accept(1), 404, "no_offer")
    assert body["message"] == f"Your last offer, {reference}, was accepted"
    assert body["offerStatus"] == "accepted"


def test_leaving_says_what_it_did(db, ann, bob):
    offer_to(db, ann, bob, 2, 5)
    answer = ann.call("DELETE", "/waitlist/1")
    assert answer.json["message"] == "You left the waitlist and declined the offer of 2 tickets"
    refused(ann.call("DELETE", "/waitlist/1"), 404, "not_on_waitlist")
    assert refused(ann.accept(1), 404, "no_offer")["offerStatus"] == "declined"
