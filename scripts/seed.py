"""Put the sample events of data/events.json, or generated ones, into the database.

Run again, it adds only the sample events that are missing.
"""

import argparse
import hashlib
import json
import sys
from collections.abc import Iterable, Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pymongo
from bson import ObjectId

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from eventapp.config import ROOT
from eventapp.core.clock import utc_now
from eventapp.core.database import Db
from eventapp.events.bodies import EventInput, ScheduleEntryInput
from eventapp.events.schedules import UTC_ZONE
from eventapp.media import service as media
from scripts.bulk_load import (
    TIMEOUT_SECONDS,
    add_synthetic_events,
    insert_events,
    make_unowned_event,
)
from scripts.configured_database import open_configured_database
from scripts.progress import show_progress

SAMPLES = ROOT / "data" / "events.json"
# The first sample event takes place at least this long from now.
LEAD = timedelta(days=14)
WEEK = timedelta(days=7)
MAX_SYNTHETIC_EVENTS = 10_000_000
# The collections that --reset empties: events, and what has no meaning without them. Accounts stay,
# and so does the counter of eventIds: no eventId is used twice.
RESET_COLLECTIONS = (
    *("events", "favorites", "bookings", "waitlist", "chats", "messages", "notifications", "mails"),
    # Changes of the bookings, and their sums.
    *("ledger", "reportPeriods", "dailySales", "eventSales", "eventDays", "salesMarker"),
)


def main(arguments: list[str] | None = None) -> int:
    """Seed the configured database as the command line says, and return 0.

    If the database cannot be used, the process ends with one line on standard error.
    """
    options = parse_options(arguments)
    with (
        open_configured_database("seed", is_dry_run=options.dry_run) as (config, database),
        pymongo.timeout(TIMEOUT_SECONDS),
    ):
        seed(database.db, options, config.default_zone)
    return 0


def parse_options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--reset", action="store_true", help="first delete all events")
    parser.add_argument(
        "--if-empty", action="store_true", help="do nothing if the database has any event"
    )
    parser.add_argument(
        "--keep-dates", action="store_true", help="keep the dates of the file, even if past"
    )
    parser.add_argument(
        "--synthetic", type=_parse_count, metavar="N", help="add N generated events instead"
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="change nothing, but print what would be changed"
    )
    return parser.parse_args(arguments)


def _parse_count(text: str) -> int:
    if not text.isdigit() or not 0 < int(text) <= MAX_SYNTHETIC_EVENTS:
        raise argparse.ArgumentTypeError(f"must be a number from 1 to {MAX_SYNTHETIC_EVENTS}")
    return int(text)


def seed(db: Db, options: argparse.Namespace, default_zone: ZoneInfo = UTC_ZONE) -> None:
    """Carry out the options of the command line, and print what was done.

    Args:
        default_zone: the zone of dates that name none, and of today.
    """
    if options.reset:
        reset(db, is_dry_run=options.dry_run)
    is_emptied = options.reset and options.dry_run
    if options.if_empty and not is_emptied and db.events.find_one({}, {"_id": 1}):
        return
    if options.dry_run:
        print_planned(db, options, is_emptied=is_emptied)
    elif options.synthetic:
        add_synthetic_events(db, options.synthetic, default_zone)
    else:
        add_samples(db, default_zone, keep_dates=options.keep_dates)


def reset(db: Db, *, is_dry_run: bool = False) -> None:
    """Delete all events, their photos, and everything that refers to them.

    Args:
        is_dry_run: only print how many documents there are.
    """
    counts: dict[str, int] = {}
    with show_progress(len(RESET_COLLECTIONS), "collections") as progress:
        for name in RESET_COLLECTIONS:
            if is_dry_run:
                counts[name] = db[name].count_documents({})
            else:
                counts[name] = db[name].delete_many({}).deleted_count
            progress.update()
    counts["photos"] = media.count_event_photos(db) if is_dry_run else media.delete_event_photos(db)
    deleted = ", ".join(f"{count} {name}" for name, count in counts.items() if count)
    print(f"{'would delete' if is_dry_run else 'deleted'}: {deleted or 'nothing'}")


def print_planned(db: Db, options: argparse.Namespace, *, is_emptied: bool) -> None:
    """Print how many events would be added.

    Args:
        is_emptied: whether all events would be deleted before.
    """
    if options.synthetic:
        print(f"would add {options.synthetic} generated events")
        return
    ids = [make_sample_id(body) for body in read_samples(keep_dates=options.keep_dates)]
    existing = 0 if is_emptied else db.events.count_documents({"_id": {"$in": ids}})
    print(f"would add {len(ids) - existing} sample events; {existing} are there already")


def add_samples(db: Db, default_zone: ZoneInfo, *, keep_dates: bool) -> None:
    """Add the sample events that are missing, and print how many of the existing ones are over."""
    samples = {make_sample_id(body): body for body in read_samples(keep_dates=keep_dates)}
    existing = list(db.events.find({"_id": {"$in": list(samples)}}, {"overAt": 1}))
    for event in existing:
        del samples[event["_id"]]
    added = [
        {**make_unowned_event(body, default_zone), "_id": id_} for id_, body in samples.items()
    ]
    insert_events(db, added)
    print(f"added {len(samples)} sample events; {len(existing)} were there already")
    past = sum(event["overAt"] <= utc_now() for event in existing)
    if past:
        print(f"{past} of them are over: --reset deletes all events and starts with new dates")


def make_sample_id(body: EventInput) -> ObjectId:
    """Return the `_id` of a sample event: the same in every run, so that it is stored once."""
    name = f"{body['title']}\n{body['organizer']}"
    return ObjectId(hashlib.sha256(name.encode()).digest()[:12])


def read_samples(*, keep_dates: bool) -> list[EventInput]:
    """Return the events of the file.

    Args:
        keep_dates: False shifts all dates by the same number of weeks, so that the first event
            takes place two to three weeks from now.
    """
    samples: list[Any] = json.loads(SAMPLES.read_text(encoding="utf-8"))
    for sample in samples:
        for entry in sample["schedule"]:
            entry["date"] = date.fromisoformat(entry["date"])
    if not keep_dates:
        first = min(entry["date"] for entry in _iter_schedule_entries(samples))
        shift = compute_shift(first, utc_now().date())
        for entry in _iter_schedule_entries(samples):
            entry["date"] += shift
    return samples


def _iter_schedule_entries(samples: Iterable[EventInput]) -> Iterator[ScheduleEntryInput]:
    return (entry for sample in samples for entry in sample["schedule"])


def compute_shift(first: date, today: date) -> timedelta:
    """Return the shift that moves `first` to at least two and less than three weeks from today.

    It is a number of whole weeks, so that a Saturday stays a Saturday.
    """
    return -((first - (today + LEAD)) // WEEK) * WEEK


if __name__ == "__main__":
    sys.exit(main())
