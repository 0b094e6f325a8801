"""Count the files of eventapp that a request passes through, and the calls from one to another.

Print one row for each of several typical requests: how many files it enters, how many calls cross
from one file into another, and how many of these enter a file that still waits for a call further
up (a callback). With --files, also list the files in the order in which they are entered.

The requests run in this process, on an embedded store in a temporary folder, so the script needs
no server: `.venv/bin/python scripts/call_paths.py`. Calls inside the embedded store are not
counted.
"""

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import FrameType
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from flask.testing import FlaskClient

from eventapp import create_app
from eventapp.config import ROOT, load_config

PACKAGE = f"{ROOT / 'eventapp'}/"
# The embedded store takes the place of the database driver, whose calls are not counted either.
DRIVER = f"{PACKAGE}core/embedded"


@dataclass
class CallPath:
    """What one request passed through.

    Attributes:
        files: the files entered, in order, relative to the package.
        crossings: calls from one file into another.
        callbacks: how many of the crossings enter a file that still waits further up the stack.
    """

    files: dict[str, None] = field(default_factory=dict)
    crossings: int = 0
    callbacks: int = 0


class Tracer:
    """A profile function for `sys.setprofile` that follows the calls between files."""

    def __init__(self) -> None:
        self.path = CallPath()
        self._stack: list[str] = []

    def __call__(self, frame: FrameType, event: str, _argument: Any) -> None:
        name = frame.f_code.co_filename
        if not name.startswith(PACKAGE) or name.startswith(DRIVER):
            return
        if event == "call":
            self._enter(name.removeprefix(PACKAGE))
        elif event == "return" and self._stack:
            self._stack.pop()

    def _enter(self, file: str) -> None:
        self.path.files.setdefault(file)
        if self._stack and self._stack[-1] != file:
            self.path.crossings += 1
            self.path.callbacks += file in self._stack
        self._stack.append(file)


def trace(request: Callable[[], Any]) -> CallPath:
    """Make the request and return what it passes through in this thread."""
    tracer = Tracer()
    sys.setprofile(tracer)
    try:
        request()
    finally:
        sys.setprofile(None)
    return tracer.path


class Caller:
    """A logged-in user of the application, whose every request must succeed."""

    def __init__(self, client: FlaskClient, name: str, role: str = "attendee") -> None:
        self._client, self._token = client, ""
        body = {"name": name, "email": f"{name}@example.org", "password": "correct horse"}
        self._token = self.call("POST", "/auth/register", {**body, "role": role})["token"]

    def call(self, method: str, path: str, body: object = None) -> dict[str, Any]:
        """Return the JSON of the answer. Raise RuntimeError if its status is an error."""
        headers = {"Authorization": f"Bearer {self._token}"} if self._token else {}
        answer = self._client.open(f"/api{path}", method=method, json=body, headers=headers)
        if answer.status_code >= 400:
            raise RuntimeError(f"{method} {path}: {answer.status_code} {answer.get_json()}")
        found: dict[str, Any] = answer.get_json()
        return found


def make_event_body(tickets: int) -> dict[str, Any]:
    """Return a body of `POST /api/events`, a month ahead, with this many tickets."""
    date = (datetime.now(UTC) + timedelta(days=30)).date().isoformat()
    return {
        "title": "Rooftop Jazz",
        "category": "concert",
        "organizer": "Ada",
        "schedule": [{"date": date, "location": "Rooftop, Volos"}],
        "ticketTypes": [{"type": "General", "price": 20, "availableTickets": tickets}],
    }


def measure(client: FlaskClient) -> Iterator[tuple[str, CallPath]]:
    """Yield the name of each typical request and what it passes through."""
    organizer = Caller(client, "ada", "organizer")
    holder, waiter = Caller(client, "ben"), Caller(client, "cem")
    event_id = organizer.call("POST", "/events", make_event_body(50))["eventId"]
    last_one = organizer.call("POST", "/events", make_event_body(1))["eventId"]
    order = {"eventId": event_id, "ticketTypeId": 1, "quantity": 1}
    show, search = f"/api/events/{event_id}", "/api/events?search=jazz&city=volos"
    client.get(show)
    client.get("/api/events?search=rooftop")  # builds the index of the list

    yield "one event, warm", trace(lambda: client.get(show))
    yield "list with search and city, cold", trace(lambda: client.get(search))
    client.get(search)  # an answer is kept from the second time on
    yield "list with search and city, warm", trace(lambda: client.get(search))
    yield "creating an event", trace(lambda: organizer.call("POST", "/events", make_event_body(9)))
    ticket_type = f"/events/{event_id}/ticket-types/1"
    price = {"price": 25}
    yield "patching a ticket type", trace(lambda: organizer.call("PATCH", ticket_type, price))
    yield "booking", trace(lambda: holder.call("POST", "/bookings", order))
    held = waiter.call("POST", "/bookings", {**order, "hold": True})["data"]["booking"]["_id"]
    yield "confirming", trace(lambda: waiter.call("POST", f"/bookings/{held}/confirm"))
    sold = {"eventId": last_one, "ticketTypeId": 1, "quantity": 1}
    booked = holder.call("POST", "/bookings", sold)["data"]["booking"]["_id"]
    waiter.call("POST", "/waitlist", {"eventId": last_one, "quantity": 1})
    cancel = f"/bookings/{booked}/cancel"
    yield "cancelling, with an offer", trace(lambda: holder.call("PUT", cancel))


def main() -> int:
    """Print the table and return 0."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--files", action="store_true", help="list the files of each request")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        settings = {"INSTANCE_DIR": folder, "LOG_LEVEL": "error", "BCRYPT_ROUNDS": "4"}
        app = create_app(load_config({**settings, "RATE_LIMIT_ENABLED": "false"}))
        print(f"{'request':34}{'files':>8}{'calls between files':>22}{'callbacks':>12}")
        for name, path in measure(app.test_client()):
            print(f"{name:34}{len(path.files):8}{path.crossings:22}{path.callbacks:12}")
            for file in path.files if arguments.files else ():
                print(f"    {file}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
