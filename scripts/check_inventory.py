"""Check that the ticket counters of all events agree with their bookings.

Exits with 0 if they do. Otherwise it prints a line for each fault and exits with 1.
"""

import argparse
import sys
from pathlib import Path

import pymongo

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from eventapp import build_booking_context
from eventapp.bookings import auditing
from eventapp.bookings.context import BookingContext
from eventapp.core.clock import utc_now
from scripts.configured_database import open_configured_database
from scripts.progress import show_progress

# A check reads every event and booking, so a single query may take longer than in the server.
TIMEOUT_SECONDS = 600


def main(arguments: list[str] | None = None) -> int:
    """Check the whole database, with --repair repair it and check again; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--repair", action="store_true", help="set the counters to what the bookings say"
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="repair nothing, but print what would be repaired"
    )
    options = parser.parse_args(arguments)
    with (
        open_configured_database("check_inventory", is_dry_run=options.dry_run) as (
            config,
            database,
        ),
        pymongo.timeout(TIMEOUT_SECONDS),
    ):
        context = build_booking_context(config, database.db)
        faulty_events = print_faults(context)
        if options.dry_run:
            for event_id in faulty_events:
                print(f"event {event_id}: would be repaired")
        elif faulty_events and options.repair:
            repair(context, faulty_events)
            faulty_events = print_faults(context)
    return 1 if faulty_events else 0


def print_faults(context: BookingContext) -> list[int]:
    """Print a line for each fault and return the eventIds that have one, in order."""
    total = context.db.events.count_documents({})
    with show_progress(total, "events") as progress:
        faults = list(auditing.check(context, utc_now(), on_checked=progress.update))
    for fault in faults:
        print(f"event {fault.event_id}: {fault.message}")
    print(f"{len(faults)} faults" if faults else "all tickets add up")
    return sorted({fault.event_id for fault in faults})


def repair(context: BookingContext, event_ids: list[int]) -> None:
    """Set the counters of these events to what their bookings say, and print a line for each."""
    with show_progress(len(event_ids), "events") as progress:
        for event_id in event_ids:
            repaired = auditing.repair(context, event_id, utc_now())
            result = "repaired" if repaired else "kept changing, try again"
            progress.write(f"event {event_id}: {result}", file=sys.stdout)
            progress.update()


if __name__ == "__main__":
    raise SystemExit(main())
