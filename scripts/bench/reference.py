"""Measure the references: what the database answers to PyMongo alone, without the server.

They use as many threads as the load on the server has connections, and for bookings of one event
16, with which the database answers most.
"""

import random
import threading
import time
from collections.abc import Callable, Sequence

from pymongo import MongoClient

from eventapp.core.access.passwords import verify_password
from eventapp.core.database import Db, Document
from scripts.bench.data import AMPLE_TICKETS, PASSWORD
from scripts.bench.wrk import CONNECTIONS, BenchmarkError

# A call to the database; it returns False if it found nothing.
Call = Callable[[], bool]


def measure_rate(
    make_call: Callable[[int], Call], seconds: float, thread_count: int = CONNECTIONS
) -> float:
    """Return the calls a second that all threads make together.

    Args:
        make_call: returns what a thread repeats, for the number of the thread.

    Raises:
        BenchmarkError: a call returned False. What a call raises itself is raised here, too.
    """
    counts, ready = [0] * thread_count, threading.Barrier(thread_count + 1)
    failures: list[BaseException] = []
    stop = threading.Event()

    def repeat(number: int) -> None:
        call = make_call(number)
        ready.wait()
        try:
            while not stop.is_set():
                if not call():
                    raise BenchmarkError("a reference found nothing")
                counts[number] += 1
        except Exception as error:  # noqa: BLE001 - raised below, in the caller's thread
            failures.append(error)
            stop.set()

    threads = [threading.Thread(target=repeat, args=(n,)) for n in range(thread_count)]
    for thread in threads:
        thread.start()
    ready.wait()
    started = time.perf_counter()
    stop.wait(seconds)
    stop.set()
    for thread in threads:
        thread.join()
    elapsed = time.perf_counter() - started
    if failures:
        raise failures[0]
    return sum(counts) / elapsed


class Reference:
    """Reference calls on the events of one database, by a client of its own.

    Attributes:
        db: the database through that client.
    """

    def __init__(self, mongo_uri: str) -> None:
        self._client: MongoClient[Document] = MongoClient(
            mongo_uri, timeoutMS=10_000, tz_aware=True
        )
        self.db: Db = self._client.get_default_database()

    def close(self) -> None:
        self._client.close()

    def measure_find_rate(self, event_ids: Sequence[int], seconds: float) -> float:
        """Return how many calls of `find_one` a second read a random event by its eventId."""
        events = self.db.events

        def make_find(number: int) -> Call:
            choose = random.Random(number).choice
            return lambda: events.find_one({"eventId": choose(event_ids)}) is not None

        return measure_rate(make_find, seconds)

    def measure_sale_rate(
        self, event_ids: Sequence[int], seconds: float, thread_count: int = CONNECTIONS
    ) -> float:
        """Return how many guarded updates a second sell a ticket of a random event."""
        events = self.db.events
        sale = {"$inc": {"ticketTypes.0.availableTickets": -1, "ticketTypes.0.soldTickets": 1}}
        guard = {"ticketTypes.0.availableTickets": {"$gte": 1}}

        def make_sale(number: int) -> Call:
            choose = random.Random(number).choice

            def sell() -> bool:
                query = {"eventId": choose(event_ids), **guard}
                return events.find_one_and_update(query, sale, {"eventId": 1}) is not None

            return sell

        return measure_rate(make_sale, seconds, thread_count)


def measure_hash_rate(hashed: str, rounds: int, seconds: float) -> float:
    """Return how many comparisons of a password with this hash a second the machine makes."""

    def make_comparison(_number: int) -> Call:
        return lambda: verify_password(PASSWORD, hashed, rounds)

    return measure_rate(make_comparison, seconds)


def subtract_hash(rate: float, hash_rate: float) -> float:
    """Return the rate that a load would have if the hash of each request took no time.

    Both rates use the whole machine, so the times of a request add up.
    """
    return 1 / max(1 / rate - 1 / hash_rate, 1e-6)


def undo_sales(db: Db, event_ids: Sequence[int]) -> None:
    """Make the tickets that the reference sold available again, so that the inventory adds up."""
    unsold = {"ticketTypes.0.availableTickets": AMPLE_TICKETS, "ticketTypes.0.soldTickets": 0}
    db.events.update_many({"eventId": {"$in": list(event_ids)}}, {"$set": unsold})
