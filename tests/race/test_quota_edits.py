"""Quotas are edited while tickets are sold: no quota is oversold, and each counts every ticket.

Each control shows that this fails without a guard.
"""

from functools import partial

import pytest

from eventapp.core.clock import utc_now
from eventapp.events import store as events_store
from eventapp.events.changes import NO_EVENT_CACHE
from eventapp.events.errors import BelowSold
from eventapp.events.quota_management import QuotaEditor
from eventapp.events.schedules import UTC_ZONE
from eventapp.inventory import store as inventory_store
from tests import factories
from tests.race import kit

BUYERS, TICKETS, STEP = 60, 60, 7


@pytest.fixture
def event(db):
    types = [{"type": name, "price": 0, "availableTickets": TICKETS} for name in "AB"]
    return factories.make_event(db, ticketTypes=types)


@pytest.fixture
def editor(db):
    return QuotaEditor(
        db, kit.ADMIN, event_changes=NO_EVENT_CACHE, now=utc_now(), default_zone=UTC_ZONE
    )


def add(editor, event, capacity, **lists):
    body = {"name": f"At most {capacity}", "capacity": capacity, **lists}
    return editor.create(event["eventId"], body)["quotaId"]


def free_places(db):
    return [each["availableTickets"] for each in db.events.find_one({})["quotas"]]


def lower_until_refused(editor, event, quota_id, capacity):
    """Lower the capacity step by step; return the last one that was accepted."""
    while True:
        try:
            editor.patch(event["eventId"], quota_id, {"capacity": capacity - STEP})
        except BelowSold:
            return capacity
        capacity -= STEP


def buy_while(context, event, edit):
    """Run an edit while buyers buy; return its result and the outcomes of the purchases."""
    contexts = [kit.another_process(context) for _ in range(4)]
    orders = [partial(kit.book, contexts[n % 4], event) for n in range(BUYERS)]
    with kit.in_background(edit) as editing:
        results = kit.run_concurrently(*orders)
        return editing.result(), kit.count_outcomes(results)


def test_a_capacity_that_falls_while_tickets_are_sold_is_never_oversold(context, db, event, editor):
    quota_id = add(editor, event, TICKETS)
    lower = partial(lower_until_refused, editor, event, quota_id, TICKETS)
    capacity, outcomes = buy_while(context, event, lower)
    # Every purchase was made before or after each edit, so it is sold if and only if it fits in.
    assert outcomes[201] <= capacity
    assert outcomes[201] + outcomes.get("sold_out", 0) == BUYERS
    assert db.events.find_one({})["quotas"][0]["capacity"] == capacity
    assert free_places(db) == [capacity - outcomes[201]]
    kit.assert_consistent(context)


def test_the_answer_to_a_refused_capacity_is_the_least_possible_one(context, db, event, editor):
    quota_id = add(editor, event, TICKETS)

    def lower_as_far_as_possible():
        try:
            editor.patch(event["eventId"], quota_id, {"capacity": 0})
        except BelowSold as refused:
            return refused.details["least"]
        return 0

    least, outcomes = buy_while(context, event, lower_as_far_as_possible)
    assert least <= outcomes[201]
    sold = outcomes[201]
    assert editor.patch(event["eventId"], quota_id, {"capacity": sold})["availableTickets"] == 0
    kit.assert_consistent(context)


def overtaken_by_a_sale(context, event, monkeypatch, write):
    """Make `write` the next write of an edit, and sell 2 tickets right before it."""

    def sell_then_write(*args, **options):
        monkeypatch.setattr(events_store, "write_if_unchanged", guarded)
        kit.book(context, event, 2)
        return write(*args, **options)

    guarded = events_store.write_if_unchanged
    monkeypatch.setattr(events_store, "write_if_unchanged", sell_then_write)


def test_a_capacity_that_was_possible_when_it_was_read_is_refused(
    context, db, event, editor, monkeypatch
):
    quota_id = add(editor, event, 5)
    overtaken_by_a_sale(context, event, monkeypatch, events_store.write_if_unchanged)
    with pytest.raises(BelowSold) as refused:
        editor.patch(event["eventId"], quota_id, {"capacity": 1})
    assert refused.value.details == {"least": 2}
    kit.assert_consistent(context)


def test_control_without_the_revision_it_is_accepted(context, db, event, editor, monkeypatch):
    def write_anyway(db, stored, fields, **options):
        now = events_store.find_event(db, stored["eventId"])
        return guarded(db, now, fields, **options)

    guarded = events_store.write_if_unchanged
    quota_id = add(editor, event, 5)
    overtaken_by_a_sale(context, event, monkeypatch, write_anyway)
    editor.patch(event["eventId"], quota_id, {"capacity": 1})
    assert "1: quota At most 5: availableTickets is 1, should be -1" in kit.find_faults(context)


def sell_while_a_quota_is_deleted(context, event, editor, monkeypatch):
    """Delete the first of two quotas between the read and the write of a sale of type B."""
    first = add(editor, event, 30, ticketTypeIds=[2])
    add(editor, event, 40, ticketTypeIds=[1])
    order = partial(kit.book, context, event, items=((2, None, 3),))
    with (
        kit.suspended(monkeypatch, inventory_store, "update_stock") as suspension,
        kit.in_background(order) as sale,
    ):
        suspension.wait()
        editor.delete(event["eventId"], first)
        suspension.resume()
        assert sale.result().status == 201


def test_a_sale_takes_no_place_of_another_quota_when_one_is_deleted(
    context, db, event, editor, monkeypatch
):
    sell_while_a_quota_is_deleted(context, event, editor, monkeypatch)
    assert free_places(db) == [40]
    kit.assert_consistent(context)


def test_control_without_terms_it_does(context, db, event, editor, monkeypatch):
    monkeypatch.setattr(inventory_store, "build_terms_guard", lambda _event: {})
    sell_while_a_quota_is_deleted(context, event, editor, monkeypatch)
    assert free_places(db) == [37]
    assert kit.find_faults(context) == ["1: quota At most 40: availableTickets is 37, should be 40"]


def test_a_quota_that_is_added_and_filled_during_sales_sells_its_places_and_no_more(
    context, db, event, editor
):
    """The quota has room for as many tickets as are sold when it is added, and 10 more."""

    def add_with_room():
        capacity = 10
        while True:
            try:
                return editor.create(event["eventId"], {"name": "Late", "capacity": capacity})
            except BelowSold as refused:
                capacity = refused.details["least"] + 10

    quota, outcomes = buy_while(context, event, add_with_room)
    assert outcomes[201] == min(quota["capacity"], BUYERS)
    assert free_places(db) == [quota["capacity"] - outcomes[201]]
    kit.assert_consistent(context)
