"""Query plans of a server whose statistics may lag behind the last writes of a test."""

import sys
import time
from contextlib import contextmanager
from functools import partial
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.monitoring import CommandListener

from eventapp.core.database import OpenDatabase

# The engine, a server that is compatible with MongoDB and stores in PostgreSQL, plans by statistics
# that it collects every 5 seconds, or less often under load.
STATISTICS_SECONDS = 60.0
# What the driver adds to a command and `explain` refuses.
DRIVER_FIELDS = ("lsid", "$db", "$clusterTime", "$readPreference", "maxTimeMS", "txnNumber")
# Partial indexes that hold only what a field of a query looks for.
PARTIAL_INDEXES = {
    "restock": ("due", "restock_due"),
    "ledgerDue": (True, "ledger_due"),
    "logDue": (True, "log_due"),
    "untold": (True, "untold"),
}


def wait_for_plan(get_plan, is_bad):
    """Return the first plan that is not bad, or the last one after STATISTICS_SECONDS."""
    deadline = time.monotonic() + STATISTICS_SECONDS
    while is_bad(plan := get_plan()) and time.monotonic() < deadline:
        time.sleep(0.5)
    return plan


def has_collscan(plan):
    """Return whether a plan of MongoDB reads a whole collection."""
    return "COLLSCAN" in str(plan)


def scans_whole_collection(db: Any, command: dict[str, Any]) -> bool:
    """Return whether the plan of a command reads the whole collection."""
    return is_scan(wait_for_plan(lambda: plan_of(db, command), is_scan))


def plan_of(db: Any, command: dict[str, Any]) -> Any:
    """Return what `explain` answers for a command."""
    return db.command({"explain": command, "verbosity": "queryPlanner"})


def is_scan(plan: Any) -> bool:
    """Return whether a plan reads a whole collection, on MongoDB or on the engine."""
    lines = postgres_plan(plan)
    if lines is None:
        return has_collscan(plan)
    # The engine reports IXSCAN also if it reads a whole collection along _id. Such a plan has no
    # condition, or only one on the shard key.
    conditions = [line for line in lines if "Index Cond:" in line]
    # The index of positions compares what a function makes of the document.
    finds_by_value = all(
        "document " in line or "object_id" in line or "_geography(document," in line
        for line in conditions
    )
    return not conditions or not finds_by_value


def postgres_plan(plan: Any) -> list[str] | None:
    """Return the engine's own plan, wherever it is in the answer; None from a MongoDB."""
    if isinstance(plan, list):
        plan = dict(enumerate(plan))
    if not isinstance(plan, dict):
        return None
    if "postgres" in plan:
        lines: list[str] = plan["postgres"]
        return lines
    found = (postgres_plan(inner) for inner in plan.values())
    return next((lines for lines in found if lines is not None), None)


class CommandRecorder(CommandListener):
    """Record the filters of reads and writes as commands that can be explained."""

    def __init__(self) -> None:
        self.commands: list[dict[str, Any]] = []

    def started(self, event: Any) -> None:
        command = {name: part for name, part in event.command.items() if name not in DRIVER_FIELDS}
        if event.command_name in ("find", "aggregate"):
            self.commands.append(command)
        elif event.command_name == "findAndModify":
            self.record_filter(command["findAndModify"], command["query"])
        elif event.command_name in ("update", "delete"):
            for write in command[f"{event.command_name}s"]:
                self.record_filter(command[event.command_name], write["q"])

    def record_filter(self, collection: str, query: dict[str, Any]) -> None:
        self.commands.append({"find": collection, "filter": query})

    def succeeded(self, event: Any) -> None:
        """Record nothing."""

    def failed(self, event: Any) -> None:
        """Record nothing."""


@contextmanager
def record_commands(listener):
    """Report the database commands of applications created in this block to a listener."""
    client = partial(MongoClient, tz_aware=True, event_listeners=[listener])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys.modules[OpenDatabase.__module__], "connect", client)
        yield


def reads_partial_index(db, command):
    """Return whether a command reads the whole of one of PARTIAL_INDEXES.

    The engine shows no condition for it, but the index holds only what the command looks for.
    """
    where = command.get("filter", {})
    indexes = [
        index for field, (value, index) in PARTIAL_INDEXES.items() if where.get(field) == value
    ]
    return any(index in str(plan_of(db, command)) for index in indexes)
