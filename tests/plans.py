"""Query plans of a server whose statistics may lag behind what a test has just written."""

import time

# The engine looks at what was written every 5 seconds, later under load, and plans by what it saw
# last.
STATISTICS_SECONDS = 60.0


def settled(plan_of, bad):
    """The plan as soon as `bad` is no longer true of it, or as it stands after some time."""
    limit = time.monotonic() + STATISTICS_SECONDS
    while bad(plan := plan_of()) and time.monotonic() < limit:
        time.sleep(0.5)
    return plan


def scans(plan):
    """True where a plan reads a whole collection."""
    return "COLLSCAN" in str(plan)
