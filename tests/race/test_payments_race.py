"""Money that comes while the hold ends: it buys the tickets once, or goes back."""

import threading
from datetime import timedelta
from functools import partial

import pytest
from bson import ObjectId

from eventapp.bookings import recovery, store_payments, transitions
from eventapp.bookings import store as bookings_store
from eventapp.bookings.payments import attempts, late_payments, settlement
from eventapp.core.clock import utc_now
from eventapp.core.errors import AppError
from eventapp.core.failpoints import set_failpoint_hook
from eventapp.events.errors import EventBusy
from eventapp.inventory import queues as inventory_queues
from eventapp.inventory import store as inventory_store
from eventapp.payments.providers import Providers
from tests import factories
from tests.bookings_factories import confirm_booking
from tests.buyer_provider import BuyerProvider, pay, report
from tests.race import kit
from tests.race.test_bookings_change import update_booking_unguarded

AFTER_THE_HOLD = timedelta(minutes=11)
PRICE = 2000


@pytest.fixture
def provider(context):
    provider = BuyerProvider()
    context.payments = Providers(provider)
    return provider


@pytest.fixture
def event(db, provider):
    """An event with 4 tickets."""
    types = [{"type": "General", "price": 20, "availableTickets": 4}]
    return factories.make_event(db, ticketTypes=types)


@pytest.fixture
def hold(context, db, event):
    """A hold of 2 of the tickets, whose attempt is open."""
    return begin(context, db, event, ObjectId())


@pytest.fixture
def expired(context, db, hold):
    """The hold after it has expired."""
    assert transitions.expire_hold(context, hold, utc_now() + AFTER_THE_HOLD)
    return read(db, hold)


def begin(context, db, event, user, quantity=2):
    booking_id = kit.booking_id(kit.book(context, event, quantity, user=user, hold=True))
    confirm_booking(context, booking_id, kit.attendee(user), utc_now())
    return db.bookings.find_one({"_id": booking_id})


def read(db, booking):
    return db.bookings.find_one({"_id": booking["_id"]})


def processes(context, number=6):
    return [kit.another_process(context) for _ in range(number)]


def assert_paid_or_returned(context, db, event, booking):
    """Assert that the money has bought the tickets or went back; return whether it has bought."""
    kit.assert_consistent(context, utc_now() + AFTER_THE_HOLD)
    booking = read(db, booking)
    is_confirmed = booking["status"] == "confirmed"
    assert context.payments.current.balance == PRICE * 2 * is_confirmed
    assert kit.stock_counters(db, event)[2] == 2 * is_confirmed
    assert booking["payment"]["state"] == ("succeeded" if is_confirmed else "refunded")
    return is_confirmed


# The open hold.


def test_settlements_at_once_confirm_once(context, db, event, hold, provider):
    provider.become(hold, "succeeded")
    results = kit.run_concurrently(
        *[partial(report, one, hold, "succeeded") for one in processes(context)]
    )
    assert {each["status"] for each in results} == {"confirmed"}
    assert kit.stock_counters(db, event) == (2, 0, 2, 0)
    assert assert_paid_or_returned(context, db, event, hold)


def settle_twice(context, hold, monkeypatch):
    """Settle a hold, suspended before the write that confirms it while another process does it."""
    with (
        kit.suspended(monkeypatch, settlement, "confirm_hold") as suspension,
        kit.in_background(partial(pay, context, hold)) as paid,
    ):
        suspension.wait()
        report(kit.another_process(context), hold, "succeeded")
        suspension.resume()
        assert paid.result()["status"] == "confirmed"


def test_a_settlement_that_sleeps_records_nothing_twice(context, db, event, hold, monkeypatch):
    settle_twice(context, hold, monkeypatch)
    assert assert_paid_or_returned(context, db, event, hold)


def test_control_without_the_guard_the_money_is_recorded_twice(context, db, hold, monkeypatch):
    monkeypatch.setattr(bookings_store, "update_booking", update_booking_unguarded)
    settle_twice(context, hold, monkeypatch)
    assert kit.find_wrong_entries(db)


@pytest.mark.parametrize("_round", range(5))
def test_money_and_the_end_of_the_hold_at_once(context, db, event, hold, provider, _round):
    provider.become(hold, "succeeded")
    one, *others = processes(context, 4)
    kit.run_concurrently(
        partial(transitions.expire_hold, one, hold, utc_now() + AFTER_THE_HOLD),
        *[partial(report, each, hold, "succeeded") for each in others],
    )
    assert assert_paid_or_returned(context, db, event, hold)


@pytest.mark.parametrize("_round", range(5))
def test_money_and_the_cancellation_at_once(context, db, event, hold, provider, _round):
    provider.become(hold, "succeeded")
    one, *others = processes(context, 4)
    actor = kit.attendee(hold["userId"])
    kit.run_concurrently(
        partial(transitions.cancel_booking, one, hold["_id"], actor, utc_now()),
        *[partial(report, each, hold, "succeeded") for each in others],
    )
    assert not assert_paid_or_returned(context, db, event, hold)


@pytest.mark.parametrize("is_guarded", [True, False])
def test_two_requests_begin_one_attempt(
    context, db, event, hold, provider, monkeypatch, is_guarded
):
    """The control is the case without the guard: the buyer could pay twice."""
    provider.become(hold, "cancelled")
    cancelled = report(context, hold, "cancelled")
    if not is_guarded:
        monkeypatch.setattr(store_payments, "build_payment_guard", lambda _booking: {})
    begun = [
        attempts.begin_attempt(each, cancelled, None, utc_now()) for each in processes(context, 2)
    ]
    assert [each is not None for each in begun] == [True, not is_guarded]


# The tickets are taken again.


def test_late_settlements_at_once_take_the_tickets_once(context, db, event, expired, provider):
    provider.become(expired, "succeeded")
    kit.run_concurrently(
        *[partial(report, one, expired, "succeeded") for one in processes(context)]
    )
    assert assert_paid_or_returned(context, db, event, expired)


@pytest.mark.parametrize("_round", range(5))
def test_the_last_tickets_are_sold_or_taken_again(context, db, event, expired, provider, _round):
    provider.become(expired, "succeeded")
    kit.book(context, event, 2, hold=True)
    one, other = processes(context, 2)
    _, sold = kit.run_concurrently(
        partial(report, one, expired, "succeeded"), partial(kit.book, other, event, 2, hold=True)
    )
    is_confirmed = read(db, expired)["status"] == "confirmed"
    assert isinstance(sold, AppError) == is_confirmed
    assert sum(kit.stock_counters(db, event)[1:3]) == 4
    assert assert_paid_or_returned(context, db, event, expired) == is_confirmed


def takes_again(_db, _event, _changes, *, new_entries=None, **_rest):
    return any(key.startswith("retake-") for key in new_entries or {})


def sell_during_a_retake(context, event, expired, monkeypatch):
    """Sell all tickets while a process sleeps before it takes some of them again."""
    with (
        kit.suspended(monkeypatch, inventory_store, "update_stock", when=takes_again) as suspension,
        kit.in_background(partial(pay, context, expired)) as paid,
    ):
        suspension.wait()
        kit.book(kit.another_process(context), event, 4, hold=True)
        suspension.resume()
        return paid.result()


def test_tickets_that_were_sold_meanwhile_are_not_taken(context, db, event, expired, monkeypatch):
    booking = sell_during_a_retake(context, event, expired, monkeypatch)
    assert (booking["status"], booking["payment"]["state"]) == ("expired", "refunded")
    assert kit.stock_counters(db, event) == (0, 4, 0, 0)
    assert not assert_paid_or_returned(context, db, event, expired)


def test_control_without_the_guard_of_the_stock_they_are_sold_twice(
    context, db, event, expired, monkeypatch
):
    monkeypatch.setattr(inventory_queues, "build_sale_guards", lambda *_: {})
    sell_during_a_retake(context, event, expired, monkeypatch)
    assert kit.stock_counters(db, event)[0] < 0


def test_who_books_again_meanwhile_gets_the_money_back(context, db, event, expired, monkeypatch):
    """The holder books between the take and the write that makes the booking active."""
    with (
        kit.suspended(monkeypatch, store_payments, "reactivate") as suspension,
        kit.in_background(partial(pay, context, expired)) as paid,
    ):
        suspension.wait()
        kit.book(kit.another_process(context), event, 1, user=expired["userId"], hold=True)
        suspension.resume()
        assert paid.result()["refund"]["reason"] == "hold_expired"
    assert kit.stock_counters(db, event) == (3, 1, 0, 0)
    assert not assert_paid_or_returned(context, db, event, expired)


def recover_during_a_retake(context, expired, monkeypatch):
    """Let the worker give up a retake of a process that was only asleep; return what it gets."""
    with (
        kit.suspended(monkeypatch, store_payments, "reactivate") as suspension,
        kit.in_background(partial(pay, context, expired)) as paid,
    ):
        suspension.wait()
        recovery.recover(kit.another_process(context), utc_now() + kit.AFTER_ABANDONMENT)
        suspension.resume()
        return paid.result()


def test_a_process_that_sleeps_cannot_confirm_a_retake_that_was_given_up(
    context, db, event, expired, monkeypatch
):
    booking = recover_during_a_retake(context, expired, monkeypatch)
    assert (booking["status"], booking["payment"]["state"]) == ("expired", "refunded")
    assert kit.stock_counters(db, event) == (4, 0, 0, 0)
    assert not assert_paid_or_returned(context, db, event, expired)


def test_control_without_the_revision_it_confirms_without_tickets(
    context, db, event, expired, monkeypatch
):
    monkeypatch.setattr(store_payments, "build_payment_guard", lambda _booking: {})
    booking = recover_during_a_retake(context, expired, monkeypatch)
    assert booking["status"] == "confirmed"
    assert kit.stock_counters(db, event) == (4, 0, 0, 0)
    assert kit.find_faults(context)


def test_control_without_the_mark_of_the_attempt_it_confirms_without_tickets(
    context, db, event, expired, monkeypatch
):
    monkeypatch.setattr(recovery, "give_up_retake", find_out_whether_a_retake_counts)
    booking = recover_during_a_retake(context, expired, monkeypatch)
    assert booking["status"] == "confirmed"
    assert kit.stock_counters(db, event) == (4, 0, 0, 0)
    assert kit.find_faults(context)


def find_out_whether_a_retake_counts(context, booking_id, _attempt_id, take_id, _now):
    """Do what `give_up_retake` does, except that the attempt is not marked as void."""
    return bookings_store.find_booking(context.db, booking_id).get("retakeId") == take_id


class Died(BaseException):
    """Ends a process as `kill -9` does: no handler catches it."""


def pay_and_die(context, booking):
    """Settle late money in a process that dies once it has taken the tickets again."""
    own_thread = threading.get_ident()

    def die(step):
        if step == "retake" and threading.get_ident() == own_thread:
            raise Died

    set_failpoint_hook(die)
    pay(context, booking)


def retake_while_another_sleeps(
    context, db, expired, monkeypatch, settle, *, is_cleared, is_cancelled=False
):
    """Another process takes the tickets again meanwhile. The first one wakes up, and may die."""
    asleep, other = processes(context, 2)
    try:
        with (
            kit.suspended(monkeypatch, asleep.inventory, "take") as suspension,
            kit.in_background(partial(settle, asleep, expired)) as settled,
        ):
            suspension.wait()
            late_payments.decide(other, expired["_id"], utc_now())
            assert read(db, expired)["status"] == "confirmed"
            if is_cleared:
                recovery.recover(other, utc_now() + kit.AFTER_ABANDONMENT)
                assert "retake-" not in str(db.events.find_one({})["inFlight"])
            if is_cancelled:
                transitions.cancel_booking(other, expired["_id"], kit.ADMIN, utc_now())
            suspension.resume()
            # If the entry of the other take is still there, the provider reports again later.
            assert type(settled.exception()) in (type(None), Died, EventBusy)
    finally:
        set_failpoint_hook(None)


@pytest.mark.parametrize("settle", [pay, pay_and_die])
@pytest.mark.parametrize("is_cleared", [True, False])
@pytest.mark.parametrize("is_cancelled", [True, False])
def test_a_process_that_sleeps_before_its_retake_takes_nothing_for_good(
    context, db, event, expired, monkeypatch, settle, is_cleared, is_cancelled
):
    retake_while_another_sleeps(
        context, db, expired, monkeypatch, settle, is_cleared=is_cleared, is_cancelled=is_cancelled
    )
    kit.assert_consistent(context, utc_now() + AFTER_THE_HOLD)
    sold = 0 if is_cancelled else 2
    assert kit.stock_counters(db, event) == (4 - sold, 0, sold, 0)
    assert context.payments.current.balance == PRICE * sold


def test_control_with_one_key_for_both_retakes_the_second_is_never_undone(
    context, db, event, expired, monkeypatch
):
    monkeypatch.setattr(late_payments, "ObjectId", lambda: "one")
    retake_while_another_sleeps(context, db, expired, monkeypatch, pay_and_die, is_cleared=True)
    recovery.recover(context, utc_now() + kit.AFTER_ABANDONMENT)
    assert kit.stock_counters(db, event) == (0, 0, 4, 0)
    assert kit.find_faults(context)
