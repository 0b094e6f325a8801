"""Edits and sales at once: what a client gets, and for which price, is what the event last said.

A sale is resolved against a sale state from memory, and the update that takes its tickets is
guarded by the `terms` of that state. Each race has its control without this guard.
"""

from functools import partial

import pytest

from eventapp.bookings import transitions
from eventapp.bookings.sales import service as sales
from eventapp.core.clock import utc_now
from eventapp.events import editing, quota_editing
from eventapp.inventory import store as inventory_store
from eventapp.inventory.service import get_terms
from tests import factories
from tests.race import kit

SALES = 12


@pytest.fixture
def event(db):
    types = [{"type": name, "price": 0, "availableTickets": 500} for name in "AB"]
    return factories.make_event(db, ticketTypes=types)


@pytest.fixture
def without_terms(monkeypatch):
    """Take out the guard: a sale is made as it was resolved, whatever was edited since."""
    monkeypatch.setattr(inventory_store, "build_terms_guard", lambda _event: {})


def set_price(db, event, price):
    kit.edit(db, event, editing.make_type_patch(1, {"price": price}))


def swap_names(db, event):
    for type_id, name in ((1, "C"), (2, "A"), (1, "B")):
        kit.edit(db, event, editing.make_type_patch(type_id, {"type": name}))


def book_each(contexts, event, **purchase):
    """Book from each process, in order; return the bookings as answers show them."""
    return [kit.book(one, event, **purchase).data["booking"] for one in contexts]


def remember(contexts, event):
    """Let each process keep the event in memory, as it does after a sale."""
    for context in contexts:
        context.inventory.get_sale_state(event["eventId"])


def processes(context, count=3):
    return [kit.another_process(context) for _ in range(count)]


def test_a_remembered_price_sells_no_ticket(context, db, event):
    contexts = processes(context)
    remember(contexts, event)
    set_price(db, event, 10)
    bookings = book_each(contexts, event)
    assert [booking["totalPrice"] for booking in bookings] == [10, 10, 10]
    kit.assert_consistent(context)


def test_control_without_the_guard_a_remembered_price_sells(context, db, event, without_terms):
    contexts = processes(context)
    remember(contexts, event)
    set_price(db, event, 10)
    assert [booking["totalPrice"] for booking in book_each(contexts, event)] == [0, 0, 0]


def test_a_remembered_name_sells_no_ticket(context, db, event):
    contexts = processes(context)
    remember(contexts, event)
    swap_names(db, event)
    by_name = {"items": ((None, "A", 1),)}
    bookings = book_each(contexts, event, **by_name)
    assert [b["items"][0]["ticketTypeId"] for b in bookings] == [2, 2, 2]
    kit.assert_consistent(context)


def test_control_without_the_guard_a_remembered_name_sells(context, db, event, without_terms):
    contexts = processes(context)
    remember(contexts, event)
    swap_names(db, event)
    bookings = book_each(contexts, event, items=((None, "A", 1),))
    assert [b["items"][0]["ticketTypeId"] for b in bookings] == [1, 1, 1]


def add_quota(db, event, capacity, **lists):
    body = {"name": "", "capacity": capacity, **lists}
    kit.edit(db, event, quota_editing.make_quota_addition(body))


def test_a_remembered_state_without_a_quota_sells_no_ticket(context, db, event):
    contexts = processes(context)
    remember(contexts, event)
    add_quota(db, event, 2)
    orders = [partial(kit.book, one, event) for one in contexts]
    assert kit.count_outcomes([kit.run_concurrently(each)[0] for each in orders]) == {
        201: 2,
        "sold_out": 1,
    }
    kit.assert_consistent(context)


def test_control_without_the_guard_a_quota_is_passed_by(context, db, event, without_terms):
    contexts = processes(context)
    remember(contexts, event)
    add_quota(db, event, 2)
    book_each(contexts, event)
    assert kit.find_faults(context) == ["1: quota : availableTickets is 2, should be -1"]


def remove_first_quota(contexts, db, event):
    """Let each process remember three quotas, one for each type and one for both, and remove it."""
    add_quota(db, event, 10)
    add_quota(db, event, 20, ticketTypeIds=[1])
    add_quota(db, event, 30, ticketTypeIds=[2])
    remember(contexts, event)
    kit.edit(db, event, quota_editing.make_quota_removal(1))


def read_places(db):
    quotas = db.events.find_one({})["quotas"]
    return {each["quotaId"]: each["availableTickets"] for each in quotas}


def test_a_ticket_is_counted_in_its_quota_though_the_array_has_changed(context, db, event):
    contexts = processes(context)
    remove_first_quota(contexts, db, event)
    book_each(contexts, event)
    assert read_places(db) == {2: 17, 3: 30}
    kit.assert_consistent(context)


def test_control_without_the_guard_a_ticket_is_counted_in_the_wrong_quota(
    context, db, event, without_terms
):
    contexts = processes(context)
    remove_first_quota(contexts, db, event)
    book_each(contexts[:1], event)
    assert read_places(db) == {2: 19, 3: 29}
    assert kit.find_faults(context)


def sell_while_the_price_rises(context, db, event, monkeypatch):
    """Sell from several processes while an edit raises the price from 0 to 10.

    Returns:
        The prices of the bookings whose tickets were taken after the edit was answered.
    """
    real, is_answered = inventory_store.update_stock, []
    taken_after: set[str] = set()

    def update(*args, new_entries=None, **more):
        was_answered = bool(is_answered)
        after = real(*args, new_entries=new_entries, **more)
        if after and was_answered:
            taken_after.update(new_entries or {})
        return after

    def raise_price():
        set_price(db, event, 10)
        is_answered.append(True)

    monkeypatch.setattr(inventory_store, "update_stock", update)
    # The last process sells nothing during the race, so it keeps the price from before.
    contexts = processes(context, 5)
    remember(contexts, event)

    def buy(one):
        for _ in range(SALES):
            kit.book(one, event)

    kit.run_concurrently(raise_price, *[partial(buy, one) for one in contexts[:-1]])
    for one in contexts:
        kit.book(one, event)
    bookings = db.bookings.find({"eventId": event["eventId"]})
    return {b["totalPrice"] for b in bookings if str(b["_id"]) in taken_after}


def test_no_ticket_is_sold_free_after_the_rise_of_its_price_is_answered(
    context, db, event, monkeypatch
):
    assert sell_while_the_price_rises(context, db, event, monkeypatch) == {10}
    kit.assert_consistent(context)


def test_control_without_the_guard_tickets_are_sold_free_after_the_rise(
    context, db, event, monkeypatch, without_terms
):
    assert 0 in sell_while_the_price_rises(context, db, event, monkeypatch)


def test_an_edit_between_the_resolution_and_the_take_is_not_missed(context, db, event, monkeypatch):
    """The process itself has read the event again, so its memory is newer than the purchase."""
    resolve, is_first = sales.resolve_purchase, [True]

    def edited_after(*arguments):
        resolved = resolve(*arguments)
        if is_first:
            is_first.clear()
            set_price(db, event, 10)
            context.inventory.get_sale_state(event["eventId"], fresh=True)
        return resolved

    monkeypatch.setattr(sales, "resolve_purchase", edited_after)
    answer = kit.book(context, event)
    assert answer.data["booking"]["totalPrice"] == 10
    assert kit.stock_counters(db, event) == (499, 0, 1, 0)
    kit.assert_consistent(context)


def test_an_undo_and_a_move_begin_again_after_an_edit(context, db, event, monkeypatch):
    real = inventory_store.update_stock
    calls = []

    def edited_before(_db, state, *args, **more):
        calls.append(get_terms(state))
        if len(calls) == 1:
            kit.edit(db, event, lambda stored: {"ticketTypes": stored["ticketTypes"][::-1]})
        return real(_db, state, *args, **more)

    answer = kit.book(context, event, 3)
    monkeypatch.setattr(inventory_store, "update_stock", edited_before)
    kit.run_all_jobs(context, utc_now())
    transitions.cancel_booking(context, kit.booking_id(answer), kit.ADMIN, utc_now())
    assert calls == [0, 1]
    assert kit.stock_counters(db, event, 1) == (500, 0, 0, 0)
    kit.assert_consistent(context)


def test_sales_do_not_raise_the_terms_and_every_edit_does(client, context, db, event):
    kit.book(context, event, 2)
    assert "terms" not in db.events.find_one({})
    set_price(db, event, 5)
    swap_names(db, event)
    assert db.events.find_one({})["terms"] == 4
    kit.book(context, event, 2)
    assert db.events.find_one({})["terms"] == 4
    assert '"terms"' not in client.get(f"/api/events/{event['eventId']}").text
