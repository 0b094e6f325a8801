"""Concurrent purchases and offers never give a user more tickets than the limit."""

from functools import partial

import pytest
from bson import ObjectId

from eventapp.bookings import recovery, transitions, waitlist_offers
from eventapp.bookings import store as bookings_store
from eventapp.bookings.sales import ticket_limit
from eventapp.core.clock import utc_now
from eventapp.core.errors import AppError
from eventapp.inventory.types import OfferableQueue
from tests import factories
from tests.race import kit
from tests.race.test_waitlist_race import make_offers, offered, wait

LIMIT = 10


def event_of(db, *tickets):
    types = [
        {"type": name, "price": 20, "availableTickets": amount}
        for name, amount in zip("ABC", tickets, strict=False)
    ]
    return factories.make_event(db, ticketTypes=types)


def return_tickets_to_a_waiting_user(context, event, quantity, types=(1,)):
    """Return all tickets of these types while one user waits for them; return the user's id."""
    user = ObjectId()
    sold = [kit.booking_id(kit.book(context, event, items=((t, None, quantity),))) for t in types]
    for type_id in types:
        wait(context, event, quantity, user, type_id=type_id)
    for booking_id in sold:
        holder = kit.attendee(transitions.find_booking(context, booking_id)["userId"])
        transitions.cancel_booking(context, booking_id, holder, utc_now())
    return user


def count_tickets(db, user):
    """Return how many tickets the user holds or owns."""
    return sum(b["quantity"] for b in db.bookings.find({"userId": user, "active": True}))


def of_type_b(quantity):
    return {"items": ((2, None, quantity),)}


def book_during_an_offer(context, db, monkeypatch):
    event = event_of(db, 6, 20)
    user = return_tickets_to_a_waiting_user(context, event, 6)
    offering = kit.another_process(context)
    with (
        kit.suspended(monkeypatch, offering.sales, "record") as suspension,
        kit.in_background(partial(make_offers, offering, event)) as made,
    ):
        suspension.wait()
        (result,) = kit.run_concurrently(
            partial(kit.book, context, event, user=user, **of_type_b(8))
        )
        suspension.resume()
        made.result()
    return event, user, result


def test_a_purchase_finds_an_offer_in_progress(context, db, monkeypatch):
    _event, user, result = book_during_an_offer(context, db, monkeypatch)
    assert (getattr(result, "code", result), count_tickets(db, user)) == ("offer_under_way", 6)
    kit.assert_consistent(context)


def test_control_without_the_search_for_offers_a_purchase_exceeds_the_limit(
    context, db, monkeypatch
):
    monkeypatch.setattr(ticket_limit.waitlist, "is_offer_in_progress", lambda *_a, **_k: False)
    _event, user, _result = book_during_an_offer(context, db, monkeypatch)
    assert count_tickets(db, user) > LIMIT


def test_a_purchase_waits_for_an_offer_and_gets_what_it_leaves(context, db, monkeypatch):
    event = event_of(db, 6, 20)
    user = return_tickets_to_a_waiting_user(context, event, 6)
    offering = kit.another_process(context)
    with (
        kit.suspended(monkeypatch, offering.sales, "record") as suspension,
        kit.in_background(partial(make_offers, offering, event)) as made,
    ):
        suspension.wait()
        searching = kit.suspended(
            monkeypatch, ticket_limit.waitlist, "is_offer_in_progress", after=True
        )
        booking = partial(kit.book, context, event, user=user, **of_type_b(4))
        with searching as search, kit.in_background(booking) as booked:
            search.wait()
            suspension.resume()
            made.result()
            search.resume()
            assert booked.result().status == 201
    assert count_tickets(db, user) == LIMIT
    kit.assert_consistent(context)


def offer_during_a_purchase(context, db, monkeypatch, waited_before):
    """Take tickets of B, and make an offer of A before the booking is stored."""
    event = event_of(db, 6, 20)
    user = return_tickets_to_a_waiting_user(context, event, 6) if waited_before else ObjectId()
    with (
        kit.suspended(monkeypatch, bookings_store, "insert_bookings") as suspension,
        kit.in_background(partial(kit.book, context, event, user=user, **of_type_b(8))) as booked,
    ):
        suspension.wait()
        offering = kit.another_process(context)
        if not waited_before:
            first = kit.booking_id(kit.book(offering, event, 6))
            wait(offering, event, 6, user)
            holder = kit.attendee(transitions.find_booking(context, first)["userId"])
            transitions.cancel_booking(offering, first, holder, utc_now())
        make_offers(offering, event)
        suspension.resume()
        assert booked.result().status == 201
    return event, user


@pytest.mark.parametrize("waited_before", [True, False])
def test_an_offer_finds_a_purchase_in_progress(context, db, monkeypatch, waited_before):
    event, user = offer_during_a_purchase(context, db, monkeypatch, waited_before)
    assert count_tickets(db, user) == LIMIT
    kit.assert_consistent(context)
    assert waitlist_offers.offer_tickets(context, event["eventId"], utc_now()) == 0
    assert db.waitlist.count_documents({"active": True}) == 0  # the user is at the limit


@pytest.mark.parametrize("waited_before", [True, False])
def test_control_without_the_search_an_offer_exceeds_the_limit(
    context, db, monkeypatch, waited_before
):
    monkeypatch.setattr(ticket_limit, "_find_tickets_in_progress", lambda *_: {})
    _event, user = offer_during_a_purchase(context, db, monkeypatch, waited_before)
    assert count_tickets(db, user) > LIMIT


def test_no_offer_is_made_while_a_purchase_in_progress_leaves_nothing(context, db, monkeypatch):
    event = event_of(db, 6, 20)
    user = return_tickets_to_a_waiting_user(context, event, 6)
    with (
        kit.suspended(monkeypatch, bookings_store, "insert_bookings") as suspension,
        kit.in_background(partial(kit.book, context, event, user=user, **of_type_b(10))) as booked,
    ):
        suspension.wait()
        assert make_offers(kit.another_process(context), event) == 0
        assert db.waitlist.count_documents({"userId": user, "active": True}) == 1
        recovery.recover(context, utc_now() + kit.AFTER_ABANDONMENT)  # the purchase is undone
        suspension.resume()
        with pytest.raises(AppError):
            booked.result()
    assert make_offers(kit.another_process(context), event) == 1
    assert (count_tickets(db, user), offered(db)) == (6, [(user, 6)])
    kit.assert_consistent(context)


def make_two_offers_concurrently(context, db, monkeypatch):
    event = event_of(db, 6, 6)
    user = return_tickets_to_a_waiting_user(context, event, 6, (1, 2))
    offering = kit.another_process(context)
    with (
        kit.suspended(monkeypatch, offering.sales, "record") as suspension,
        kit.in_background(partial(make_offers, offering, event)) as made,
    ):
        suspension.wait()
        other = kit.another_process(context)
        entry_b = db.waitlist.find_one({"ticketTypeId": 2})
        queue = OfferableQueue(entry_b["scheduleId"], 2, 6, frozenset())
        waitlist_offers._offer_to(other, entry_b, queue, utc_now())
        suspension.resume()
        made.result()
    return event, user


def test_two_concurrent_offers_find_each_other(context, db, monkeypatch):
    event, user = make_two_offers_concurrently(context, db, monkeypatch)
    make_offers(context, event)
    assert (count_tickets(db, user), sorted(q for _, q in offered(db))) == (LIMIT, [4, 6])
    kit.assert_consistent(context)


def test_control_without_the_search_two_offers_exceed_the_limit(context, db, monkeypatch):
    monkeypatch.setattr(ticket_limit.waitlist, "is_offer_in_progress", lambda *_a, **_k: False)
    _event, user = make_two_offers_concurrently(context, db, monkeypatch)
    assert count_tickets(db, user) > LIMIT


@pytest.mark.parametrize("number", range(6))
def test_purchases_and_offers_started_together_stay_within_the_limit(context, db, number):
    """The threads run in any order."""
    event = event_of(db, 6, 6, 20)
    user = return_tickets_to_a_waiting_user(context, event, 6, (1, 2))
    contexts = [kit.another_process(context) for _ in range(4)]
    kit.run_concurrently(
        partial(make_offers, contexts[0], event),
        partial(kit.book, contexts[1], event, user=user, items=((3, None, 2 + number),)),
        partial(make_offers, contexts[2], event),
        partial(kit.book, contexts[3], event, user=user, items=((3, None, 9),)),
    )
    assert count_tickets(db, user) <= LIMIT
    make_offers(context, event)
    assert count_tickets(db, user) == LIMIT
    kit.assert_consistent(context)


# The limit of a ticket type.


def book_the_offered_type(context, db, monkeypatch):
    """Let a user book 2 tickets of a type of which 3 are being offered to the same user.

    Returns:
        The user and the result of the purchase.
    """
    limited = {"type": "A", "price": 20, "availableTickets": 9, "maxPerUser": 4}
    event, user = factories.make_event(db, ticketTypes=[limited]), ObjectId()
    sold = [kit.booking_id(kit.book(context, event, 3)) for _ in range(3)]
    wait(context, event, 3, user)
    for booking_id in sold[:2]:
        holder = kit.attendee(transitions.find_booking(context, booking_id)["userId"])
        transitions.cancel_booking(context, booking_id, holder, utc_now())
    offering = kit.another_process(context)
    with (
        kit.suspended(monkeypatch, offering.sales, "record") as suspension,
        kit.in_background(partial(make_offers, offering, event)) as made,
    ):
        suspension.wait()
        (result,) = kit.run_concurrently(partial(kit.book, context, event, 2, user=user))
        suspension.resume()
        made.result()
    return user, result


def test_an_offer_and_a_purchase_keep_the_limit_of_a_type_together(context, db, monkeypatch):
    user, result = book_the_offered_type(context, db, monkeypatch)
    assert (getattr(result, "code", result), count_tickets(db, user)) == ("offer_under_way", 3)
    kit.assert_consistent(context)


def test_control_without_the_search_for_offers_the_limit_of_a_type_is_exceeded(
    context, db, monkeypatch
):
    monkeypatch.setattr(ticket_limit.waitlist, "is_offer_in_progress", lambda *_a, **_k: False)
    user, _result = book_the_offered_type(context, db, monkeypatch)
    assert count_tickets(db, user) == 5


def test_an_offer_counts_a_purchase_of_the_type_in_progress(context, db, monkeypatch):
    limited = {"type": "A", "price": 20, "availableTickets": 9, "maxPerUser": 4}
    other = {"type": "B", "price": 20, "availableTickets": 9}
    event, user = factories.make_event(db, ticketTypes=[limited, other]), ObjectId()
    entries = {"a" * 24: {1: 3, 2: 1}}
    monkeypatch.setattr(context.inventory.in_flight_entries, "find_taken", lambda *_: dict(entries))
    entry = {"_id": ObjectId(), "userId": user, "eventId": event["eventId"], "ticketTypeId": 1}
    count = partial(ticket_limit.count_tickets_left_for_offer, context, entry)
    assert count(4) == 1
    assert count(4, needed=2) is None  # The purchase may still fail.
    assert count(None) == LIMIT - 4
    assert count(4) == 1


def test_two_purchases_of_one_user_at_once_keep_the_limit_of_a_type(context, db):
    limited = {"type": "A", "price": 20, "availableTickets": 9, "maxPerUser": 4}
    event, user = factories.make_event(db, ticketTypes=[limited]), ObjectId()
    processes = [context, kit.another_process(context)]
    results = kit.run_concurrently(
        *(partial(kit.book, each, event, 3, user=user) for each in processes)
    )
    assert kit.count_outcomes(results) == {201: 1, "already_booked": 1}
    assert count_tickets(db, user) == 3
    kit.assert_consistent(context)
