"""Clients of server-sent events, for a Flask test client and for a real server."""

import json
import queue
import socket
import threading
from contextlib import suppress
from dataclasses import dataclass

import requests


@dataclass(frozen=True)
class StreamEvent:
    """A stream message: one server-sent event."""

    id: str
    event: str
    data: dict


def parse_event(block: str) -> StreamEvent | None:
    """Return the stream message of a block of lines; None for comments and `retry`."""
    fields = dict(line.split(": ", 1) for line in block.splitlines() if ": " in line[1:])
    if "data" not in fields:
        return None
    name = fields.get("event", "message")
    return StreamEvent(fields.get("id", ""), name, json.loads(fields["data"]))


def parse_events(raw: bytes) -> list[StreamEvent]:
    """Return all stream messages in these bytes."""
    return [event for block in raw.decode().split("\n\n") if (event := parse_event(block))]


class ServerStream:
    """An open stream of a real server, read by a thread of its own.

    Attributes:
        response: the response, whose body the thread reads.
        last_event_id: the id of the last stream message.
        comments: how many comments were received.
        ended: set when the server has ended the stream, or the connection broke.
    """

    def __init__(self, url: str, last_event_id: str | None = None, **headers: str) -> None:
        if last_event_id:
            headers["Last-Event-ID"] = last_event_id
        self.response = requests.get(url, headers=headers, stream=True, timeout=60)
        # Closing the response would wait for the thread that reads it.
        self._socket = self.response.raw.connection.sock
        self._events: queue.Queue[StreamEvent] = queue.Queue()
        self.last_event_id, self.comments = last_event_id, 0
        self.ended = threading.Event()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        block = ""
        with suppress(requests.RequestException, AttributeError, ValueError, OSError):
            for line in self.response.iter_lines(chunk_size=1, decode_unicode=True):
                if line:
                    block += line + "\n"
                    self.comments += line.startswith(":")
                    continue
                if event := parse_event(block):
                    self.last_event_id = event.id
                    self._events.put(event)
                block = ""
        self.response.close()
        self.ended.set()

    def next(self, name: str | None = None, seconds: float = 30) -> StreamEvent:
        """Return the next stream message, or the next one of this name, skipping others."""
        while True:
            event = self._events.get(timeout=seconds)
            if name in (None, event.event):
                return event

    def disconnect(self) -> None:
        """Break the connection, like a client that loses its network."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def __enter__(self) -> "ServerStream":
        return self

    def __exit__(self, *_: object) -> None:
        self.disconnect()
        self._thread.join(5)


class ClientStream:
    """An open stream of a Flask test client, read in the thread of the test.

    Attributes:
        response: the response.
        blocks: an iterator over its raw blocks, comments included.
        last_event_id: the id of the last stream message that `next` returned.
        comments: how many comments `next` has skipped.
    """

    def __init__(self, client, path, last_event_id=None, headers=None, **options):
        all_headers = dict(headers or {})
        if last_event_id is not None:
            all_headers["Last-Event-ID"] = last_event_id
        self.response = client.get(path, headers=all_headers, buffered=False, **options)
        self.blocks = iter(self.response.response)
        self._parsed: list[StreamEvent] = []
        self.last_event_id, self.comments = None, 0

    def next(self, name: str | None = None) -> StreamEvent:
        """Return the next stream message, or the next one of this name, skipping others.

        Raises:
            StopIteration: the stream ends first.
        """
        while True:
            while not self._parsed:
                raw = next(self.blocks)
                self.comments += raw == b": \n\n"
                self._parsed = parse_events(raw)
            event = self._parsed.pop(0)
            self.last_event_id = event.id
            if name in (None, event.event):
                return event

    def has_ended(self) -> bool:
        """Wait for the next stream message, and return whether the stream ended instead."""
        try:
            self.next()
        except StopIteration:
            return True
        return False

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.response.close()
