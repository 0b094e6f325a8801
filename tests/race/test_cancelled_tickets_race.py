"""Cancelling some tickets against every other change of the booking, and processes that die."""

from datetime import timedelta
from functools import partial

import pytest
from bson import ObjectId

from eventapp.bookings import (
    event_closing,
    partial_cancellations,
    recovery,
    transitions,
)
from eventapp.bookings import store as bookings_store
from eventapp.bookings.partial_cancellations import CancellationRequest, read_request
from eventapp.bookings.payments import refunds
from eventapp.core.clock import utc_now
from eventapp.core.errors import AppError
from eventapp.core.failpoints import set_failpoint_hook
from eventapp.inventory.service import StockMove
from eventapp.payments.providers import Providers
from eventapp.tickets import check_ins, rules
from eventapp.tickets import store as tickets_store
from eventapp.tickets.signing_key import load_key
from tests import factories
from tests.bookings_factories import RecordingProvider, confirm_booking
from tests.race import kit

PROCESSES = 8


@pytest.fixture
def event(db):
    types = [{"type": "General", "price": 20, "availableTickets": 10}]
    return factories.make_event(db, ticketTypes=types)


@pytest.fixture
def booking_id(context, event):
    """Return the id of a booking of 4 tickets that were paid for."""
    context.payments = Providers(RecordingProvider())
    user = ObjectId()
    held = kit.booking_id(kit.book(context, event, 4, user=user, hold=True))
    confirm_booking(context, held, kit.attendee(user), utc_now())
    return held


def read(db, booking_id):
    return db.bookings.find_one({"_id": booking_id})


def cancel_part(context, booking_id, quantity=1, *, tickets=(), key=None, now=None):
    """Cancel the tickets with these numbers or, without any, this quantity of tickets."""
    items = [{"ticketTypeId": 1, "quantity": quantity}]
    ids = [f"{booking_id}-1-{number}" for number in tickets]
    body = {"ticketIds": ids} if tickets else {"items": items}
    request = read_request(body, key, kit.ADMIN)
    return partial_cancellations.cancel_tickets(
        context, booking_id, request, kit.ADMIN, now or utc_now()
    )


def check_in(context, event, booking_id, number):
    db, now = context.db, utc_now()
    code = load_key(db, now).sign(event["eventId"], f"{booking_id}-1-{number}")
    return check_ins.open_check_in(db, event["eventId"], kit.ADMIN, now).check_in(code, now)


def ignore_quantity(monkeypatch):
    """Take out the guard that no ticket was cancelled since the booking was read."""
    monkeypatch.setattr(
        bookings_store, "build_unchanged_guard", lambda booking: {"status": booking["status"]}
    )


def run_between(monkeypatch, call, meanwhile, owner=bookings_store, name="update_booking"):
    """Start a call, run `meanwhile` just before its write, and return what the call returns.

    An AppError is returned, too.
    """
    with (
        kit.suspended(monkeypatch, owner, name) as suspension,
        kit.in_background(partial(kit.run_concurrently, call)) as result,
    ):
        suspension.wait()
        meanwhile()
        suspension.resume()
        return result.result()[0]


def assert_left(context, event, booking_id, quantity):
    """Assert how many tickets the booking has, and that stock and money agree."""
    booking = read(context.db, booking_id)
    left = booking["quantity"] if booking["status"] == "confirmed" else 0
    assert left == quantity
    assert kit.stock_counters(context.db, event) == (10 - quantity, 0, quantity, 0)
    kit.assert_consistent(context)
    refunds.pay_due_refunds(context, utc_now() + timedelta(hours=1))
    assert context.payments.current.balance == 2000 * quantity
    assert kit.find_wrong_entries(context.db) == []


# Part against part.


@pytest.mark.parametrize("_round", range(5))
def test_of_two_parts_of_3_of_4_one_succeeds(context, event, booking_id, _round):
    other = kit.another_process(context)
    results = kit.run_concurrently(
        *[partial(cancel_part, each, booking_id, 3) for each in (context, other)]
    )
    assert kit.count_outcomes(results) == {"CancelledTickets": 1, "not_enough_tickets": 1}
    assert_left(context, event, booking_id, 1)


def test_many_parts_at_once_cancel_each_ticket_once(context, db, event, booking_id):
    contexts = [kit.another_process(context) for _ in range(PROCESSES)]
    results = kit.run_concurrently(*[partial(cancel_part, each, booking_id) for each in contexts])
    # The last one has cancelled the booking.
    outcomes = kit.count_outcomes(results)
    assert outcomes["CancelledTickets"] == 4
    assert set(outcomes) == {"CancelledTickets", "not_confirmed"}
    places = [place for each in read(db, booking_id)["cancellations"] for place in each["places"]]
    assert sorted(places) == ["1-1", "1-2", "1-3", "1-4"]
    assert_left(context, event, booking_id, 0)


def test_a_part_that_was_read_before_another_is_decided_anew(
    context, event, booking_id, monkeypatch
):
    other = kit.another_process(context)
    result = run_between(
        monkeypatch,
        partial(cancel_part, context, booking_id, 2),
        partial(cancel_part, other, booking_id, 1),
    )
    assert [each[-1] for each in result.refund["ticketIds"]] == ["2", "3"]
    assert_left(context, event, booking_id, 1)


def test_control_without_the_guard_a_ticket_is_returned_twice(
    context, event, booking_id, monkeypatch
):
    ignore_quantity(monkeypatch)
    other = kit.another_process(context)
    run_between(
        monkeypatch,
        partial(cancel_part, context, booking_id, 2),
        partial(cancel_part, other, booking_id, 1),
    )
    assert kit.find_faults(context)


def test_a_key_that_is_sent_several_times_at_once_counts_once(context, event, booking_id):
    contexts = [kit.another_process(context) for _ in range(PROCESSES)]
    results = kit.run_concurrently(
        *[partial(cancel_part, each, booking_id, key="k") for each in contexts]
    )
    assert {(each.quantity, each.refund["amount"]) for each in results} == {(1, 20)}
    assert_left(context, event, booking_id, 3)


def test_control_without_the_key_each_request_counts(context, event, booking_id, monkeypatch):
    monkeypatch.setattr(partial_cancellations, "_find_repeated", lambda *_: 0)
    contexts = [kit.another_process(context) for _ in range(3)]
    kit.run_concurrently(*[partial(cancel_part, each, booking_id, key="k") for each in contexts])
    assert_left(context, event, booking_id, 1)


# Part against check-in.


def test_a_ticket_checked_in_before_the_part_is_written_stays(
    context, db, event, booking_id, monkeypatch
):
    result = run_between(
        monkeypatch,
        partial(cancel_part, context, booking_id, tickets=[3, 4]),
        partial(check_in, context, event, booking_id, 4),
    )
    assert isinstance(result, AppError)
    assert result.code == "ticket_checked_in"
    assert_left(context, event, booking_id, 4)


def test_a_part_without_ids_takes_others_than_one_that_is_just_checked_in(
    context, event, booking_id, monkeypatch
):
    result = run_between(
        monkeypatch,
        partial(cancel_part, context, booking_id, 2),
        partial(check_in, context, event, booking_id, 3),
    )
    assert [each[-1] for each in result.refund["ticketIds"]] == ["2", "4"]
    assert_left(context, event, booking_id, 2)


def test_everything_is_not_cancelled_if_one_ticket_is_just_checked_in(
    context, event, booking_id, monkeypatch
):
    result = run_between(
        monkeypatch,
        partial(cancel_part, context, booking_id, 4),
        partial(check_in, context, event, booking_id, 1),
    )
    assert result.code == "ticket_checked_in"
    assert_left(context, event, booking_id, 4)


def test_control_without_the_guard_a_checked_in_ticket_is_cancelled(
    context, db, event, booking_id, monkeypatch
):
    monkeypatch.setattr(partial_cancellations, "build_not_checked_in_guard", lambda _: {})
    run_between(
        monkeypatch,
        partial(cancel_part, context, booking_id, tickets=[4]),
        partial(check_in, context, event, booking_id, 4),
    )
    assert overlap(db, booking_id) == {"1-4"}


def overlap(db, booking_id):
    """Return the places of a booking that are both checked in and cancelled."""
    booking = read(db, booking_id)
    places = {place for each in booking["cancellations"] for place in each["places"]}
    return places & booking.get("checkIns", {}).keys()


def check_in_a_ticket_that_is_just_cancelled(context, event, booking_id, monkeypatch):
    return run_between(
        monkeypatch,
        partial(check_in, context, event, booking_id, 4),
        partial(cancel_part, context, booking_id, tickets=[4]),
        tickets_store,
        "check_in",
    )


def test_a_ticket_cancelled_before_the_check_in_is_written_is_refused(
    context, db, event, booking_id, monkeypatch
):
    result = check_in_a_ticket_that_is_just_cancelled(context, event, booking_id, monkeypatch)
    assert result.code == "ticket_not_found"
    assert "checkIns" not in read(db, booking_id)
    assert_left(context, event, booking_id, 3)


def test_control_without_the_guard_a_cancelled_ticket_is_checked_in(
    context, db, event, booking_id, monkeypatch
):
    monkeypatch.setattr(tickets_store, "build_not_cancelled_guard", lambda _: {})
    check_in_a_ticket_that_is_just_cancelled(context, event, booking_id, monkeypatch)
    assert overlap(db, booking_id) == {"1-4"}


@pytest.mark.parametrize("_round", range(5))
def test_either_the_check_in_or_the_part_succeeds(context, db, event, booking_id, _round):
    other = kit.another_process(context)
    results = kit.run_concurrently(
        partial(check_in, context, event, booking_id, 4),
        partial(cancel_part, other, booking_id, tickets=[4]),
    )
    is_cancelled = "cancellations" in read(db, booking_id)
    refusal = "ticket_not_found" if is_cancelled else "ticket_checked_in"
    assert kit.count_outcomes(results)[refusal] == 1
    assert_left(context, event, booking_id, 3 if is_cancelled else 4)


# Part against the end of the booking.


def test_a_cancellation_that_was_read_before_a_part_returns_the_rest(
    context, event, booking_id, monkeypatch
):
    cancel = partial(transitions.cancel_booking, context, booking_id, kit.ADMIN, utc_now())
    other = kit.another_process(context)
    result = run_between(monkeypatch, cancel, partial(cancel_part, other, booking_id, 1))
    assert (result["status"], result["quantity"]) == ("cancelled", 3)
    assert result["refund"]["amount"] == 60
    assert_left(context, event, booking_id, 0)


def test_control_without_the_guard_a_cancellation_returns_too_many(
    context, event, booking_id, monkeypatch
):
    ignore_quantity(monkeypatch)
    cancel = partial(transitions.cancel_booking, context, booking_id, kit.ADMIN, utc_now())
    other = kit.another_process(context)
    run_between(monkeypatch, cancel, partial(cancel_part, other, booking_id, 1))
    assert kit.find_faults(context)


def test_a_part_that_was_read_before_the_cancellation_is_refused(
    context, event, booking_id, monkeypatch
):
    other = kit.another_process(context)
    cancel = partial(transitions.cancel_booking, other, booking_id, kit.ADMIN, utc_now())
    result = run_between(monkeypatch, partial(cancel_part, context, booking_id, 1), cancel)
    assert result.code == "not_confirmed"
    assert_left(context, event, booking_id, 0)


def end_all_between(context, event, booking_id, monkeypatch):
    """End the bookings of an event of which one loses a ticket after it was read."""
    end_all = partial(
        event_closing.end_all_bookings, context, event["eventId"], "event_cancelled", utc_now()
    )
    other = kit.another_process(context)
    part = partial(cancel_part, other, booking_id, 1)
    run_between(monkeypatch, end_all, part, name="update_bookings")
    return end_all


def test_the_event_ends_a_booking_that_loses_a_ticket_meanwhile(
    context, db, event, booking_id, monkeypatch
):
    end_all = end_all_between(context, event, booking_id, monkeypatch)
    assert read(db, booking_id)["status"] == "confirmed"
    assert end_all() == 1
    refunds.pay_due_refunds(context, utc_now())
    assert read(db, booking_id)["refund"]["amount"] == 60
    assert_left(context, event, booking_id, 0)


def test_control_without_the_guard_the_event_returns_too_many(
    context, event, booking_id, monkeypatch
):
    ignore_quantity(monkeypatch)
    end_all_between(context, event, booking_id, monkeypatch)
    assert kit.find_faults(context)


@pytest.mark.parametrize("_round", range(3))
def test_parts_and_the_cancellation_of_the_event_at_once(context, event, booking_id, _round):
    contexts = [kit.another_process(context) for _ in range(3)]
    results = kit.run_concurrently(
        partial(
            event_closing.cancel_event,
            context,
            event["eventId"],
            kit.ADMIN,
            now=utc_now(),
            image_base_url="http://localhost",
        ),
        *[partial(cancel_part, each, booking_id) for each in contexts],
    )
    assert set(kit.count_outcomes(results)) <= {"dict", "CancelledTickets", "not_confirmed"}
    kit.run_all_jobs(context, utc_now() + kit.AFTER_ABANDONMENT)
    assert_left(context, event, booking_id, 0)


# Processes that die.


class Died(BaseException):
    """Ends a call as the death of its process does: no handler of the application catches it."""


def die_at(name, call):
    """Run a call until it passes this failpoint for the first time."""

    def die(passed):
        if passed == name:
            raise Died

    set_failpoint_hook(die)
    try:
        with pytest.raises(Died):
            call()
    finally:
        set_failpoint_hook(None)


FAILPOINTS = ("part", "move", "move-recorded", "refund", "refund-recorded", "offer-claim")
END_FAILPOINTS = ("end", *FAILPOINTS[1:])


@pytest.mark.parametrize(
    ("quantity", "failpoint"),
    [*((1, name) for name in FAILPOINTS), *((4, name) for name in END_FAILPOINTS)],
)
@pytest.mark.parametrize("next_step", ["worker", "part", "cancel"])
def test_after_a_death_the_rest_is_done_once(
    context, db, event, booking_id, failpoint, quantity, next_step
):
    other_user = ObjectId()
    answer = kit.book(context, event, 8, user=other_user, on_shortfall="waitlist")
    # They get 6 tickets and a place for 2.
    confirm_booking(context, kit.booking_id(answer), kit.attendee(other_user), utc_now())
    part = partial(cancel_part, context, booking_id, quantity, key="k")
    die_at(failpoint, part)
    assert kit.find_faults(context) == []
    other = kit.another_process(context)
    if next_step == "part":
        result = kit.run_concurrently(partial(cancel_part, other, booking_id, 1))[0]
        assert isinstance(result, AppError) == (quantity == 4)
    elif next_step == "cancel":
        transitions.cancel_booking(other, booking_id, kit.ADMIN, utc_now())
    assert cancel_part(other, booking_id, quantity, key="k").quantity == quantity
    for minutes in (1, 2, 45):  # Then the offer has expired, too.
        kit.run_all_jobs(other, utc_now() + timedelta(minutes=minutes))
    left = {"worker": 4 - quantity, "part": max(3 - quantity, 0), "cancel": 0}[next_step]
    booking = read(db, booking_id)
    assert (booking["status"] == "confirmed", booking["active"]) == (bool(left), bool(left))
    assert booking["quantity"] == left or not left
    assert kit.stock_counters(db, event)[2] == 6 + left
    assert context.payments.current.balance == 2000 * (6 + left)
    kit.assert_consistent(other, utc_now() + timedelta(hours=1))


def leave_a_move_behind(context, booking_id):
    """Cancel a ticket in a process that dies before it records the stock move as applied."""
    die_at("move", partial(cancel_part, context, booking_id, 1))


def test_the_next_change_finishes_the_move_that_is_due(context, db, event, booking_id):
    die_at("part", partial(cancel_part, context, booking_id, 1))
    assert kit.stock_counters(db, event) == (6, 0, 4, 0)
    cancel_part(kit.another_process(context), booking_id, 1)
    assert_left(context, event, booking_id, 2)


def test_each_move_of_a_booking_has_a_key_of_its_own(context, db, event, booking_id):
    leave_a_move_behind(context, booking_id)
    cancel_part(kit.another_process(context), booking_id, 1)
    moves = [key for key in read_keys(db) if key.startswith("give-")]
    assert moves == [f"give-1-{booking_id}", f"give-2-{booking_id}"]
    assert_left(context, event, booking_id, 2)
    recovery.recover(context, utc_now() + timedelta(hours=2))
    assert read_keys(db) == []


def read_keys(db):
    return sorted(db.events.find_one({})["inFlight"])


def test_control_with_one_key_the_second_move_is_lost(context, db, event, booking_id, monkeypatch):
    build = StockMove.for_return.__func__

    def without_number(cls, booking_id, items, *, held, part=""):
        return build(cls, booking_id, items, held=held)

    monkeypatch.setattr(StockMove, "for_return", classmethod(without_number))
    leave_a_move_behind(context, booking_id)
    cancel_part(kit.another_process(context), booking_id, 1)
    assert kit.stock_counters(db, event) == (7, 0, 3, 0)
    assert kit.find_faults(context)


def test_a_move_of_an_older_version_is_applied(context, db, event, booking_id):
    """Its key has no number."""
    transitions.end_booking(
        context, read(db, booking_id), "cancelled", "cancelled", utc_now() - kit.AFTER_ABANDONMENT
    )
    assert read(db, booking_id)["due"]["key"] == f"give-{booking_id}"
    recovery.recover(context, utc_now())
    assert_left(context, event, booking_id, 0)


def test_a_suspended_process_does_not_apply_the_move_again(
    context, db, event, booking_id, monkeypatch
):
    """It has read the event before others applied the move, cleared its entry and sold on."""
    other = kit.another_process(context)

    def finish_elsewhere():
        cancel_part(other, booking_id, 1)
        recovery.recover(other, utc_now() + kit.AFTER_ABANDONMENT)

    run_between(
        monkeypatch,
        partial(cancel_part, context, booking_id, 1),
        finish_elsewhere,
        context.inventory._moves,
        "_write_moves",
    )
    assert_left(context, event, booking_id, 2)


def test_the_request_names_either_quantities_or_tickets():
    by_type = read_request({"items": [{"ticketTypeId": 2, "quantity": 3}]}, None, kit.ADMIN)
    assert by_type == CancellationRequest({2: 3})
    by_id = read_request({"ticketIds": ["x"]}, None, kit.ADMIN)
    assert by_id == CancellationRequest({}, ("x",))


def test_codes_of_a_part_are_those_of_its_places(context, db, booking_id):
    cancel_part(context, booking_id, tickets=[2])
    places = [ticket.local_id for ticket, _ in rules.iter_tickets(read(db, booking_id))]
    assert places == ["1-1", "1-3", "1-4"]
