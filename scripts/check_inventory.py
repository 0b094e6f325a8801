"""Do all tickets add up? 0 when they do, 1 and a line for each fault when not."""

import argparse
import sys
from pathlib import Path

import pymongo

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from eventapp import open_booking_context
from eventapp.bookings import auditing
from eventapp.bookings.context import BookingContext
from eventapp.core.clock import utc_now
from scripts.opened import opened

PATIENCE_SECONDS = 600


def main(arguments: list[str] | None = None) -> int:
    """Check the whole database; with --repair mend it and check again."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repair", action="store_true", help="set amounts to what bookings say")
    asked = parser.parse_args(arguments)
    with opened("check_inventory") as (config, store), pymongo.timeout(PATIENCE_SECONDS):
        context = open_booking_context(config, store.db)
        faulty = report(context)
        if faulty and asked.repair:
            for event_id in faulty:
                mended = auditing.repair(context, event_id, utc_now())
                print(f"event {event_id}: {'mended' if mended else 'kept changing, try again'}")
            faulty = report(context)
    return 1 if faulty else 0


def report(context: BookingContext) -> list[int]:
    """Print a line a fault; the events that have one."""
    faults = list(auditing.check(context, utc_now()))
    for fault in faults:
        print(f"event {fault.event_id}: {fault.message}")
    print(f"{len(faults)} faults" if faults else "all tickets add up")
    return sorted({fault.event_id for fault in faults})


if __name__ == "__main__":
    raise SystemExit(main())
