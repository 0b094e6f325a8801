"""1,000 open event streams on one server process: their memory, and the load beside them.

Run alone it uses a database of its own on MONGO_URI and drops it: `python -m scripts.bench.streams
[--each]`, with `--each` each stream of another event. The load is `GET /api/events/:id` over 16
connections; rounds without and with streams take turns, so that a noisy machine harms both alike.
"""

import argparse
import json
import os
import selectors
import socket
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from secrets import token_hex
from statistics import median
from types import TracebackType
from urllib.parse import urlsplit, urlunsplit

from bson import ObjectId

from eventapp.core.clock import utc_now
from eventapp.core.database import Db, connect
from eventapp.messages import store as messages
from eventapp.messages.types import StoredMessage
from scripts.bench.data import generate_events
from scripts.bench.server import Server, resident_mb, settings
from scripts.bench.wrk import BenchmarkError, get
from scripts.bulk_load import insert_events

COUNT, ROUNDS, SECONDS = 1_000, 3, 5
OPEN_SECONDS, REACH_SECONDS, SETTLE_SECONDS = 30.0, 20.0, 2.0


@dataclass(frozen=True)
class Figures:
    """Megabytes of 10^6 bytes, answers a second, and seconds until all have a message."""

    streams: int
    mb_without: float
    mb_with: float
    rate_without: float
    rate_with: float
    ratio: float
    reach_seconds: float


class Streams:
    """So many open streams of one server, read and counted by one thread."""

    def __init__(self, port: int, event_ids: Sequence[int], count: int) -> None:
        self._port, self._event_ids, self._count = port, event_ids, count
        self._selector = selectors.DefaultSelector()
        self._sockets: list[socket.socket] = []
        self._going = True
        self.messages = 0
        self._reader = threading.Thread(target=self._read, daemon=True)

    def __enter__(self) -> "Streams":
        for number in range(self._count):
            self._sockets.append(self._open(self._event_ids[number % len(self._event_ids)]))
        for line in self._sockets:
            if not (said := line.recv(4096)).startswith(b"HTTP/1.1 200"):
                raise BenchmarkError(f"a stream was refused: {said[:100]!r}")
            self._selector.register(line, selectors.EVENT_READ)
        self._reader.start()
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _e: BaseException | None, _t: TracebackType | None
    ) -> None:
        self._going = False
        if self._reader.is_alive():
            self._reader.join()
        for line in self._sockets:
            line.close()
        self._selector.close()

    def _open(self, event_id: int) -> socket.socket:
        line = socket.create_connection(("127.0.0.1", self._port), timeout=OPEN_SECONDS)
        line.sendall(b"GET /api/events/%d/stream HTTP/1.1\r\nHost: bench\r\n\r\n" % event_id)
        return line

    def _read(self) -> None:
        while self._going:
            for key, _ in self._selector.select(0.1):
                with suppress(OSError):
                    found = key.fileobj.recv(65536)  # type: ignore[union-attr]
                    self.messages += found.count(b"event: message")


def measure(server: Server, db: Db, event_ids: Sequence[int], seconds: int) -> Figures:
    """The medians of ROUNDS rounds, and the most of memory and of waiting."""
    rate(server, f"/api/events/{event_ids[0]}", seconds)  # warms up
    mb_without = largest_mb(server)
    rounds = [one_round(server, db, event_ids, seconds) for _ in range(ROUNDS)]
    return Figures(
        streams=COUNT,
        mb_without=mb_without,
        mb_with=max(found.mb_with for found in rounds),
        rate_without=median(found.rate_without for found in rounds),
        rate_with=median(found.rate_with for found in rounds),
        ratio=median(found.ratio for found in rounds),
        reach_seconds=max(found.reach_seconds for found in rounds),
    )


def one_round(server: Server, db: Db, event_ids: Sequence[int], seconds: int) -> Figures:
    """The same load without and with streams, on a server of any number of processes."""
    path, mb_without = f"/api/events/{event_ids[0]}", largest_mb(server)
    without = rate(server, path, seconds)
    with Streams(server.port, event_ids, COUNT) as streams:
        time.sleep(1.0)
        mb_with = largest_mb(server)
        beside = rate(server, path, seconds)
        reached = reach(db, streams, event_ids)
    for event_id in event_ids:  # who is sent something is found to be gone
        write(db, event_id)
    time.sleep(SETTLE_SECONDS)
    return Figures(COUNT, mb_without, mb_with, without, beside, beside / without, reached)


def largest_mb(server: Server) -> float:
    """The resident memory of the largest of its processes."""
    return max(resident_mb(pid) for pid in server.pids())


def rate(server: Server, path: str, seconds: int) -> float:
    """Answers a second."""
    return get(server.url, [path], seconds, holds='"eventId":').rate


def write(db: Db, event_id: int) -> None:
    """A message in the event's chat."""
    message: StoredMessage = {
        "_id": ObjectId(),
        "eventId": event_id,
        "seq": 0,
        "shown": True,
        "text": "bench",
        "createdAt": utc_now(),
    }
    messages.append(db, message)


def reach(db: Db, streams: Streams, event_ids: Sequence[int]) -> float:
    """Seconds from a message's writing, by another process, until every stream of it has it."""
    wanted = streams.messages + (COUNT if len(event_ids) == 1 else 1)
    began = time.monotonic()
    write(db, event_ids[0])
    while streams.messages < wanted:
        if time.monotonic() - began > REACH_SECONDS:
            raise BenchmarkError(f"{streams.messages} of {wanted} streams had a message")
        time.sleep(0.01)
    return time.monotonic() - began


@contextmanager
def alone(uri: str) -> Iterator[tuple[Server, Db]]:
    """A server of one process on a database of its own, gone afterwards."""
    mine = urlunsplit(urlsplit(uri)._replace(path=f"/eventapp_bench_{os.getpid()}"))
    with (
        connect(mine) as client,
        tempfile.TemporaryDirectory(prefix="eventapp-bench-") as folder,
    ):
        given = settings(mine, token_hex(32), Path(folder)) | {"WEB_CONCURRENCY": "1"}
        try:
            with Server(given, Path(folder)) as server:
                yield server, client.get_default_database()
        finally:
            client.drop_database(client.get_default_database())


def main() -> int:
    """Print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--each", action="store_true", help="each stream of another event")
    parser.add_argument("--seconds", type=int, default=SECONDS, choices=range(1, 31), metavar="N")
    asked = parser.parse_args()
    uri = os.environ.get("MONGO_URI")
    if not uri:
        raise SystemExit("bench: set MONGO_URI to a MongoDB server on this machine")
    with alone(uri) as (server, db):
        event_ids = insert_events(db, list(generate_events())[-COUNT if asked.each else -1 :])
        print(json.dumps(asdict(measure(server, db, event_ids, asked.seconds)), indent=1))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
