"""Two applications, one on each store, that get the same calls at the same times."""

import json
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

from bson import ObjectId
from flask import Flask

from eventapp.bookings.context import BOOKING_CONTEXT
from eventapp.config import load_config
from eventapp.core import clock
from eventapp.core.access.passwords import hash_password
from eventapp.core.database import OPEN_DATABASE, ServerClock
from eventapp.events import store as events_store
from eventapp.events.cache.event_cache import EVENT_CACHE
from eventapp.inventory.service import INVENTORY
from eventapp.jobs import service as jobs
from tests.conftest import (
    QUIET,
    create_prepared_app,
    drop_database,
    empty_written_collections,
)
from tests.differential.answers import KnownObjects, Symbols, describe, read_body
from tests.factories import make_user

START = datetime(2030, 6, 1, 10, tzinfo=UTC)
PASSWORD = "correct horse"
PASSWORD_HASH = hash_password(PASSWORD, 4)
# The users that exist at the start of each program, and their roles.
USERS = {
    "admin": "admin",
    "olga": "organizer",
    "otto": "organizer",
    "ann": "attendee",
    "bob": "attendee",
}
SETTINGS = {
    **QUIET,
    "JWT_SECRET": "a-secret-of-tests-0123456789-abcdefghijklmnop",
    # Tokens expire by the true clock.
    "JWT_EXPIRES_IN": "9000d",
    "JWT_REFRESH_EXPIRES_IN": "9000d",
    "PUBLIC_BASE_URL": "https://tickets.example.org",
}
# These would call the receivers of webhooks.
LEFT_OUT_JOBS = ("webhooks", "webhook-retries")
JSON = "application/json"
REFERENCE = re.compile(r"<(\w+):(\d+)>")


@dataclass(frozen=True)
class Call:
    """A request that both stores get.

    Attributes:
        caller: a name of USERS, or empty for a request without a token.
        path, query, body, headers: may hold `<booking:0>` for the newest known booking, and so on.
    """

    method: str
    path: str
    caller: str = ""
    query: dict[str, Any] = field(default_factory=dict)
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        parts = [self.method, self.path, f"by {self.caller or 'nobody'}"]
        named = {"query": self.query, "body": self.body, "headers": self.headers}
        return " ".join([*parts, *(f"{name} {value!r}" for name, value in named.items() if value)])


@dataclass(frozen=True)
class Wait:
    """A time that passes. Then the worker runs all its jobs.

    Attributes:
        seconds: how much the clocks of both applications advance.
    """

    seconds: int

    def __str__(self) -> str:
        return f"{self.seconds} s pass, and the worker runs"


@dataclass(frozen=True)
class NextPage:
    """The call of the newest answer that had a `nextCursor`, with this cursor."""

    def __str__(self) -> str:
        return "GET the next page"


Step = Call | Wait | NextPage
# What follows a cursor of this list depends on the true time since the changes, in seconds.
FEED = "/api/events/changes"
# What NextPage calls as long as no answer had a cursor.
FIRST_PAGE = Call("GET", "/api/events", query={"limit": "1"})


@dataclass
class Clock:
    """The clock that both applications read."""

    now: datetime = START


@contextmanager
def fixed_clock(shown: Clock) -> Iterator[None]:
    """Let the applications read `shown`, and take the clocks of their stores for the same."""
    with ExitStack() as stack:
        fixed_time = SimpleNamespace(
            monotonic=lambda: 0.0, time_ns=lambda: round(shown.now.timestamp() * 1000) * 1_000_000
        )
        stack.enter_context(mock.patch.object(clock, "time", fixed_time))
        stack.enter_context(mock.patch.object(ServerClock, "_measure", return_value=timedelta()))
        yield


class Side:
    """An application on one store."""

    def __init__(self, directory: Path, **settings: str) -> None:
        """Create the application; its data are in `directory` or on the server of MONGO_URI."""
        environ = {**SETTINGS, "INSTANCE_DIR": str(directory), **settings}
        self._config = load_config(environ)
        self.app: Flask = create_prepared_app(environ)
        self.app.testing = True
        self.app.config["PROPAGATE_EXCEPTIONS"] = False
        self.db = OPEN_DATABASE.get(self.app).db
        self._is_on_server = self._config.mongo_uri is not None

    def reset(self, users: dict[str, ObjectId]) -> None:
        """Delete everything, and store the users."""
        if self._is_on_server:
            empty_written_collections(self.db)
        else:
            for name in self.db.list_collection_names():
                self.db[name].delete_many({})
            events_store.advance_event_id_counter(self.db)
        EVENT_CACHE.get(self.app).reset()
        for event_id in range(1, 100):
            INVENTORY.get(self.app).invalidate(event_id)
        self.symbols, self.client = Symbols(), self.app.test_client()
        self.headers = {name: self._add_user(name, users[name]) for name in users}

    def _add_user(self, name: str, user_id: ObjectId) -> dict[str, str]:
        headers: dict[str, str] = make_user(self.app, USERS[name], user_id)["headers"]
        email = f"{name}@example.org"
        changes = {"name": name, "email": email, "emailKey": email, "passwordHash": PASSWORD_HASH}
        self.db.users.update_one({"_id": user_id}, {"$set": changes})
        return headers

    def send(self, call: Call, resolve: Callable[[str], str]) -> Any:
        """Send a call, and return the response."""
        filled = fill([call.path, call.query, call.body, call.headers], resolve)
        path, query, body, headers = filled
        identity = self.headers.get(call.caller, {})
        return self.client.open(
            path,
            method=call.method,
            query_string=query,
            headers={**identity, **headers},
            **({} if body is None else {"data": json.dumps(body), "content_type": JSON}),
        )

    def run_jobs(self, now: datetime) -> dict[str, int]:
        """Run the jobs of the worker, and return how many items each processed."""
        context = BOOKING_CONTEXT.get(self.app)
        return {
            name: job.function(context, now)
            for name, job in jobs.JOBS.items()
            if name not in LEFT_OUT_JOBS
        }

    def close(self) -> None:
        OPEN_DATABASE.get(self.app).client.close()
        drop_database(self._config)


def fill(value: Any, resolve: Callable[[str], str]) -> Any:
    """Replace `<booking:0>` and so on in all texts of a JSON value."""
    if isinstance(value, dict):
        return {name: fill(each, resolve) for name, each in value.items()}
    if isinstance(value, list):
        return [fill(each, resolve) for each in value]
    if isinstance(value, str):
        return REFERENCE.sub(lambda match: resolve(match[0]), value)
    return value


class Difference(AssertionError):
    """The answers of the two stores differ. The text lists the calls and what differs."""


class Pair:
    """Both applications."""

    def __init__(self, embedded: Side, server: Side) -> None:
        self.sides, self.clock = (embedded, server), Clock()
        self._known, self._next_page = KnownObjects(), FIRST_PAGE

    def run(self, program: list[Step]) -> None:
        """Run a program from the start.

        Raises:
            Difference: an answer differs. Its text lists the calls.
        """
        self.clock.now, self._known, self._next_page = START, KnownObjects(), FIRST_PAGE
        done: list[str] = []
        with fixed_clock(self.clock):
            users = {name: ObjectId() for name in USERS}
            for side in self.sides:
                side.reset(users)
            for user_id in users.values():
                self._known.add("user", (str(user_id), str(user_id)))
            for step in program:
                done.append(str(step))
                first, second = self._wait(step) if isinstance(step, Wait) else self._call(step)
                if first != second:
                    raise Difference("\n".join([*done, *list_differences(first, second)]))

    def _wait(self, step: Wait) -> tuple[Any, Any]:
        self.clock.now += timedelta(seconds=step.seconds)
        first, second = (side.run_jobs(self.clock.now) for side in self.sides)
        return first, second

    def _call(self, step: Call | NextPage) -> tuple[Any, Any]:
        call = self._next_page if isinstance(step, NextPage) else step
        found = [
            side.send(call, lambda text, n=number: self._resolve(text, n))
            for number, side in enumerate(self.sides)
        ]
        first, second = (
            describe(response, side.symbols, has_timed_cursor=call.path == FEED)
            for response, side in zip(found, self.sides, strict=True)
        )
        if first == second:
            bodies = (read_body(found[0]), read_body(found[1]))
            self._known.add_answers(bodies)
            is_page = isinstance(bodies[0], dict) and bodies[0].get("nextCursor")
            if is_page and call.path != FEED:
                query = {**call.query, "cursor": "<nextCursor:0>"}
                self._next_page = replace(call, query=query)
            if "ETag" in found[0].headers:
                self._known.add("etag", (found[0].headers["ETag"], found[1].headers["ETag"]))
        return first, second

    def _resolve(self, reference: str, side: int) -> str:
        match = REFERENCE.fullmatch(reference)
        assert match
        return self._known.find(match[1], int(match[2]))[side]


def list_differences(first: Any, second: Any, at: str = "") -> list[str]:
    """Return a line for each value in which two JSON values differ."""
    if isinstance(first, dict) and isinstance(second, dict):
        names = sorted({*first, *second})
        return [
            line
            for name in names
            for line in list_differences(first.get(name), second.get(name), f"{at}.{name}")
        ]
    if isinstance(first, list) and isinstance(second, list) and len(first) == len(second):
        return [
            line
            for number, each in enumerate(zip(first, second, strict=True))
            for line in list_differences(*each, f"{at}[{number}]")
        ]
    if first == second:
        return []
    return [f"differs {at}:", f"  embedded: {first!r}", f"  server:   {second!r}"]
