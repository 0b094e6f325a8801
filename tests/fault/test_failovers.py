"""Buyers rush for tickets while a replica set fails their commands and changes its primary.

On a replica set, MONGO_URI, failpoints make its commands fail. On another server a proxy takes the
role of a replica set.
"""

from urllib.parse import urlsplit

import pytest
from pymongo import MongoClient

from eventapp.core.clock import utc_now
from eventapp.core.database.client import connect
from tests import factories
from tests.conftest import MONGO_URI, make_database_uri
from tests.crash.user_load import CrashServer, UserLoad, count_taken, make_event
from tests.fault.failpoints import FailpointReplicaSet
from tests.fault.failures import (
    AFTER_A_WRITE,
    BEFORE_A_COMMAND,
    CLOSED_AFTER_A_WRITE,
    NOT_REPLICATED,
    SHUTDOWN_AFTER_A_WRITE,
)
from tests.fault.replica_set_proxy import ReplicaSetProxy
from tests.live import eventually
from tests.race import kit

pytestmark = pytest.mark.skipif(
    MONGO_URI is None, reason="MONGO_URI names no server; the embedded store has no replica set"
)
# A request must be answered with 503 within 3 s.
MAX_RESPONSE_SECONDS = 3.0
WRITES = ("insert", "update", "findAndModify")
FAILURES = [
    *((name, failure) for name in ("find", *WRITES) for failure in BEFORE_A_COMMAND),
    *((name, failure) for name in WRITES for failure in AFTER_A_WRITE),
]
# How often each command fails in each way, so that both server processes meet it.
TIMES = 4
# How many requests are served after each failure.
SERVED = 10
# Two of three users get no ticket, unless others cancel.
TICKETS, USERS, THREADS = 20, 30, 8
# More tickets and buyers than there are inserts that fail.
ENOUGH = 60


@pytest.fixture(scope="module")
def replica_set():
    with MongoClient(MONGO_URI) as client:
        is_replica_set = "setName" in client.admin.command("hello")
    target = urlsplit(MONGO_URI)
    with (
        FailpointReplicaSet(MONGO_URI)
        if is_replica_set
        else ReplicaSetProxy(target.hostname, target.port or 27017)
    ) as started:
        yield started


@pytest.fixture
def start_server(replica_set, tmp_path):
    """A function that starts server processes, by default two, on a new database."""

    def start(**settings):
        uri = replica_set.make_uri(make_database_name())
        return CrashServer(tmp_path, MONGO_URI=uri, **{"WEB_CONCURRENCY": "2", **settings})

    return start


def make_database_name():
    return urlsplit(make_database_uri(MONGO_URI)).path[1:]


def serve_more(load):
    """Wait until the database has served some more requests."""
    enough = count_served(load) + SERVED
    eventually(lambda: count_served(load) > enough)


def count_served(load):
    return sum(count for outcome, count in load.responses.items() if "503" not in outcome)


def rush(server, replica_set):
    """Let users buy and cancel while commands fail in all ways, and during a step-down.

    Returns:
        The event, and the load that has ended.
    """
    event = make_event(server, TICKETS)
    with UserLoad(server, event, USERS, threads=THREADS) as load:
        serve_more(load)
        for command, failure in FAILURES:
            replica_set.fail(command, failure, TIMES)
            serve_more(load)
        replica_set.step_down()
        serve_more(load)
    kit.run_all_jobs(server.context, utc_now() + kit.AFTER_ABANDONMENT)
    return event, load


@pytest.mark.parametrize("failure", [SHUTDOWN_AFTER_A_WRITE, CLOSED_AFTER_A_WRITE])
def test_the_driver_repeats_a_write_and_it_is_made_once(replica_set, failure):
    """This is what tests rely on: without it, a repetition would be a second write."""
    database = make_database_name()
    with connect(replica_set.make_uri(database)) as client:
        numbers, calls = client[database].numbers, 0
        numbers.insert_one({"n": 0})
        with kit.in_background(lambda: replica_set.fail("update", failure, 1)) as failing:
            while not failing.done():
                calls += numbers.update_one({}, {"$inc": {"n": 1}}).modified_count
        assert numbers.find_one({})["n"] == calls
        client.drop_database(database)


def test_a_rush_during_failures_sells_each_ticket_once(start_server, replica_set):
    with start_server() as server:
        event, load = rush(server, replica_set)
        load.check()
        assert kit.find_faults(server.context) == []
        assert kit.find_wrong_entries(server.context.db) == []
        by_event, by_bookings = count_taken(server, event)
        assert by_event == by_bookings <= TICKETS
        assert "no response" not in load.responses
        # Others may have waited for the new primary, and were served then.
        unavailable = [load.slowest[outcome] for outcome in load.slowest if "503" in outcome]
        assert max(unavailable, default=0) < MAX_RESPONSE_SECONDS


def test_control_without_the_guard_the_tickets_of_stored_bookings_are_sold_again(
    start_server, replica_set
):
    """An insert that is not known to be stored for good counts as refused."""
    with start_server(TRUSTS_ERRORS="1", WEB_CONCURRENCY="1") as server:
        event = make_event(server, ENOUGH)
        body = {"eventId": event["eventId"], "items": [{"ticketTypeId": 1, "quantity": 1}]}
        buyers = iter([factories.make_user(server.app)["headers"] for _ in range(ENOUGH)])
        with kit.in_background(lambda: replica_set.fail("insert", NOT_REPLICATED, 6)) as failing:
            while not failing.done():
                server.post("/api/bookings", body, headers=next(buyers))
        kit.run_all_jobs(server.context, utc_now() + kit.AFTER_ABANDONMENT)
        by_event, by_bookings = count_taken(server, event)
        assert by_event < by_bookings
        assert kit.find_faults(server.context) != []
