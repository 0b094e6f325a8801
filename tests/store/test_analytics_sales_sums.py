"""Sums of bookings from what was kept and what changed since: always as counted one by one."""

import random
from collections import defaultdict
from datetime import date, timedelta

import pytest
from bson import ObjectId

from eventapp.analytics import event_sums, rules, sales_sums, store_sums
from eventapp.core.clock import utc_now
from tests import sales
from tests.conftest import MONGO_URI
from tests.plans import scans, settled

OWNERS = [ObjectId(), ObjectId()]
LATER = timedelta(minutes=5)


@pytest.fixture
def now():
    return utc_now()


@pytest.fixture(autouse=True)
def small_parts(monkeypatch):
    """So small that there are several a day, as of an event with very many bookings."""
    monkeypatch.setattr(event_sums, "MAX_BOOKINGS_PER_SEGMENT", 3)


@pytest.fixture
def made(db, now):
    """Some hundreds of bookings of the last 40 days, stored."""
    rng = random.Random(5)
    events = sales.events_of(db, [*OWNERS, *OWNERS])
    bookings = sales.at_random(rng, events, 300, now - timedelta(days=40), 39)
    db.bookings.insert_many([*bookings, sales.void()])
    return bookings


def stored(db):
    return list(db.bookings.find({"void": {"$ne": True}}))


def check(db):
    """Every sum is that of the bookings there are."""
    for owner in [None, *OWNERS]:
        mine = [one for one in stored(db) if owner in (None, one["organizerId"])]
        by_day(sales_sums.sum_all_days(db, owner), mine, "UTC")
        first = min((one["createdAt"].date() for one in mine), default=date(2026, 1, 1))
        for zone in ("Europe/Athens", "Asia/Kathmandu", "America/Sao_Paulo"):
            days = [first - timedelta(days=1), first + timedelta(days=50)]
            by_day(sales_sums.sum_by_day(db, owner, *days, rules.load_zone(zone)), mine, zone)
        by_event = sales_sums.sum_by_event(db, owner)
        assert set(by_event) == {one["eventId"] for one in mine}
        for event_id, tally in by_event.items():
            same(tally, [one for one in mine if one["eventId"] == event_id])
    for event_id in {one["eventId"] for one in stored(db)} | {999}:
        of_event(db, event_id)


def of_event(db, event_id):
    """The sums of one event, by day and by ticket type."""
    mine = [one for one in stored(db) if one["eventId"] == event_id]
    days, cents = defaultdict(rules.BookingTotals), defaultdict(int)
    for segment in event_sums.load_segments(db, event_id):
        days[segment.since.date()].add_numbers(segment.totals.numbers)
        for type_id, more in segment.cents_by_type.items():
            cents[type_id] += more
    by_day(days, mine, "UTC")
    expected = defaultdict(int)
    for one in mine:
        for item in one["items"] if one["status"] == "confirmed" else ():
            expected[item["ticketTypeId"]] += round(item["unitPrice"] * 100) * item["quantity"]
    assert {id_: more for id_, more in cents.items() if more} == expected


def by_day(days, bookings, zone):
    expected = defaultdict(list)
    for one in bookings:
        expected[one["createdAt"].astimezone(rules.load_zone(zone)).date()].append(one)
    assert {day for day, tally in days.items() if not tally.is_empty} == set(expected)
    for day, there in expected.items():
        same(days[day], there)


def same(tally, bookings):
    assert rules.count_by_status(tally) == sales.counts(bookings)
    cents = sum(one["totalCents"] for one in bookings if one["status"] == "confirmed")
    assert tally.revenue == cents
    for status in sales.STATUSES:
        tickets = sum(one["quantity"] for one in bookings if one["status"] == status)
        assert tally.tickets(status) == tickets


def test_nothing_at_all(db, now):
    check(db)
    assert sales_sums.refresh_sums(db, now) == 0
    assert sales_sums.sum_all_days(db, None) == {}
    assert sales_sums.sum_by_event(db, None) == {}


def test_before_the_first_run(db, made):
    check(db)


def test_after_a_run(db, made, now):
    assert sales_sums.refresh_sums(db, now) > 40
    assert store_sums.find_complete_up_to(db) == now - rules.CHECKPOINT_DELAY
    assert store_sums.find_changed(db, store_sums.find_complete_up_to(db)) == []
    check(db)


def test_what_changed_since_the_run(db, made, now):
    sales_sums.refresh_sums(db, now)
    change_some(db, made, now)
    check(db)
    sales_sums.refresh_sums(db, now + LATER)
    check(db)
    assert sales_sums.refresh_sums(db, now + 2 * LATER) == 0
    check(db)


def change_some(db, made, now, seed=1):
    rng = random.Random(seed)
    for one in rng.sample(made, 20):
        status = rng.choice(sales.STATUSES)
        change = {"status": status, "updatedAt": now, "totalCents": rng.randrange(5000)}
        db.bookings.update_one({"_id": one["_id"]}, {"$set": change})
    events = list(db.events.find())
    new = sales.at_random(rng, events, 20, now - timedelta(days=1), 1)
    db.bookings.insert_many([{**one, "updatedAt": now} for one in new])


def test_many_changes_and_runs(db, made, now):
    for step in range(2):
        moment = now + step * timedelta(seconds=20)
        change_some(db, made, moment, seed=step)
        check(db)
        sales_sums.refresh_sums(db, moment)
        check(db)


def test_what_is_kept_is_used(db, made, now):
    """The control: where what is kept is wrong, so are the sums."""
    sales_sums.refresh_sums(db, now)
    db.dailySales.delete_many({"scope": store_sums.ALL_ORGANIZERS})
    with pytest.raises(AssertionError):
        check(db)


def test_parts_are_small_and_cover_the_day(db, made, now):
    sales_sums.refresh_sums(db, now)
    change_some(db, made, now)
    sales_sums.refresh_sums(db, now + LATER)
    several = 0
    for kept in db.eventDays.find():
        parts = kept["parts"]
        several += len(parts) > 1
        since = [part["since"] for part in parts]
        assert since == sorted(set(since))
        for part in parts:
            made_then = sum(part["numbers"][::3])
            assert 0 < made_then <= 3 or part["since"].second == 0
    assert several > 10


def test_only_the_part_of_what_changed_is_counted_anew(db, now, monkeypatch):
    """However many bookings the event has."""
    (event,) = sales.events_of(db, OWNERS[:1])
    noon = (now - timedelta(days=2)).replace(hour=12, minute=0)
    rows = [
        sales.booking(event, status="confirmed", at=noon + timedelta(minutes=n), taken={1: 2})
        for n in range(60)
    ]
    db.bookings.insert_many(rows)
    sales_sums.refresh_sums(db, now)
    change = {"status": "cancelled", "updatedAt": now}
    db.bookings.update_one({"_id": rows[30]["_id"]}, {"$set": change})
    counted, real = [], store_sums.sum_event_periods

    def noted(db_, spans, moment):
        counted.extend(spans)
        return real(db_, spans, moment)

    monkeypatch.setattr(store_sums, "sum_event_periods", noted)
    check(db)
    assert {until - since for _, (since, until) in counted} == {timedelta(minutes=3)}
    sales_sums.refresh_sums(db, now + LATER)
    check(db)


def test_what_is_kept_of_an_event_is_used(db, made, now):
    """The control: where a part is wrong, so are the event's sums."""
    sales_sums.refresh_sums(db, now)
    kept = db.eventDays.find_one()
    of_event(db, kept["eventId"])
    db.eventDays.delete_one({"_id": kept["_id"]})
    with pytest.raises(AssertionError):
        of_event(db, kept["eventId"])


def test_an_older_run_overwrites_nothing(db, made, now):
    sales_sums.refresh_sums(db, now)
    kept = db.eventSales.find_one()
    old = {"numbers": [0] * 12}
    store_sums.save_sums(db, "eventSales", 0, [({"_id": kept["_id"]}, old)])
    assert db.eventSales.find_one({"_id": kept["_id"]}) == kept


def test_one_run_at_a_time_until_its_lease_is_over(db, made, now):
    begun = store_sums.begin_run(db, now, sales_sums.LEASE)
    assert sales_sums.refresh_sums(db, now + timedelta(seconds=1)) == 0
    assert store_sums.find_complete_up_to(db) is None
    assert sales_sums.refresh_sums(db, now + sales_sums.LEASE) > 0
    store_sums.end_run(db, begun["run"], now, now)  # it wakes up, and says nothing
    assert store_sums.find_complete_up_to(db) == now + sales_sums.LEASE - rules.CHECKPOINT_DELAY
    check(db)


def test_a_run_that_died_is_done_again(db, made, now, monkeypatch):
    sales_sums.refresh_sums(db, now)
    change_some(db, made, now)

    def die(*_args):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(store_sums, "end_run", die)
        with pytest.raises(KeyboardInterrupt):
            sales_sums.refresh_sums(db, now + LATER)
    check(db)
    assert sales_sums.refresh_sums(db, now + 2 * LATER) > 0
    check(db)


@pytest.mark.skipif(not MONGO_URI, reason="the embedded store has no plans to explain")
@pytest.mark.parametrize(
    "where",
    [
        {"updatedAt": {"$gte": utc_now()}, "status": {"$in": store_sums.STATUSES}},
        {"createdAt": {"$gte": utc_now(), "$lt": utc_now() + LATER}},
        store_sums.event_filter(1, (utc_now(), utc_now() + LATER)),
        {"$or": [store_sums.event_filter(n, (utc_now(), utc_now() + LATER)) for n in range(50)]},
    ],
)
def test_no_scan_of_all_bookings(db, made, where):
    assert not scans(settled(lambda: db.bookings.find(where).explain(), scans))
