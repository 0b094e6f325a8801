"""The most database calls that frequent requests make, once their events are cached."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import pytest
from bson import ObjectId
from flask import Flask

from eventapp.events.cache.event_cache import EVENT_CACHE
from tests.factories import make_event
from tests.http.test_query_counts import READS, WRITES, count_calls

PERSON = {"name": "Ann", "email": "ann@example.org", "password": "correct horse"}
SESSION = "sessions.find"
# At most once in some seconds for each user who writes: see core.access.recent_writes.
WROTE = "sessions.bulk_write"
FAVORITES, VISIBILITY, WRITE_FAVORITE = "favorites.find", "events.find", "favorites.update_one"
# Of a client whose address is trusted: two counters of failures, and the account before and after
# the session is inserted.
LOGIN = [
    *("loginMarks.find", "loginMarks.find_one_and_update"),
    *("loginMarks.find_one_and_update", "loginMarks.bulk_write", "sessions.insert_one"),
    "users.find_one",
]
ANDROID = "/android/api"


class Request(NamedTuple):
    """A request by a signed-in user, or by a device or the Android app without a user."""

    status: int
    method: str
    path: str
    calls: list[str]
    body: Any = None
    by_user: bool = False


REQUESTS = {
    "event": Request(200, "GET", "/api/events/1", [SESSION], by_user=True),
    "list": Request(200, "GET", "/api/events", [SESSION], by_user=True),
    "favorites": Request(200, "GET", "/api/favorites", [SESSION, FAVORITES], by_user=True),
    "favorites of a device": Request(200, "GET", "/api/favorites", [FAVORITES]),
    "new favorite": Request(
        *(201, "POST", "/api/favorites", [SESSION, WRITE_FAVORITE, VISIBILITY, WROTE]),
        *({"eventId": 3}, True),
    ),
    "favorite again": Request(
        *(409, "POST", "/api/favorites", [WRITE_FAVORITE, WRITE_FAVORITE, FAVORITES]),
        {"eventId": 1},
    ),
    "no favorite any more": Request(
        *(200, "DELETE", "/api/favorites", [SESSION, WRITE_FAVORITE, WROTE]),
        *({"eventId": 1}, True),
    ),
    "recommendations": Request(200, "POST", "/api/recoms", [SESSION], ["concert"], by_user=True),
    "most popular": Request(200, "POST", "/api/recoms", [], []),
    "bookings": Request(
        200, "GET", "/api/bookings", [SESSION, "bookings.find", "events.find"], by_user=True
    ),
    "login": Request(200, "POST", "/api/users/login", ["users.find", *LOGIN], PERSON),
    "app: events": Request(200, "GET", f"{ANDROID}/events", []),
    "app: recommendations": Request(200, "POST", f"{ANDROID}/recoms", [], ["concert", "comedy"]),
    "app: favorites": Request(200, "GET", f"{ANDROID}/favorites", [FAVORITES]),
    "app: new favorite": Request(
        201, "POST", f"{ANDROID}/favorites", [WRITE_FAVORITE, VISIBILITY], {"eventId": 3}
    ),
    "app: no favorite any more": Request(
        200, "DELETE", f"{ANDROID}/favorites", [WRITE_FAVORITE], {"eventId": 1}
    ),
    "app: login": Request(
        200, "POST", f"{ANDROID}/users/login", ["users.find_one", *LOGIN], PERSON
    ),
}
# Requests that may be repeated, and so fill the caches themselves.
REPEATED = ("GET", "/recoms", "/login")


@contextmanager
def count_in_turn(app: Flask) -> Iterator[list[str]]:
    """Record the database calls without those of the change feed, which depend on the time."""
    with pytest.MonkeyPatch.context() as patch, count_calls((*READS, *WRITES)) as calls:
        for name in ("poll_if_due", "poll_now"):
            patch.setattr(EVENT_CACHE.get(app)._change_feed, name, lambda: None)
        yield calls


def sign_in(client: Any) -> dict[str, str]:
    """Return the headers of a user, of whom a login has trusted the address."""
    client.post("/api/auth/register", json=PERSON)
    token = client.post("/api/users/login", json=PERSON).json["accessToken"]
    return {"Authorization": f"Bearer {token}"}


@pytest.mark.parametrize("name", REQUESTS)
def test_a_frequent_request_makes_few_calls(app: Flask, db: Any, client: Any, name: str) -> None:
    request, user = REQUESTS[name], sign_in(client)
    headers = user if request.by_user else {}
    for number in (1, 2, 3):
        make_event(db, organizer_id=ObjectId(), category="concert")
        client.get(f"/api/events/{number}", headers=headers)
    for number in (1, 2):
        client.post("/api/favorites", json={"eventId": number}, headers=headers)
        booking = {"eventId": number, "ticketTypeId": 1, "quantity": 1}
        assert client.post("/api/bookings", json=booking, headers=user).status_code == 201

    def send() -> int:
        answer = client.open(
            request.path, method=request.method, json=request.body, headers=headers
        )
        return answer.status_code

    if request.method == "GET" or request.path.endswith(REPEATED):
        send(), send()
    with count_in_turn(app) as calls:
        assert send() == request.status
    assert not Counter(calls) - Counter(request.calls), calls
