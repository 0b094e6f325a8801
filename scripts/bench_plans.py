"""Which indexes a call walks: its commands, recorded and explained."""

import re
from collections.abc import Callable
from typing import Any

from pymongo.errors import PyMongoError
from pymongo.monitoring import CommandListener

from eventapp.core.mongo import Db

# The driver's own additions to a command, which no explain takes.
ADDED = ("lsid", "$db", "$clusterTime", "$readPreference", "maxTimeMS", "txnNumber")
LOOKED_AT = ("events", "bookings")


class Recorder(CommandListener):
    """Keeps the reads of events and bookings."""

    def __init__(self) -> None:
        self.commands: list[dict[str, Any]] = []

    def started(self, event: Any) -> None:
        if event.command_name in ("find", "aggregate"):
            command = {name: part for name, part in event.command.items() if name not in ADDED}
            if command[event.command_name] in LOOKED_AT:
                self.commands.append(command)

    def succeeded(self, event: Any) -> None:
        """Nothing to keep."""

    def failed(self, event: Any) -> None:
        """Nothing to keep."""


def indexes_used(db: Db, recorder: Recorder, call: Callable[[], Any]) -> list[str]:
    """The plan of each command that the call sends, in words."""
    recorder.commands.clear()
    try:
        call()
    except PyMongoError as error:
        if not error.timeout:
            raise
    commands = list(recorder.commands)
    return [
        plan_words(db.command({"explain": command, "verbosity": "queryPlanner"}))
        for command in commands
    ]


def plan_words(plan: Any) -> str:
    """The indexes of a plan, of MongoDB or the engine, and whether it sorts in memory."""
    text = str(plan)
    names = re.findall(r"indexName(?:'?: '?)([\w.]+)", text)
    # The engine calls a walk of the whole collection along _id an index scan, of no index named.
    walked = ", ".join(dict.fromkeys(names)) or "no index"
    sorts = re.search(r"-> +(Incremental )?Sort\b|'(Limit|Sort)',? ?'?Sort|'stage': 'SORT'", text)
    return f"{walked}, sorted" if sorts else walked
