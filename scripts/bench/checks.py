"""Check that the server's answers are right, before and after the load.

Every check raises BenchmarkError if an answer is wrong, which ends the benchmark.
"""

import json
import random
from typing import Any
from urllib.parse import quote

from eventapp import build_booking_context
from eventapp.bookings import auditing
from eventapp.config import Config
from eventapp.core.clock import utc_now
from eventapp.core.database import Db
from eventapp.jobs import service as jobs
from scripts.bench.data import BenchmarkData, draw_word_pairs
from scripts.bench.server import Server
from scripts.bench.wrk import BenchmarkError

SAMPLES = 30
MAX_JOB_RUNS = 50
# All inflected forms of a word begin with its first letters.
STEM_LENGTH = 4


def check_reads(server: Server, db: Db, data: BenchmarkData) -> None:
    """Compare single events, the list and searches with what the database holds."""
    for event_id in random.sample(list(data.event_ids), SAMPLES):
        stored = db.events.find_one({"eventId": event_id}) or {}
        shown = get_json(server, f"/api/events/{event_id}")
        for name in ("eventId", "title", "description", "tags"):
            require(shown[name] == stored[name], f"event {event_id}: wrong {name}")
    listed = [e["eventId"] for e in db.events.find({"listed": True}).sort("eventId", 1).limit(20)]
    page = get_json(server, "/api/events")
    require([e["eventId"] for e in page["events"]] == listed, "the list has other events")
    total = db.events.count_documents({"listed": True})
    require(page["total"] == total, f"the list counts {page['total']}, not {total}")
    for pair in draw_word_pairs(SAMPLES, seed=random.randrange(2**30), common=True):
        check_search(get_json(server, f"/api/events?search={quote(pair)}"), pair.split())


def check_search(page: dict[str, Any], words: list[str]) -> None:
    """Require that a search for common words finds events, and that each has one of the words."""
    require(bool(page["events"]), f"nothing found for {words}")
    for event in page["events"]:
        texts = " ".join([event["title"], event["description"], *event["tags"]]).lower()
        matches = any(word[:STEM_LENGTH] in texts for word in words)
        require(matches, f"no {words} in {texts}")


def check_booking_count(db: Db, created: int) -> None:
    """Require as many stored bookings as requests that were answered 201."""
    stored = db.bookings.count_documents({})
    require(stored == created, f"{created} answers were 201, and {stored} bookings are stored")


def check_inventory(config: Config, db: Db) -> None:
    """Let the job `settle` finish stock changes, then check like `scripts/check_inventory.py`."""
    context = build_booking_context(config, db)
    for _attempt in range(MAX_JOB_RUNS):
        if not jobs.run_job("settle", context):
            break
    faults = list(auditing.check(context, utc_now()))
    messages = "; ".join(f"event {fault.event_id}: {fault.message}" for fault in faults[:3])
    require(not faults, f"check_inventory: {len(faults)} faults: {messages}")


def get_json(server: Server, path: str) -> Any:
    """Return the JSON of an answer, which must be 200."""
    status, body = server.get(path)
    require(status == 200, f"{path}: {status}")
    return json.loads(body)


def require(holds: bool, message: str) -> None:  # noqa: FBT001
    """Raise BenchmarkError with this message unless the condition holds."""
    if not holds:
        raise BenchmarkError(message)
