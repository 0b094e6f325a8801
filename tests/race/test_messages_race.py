"""Simultaneous writers of a chat get each number once, and none is missing."""

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from bson import ObjectId
from pymongo.errors import DuplicateKeyError, WriteError

from eventapp.core.clock import utc_now
from eventapp.messages import rules, store
from tests.race.kit import run_concurrently

WRITERS, EACH = 8, 15


def append(db, event_id=1):
    entry = {"_id": ObjectId(), "shown": True, "text": "x", "createdAt": utc_now()}
    return store.append(db, {**entry, "eventId": event_id})["seq"]


def test_each_number_is_given_once_beginning_with_one(db):
    for event_id in range(1, 6):  # Each chat begins without a counter.
        assert sorted(run_concurrently(*[lambda e=event_id: append(db, e)] * WRITERS)) == list(
            range(1, WRITERS + 1)
        )


def test_no_message_is_lost_when_readers_fill_gaps_at_once(db):
    """Readers fill every gap without waiting, so that writers must take further numbers."""

    def write(_):
        return [append(db) for _ in range(EACH)]

    def fill_gaps(_):
        for _ in range(5 * EACH):
            found = store.find_entries(db, 1, after=0, limit=1000)
            _complete, missing = rules.take_until_gap(found, 0)
            if missing:
                store.fill_gap(db, 1, missing, utc_now())

    with ThreadPoolExecutor(WRITERS + 2) as pool:
        filling = [pool.submit(fill_gaps, None) for _ in range(2)]
        given = [seq for seqs in pool.map(write, range(WRITERS)) for seq in seqs]
        for one in filling:
            one.result()
    assert len(set(given)) == WRITERS * EACH
    stored = [e["seq"] for e in store.find_newest(db, 1, before=None, skip=0, limit=1000)]
    assert sorted(given) == sorted(stored)


def test_control_numbers_without_a_counter_lose_messages(db):
    """Where writers count the entries instead, all messages but one are lost."""
    all_counted = threading.Barrier(WRITERS)

    def write_by_count():
        found = store.find_entries(db, 1, after=0, limit=1000)
        all_counted.wait()
        with suppress(DuplicateKeyError, WriteError):  # The latter is a write conflict.
            db.messages.insert_one({"seq": len(found) + 1, "eventId": 1, "shown": True})

    run_concurrently(*[write_by_count] * WRITERS)
    assert [entry["seq"] for entry in store.find_entries(db, 1, after=0, limit=100)] == [1]
