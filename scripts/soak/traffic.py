"""Mixed traffic: users that send requests, and listeners of event streams."""

import http.client
import json
import random
import selectors
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from scripts.synthetic_events import WORDS

# The average time between two requests of a user.
PAUSE_SECONDS = 0.05
TIMEOUT_SECONDS, STREAMS = 15, 50
# Threads that send requests, and how long they may take to end.
USERS, END_SECONDS = 12, 120
UNAVAILABLE = 503


@dataclass
class TrafficLog:
    """The answers and stream messages that all threads have received.

    Attributes:
        durations: seconds of each answer since the last sample was taken.
        statuses: the number of answers by status.
        faults: the number of wrong or missing answers, by request and status.
        booking_ids: ids of all bookings that were answered 201.
        stream_messages: the number of messages received on streams.
        database_down: True while an answer of 503 is not a fault.
    """

    durations: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    booking_ids: list[str] = field(default_factory=list)
    stream_messages: int = 0
    database_down: bool = False


class SimulatedUser(threading.Thread):
    """Send random requests on one connection until stopped, each as a random account."""

    def __init__(
        self,
        number: int,
        port: int,
        tokens: Sequence[str],
        event_ids: Sequence[int],
        log: TrafficLog,
    ) -> None:
        super().__init__(name=f"user-{number}", daemon=True)
        self._rng, self._log = random.Random(number), log
        self._tokens, self._event_ids = tokens, event_ids
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_SECONDS)
        self._token, self._is_running = "", True
        actions: list[tuple[Callable[[], None], int]] = [
            (self._list_events, 4),
            (self._show_event, 8),
            (self._search, 4),
            (self._add_favorite, 2),
            (self._book, 4),
            (self._hold, 2),
            (self._cancel, 2),
            (self._write_message, 1),
            (self._list_own, 2),
            (self._sign_up, 1),
        ]
        self._actions, self._weights = zip(*actions, strict=True)

    def stop(self) -> None:
        self._is_running = False

    def run(self) -> None:
        while self._is_running:
            self._token = self._rng.choice(self._tokens)
            self._rng.choices(self._actions, self._weights)[0]()
            time.sleep(self._rng.expovariate(1 / PAUSE_SECONDS))
        self._connection.close()

    def _list_events(self) -> None:
        page, sort = self._rng.randint(1, 5), self._rng.choice(["date", "price", "title"])
        self._send("GET", f"/api/events?page={page}&sortBy={sort}", expected=(200,))

    def _show_event(self) -> None:
        self._send("GET", f"/api/events/{self._random_event_id()}", expected=(200,))

    def _search(self) -> None:
        words = quote(" ".join(self._rng.sample(list(WORDS), 2)))
        self._send("GET", f"/api/events?search={words}", expected=(200,))

    def _add_favorite(self) -> None:
        """Add a favorite, and remove it again in half of the cases."""
        event_id = self._random_event_id()
        self._send("POST", "/api/favorites", {"eventId": event_id}, expected=(200, 201, 409))
        if self._rng.random() < 0.5:
            self._send("DELETE", f"/api/favorites/{event_id}", expected=(200, 404))

    def _book(self) -> None:
        self._create_booking(hold=False)

    def _hold(self) -> None:
        """Hold tickets and confirm 7 of 10 holds; the others expire."""
        booking = self._create_booking(hold=True)
        if booking and self._rng.random() < 0.7:
            path = f"/api/bookings/{booking['_id']}/confirm"
            self._send("POST", path, {}, expected=(200, 404, 409))

    def _create_booking(self, *, hold: bool) -> dict[str, Any] | None:
        """Return the booking; None if it was refused or became a waitlist entry."""
        body = {
            "eventId": self._random_event_id(),
            "ticketTypeId": 1,
            "quantity": self._rng.randint(1, 3),
            "hold": hold,
        }
        answer = self._send("POST", "/api/bookings", body, expected=(201, 202, 409))
        booking: dict[str, Any] | None = answer.get("data", {}).get("booking")
        if booking:
            self._log.booking_ids.append(booking["_id"])
        return booking

    def _cancel(self) -> None:
        answer = self._send("GET", "/api/bookings?status=confirmed&limit=1", expected=(200,))
        for booking in answer.get("bookings", []):
            self._send("PUT", f"/api/bookings/{booking['_id']}/cancel", {}, expected=(200, 409))

    def _write_message(self) -> None:
        body = {"text": f"Anyone else there? {self._rng.random()}"}
        path = f"/api/events/{self._random_event_id()}/messages"
        self._send("POST", path, body, expected=(201,))

    def _list_own(self) -> None:
        path = self._rng.choice(["/api/bookings", "/api/favorites", "/api/notifications"])
        self._send("GET", path, expected=(200,))

    def _sign_up(self) -> None:
        name = f"soak{self._rng.getrandbits(64):x}"
        body = {"name": name, "email": f"{name}@example.org", "password": "correct horse battery"}
        self._send("POST", "/api/auth/register", body, expected=(201,))

    def _random_event_id(self) -> int:
        return self._rng.choice(self._event_ids)

    def _send(
        self, method: str, path: str, body: Any = None, *, expected: tuple[int, ...]
    ) -> dict[str, Any]:
        """Send a request and log its answer; return the JSON, or {} if it is not as expected."""
        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"}
        started = time.monotonic()
        was_down = self._log.database_down
        try:
            encoded = json.dumps(body) if body is not None else None
            self._connection.request(method, path, encoded, headers)
            answer = self._connection.getresponse()
            status, text = answer.status, answer.read()
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()
            self._log.faults[f"{method} {path.partition('?')[0]}: {type(error).__name__}"] += 1
            return {}
        self._log.durations.append(time.monotonic() - started)
        self._log.statuses[status] += 1
        is_excused = status == UNAVAILABLE and (was_down or self._log.database_down)
        if status not in expected and not is_excused:
            self._log.faults[f"{method} {path.partition('?')[0]}: {status}"] += 1
        decoded: dict[str, Any] = json.loads(text) if status in expected and text else {}
        return decoded


class StreamListener(threading.Thread):
    """Keep event streams open until stopped, and count the messages that they send."""

    def __init__(self, port: int, event_ids: Sequence[int], log: TrafficLog) -> None:
        super().__init__(name="stream-listener", daemon=True)
        self._port, self._event_ids, self._log = port, event_ids, log
        self._is_running = True

    def stop(self) -> None:
        self._is_running = False

    def run(self) -> None:
        with selectors.DefaultSelector() as selector:
            while self._is_running:
                while len(selector.get_map()) < STREAMS:
                    if not self._open_stream(selector):
                        time.sleep(1)
                        break
                for key, _ in selector.select(0.2):
                    self._receive(selector, key.fileobj)  # type: ignore[arg-type]
            for key in list(selector.get_map().values()):
                key.fileobj.close()  # type: ignore[union-attr]

    def _open_stream(self, selector: selectors.BaseSelector) -> bool:
        """Open a stream of a random event; return False if the server takes no connection."""
        try:
            connection = socket.create_connection(
                ("127.0.0.1", self._port), timeout=TIMEOUT_SECONDS
            )
        except OSError:
            return False
        event_id = random.choice(self._event_ids)
        connection.sendall(b"GET /api/events/%d/stream HTTP/1.1\r\nHost: soak\r\n\r\n" % event_id)
        selector.register(connection, selectors.EVENT_READ)
        return True

    def _receive(self, selector: selectors.BaseSelector, connection: socket.socket) -> None:
        """Count the messages that have arrived, and close a stream that has ended."""
        received = b""
        with suppress(OSError):
            received = connection.recv(65536)
        if not received or b"HTTP/1.1 503" in received:
            selector.unregister(connection)
            connection.close()
            time.sleep(0.1)
        self._log.stream_messages += received.count(b"event: ")


@contextmanager
def run_traffic(
    port: int, tokens: Sequence[str], event_ids: Sequence[int], log: TrafficLog
) -> Iterator[None]:
    """Run the users and the stream listener within the `with` block."""
    threads: list[SimulatedUser | StreamListener] = [StreamListener(port, event_ids, log)]
    threads += [SimulatedUser(number, port, tokens, event_ids, log) for number in range(USERS)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        for thread in threads:
            thread.stop()
        for thread in threads:
            thread.join(END_SECONDS)
