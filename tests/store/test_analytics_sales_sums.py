"""Sums from stored sums and later changes equal the sums of the bookings, one by one."""

import random
from collections import defaultdict
from datetime import date, timedelta

import pytest
from bson import ObjectId

from eventapp.analytics import event_sums, rules, sales_sums, store_sums
from eventapp.bookings.ledger import service as ledger
from eventapp.core.clock import load_zone, utc_now
from tests import sales
from tests.conftest import MONGO_URI
from tests.plans import has_collscan, wait_for_plan

ORGANIZERS = [ObjectId(), ObjectId()]
LATER = timedelta(minutes=5)


@pytest.fixture
def now():
    return utc_now()


@pytest.fixture(autouse=True)
def small_segments(monkeypatch):
    """Make segments so small that a day has several, as for an event with many bookings."""
    monkeypatch.setattr(event_sums, "MAX_BOOKINGS_PER_SEGMENT", 3)


@pytest.fixture
def bookings(db, now):
    """Store 300 bookings of the last 40 days."""
    rng = random.Random(5)
    events = sales.events_of(db, [*ORGANIZERS, *ORGANIZERS])
    made = sales.at_random(rng, events, 300, now - timedelta(days=40), 39)
    db.bookings.insert_many([*made, sales.tombstone()])
    return made


def stored(db):
    return list(db.bookings.find({"void": {"$ne": True}}))


def check_all_sums(db):
    """Assert that every sum equals that of the stored bookings."""
    for organizer in [None, *ORGANIZERS]:
        mine = [one for one in stored(db) if organizer in (None, one["organizerId"])]
        check_days(sales_sums.sum_all_days(db, organizer), mine, "UTC")
        first = min((one["createdAt"].date() for one in mine), default=date(2026, 1, 1))
        for zone in ("Europe/Athens", "Asia/Kathmandu", "America/Sao_Paulo"):
            days = [first - timedelta(days=1), first + timedelta(days=50)]
            check_days(sales_sums.sum_by_day(db, organizer, *days, load_zone(zone)), mine, zone)
        by_event = sales_sums.sum_by_event(db, organizer)
        assert set(by_event) == {one["eventId"] for one in mine}
        for event_id, totals in by_event.items():
            check_totals(totals, [one for one in mine if one["eventId"] == event_id])
    for event_id in {one["eventId"] for one in stored(db)} | {999}:
        check_event_sums(db, event_id)


def check_event_sums(db, event_id):
    """Assert that the sums of an event by day and by ticket type are right."""
    mine = [one for one in stored(db) if one["eventId"] == event_id]
    days, cents = defaultdict(rules.BookingTotals), defaultdict(int)
    for segment in event_sums.load_segments(db, event_id):
        days[segment.since.date()].add_numbers(segment.totals.numbers)
        for type_id, more in segment.cents_by_type.items():
            cents[type_id] += more
    check_days(days, mine, "UTC")
    expected = defaultdict(int)
    for one in mine:
        for item in one["items"] if one["status"] == "confirmed" else ():
            expected[item["ticketTypeId"]] += round(item["unitPrice"] * 100) * item["quantity"]
    assert {id_: more for id_, more in cents.items() if more} == expected


def check_days(days, bookings, zone):
    expected = defaultdict(list)
    for one in bookings:
        expected[one["createdAt"].astimezone(load_zone(zone)).date()].append(one)
    assert {day for day, totals in days.items() if any(totals.numbers)} == set(expected)
    for day, of_day in expected.items():
        check_totals(days[day], of_day)


def check_totals(totals, bookings):
    assert rules.count_by_status(totals) == sales.counts(bookings)
    cents = sum(one["totalCents"] for one in bookings if one["status"] == "confirmed")
    assert totals.revenue == cents
    for status in sales.STATUSES:
        tickets = sum(one["quantity"] for one in bookings if one["status"] == status)
        assert totals.count_tickets(status) == tickets


def test_without_bookings_all_sums_are_empty(db, now):
    check_all_sums(db)
    assert sales_sums.refresh_sums(db, now) == 0
    assert sales_sums.sum_all_days(db, None) == {}
    assert sales_sums.sum_by_event(db, None) == {}


def test_sums_are_right_before_the_first_run(db, bookings):
    check_all_sums(db)


def test_sums_are_right_after_a_run(db, bookings, now):
    assert sales_sums.refresh_sums(db, now) > 40
    assert store_sums.find_checkpoint(db).number == ledger.find_highest_number(db) == 300
    assert store_sums.find_changed(db, store_sums.find_checkpoint(db)) == []
    check_all_sums(db)


def test_sums_include_changes_since_the_last_run(db, bookings, now):
    sales_sums.refresh_sums(db, now)
    change_some(db, bookings, now)
    check_all_sums(db)
    sales_sums.refresh_sums(db, now + LATER)
    check_all_sums(db)
    assert sales_sums.refresh_sums(db, now + 2 * LATER) == 0
    check_all_sums(db)


def change_some(db, bookings, now, seed=1):
    rng = random.Random(seed)
    for one in rng.sample(bookings, 20):
        status = rng.choice(sales.STATUSES)
        sales.change(db, one, status=status, totalCents=rng.randrange(5000))
    events = list(db.events.find())
    new = sales.at_random(rng, events, 20, now - timedelta(days=1), 1)
    db.bookings.insert_many(new)


def test_sums_are_right_after_several_changes_and_runs(db, bookings, now):
    for step in range(2):
        moment = now + step * timedelta(seconds=20)
        change_some(db, bookings, moment, seed=step)
        check_all_sums(db)
        sales_sums.refresh_sums(db, moment)
        check_all_sums(db)


def test_control_wrong_stored_days_give_wrong_sums(db, bookings, now):
    sales_sums.refresh_sums(db, now)
    db.dailySales.delete_many({"scope": store_sums.ALL_ORGANIZERS})
    with pytest.raises(AssertionError):
        check_all_sums(db)


def test_stored_segments_are_small_and_ordered(db, bookings, now):
    sales_sums.refresh_sums(db, now)
    change_some(db, bookings, now)
    sales_sums.refresh_sums(db, now + LATER)
    several = 0
    for stored_document in db.eventDays.find():
        parts = stored_document["parts"]
        several += len(parts) > 1
        since = [part["since"] for part in parts]
        assert since == sorted(set(since))
        for part in parts:
            bookings_of_part = sum(part["numbers"][:12:3])
            assert 0 < bookings_of_part <= 3 or part["since"].second == 0
    assert several > 10


def test_only_the_segment_of_a_changed_booking_is_counted_anew(db, now, monkeypatch):
    (event,) = sales.events_of(db, ORGANIZERS[:1])
    noon = (now - timedelta(days=2)).replace(hour=12, minute=0)
    rows = [
        sales.booking(event, status="confirmed", at=noon + timedelta(minutes=n), taken={1: 2})
        for n in range(60)
    ]
    db.bookings.insert_many(rows)
    sales_sums.refresh_sums(db, now)
    sales.change(db, rows[30], status="cancelled")
    counted, real = [], store_sums.sum_by_event_and_time

    def record(db_, ranges, granularity):
        counted.extend(ranges)
        return real(db_, ranges, granularity)

    monkeypatch.setattr(store_sums, "sum_by_event_and_time", record)
    check_all_sums(db)
    assert {until - since for _, (since, until) in counted} == {timedelta(minutes=3)}
    sales_sums.refresh_sums(db, now + LATER)
    check_all_sums(db)


def test_control_a_missing_stored_day_gives_wrong_event_sums(db, bookings, now):
    sales_sums.refresh_sums(db, now)
    stored_document = db.eventDays.find_one(sort=[("_id", 1)])
    check_event_sums(db, stored_document["eventId"])
    db.eventDays.delete_one({"_id": stored_document["_id"]})
    with pytest.raises(AssertionError):
        check_event_sums(db, stored_document["eventId"])


def test_an_older_run_does_not_overwrite_a_later_one(db, bookings, now):
    sales_sums.refresh_sums(db, now)
    stored_document = db.eventSales.find_one(sort=[("_id", 1)])
    old = {"numbers": [0] * 13}
    document = store_sums.SumsDocument({"_id": stored_document["_id"]}, old)
    store_sums.save_sums(db, "eventSales", 0, [document])
    assert db.eventSales.find_one({"_id": stored_document["_id"]}) == stored_document


def test_a_run_excludes_others_until_its_lease_ends(db, bookings, now):
    begun = store_sums.begin_run(db, now, sales_sums.LEASE)
    assert sales_sums.refresh_sums(db, now + timedelta(seconds=1)) == 0
    assert store_sums.find_checkpoint(db) is None
    assert sales_sums.refresh_sums(db, now + sales_sums.LEASE) > 0
    store_sums.end_run(
        db, begun["run"], store_sums.Checkpoint(5, now), now
    )  # The first run resumes, and changes nothing.
    assert store_sums.find_checkpoint(db).number == 300
    check_all_sums(db)


def test_the_work_of_a_run_that_died_is_repeated(db, bookings, now, monkeypatch):
    sales_sums.refresh_sums(db, now)
    change_some(db, bookings, now)

    def die(*_args):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(store_sums, "end_run", die)
        with pytest.raises(KeyboardInterrupt):
            sales_sums.refresh_sums(db, now + LATER)
    check_all_sums(db)
    assert sales_sums.refresh_sums(db, now + 2 * LATER) > 0
    check_all_sums(db)


@pytest.mark.skipif(not MONGO_URI, reason="the embedded store has no plans to explain")
@pytest.mark.parametrize(
    "where",
    [
        {"ledgerDue": True, "organizerId": ORGANIZERS[0]},
        {"createdAt": {"$gte": utc_now(), "$lt": utc_now() + LATER}},
        store_sums.build_event_filter(1, (utc_now(), utc_now() + LATER)),
        {
            "$or": [
                store_sums.build_event_filter(n, (utc_now(), utc_now() + LATER)) for n in range(50)
            ]
        },
    ],
)
def test_no_query_scans_all_bookings(db, bookings, where):
    plan = wait_for_plan(lambda: db.bookings.find(where).explain(), has_collscan)
    assert not has_collscan(plan)
