"""The background jobs: expired holds, unsettled marks, the waitlist, past events, notifications,
mails, reports.

Run as many as you like, on as many machines; the embedded store has its own in the server.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from eventapp import open_shop
from eventapp.jobs import service as jobs
from scripts.opened import opened


def main(arguments: list[str] | None = None) -> int:
    """Run one job once, or all of them until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--once", metavar="JOB", choices=jobs.JOBS, help=f"{', '.join(jobs.JOBS)}")
    asked = parser.parse_args(arguments)
    with opened("worker") as (config, store):
        shop = open_shop(config, store.db)
        if asked.once:
            print(f"{asked.once}: {jobs.run(asked.once, shop)} done")
        else:
            jobs.forever(shop)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
