"""Four server processes, and hundreds of users at once: what is sold is what there was."""

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
from tests.crash.storm import CrashServer, Storm, event_of, taken
from tests.live import eventually
from tests.race import kit

pytestmark = [pytest.mark.crash, pytest.mark.usefixtures("on_a_server")]

PROCESSES, CLIENTS = 4, 16
TICKETS, USERS, EACH = (500, 500, 4) if FULL else (100, 100, 4)
STORM_REQUESTS = 3000 if FULL else 300
EVERY_KIND = {"book 201", "book 202", "cancel 200", "join 201", "leave 200"}
STORM_WITHIN_SECONDS = 120


class FewUsers(Storm):
    """Users who only do what they are told."""

    def __enter__(self):
        return self


def rush(server, event, *, quantity, hold=False):
    """Every user asks `EACH` times for so many tickets, all shuffled; the codes of the answers."""
    storm = FewUsers(server, event, USERS, threads=CLIENTS)
    asking = storm.people * EACH
    random.Random(7).shuffle(asking)
    body = {"eventId": event["eventId"], "ticketTypeId": 1, "quantity": quantity, "hold": hold}

    def ask(person):
        answer = storm.ask("book", person, "POST", "/api/bookings", body)
        data = answer.json()
        return data.get("code") or data["data"]["booking"]["_id"]

    with storm, ThreadPoolExecutor(CLIENTS) as pool:
        told = list(pool.map(ask, asking))
    storm.check()
    return told


@pytest.mark.parametrize("hold", [False, True])
def test_a_rush_sells_exactly_what_there_is(tmp_path, figures, hold):
    with CrashServer(tmp_path, WEB_CONCURRENCY=str(PROCESSES)) as server:
        event = event_of(server, TICKETS)
        began = time.monotonic()
        told = rush(server, event, quantity=2, hold=hold)
        seconds = time.monotonic() - began
        booked = {words for words in told if len(words) == 24}
        refused = Counter(words for words in told if len(words) != 24)
        figures(f"{len(told)} requests in {seconds:.1f} s: {len(booked)} booked, {dict(refused)}")
        assert set(refused) <= {"sold_out", "already_booked"}
        assert len(told) - sum(refused.values()) == len(booked) == TICKETS // 2
        assert taken(server, event) == (TICKETS, TICKETS)
        kit.assert_consistent(server.context)


def test_control_without_the_guard_a_rush_oversells(tmp_path):
    with CrashServer(tmp_path, WEB_CONCURRENCY=str(PROCESSES), UNGUARDED="1") as server:
        event = event_of(server, 20)
        rush(server, event, quantity=2)
        assert taken(server, event)[1] > 20


def worker(server, *arguments):
    """scripts/worker.py on the server's database."""
    with (server.log.parent / "worker.log").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "scripts/worker.py", *arguments],
            cwd=ROOT,
            env={"PATH": "", "LOG_LEVEL": "error", **server.settings},
            stdout=log,
            stderr=log,
        )


def has_raged(storm):
    """True when each thing has been done, and enough in all."""
    return storm.said.keys() >= EVERY_KIND and sum(storm.said.values()) >= STORM_REQUESTS


def test_any_mix_of_everything_adds_up(tmp_path, figures):
    """Holds lapse after a second; two workers run beside the servers."""
    settings = {"HOLD_MINUTES": "0.02", "WAITLIST_OFFER_MINUTES": "0.02"}
    with CrashServer(tmp_path, WEB_CONCURRENCY=str(PROCESSES), **settings) as server:
        event = event_of(server, 60)
        workers = [worker(server) for _ in range(2)]
        try:
            with Storm(server, event, 120, threads=CLIENTS) as storm:
                eventually(lambda: has_raged(storm), STORM_WITHIN_SECONDS)
        finally:
            for process in workers:
                process.terminate()
                process.wait(20)
        figures(f"{dict(storm.said)}, slowest {max(storm.slowest.values())} s")
        storm.check()
        assert not any("503" in words for words in storm.said)
        assert kit.find_faults(server.context) == []
        kit.assert_consistent(server.context, utc_now() + kit.AFTER_ABANDONMENT)
        assert taken(server, event)[0] == taken(server, event)[1]
