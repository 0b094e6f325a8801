"""The sums of money equal the entries of the bookings, whatever happens during a run or a read."""

import random
from datetime import UTC, date, timedelta
from zoneinfo import ZoneInfo

import pytest
from bson import ObjectId

from eventapp.analytics import money_sums, store_money, store_sums
from eventapp.analytics.money import NO_MONEY, MoneyTotals, split_entry
from eventapp.bookings.ledger import service as ledger
from eventapp.bookings.ledger.store import build_update
from eventapp.core.clock import utc_now
from tests import sales

FIRST = sales.utc(2026, 3, 20)
ORGANIZERS = (ObjectId(), ObjectId())
ATHENS = ZoneInfo("Europe/Athens")
LATE = timedelta(seconds=200)  # longer than the lease of a run that died
STEPS_OF_RUN = [
    (store_sums, "begin_run"),
    (ledger, "find_highest_number"),
    (store_money, "find_rows"),
    (store_money, "find_up_to"),
    (store_money, "add_sums"),
    (store_sums, "move_checkpoint"),
    (store_sums, "end_run"),
]
STEPS_OF_READER = [
    (store_sums, "find_checkpoint"),
    (store_money, "find_totals"),
    (store_money, "find_days"),
    (store_money, "find_pending_rows"),
    (ledger, "find_highest_number"),
    (store_money, "find_rows"),
    (store_money, "find_copied_ids"),
]


class Killed(BaseException):
    """Stands for the death of a process."""


@pytest.fixture
def events(db):
    return sales.events_of(db, [ORGANIZERS[0], ORGANIZERS[0], ORGANIZERS[1], None])


def move_money(db, rng, booking):
    """Add a charge, a refund or a fee to a booking at a random time."""
    kind = rng.choice(("charged", "refunded", "refunded", "refund_returned", "fee"))
    at = FIRST + timedelta(seconds=rng.randrange(12 * 86400))
    nothing = dict.fromkeys(("bookings", "held", "sold", "cents", "discount", "paid"), 0)
    entry = {**booking["entries"][0], **nothing, "kind": kind, "at": at}
    cents = rng.randrange(1, 5000)
    if kind == "fee":
        entry |= {"fee": cents, "provider": "stripe"}
    else:
        entry["paid"] = -cents if kind == "refunded" else cents
    db.bookings.update_one({"_id": booking["_id"]}, build_update({}, [entry]))


@pytest.fixture
def change(db, events):
    """Return a function that stores a booking, and moves money of another one."""
    rng = random.Random(7)

    def act():
        (booking,) = sales.at_random(rng, events, 1, FIRST, 12)
        db.bookings.insert_one(booking)
        move_money(db, rng, rng.choice(list(db.bookings.find())))

    for _ in range(12):
        act()
    return act


def sum_entries(db, where, key):
    """Return the money in the entries of bookings by `key(booking, entry)`."""
    sums = {}
    for booking in db.bookings.find(where):
        for entry in booking["entries"]:
            money = split_entry(entry["kind"], entry["paid"], entry.get("fee", 0))
            if money != NO_MONEY:
                name = key(booking, entry)
                sums[name] = sums.get(name, NO_MONEY) + money
    return sums


def local_day(zone):
    return lambda _booking, entry: entry["at"].replace(tzinfo=UTC).astimezone(zone).date()


def expected(db):
    """Return the sums of all entries, in the order of `read`."""
    all_time = [
        sum(sum_entries(db, where, lambda *_: 0).values(), NO_MONEY)
        for where in ({}, {"organizerId": ORGANIZERS[0]})
    ]
    by_day = [
        sum_entries(db, {}, local_day(ATHENS)),
        sum_entries(db, {"organizerId": ORGANIZERS[1]}, local_day(UTC)),
        sum_entries(db, {"eventId": 1}, local_day(UTC)),
    ]
    by_event = sum_entries(db, {}, lambda booking, _entry: booking["eventId"])
    return [*all_time, *by_day, {id_: by_event.get(id_, NO_MONEY) for id_ in (1, 2, 3, 4)}]


def read(db):
    first, last = date(2026, 3, 1), date(2026, 5, 1)
    return [
        money_sums.sum_all(db, None),
        money_sums.sum_all(db, ORGANIZERS[0]),
        money_sums.sum_by_day(db, None, first, last, ATHENS),
        money_sums.sum_by_day(db, ORGANIZERS[1], first, last, ZoneInfo("UTC")),
        money_sums.sum_event_by_day(db, 1),
        money_sums.sum_by_event(db, [1, 2, 3, 4]),
    ]


def call_after(monkeypatch, step, call):
    """Call something each time that the function of a step has returned."""
    owner, name = step
    real = getattr(owner, name)

    def wrapper(*args, **kwargs):
        result = real(*args, **kwargs)
        call()
        return result

    monkeypatch.setattr(owner, name, wrapper)


@pytest.mark.parametrize("batch", [3, 2000])
def test_sums_are_exact_before_and_after_each_run(db, change, monkeypatch, batch):
    monkeypatch.setattr(money_sums, "ROWS_PER_BATCH", batch)
    for number in range(8):
        assert read(db) == expected(db)
        if number % 2:
            ledger.copy_entries(db, utc_now())
            assert read(db) == expected(db)
        money_sums.refresh_sums(db, utc_now())
        assert read(db) == expected(db)
        change()
    assert expected(db)[0] != NO_MONEY


def test_a_period_has_only_its_days(db, change):
    whole = expected(db)[2]
    first, last = sorted(whole)[2], sorted(whole)[-3]
    for _ in range(2):
        found = money_sums.sum_by_day(db, None, first, last, ATHENS)
        assert found == {day: whole[day] for day in whole if first <= day <= last}
        money_sums.refresh_sums(db, utc_now())


@pytest.mark.parametrize("step", STEPS_OF_RUN, ids=lambda step: step[1])
def test_a_run_that_dies_adds_nothing_twice(db, change, monkeypatch, step):
    money_sums.refresh_sums(db, utc_now())
    change()
    with monkeypatch.context() as patch:
        patch.setattr(money_sums, "ROWS_PER_BATCH", 2)

        def die():
            raise Killed

        call_after(patch, step, die)
        with pytest.raises(Killed):
            money_sums.refresh_sums(db, utc_now())
    assert read(db) == expected(db)
    change()
    money_sums.refresh_sums(db, utc_now() + LATE)
    assert read(db) == expected(db)


@pytest.mark.parametrize("step", STEPS_OF_RUN, ids=lambda step: step[1])
def test_a_run_that_was_suspended_adds_nothing_twice(db, change, monkeypatch, step):
    """Another run begins and ends while the first one stands still at a step."""
    change()
    with monkeypatch.context() as patch:
        patch.setattr(money_sums, "ROWS_PER_BATCH", 5)
        calls = []

        def run_another():
            if not calls:
                calls.append(1)
                change()
                money_sums.refresh_sums(db, utc_now() + LATE)

        call_after(patch, step, run_another)
        money_sums.refresh_sums(db, utc_now())
        assert calls
    assert read(db) == expected(db)
    money_sums.refresh_sums(db, utc_now() + 2 * LATE)
    assert read(db) == expected(db)


def read_while_another_runs(db, change, monkeypatch, step):
    """Return the sums of a reader after each of whose steps all entries are copied and summed."""
    money_sums.refresh_sums(db, utc_now())
    change()
    moments = iter(range(1, 100))
    real = {owner_step: getattr(*owner_step) for owner_step in {*STEPS_OF_RUN, *STEPS_OF_READER}}

    def run():
        with pytest.MonkeyPatch.context() as patch:
            for (owner, name), function in real.items():
                patch.setattr(owner, name, function)
            money_sums.refresh_sums(db, utc_now() + next(moments) * LATE)

    with monkeypatch.context() as patch:
        call_after(patch, step, run)
        return read(db)


@pytest.mark.parametrize("step", STEPS_OF_READER, ids=lambda step: step[1])
def test_a_run_beside_a_reader_changes_no_sum(db, change, monkeypatch, step):
    assert read_while_another_runs(db, change, monkeypatch, step) == expected(db)


def test_control_without_the_number_of_a_document_a_row_is_added_twice(db, change, monkeypatch):
    monkeypatch.setattr(money_sums, "_is_missing", lambda _row, _document: True)
    step = (store_sums, "find_checkpoint")
    assert read_while_another_runs(db, change, monkeypatch, step) != expected(db)


def test_control_without_a_look_into_the_ledger_an_entry_is_added_twice(db, change, monkeypatch):
    monkeypatch.setattr(store_money, "find_copied_ids", lambda *_args: set())
    step = (store_money, "find_pending_rows")
    assert read_while_another_runs(db, change, monkeypatch, step) != expected(db)


def test_control_without_the_guard_of_a_document_a_row_is_added_twice(db, change, monkeypatch):
    money_sums.refresh_sums(db, utc_now())
    change()
    real = store_money._build_write
    calls = []

    def build_unguarded(one):
        write = real(one)
        if one.old_up_to is not None:
            del write._filter["upTo"]
        return write

    def run_another():
        if not calls:
            calls.append(1)
            money_sums.refresh_sums(db, utc_now() + LATE)

    monkeypatch.setattr(store_money, "_build_write", build_unguarded)
    call_after(monkeypatch, (store_money, "find_up_to"), run_another)
    money_sums.refresh_sums(db, utc_now())
    assert read(db)[0] != expected(db)[0]


def test_the_sign_of_an_entry_says_whether_it_was_charged_or_refunded():
    assert split_entry("sold", 250, 0) == MoneyTotals(charged=250)
    assert split_entry("cancelled", -250, 0) == MoneyTotals(refunded=250)
    assert split_entry("fee", 0, 40) == MoneyTotals(fees=40)
    assert split_entry("refund_returned", 250, 0) == MoneyTotals(refunded=-250)
    assert MoneyTotals(250, 100, 40).net == 110
