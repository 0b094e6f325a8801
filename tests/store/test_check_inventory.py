"""`scripts/check_inventory.py` finds each kind of fault, and `--repair` repairs it."""

import os
import subprocess
import sys
from contextlib import contextmanager
from datetime import timedelta

import pytest
from bson import ObjectId

from eventapp.bookings import auditing
from eventapp.config import ROOT, load_config
from eventapp.core.clock import utc_now
from eventapp.core.database import OPEN_DATABASE
from eventapp.core.http.app_context import CONFIG
from scripts import check_inventory
from tests.bookings_factories import Caller, context_of, event_of, stock_of
from tests.conftest import drop_database, make_settings

pytestmark = pytest.mark.usefixtures("clean_inventory")


@pytest.fixture
def run(app, monkeypatch, capsys):
    """Run the script on the store of the tests; return its exit code and lines."""

    @contextmanager
    def open_database(_command, *, is_dry_run):
        yield CONFIG.get(app), OPEN_DATABASE.get(app)

    monkeypatch.setattr(check_inventory, "open_configured_database", open_database)

    def main(*arguments):
        code = check_inventory.main(list(arguments))
        return code, capsys.readouterr().out.splitlines()

    return main


@pytest.fixture
def people(db, client, app):
    """Event 1 has 4 sold, 2 held and 4 available of A; one waits for B. Event 2 has no fault."""
    event_of(db, 10, 0)
    event_of(db, 10)
    ann, bob = Caller(client, app), Caller(client, app)
    ann.book(1, 4)
    bob.book(1, 2, hold=True)
    ann.wait(1, 1, 2)
    ann.book(2, 1)
    # 6 places are taken of the quota of type A, none of that of type B.
    quota = {"capacity": 20, "availableTickets": 14, "waiting": 0}
    quotas = [
        {**quota, "quotaId": 1, "name": "hall", "ticketTypeIds": [1]},
        {**quota, "quotaId": 2, "name": "yard", "ticketTypeIds": [2], "availableTickets": 20},
    ]
    db.events.update_one({"eventId": 1}, {"$set": {"quotas": quotas}})
    return ann, bob


def damage(db, **amounts):
    changes = {name.replace("__", "."): amount for name, amount in amounts.items()}
    db.events.update_one({"eventId": 1}, {"$inc": changes})


def test_a_correct_stock_has_no_fault(run, people):
    assert run() == (0, ["all tickets add up"])
    assert run("--repair") == (0, ["all tickets add up"])


def test_an_empty_database_has_no_fault(run, db):
    assert run() == (0, ["all tickets add up"])


# ENTRY stands for the scheduleId of the booked entry.
A, B, CELL = "ticketTypes__0__", "ticketTypes__1__", "cells__ENTRY__1__"


@pytest.mark.parametrize(
    ("amounts", "fault"),
    [
        ({A + "soldTickets": 1}, "A: soldTickets is 5, should be 4"),
        ({A + "soldTickets": -1}, "A: soldTickets is 3, should be 4"),
        ({A + "heldTickets": 1}, "A: heldTickets is 3, should be 2"),
        ({A + "heldTickets": -3}, "A: heldTickets is negative: -1"),
        ({A + "availableTickets": 1}, "A: 11 tickets where 10 were put on sale"),
        ({A + "availableTickets": -1}, "A: 9 tickets where 10 were put on sale"),
        ({A + "availableTickets": -9}, "A: availableTickets is negative: -5"),
        ({B + "waiting": 1}, "B: waiting is 2, should be 1"),
        ({B + "waiting": -1}, "B: waiting is 0, should be 1"),
        ({A + "waiting": 1}, "A: waiting is 1, should be 0"),
        ({"available": 1}, "available is 5, not the sum of its types"),
        ({CELL + "sold": 1}, "cell of entry ENTRY and type 1: sold is 5, should be 4"),
        ({CELL + "held": -3}, "cell of entry ENTRY and type 1: held is -1, should be 2"),
        ({"quotas__0__availableTickets": 1}, "quota hall: availableTickets is 15, should be 14"),
        ({"quotas__1__availableTickets": -30}, "quota yard: availableTickets is negative: -10"),
        ({"cells__9__2__sold": 1}, "cell of entry 9 and type 2: sold is 1, should be 0"),
    ],
)
def test_each_wrong_counter_is_found_and_repaired(run, db, people, amounts, fault):
    before = db.events.find_one({"eventId": 1})
    schedule_id = str(before["schedule"][0].get("scheduleId", 0))
    damage(db, **{name.replace("ENTRY", schedule_id): n for name, n in amounts.items()})
    fault = fault.replace("ENTRY", schedule_id)
    code, lines = run()
    assert code == 1
    assert f"event 1: {fault}" in lines
    assert lines[-1] == f"{len(lines) - 1} faults"
    assert not any(line.startswith("event 2") for line in lines)
    code, lines = run("--repair")
    assert (code, lines[-2:]) == (0, ["event 1: repaired", "all tickets add up"])
    after = db.events.find_one({"eventId": 1})
    assert after["ticketTypes"] == before["ticketTypes"]
    assert after["available"] == before["available"]
    assert after["cells"] == before["cells"]
    assert after["quotas"] == before["quotas"]


def test_a_dry_run_names_what_would_be_repaired_and_changes_nothing(run, db, people):
    damage(db, available=1)
    before = list(db.events.find())
    for arguments in (["--dry-run"], ["--repair", "--dry-run"]):
        assert run(*arguments) == (
            1,
            [
                "event 1: available is 5, not the sum of its types",
                "1 faults",
                "event 1: would be repaired",
            ],
        )
    assert list(db.events.find()) == before
    assert run("--repair")[0] == 0


def test_a_missing_booking_is_found(run, db, people):
    db.bookings.delete_one({"userId": people[0].id, "eventId": 1})
    assert "event 1: A: soldTickets is 4, should be 0" in run()[1]
    assert run("--repair")[0] == 0
    assert stock_of(db, 1) == (8, 0, 2, 0)


def test_a_repair_raises_the_capacity_of_an_oversold_event(run, db, people):
    """Every booking stands, so the capacity becomes the number of sold tickets."""
    booking = db.bookings.find_one({"status": "confirmed", "eventId": 1})
    ghost = {**booking, "_id": ObjectId(), "bookingReference": "EVT-GHOST", "slot": "ghost"}
    ghost["items"] = [{**booking["items"][0], "quantity": 9}]
    db.bookings.insert_one(ghost)
    assert run("--repair")[0] == 0
    assert stock_of(db, 1) == (0, 13, 2, 0)
    event = db.events.find_one({"eventId": 1})
    assert event["ticketTypes"][0]["capacity"] == 15
    assert (event["quotas"][0]["capacity"], event["quotas"][0]["availableTickets"]) == (20, 5)


def test_an_old_in_flight_entry_is_found(run, db, people):
    long_ago = utc_now() - timedelta(seconds=121)
    entry = {"kind": "take", "items": [[1, 1]], "held": False, "by": "", "at": long_ago}
    key = str(ObjectId())
    change = {"ticketTypes.0.availableTickets": -1, "ticketTypes.0.soldTickets": 1, "available": -1}
    change |= {"cells.0.1.sold": 1, "quotas.0.availableTickets": -1}
    stored = {f"inFlight.{key}": entry, "marksSince": long_ago}
    db.events.update_one({"eventId": 1}, {"$inc": change, "$set": stored})
    code, lines = run()
    assert (code, lines[0][:40]) == (1, f"event 1: {key} is stuck"[:40])
    assert run("--repair")[0] == 0
    assert stock_of(db, 1) == (4, 4, 2, 0)


def test_changes_in_flight_are_no_fault(run, db, people):
    key, now = str(ObjectId()), utc_now()
    entry = {"kind": "take", "items": [[1, 1]], "held": True, "by": "", "at": now}
    change = {"ticketTypes.0.availableTickets": -1, "ticketTypes.0.heldTickets": 1, "available": -1}
    change |= {"cells.0.1.held": 1, "quotas.0.availableTickets": -1}
    enter = {"kind": "enter", "type": 2, "scheduleId": 4, "by": "", "at": now}
    stored = {f"inFlight.{key}": entry, f"inFlight.wait-{ObjectId()}": enter, "marksSince": now}
    db.events.update_one({"eventId": 1}, {"$inc": change, "$set": stored})
    damage(db, **{B + "waiting": 1, "queues.4.2.waiting": 1})
    assert run() == (0, ["all tickets add up"])
    damage(db, **{A + "heldTickets": 1})
    assert run("--repair")[0] == 0
    assert stock_of(db, 1) == (3, 4, 3, 0)  # what is in flight stays in flight


def test_a_repair_gives_up_on_an_event_that_keeps_changing(db, app, people, monkeypatch):
    context = context_of(app)
    monkeypatch.setattr(auditing, "PAUSE_SECONDS", 0)
    monkeypatch.setattr(context.inventory.repairs, "replace", lambda *_args: False)
    assert auditing.repair(context, 1, utc_now()) is False
    assert auditing.repair(context, 99, utc_now()) is True
    assert "closedUntil" not in db.events.find_one({"eventId": 1})


def test_a_check_reports_an_event_that_keeps_changing(db, app, people, monkeypatch):
    monkeypatch.setattr(auditing, "PAUSE_SECONDS", 0)
    monkeypatch.setattr(auditing, "_find_unchanged", lambda *_args: set())
    messages = {fault.message for fault in auditing.check(context_of(app), utc_now())}
    assert messages == {"kept changing, so it was not compared"}
    monkeypatch.undo()


def test_the_progress_of_a_check_counts_every_event_once(app, db, people, monkeypatch):
    monkeypatch.setattr(auditing, "EVENTS_PER_BATCH", 2)
    event_of(db, 3)
    checked = []
    assert list(auditing.check(context_of(app), utc_now(), on_checked=checked.append)) == []
    assert checked == [2, 1]


def test_more_events_than_a_batch_are_checked(run, db, people, monkeypatch):
    monkeypatch.setattr(auditing, "EVENTS_PER_BATCH", 2)
    for _number in range(5):
        event_of(db, 3)
    db.events.update_many({"eventId": {"$gte": 5}}, {"$inc": {"available": 1}})
    code, lines = run()
    assert (code, [line[:7] for line in lines[:-1]]) == (1, ["event 5", "event 6", "event 7"])
    assert run("--repair")[0] == 0


@pytest.mark.parametrize(
    ("command", "output"),
    [
        (["check_inventory.py"], "all tickets add up"),
        (["worker.py", "--once", "settle"], "settle: 0 done"),
    ],
)
def test_from_the_command_line(tmp_path, command, output):
    settings = make_settings(tmp_path)
    try:
        script, *arguments = command
        done = subprocess.run(
            [sys.executable, f"scripts/{script}", *arguments],
            cwd=ROOT,
            env={**os.environ, **settings},
            capture_output=True,
            text=True,
        )
    finally:
        drop_database(load_config(settings))
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{output}\n", "")
