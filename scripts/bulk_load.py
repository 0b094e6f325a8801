"""Many events into the database at once, for `seed.py`."""

from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from itertools import islice
from typing import Any

import pymongo
from tqdm import tqdm

from eventapp import prepare_database
from eventapp.core.clock import utc_now
from eventapp.core.database import Db, Document
from eventapp.events import service, store
from scripts.synthetic_events import bodies

BATCH, WRITERS, MANY = 1000, 2, 10_000
# Nobody waits for an answer here, and a batch or a new index may take its time.
PATIENCE_SECONDS = 300


def new_event(body: Document) -> Document:
    """The document of a new event that belongs to no organizer's account."""
    return service.new_event(body, organizer_id=None, now=utc_now())


def insert(db: Db, events: list[Document]) -> None:
    """Give the events their ids and insert them, in one batch."""
    if not events:
        return
    for event, event_id in zip(events, store.take_event_ids(db, len(events)), strict=True):
        event["eventId"] = event_id
    store.insert_many(db, events)


def add_synthetic(db: Db, count: int) -> None:
    """Add generated events; where they are the most by far, index them when all are there."""
    if count >= MANY and count > db.events.count_documents({}, limit=count):
        with without_indexes(db):
            write_synthetic(db, count)
            print("building the indexes; a server on this database can't search meanwhile")
    else:
        write_synthetic(db, count)
    print(f"added {count} generated events")


@contextmanager
def without_indexes(db: Db) -> Iterator[None]:
    """Drop all indexes of the events but the unique one, and make them again at the end.

    Four times as fast as keeping them. Cut off, the next start of the server makes them.
    """
    try:
        for model in store.INDEXES["events"]:
            if not model.document.get("unique"):
                db.events.drop_index(model.document["name"])
        yield
    finally:
        prepare_database(db)


def write_synthetic(db: Db, count: int) -> None:
    """Insert in batches by two writers, as the database may have a second core."""
    start = store.take_event_ids(db)[0]  # makes each run's events others than the last run's
    generated = bodies(count, seed=start, today=utc_now().date())
    writing: set[Future[int]] = set()
    with ThreadPoolExecutor(WRITERS) as pool, tqdm(total=count, unit=" events") as progress:
        while batch := [new_event(body) for body in islice(generated, BATCH)]:
            writing.add(pool.submit(_write, db, batch))
            if len(writing) > WRITERS:
                writing -= _finished(writing, progress)
        while writing:
            writing -= _finished(writing, progress)


def _write(db: Db, batch: list[Document]) -> int:
    with pymongo.timeout(PATIENCE_SECONDS):  # which counts for one thread
        insert(db, batch)
    return len(batch)


def _finished(writing: set[Future[int]], progress: Any) -> set[Future[int]]:
    done, _open = wait(writing, return_when=FIRST_COMPLETED)
    for future in done:
        progress.update(future.result())
    return done
