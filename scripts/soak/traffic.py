"""What the users of a soak do: browse, search, favorite, book, hold, cancel, chat, and listen."""

import http.client
import json
import random
import selectors
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from scripts.synthetic_events import WORDS

# Each user waits so long between two requests, on average.
PAUSE_SECONDS, TIMEOUT_SECONDS, LISTENERS = 0.05, 15, 50
UNAVAILABLE = 503


@dataclass
class Log:
    """What all users saw, shared by their threads.

    Attributes:
        took: seconds of each answer since it was last emptied.
        faults: answers that should not be, and how often, by what was asked and the status.
        booked: the ids of all bookings that a 201 told of.
    """

    took: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    booked: list[str] = field(default_factory=list)
    heard: int = 0
    database_away: bool = False


class User(threading.Thread):
    """One user after the other on one connection, until told to stop."""

    def __init__(
        self, number: int, port: int, tokens: Sequence[str], event_ids: Sequence[int], log: Log
    ) -> None:
        super().__init__(name=f"user-{number}", daemon=True)
        self._rng, self._log = random.Random(number), log
        self._tokens, self._event_ids = tokens, event_ids
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_SECONDS)
        self._token, self._going = "", True
        acts: list[tuple[Callable[[], None], int]] = [
            (self._browse, 4), (self._look, 8), (self._search, 4), (self._favorite, 2),
            (self._book, 4), (self._hold, 2), (self._cancel, 2), (self._chat, 1), (self._own, 2),
        ]  # fmt: skip
        self._acts, self._weights = zip(*acts, strict=True)

    def stop(self) -> None:
        self._going = False

    def run(self) -> None:
        while self._going:
            self._token = self._rng.choice(self._tokens)
            self._rng.choices(self._acts, self._weights)[0]()
            time.sleep(self._rng.expovariate(1 / PAUSE_SECONDS))
        self._connection.close()

    def _browse(self) -> None:
        page, sort = self._rng.randint(1, 5), self._rng.choice(["date", "price", "title"])
        self._ask("GET", f"/api/events?page={page}&sortBy={sort}", fine=(200,))

    def _look(self) -> None:
        self._ask("GET", f"/api/events/{self._event()}", fine=(200,))

    def _search(self) -> None:
        words = quote(" ".join(self._rng.sample(list(WORDS), 2)))
        self._ask("GET", f"/api/events?search={words}", fine=(200,))

    def _favorite(self) -> None:
        event_id = self._event()
        self._ask("POST", "/api/favorites", {"eventId": event_id}, fine=(200, 201, 409))
        if self._rng.random() < 0.5:
            self._ask("DELETE", f"/api/favorites/{event_id}", fine=(200, 404))

    def _book(self) -> None:
        self._order(hold=False)

    def _order(self, *, hold: bool) -> dict[str, Any] | None:
        order = {"eventId": self._event(), "ticketTypeId": 1, "quantity": self._rng.randint(1, 3)}
        answer = self._ask("POST", "/api/bookings", {**order, "hold": hold}, fine=(201, 202, 409))
        booking: dict[str, Any] | None = answer.get("data", {}).get("booking")
        if booking:
            self._log.booked.append(booking["_id"])
        return booking

    def _hold(self) -> None:
        booking = self._order(hold=True)
        if booking and self._rng.random() < 0.7:  # the others lapse
            self._ask("POST", f"/api/bookings/{booking['_id']}/confirm", {}, fine=(200, 404, 409))

    def _cancel(self) -> None:
        answer = self._ask("GET", "/api/bookings?status=confirmed&limit=1", fine=(200,))
        for booking in answer.get("bookings", []):
            self._ask("PUT", f"/api/bookings/{booking['_id']}/cancel", {}, fine=(200, 409))

    def _chat(self) -> None:
        said = {"text": f"Anyone else there? {self._rng.random()}"}
        self._ask("POST", f"/api/events/{self._event()}/messages", said, fine=(201,))

    def _own(self) -> None:
        path = self._rng.choice(["/api/bookings", "/api/favorites", "/api/notifications"])
        self._ask("GET", path, fine=(200,))

    def _event(self) -> int:
        return self._rng.choice(self._event_ids)

    def _ask(
        self, method: str, path: str, body: Any = None, *, fine: tuple[int, ...]
    ) -> dict[str, Any]:
        """The answer's JSON, {} where there was none; all of it is noted."""
        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"}
        began = time.monotonic()
        away = self._log.database_away
        try:
            sent = json.dumps(body) if body is not None else None
            self._connection.request(method, path, sent, headers)
            answer = self._connection.getresponse()
            status, text = answer.status, answer.read()
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()
            self._log.faults[f"{method} {path.partition('?')[0]}: {type(error).__name__}"] += 1
            return {}
        self._log.took.append(time.monotonic() - began)
        self._log.statuses[status] += 1
        excused = status == UNAVAILABLE and (away or self._log.database_away)
        if status not in fine and not excused:
            self._log.faults[f"{method} {path.partition('?')[0]}: {status}"] += 1
        found: dict[str, Any] = json.loads(text) if status in fine and text else {}
        return found


class Listeners(threading.Thread):
    """Open event streams, each opened again when it ends; counts what they say."""

    def __init__(self, port: int, event_ids: Sequence[int], log: Log) -> None:
        super().__init__(name="listeners", daemon=True)
        self._port, self._event_ids, self._log, self._going = port, event_ids, log, True

    def stop(self) -> None:
        self._going = False

    def run(self) -> None:
        with selectors.DefaultSelector() as selector:
            while self._going:
                while len(selector.get_map()) < LISTENERS:
                    if not self._open(selector):
                        time.sleep(1)
                        break
                for key, _ in selector.select(0.2):
                    self._hear(selector, key.fileobj)  # type: ignore[arg-type]
            for key in list(selector.get_map().values()):
                key.fileobj.close()  # type: ignore[union-attr]

    def _open(self, selector: selectors.BaseSelector) -> bool:
        try:
            line = socket.create_connection(("127.0.0.1", self._port), timeout=TIMEOUT_SECONDS)
        except OSError:
            return False
        event_id = random.choice(self._event_ids)
        line.sendall(b"GET /api/events/%d/stream HTTP/1.1\r\nHost: soak\r\n\r\n" % event_id)
        selector.register(line, selectors.EVENT_READ)
        return True

    def _hear(self, selector: selectors.BaseSelector, line: socket.socket) -> None:
        said = b""
        with suppress(OSError):
            said = line.recv(65536)
        if not said or b"HTTP/1.1 503" in said:
            selector.unregister(line)
            line.close()
            time.sleep(0.1)
        self._log.heard += said.count(b"event: ")
