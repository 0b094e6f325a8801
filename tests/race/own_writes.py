"""Pairs of a write through one process and a read through another, by the same caller.

A pair is stale if the read does not show what the write has changed. Each kind of pair makes a
change that every second pair undoes. Before it writes, it reads, so that the process which answers
later has cached what the write makes outdated.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from flask import Flask

from eventapp.core.access import tokens
from eventapp.core.database import OPEN_DATABASE
from tests.api_tokens import store_token
from tests.bookings_factories import Caller, event_of
from tests.factories import bearer, day, event_body, make_event, make_user
from tests.live import eventually

ANDROID = "/android/api"
PASSWORD = "correct horse battery"
Headers = dict[str, str]


class Processes(Protocol):
    """Two processes of one database."""

    def write(self, method: str, path: str, body: Any, headers: Headers) -> Any:
        """Return the JSON that one process answers to a request, which must succeed."""

    def read(self, path: str, headers: Headers) -> Any:
        """Return the JSON that the other process answers to a GET over a new connection."""

    def swap(self) -> None:
        """Let the process that was read from answer the next writes, and the other way around."""


@dataclass(frozen=True)
class World:
    """What the pairs of a kind need.

    Attributes:
        app: an application on the same database, which prepares the data.
        processes: answer the requests of the pairs.
    """

    app: Flask
    processes: Processes

    @property
    def db(self) -> Any:
        """The database."""
        return OPEN_DATABASE.get(self.app).db

    def make_caller(self, role: str = "attendee") -> Caller:
        """Return a new user, who has a session."""
        return Caller(self.app.test_client(), self.app, role)

    def open_session(self, caller: Caller) -> Headers:
        """Return the headers of a further session of a user."""
        other = make_user(self.app)
        self.db.users.delete_one({"_id": other["id"]})
        (session,) = self.db.sessions.find({"userId": other["id"]})
        role = self.db.users.find_one({"_id": caller.id})["role"]
        change = {"$set": {"userId": caller.id, "role": role}}
        self.db.sessions.update_one({"_id": session["_id"]}, change)
        with self.app.app_context():
            return bearer(tokens.create_access_token(caller.id, session["_id"]))


# Makes the change of the pair of a number, and returns whether a read shows it.
Pair = Callable[[int], bool]
MakePair = Callable[[World], Pair]


def find_row(rows: list[Any], event_id: int) -> Any:
    """Return the row of an event, None if there is none."""
    return next((row for row in rows if row["eventId"] == event_id), None)


def favorite(writer: Headers, reader: Headers, world: World, base: str = "/api") -> Pair:
    """A favorite is added or removed, and seen in the event, in a list and among the favorites."""
    event_id, processes = event_of(world.db, 5), world.processes

    def read() -> list[bool]:
        event = processes.read(f"/api/events/{event_id}", reader)
        kept = processes.read("/api/favorites", reader)["events"]
        row = read_row()
        return [event["favorited"], row["favorited"], find_row(kept, event_id) is not None]

    def read_row() -> Any:
        return find_row(processes.read("/api/events?category=other", reader)["events"], event_id)

    for _ in range(2):
        eventually(read_row)  # No process has made the event, so both learn of it by polling.
        processes.swap()

    def pair(number: int) -> bool:
        read()
        method = "DELETE" if number % 2 else "POST"
        processes.write(method, f"{base}/favorites", {"eventId": event_id}, writer)
        return read() == [method == "POST"] * 3

    return pair


def guest_favorite(write_base: str, read_base: str, world: World) -> Pair:
    """A favorite of the shared guest is added or removed, and seen among the favorites."""
    event_id, processes = event_of(world.db, 5), world.processes

    def pair(number: int) -> bool:
        method = "DELETE" if number % 2 else "POST"
        processes.write(method, f"{write_base}/favorites", {"eventId": event_id}, {})
        found = processes.read(f"{read_base}/favorites", {})
        rows = found["events"] if isinstance(found, dict) else found
        return (find_row(rows, event_id) is not None) == (method == "POST")

    return pair


def edit(owner: Caller, writer: Headers, reader: Headers, world: World) -> Pair:
    """An event gets another title, seen in the event, in lists, in a search and in suggestions."""
    event = make_event(world.db, organizer_id=owner.id, title="Before")
    event_id, processes = event["eventId"], world.processes

    def read(word: str) -> list[Any]:
        shown = processes.read(f"/api/events/{event_id}", reader)
        rows = processes.read("/api/events?category=other", reader)["events"]
        found = processes.read(f"/api/events?search={word}", reader)["events"]
        own = processes.read("/api/events?mine=true", reader)["events"]
        titles = processes.read(f"/api/events/suggest?q={word}", reader)["titles"]
        each = [shown, *(find_row(some, event_id) for some in (rows, found, own, titles))]
        return [row and row["title"] for row in each]

    def pair(number: int) -> bool:
        title = f"Title{number}x{event_id}"
        read(title)
        body = event_body(title=title)
        processes.write("PUT", f"/api/events/{event_id}", body, writer)
        return read(title) == [title] * 5

    return pair


def booking(writer: Headers, reader: Headers, world: World) -> Pair:
    """Tickets are booked or cancelled, seen in the bookings, and in the stock of the event."""
    schedule = [{"date": day(60), "location": "Volos"}]
    event_id, processes, made = event_of(world.db, 50, schedule=schedule), world.processes, [""]

    def read(booking_id: str) -> list[Any]:
        event = processes.read(f"/api/events/{event_id}", reader)
        row = find_row(processes.read("/api/events?category=other", reader)["events"], event_id)
        own = processes.read("/api/bookings", reader)["bookings"]
        status = next((each["status"] for each in own if each["_id"] == booking_id), None)
        shown = processes.read(f"/api/bookings/{booking_id}", reader)["data"]["booking"]
        left = [each["ticketTypes"][0]["availableTickets"] for each in (event, row)]
        return [*left, status, shown["status"]]

    def pair(number: int) -> bool:
        if number:
            read(made[0])
        if number % 2:
            processes.write("PUT", f"/api/bookings/{made[0]}/cancel", None, writer)
            return read(made[0]) == [50, 50, "cancelled", "cancelled"]
        order = {"eventId": event_id, "ticketTypeId": 1, "quantity": 2}
        answer = processes.write("POST", "/api/bookings", order, writer)
        made[0] = answer["data"]["booking"]["_id"]
        return read(made[0]) == [48, 48, "confirmed", "confirmed"]

    return pair


def profile(writer: Headers, reader: Headers, world: World) -> Pair:
    """The text about a user is changed, and seen in the profile."""
    processes = world.processes

    def pair(number: int) -> bool:
        processes.write("PUT", "/api/auth/profile", {"about": f"Text {number}"}, writer)
        shown = processes.read("/api/auth/profile", reader)
        return bool(shown.get("user", shown)["about"] == f"Text {number}")

    return pair


def android_profile(world: World) -> Pair:
    """The Android app changes the profile, and another session of the user sees it."""
    processes = world.processes
    person = {"name": "Ann App", "email": "ann@example.org", "password": PASSWORD}
    capability = processes.write("POST", f"{ANDROID}/users", person, {})["_id"]
    login = {"email": person["email"], "password": PASSWORD}
    reader = bearer(processes.write("POST", "/api/auth/login", login, {})["token"])

    def pair(number: int) -> bool:
        changes = {"about": f"Text {number}"}
        processes.write("PUT", f"{ANDROID}/users/{capability}", changes, {})
        shown = processes.read("/api/auth/profile", reader)
        return bool(shown.get("user", shown)["about"] == f"Text {number}")

    return pair


def waitlist(writer: Headers, reader: Headers, world: World) -> Pair:
    """A user joins or leaves a waitlist, and sees the own entries."""
    event_id, processes = event_of(world.db, 0), world.processes

    def pair(number: int) -> bool:
        if number % 2:
            processes.write("DELETE", f"/api/waitlist/{event_id}", None, writer)
        else:
            processes.write("POST", "/api/waitlist", {"eventId": event_id}, writer)
        rows = processes.read("/api/waitlist", reader)["waitlist"]
        return (find_row(rows, event_id) is None) == bool(number % 2)

    return pair


def of_one_session(kind: Callable[[Headers, Headers, World], Pair]) -> MakePair:
    def make(world: World) -> Pair:
        headers = world.make_caller().headers
        return kind(headers, headers, world)

    return make


def of_two_sessions(kind: Callable[[Headers, Headers, World], Pair]) -> MakePair:
    def make(world: World) -> Pair:
        caller = world.make_caller()
        return kind(caller.headers, world.open_session(caller), world)

    return make


def of_a_token_and(kind: Callable[[Headers, Headers, World], Pair], *, reads: bool) -> MakePair:
    """Return pairs in which an API token reads or writes, and a session does the other."""

    def make(world: World) -> Pair:
        caller = world.make_caller()
        token = bearer(store_token(world.db, caller)[0])
        pair = (caller.headers, token) if reads else (token, caller.headers)
        return kind(*pair, world)

    return make


def edit_by(writer: str, reader: str) -> MakePair:
    """Return edits of an organizer: each of the two is `session`, `other session` or `token`."""

    def make(world: World) -> Pair:
        owner = world.make_caller("organizer")
        headers = {
            "session": owner.headers,
            "other session": world.open_session(owner),
            "token": bearer(store_token(world.db, owner)[0]),
        }
        return edit(owner, headers[writer], headers[reader], world)

    return make


def device_favorite(world: World) -> Pair:
    """A device without an account changes its favorites."""
    headers = {"X-Device-Id": "device-of-own-writes"}
    return favorite(headers, headers, world)


# What a read by an API token cannot see are favorites, the profile and, of events, nothing.
KINDS: dict[str, MakePair] = {
    "favorite": of_one_session(favorite),
    "favorite, another session": of_two_sessions(favorite),
    "favorite, device": device_favorite,
    "favorite, guest": lambda world: guest_favorite("/api", "/api", world),
    "favorite, Android app": lambda world: guest_favorite(ANDROID, ANDROID, world),
    "favorite, Android app and guest": lambda world: guest_favorite(ANDROID, "/api", world),
    "edit": edit_by("session", "session"),
    "edit, another session": edit_by("session", "other session"),
    "edit, by a token": edit_by("token", "session"),
    "edit, read by a token": edit_by("session", "token"),
    "edit, token alone": edit_by("token", "token"),
    "booking": of_one_session(booking),
    "booking, another session": of_two_sessions(booking),
    "booking, by a token": of_a_token_and(booking, reads=False),
    "booking, read by a token": of_a_token_and(booking, reads=True),
    "profile": of_one_session(profile),
    "profile, another session": of_two_sessions(profile),
    "profile, Android app": android_profile,
    "waitlist": of_one_session(waitlist),
    "waitlist, another session": of_two_sessions(waitlist),
    "waitlist, by a token": of_a_token_and(waitlist, reads=False),
}


def count_stale(world: World, kind: str, pairs: int) -> int:
    """Run pairs of a kind, and return how many are stale."""
    pair = KINDS[kind](world)
    stale = 0
    for number in range(pairs):
        stale += not pair(number)
        if number % 2:
            world.processes.swap()
    return stale


@contextmanager
def swapped(extensions: dict[str, Any], name: str, value: Any) -> Iterator[None]:
    """Let an application have another extension in this block."""
    before = extensions[name]
    extensions[name] = value
    try:
        yield
    finally:
        extensions[name] = before
