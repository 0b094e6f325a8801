"""Put the sample events of data/events.json, or generated ones, into the database.

Run again, it adds only what is missing.
"""

import argparse
import hashlib
import json
import sys
from collections.abc import Iterable, Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pymongo
from bson import ObjectId

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from eventapp.config import ROOT
from eventapp.core.clock import utc_now
from eventapp.core.database import Db, Document
from eventapp.events.rules import midnight
from eventapp.media import service as media
from scripts.bulk_load import PATIENCE_SECONDS, add_synthetic, insert, new_event
from scripts.opened import opened

SAMPLES = ROOT / "data" / "events.json"
LEAD = timedelta(days=14)
WEEK = timedelta(days=7)
# The events, and what means nothing without them. Accounts stay, and so does the counter: an
# eventId is never used twice.
EMPTIED = (
    *("events", "favorites", "bookings", "waitlist", "chats", "messages", "notifications", "mails"),
    *("dailySales", "eventSales", "eventDays", "salesMarker"),  # sums of the bookings
)


def main(arguments: list[str] | None = None) -> int:
    """Seed as the command line says; 0, or 1 and one line where the database can't be used."""
    asked = _asked(arguments)
    with opened("seed") as (_config, store), pymongo.timeout(PATIENCE_SECONDS):
        seed(store.db, asked)
    return 0


def _asked(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--reset", action="store_true", help="first delete all events")
    parser.add_argument("--if-empty", action="store_true", help="do nothing where events are")
    parser.add_argument(
        "--keep-dates", action="store_true", help="keep the file's dates, also when they are over"
    )
    parser.add_argument(
        "--synthetic", type=_count, metavar="N", help="add N generated events instead"
    )
    return parser.parse_args(arguments)


def _count(text: str) -> int:
    if not text.isdigit() or not 0 < int(text) <= 10_000_000:
        raise argparse.ArgumentTypeError("must be a number from 1 to 10000000")
    return int(text)


def seed(db: Db, asked: argparse.Namespace) -> None:
    """Do what was asked for, and say what was done."""
    if asked.reset:
        reset(db)
    if asked.if_empty and db.events.find_one({}, {"_id": 1}):
        return
    if asked.synthetic:
        add_synthetic(db, asked.synthetic)
    else:
        add_samples(db, keep_dates=asked.keep_dates)


def reset(db: Db) -> None:
    """Delete all events and what hangs on them."""
    counts = {name: db[name].delete_many({}).deleted_count for name in EMPTIED}
    counts["photos"] = media.delete_event_photos(db)
    gone = ", ".join(f"{count} {name}" for name, count in counts.items() if count)
    print(f"deleted: {gone or 'nothing, there was nothing'}")


def add_samples(db: Db, *, keep_dates: bool) -> None:
    """Add the sample events that are not there."""
    samples = {sample_id(body): body for body in sample_bodies(keep_dates=keep_dates)}
    there = list(db.events.find({"_id": {"$in": list(samples)}}, {"lastDate": 1}))
    for event in there:
        del samples[event["_id"]]
    insert(db, [{**new_event(body), "_id": id_} for id_, body in samples.items()])
    print(f"added {len(samples)} sample events; {len(there)} were there already")
    over = sum(event["lastDate"] < midnight(utc_now().date()) for event in there)
    if over:
        print(f"{over} of them are over: --reset deletes all events and starts with new dates")


def sample_id(body: Document) -> ObjectId:
    """The same for the same sample each time, so that `_id` keeps it from being there twice."""
    name = f"{body['title']}\n{body['organizer']}"
    return ObjectId(hashlib.sha256(name.encode()).digest()[:12])


def sample_bodies(*, keep_dates: bool) -> list[Document]:
    """The file's events, their dates moved so that the first is about two weeks from now."""
    samples: list[Document] = json.loads(SAMPLES.read_text(encoding="utf-8"))
    for entry in _entries(samples):
        entry["date"] = date.fromisoformat(entry["date"])
    if not keep_dates:
        move = shift(min(entry["date"] for entry in _entries(samples)), utc_now().date())
        for entry in _entries(samples):
            entry["date"] += move
    return samples


def _entries(samples: Iterable[Document]) -> Iterator[dict[str, Any]]:
    return (entry for sample in samples for entry in sample["schedule"])


def shift(earliest: date, today: date) -> timedelta:
    """Whole weeks, so that a Saturday stays one, to two or almost three weeks from today."""
    return -((earliest - (today + LEAD)) // WEEK) * WEEK


if __name__ == "__main__":
    sys.exit(main())
