"""2,000 histories keep every invariant, and each guard that is taken out breaks one."""

import os
import re
import subprocess
import sys

import pytest
from bson import ObjectId

from eventapp.core.access.actor import Actor
from eventapp.events import editing
from tests.conftest import MONGO_URI
from tests.factories import FAR_SCHEDULE, make_event
from tests.simulation.__main__ import FAILED
from tests.simulation.clients import Client
from tests.simulation.history import ADMIN, MAX_OTHER_ROUNDS, History, open_store
from tests.simulation.mutations import MUTATIONS
from tests.simulation.organizer import Organizer

pytestmark = pytest.mark.skipif(
    MONGO_URI is not None, reason="the simulation needs no server: it runs on the embedded store"
)
SEEDS, WORKERS = 2000, 2
# A seed at which each missing guard was last found. The search begins there: from 0 on it takes
# minutes. After a change of the application it may find another one of the next SEEDS.
FIRST_SEEDS = {
    "a cancellation of tickets without the guard of their check-ins": 122,
    "a change of a booking while a move is pending": 223,
    "a change of a booking without the guard of its status": 27,
    "a change of the stock without the guard of the terms": 303,
    "a check-in without the guard that the ticket is not cancelled": 15,
    "a move without the guard that it is not applied yet": 22,
    "a take whatever the sale window of its ticket type": 19,
    "a take without the guard of its promo code": 135,
    "a take without the guard of its quotas": 658,
    "a take without the guard of its tickets": 6,
    "a write of a payment without the guard of its revision": 44,
    "an edit without the guard of its revision": 83,
    "an end of a waitlist entry that is claimed for an offer": 6,
    "an end of copying to the ledger without the guard of new entries": 69,
    "an offer without its claim": 6,
    "an offer without the guard of its tickets": 94,
    "an undo without the guard that the take exists": 304,
    "moves of one booking that share a key": 262,
    "undoing a retake without marking its attempt as void": 44,
    "undoing a take without a tombstone": 82,
}
TIMEOUT_SECONDS = 900


def start(*arguments: str) -> subprocess.Popen[str]:
    """Start a simulation in a process of its own, whose order of sets is fixed."""
    command = [sys.executable, "-m", "tests.simulation", *arguments]
    # Otherwise the process would start once more to fix it.
    environment = {**os.environ, "PYTHONHASHSEED": "0"}
    return subprocess.Popen(
        command,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
    )


def finish(process: subprocess.Popen[str]) -> tuple[int, str]:
    """Return the exit status and the output of a simulation."""
    try:
        output, _ = process.communicate(timeout=TIMEOUT_SECONDS)
    finally:
        process.kill()
    return process.returncode, output


def test_every_history_keeps_the_invariants() -> None:
    count = SEEDS // WORKERS
    processes = [
        start("--from", str(number * count), "--count", str(count)) for number in range(WORKERS)
    ]
    results = [finish(process) for process in processes]
    assert [status for status, _ in results] == [0] * WORKERS, "\n".join(out for _, out in results)


@pytest.mark.parametrize("seed", [11, 18])  # In the second, an offer is refused by its reference.
def test_a_seed_determines_its_history(seed: int) -> None:
    first, second = (finish(start(str(seed))) for _ in range(2))
    assert first[0] == 0
    assert first == second


def test_a_history_that_fails_is_shrunk() -> None:
    guard = "a take without the guard of its tickets"
    status, output = finish(start(str(FIRST_SEEDS[guard]), "--shrink", "--without", guard))
    *_, last = output.splitlines()
    found = re.fullmatch(r"seed \d+, (\d+) steps: a counter is negative: .*", last)
    assert status == FAILED
    assert found, output
    assert int(found[1]) < 40


class LongWaitlist(History):
    """A history at whose end more tickets are waited for than the worker has other rounds."""

    def _set_up(self) -> None:
        types = [{"type": "A", "price": 0, "availableTickets": 0}]
        self.events = [make_event(self.store.db, schedule=FAR_SCHEDULE, ticketTypes=types)]
        self.servers = [self._start_process("server")]
        self._spawn("clients", self._wait_for_one_ticket)

    def _wait_for_one_ticket(self) -> None:
        for _ in range(MAX_OTHER_ROUNDS + 1):
            Client(self, Actor(user_id=ObjectId(), role="attendee")).join()
        capacity = editing.make_type_patch(1, {"capacity": 1})
        Organizer(self, ADMIN)._edit(self.events[0], "capacity 1", capacity)


def test_the_end_lasts_until_everybody_who_waits_had_an_offer() -> None:
    history = LongWaitlist(open_store(), seed=1)
    history.run()
    bookings = history.store.read("bookings")
    assert {booking["status"] for booking in bookings} == {"expired"}
    assert len(bookings) > MAX_OTHER_ROUNDS


@pytest.mark.parametrize("guard", sorted(MUTATIONS))
def test_control_a_missing_guard_is_found(guard: str) -> None:
    first = str(FIRST_SEEDS[guard])
    status, output = finish(start("--without", guard, "--from", first, "--count", str(SEEDS)))
    assert status == FAILED, output
    assert output.startswith("seed ")
    assert "TypeError" not in output  # The mutation does not fit what it replaces.
