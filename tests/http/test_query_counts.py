"""The number of database calls of an answer does not grow with its rows."""

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from flask import Flask
from pymongo.collection import Collection

from eventapp.analytics import ranking, sales_sums
from eventapp.core.clock import utc_now
from eventapp.core.embedded.collection import EmbeddedCollection
from tests.bookings_factories import Caller, event_of
from tests.http.test_list_cursors import ROWS, WALKS, Scene, Walk, repeat, walk_own_entries

READS = ("aggregate", "count_documents", "distinct", "find", "find_one", "find_one_and_update")
WRITES = ("bulk_write", "delete_one", "delete_many", "insert_many", "insert_one", "update_many")
WRITES += ("update_one",)


@contextmanager
def count_calls(names: Iterable[str] = READS) -> Iterator[list[str]]:
    """Record the calls of these methods of all collections that are made in this block.

    Those that another of these methods makes are left out.
    """
    calls: list[str] = []
    current = threading.local()

    def record(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def recorded(collection: Any, *args: Any, **kwargs: Any) -> Any:
            if getattr(current, "is_in_call", False):
                return call(collection, *args, **kwargs)
            calls.append(f"{collection.name}.{name}")
            current.is_in_call = True
            try:
                return call(collection, *args, **kwargs)
            finally:
                current.is_in_call = False

        return recorded

    with pytest.MonkeyPatch.context() as patch:
        for class_ in (Collection, EmbeddedCollection):
            for name in names:
                if name in vars(class_):
                    patch.setattr(class_, name, record(name, vars(class_)[name]))
        yield calls


def read_counted(caller: Caller, path: str) -> list[str]:
    """Return the database calls of a GET, sorted."""
    with count_calls() as calls:
        answer = caller.get(path)
    assert answer.status_code == 200, answer.get_data()
    return sorted(calls)


def check_calls(caller: Caller, path: str, add: Callable[[], object]) -> None:
    """Assert that a GET makes the same database calls after rows were added."""
    add()  # A change since the last run of the jobs may cost calls of its own.
    read_counted(caller, path)  # Fills the caches.
    before = read_counted(caller, path)
    repeat(add)
    read_counted(caller, path)
    assert read_counted(caller, path) == before


@pytest.mark.parametrize("path", WALKS)
@pytest.mark.parametrize("state", ["new", "summed"])
def test_a_list_makes_as_many_calls_for_more_rows(
    app: Flask, db: Any, client: Any, path: str, state: str
) -> None:
    walk = WALKS[path](Scene(app, db, client), path)
    if state == "summed":
        sales_sums.refresh_sums(db, utc_now())
        ranking.refresh_ranks(db, utc_now())
    check_calls(walk.caller, f"{walk.path.removeprefix('/api')}?limit=100", walk.add)


def favorite(scene: Scene) -> Walk:
    fan = scene.caller()

    def add() -> object:
        return fan.call("POST", "/favorites", {"eventId": event_of(scene.db, 5)})

    repeat(add)
    return Walk(fan, "/favorites", add)


def export(scene: Scene) -> Walk:
    walk = walk_own_entries(scene, "")
    return Walk(walk.caller, f"/users/{walk.caller.id}/export", walk.add)


def look_at_dashboard(scene: Scene) -> Walk:
    walk = WALKS["/api/admin/waitlist"](scene, "")
    return Walk(walk.caller, "/admin/dashboard", walk.add)


def look_at_event(scene: Scene, path: str) -> Walk:
    host = scene.caller("organizer")
    event_id = event_of(scene.db, 100, organizer_id=host.id)

    def add() -> object:
        return scene.caller().book(event_id)

    repeat(add)
    return Walk(host, f"/events/{event_id}{path}", add)


def list_popular(scene: Scene) -> Walk:
    walk = WALKS["/api/events"](scene, "")
    return Walk(walk.caller, "/events/popular?limit=100", walk.add)


OTHERS: dict[str, Callable[[Scene], Walk]] = {
    "favorites": favorite,
    "export": export,
    "dashboard": look_at_dashboard,
    "stats": lambda scene: look_at_event(scene, "/stats"),
    "csv": lambda scene: look_at_event(scene, "/bookings.csv"),
    "check-in": lambda scene: look_at_event(scene, "/check-in"),
    "popular": list_popular,
}


@pytest.mark.parametrize("name", OTHERS)
def test_an_answer_makes_as_many_calls_for_more_rows(
    app: Flask, db: Any, client: Any, name: str
) -> None:
    walk = OTHERS[name](Scene(app, db, client))
    check_calls(walk.caller, walk.path, walk.add)


def test_the_counter_counts_each_call(db: Any) -> None:
    with count_calls() as calls:
        list(db.waitlist.find({}))
        db.waitlist.find_one({"_id": ROWS})
    assert calls == ["waitlist.find", "waitlist.find_one"]
