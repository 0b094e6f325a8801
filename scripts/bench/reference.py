"""Measure the references: what the database answers to PyMongo alone, without the server.

They use as many threads as the load on the server has connections.
"""

import random
import threading
import time
from collections.abc import Callable, Sequence

from pymongo import MongoClient

from eventapp.core.database import Db, Document
from scripts.bench.data import AMPLE_TICKETS
from scripts.bench.wrk import CONNECTIONS, BenchmarkError

# A call to the database; it returns False if it found nothing.
Call = Callable[[random.Random], bool]


def measure_rate(call: Call, seconds: float) -> float:
    """Return the calls a second that CONNECTIONS threads make in all.

    Raises:
        BenchmarkError: a call returned False. What a call raises itself is raised here, too.
    """
    counts, ready = [0] * CONNECTIONS, threading.Barrier(CONNECTIONS + 1)
    failures: list[BaseException] = []
    stop = threading.Event()

    def repeat(number: int) -> None:
        rng = random.Random(number)
        ready.wait()
        try:
            while not stop.is_set():
                if not call(rng):
                    raise BenchmarkError("a reference found nothing")
                counts[number] += 1
        except Exception as error:  # noqa: BLE001 - raised below, in the caller's thread
            failures.append(error)
            stop.set()

    threads = [threading.Thread(target=repeat, args=(n,)) for n in range(CONNECTIONS)]
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
    """Reference calls on the events of one database, by a client of its own."""

    def __init__(self, mongo_uri: str) -> None:
        self._client: MongoClient[Document] = MongoClient(mongo_uri, timeoutMS=10_000)
        self._events = self._client.get_default_database().events

    def close(self) -> None:
        self._client.close()

    def measure_find_rate(self, event_ids: Sequence[int], seconds: float) -> float:
        """Return how many calls of `find_one` a second read a random event by its eventId."""
        events = self._events

        def find_one(rng: random.Random) -> bool:
            return events.find_one({"eventId": rng.choice(event_ids)}) is not None

        return measure_rate(find_one, seconds)

    def measure_sale_rate(self, event_ids: Sequence[int], seconds: float) -> float:
        """Return how many guarded updates a second sell a ticket of a random event."""
        events = self._events
        sale = {"$inc": {"ticketTypes.0.availableTickets": -1, "ticketTypes.0.soldTickets": 1}}

        def sell(rng: random.Random) -> bool:
            guard = {"ticketTypes.0.availableTickets": {"$gte": 1}}
            query = {"eventId": rng.choice(event_ids), **guard}
            return events.find_one_and_update(query, sale, {"eventId": 1}) is not None

        return measure_rate(sell, seconds)


def undo_sales(db: Db, event_ids: Sequence[int]) -> None:
    """Make the tickets that the reference sold available again, so that the inventory adds up."""
    unsold = {"ticketTypes.0.availableTickets": AMPLE_TICKETS, "ticketTypes.0.soldTickets": 0}
    db.events.update_many({"eventId": {"$in": list(event_ids)}}, {"$set": unsold})
