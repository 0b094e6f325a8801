"""Every change of a booking is in exactly one daily and one weekly report to its organizer."""

import random
import re
from collections import Counter
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
from bson import ObjectId

from eventapp.bookings import store_reports, transitions, waitlist_offers
from eventapp.bookings.context import BOOKING_CONTEXT
from eventapp.bookings.ledger import reports
from eventapp.bookings.ledger import service as ledger
from eventapp.bookings.payments import refunds
from eventapp.core.clock import utc_now
from eventapp.core.failpoints import set_failpoint_hook
from eventapp.payments.providers import Providers
from tests import factories, sales
from tests.bookings_factories import RecordingProvider, confirm_booking
from tests.race import kit

DAY = timedelta(days=1)
MINUTE = timedelta(minutes=1)
# A Monday, so that the first daily report of the tests is of a Sunday.
MIDNIGHT = datetime(2030, 4, 29, tzinfo=UTC)


class Killed(BaseException):
    """Stands for the death of a process."""


@pytest.fixture
def context(app, db):
    return kit.another_process(BOOKING_CONTEXT.get(app))


@pytest.fixture
def host(app, db):
    return factories.make_user(app, "organizer")["id"]


@pytest.fixture
def event(db, host):
    types = [{"type": "A", "price": 20, "availableTickets": 50}]
    far = [{"date": "2031-06-01", "location": "Volos"}]
    return factories.make_event(
        db, organizer_id=host, title="Show", schedule=far, ticketTypes=types
    )


@pytest.fixture
def failpoint_hook():
    yield set_failpoint_hook
    set_failpoint_hook(None)


def read_mails(db, name="daily"):
    """Return what was sold of the event in each report, by the first day of its period."""
    return {day: line.partition("; money: ")[0] for day, line in read_lines(db, name).items()}


def read_money(db, name="daily"):
    """Return the money of the event in each report, by the first day of its period."""
    return {day: line.partition("; money: ")[2] for day, line in read_lines(db, name).items()}


def read_lines(db, name):
    """Return the line about the event in each report, by the first day of its period."""
    mails = db.mails.find({"kind": "report", "key": {"$regex": f"^report:{name}:"}})
    lines = {}
    for mail in mails:
        (line,) = [line for line in mail["text"].splitlines() if line.startswith("Show: ")]
        lines[mail["key"].split(":")[2]] = line.removeprefix("Show: ")
    return lines


def find_figures(mail, labels):
    """Return the figures of a report with these labels: of each event, and of all together.

    Args:
        labels: separated by `|`.
    """
    return re.findall(f">({labels})</td><td [^>]*>([^<]*)<", mail["html"])


def book(context, event, quantity, at, **purchase):
    """Book tickets at a time; return the id of the booking."""
    return kit.booking_id(kit.book(context, event, quantity, now=at, **purchase))


def test_a_hold_that_is_paid_after_the_report_is_in_the_next_one(context, db, event):
    user = kit.attendee()
    held = book(context, event, 2, MIDNIGHT - 2 * MINUTE, user=user.user_id, hold=True)
    book(context, event, 1, MIDNIGHT - 60 * MINUTE)
    reports.send_reports(context, MIDNIGHT + MINUTE)
    confirm_booking(context, held, user, MIDNIGHT + 5 * MINUTE)
    for days in (1, 2, 3):
        reports.send_reports(context, MIDNIGHT + days * DAY + MINUTE)
    assert read_mails(db) == {
        "2030-04-28": "1 booked, 1 ticket, €20; 0 cancelled or expired",
        "2030-04-29": "1 booked, 2 tickets, €40; 0 cancelled or expired",
    }


def test_changes_that_are_stored_after_the_report_of_their_day_are_in_the_next_one(
    context, db, event
):
    """One process waits for a charge at midnight, and the clock of another one is behind."""
    user, context.payments = kit.attendee(), Providers(RecordingProvider())
    held = book(context, event, 2, MIDNIGHT - 2 * MINUTE, user=user.user_id, hold=True)
    context.payments.current.before = lambda: reports.send_reports(context, MIDNIGHT + MINUTE)
    confirm_booking(context, held, user, MIDNIGHT - MINUTE)
    context.payments.current.before = lambda: None
    buyer = kit.attendee()
    other = book(context, event, 3, MIDNIGHT - MINUTE, user=buyer.user_id, hold=True)
    confirm_booking(context, other, buyer, MIDNIGHT - MINUTE)
    reports.send_reports(context, MIDNIGHT + DAY)
    assert read_mails(db) == {"2030-04-29": "2 booked, 5 tickets, €100; 0 cancelled or expired"}


def test_a_cancellation_is_subtracted_in_the_report_of_its_day(context, db, event):
    user = kit.attendee()
    sold = book(context, event, 2, MIDNIGHT - MINUTE, user=user.user_id)
    book(context, event, 1, MIDNIGHT - MINUTE, hold=True)
    reports.send_reports(context, MIDNIGHT)
    transitions.cancel_booking(context, sold, user, MIDNIGHT + MINUTE)
    waitlist_offers.expire_holds(context, MIDNIGHT + DAY - MINUTE)
    reports.send_reports(context, MIDNIGHT + DAY)
    assert read_mails(db) == {
        "2030-04-28": "1 booked, 2 tickets, €40; 0 cancelled or expired",
        "2030-04-29": "-1 booked, -2 tickets, -€40; 2 cancelled or expired",
    }


def test_days_without_a_worker_are_reported_later(context, db, event):
    reports.send_reports(context, MIDNIGHT)
    for days in range(7):
        book(context, event, 1, MIDNIGHT + days * DAY + MINUTE)
    assert reports.send_reports(context, MIDNIGHT + 7 * DAY) == 8
    assert reports.send_reports(context, MIDNIGHT + 7 * DAY) == 0
    line = "1 booked, 1 ticket, €20; 0 cancelled or expired"
    assert list(read_mails(db).values()) == [line] * 7
    assert read_mails(db, "weekly") == {
        "2030-04-29": "7 booked, 7 tickets, €140; 0 cancelled or expired"
    }


def test_after_a_long_time_without_a_worker_the_first_report_has_the_rest(context, db, event):
    reports.send_reports(context, MIDNIGHT)
    for days in (0, 1, 70, 99):
        book(context, event, 1, MIDNIGHT + days * DAY + MINUTE)
    reports.send_reports(context, MIDNIGHT + 100 * DAY)
    first = (MIDNIGHT + 65 * DAY).date().isoformat()
    lines = read_mails(db)
    assert min(lines) == first
    assert lines[first] == "2 booked, 2 tickets, €40; 0 cancelled or expired"
    assert len(lines) == 3
    assert db.reportPeriods.count_documents({"_id": {"$regex": "^daily"}}) == reports.MAX_PERIODS


def die_at(name):
    def hook(reached):
        if reached == name:
            raise Killed

    return hook


@pytest.mark.parametrize("failpoint", ["report-begun", "reported"])
def test_a_report_that_was_interrupted_is_completed_with_the_same_rows(
    context, db, event, failpoint_hook, failpoint
):
    book(context, event, 1, MIDNIGHT - MINUTE)
    failpoint_hook(die_at(failpoint))
    with pytest.raises(Killed):
        reports.send_reports(context, MIDNIGHT)
    failpoint_hook(None)
    book(context, event, 2, MIDNIGHT - MINUTE)
    for days in (0, 1, 2):
        reports.send_reports(context, MIDNIGHT + days * DAY + MINUTE)
    assert read_mails(db) == {
        "2030-04-28": "1 booked, 1 ticket, €20; 0 cancelled or expired",
        "2030-04-29": "1 booked, 2 tickets, €40; 0 cancelled or expired",
    }


def test_two_workers_write_the_same_report_once(context, db, event):
    book(context, event, 1, MIDNIGHT - MINUTE)
    contexts = [context, kit.another_process(context)]
    kit.run_concurrently(
        *[lambda each=each: reports.send_reports(each, MIDNIGHT) for each in contexts]
    )
    line = "1 booked, 1 ticket, €20; 0 cancelled or expired"
    assert read_mails(db) == {"2030-04-28": line}
    assert db.mails.count_documents({"kind": "report"}) == 2  # The other one is weekly.
    periods = list(db.reportPeriods.find())
    assert all("finishedAt" in period for period in periods)
    assert len(periods) == 2


def run_random_history(context, db, host, monkeypatch, seed):
    """Store rows with random times, and write reports now and then, some of them interrupted.

    Returns:
        The eventIds of all rows, each of which has its own, and by the name of a report those of
        the rows in all such reports.
    """
    rng, stored = random.Random(seed), []
    reported = {name: Counter() for name in reports.LENGTHS}

    def record(_context, period, rows, _now):
        if rng.random() < 0.1:
            raise Killed
        reported[period.name].update(int(row["title"]) for row in rows.get(host, ()))
        return 0

    def send(now):
        with suppress(Killed):
            reports.send_reports(context, now)

    monkeypatch.setattr(reports, "_send", record)
    monkeypatch.setattr(reports, "_find_titles", lambda _db, ids: {id_: str(id_) for id_ in ids})
    send(MIDNIGHT)
    for hour in range(0, 30 * 24, 5):
        now = MIDNIGHT + timedelta(hours=hour)
        for _ in range(rng.randrange(3)):
            late = timedelta(hours=rng.choice([0, 0, 1, 6, 40, -1]))
            stored.append(store_sale(db, len(stored) + 1, host, max(now - late, MIDNIGHT)))
            if rng.random() < 0.5:
                ledger.copy_entries(db, utc_now())
        if rng.random() < 0.2:
            send(now)
    for _ in range(20):
        send(MIDNIGHT + 40 * DAY)
    return stored, reported


def store_sale(db, event_id, host, at):
    """Store a booking of an event that need not exist; return its eventId."""
    event = {"eventId": event_id, "title": "X", "organizerId": host, "schedule": [{"date": at}]}
    db.bookings.insert_one(sales.booking(event, status="confirmed", at=at, taken={1: 1}))
    return event_id


@pytest.mark.parametrize("seed", range(6))
def test_each_row_is_in_one_report(context, db, host, monkeypatch, seed):
    stored, reported = run_random_history(context, db, host, monkeypatch, seed)
    assert len(stored) > 50
    for name in reports.LENGTHS:
        assert +reported[name] == Counter(stored)


def test_control_without_a_fixed_number_a_row_is_lost_or_repeated(context, db, host, monkeypatch):
    real = store_reports.sum_ledger

    def sum_by_time(db_, period, until):
        start = reports.parse_period(period["_id"]).since
        return real(db_, {**period, "after": period["upTo"], "since": start}, until)

    monkeypatch.setattr(store_reports, "sum_ledger", sum_by_time)
    stored, reported = run_random_history(context, db, host, monkeypatch, 1)
    assert +reported["daily"] != Counter(stored)


def test_bookings_of_an_older_version_count_in_the_period_in_which_they_were_made(
    context, db, event
):
    """The version was replaced in the afternoon of the day before MIDNIGHT."""
    db.reportPeriods.insert_one({"_id": "daily:2030-04-27", "reportedAt": MIDNIGHT - DAY})
    noon, user = MIDNIGHT - DAY / 2, kit.attendee()
    before = book(context, event, 5, MIDNIGHT - 2 * DAY, user=user.user_id)
    sold = book(context, event, 2, noon)
    changed = book(context, event, 3, noon, user=ObjectId())
    book(context, event, 1, noon, hold=True)
    db.bookings.update_many({}, {"$unset": {"entries": "", "ledgerDue": ""}})
    book(context, event, 1, noon + 60 * MINUTE)
    admin = kit.Actor(user_id=ObjectId(), role="admin")
    transitions.cancel_booking(context, changed, admin, noon + 90 * MINUTE)
    reports.send_reports(context, MIDNIGHT)
    transitions.cancel_booking(context, sold, admin, MIDNIGHT + MINUTE)
    transitions.cancel_booking(context, before, admin, MIDNIGHT + MINUTE)
    reports.send_reports(context, MIDNIGHT + DAY)
    assert read_mails(db) == {
        "2030-04-28": "2 booked, 3 tickets, €60; 1 cancelled or expired",
        "2030-04-29": "-2 booked, -7 tickets, -€140; 2 cancelled or expired",
    }
    assert read_money(db) == {
        "2030-04-28": "€120 charged, €60 refunded, €0 fees, €60 net",
        "2030-04-29": "€0 charged, €140 refunded, €0 fees, -€140 net",
    }


def test_money_is_in_the_report_of_the_day_on_which_it_moved(context, db, event):
    """The provider pays a refund back on the day after the cancellation, and keeps a fee."""
    user, context.payments = kit.attendee(), Providers(RecordingProvider())
    held = book(context, event, 2, MIDNIGHT - 2 * MINUTE, user=user.user_id, hold=True)
    confirm_booking(context, held, user, MIDNIGHT - MINUTE)
    add_fee(db, held, 85, MIDNIGHT - MINUTE)
    book(context, event, 1, MIDNIGHT - MINUTE, hold=True)
    context.payments.current.is_down = True
    transitions.cancel_booking(context, held, user, MIDNIGHT - MINUTE)
    reports.send_reports(context, MIDNIGHT)
    context.payments.current.is_down = False
    refunds.pay_due_refunds(context, MIDNIGHT + DAY / 2)
    reports.send_reports(context, MIDNIGHT + DAY)
    assert read_lines(db, "daily") == {
        "2030-04-28": "0 booked, 0 tickets, €0; 1 cancelled or expired; "
        "money: €40 charged, €0 refunded, €0.85 fees, €39.15 net",
        "2030-04-29": "0 booked, 0 tickets, €0; 0 cancelled or expired; "
        "money: €0 charged, €40 refunded, €0 fees, -€40 net",
    }
    first, second = db.mails.find({"key": {"$regex": "^report:daily:"}}).sort("key", 1)
    labels = ("Charged", "Refunded", "Fees", "Net")
    for mail, amounts in (
        (first, ("€40", "€0", "€0.85", "€39.15")),
        (second, ("€0", "€40", "€0", "-€40")),
    ):
        figures = list(zip(labels, amounts, strict=True))
        assert find_figures(mail, "|".join(labels)) == 2 * figures


def add_fee(db, booking_id, cents, at):
    """Let the provider tell that it has kept a fee of a charge."""
    first = db.bookings.find_one({"_id": booking_id})["entries"][0]
    nothing = dict.fromkeys(("bookings", "held", "sold", "cents", "discount", "paid"), 0)
    entry = {**first, **nothing, "kind": "fee", "at": at, "fee": cents, "provider": "recording"}
    update = {"$push": {"entries": entry}, "$set": {"ledgerDue": True}}
    db.bookings.update_one({"_id": booking_id}, update)


def test_discounts_are_shown_beside_what_was_paid(context, db, event):
    code = {"codeId": 1, "code": "Half", "kind": "percent", "value": 5_000}
    code |= {"active": True, "used": 0, "taken": False}
    db.events.update_one({}, {"$set": {"promoCodes": {"half": code}}, "$inc": {"terms": 1}})
    user, noon = kit.attendee(), MIDNIGHT - DAY / 2
    half = book(context, event, 3, noon, user=user.user_id, promo_code="half")
    book(context, event, 1, noon)
    reports.send_reports(context, MIDNIGHT)
    transitions.cancel_booking(context, half, user, MIDNIGHT + MINUTE)
    reports.send_reports(context, MIDNIGHT + DAY)
    assert read_mails(db) == {
        "2030-04-28": "2 booked, 4 tickets, €50 (€80 less a discount of €30); "
        "0 cancelled or expired",
        "2030-04-29": "-1 booked, -3 tickets, -€30 (-€60 less a discount of -€30); "
        "1 cancelled or expired",
    }
    (mail,) = db.mails.find({"key": {"$regex": "^report:daily:2030-04-28:"}})
    figures = [("Gross", "€80"), ("Discount", "€30"), ("Revenue", "€50")]
    assert find_figures(mail, "Gross|Discount|Revenue") == 2 * figures


def test_a_deleted_event_is_reported_by_its_booked_title(context, db, event):
    book(context, event, 1, MIDNIGHT - MINUTE)
    db.events.delete_one({"eventId": event["eventId"]})
    reports.send_reports(context, MIDNIGHT)
    assert list(read_mails(db)) == ["2030-04-28"]
    assert store_reports.find_booked_title(db, 999) == "Event 999"


def test_the_clock_of_a_worker_that_is_behind_does_no_harm(context, db, event):
    book(context, event, 1, MIDNIGHT - MINUTE)
    reports.send_reports(context, MIDNIGHT)
    assert reports.send_reports(context, MIDNIGHT - DAY) == 0
    assert len(read_mails(db)) == 1
