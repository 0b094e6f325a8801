"""Two scanners at the same moment, and a scanner against a cancel: one of them wins."""

from functools import partial

import pytest

from eventapp.bookings import recovery as settle
from eventapp.bookings import transitions
from eventapp.core.access.actor import Actor
from eventapp.core.clock import utc_now
from eventapp.core.errors import AppError
from eventapp.tickets import check_ins, rules, store
from eventapp.tickets.signing_key import key_of
from tests import factories
from tests.race import kit

ADMIN = Actor(role="admin")
SCANNERS = 8


@pytest.fixture
def event(db):
    return factories.make_event(db)


@pytest.fixture
def booking(context, db, event):
    booking_id = kit.booked(kit.book(context, event, 2))
    return db.bookings.find_one({"_id": booking_id})


def door(db, event):
    return check_ins.open_door(db, event["eventId"], ADMIN, utc_now())


def code_of(db, event, booking):
    seat, _type = next(rules.seats(booking))
    return key_of(db, utc_now()).code(event["eventId"], seat.ticket_id)


def scan_at_once(db, event, booking):
    code = code_of(db, event, booking)
    doors = [door(db, event) for _ in range(SCANNERS)]
    return kit.outcomes(kit.at_once(*[partial(one.check_in, code, utc_now()) for one in doors]))


def test_of_scanners_at_the_same_moment_one_lets_in(db, event, booking):
    assert scan_at_once(db, event, booking) == {"dict": 1, "already_checked_in": SCANNERS - 1}


def test_control_looked_at_first_and_written_then_they_let_in_more(db, event, booking, monkeypatch):
    gate = kit.threading.Barrier(SCANNERS)

    def check_in(db, booking_id, place, *, event_id, note):
        seen = db.bookings.find_one({"_id": booking_id})
        gate.wait(kit.PATIENCE_SECONDS)
        if place in seen.get("checkIns", {}):
            return None
        db.bookings.update_one({"_id": booking_id}, {"$set": {f"checkIns.{place}": note}})
        return db.bookings.find_one({"_id": booking_id})

    monkeypatch.setattr(store, "check_in", check_in)
    assert scan_at_once(db, event, booking)["dict"] > 1


def test_both_seats_of_a_booking_come_in_at_once(db, event, booking):
    key = key_of(db, utc_now())
    codes = [key.code(event["eventId"], seat.ticket_id) for seat, _type in rules.seats(booking)]
    one, two = door(db, event), door(db, event)
    now = utc_now()
    results = kit.at_once(
        partial(one.check_in, codes[0], now), partial(two.check_in, codes[1], now)
    )
    assert kit.outcomes(results) == {"dict": 2}
    assert len(db.bookings.find_one({"_id": booking["_id"]})["checkIns"]) == 2


def test_who_was_let_in_had_a_booking_at_that_moment(context, db, event, booking, monkeypatch):
    """A cancel between reading the code and noting the check-in: nobody is let in."""
    code = code_of(db, event, booking)
    opened = door(db, event)
    with (
        kit.stalled(monkeypatch, store, "check_in") as scanner,
        kit.in_background(
            partial(kit.at_once, partial(opened.check_in, code, utc_now()))
        ) as result,
    ):
        scanner.wait()
        transitions.cancel(context, booking["_id"], ADMIN, utc_now())
        scanner.let_go()
        (refusal,) = result.result()
    assert isinstance(refusal, AppError)
    assert refusal.code == "ticket_not_found"
    assert "checkIns" not in db.bookings.find_one({"_id": booking["_id"]})
    settle.settle(context, utc_now())


def test_one_batch_uploaded_twice_at_once_counts_once(db, event, booking):
    scans = [check_ins.Scan(code_of(db, event, booking), utc_now())]
    doors = [door(db, event) for _ in range(SCANNERS)]
    calls = [partial(check_ins.upload, one, scans, utc_now()) for one in doors]
    answers = kit.at_once(*calls)
    assert {answer[0]["status"] for answer in answers} == {"checked_in"}
    assert len({answer[0]["checkedInAt"] for answer in answers}) == 1


def test_processes_that_make_the_key_at_once_agree_on_one(db):
    keys = kit.at_once(*[partial(key_of, db, utc_now())] * SCANNERS)
    assert len({key.public for key in keys}) == 1
    assert db["keys"].count_documents({}) == 1
