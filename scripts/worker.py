"""Run the background jobs: they release expired holds, finish interrupted stock changes, serve the
waitlist, end past events, and send notifications, mails and reports.

Any number of workers may run at once, on any number of machines. With the embedded store the
server runs the jobs itself.
"""

import argparse
import gc
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

if __name__ == "__main__":
    gc.disable()  # The imports make many objects and no garbage.

from eventapp import build_booking_context
from eventapp.core.clock import utc_now
from eventapp.core.database import Db
from eventapp.due_work import service as due_work
from eventapp.jobs import service as jobs
from scripts.configured_database import open_configured_database, require_server

EMBEDDED_REFUSAL = "MONGO_URI is not set; the server itself runs the jobs of the embedded store"


def main(arguments: list[str] | None = None) -> int:
    """Run all jobs, run one of them, check them, or retry what failed; return the exit code."""
    options = parse_options(arguments)
    if not (options.once or options.check or options.retry_failed):
        require_server("worker", EMBEDDED_REFUSAL)
    with open_configured_database("worker", is_dry_run=options.dry_run) as (config, database):
        if options.check:
            return check_jobs(database.db)
        if options.retry_failed and options.dry_run:
            print(f"{due_work.count_all(database.db)} items would be tried again")
            return 0
        if options.retry_failed:
            print(f"{due_work.retry_all(database.db, utc_now())} items will be tried again")
            return 0
        context = build_booking_context(config, database.db)
        if options.once:
            print(f"{options.once}: {jobs.run_job(options.once, context)} done")
        else:
            jobs.run_worker(context)
    return 0


def parse_options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument(
        "--once",
        metavar="JOB",
        choices=jobs.JOBS,
        help=f"run one job once: {', '.join(jobs.JOBS)}",
    )
    mode.add_argument(
        "--check",
        action="store_true",
        help="print the jobs that no worker ran when they were due; exit with 1 if there are any",
    )
    mode.add_argument(
        "--retry-failed",
        action="store_true",
        help="let the worker try again at once what failed (failedWork in /api/admin/health)",
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="with --retry-failed: change nothing, but count"
    )
    options = parser.parse_args(arguments)
    if options.dry_run and not options.retry_failed:
        parser.error("--dry-run needs --retry-failed")
    return options


def check_jobs(db: Db) -> int:
    """Return 0 if some worker runs every job, else print a line with the overdue ones, return 1."""
    overdue = jobs.find_overdue_jobs(db, utc_now())
    if overdue:
        print(f"worker: not run when they were due: {', '.join(overdue)}", file=sys.stderr)
    return 1 if overdue else 0


if __name__ == "__main__":
    gc.enable()
    raise SystemExit(main())
