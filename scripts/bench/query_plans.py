"""Which indexes a call walks: its commands, recorded and explained."""

import re
from collections.abc import Callable
from typing import Any

from pymongo.errors import PyMongoError
from pymongo.monitoring import CommandListener

from eventapp.core.database import Db

# The driver's own additions to a command, which no explain takes.
ADDED = ("lsid", "$db", "$clusterTime", "$readPreference", "maxTimeMS", "txnNumber")
LOOKED_AT = ("events", "bookings")


class Recorder(CommandListener):
    """Keeps the reads of events and bookings, and how long they took, in ms."""

    def __init__(self) -> None:
        self.commands: list[dict[str, Any]] = []
        self.ms: list[float] = []
        self._open = 0

    def started(self, event: Any) -> None:
        if event.command_name in ("find", "aggregate"):
            command = {name: part for name, part in event.command.items() if name not in ADDED}
            if command[event.command_name] in LOOKED_AT:
                self.commands.append(command)
                self._open = event.request_id

    def succeeded(self, event: Any) -> None:
        """Also told of what is not kept."""
        if event.request_id == self._open:
            self.ms.append(event.duration_micros / 1e3)

    failed = succeeded


def indexes_used(db: Db, recorder: Recorder, call: Callable[[], Any]) -> list[str]:
    """The plan of each command that the call sends, in words, and its ms."""
    recorder.commands.clear()
    recorder.ms.clear()
    try:
        call()
    except PyMongoError as error:
        if not error.timeout:
            raise
    sent = list(zip(recorder.commands, recorder.ms, strict=True))
    return [f"{_explained(db, command)} {ms:.1f}" for command, ms in sent]


def _explained(db: Db, command: dict[str, Any]) -> str:
    return plan_words(db.command({"explain": command, "verbosity": "queryPlanner"}))


def plan_words(plan: Any) -> str:
    """The indexes of a plan, of MongoDB or the engine, and whether it sorts in memory."""
    text = str(plan)
    names = re.findall(r"indexName(?:'?: '?)([\w.]+)", text)
    # The engine calls a walk of the whole collection along _id an index scan, of no index named.
    walked = ", ".join(dict.fromkeys(names)) or "no index"
    sorts = re.search(r"-> +(Incremental )?Sort\b|'(Limit|Sort)',? ?'?Sort|'stage': 'SORT'", text)
    return f"{walked}, sorted" if sorts else walked
