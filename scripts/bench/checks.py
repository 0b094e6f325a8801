"""Are the answers right? Asked before and after the load; a wrong answer ends the benchmark."""

import json
import random
from typing import Any
from urllib.parse import quote

from eventapp import open_booking_context
from eventapp.bookings import auditing
from eventapp.config import Config
from eventapp.core.clock import utc_now
from eventapp.core.database import Db
from eventapp.jobs import service as jobs
from scripts.bench.data import BenchmarkData, word_pairs
from scripts.bench.server import Server
from scripts.bench.wrk import BenchmarkError

SAMPLES = 30
ROUNDS_OF_SETTLING = 50
# What a word and its forms have in common, for words as long as these at least.
STEM = 4


def check_reads(server: Server, db: Db, stage: BenchmarkData) -> None:
    """Single events, the list and searches, against what the database holds."""
    for event_id in random.sample(list(stage.event_ids), SAMPLES):
        stored, shown = db.events.find_one({"eventId": event_id}), ask(server, f"{event_id}")
        for name in ("eventId", "title", "description", "tags"):
            refuse(shown[name] != (stored or {})[name], f"event {event_id}: wrong {name}")
    listed = [e["eventId"] for e in db.events.find({"listed": True}).sort("eventId", 1).limit(20)]
    page = ask(server, "")
    refuse([e["eventId"] for e in page["events"]] != listed, "the list has other events")
    total = db.events.count_documents({"listed": True})
    refuse(page["total"] != total, f"the list counts {page['total']}, not {total}")
    for pair in word_pairs(SAMPLES, seed=random.randrange(2**30), common=True):
        check_search(ask(server, f"?search={quote(pair)}"), pair.split())


def check_search(page: dict[str, Any], words: list[str]) -> None:
    """Something is found for words that are common, and each event has one of the words."""
    refuse(not page["events"], f"nothing found for {words}")
    for event in page["events"]:
        texts = " ".join([event["title"], event["description"], *event["tags"]]).lower()
        refuse(not any(word[:STEM] in texts for word in words), f"no {words} in {texts}")


def check_bookings(db: Db, created: int) -> None:
    """As many bookings as were answered 201."""
    there = db.bookings.count_documents({})
    refuse(there != created, f"{created} answers were 201, and {there} bookings are there")


def check_inventory(config: Config, db: Db) -> None:
    """What `scripts/check_inventory.py` says, after the worker has tidied up."""
    context = open_booking_context(config, db)
    for _round in range(ROUNDS_OF_SETTLING):
        if not jobs.run_job("settle", context):
            break
    faults = list(auditing.check(context, utc_now()))
    words = "; ".join(f"event {fault.event_id}: {fault.message}" for fault in faults[:3])
    refuse(bool(faults), f"check_inventory: {len(faults)} faults: {words}")


def ask(server: Server, rest: str) -> Any:
    """The JSON of `/api/events` and what is added to the path."""
    path = f"/api/events{'/' if rest and rest[0] != '?' else ''}{rest}"
    status, body = server.get(path)
    refuse(status != 200, f"{path}: {status}")
    return json.loads(body)


def refuse(wrong: bool, words: str) -> None:  # noqa: FBT001
    if wrong:
        raise BenchmarkError(words)
