"""Measure 1,000 open event streams: their memory, and how fast other requests are meanwhile.

`python -m scripts.bench.streams` measures them alone, with one server process, on a database of its
own that it drops at the end; with `--each` every stream is of another event. The other requests are
`GET /api/events/:id` over 16 connections. Loads without and with streams alternate, so that other
load on the machine affects both alike.
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
from scripts.bench.server import Server, make_settings, read_largest_mb
from scripts.bench.wrk import BenchmarkError, load_paths
from scripts.bulk_load import insert_events

STREAMS, ROUNDS, SECONDS = 1_000, 3, 5
# The time to open a stream, and for a message to reach all of them.
OPEN_SECONDS, DELIVERY_SECONDS = 30.0, 20.0
# The time after which open streams have their threads, and after which closed ones have lost them.
OPENED_SECONDS, CLOSED_SECONDS = 1.0, 2.0


@dataclass(frozen=True)
class StreamFigures:
    """The figures of a round. Their names are keys of the JSON report.

    Attributes:
        streams: the number of open streams.
        mb_without, mb_with: memory of the largest process, in MB (10^6 bytes).
        rate_without, rate_with: answers a second of the other requests.
        ratio: rate_with / rate_without.
        reach_seconds: from writing a message until all streams have received it.
    """

    streams: int
    mb_without: float
    mb_with: float
    rate_without: float
    rate_with: float
    ratio: float
    reach_seconds: float


class OpenStreams:
    """Open streams of one server; a thread reads all of them and counts the messages.

    Attributes:
        messages: the messages received so far, on all streams.
    """

    def __init__(self, port: int, event_ids: Sequence[int], count: int) -> None:
        self._port, self._event_ids, self._count = port, event_ids, count
        self._selector = selectors.DefaultSelector()
        self._sockets: list[socket.socket] = []
        self._is_open = True
        self.messages = 0
        self._reader = threading.Thread(target=self._read, daemon=True)

    def __enter__(self) -> "OpenStreams":
        for number in range(self._count):
            self._sockets.append(self._open(self._event_ids[number % len(self._event_ids)]))
        for each in self._sockets:
            if not (head := each.recv(4096)).startswith(b"HTTP/1.1 200"):
                raise BenchmarkError(f"a stream was refused: {head[:100]!r}")
            self._selector.register(each, selectors.EVENT_READ)
        self._reader.start()
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _e: BaseException | None, _t: TracebackType | None
    ) -> None:
        self._is_open = False
        if self._reader.is_alive():
            self._reader.join()
        for each in self._sockets:
            each.close()
        self._selector.close()

    def _open(self, event_id: int) -> socket.socket:
        connection = socket.create_connection(("127.0.0.1", self._port), timeout=OPEN_SECONDS)
        connection.sendall(b"GET /api/events/%d/stream HTTP/1.1\r\nHost: bench\r\n\r\n" % event_id)
        return connection

    def _read(self) -> None:
        while self._is_open:
            for key, _ in self._selector.select(0.1):
                with suppress(OSError):
                    received = key.fileobj.recv(65536)  # type: ignore[union-attr]
                    self.messages += received.count(b"event: message")


def measure_alone(server: Server, db: Db, event_ids: Sequence[int], seconds: int) -> StreamFigures:
    """Return the medians of the rates of ROUNDS rounds, and the maxima of memory and delivery."""
    # The first load is not counted.
    measure_read_rate(server, f"/api/events/{event_ids[0]}", seconds)
    mb_without = read_largest_mb(server)
    rounds = [measure_round(server, db, event_ids, seconds) for _ in range(ROUNDS)]
    return StreamFigures(
        streams=STREAMS,
        mb_without=mb_without,
        mb_with=max(figures.mb_with for figures in rounds),
        rate_without=median(figures.rate_without for figures in rounds),
        rate_with=median(figures.rate_with for figures in rounds),
        ratio=median(figures.ratio for figures in rounds),
        reach_seconds=max(figures.reach_seconds for figures in rounds),
    )


def measure_round(server: Server, db: Db, event_ids: Sequence[int], seconds: int) -> StreamFigures:
    """Measure the same load without and with streams, on a server of any number of processes."""
    path, mb_without = f"/api/events/{event_ids[0]}", read_largest_mb(server)
    rate_without = measure_read_rate(server, path, seconds)
    with OpenStreams(server.port, event_ids, STREAMS) as streams:
        time.sleep(OPENED_SECONDS)
        mb_with = read_largest_mb(server)
        rate_with = measure_read_rate(server, path, seconds)
        reach_seconds = measure_delivery(db, streams, event_ids)
    # The server notices a closed stream only when it writes to it.
    for event_id in event_ids:
        write_message(db, event_id)
    time.sleep(CLOSED_SECONDS)
    return StreamFigures(
        streams=STREAMS,
        mb_without=mb_without,
        mb_with=mb_with,
        rate_without=rate_without,
        rate_with=rate_with,
        ratio=rate_with / rate_without,
        reach_seconds=reach_seconds,
    )


def measure_read_rate(server: Server, path: str, seconds: int) -> float:
    """Return the answers a second to reads of an event."""
    return load_paths(server.url, [path], seconds, expected='"eventId":').rate


def write_message(db: Db, event_id: int) -> None:
    """Append a message to the chat of an event, as another server process would."""
    message: StoredMessage = {
        "_id": ObjectId(),
        "eventId": event_id,
        "seq": 0,
        "shown": True,
        "text": "bench",
        "createdAt": utc_now(),
    }
    messages.append(db, message)


def measure_delivery(db: Db, streams: OpenStreams, event_ids: Sequence[int]) -> float:
    """Return the seconds from writing a message until all streams of its event have received it."""
    expected = streams.messages + (STREAMS if len(event_ids) == 1 else 1)
    started = time.monotonic()
    write_message(db, event_ids[0])
    while streams.messages < expected:
        if time.monotonic() - started > DELIVERY_SECONDS:
            raise BenchmarkError(f"{streams.messages} of {expected} messages arrived")
        time.sleep(0.01)
    return time.monotonic() - started


@contextmanager
def run_single_process_server(uri: str) -> Iterator[tuple[Server, Db]]:
    """Yield a server of one process and its own database, which is dropped at the end."""
    scratch_uri = urlunsplit(urlsplit(uri)._replace(path=f"/eventapp_bench_{os.getpid()}"))
    with (
        connect(scratch_uri) as client,
        tempfile.TemporaryDirectory(prefix="eventapp-bench-") as folder,
    ):
        settings = make_settings(scratch_uri, token_hex(32), Path(folder))
        settings["WEB_CONCURRENCY"] = "1"
        try:
            with Server(settings, Path(folder)) as server:
                yield server, client.get_default_database()
        finally:
            client.drop_database(client.get_default_database())


def main() -> int:
    """Print the figures as JSON and return 0."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--each", action="store_true", help="open each stream of another event")
    parser.add_argument("--seconds", type=int, default=SECONDS, choices=range(1, 31), metavar="N")
    options = parser.parse_args()
    uri = os.environ.get("MONGO_URI")
    if not uri:
        raise SystemExit("bench: set MONGO_URI to a MongoDB server on this machine")
    with run_single_process_server(uri) as (server, db):
        event_count = STREAMS if options.each else 1
        event_ids = insert_events(db, list(generate_events())[-event_count:])
        figures = measure_alone(server, db, event_ids, options.seconds)
        print(json.dumps(asdict(figures), indent=1))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
