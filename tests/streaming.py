"""Reads Server-Sent Events as a browser does, from a test client or a real server."""

import json
import queue
import socket
import threading
from contextlib import suppress
from dataclasses import dataclass

import requests


@dataclass(frozen=True)
class Said:
    """One event of a stream."""

    id: str
    event: str
    data: dict


def parse(block: str) -> Said | None:
    """What a block of lines says; None for comments and `retry`."""
    fields = dict(line.split(": ", 1) for line in block.splitlines() if ": " in line[1:])
    if "data" not in fields:
        return None
    return Said(fields.get("id", ""), fields.get("event", "message"), json.loads(fields["data"]))


def parsed(raw: bytes) -> list[Said]:
    """All events of these bytes."""
    return [said for block in raw.decode().split("\n\n") if (said := parse(block))]


class Source:
    """An open stream of a real server, read by a thread of its own.

    Attributes:
        comments: how many there were.
        ended: set when the server has ended it, or it broke.
    """

    def __init__(self, url: str, last_event_id: str | None = None, **headers: str) -> None:
        if last_event_id:
            headers["Last-Event-ID"] = last_event_id
        self.answer = requests.get(url, headers=headers, stream=True, timeout=60)
        # Closing it would wait for the thread that reads.
        self._line = self.answer.raw.connection.sock
        self.said: queue.Queue[Said] = queue.Queue()
        self.last_event_id, self.comments = last_event_id, 0
        self.ended = threading.Event()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        block = ""
        with suppress(requests.RequestException, AttributeError, ValueError, OSError):
            for line in self.answer.iter_lines(chunk_size=1, decode_unicode=True):
                if line:
                    block += line + "\n"
                    self.comments += line.startswith(":")
                    continue
                if said := parse(block):
                    self.last_event_id = said.id
                    self.said.put(said)
                block = ""
        self.answer.close()
        self.ended.set()

    def next(self, event: str | None = None, seconds: float = 30) -> Said:
        """The next one, or the next of a kind, letting the others go."""
        while True:
            said = self.said.get(timeout=seconds)
            if event in (None, said.event):
                return said

    def cut(self) -> None:
        """Go away, as a client does that loses its line."""
        with suppress(OSError):
            self._line.shutdown(socket.SHUT_RDWR)

    def __enter__(self) -> "Source":
        return self

    def __exit__(self, *_: object) -> None:
        self.cut()
        self._thread.join(5)


class Opened:
    """A stream of a test client, read in the test's own thread."""

    def __init__(self, client, path, last_event_id=None, headers=None, **options):
        given = dict(headers or {})
        if last_event_id is not None:
            given["Last-Event-ID"] = last_event_id
        self.answer = client.get(path, headers=given, buffered=False, **options)
        self._blocks = iter(self.answer.response)
        self._said: list[Said] = []
        self.last_event_id, self.comments = None, 0

    def next(self, event: str | None = None) -> Said:
        """The next one, or the next of a kind; StopIteration where the stream ends first."""
        while True:
            while not self._said:
                raw = next(self._blocks)
                self.comments += raw == b": \n\n"
                self._said = parsed(raw)
            said = self._said.pop(0)
            self.last_event_id = said.id
            if event in (None, said.event):
                return said

    def ended(self) -> bool:
        """Whether it ends before it says anything more."""
        try:
            self.next()
        except StopIteration:
            return True
        return False

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.answer.close()
