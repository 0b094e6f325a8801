"""Many write to one chat at once: no number twice, none missing; and the control."""

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from bson import ObjectId
from pymongo.errors import PyMongoError

from eventapp.core.clock import utc_now
from eventapp.messages import rules, store
from tests.race.kit import at_once

WRITERS, EACH = 8, 15


def append(db, event_id=1):
    entry = {"_id": ObjectId(), "shown": True, "text": "x", "createdAt": utc_now()}
    return store.append(db, event_id, entry)["seq"]


def test_numbers_are_given_once_from_the_first_on(db):
    for event_id in range(1, 6):  # each time the counter is not there yet
        assert sorted(at_once(*[lambda e=event_id: append(db, e)] * WRITERS)) == list(
            range(1, WRITERS + 1)
        )


def test_writers_and_impatient_readers_lose_nothing(db):
    """Readers that give up on every gap at once: writers then take another number."""

    def write(_):
        return [append(db) for _ in range(EACH)]

    def seal(_):
        for _ in range(5 * EACH):
            found = store.entries(db, 1, after=0, limit=1000)
            _whole, missing = rules.up_to_gap(found, 0)
            if missing:
                store.give_up(db, 1, missing, utc_now())

    with ThreadPoolExecutor(WRITERS + 2) as pool:
        sealing = [pool.submit(seal, None) for _ in range(2)]
        given = [seq for seqs in pool.map(write, range(WRITERS)) for seq in seqs]
        for one in sealing:
            one.result()
    assert len(set(given)) == WRITERS * EACH
    stored = [e["seq"] for e in store.newest(db, 1, before=None, skip=0, limit=1000)]
    assert sorted(given) == sorted(stored)


def test_the_control_numbers_that_are_counted_lose_messages(db):
    """Without the counter, by the number of the last entry, all but one are lost."""
    seen = threading.Barrier(WRITERS)

    def counted():
        found = store.entries(db, 1, after=0, limit=1000)
        seen.wait()
        with suppress(PyMongoError):  # refused, or in the way of the one that was not
            db.messages.insert_one({"seq": len(found) + 1, "eventId": 1, "shown": True})

    at_once(*[counted] * WRITERS)
    assert [entry["seq"] for entry in store.entries(db, 1, after=0, limit=100)] == [1]
