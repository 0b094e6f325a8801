"""`kill -9` of a server process at each failpoint, under load, and the recovery."""

import random
import time
from datetime import timedelta

import pytest

from eventapp.core.clock import utc_now
from tests.crash.conftest import FULL
from tests.crash.test_concurrent_users import start_worker
from tests.crash.user_load import CrashServer, UserLoad, count_taken, make_event
from tests.live import eventually
from tests.race import kit

pytestmark = pytest.mark.crash

ROUNDS = 20 if FULL else 1
# Every failpoint on the path of a request.
FAILPOINTS = (
    *(
        "take",
        "record",
        "entry",
        "undo",
        "end",
        "part",
        "move",
        "move-recorded",
        "refund",
        "refund-recorded",
        "attempt-begun",
        "provider-answered",
        "confirm",
    ),
    *("offer-claim", "offer-take", "offer-record", "offered", "entry-end", "leave-recorded"),
)
MAX_WAIT_SECONDS = 20
A_MINUTE = 60
# The event never sells out, so each take that a kill interrupts loses tickets.
PLENTY = 1000


@pytest.fixture(scope="module")
def server(mongo_server, tmp_path_factory):
    directory = tmp_path_factory.mktemp("kills")
    with CrashServer(directory, WEB_CONCURRENCY="2") as started:
        yield started


def kill_under_load(server, failpoint, seed, tickets=12):
    """Kill one process at a failpoint, under load; return the event and the load."""
    event = make_event(server, tickets)
    with UserLoad(server, event, 24, threads=8, seed=seed) as load:
        time.sleep(random.Random(seed).uniform(0.05, 0.3))
        server.arm(failpoint)
        eventually(lambda: server.has_died(failpoint), MAX_WAIT_SECONDS)
        time.sleep(0.2)
    return event, load


@pytest.mark.parametrize("failpoint", FAILPOINTS)
def test_after_a_kill_one_run_of_the_jobs_repairs_everything(server, failpoint, report):
    for seed in range(ROUNDS):
        event, load = kill_under_load(server, failpoint, seed)
        kit.run_all_jobs(server.context, utc_now() + kit.AFTER_ABANDONMENT)
        load.check()
        assert kit.find_faults(server.context) == []
        by_event, by_bookings = count_taken(server, event)
        assert by_event == by_bookings
        assert sum(kit.stock_counters(server.context.db, event)[:3]) == 12
        kit.assert_consistent(server.context, utc_now() + kit.AFTER_ABANDONMENT)
        for name in ("bookings", "waitlist", "events"):
            server.context.db[name].delete_many({})
    report(f"{failpoint}: {ROUNDS} kills, no fault")


def test_control_without_the_jobs_a_kill_loses_tickets(server):
    event, _ = kill_under_load(server, "take", 1, PLENTY)
    by_event, by_bookings = count_taken(server, event)
    assert by_event > by_bookings
    kit.run_all_jobs(server.context, utc_now() + kit.AFTER_ABANDONMENT)
    assert kit.find_faults(server.context) == []


def test_a_worker_process_recovers_lost_tickets_within_a_minute(server):
    """With a real clock, a ticket that a dead process took is on sale again."""
    event = make_event(server, PLENTY)
    died_at = time.monotonic()
    with UserLoad(server, event, 24, threads=8, seed=3):
        server.arm("take")
        eventually(lambda: server.has_died("take"), MAX_WAIT_SECONDS)
    by_event, by_bookings = count_taken(server, event)
    assert by_event > by_bookings
    worker = start_worker(server)
    try:
        eventually(lambda: len(set(count_taken(server, event))) == 1, A_MINUTE)
    finally:
        worker.terminate()
        worker.wait(20)
    assert time.monotonic() - died_at < A_MINUTE
    kit.assert_consistent(server.context, utc_now() + timedelta(hours=1))
