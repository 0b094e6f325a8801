"""Of concurrent scanners, or a scanner and a cancellation, one succeeds."""

import threading
from datetime import timedelta
from functools import partial

import pytest

from eventapp.bookings import recovery, transitions
from eventapp.bookings import store as bookings_store
from eventapp.core.access.actor import Actor
from eventapp.core.clock import utc_now
from eventapp.core.errors import AppError
from eventapp.tickets import check_ins, rules, store
from eventapp.tickets.signing_key import load_key
from tests import factories
from tests.race import kit

ADMIN = Actor(role="admin")
SCANNERS = 8


@pytest.fixture
def event(db):
    return factories.make_event(db)


@pytest.fixture
def booking(context, db, event):
    booking_id = kit.booking_id(kit.book(context, event, 2))
    return db.bookings.find_one({"_id": booking_id})


def open_check_in(db, event):
    return check_ins.open_check_in(db, event["eventId"], ADMIN, utc_now())


def code_of(db, event, booking):
    ticket, _type = next(rules.iter_tickets(booking))
    return load_key(db, utc_now()).sign(event["eventId"], ticket.ticket_id)


def scan_concurrently(db, event, booking):
    code = code_of(db, event, booking)
    scanners = [open_check_in(db, event) for _ in range(SCANNERS)]
    return kit.count_outcomes(
        kit.run_concurrently(*[partial(each.check_in, code, utc_now()) for each in scanners])
    )


def test_one_of_several_concurrent_scanners_checks_a_ticket_in(db, event, booking):
    assert scan_concurrently(db, event, booking) == {"dict": 1, "already_checked_in": SCANNERS - 1}


def test_control_with_separate_read_and_write_several_scanners_check_it_in(
    db, event, booking, monkeypatch
):
    all_have_read = threading.Barrier(SCANNERS)

    def read_then_write(db, booking_id, local_id, *, event_id, check_in, entry):
        seen = db.bookings.find_one({"_id": booking_id})
        all_have_read.wait(kit.TIMEOUT_SECONDS)
        if local_id in seen.get("checkIns", {}):
            return None
        db.bookings.update_one({"_id": booking_id}, {"$set": {f"checkIns.{local_id}": check_in}})
        return db.bookings.find_one({"_id": booking_id})

    monkeypatch.setattr(store, "check_in", read_then_write)
    assert scan_concurrently(db, event, booking)["dict"] > 1


def test_two_tickets_of_a_booking_are_checked_in_concurrently(db, event, booking):
    key = load_key(db, utc_now())
    codes = [
        key.sign(event["eventId"], ticket.ticket_id)
        for ticket, _type in rules.iter_tickets(booking)
    ]
    one, two = open_check_in(db, event), open_check_in(db, event)
    now = utc_now()
    results = kit.run_concurrently(
        partial(one.check_in, codes[0], now), partial(two.check_in, codes[1], now)
    )
    assert kit.count_outcomes(results) == {"dict": 2}
    assert len(db.bookings.find_one({"_id": booking["_id"]})["checkIns"]) == 2


def test_a_ticket_cancelled_before_the_check_in_is_written_is_refused(
    context, db, event, booking, monkeypatch
):
    """The booking is cancelled between reading the code and writing the check-in."""
    code = code_of(db, event, booking)
    opened = open_check_in(db, event)
    with (
        kit.suspended(monkeypatch, store, "check_in") as scanner,
        kit.in_background(
            partial(kit.run_concurrently, partial(opened.check_in, code, utc_now()))
        ) as result,
    ):
        scanner.wait()
        transitions.cancel_booking(context, booking["_id"], ADMIN, utc_now())
        scanner.resume()
        (refusal,) = result.result()
    assert isinstance(refusal, AppError)
    assert refusal.code == "ticket_not_found"
    assert "checkIns" not in db.bookings.find_one({"_id": booking["_id"]})
    recovery.recover(context, utc_now())


def cancel_during_a_check_in(context, db, event, booking, monkeypatch):
    """Check a ticket in after the cancellation has read the booking; return the refusals."""
    opened, code = open_check_in(db, event), code_of(db, event, booking)
    holder = kit.attendee(booking["userId"])
    cancel = partial(transitions.cancel_booking, context, booking["_id"], holder, utc_now())
    with (
        kit.suspended(monkeypatch, bookings_store, "update_booking") as cancellation,
        kit.in_background(partial(kit.run_concurrently, cancel)) as result,
    ):
        cancellation.wait()
        opened.check_in(code, utc_now())
        cancellation.resume()
        return [each for each in result.result() if isinstance(each, AppError)]


def test_a_ticket_checked_in_before_the_cancellation_is_written_stays(
    context, db, event, booking, monkeypatch
):
    (refusal,) = cancel_during_a_check_in(context, db, event, booking, monkeypatch)
    assert refusal.code == "ticket_checked_in"
    assert db.bookings.find_one({"_id": booking["_id"]})["status"] == "confirmed"
    kit.assert_consistent(context)


def test_control_without_the_guard_a_checked_in_ticket_is_sold_again(
    context, db, event, booking, monkeypatch
):
    monkeypatch.setattr(transitions, "NOT_CHECKED_IN", {})
    assert cancel_during_a_check_in(context, db, event, booking, monkeypatch) == []
    stored = db.bookings.find_one({"_id": booking["_id"]})
    assert stored["checkIns"]
    assert stored["refund"]


@pytest.mark.parametrize("_round", range(5))
def test_either_the_check_in_or_the_cancellation_succeeds(context, db, event, booking, _round):
    opened, code = open_check_in(db, event), code_of(db, event, booking)
    holder = kit.attendee(booking["userId"])
    results = kit.run_concurrently(
        partial(opened.check_in, code, utc_now()),
        partial(transitions.cancel_booking, context, booking["_id"], holder, utc_now()),
    )
    outcomes = kit.count_outcomes(results)
    stored = db.bookings.find_one({"_id": booking["_id"]})
    if stored["status"] == "cancelled":
        assert outcomes == {"ticket_not_found": 1, "dict": 1}
        assert "checkIns" not in stored
    else:
        assert outcomes == {"ticket_checked_in": 1, "dict": 1}
    kit.assert_consistent(context)


def test_a_ticket_that_becomes_valid_during_the_scan_is_checked_in(
    context, db, event, booking, monkeypatch
):
    """The booking is confirmed after the check-in was refused, and before it is read."""
    db.bookings.update_one({"_id": booking["_id"]}, {"$set": {"status": "held"}})
    opened, code = open_check_in(db, event), code_of(db, event, booking)
    find = store.find_booking

    def confirm_and_find(db, booking_id):
        db.bookings.update_one({"_id": booking_id}, {"$set": {"status": "confirmed"}})
        return find(db, booking_id)

    monkeypatch.setattr(store, "find_booking", confirm_and_find)
    assert opened.check_in(code, utc_now())["checkedInAt"]


def test_a_batch_uploaded_several_times_at_once_counts_once(db, event, booking):
    scans = [check_ins.Scan(code=code_of(db, event, booking), scanned_at=utc_now())]
    scanners = [open_check_in(db, event) for _ in range(SCANNERS)]
    calls = [partial(each.upload_scans, scans, utc_now()) for each in scanners]
    answers = kit.run_concurrently(*calls)
    assert {answer[0]["status"] for answer in answers} == {"checked_in"}
    assert len({answer[0]["checkedInAt"] for answer in answers}) == 1


def test_processes_that_create_the_key_at_once_agree_on_one(db):
    keys = kit.run_concurrently(*[partial(load_key, db, utc_now())] * SCANNERS)
    assert len({key.public_key for key in keys}) == 1
    assert db["keys"].count_documents({}) == 1


def undo_during_a_scan(db, event, booking, monkeypatch):
    """Check a ticket in and undo that while an offline scan is being uploaded; return its result.

    The scan was made before both.
    """
    opened, code = open_check_in(db, event), code_of(db, event, booking)
    ticket, _type = next(rules.iter_tickets(booking))
    scans = [check_ins.Scan(code=code, scanned_at=utc_now())]
    with (
        kit.suspended(monkeypatch, store, "check_in") as scanner,
        kit.in_background(partial(opened.upload_scans, scans, utc_now())) as result,
    ):
        scanner.wait()
        other = {"at": utc_now(), "scannedAt": None}
        field = f"checkIns.{ticket.local_id}"
        db.bookings.update_one({"_id": booking["_id"]}, {"$set": {field: other}})
        opened.undo(ticket.ticket_id, utc_now() + timedelta(milliseconds=1))
        scanner.resume()
        return result.result()[0]["status"]


def test_a_scan_that_is_written_after_an_undo_checks_nothing_in(db, event, booking, monkeypatch):
    assert undo_during_a_scan(db, event, booking, monkeypatch) == "undone"
    assert db.bookings.find_one({"_id": booking["_id"]})["checkIns"] == {}


def test_control_without_the_guard_the_scan_checks_in_what_was_undone(
    db, event, booking, monkeypatch
):
    monkeypatch.setattr(store, "build_not_undone_guard", lambda *_: {})
    assert undo_during_a_scan(db, event, booking, monkeypatch) == "checked_in"


def test_of_several_undos_one_succeeds(db, event, booking):
    opened, code = open_check_in(db, event), code_of(db, event, booking)
    ticket_id = opened.check_in(code, utc_now())["ticketId"]
    undos = [partial(opened.undo, ticket_id, utc_now())] * SCANNERS
    results = kit.count_outcomes(kit.run_concurrently(*undos))
    assert results == {"dict": 1, "not_checked_in": SCANNERS - 1}


@pytest.mark.parametrize("_round", range(5))
def test_scans_and_an_undo_at_once_leave_what_the_last_of_them_says(db, event, booking, _round):
    opened, code = open_check_in(db, event), code_of(db, event, booking)
    ticket_id = opened.check_in(code, utc_now())["ticketId"]
    scans = [check_ins.Scan(code=code, scanned_at=utc_now() - timedelta(seconds=1))]
    undo, *answers = kit.run_concurrently(
        partial(opened.undo, ticket_id, utc_now()),
        *[partial(opened.upload_scans, scans, utc_now())] * 3,
    )
    assert undo["checkedInAt"] is None
    assert {answer[0]["status"] for answer in answers} <= {"already_checked_in", "undone"}
    assert db.bookings.find_one({"_id": booking["_id"]})["checkIns"] == {}
