"""While an event is closed for a repair, nothing changes its stock, and nothing edits it."""

import ast
import importlib
import inspect
import re
from datetime import timedelta

import pytest

from eventapp.core.access.actor import Actor
from eventapp.core.clock import utc_now
from eventapp.events import (
    event_log,
    store_alerts,
    store_changes,
    store_deletions,
    store_log,
    store_migration,
    store_ownership,
    store_timekeeping,
)
from eventapp.events import store as events_store
from eventapp.inventory import store as inventory_store
from eventapp.inventory import store_repairs
from eventapp.inventory.queues import build_update as build_queue_update
from eventapp.promotions import store as promotions_store
from tests.architecture import PACKAGE, ROOT
from tests.factories import make_event

WRITE_METHODS = {
    "update_one",
    "update_many",
    "find_one_and_update",
    "replace_one",
    "delete_many",
    "bulk_write",
    "insert_one",
    "insert_many",
}
TAKE = {"kind": "take", "items": [[1, 1]], "held": False, "by": "", "at": utc_now()}
NOTE = event_log.note_edit(Actor(), {}, {}, utc_now())
# Each guarded write, as a call with the database, the stored event, and the current time.
GUARDED = {
    inventory_store.update_stock: lambda db, event, now: inventory_store.update_stock(
        db,
        event,
        {0: {"availableTickets": -1, "soldTickets": 1}},
        cells={},
        quotas={},
        queues=build_queue_update(event, {}),
        guards={},
        now=now,
        new_entries={"b": TAKE},
    ),
    inventory_store.clear_entries: lambda db, _event, now: inventory_store.clear_entries(
        db, 1, ["a"], now
    ),
    store_repairs.close_event: lambda db, _event, now: store_repairs.close_event(
        db, 1, None, now, now + timedelta(days=1)
    ),
    events_store.write_if_unchanged: lambda db, event, now: events_store.write_if_unchanged(
        db, event, {"title": "New", "ticketTypes": []}, now=now, note=NOTE
    ),
    promotions_store.write_if_unchanged: lambda db, event, now: promotions_store.write_if_unchanged(
        db, event, {}, next_code_id=2, now=now, note=NOTE
    ),
    store_deletions.delete_if_unchanged: lambda db, event, now: store_deletions.delete_if_unchanged(
        db, event, now=now
    ),
}
# Writes that a closed event need not refuse.
UNGUARDED = {
    # They belong to the repair itself, and are guarded by its token.
    store_repairs.reopen_event,
    store_repairs.replace_stock,
    # It writes what the records require at the revision that it has read, as a repair does. A
    # repair of the same event finds the revision changed, and begins again.
    store_repairs.write_counts,
    # They make new events.
    events_store.insert,
    events_store.insert_many,
    # They change neither counters nor in-flight entries, nor what an organizer edits.
    inventory_store.set_oldest_entry_time,
    store_timekeeping.unlist_past,
    store_timekeeping.set_next_date_if_unchanged,
    events_store.clear_closing,
    store_log.remove_pending,
    store_log.clear_due,
    store_migration.write_if_unchanged,
    store_migration.write_texts_if_unchanged,
    store_changes.set_missing_times,
    store_ownership.set_organizer,
    store_alerts.clear_schedule_changes,
    store_alerts.postpone_schedule_changes,
    store_alerts.set_low_alert_sent,
    events_store.increase_scores,
    events_store.mark_answered,
    # It raises the revision of an event that is not deleted after all.
    store_deletions.revoke_deletion,
}


def list_writers(module):
    """Return the functions of a store that write the collection `events`."""
    for node in ast.parse(inspect.getsource(module)).body:
        if isinstance(node, ast.FunctionDef) and any(map(writes_events, ast.walk(node))):
            yield getattr(module, node.name)


def writes_events(node):
    if not isinstance(node, ast.Call):
        return False
    if isinstance(node.func, ast.Attribute) and node.func.attr in WRITE_METHODS:
        collection = ast.unparse(node.func.value)
    elif ast.unparse(node.func) == "delete_document":
        collection = ast.unparse(node.args[0])
    else:
        return False
    return re.search(r"db\.events\b|_events\(", collection)


def test_every_write_of_an_event_is_listed_here():
    paths = (path.relative_to(ROOT).with_suffix("") for path in PACKAGE.rglob("store*.py"))
    modules = [importlib.import_module(".".join(path.parts)) for path in paths]
    writers = {writer for module in modules for writer in list_writers(module)}
    assert writers == GUARDED.keys() | UNGUARDED


@pytest.mark.parametrize("write", GUARDED, ids=lambda write: write.__name__)
def test_a_closed_event_refuses_the_write(db, write):
    make_event(db)
    now = utc_now()
    db.events.update_one({}, {"$set": {"inFlight.a": TAKE, "closedUntil": now}})
    until = now + timedelta(seconds=5)
    db.events.update_one({}, {"$set": {"closedUntil": until}})
    closed = db.events.find_one({})
    assert not GUARDED[write](db, closed, now)
    assert db.events.find_one({}) == closed
    GUARDED[write](db, closed, until)
    assert db.events.find_one({}) != closed


@pytest.mark.parametrize("closed", [{}, {"closedUntil": None}])
@pytest.mark.parametrize("write", GUARDED, ids=lambda write: write.__name__)
def test_an_open_event_allows_the_write(db, write, closed):
    make_event(db)
    db.events.update_one({}, {"$set": {"inFlight.a": TAKE, **closed}})
    before = db.events.find_one({})
    GUARDED[write](db, before, utc_now())
    assert db.events.find_one({}) != before
