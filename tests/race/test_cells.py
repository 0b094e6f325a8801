"""The cells of an event always count what is sold and held for each of its dates and types."""

from datetime import timedelta
from functools import partial

import pytest
from bson import ObjectId

from eventapp.bookings import offer_answers, transitions, waitlist_offers
from eventapp.core.clock import utc_now
from eventapp.inventory import rules, store
from tests import factories
from tests.bookings_factories import confirm_booking
from tests.race import kit

BUYERS = 12


@pytest.fixture
def event(db):
    """Return an event with three types, the last of 3 tickets, and with dates 4 and 7."""
    types = [
        {"type": name, "price": 0, "availableTickets": tickets}
        for name, tickets in (("A", 40), ("B", 40), ("C", 3))
    ]
    schedule = [{"date": factories.day(n), "location": f"Hall {n}"} for n in (5, 6)]
    event = factories.make_event(db, ticketTypes=types, schedule=schedule)
    ids = {"schedule.0.scheduleId": 4, "schedule.1.scheduleId": 7}
    db.events.update_one({}, {"$set": ids, "$inc": {"terms": 1, "rev": 1}})
    return event


def cells_of(db):
    """Return the counters of all cells that are not 0, by scheduleId and ticketTypeId."""
    cells = db.events.find_one({}).get("cells", {})
    return {
        (int(schedule_id), int(type_id)): counts
        for schedule_id, by_type in cells.items()
        for type_id, counters in by_type.items()
        if (counts := {name: value for name, value in counters.items() if value})
    }


def entry_dates(db):
    """Return the scheduleId of each in-flight entry."""
    return [entry["scheduleId"] for entry in db.events.find_one({})["inFlight"].values()]


def both(first, second):
    """Return the items of a purchase of both types."""
    return ((1, None, first), (2, None, second))


def test_a_sale_counts_in_the_cells_of_its_date(context, db, event):
    kit.book(context, event, schedule_index=1, items=both(2, 1))
    assert entry_dates(db) == [7]
    kit.book(context, event, 3, hold=True)
    assert cells_of(db) == {(7, 1): {"sold": 2}, (7, 2): {"sold": 1}, (4, 1): {"held": 3}}
    assert entry_dates(db) == [4]
    kit.assert_consistent(context)


def test_a_confirmation_and_an_end_move_the_tickets_of_their_cell(context, db, event):
    user = ObjectId()
    held = kit.booking_id(kit.book(context, event, 3, hold=True, user=user, schedule_index=1))
    confirm_booking(context, held, kit.attendee(user), utc_now())
    assert cells_of(db) == {(7, 1): {"sold": 3}}
    transitions.cancel_booking(context, held, kit.ADMIN, utc_now())
    assert cells_of(db) == {}
    kit.assert_consistent(context)


def test_an_offer_counts_in_the_cell_of_the_offered_date(context, db, event):
    answer = kit.book(context, event, items=((3, None, 3),), schedule_index=1)
    sold, waiting = kit.booking_id(answer), ObjectId()
    kit.book(context, event, items=((3, None, 2),), user=waiting, on_shortfall="waitlist")
    waitlist_offers.cancel_and_offer(context, sold, kit.ADMIN, utc_now())
    assert cells_of(db) == {(4, 3): {"held": 2}}
    accepting = kit.attendee(waiting)
    offer_answers.accept_offer(context, event["eventId"], accepting, 1, utc_now())
    assert cells_of(db) == {(4, 3): {"sold": 1}}
    kit.assert_consistent(context)


def buy_confirm_and_cancel(context, event, number):
    """Run one buyer: hold tickets for one of the dates, confirm or drop them, and cancel some."""
    user, order = ObjectId(), both(1 + number % 2, 1 + number % 3)
    answer = kit.book(context, event, user=user, hold=True, items=order, schedule_index=number % 2)
    id_ = kit.booking_id(answer)
    if number % 4:
        confirm_booking(context, id_, kit.attendee(user), utc_now())
    if number % 3 == 0:
        transitions.cancel_booking(context, id_, kit.ADMIN, utc_now())


def test_cells_equal_the_bookings_after_concurrent_changes(context, db, event):
    contexts = [kit.another_process(context) for _ in range(4)]
    kit.run_concurrently(
        *[partial(buy_confirm_and_cancel, contexts[n % 4], event, n) for n in range(BUYERS)]
    )
    assert kit.find_faults(context) == []
    expected: dict[tuple[int, int], int] = {}
    for booking in db.bookings.find({"active": True}):
        for item in booking["items"]:
            key = booking["scheduleId"], item["ticketTypeId"]
            expected[key] = expected.get(key, 0) + item["quantity"]
    assert {key: sum(counts.values()) for key, counts in cells_of(db).items()} == expected
    kit.assert_consistent(context, utc_now() + timedelta(minutes=1))
    kit.run_all_jobs(context, utc_now() + timedelta(hours=1))
    assert kit.find_faults(context) == []


def test_control_a_move_without_its_date_is_found(context, db, event, monkeypatch):
    sold = kit.booking_id(kit.book(context, event, 2, schedule_index=1))
    real = rules.sum_cell_changes
    monkeypatch.setattr(rules, "sum_cell_changes", lambda several: real((0, c) for _, c in several))
    transitions.cancel_booking(context, sold, kit.ADMIN, utc_now())
    name = "cell of entry {} and type 1: sold is {}, should be 0"
    assert kit.find_faults(context) == [
        f"1: {name.format(0, -2)}",
        f"1: {name.format(7, 2)}",
    ]


def test_control_an_update_that_skips_the_cells_is_found(context, db, event, monkeypatch):
    monkeypatch.setattr(store, "_build_cell_increments", lambda *_: {})
    kit.book(context, event, 2)
    assert kit.find_faults(context) == ["1: cell of entry 4 and type 1: sold is 0, should be 2"]
