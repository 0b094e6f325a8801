"""Nobody has more tickets of an event than one may, whoever gives them at the same moment."""

from functools import partial

import pytest
from bson import ObjectId

from eventapp.bookings import recovery, ticket_limit, transitions, waitlist_offers
from eventapp.bookings import store as bookings_store
from eventapp.core.clock import utc_now
from eventapp.core.errors import AppError
from tests import factories
from tests.race import kit
from tests.race.test_waitlist_race import offered, serve, wait

MOST = 10


def event_of(db, *tickets):
    types = [
        {"type": name, "price": 20, "availableTickets": amount}
        for name, amount in zip("ABC", tickets, strict=False)
    ]
    return factories.make_event(db, ticketTypes=types)


def one_waits(context, event, quantity, types=(1,)):
    """All tickets of these types come back while one user waits for them; the user."""
    user = ObjectId()
    sold = [kit.booked(kit.book(context, event, items=((t, None, quantity),))) for t in types]
    for type_id in types:
        wait(context, event, quantity, user, type_id=type_id)
    for booking_id in sold:
        holder = kit.person(transitions.find_booking(context, booking_id)["userId"])
        transitions.cancel(context, booking_id, holder, utc_now())
    return user


def has(db, user):
    """The tickets that the user has or holds."""
    return sum(b["quantity"] for b in db.bookings.find({"userId": user, "active": True}))


def of_type_b(quantity):
    return {"items": ((2, None, quantity),)}


def booked_while_an_offer_is_made(context, db, monkeypatch):
    event = event_of(db, 6, 20)
    user = one_waits(context, event, 6)
    offering = kit.another(context)
    with (
        kit.stalled(monkeypatch, offering.sales, "record") as stall,
        kit.in_background(partial(serve, offering, event)) as made,
    ):
        stall.wait()
        (result,) = kit.at_once(partial(kit.book, context, event, user=user, **of_type_b(8)))
        stall.let_go()
        made.result()
    return event, user, result


def test_a_booking_sees_the_offer_that_is_being_made(context, db, monkeypatch):
    _event, user, result = booked_while_an_offer_is_made(context, db, monkeypatch)
    assert (getattr(result, "code", result), has(db, user)) == ("offer_under_way", 6)
    kit.audit(context)


def test_control_who_does_not_look_for_offers_has_too_many(context, db, monkeypatch):
    monkeypatch.setattr(ticket_limit.waitlist, "is_being_offered", lambda *_a, **_k: False)
    _event, user, _result = booked_while_an_offer_is_made(context, db, monkeypatch)
    assert has(db, user) > MOST


def test_a_booking_waits_for_the_offer_and_has_what_it_leaves(context, db, monkeypatch):
    event = event_of(db, 6, 20)
    user = one_waits(context, event, 6)
    offering = kit.another(context)
    with (
        kit.stalled(monkeypatch, offering.sales, "record") as stall,
        kit.in_background(partial(serve, offering, event)) as made,
    ):
        stall.wait()
        looks = kit.stalled(monkeypatch, ticket_limit.waitlist, "is_being_offered", after=True)
        booking = partial(kit.book, context, event, user=user, **of_type_b(4))
        with looks as looked, kit.in_background(booking) as booked:
            looked.wait()
            stall.let_go()
            made.result()
            looked.let_go()
            assert booked.result().status == 201
    assert has(db, user) == MOST
    kit.audit(context)


def offered_while_one_books(context, db, monkeypatch, waited_before):
    """The user takes tickets of B, and before the booking is recorded an offer of A is made."""
    event = event_of(db, 6, 20)
    user = one_waits(context, event, 6) if waited_before else ObjectId()
    with (
        kit.stalled(monkeypatch, bookings_store, "insert_bookings") as stall,
        kit.in_background(partial(kit.book, context, event, user=user, **of_type_b(8))) as booked,
    ):
        stall.wait()
        offering = kit.another(context)
        if not waited_before:
            first = kit.booked(kit.book(offering, event, 6))
            wait(offering, event, 6, user)
            holder = kit.person(transitions.find_booking(context, first)["userId"])
            transitions.cancel(offering, first, holder, utc_now())
        serve(offering, event)
        stall.let_go()
        assert booked.result().status == 201
    return event, user


@pytest.mark.parametrize("waited_before", [True, False])
def test_an_offer_sees_the_booking_that_is_being_made(context, db, monkeypatch, waited_before):
    event, user = offered_while_one_books(context, db, monkeypatch, waited_before)
    assert has(db, user) == MOST
    kit.audit(context)
    assert waitlist_offers.offer_tickets(context, event["eventId"], utc_now()) == 0
    assert db.waitlist.count_documents({"active": True}) == 0  # has all that one may have


@pytest.mark.parametrize("waited_before", [True, False])
def test_control_an_offer_that_does_not_look_is_too_large(context, db, monkeypatch, waited_before):
    monkeypatch.setattr(ticket_limit, "_tickets_in_progress", lambda *_: {})
    _event, user = offered_while_one_books(context, db, monkeypatch, waited_before)
    assert has(db, user) > MOST


def test_an_offer_waits_for_a_booking_that_would_leave_it_nothing(context, db, monkeypatch):
    event = event_of(db, 6, 20)
    user = one_waits(context, event, 6)
    with (
        kit.stalled(monkeypatch, bookings_store, "insert_bookings") as stall,
        kit.in_background(partial(kit.book, context, event, user=user, **of_type_b(10))) as booked,
    ):
        stall.wait()
        assert serve(kit.another(context), event) == 0
        assert db.waitlist.count_documents({"userId": user, "active": True}) == 1
        recovery.recover(context, utc_now() + kit.LATER)  # the booking is given up
        stall.let_go()
        with pytest.raises(AppError):
            booked.result()
    assert serve(kit.another(context), event) == 1
    assert (has(db, user), offered(db)) == (6, [(user, 6)])
    kit.audit(context)


def two_offers_at_once(context, db, monkeypatch):
    event = event_of(db, 6, 6)
    user = one_waits(context, event, 6, (1, 2))
    offering = kit.another(context)
    with (
        kit.stalled(monkeypatch, offering.sales, "record") as stall,
        kit.in_background(partial(serve, offering, event)) as made,
    ):
        stall.wait()
        waitlist_offers._offer_to_first(kit.another(context), event["eventId"], 2, 6, utc_now())
        stall.let_go()
        made.result()
    return event, user


def test_two_offers_at_once_see_each_other(context, db, monkeypatch):
    event, user = two_offers_at_once(context, db, monkeypatch)
    serve(context, event)
    assert (has(db, user), sorted(q for _, q in offered(db))) == (MOST, [4, 6])
    kit.audit(context)


def test_control_two_offers_that_do_not_look_are_too_many(context, db, monkeypatch):
    monkeypatch.setattr(ticket_limit.waitlist, "is_being_offered", lambda *_a, **_k: False)
    _event, user = two_offers_at_once(context, db, monkeypatch)
    assert has(db, user) > MOST


@pytest.mark.parametrize("number", range(6))
def test_bookings_and_offers_let_go_together(context, db, number):
    """No order chosen by hand: threads as they come."""
    event = event_of(db, 6, 6, 20)
    user = one_waits(context, event, 6, (1, 2))
    contexts = [kit.another(context) for _ in range(4)]
    kit.at_once(
        partial(serve, contexts[0], event),
        partial(kit.book, contexts[1], event, user=user, items=((3, None, 2 + number),)),
        partial(serve, contexts[2], event),
        partial(kit.book, contexts[3], event, user=user, items=((3, None, 9),)),
    )
    assert has(db, user) <= MOST
    serve(context, event)
    assert has(db, user) == MOST
    kit.audit(context)
