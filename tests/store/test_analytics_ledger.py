"""No change of a booking is lost from the figures, however late it is written and counted."""

import random
from datetime import timedelta

import pytest
from bson import ObjectId

from eventapp.analytics import ranking, sales_sums, store_sums
from eventapp.bookings import transitions
from eventapp.bookings.context import BOOKING_CONTEXT
from eventapp.bookings.ledger import service as ledger
from eventapp.core.clock import utc_now
from eventapp.payments.providers import Providers
from tests import factories, sales
from tests.bookings_factories import RecordingProvider, confirm_booking
from tests.race import kit

ORGANIZER = ObjectId()
# The functions of a run of the job, and of a reader, between which something else may happen.
STEPS_OF_RUN = [
    (store_sums, "begin_run"),
    (ledger, "copy_entries"),
    (ledger, "find_highest_number"),
    (store_sums, "find_copied_changes"),
    (store_sums, "sum_by_minute"),
    (store_sums, "sum_by_event_and_time"),
    (store_sums, "save_sums"),
    (store_sums, "end_run"),
]
STEPS_OF_READER = [
    (store_sums, "find_checkpoint"),
    (store_sums, "_find_ledger_rows"),
    (store_sums, "find_changed"),
    (store_sums, "find_day_sums"),
    (store_sums, "find_event_sums"),
    (store_sums, "sum_by_minute"),
]


@pytest.fixture
def context(app, db, clean_inventory):
    return kit.another_process(BOOKING_CONTEXT.get(app))


@pytest.fixture
def event(db):
    return factories.make_event(
        db, ticketTypes=[{"type": "A", "price": 20, "availableTickets": 50}]
    )


def count_sales(db, at=None):
    """Run the job of a worker whose clock shows this time."""
    return sales_sums.refresh_sums(db, at or utc_now())


def read_figures(db):
    """Return the figures of all bookings by day and by event: (bookings, tickets, cents)."""
    by_day = sales_sums.sum_all_days(db, None).values()
    by_event = sales_sums.sum_by_event(db, None).values()
    sums = [
        (
            sum(totals.count_bookings("confirmed") for totals in each),
            sum(totals.count_tickets("confirmed") for totals in each),
            sum(totals.revenue for totals in each),
        )
        for each in (by_day, by_event)
    ]
    assert sums[0] == sums[1]
    return sums[0]


def count_directly(db):
    confirmed = list(db.bookings.find({"status": "confirmed"}))
    return (
        len(confirmed),
        sum(booking["quantity"] for booking in confirmed),
        sum(booking["totalCents"] for booking in confirmed),
    )


@pytest.mark.parametrize("seconds", [90, 3600])
def test_a_change_by_a_process_whose_clock_is_behind_is_counted(context, db, event, seconds):
    user, now = kit.attendee(), utc_now()
    made = kit.booking_id(kit.book(context, event, 2, user=user.user_id, now=now))
    count_sales(db, now)
    transitions.cancel_booking(context, made, user, now - timedelta(seconds=seconds))
    late = kit.booking_id(kit.book(context, event, 3, now=now - timedelta(seconds=seconds)))
    for later in (0, 60, 120, 3600):
        count_sales(db, now + timedelta(seconds=later))
        assert read_figures(db) == (1, 3, 6000)
    assert db.bookings.find_one({"_id": late})["status"] == "confirmed"


@pytest.mark.parametrize("seconds", [1, 75, 3600])
def test_a_charge_that_takes_long_is_counted(context, db, event, seconds):
    user, now, context.payments = kit.attendee(), utc_now(), Providers(RecordingProvider())
    held = kit.booking_id(kit.book(context, event, 2, user=user.user_id, hold=True, now=now))
    count_sales(db, now)
    # The job runs with the time of the end of the charge, while the provider works.
    context.payments.current.before = lambda: count_sales(db, now + timedelta(seconds=seconds))
    confirm_booking(context, held, user, now + timedelta(seconds=1))
    for later in (90, 200, 4000):
        count_sales(db, now + timedelta(seconds=seconds + later))
        assert read_figures(db) == (1, 2, 4000)


def call_after(monkeypatch, step, call):
    """Call something each time that the function of a step has returned."""
    owner, name = step
    real = getattr(owner, name)

    def wrapper(*args, **kwargs):
        result = real(*args, **kwargs)
        call()
        return result

    monkeypatch.setattr(owner, name, wrapper)


@pytest.fixture
def bookings(db):
    events = sales.events_of(db, [ORGANIZER, ORGANIZER])
    made = sales.at_random(random.Random(1), events, 30, utc_now() - timedelta(days=2), 2)
    db.bookings.insert_many(made)
    return made


def make_changer(db, bookings, rng):
    """Return a function that changes one booking and stores another."""
    events = list(db.events.find())

    def change():
        sales.change(db, rng.choice(bookings), status=rng.choice(sales.STATUSES))
        db.bookings.insert_one(sales.at_random(rng, events, 1, utc_now(), 1)[0])

    return change


@pytest.mark.parametrize("step", STEPS_OF_RUN, ids=lambda step: step[1])
@pytest.mark.parametrize("is_first_run", [True, False])
def test_changes_during_a_run_are_counted(db, bookings, step, is_first_run):
    change = make_changer(db, bookings, random.Random(2))
    if not is_first_run:
        count_sales(db)
        change()
    with pytest.MonkeyPatch.context() as patch:
        call_after(patch, step, change)
        count_sales(db)
    assert read_figures(db) == count_directly(db)
    count_sales(db)
    assert read_figures(db) == count_directly(db)


def read_while(db, step, call):
    with pytest.MonkeyPatch.context() as patch:
        call_after(patch, step, call)
        return read_figures(db)


@pytest.mark.parametrize("step", STEPS_OF_READER, ids=lambda step: step[1])
def test_a_reader_is_exact_while_a_run_and_copies_go_on(db, bookings, step):
    change = make_changer(db, bookings, random.Random(3))
    count_sales(db)
    for call in (lambda: ledger.copy_entries(db, utc_now()), lambda: count_sales(db)):
        change()
        expected = count_directly(db)

        def once(call=call, calls=[]):  # noqa: B006
            if not calls:
                calls.append(call())

        assert read_while(db, step, once) == expected


def test_control_a_reader_that_reads_the_ledger_first_misses_a_change(db, bookings, monkeypatch):
    def find_in_wrong_order(db_, checkpoint, *_args, **_options):
        rows = store_sums._find_ledger_rows(db_, {"number": {"$gt": checkpoint.number}})
        ledger.copy_entries(db_, utc_now())
        return rows + list(db_.bookings.find({"ledgerDue": True}))

    count_sales(db)
    event = db.events.find_one(sort=[("eventId", 1)])
    at = utc_now() - timedelta(hours=1)
    db.bookings.insert_one(sales.booking(event, status="confirmed", at=at, taken={1: 1}))
    monkeypatch.setattr(store_sums, "find_changed", find_in_wrong_order)
    days = sales_sums.sum_all_days(db, None)
    counted = sum(totals.count_bookings("confirmed") for totals in days.values())
    assert counted == count_directly(db)[0] - 1


def test_the_checkpoint_of_an_older_version_is_replaced_by_one_count_of_all(db, bookings):
    now = utc_now()
    old = {"_id": "bookings", "run": 7, "busyUntil": now, "upTo": now}
    db.salesMarker.insert_one(old)
    db.bookings.update_many({}, {"$unset": {"entries": "", "ledgerDue": ""}})
    assert store_sums.find_checkpoint(db) is None
    assert read_figures(db) == count_directly(db)
    assert count_sales(db, now) > 0
    assert store_sums.find_checkpoint(db) == (0, now)
    assert read_figures(db) == count_directly(db)
    assert count_sales(db, now) == 0


def test_the_rank_of_an_event_follows_a_payment_that_was_recorded_late(context, db, event):
    user, now, context.payments = kit.attendee(), utc_now(), Providers(RecordingProvider())
    held = kit.booking_id(kit.book(context, event, 2, user=user.user_id, hold=True, now=now))
    later = now + timedelta(hours=1)
    with pytest.MonkeyPatch.context() as patch:
        # The process dies before it changes the event.
        patch.setattr(transitions, "apply_pending_moves", lambda *_args: None)
        context.payments.current.before = lambda: ranking.refresh_ranks(db, later)
        confirm_booking(context, held, user, now)
    (computed,) = ranking.RankedEvents(db, "revenue", None)._computed
    assert computed["revenue"] == 4000
    assert ranking.refresh_ranks(db, later) == 1
    assert db.eventRanks.find_one({"_id": event["eventId"]})["revenue"] == 4000
    transitions.apply_move_if_pending(context, held, now)
