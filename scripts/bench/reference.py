"""The references: what the engine gives to PyMongo alone, from as many threads as connections."""

import random
import threading
import time
from collections.abc import Callable, Sequence

from pymongo import MongoClient

from eventapp.core.database import Db, Document
from scripts.bench.data import AMPLE_TICKETS
from scripts.bench.wrk import CONNECTIONS, BenchmarkError

Call = Callable[[random.Random], bool]


def rate(call: Call, seconds: float) -> float:
    """Calls a second from 16 threads. BenchmarkError where a call answers False or raises."""
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
    began = time.perf_counter()
    stop.wait(seconds)
    stop.set()
    for thread in threads:
        thread.join()
    passed = time.perf_counter() - began
    if failures:
        raise failures[0]
    return sum(counts) / passed


class Reference:
    """The reference calls on the events of one database, with a client of their own."""

    def __init__(self, mongo_uri: str) -> None:
        self._client: MongoClient[Document] = MongoClient(mongo_uri, timeoutMS=10_000)
        self._events = self._client.get_default_database().events

    def close(self) -> None:
        self._client.close()

    def find(self, event_ids: Sequence[int], seconds: float) -> float:
        """`find_one` by eventId, each time of another event; a second."""
        events = self._events

        def find_one(rng: random.Random) -> bool:
            return events.find_one({"eventId": rng.choice(event_ids)}) is not None

        return rate(find_one, seconds)

    def update(self, event_ids: Sequence[int], seconds: float) -> float:
        """A guarded `find_one_and_update` that sells one ticket of one of these; a second."""
        events = self._events
        sale = {"$inc": {"ticketTypes.0.availableTickets": -1, "ticketTypes.0.soldTickets": 1}}

        def sell(rng: random.Random) -> bool:
            guard = {"ticketTypes.0.availableTickets": {"$gte": 1}}
            where = {"eventId": rng.choice(event_ids), **guard}
            return events.find_one_and_update(where, sale, {"eventId": 1}) is not None

        return rate(sell, seconds)


def take_back(db: Db, event_ids: Sequence[int]) -> None:
    """Undo what the reference sold, so that the inventory adds up again."""
    unsold = {"ticketTypes.0.availableTickets": AMPLE_TICKETS, "ticketTypes.0.soldTickets": 0}
    db.events.update_many({"eventId": {"$in": list(event_ids)}}, {"$set": unsold})
