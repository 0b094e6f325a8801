"""16 threads sell exactly 500 tickets on the embedded store, and more on mongomock alone."""

import threading
import time
from collections.abc import Callable
from typing import Any

import mongomock
import mongomock.collection
import pytest

from eventapp.core.embedded.client import open_embedded

THREADS, TICKETS = 16, 500
AVAILABLE = "ticketTypes.0.availableTickets"


def sell_out(events: Any) -> int:
    """Let all threads take tickets one by one until none remains; return how many were sold."""
    events.insert_one({"eventId": 1, "ticketTypes": [{"availableTickets": TICKETS, "sold": 0}]})
    start, sold = threading.Barrier(THREADS), []

    def take_all() -> None:
        start.wait()
        while take_one(events):
            sold.append(1)

    run_threads(take_all)
    return len(sold)


def take_one(events: Any) -> Any:
    return events.find_one_and_update(
        {"eventId": 1, AVAILABLE: {"$gte": 1}},
        {"$inc": {AVAILABLE: -1, "ticketTypes.0.sold": 1}},
    )


def run_threads(work: Callable[[], None]) -> None:
    threads = [threading.Thread(target=work) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


@pytest.fixture
def switch_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let other threads run where mongomock is between its read and its write of a document."""
    apply = mongomock.collection.Collection._apply_update_document
    find_one = mongomock.collection.Collection.find_one

    def pause_and_apply(*args: Any, **kwargs: Any) -> Any:
        time.sleep(0)
        return apply(*args, **kwargs)

    def pause_and_find(self: Any, *args: Any, **kwargs: Any) -> Any:
        found = find_one(self, *args, **kwargs)
        time.sleep(0.0001)
        return found

    monkeypatch.setattr(mongomock.collection.Collection, "find_one", pause_and_find)
    monkeypatch.setattr(mongomock.collection.Collection, "_apply_update_document", pause_and_apply)


def test_a_guarded_update_never_oversells(switch_threads: None) -> None:
    with open_embedded(None) as client:
        events = client["race"]["events"]

        assert sell_out(events) == TICKETS
        (ticket_type,) = events.find_one({"eventId": 1})["ticketTypes"]
        assert ticket_type == {"availableTickets": 0, "sold": TICKETS}


def test_control_mongomock_without_our_lock_oversells(switch_threads: None) -> None:
    assert sell_out(mongomock.MongoClient()["race"]["events"]) > TICKETS


def test_readers_never_see_half_of_a_write() -> None:
    with open_embedded(None) as client:
        events = client["race"]["events"]
        events.insert_one({"eventId": 1, "ticketTypes": [{"availableTickets": 500, "sold": 0}]})
        torn: list[Any] = []

        def write_and_read() -> None:
            for _ in range(50):
                take_one(events)
                (seen,) = events.find_one({"eventId": 1})["ticketTypes"]
                if seen["availableTickets"] + seen["sold"] != 500:
                    torn.append(seen)

        run_threads(write_and_read)
        assert torn == []
