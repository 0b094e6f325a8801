"""Four server processes and hundreds of concurrent users sell exactly the available tickets."""

import random
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from eventapp.config import ROOT
from eventapp.core.clock import utc_now
from tests.crash.conftest import FULL
from tests.crash.user_load import CrashServer, UserLoad, count_taken, make_event
from tests.live import eventually
from tests.race import kit

pytestmark = [pytest.mark.crash, pytest.mark.usefixtures("mongo_server")]

PROCESSES, CLIENTS = 4, 16
TICKETS, USERS, REQUESTS_PER_USER = (500, 500, 4) if FULL else (100, 100, 4)
MIN_RESPONSES = 3000 if FULL else 300
REQUIRED_OUTCOMES = {"book 201", "book 202", "cancel 200", "join 201", "leave 200"}
MAX_LOAD_SECONDS = 120
CONTROL_ATTEMPTS = 20


class IdleUsers(UserLoad):
    """Users who act only when the test lets them."""

    def __enter__(self):
        return self


def book_concurrently(server, event, *, quantity, hold=False):
    """Let every user book several times, in random order; return ids of bookings and codes."""
    load = IdleUsers(server, event, USERS, threads=CLIENTS)
    users = load.users * REQUESTS_PER_USER
    random.Random(7).shuffle(users)
    body = {"eventId": event["eventId"], "ticketTypeId": 1, "quantity": quantity, "hold": hold}

    def book(user):
        response = load.request("book", user, "POST", "/api/bookings", body)
        data = response.json()
        return data.get("code") or data["data"]["booking"]["_id"]

    with load, ThreadPoolExecutor(CLIENTS) as pool:
        results = list(pool.map(book, users))
    load.check()
    return results


@pytest.mark.parametrize("hold", [False, True])
def test_concurrent_bookings_sell_exactly_the_available_tickets(tmp_path, report, hold):
    with CrashServer(tmp_path, WEB_CONCURRENCY=str(PROCESSES)) as server:
        event = make_event(server, TICKETS)
        began = time.monotonic()
        results = book_concurrently(server, event, quantity=2, hold=hold)
        seconds = time.monotonic() - began
        booked = {result for result in results if len(result) == 24}
        refused = Counter(result for result in results if len(result) != 24)
        report(f"{len(results)} requests in {seconds:.1f} s: {len(booked)} booked, {dict(refused)}")
        assert set(refused) <= {"sold_out", "already_booked"}
        assert len(results) - sum(refused.values()) == len(booked) == TICKETS // 2
        assert count_taken(server, event) == (TICKETS, TICKETS)
        kit.assert_consistent(server.context)


def test_control_without_the_guard_concurrent_bookings_oversell(tmp_path):
    with CrashServer(tmp_path, WEB_CONCURRENCY=str(PROCESSES), UNGUARDED="1") as server:
        assert any(is_oversold(server, tickets=20) for _attempt in range(CONTROL_ATTEMPTS))


def is_oversold(server, tickets):
    """Sell the tickets of a new event to all users; return whether too many were booked.

    One process alone never sells too many. So it takes two that receive requests before the first
    one has sold all tickets.
    """
    event = make_event(server, tickets)
    book_concurrently(server, event, quantity=2)
    return count_taken(server, event)[1] > tickets


def start_worker(server, *arguments):
    """Start scripts/worker.py on the server's database, and return the process."""
    with (server.log.parent / "worker.log").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "scripts/worker.py", *arguments],
            cwd=ROOT,
            env={"PATH": "", "LOG_LEVEL": "error", **server.settings},
            stdout=log,
            stderr=log,
        )


def has_done_enough(load):
    """Return whether each required outcome has occurred, and enough responses in all."""
    outcomes = load.responses
    return outcomes.keys() >= REQUIRED_OUTCOMES and sum(outcomes.values()) >= MIN_RESPONSES


def test_after_any_mix_of_actions_the_tickets_add_up(tmp_path, report):
    """Holds expire after about a second, and two workers run at the same time."""
    settings = {"HOLD_MINUTES": "0.02", "WAITLIST_OFFER_MINUTES": "0.02"}
    with CrashServer(tmp_path, WEB_CONCURRENCY=str(PROCESSES), **settings) as server:
        event = make_event(server, 60)
        workers = [start_worker(server) for _ in range(2)]
        try:
            with UserLoad(server, event, 120, threads=CLIENTS) as load:
                eventually(lambda: has_done_enough(load), MAX_LOAD_SECONDS)
        finally:
            for process in workers:
                process.terminate()
                process.wait(20)
        report(f"{dict(load.responses)}, slowest {max(load.slowest.values())} s")
        load.check()
        assert not any("503" in outcome for outcome in load.responses)
        assert kit.find_faults(server.context) == []
        kit.assert_consistent(server.context, utc_now() + kit.AFTER_ABANDONMENT)
        by_event, by_bookings = count_taken(server, event)
        assert by_event == by_bookings
