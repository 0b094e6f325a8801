"""Query plans of a server whose statistics may lag behind what a test has just written."""

import sys
import time
from contextlib import contextmanager
from functools import partial

import pytest
from pymongo import MongoClient

from eventapp.core.database import OpenDatabase

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


@contextmanager
def commands_reported_to(listener):
    """Report the database commands of applications that are created within to a listener."""
    client = partial(MongoClient, tz_aware=True, event_listeners=[listener])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys.modules[OpenDatabase.__module__], "connect", client)
        yield
