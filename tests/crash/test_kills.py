"""`kill -9` of a server process at each step of the protocol, under load, and the recovery."""

import random
import time
from datetime import timedelta

import pytest

from eventapp.core.clock import utc_now
from tests.crash.conftest import FULL
from tests.crash.storm import CrashServer, Storm, event_of, taken
from tests.crash.test_processes import worker
from tests.live import eventually
from tests.race import kit

pytestmark = pytest.mark.crash

ROUNDS = 20 if FULL else 1
# Every failpoint on the path of a request.
STEPS = (
    *("take", "record", "entry", "undo", "end", "move", "restocked", "pay", "charge", "confirm"),
    *("offer-claim", "offer-take", "offer-record", "offered", "entry-end", "entry-restocked"),
)
WITHIN_SECONDS = 20
A_MINUTE = 60
# So many that none is waited for: then each take that a kill cuts off has lost tickets.
PLENTY = 1000


@pytest.fixture(scope="module")
def server(on_a_server, tmp_path_factory):
    directory = tmp_path_factory.mktemp("kills")
    with CrashServer(directory, WEB_CONCURRENCY="2") as started:
        yield started


def storm_and_kill(server, step, seed, tickets=12):
    """A storm in which one process dies at this step; the event and what was told of it."""
    event = event_of(server, tickets)
    with Storm(server, event, 24, threads=8, seed=seed) as storm:
        time.sleep(random.Random(seed).uniform(0.05, 0.3))
        server.arm(step)
        eventually(lambda: server.has_died(step), WITHIN_SECONDS)
        time.sleep(0.2)
    return event, storm


@pytest.mark.parametrize("step", STEPS)
def test_after_a_kill_one_round_of_the_worker_sets_all_right(server, step, figures):
    for seed in range(ROUNDS):
        event, storm = storm_and_kill(server, step, seed)
        kit.run_all_jobs(server.context, utc_now() + kit.AFTER_ABANDONMENT)
        storm.check()
        assert kit.find_faults(server.context) == []
        assert taken(server, event)[0] == taken(server, event)[1]
        assert sum(kit.stock_counters(server.context.db, event)[:3]) == 12
        kit.assert_consistent(server.context, utc_now() + kit.AFTER_ABANDONMENT)
        for name in ("bookings", "waitlist", "events"):
            server.context.db[name].delete_many({})
    figures(f"{step}: {ROUNDS} kills, clean")


def test_control_without_the_worker_a_kill_loses_tickets(server):
    event, _ = storm_and_kill(server, "take", 1, PLENTY)
    event_amount, booked = taken(server, event)
    assert event_amount > booked
    kit.run_all_jobs(server.context, utc_now() + kit.AFTER_ABANDONMENT)
    assert kit.find_faults(server.context) == []


def test_in_real_time_it_takes_less_than_a_minute(server):
    """The worker's own clock: a ticket taken by a process that died is on sale again."""
    event = event_of(server, PLENTY)
    died = time.monotonic()
    with Storm(server, event, 24, threads=8, seed=3):
        server.arm("take")
        eventually(lambda: server.has_died("take"), WITHIN_SECONDS)
    lost = taken(server, event)
    assert lost[0] > lost[1]
    process = worker(server)
    try:
        eventually(lambda: len(set(taken(server, event))) == 1, A_MINUTE)
    finally:
        process.terminate()
        process.wait(20)
    assert time.monotonic() - died < A_MINUTE
    kit.assert_consistent(server.context, utc_now() + timedelta(hours=1))
