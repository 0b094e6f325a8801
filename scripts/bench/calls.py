"""The calls whose reference is what their own database calls cost: what each row sends."""

import itertools
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from flask import Flask

from eventapp.events.rules import CATEGORIES
from scripts.bench.call_costs import Exchange, make_unique_name, send
from scripts.bench.data import FAVORITES, KNOWN_USERS, PASSWORD, BenchmarkData, make_email
from scripts.bench.wrk import Request

# The requests of this many exchanges are sent before the second request of the first exchange, so
# that it comes after the answer of the first. The guest's favorites also limit it.
BLOCK = 300
ANDROID = "/android/api"


@dataclass(frozen=True)
class CallData:
    """What the requests are made of.

    Attributes:
        capabilities: ids by which the Android app changes the profiles of BLOCK users.
    """

    data: BenchmarkData
    capabilities: Sequence[str] = field(default=())

    def get_token(self, number: int) -> str:
        """Return the access token of a user with favorites and bookings."""
        return self.data.tokens[number % KNOWN_USERS]

    def get_favorite(self, number: int) -> int:
        """Return the eventId of an event that nobody has as a favorite."""
        return self.data.event_ids[FAVORITES + number % BLOCK]


@dataclass(frozen=True)
class CallKind:
    """A row of this kind.

    Attributes:
        name: the name of the row.
        expected: the text that the body of every answer contains.
        make: returns the requests of the exchange with a number. Each exchange leaves the database
            as it was, apart from new documents.
        hashes: whether each request computes a hash of a password.
        once: whether no exchange may be sent twice.
    """

    name: str
    expected: str
    make: Callable[[CallData, int], Exchange]
    hashes: bool = False
    once: bool = False


def list_favorites(calls: CallData, number: int) -> Exchange:
    return (Request("GET", "/api/favorites", calls.get_token(number)),)


def write_favorite(calls: CallData, number: int) -> Exchange:
    token = calls.get_token(number)
    body = json.dumps({"eventId": calls.get_favorite(number)})
    return tuple(Request(method, "/api/favorites", token, body) for method in ("POST", "DELETE"))


def recommend(calls: CallData, number: int) -> Exchange:
    return (Request("POST", "/api/recoms", calls.get_token(number), _choose_category(number)),)


def log_in(_calls: CallData, number: int) -> Exchange:
    body = {"email": make_email(number % KNOWN_USERS), "password": PASSWORD}
    return (Request("POST", "/api/users/login", None, json.dumps(body)),)


def list_bookings(calls: CallData, number: int) -> Exchange:
    return (Request("GET", "/api/bookings", calls.get_token(number % BLOCK)),)


def list_android_events(_calls: CallData, _number: int) -> Exchange:
    return (Request("GET", f"{ANDROID}/events"),)


def recommend_on_android(_calls: CallData, number: int) -> Exchange:
    return (Request("POST", f"{ANDROID}/recoms", None, _choose_category(number)),)


def list_android_favorites(_calls: CallData, _number: int) -> Exchange:
    return (Request("GET", f"{ANDROID}/favorites"),)


def write_android_favorite(calls: CallData, number: int) -> Exchange:
    body = json.dumps({"eventId": calls.get_favorite(number)})
    path = f"{ANDROID}/favorites"
    return tuple(Request(method, path, None, body) for method in ("POST", "DELETE"))


def register_on_android(_calls: CallData, _number: int) -> Exchange:
    name = make_unique_name()
    body = {"name": name, "email": f"{name}@example.org", "password": PASSWORD}
    return (Request("POST", f"{ANDROID}/users", None, json.dumps(body)),)


def log_in_on_android(_calls: CallData, number: int) -> Exchange:
    body = {"name": make_email(number % KNOWN_USERS), "password": PASSWORD}
    return (Request("POST", f"{ANDROID}/users/login", None, json.dumps(body)),)


def change_profile_on_android(calls: CallData, number: int) -> Exchange:
    path = f"{ANDROID}/users/{calls.capabilities[number % len(calls.capabilities)]}"
    bodies = (json.dumps({"about": about}) for about in ("Goes to concerts", ""))
    return tuple(Request("PUT", path, None, body) for body in bodies)


EVENTS_SHOWN, MESSAGE, ACCOUNT = '"eventId":', '"message":', '"_id":'
CALL_KINDS: Mapping[str, Sequence[CallKind]] = {
    "recoms": (CallKind("recoms", EVENTS_SHOWN, recommend),),
    "own-bookings": (CallKind("own-bookings", ACCOUNT, list_bookings),),
    # Requests of users who have just written use fewer caches, so this comes after those above.
    "favorites": (
        CallKind("favorite-list", EVENTS_SHOWN, list_favorites),
        CallKind("favorite-writes", MESSAGE, write_favorite),
    ),
    "login": (CallKind("login", ACCOUNT, log_in, hashes=True),),
    "android": (
        CallKind("android-events", EVENTS_SHOWN, list_android_events),
        CallKind("android-recoms", EVENTS_SHOWN, recommend_on_android),
        CallKind("android-favorites", EVENTS_SHOWN, list_android_favorites),
        CallKind("android-favorite-writes", MESSAGE, write_android_favorite),
        CallKind("android-register", ACCOUNT, register_on_android, hashes=True, once=True),
        CallKind("android-login", ACCOUNT, log_in_on_android, hashes=True),
        CallKind("android-profile", ACCOUNT, change_profile_on_android),
    ),
}


def open_profiles(app: Flask, data: BenchmarkData) -> CallData:
    """Log in some users as the Android app does, so that their profiles can be changed."""
    client, calls = app.test_client(), CallData(data)
    logins = (log_in_on_android(calls, number) for number in range(BLOCK))
    return CallData(data, [send(client, login[0])["_id"] for login in logins])


def interleave(kind: CallKind, calls: CallData, count: int) -> Iterator[Request]:
    """Yield the requests of at least `count` exchanges, those of a block step by step.

    No two exchanges of a block are of the same user, so none waits for the answer of another.
    """
    for start in itertools.count(0, BLOCK):
        if start >= count:
            return
        exchanges = [kind.make(calls, number) for number in range(start, start + BLOCK)]
        for step in zip(*exchanges, strict=True):
            yield from step


def _choose_category(number: int) -> str:
    return json.dumps([CATEGORIES[number % len(CATEGORIES)]])
