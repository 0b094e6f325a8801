"""Each background job by its name: run once, run again, and failing."""

from contextlib import contextmanager
from datetime import timedelta

import pytest
from apscheduler.schedulers.background import BackgroundScheduler

from eventapp.core.clock import utc_now
from eventapp.core.database import OPEN_DATABASE
from eventapp.core.http.app_context import CONFIG
from eventapp.jobs import service as jobs
from scripts import worker
from tests.bookings_factories import Caller, context_of, event_of, later, stock_of
from tests.factories import day

pytestmark = pytest.mark.usefixtures("clean_inventory")


@pytest.fixture
def run_once(app, monkeypatch, capsys):
    """Return a function that runs `scripts/worker.py --once JOB` and returns what it prints.

    It runs on the database of the test, as if an optional span of time had passed.
    """

    @contextmanager
    def open_database(_command, *, is_dry_run):
        yield CONFIG.get(app), OPEN_DATABASE.get(app)

    monkeypatch.setattr(worker, "open_configured_database", open_database)

    def run(name, **span):
        monkeypatch.setattr(jobs, "utc_now", lambda: later(**span))
        assert worker.main(["--once", name]) == 0
        return capsys.readouterr().out.strip()

    return run


@pytest.fixture
def people(client, app):
    return [Caller(client, app) for _ in range(3)]


@pytest.mark.parametrize("name", jobs.JOBS)
def test_each_job_runs_on_an_empty_database_any_number_of_times(run_once, db, name):
    for _again in range(2):
        assert run_once(name) == f"{name}: 0 done"


def test_an_unknown_job_is_refused(run_once, capsys):
    with pytest.raises(SystemExit) as ended:
        worker.main(["--once", "tidy-up"])
    assert ended.value.code == 2
    assert "expire-holds" in capsys.readouterr().err


def test_expire_holds_ends_each_expired_hold_once(run_once, db, people):
    event_of(db, 5)
    people[0].book(1, 2, hold=True)
    assert run_once("expire-holds") == "expire-holds: 0 done"
    assert run_once("expire-holds", minutes=10) == "expire-holds: 1 done"
    assert run_once("expire-holds", minutes=10) == "expire-holds: 0 done"
    assert stock_of(db, 1) == (5, 0, 0, 0)


def test_serve_waiting_offers_free_tickets_to_the_waitlist(run_once, db, people):
    event_of(db, 0)
    people[0].wait(1, 1)
    people[1].wait(1, 1)
    more = {"ticketTypes.0.availableTickets": 2, "ticketTypes.0.capacity": 2, "available": 2}
    db.events.update_one({}, {"$inc": more})
    assert run_once("serve-waiting") == "serve-waiting: 2 done"
    assert run_once("serve-waiting") == "serve-waiting: 0 done"
    assert stock_of(db, 1) == (0, 0, 2, 0)


def test_settle_clears_in_flight_entries_of_recorded_bookings(run_once, db, people):
    event_of(db, 5)
    people[0].book(1, 2)
    assert run_once("settle", seconds=29) == "settle: 0 done"
    assert len(db.events.find_one({})["inFlight"]) == 1
    assert run_once("settle", seconds=31) == "settle: 1 done"
    assert run_once("settle", seconds=31) == "settle: 0 done"
    assert db.events.find_one({})["inFlight"] == {}


def test_close_cancelled_ends_bookings_that_were_made_during_the_cancellation(
    run_once, db, client, people, organizer
):
    event_of(db, 5, organizer_id=organizer["id"])
    client.post("/api/events/1/cancel", headers=organizer["headers"])
    event = db.events.find_one({})
    db.events.update_one({}, {"$set": {"status": "published"}})
    late = people[0].book(1, 2)
    changes = {"status": "cancelled", "closing": event["closing"]}
    db.events.update_one({}, {"$set": changes})
    run_once("close-cancelled")
    assert people[0].get(f"/bookings/{late['_id']}").json["data"]["booking"]["refund"]
    assert stock_of(db, 1) == (5, 0, 0, 0)
    for minutes in (1, 2, 3):
        run_once("settle", minutes=minutes)
        run_once("close-cancelled", minutes=minutes)
    assert "closing" not in db.events.find_one({})


def test_complete_past_completes_past_events_and_ends_their_waitlists(run_once, db, people):
    event_of(db, 5, 0, schedule=[{"date": day(1), "location": "X"}])
    event_of(db, 5, schedule=[{"date": day(3), "location": "X"}])
    people[0].book(1)
    people[1].wait(1, 1, 2)
    assert run_once("complete-past", days=2) == "complete-past: 1 done"
    assert [event["status"] for event in db.events.find().sort("eventId", 1)] == [
        "completed",
        "published",
    ]
    assert people[1].waitlist_entries() == []


def test_complete_past_ends_waitlists_that_a_crash_left(run_once, db, people):
    event_of(db, 0, schedule=[{"date": day(1), "location": "X"}])
    people[0].wait(1)
    db.events.update_one({}, {"$set": {"status": "completed", "listed": False}})
    run_once("complete-past", days=2)
    assert people[0].waitlist_entries() == []


def test_roll_day_updates_the_next_date(run_once, db):
    schedule = [{"date": day(0), "location": "X"}, {"date": day(4), "location": "Y"}]
    event_of(db, 5, schedule=schedule)
    run_once("roll-day", days=2)
    stored = db.events.find_one({})
    assert stored["nextDate"].date().isoformat() == day(4)


def test_a_job_that_fails_is_logged_and_runs_again(db, app, monkeypatch):
    calls = []

    def failing(_context, _now):
        calls.append(utc_now())
        raise ConnectionError

    monkeypatch.setattr(jobs, "JOBS", {"fails": jobs.Job("fails", failing, 0.01)})
    failures = []
    monkeypatch.setattr(jobs, "_log_failure", failures.append)
    scheduler = BackgroundScheduler(timezone="UTC")
    jobs.schedule_jobs(scheduler, context_of(app))
    scheduler.start()
    until = utc_now() + timedelta(seconds=10)
    while len(failures) < 3 and utc_now() < until:
        scheduler.wakeup()
    scheduler.shutdown()
    assert len(failures) >= 3
    assert isinstance(failures[0].exception, ConnectionError)
