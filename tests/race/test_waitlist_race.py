"""Concurrent use of the waitlist: offers are made in order, once, and before other sales."""

from datetime import timedelta
from functools import partial

import pytest
from bson import ObjectId

from eventapp.bookings import event_closing, offer_answers, transitions, waitlist_offers
from eventapp.bookings import store as bookings_store
from eventapp.bookings.errors import SoldOut
from eventapp.bookings.sales import ticket_limit
from eventapp.core.clock import utc_now
from eventapp.core.errors import AppError
from eventapp.inventory import allocation as inventory_allocation
from eventapp.inventory import queues as inventory_queues
from eventapp.inventory.types import OfferableQueue
from eventapp.jobs import service as jobs
from eventapp.waitlist import joining
from eventapp.waitlist import service as waitlist
from eventapp.waitlist import store as waitlist_store
from tests.factories import day
from tests.race import kit
from tests.race.test_bookings_change import AFTER_THE_HOLD, event_of

AFTER_THE_OFFER = 3 * AFTER_THE_HOLD
# The index that gives a user one active entry of a type and schedule entry.
ONE_PLACE = "one_active_place"


def sold_out_event(context, db, tickets, waiting, quantity=1):
    """Sell all tickets one by one; return the event, the bookings, and who waits, in order."""
    event = event_of(db, tickets)
    sold = [kit.booking_id(kit.book(context, event)) for _ in range(tickets)]
    return event, sold, [wait(context, event, quantity) for _ in range(waiting)]


def wait(context, event, quantity=1, user=None, type_id=1, schedule_id=None):
    user = user or ObjectId()
    joining.join_waitlist(
        context.db,
        context.inventory,
        actor=kit.attendee(user),
        event_id=event["eventId"],
        type_id=type_id,
        schedule_id=schedule_id,
        quantity=quantity,
        max_quantity=10,
        count_tickets=ticket_limit.count_tickets,
        requires_verified_email=False,
        now=utc_now(),
    )
    return user


def cancel(context, booking_id):
    booking = transitions.find_booking(context, booking_id)
    return transitions.cancel_booking(
        context, booking_id, kit.attendee(booking["userId"]), utc_now()
    )


def offered(db):
    """Return who has an offer, in the order in which the offers were made."""
    offers = db.bookings.find({"waitlistEntryId": {"$exists": True}}).sort("_id", 1)
    return [(offer["userId"], offer["quantity"]) for offer in offers]


def make_offers(context, event, now=None):
    return waitlist_offers.offer_tickets(context, event["eventId"], now or utc_now())


def test_returned_tickets_go_to_the_waitlist(context, db):
    event, sold, (first, second) = sold_out_event(context, db, 3, 2)
    contexts = [kit.another_process(context) for _ in range(4)]
    public = [partial(kit.book, contexts[n % 4], event) for n in range(12)]
    back = [
        partial(
            waitlist_offers.cancel_and_offer,
            kit.another_process(context),
            booking_id,
            kit.attendee(db.bookings.find_one({"_id": booking_id})["userId"]),
            utc_now(),
        )
        for booking_id in sold[:2]
    ]
    results = kit.run_concurrently(*public, *back)
    assert kit.count_outcomes(results) == {"sold_out": 12, "dict": 2}
    make_offers(context, event)
    assert sorted(offered(db)) == sorted([(first, 1), (second, 1)])
    assert kit.stock_counters(db, event) == (0, 2, 1, 0)
    kit.assert_consistent(context)


def test_control_without_the_guard_a_purchase_passes_the_waitlist(context, db, monkeypatch):
    event, sold, _ = sold_out_event(context, db, 1, 1)
    monkeypatch.setattr(inventory_queues, "_build_stock_guards", lambda *_: {})
    allocate = inventory_allocation.allocate
    blind = lambda e, *rest: allocate(  # noqa: E731
        {**e, "ticketTypes": [{**k, "waiting": 0} for k in e["ticketTypes"]]}, *rest
    )
    monkeypatch.setattr(inventory_allocation, "allocate", blind)
    cancel(context, sold[0])
    assert kit.book(context, event).status == 201


@pytest.mark.parametrize("quantity", [1, 2])
def test_concurrent_processes_offer_each_ticket_once_and_in_order(context, db, quantity):
    event, sold, people = sold_out_event(context, db, 6, 5, quantity)
    for booking_id in sold:
        cancel(context, booking_id)
    contexts = [kit.another_process(context) for _ in range(8)]
    kit.run_concurrently(*[partial(make_offers, one, event) for one in contexts])
    # A process leaves tickets to another one that is making offers, which may be ending just then.
    make_offers(context, event)
    served = 6 // quantity
    assert offered(db) == [(user, quantity) for user in people[:served]]
    left = max(0, 6 - quantity * 5)
    assert kit.stock_counters(db, event) == (left, 6 - left, 0, max(0, 5 - served))
    kit.assert_consistent(context)


def test_control_without_the_claim_one_entry_gets_two_offers(context, db, monkeypatch):
    event, sold, people = sold_out_event(context, db, 2, 2)
    for booking_id in sold:
        cancel(context, booking_id)
    monkeypatch.setattr(
        waitlist_store, "claim_for_offer", lambda db_, id_, *_: db_.waitlist.find_one({"_id": id_})
    )
    first = db.waitlist.find_one({"userId": people[0]})
    with (
        kit.suspended(monkeypatch, waitlist, "subtract_offer") as suspension,
        kit.in_background(partial(make_offers, context, event)) as offering,
    ):
        suspension.wait()
        other = kit.another_process(context)
        queue = OfferableQueue(1, 1, 1, frozenset())
        waitlist_offers._offer_to(other, first, queue, utc_now())
        suspension.resume()
        offering.result()
    assert [user for user, _ in offered(db)].count(people[0]) == 2


def test_an_entry_offered_in_part_keeps_its_position(context, db):
    event, sold, (first, second) = sold_out_event(context, db, 3, 2, quantity=2)
    cancel(context, sold[0])
    make_offers(context, event)
    assert offered(db) == [(first, 1)]
    for booking_id in sold[1:]:
        cancel(context, booking_id)
    kit.run_concurrently(
        *[partial(make_offers, kit.another_process(context), event) for _ in range(4)]
    )
    make_offers(context, event)
    assert offered(db) == [(first, 1), (first, 1), (second, 1)]
    assert kit.stock_counters(db, event) == (0, 3, 0, 1)
    kit.assert_consistent(context)


def test_an_offer_is_either_accepted_or_expires(context, db):
    accepted = 0
    for _ in range(10):
        event, sold, (user, _) = sold_out_event(context, db, 1, 2)
        cancel(context, sold[0])
        now = utc_now()
        make_offers(context, event, now)
        results = kit.run_concurrently(
            partial(
                offer_answers.accept_offer,
                context,
                event["eventId"],
                kit.attendee(user),
                None,
                now,
            ),
            partial(
                waitlist_offers.expire_holds, kit.another_process(context), now + AFTER_THE_OFFER
            ),
        )
        taken = not isinstance(results[0], AppError)
        accepted += taken
        make_offers(context, event, now + AFTER_THE_OFFER)
        assert kit.stock_counters(db, event) == ((0, 0, 1, 1) if taken else (0, 1, 0, 0))
        assert len(offered(db)) == (1 if taken else 2)
        assert kit.find_faults(context) == []
        for name in ("bookings", "waitlist", "events"):
            db[name].delete_many({})
        context = kit.another_process(context)


def test_concurrent_acceptances_in_part_sell_once(context, db):
    event, sold, (user,) = sold_out_event(context, db, 4, 1, quantity=3)
    for booking_id in sold:
        cancel(context, booking_id)
    now = utc_now()
    make_offers(context, event, now)
    accept = lambda one: offer_answers.accept_offer(  # noqa: E731
        one, event["eventId"], kit.attendee(user), 2, now
    )
    results = kit.run_concurrently(
        *[partial(accept, kit.another_process(context)) for _ in range(4)]
    )
    assert set(kit.count_outcomes(results)) <= {"Checkout", "no_offer"}
    assert kit.stock_counters(db, event) == (2, 0, 2, 0)
    kit.assert_consistent(context)


def test_leaving_while_an_offer_is_made_ends_entry_and_offer(context, db, monkeypatch):
    event, sold, (user, other) = sold_out_event(context, db, 1, 2)
    cancel(context, sold[0])
    with (
        kit.suspended(monkeypatch, bookings_store, "insert_bookings") as suspension,
        kit.in_background(partial(make_offers, context, event)) as offering,
    ):
        suspension.wait()
        leaving = partial(
            offer_answers.leave_waitlist,
            kit.another_process(context),
            event["eventId"],
            kit.attendee(user),
            utc_now(),
        )
        with kit.in_background(leaving) as left:
            # Leaving must be tried again, because the entry is claimed.
            with kit.suspended(monkeypatch, waitlist, "is_waiting", after=True) as asked:
                asked.wait()
                suspension.resume()
                offering.result()
                asked.resume()
            left.result()
    assert db.waitlist.count_documents({"userId": user, "active": True}) == 0
    assert db.bookings.count_documents({"userId": user, "active": True}) == 0
    make_offers(context, event)
    assert offered(db)[-1] == (other, 1)
    assert kit.stock_counters(db, event) == (0, 1, 0, 0)
    kit.assert_consistent(context)


def test_leaving_and_offering_concurrently_loses_no_ticket(context, db):
    event, sold, people = sold_out_event(context, db, 4, 8)
    for booking_id in sold:
        cancel(context, booking_id)
    leaving = [
        partial(
            offer_answers.leave_waitlist,
            kit.another_process(context),
            event["eventId"],
            kit.attendee(user),
            utc_now(),
        )
        for user in people[:4]
    ]
    results = kit.run_concurrently(
        *leaving, *[partial(make_offers, kit.another_process(context), event) for _ in range(3)]
    )
    assert [r for r in results if isinstance(r, AppError)] == []
    make_offers(context, event)
    holders = [b["userId"] for b in db.bookings.find({"active": True})]
    assert sorted(holders) == sorted(people[4:])
    assert kit.stock_counters(db, event) == (0, 4, 0, 0)
    kit.assert_consistent(context)


def test_concurrent_joins_give_each_user_one_entry(context, db):
    event = event_of(db, 0)
    user = ObjectId()
    contexts = [kit.another_process(context) for _ in range(3)]
    results = kit.run_concurrently(
        *[partial(wait, one, event, user=user) for one in contexts],
        *[partial(wait, one, event) for one in contexts],
    )
    assert kit.count_outcomes(results) == {"ObjectId": 4, "already_waitlisted": 2}
    assert kit.stock_counters(db, event) == (0, 0, 0, 4)
    sequences = [entry["sequence"] for entry in db.waitlist.find({"active": True})]
    assert len(set(sequences)) == 4
    kit.assert_consistent(context)


def join_two_lines(context, db):
    """Let a user join each of two lines twice at once; return the event and the outcomes."""
    schedule = [{"date": day(number), "location": "Volos"} for number in (30, 40)]
    event, user = event_of(db, 0, schedule=schedule), ObjectId()
    contexts = [kit.another_process(context) for _ in range(4)]
    results = kit.run_concurrently(
        *[
            partial(wait, one, event, user=user, schedule_id=number % 2 + 1)
            for number, one in enumerate(contexts)
        ]
    )
    return event, kit.count_outcomes(results)


def test_concurrent_joins_of_two_dates_give_one_entry_each(context, db):
    event, outcomes = join_two_lines(context, db)
    assert outcomes == {"ObjectId": 2, "already_waitlisted": 2}
    assert sorted(e["scheduleId"] for e in db.waitlist.find({"active": True})) == [1, 2]
    assert kit.stock_counters(db, event) == (0, 0, 0, 2)
    kit.assert_consistent(context)


def test_control_without_the_index_a_user_joins_a_line_twice(context, db):
    (model,) = [m for m in waitlist_store.INDEXES["waitlist"] if m.document["name"] == ONE_PLACE]
    db.waitlist.drop_index(ONE_PLACE)
    try:
        _event, outcomes = join_two_lines(context, db)
    finally:
        db.waitlist.delete_many({})
        db.waitlist.create_indexes([model])
    assert outcomes == {"ObjectId": 4}


def close_first_date(context, db):
    """Close the places of a date that is over, by four workers, while two users leave.

    Returns:
        The event, and the userIds of those who wait for the other date.
    """
    schedule = [{"date": day(number), "location": "Volos"} for number in (30, 40)]
    event = event_of(db, 0, schedule=schedule)
    people = [wait(context, event, schedule_id=number % 2 + 1) for number in range(8)]
    contexts = [kit.another_process(context) for _ in range(4)]
    past = utc_now() + timedelta(days=35)
    results = kit.run_concurrently(
        *[partial(event_closing.close_past_events, one, past) for one in contexts],
        *[
            partial(offer_answers.leave_waitlist, one, 1, kit.attendee(user), utc_now())
            for one, user in zip(contexts, people[:2], strict=False)
        ],
    )
    assert [r for r in results if isinstance(r, Exception) and not isinstance(r, AppError)] == []
    return event, set(people[3::2])


def test_several_workers_close_only_the_places_of_a_date_that_is_over(context, db):
    event, left = close_first_date(context, db)
    assert {entry["userId"] for entry in db.waitlist.find({"active": True})} == left
    assert kit.stock_counters(db, event) == (0, 0, 0, 3)
    kit.assert_consistent(context)


def test_control_without_the_date_all_places_are_closed(context, db, monkeypatch):
    real = waitlist_store.find_active_of_event
    monkeypatch.setattr(
        waitlist_store, "find_active_of_event", lambda db_, id_, limit, _ids: real(db_, id_, limit)
    )
    event, left = close_first_date(context, db)
    assert left
    assert db.waitlist.count_documents({"active": True}) == 0
    assert kit.stock_counters(db, event) == (0, 0, 0, 0)


def test_entries_of_a_past_event_end_after_a_worker_died(context, db, monkeypatch):
    event, _, _ = sold_out_event(context, db, 1, 3)
    past = utc_now() + timedelta(days=40)

    def die(*_):
        raise SystemExit

    with monkeypatch.context() as dying:
        dying.setattr(waitlist, "close_waitlist", die)
        with pytest.raises(SystemExit):
            jobs.JOBS["complete-past"].function(context, past)
    jobs.JOBS["complete-past"].function(context, past)
    assert kit.stock_counters(db, event) == (0, 0, 1, 0)
    assert db.waitlist.count_documents({"active": True}) == 0


def test_mixed_load_keeps_the_stock_correct_and_the_waitlist_first(context, db):
    """Purchases, cancellations and offers run concurrently; no purchase passes the waitlist."""
    event, sold, people = sold_out_event(context, db, 8, 4)
    contexts = [kit.another_process(context) for _ in range(4)]
    calls = [partial(kit.book, contexts[n % 4], event, 2, hold=n % 2 == 0) for n in range(8)]
    calls += [partial(cancel, contexts[n % 4], id_) for n, id_ in enumerate(sold)]
    calls += [partial(make_offers, one, event) for one in contexts]
    calls += [
        partial(
            offer_answers.leave_waitlist,
            contexts[n],
            event["eventId"],
            kit.attendee(user),
            utc_now(),
        )
        for n, user in enumerate(people[:2])
    ]
    results = kit.run_concurrently(*calls)
    refused = [r for r in results if isinstance(r, AppError)]
    assert all(isinstance(r, SoldOut) for r in refused)
    assert sum(kit.stock_counters(db, event)[:3]) == 8
    kit.assert_consistent(context)
    kit.assert_consistent(context, utc_now() + AFTER_THE_OFFER)
