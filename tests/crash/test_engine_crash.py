"""The database crashes under load, as in a power cut, and starts again."""

import time

import pytest

from eventapp.core.clock import utc_now
from tests.crash import engine
from tests.crash.conftest import FULL
from tests.crash.user_load import CrashServer, UserLoad, count_taken, make_event
from tests.live import eventually
from tests.race import kit

pytestmark = pytest.mark.crash

ROUNDS = 5 if FULL else 1
DOWN_SECONDS = 4
# A request must be answered with 503 within 3 s.
MAX_RESPONSE_SECONDS = 3.0
MAX_RECOVERY_SECONDS = 15


@pytest.fixture(scope="module")
def second_engine(mongo_server):
    engine.skip_if_impossible()
    with engine.Engine() as started:
        yield started


@pytest.fixture
def server(second_engine, tmp_path):
    with CrashServer(tmp_path, WEB_CONCURRENCY="2", MONGO_URI=second_engine.uri) as started:
        yield started


def count_served(load):
    """Return how many requests were booked, refused or cancelled: all need the database."""
    return sum(load.responses[outcome] for outcome in ("book 201", "book 409", "cancel 200"))


def test_after_a_crash_every_confirmed_booking_is_stored(server, second_engine, report):
    for number in range(ROUNDS):
        event = make_event(server, 12)
        with UserLoad(server, event, 24, threads=8, seed=number) as load:
            eventually(lambda: count_served(load) > 20)
            second_engine.run("crash")
            down_at = time.monotonic()
            eventually(lambda: any(outcome.endswith("503") for outcome in load.responses))
            time.sleep(DOWN_SECONDS)
            second_engine.run("start")
            up_at = time.monotonic()
            enough = count_served(load) + 20
            eventually(lambda: count_served(load) > enough, MAX_RECOVERY_SECONDS)  # noqa: B023
            served_at = time.monotonic()
        report(
            f"down {up_at - down_at:.1f} s, serving {served_at - up_at:.1f} s later, "
            f"slowest responses {load.slowest}, {dict(load.responses)}"
        )
        assert server.process.poll() is None
        kit.run_all_jobs(server.context, utc_now() + kit.AFTER_ABANDONMENT)
        load.check()
        assert kit.find_faults(server.context) == []
        by_event, by_bookings = count_taken(server, event)
        assert by_event == by_bookings
        assert "no response" not in load.responses
        assert max(load.slowest.values()) < MAX_RESPONSE_SECONDS
        for name in ("bookings", "waitlist", "events"):
            server.context.db[name].delete_many({})
