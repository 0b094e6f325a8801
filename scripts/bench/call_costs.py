"""The reference for calls with work in the database: what their own database calls cost alone.

An application in this process answers some exchanges, and a listener records the commands that each
of them sends. The reference is the rate at which PyMongo, on as many threads as the load has
connections, sends the same commands and receives the same results. A new id takes the place of
each document that was inserted, and each thread repeats exchanges of other users.

The commands are those of a request alone: a poll for changes, which many requests share, is left
out, and a read of sessions, which concurrent requests share, counts in full.
"""

import itertools
import re
import threading
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bson import ObjectId
from flask import Flask
from pymongo import monitoring

from eventapp.core.database import Db, Document
from scripts.bench.reference import Call, measure_rate
from scripts.bench.wrk import CONNECTIONS, BenchmarkError, Request

# What PyMongo adds to a command by itself, and adds again when it is repeated.
SENT_BY_DRIVER = {"lsid", "$db", "$clusterTime", "txnNumber", "$readPreference", "maxTimeMS"}
# The results of writes; those of a repeated command must be the same.
WRITE_RESULTS = ("n", "nModified")
# Collections of times that a repetition may leave as they are, and of which some expire meanwhile.
COLLECTIONS_OF_TIMES = {"loginMarks"}
EXCHANGES = 32
UNIQUE_NUMBERS, UNIQUE_NAME = itertools.count(), re.compile(r"bench-new-\d{9}")
# More repetitions a second than the database ever answers.
MAX_REPEAT_RATE = 2500
WRITES = {"insert", "update", "delete", "findAndModify"}

# The requests of one user, which leave the database as it was, apart from new documents.
Exchange = Sequence[Request]


@dataclass(frozen=True)
class RecordedCommand:
    """A command as it was sent.

    Attributes:
        results: the fields WRITE_RESULTS of its answer, where it has them.
    """

    command: dict[str, Any]
    results: Mapping[str, int]

    @property
    def kind(self) -> tuple[str, str]:
        """The name of the command, and its collection."""
        name = next(iter(self.command))
        collection = self.command["collection"] if name == "getMore" else self.command[name]
        return name, collection


class CommandRecorder(monitoring.CommandListener):
    """Records the commands to one database while `is_recording` is True."""

    def __init__(self, database: str) -> None:
        self._database, self._lock = database, threading.Lock()
        self._started: dict[int, dict[str, Any]] = {}
        self._recorded: list[RecordedCommand] = []
        self.is_recording = False

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        if self.is_recording and event.database_name == self._database:
            command = {k: v for k, v in event.command.items() if k not in SENT_BY_DRIVER}
            self._started[event.request_id] = command

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None:
        if (command := self._started.pop(event.request_id, None)) is not None:
            results = {name: event.reply[name] for name in WRITE_RESULTS if name in event.reply}
            self._recorded.append(RecordedCommand(command, results))

    def failed(self, event: monitoring.CommandFailedEvent) -> None:
        """Forget a command that failed, such as an insert that another one preceded."""
        self._started.pop(event.request_id, None)

    def take(self) -> list[RecordedCommand]:
        """Return what was recorded since the last call."""
        with self._lock:
            recorded, self._recorded = self._recorded, []
        return recorded


def record_exchanges(
    app: Flask, recorder: CommandRecorder, exchanges: Iterable[Exchange]
) -> list[list[RecordedCommand]]:
    """Answer these exchanges, and return the commands of those that sent the most common ones.

    Raises:
        BenchmarkError: a request was refused.
    """
    client, recordings = app.test_client(), []
    for exchange in exchanges:
        # This polls for changes, if a poll is due, so that the exchange need not.
        client.get("/api/events")
        recorder.take()
        recorder.is_recording = True
        for each in exchange:
            send(client, each)
        recorder.is_recording = False
        recordings.append(recorder.take())
    kinds = [tuple(each.kind for each in recording) for recording in recordings]
    ((most_common, _),) = Counter(kinds).most_common(1)
    return [each for each, kind in zip(recordings, kinds, strict=True) if kind == most_common]


def send(client: Any, request: Request) -> Any:
    """Send a request to an application in this process, and return the JSON of its answer."""
    headers = {"Authorization": f"Bearer {request.token}"} if request.token else {}
    if request.body:
        headers["Content-Type"] = "application/json"
    answer = client.open(request.path, method=request.method, headers=headers, data=request.body)
    if answer.status_code not in (200, 201):
        raise BenchmarkError(f"{request.method} {request.path}: {answer.status_code}")
    return answer.json


def inserts_documents(recording: Sequence[RecordedCommand]) -> bool:
    """Return whether a repetition needs new ids."""
    return any(each.kind[0] == "insert" for each in recording)


def make_unique_name() -> str:
    """Return a name that no other account has. It is replaced when its commands are repeated."""
    return f"bench-new-{next(UNIQUE_NUMBERS):09}"


def renew(recording: Sequence[RecordedCommand]) -> list[RecordedCommand]:
    """Return the same commands with new ids and names for the documents that they insert."""
    ids: dict[ObjectId, ObjectId] = {}
    name = make_unique_name()
    for each in recording:
        for document in each.command.get("documents", ()) if each.kind[0] == "insert" else ():
            if isinstance(document["_id"], ObjectId):
                ids[document["_id"]] = ObjectId()

    def replace(value: Any) -> Any:
        if isinstance(value, Mapping):
            return {replace(name): replace(each) for name, each in value.items()}
        if isinstance(value, list):
            return [replace(each) for each in value]
        if isinstance(value, str):
            return UNIQUE_NAME.sub(name, value)
        return ids.get(value, value) if isinstance(value, ObjectId) else value

    return [RecordedCommand(replace(each.command), each.results) for each in recording]


def repeat(db: Db, recording: Sequence[RecordedCommand]) -> bool:
    """Send the commands of a recording again.

    Raises:
        BenchmarkError: a write did something else than when it was recorded.
    """
    cursors: dict[str, int] = {}
    for each in recording:
        name, collection = each.kind
        command = each.command
        if name == "getMore":
            command = {**command, "getMore": cursors[collection]}
        answer: Document = db.command(command)
        if "cursor" in answer:
            cursors[collection] = answer["cursor"]["id"]
        results = {key: answer[key] for key in each.results}
        if collection in COLLECTIONS_OF_TIMES:
            results = dict(each.results)
        if name in WRITES and (results != each.results or answer.get("writeErrors")):
            raise BenchmarkError(f"{name} {collection}: {results}, and not {dict(each.results)}")
    return True


def measure_repeat_rate(
    db: Db, recordings: Sequence[Sequence[RecordedCommand]], seconds: int
) -> float:
    """Return how many recordings a second the threads repeat, each thread its own.

    Raises:
        BenchmarkError: there are fewer recordings than threads, or a write had another result.
    """
    if len(recordings) < CONNECTIONS:
        raise BenchmarkError(f"only {len(recordings)} of its requests sent the same commands")
    if inserts_documents(recordings[0]):
        count = MAX_REPEAT_RATE * seconds
        renewed = (renew(each) for each in itertools.cycle(recordings))
        recordings = list(itertools.islice(renewed, count))

    def make_call(number: int) -> Call:
        own = itertools.cycle(recordings[number::CONNECTIONS])
        return lambda: repeat(db, next(own))

    return measure_rate(make_call, seconds)
