"""The background jobs: expired holds, unsettled marks, the waitlist, past events, notifications,
mails, reports.

Run as many as you like, on as many machines; the embedded store has its own in the server.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from eventapp import open_booking_context
from eventapp.core.clock import utc_now
from eventapp.core.database import Db
from eventapp.jobs import service as jobs
from scripts.opened import opened


def main(arguments: list[str] | None = None) -> int:
    """Run one job once, or all of them until SIGTERM or SIGINT, or say whether they are run."""
    parser = argparse.ArgumentParser(description=__doc__)
    only = parser.add_mutually_exclusive_group()
    only.add_argument("--once", metavar="JOB", choices=jobs.JOBS, help=f"{', '.join(jobs.JOBS)}")
    only.add_argument(
        "--check", action="store_true", help="say which jobs no worker runs; 1 if any"
    )
    asked = parser.parse_args(arguments)
    with opened("worker") as (config, store):
        if asked.check:
            return check(store.db)
        context = open_booking_context(config, store.db)
        if asked.once:
            print(f"{asked.once}: {jobs.run_job(asked.once, context)} done")
        else:
            jobs.run_worker(context)
    return 0


def check(db: Db) -> int:
    """0 where all jobs are run, by whichever worker, else 1 and a line."""
    overdue = jobs.find_overdue_jobs(db, utc_now())
    if overdue:
        print(f"worker: not run when they were due: {', '.join(overdue)}", file=sys.stderr)
    return 1 if overdue else 0


if __name__ == "__main__":
    raise SystemExit(main())
