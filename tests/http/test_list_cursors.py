"""Every list of the OpenAPI document can be walked to its end by cursors."""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from itertools import count
from typing import Any

import pytest
from flask import Flask

from eventapp.accounts import sessions
from eventapp.core import paging
from eventapp.core.clock import utc_now
from eventapp.jobs import service as jobs
from tests import payments, sales, webhooks
from tests.bookings_factories import Caller, context_of, event_of
from tests.factories import day, make_user

# Answers with rows that need no cursor, and what limits the number of their rows.
BOUNDED = {
    "/api/auth/tokens": "at most 50 tokens",
    "/api/webhooks": "at most 20 webhooks",
    "/api/organizers/me/members": "at most 50 members and invitations",
    "/api/organizers/memberships": "at most 50 teams",
    "/api/organizers/me": "at most 10 links",
    "/api/organizers/{organizer_id}": "at most 10 links",
    "/api/events/suggest": "at most 5 of each",
    "/api/events/changes": "`limit` is at most 100; its cursor never ends",
    "/api/events/popular": "`limit` is at most 100",
    "/api/events/{event_id}": "an event has at most 366 dates and 50 ticket types",
    "/api/events/{event_id}/ticket-types": "an event has at most 50 ticket types",
    "/api/events/{event_id}/promo-codes": "an event has at most 200 promo codes",
    "/api/events/{event_id}/quotas": "an event has at most 50 quotas",
    "/api/events/{event_id}/devices": "at most 50 devices",
    "/api/events/{event_id}/stats": "by type and by day, of one event",
    "/api/events/{event_id}/check-in": "only the tickets that were checked in last",
    "/api/favorites": "at most 500 favorites",
    "/api/bookings/{booking_id}/tickets": "at most 10 tickets",
    "/api/users/{user_id}/gallery": "at most 50 photos",
    "/api/users/{user_id}/export": "one document with everything, as the law demands",
    "/api/analytics/revenue": "at most 3,660 points",
    "/api/admin/dashboard": "the first 5 events",
    "/android/api/events": "at most 500 events, in the shape that the shipped app expects",
    "/android/api/favorites": "at most 500 favorites",
}
ROWS = 7


@dataclass
class Walk:
    """A caller, the path of a list of at least ROWS rows, and a function that adds a row to it."""

    caller: Caller
    path: str
    add: Callable[[], object]


@dataclass
class Scene:
    """What the walks share."""

    app: Flask
    db: Any
    client: Any

    def caller(self, role: str = "attendee") -> Caller:
        return Caller(self.client, self.app, role)


def repeat(add: Callable[[], object]) -> None:
    for _ in range(ROWS):
        add()


def walk_users(scene: Scene, path: str) -> Walk:
    def add() -> object:
        return make_user(scene.app)

    repeat(add)
    return Walk(scene.caller("admin"), path, add)


def walk_sessions(scene: Scene, path: str) -> Walk:
    caller = scene.caller()
    user = scene.db.users.find_one({"_id": caller.id})

    def add() -> object:
        return sessions.open_session(scene.db, user, now=utc_now(), lifetime=timedelta(days=1))

    repeat(add)
    return Walk(caller, path, add)


def walk_events(scene: Scene, path: str) -> Walk:
    host = scene.caller("organizer")

    def add() -> object:
        return event_of(scene.db, 5, organizer_id=host.id)

    repeat(add)
    path = path.replace("{organizer_id}", str(host.id))
    return Walk(scene.caller("admin") if "admin" in path else host, path, add)


def walk_own_bookings(scene: Scene, path: str) -> Walk:
    holder = scene.caller()

    def add() -> object:
        return holder.book(event_of(scene.db, 5))

    repeat(add)
    return Walk(holder, path.replace("{user_id}", str(holder.id)), add)


def walk_event_bookings(scene: Scene, path: str) -> Walk:
    host = scene.caller("organizer")
    event_id = event_of(scene.db, 50, organizer_id=host.id)

    def add() -> object:
        return scene.caller().book(event_id)

    repeat(add)
    return Walk(host, path.replace("{event_id}", str(event_id)), add)


def walk_announcements(scene: Scene, path: str) -> Walk:
    host = scene.caller("organizer")
    event_id = event_of(scene.db, 5, organizer_id=host.id)
    path, days = path.replace("{event_id}", str(event_id)), itertools.count(1)

    def add() -> object:
        send_at = f"{day(next(days))}T12:00:00Z"
        body = {"subject": "News", "text": "Hello", "sendAt": send_at}
        return host.call("POST", path.removeprefix("/api"), body)

    repeat(add)
    return Walk(host, path, add)


def walk_deliveries(scene: Scene, path: str) -> Walk:
    host = scene.caller("organizer")
    webhook_id = webhooks.create(host)["webhookId"]

    def add() -> object:
        return host.call("POST", f"/webhooks/{webhook_id}/test")

    repeat(add)
    return Walk(host, path.replace("{webhook_id}", webhook_id), add)


def walk_messages(scene: Scene, path: str) -> Walk:
    author, event_id = scene.caller(), event_of(scene.db, 5)
    path = path.replace("{event_id}", str(event_id))

    def add() -> object:
        return author.call("POST", path.removeprefix("/api"), {"text": "Hello"})

    repeat(add)
    return Walk(author, path, add)


def walk_notifications(scene: Scene, path: str) -> Walk:
    holder = scene.caller()

    def add() -> object:
        holder.book(event_of(scene.db, 5))
        return jobs.run_job("tell", context_of(scene.app))

    repeat(add)
    return Walk(holder, path, add)


def make_full_event(scene: Scene) -> int:
    event_id = event_of(scene.db, 1)
    scene.caller().book(event_id)
    return event_id


def walk_own_entries(scene: Scene, path: str) -> Walk:
    waiting = scene.caller()

    def add() -> object:
        return waiting.wait(make_full_event(scene))

    repeat(add)
    return Walk(waiting, path, add)


def walk_offers(scene: Scene, path: str) -> Walk:
    waiting = scene.caller()

    def add() -> object:
        event_id, holder = event_of(scene.db, 1), scene.caller()
        booking = holder.book(event_id)
        waiting.wait(event_id)
        return holder.cancel(booking)

    repeat(add)
    return Walk(waiting, path, add)


def walk_waitlists(scene: Scene, path: str) -> Walk:
    def add() -> object:
        return scene.caller().wait(make_full_event(scene))

    repeat(add)
    return Walk(scene.caller("admin"), path, add)


def walk_availability(scene: Scene, path: str) -> Walk:
    host = scene.caller("organizer")
    event_id = event_of(scene.db, *[5] * ROWS, organizer_id=host.id)
    names = iter("IJKLMNOPQRST")

    def add() -> object:
        body = {"type": next(names), "price": 1, "availableTickets": 5}
        return host.call("POST", f"/events/{event_id}/ticket-types", body)

    return Walk(host, path.replace("{event_id}", str(event_id)), add)


def walk_event_waitlist(scene: Scene, path: str) -> Walk:
    host = scene.caller("organizer")
    event_id = event_of(scene.db, 1, organizer_id=host.id)
    scene.caller().book(event_id)

    def add() -> object:
        return scene.caller().wait(event_id)

    repeat(add)
    return Walk(host, path.replace("{event_id}", str(event_id)), add)


def walk_payments(scene: Scene, path: str) -> Walk:
    (event,) = sales.events_of(scene.db, [None])

    def add() -> object:
        return scene.db.bookings.insert_one(payments.paid_booking(event))

    repeat(add)
    return Walk(scene.caller("admin"), path, add)


def walk_event_log(scene: Scene, path: str) -> Walk:
    host = scene.caller("organizer")
    event_id, prices = event_of(scene.db, 5, organizer_id=host.id), count(1)

    def add() -> object:
        return host.call("PATCH", f"/events/{event_id}/ticket-types/1", {"price": next(prices)})

    repeat(add)
    return Walk(host, path.replace("{event_id}", str(event_id)), add)


WALKS: dict[str, Callable[[Scene, str], Walk]] = {
    "/api/users": walk_users,
    "/api/auth/sessions": walk_sessions,
    "/api/events": walk_events,
    "/api/organizers/{organizer_id}/events": walk_events,
    "/api/waitlist": walk_own_entries,
    "/api/waitlist/notifications": walk_offers,
    "/api/bookings": walk_own_bookings,
    "/api/users/{user_id}/bookings": walk_own_bookings,
    "/api/events/{event_id}/bookings": walk_event_bookings,
    "/api/events/{event_id}/attendees": walk_event_bookings,
    "/api/events/{event_id}/waitlist": walk_event_waitlist,
    "/api/events/{event_id}/messages": walk_messages,
    "/api/events/{event_id}/announcements": walk_announcements,
    "/api/events/{event_id}/availability": walk_availability,
    "/api/webhooks/{webhook_id}/deliveries": walk_deliveries,
    "/api/notifications": walk_notifications,
    "/api/analytics/events": walk_events,
    "/api/admin/users": walk_users,
    "/api/admin/events": walk_events,
    "/api/admin/waitlist": walk_waitlists,
    "/api/admin/payments": walk_payments,
    "/api/events/{event_id}/log": walk_event_log,
}

# These have no numbers of pages and no total, which would cost more than a page.
BY_CURSOR_ALONE = {"/api/events/{event_id}/attendees", "/api/events/{event_id}/waitlist"}


@pytest.fixture
def document(client: Any) -> dict[str, Any]:
    found: dict[str, Any] = client.get("/api/openapi.json").json
    return found


def resolve(document: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return schema


def find_lists(document: dict[str, Any]) -> Iterator[tuple[str, set[str], dict[str, Any]]]:
    """Yield the path, the query parameters and the answer's schema of each GET with rows."""
    for path, operations in document["paths"].items():
        content = operations.get("get", {}).get("responses", {}).get("200", {}).get("content", {})
        schema = resolve(document, content.get("application/json", {}).get("schema", {}))
        parameters = {each["name"] for each in operations.get("get", {}).get("parameters", [])}
        properties = schema.get("properties", {}).values()
        has_rows = any(resolve(document, each).get("type") == "array" for each in properties)
        if has_rows or schema.get("type") == "array" or "page" in parameters:
            yield path, parameters, schema


def test_every_list_of_the_document_has_a_cursor_or_a_bound(document: dict[str, Any]) -> None:
    paths = {path for path, _, _ in find_lists(document)}
    assert paths == WALKS.keys() | BOUNDED.keys()
    for path, parameters, schema in find_lists(document):
        if path in BY_CURSOR_ALONE:
            assert {"limit", "cursor"} <= parameters, path
            assert "page" not in parameters, path
            assert {"limit", "nextCursor"} <= schema["properties"].keys(), path
        elif path in WALKS:
            assert {"page", "limit", "cursor"} <= parameters, path
            names = {"page", "limit", "total", "pages", "totalIsCapped", "nextCursor"}
            assert names <= schema["properties"].keys(), path
        else:
            assert "page" not in parameters, path


def identify(row: dict[str, Any]) -> str:
    """Return the id of a row of any list."""
    names = ("_id", "announcementId", "logId", "sessionId", "bookingId", "ticketId")
    names += ("deliveryId",)
    names += ("eventId", "ticketTypeId")
    return str(next(row[name] for name in names if row.get(name)))


def read_pages(walk: Walk, path: str, *, first: str = "limit=2") -> Iterator[list[str]]:
    """Yield the ids of the rows of each page of a list, by its cursors."""
    query = f"?{first}"
    while query:
        answer = walk.caller.get(f"{walk.path.removeprefix('/api')}{query}")
        assert answer.status_code == 200, answer.json
        rows = next(value for name, value in answer.json.items() if name in ROW_NAMES)
        yield [identify(row) for row in rows]
        cursor = answer.json["nextCursor"]
        query = f"?limit=2&cursor={cursor}" if cursor else ""


ROW_NAMES = (
    *("users", "events", "waitlist", "notifications", "bookings", "messages"),
    *("availability", "sessions", "payments", "entries", "announcements", "attendees"),
    "deliveries",
)


@pytest.mark.parametrize("path", WALKS)
def test_cursors_walk_a_list_while_rows_are_added(
    app: Flask, db: Any, client: Any, path: str
) -> None:
    walk = WALKS[path](Scene(app, db, client), path)
    before = [id_ for page in read_pages(walk, path, first="limit=100") for id_ in page]
    assert len(before) >= ROWS
    walked: list[str] = []
    for page in read_pages(walk, path):
        walked += page
        if len(walked) <= ROWS:
            walk.add()
    assert len(walked) == len(set(walked)), "a row was repeated"
    assert set(before) <= set(walked), "a row was skipped"


@pytest.mark.parametrize("path", sorted(WALKS.keys() - BY_CURSOR_ALONE))
def test_cursors_lead_beyond_the_last_page_number(
    app: Flask, db: Any, client: Any, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paging, "COUNT_LIMIT", 4)
    walk = WALKS[path](Scene(app, db, client), path)
    list_path = walk.path.removeprefix("/api")
    first = walk.caller.get(f"{list_path}?limit=2").json
    assert (first["total"], first["pages"], first["totalIsCapped"]) == (4, 2, True)
    refused = walk.caller.get(f"{list_path}?limit=2&page=3")
    assert (refused.status_code, "page" in refused.json["errors"]) == (400, True)
    assert len([id_ for page in read_pages(walk, path) for id_ in page]) >= ROWS


@pytest.mark.parametrize("path", WALKS)
def test_a_cursor_of_another_list_is_refused(app: Flask, db: Any, client: Any, path: str) -> None:
    walk = WALKS[path](Scene(app, db, client), path)
    for cursor in ("x", "e30", paging.encode_cursor({"query": {}, "page": 1})):
        answer = walk.caller.get(f"{walk.path.removeprefix('/api')}?cursor={cursor}")
        assert (answer.status_code, answer.json["code"]) == (400, "validation_error")
