"""Insert many events at once, for `seed.py` and the benchmark."""

import argparse
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, cast
from zoneinfo import ZoneInfo

import pymongo

if TYPE_CHECKING:
    from tqdm import tqdm

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from eventapp import prepare_database
from eventapp.core.clock import get_local_date, utc_now
from eventapp.core.database import Db, Document
from eventapp.events import service, store
from eventapp.events.bodies import EventInput
from eventapp.events.schedules import UTC_ZONE
from eventapp.events.types import StoredEvent
from scripts.progress import show_progress
from scripts.synthetic_events import generate_bodies

BATCH_SIZE, WRITERS = 1000, 2
# A load of at least this many events drops the indexes first, if it is most of the collection.
MIN_EVENTS_TO_DROP_INDEXES = 10_000
# No request waits here, so a batch or a new index may take much longer than in the server.
TIMEOUT_SECONDS = 300


def make_unowned_event(body: EventInput, default_zone: ZoneInfo = UTC_ZONE) -> Document:
    """Return the document of a new event that belongs to no account, without its eventId.

    Args:
        default_zone: the zone of schedule entries that name none, and of today.
    """
    event = service.make_new_event(
        body, organizer_id=None, now=utc_now(), default_zone=default_zone
    )
    return cast(Document, event)


def insert_events(db: Db, events: Sequence[Document]) -> list[int]:
    """Give the events new eventIds and insert them; return the ids in the same order."""
    if not events:
        return []
    event_ids = list(store.allocate_event_ids(db, len(events)))
    for event, event_id in zip(events, event_ids, strict=True):
        event["eventId"] = event_id
    for start in range(0, len(events), BATCH_SIZE):
        store.insert_many(db, cast(list[StoredEvent], events[start : start + BATCH_SIZE]))
    return event_ids


def add_synthetic_events(db: Db, count: int, default_zone: ZoneInfo = UTC_ZONE) -> None:
    """Add generated events and print how many.

    If there are at least MIN_EVENTS_TO_DROP_INDEXES of them and more than are stored already, the
    indexes are dropped for the load and built at its end.

    Args:
        default_zone: the zone of the events, and of today.
    """
    drops_indexes = count >= MIN_EVENTS_TO_DROP_INDEXES
    if drops_indexes and count > db.events.count_documents({}, limit=count):
        with without_indexes(db, default_zone):
            write_synthetic_events(db, count, default_zone)
            print("building the indexes; a server on this database can't search meanwhile")
    else:
        write_synthetic_events(db, count, default_zone)
    print(f"added {count} generated events")


@contextmanager
def without_indexes(db: Db, default_zone: ZoneInfo = UTC_ZONE) -> Iterator[None]:
    """Drop the indexes of `events` that are not unique, and make them again at the end.

    A load is four times as fast as with the indexes. If the process is killed in between, the next
    start of the server makes them.
    """
    try:
        for model in store.INDEXES["events"]:
            if not model.document.get("unique"):
                db.events.drop_index(model.document["name"])
        yield
    finally:
        prepare_database(db, default_zone)


def write_synthetic_events(db: Db, count: int, default_zone: ZoneInfo) -> None:
    """Generate and insert events in batches, with a progress bar.

    Two threads write, because the database may have a second core.
    """
    # An eventId is never given twice, so every run has another seed and generates other events.
    seed = store.allocate_event_ids(db)[0]
    bodies = generate_bodies(count, seed=seed, today=get_local_date(utc_now(), default_zone))
    pending: set[Future[int]] = set()
    with ThreadPoolExecutor(WRITERS) as pool, show_progress(count, "events") as progress:
        while batch := [
            make_unowned_event(body, default_zone) for body in islice(bodies, BATCH_SIZE)
        ]:
            pending.add(pool.submit(_write_batch, db, batch))
            if len(pending) > WRITERS:
                pending = _wait_for_one(pending, progress)
        while pending:
            pending = _wait_for_one(pending, progress)


def _write_batch(db: Db, batch: list[Document]) -> int:
    with pymongo.timeout(TIMEOUT_SECONDS):  # A timeout holds for the thread that sets it.
        insert_events(db, batch)
    return len(batch)


def _wait_for_one(pending: set[Future[int]], progress: "tqdm[None]") -> set[Future[int]]:
    """Wait until at least one batch is written, and return those that are not."""
    done, still_pending = wait(pending, return_when=FIRST_COMPLETED)
    for future in done:
        progress.update(future.result())
    return still_pending


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.parse_args()
    parser.error("no command; use scripts/seed.py --synthetic N")
