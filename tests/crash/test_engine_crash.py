"""The database dies under load, as by a power cut, and comes back."""

import time

import pytest

from eventapp.core.clock import utc_now
from tests.crash import engine
from tests.crash.conftest import FULL
from tests.crash.storm import CrashServer, Storm, event_of, taken
from tests.live import eventually
from tests.race import kit

pytestmark = pytest.mark.crash

ROUNDS = 5 if FULL else 1
DOWN_SECONDS = 4
# A request must hear 503 within 3 s.
SLOWEST_SECONDS = 3.0
RECOVERS_WITHIN_SECONDS = 15


@pytest.fixture(scope="module")
def second_engine(on_a_server):
    engine.skip_without()
    with engine.Engine() as started:
        yield started


@pytest.fixture
def server(second_engine, tmp_path):
    with CrashServer(tmp_path, WEB_CONCURRENCY="2", MONGO_URI=second_engine.uri) as started:
        yield started


def answers(storm):
    """How many were booked, refused or cancelled: all needs the database."""
    return sum(storm.said[words] for words in ("book 201", "book 409", "cancel 200"))


def test_after_a_power_cut_every_booking_that_was_told_of_is_there(server, second_engine, figures):
    for number in range(ROUNDS):
        event = event_of(server, 12)
        with Storm(server, event, 24, threads=8, seed=number) as storm:
            eventually(lambda: answers(storm) > 20)
            second_engine.run("crash")
            down = time.monotonic()
            eventually(lambda: any(word.endswith("503") for word in storm.said))
            time.sleep(DOWN_SECONDS)
            second_engine.run("start")
            back = time.monotonic()
            enough = answers(storm) + 20
            eventually(lambda: answers(storm) > enough, RECOVERS_WITHIN_SECONDS)  # noqa: B023
            served = time.monotonic()
        figures(
            f"down {back - down:.1f} s, serving {served - back:.1f} s later, "
            f"slowest answers {storm.slowest}, {dict(storm.said)}"
        )
        assert server.process.poll() is None
        kit.run_all_jobs(server.context, utc_now() + kit.AFTER_ABANDONMENT)
        storm.check()
        assert kit.find_faults(server.context) == []
        assert taken(server, event)[0] == taken(server, event)[1]
        assert "no answer" not in storm.said
        assert max(storm.slowest.values()) < SLOWEST_SECONDS
        for name in ("bookings", "waitlist", "events"):
            server.context.db[name].delete_many({})
