"""The waitlist of stocks that ticket types and dates share: who joined first is served first."""

from datetime import timedelta
from functools import partial

import pytest
from bson import ObjectId

from eventapp.bookings import auditing, offer_answers, transitions, waitlist_offers
from eventapp.core.clock import utc_now
from eventapp.core.failpoints import set_failpoint_hook
from eventapp.events import editing, queues, quota_editing, rules
from eventapp.events.changes import NO_EVENT_CACHE
from eventapp.events.errors import TicketsTaken
from eventapp.inventory import queues as inventory_queues
from eventapp.inventory import store as inventory_store
from tests import factories
from tests.race import kit

FRIDAY, SATURDAY = 1, 2


@pytest.fixture
def event(db):
    """Return an event with two types of 9 tickets and two dates, without quotas."""
    types = [{"type": name, "price": 0, "availableTickets": 9} for name in "AB"]
    schedule = [{"date": factories.day(n), "location": f"Hall {n}"} for n in (5, 6)]
    return factories.make_event(db, ticketTypes=types, schedule=schedule)


def add_quotas(db, *rows):
    """Add quotas of these places and lists to an event without sales."""
    quotas = [
        {
            "quotaId": quota_id,
            "name": f"Quota {quota_id}",
            "capacity": places,
            "availableTickets": places,
            "waiting": 0,
            **lists,
        }
        for quota_id, (places, lists) in enumerate(rows, 1)
    ]
    update = {"$set": {"quotas": quotas, "nextQuotaId": len(rows) + 1}}
    db.events.update_one({}, {**update, "$inc": {"terms": 1, "rev": 1}})


def order(context, event, type_id, schedule_id, quantity=1, user=None):
    """Order tickets, and wait for those that are missing; return the user and the answer."""
    user = user or ObjectId()
    answer = kit.book(
        context,
        event,
        user=user,
        items=((type_id, None, quantity),),
        schedule_id=schedule_id,
        on_shortfall="waitlist",
    )
    return user, answer


def waiting_of(db):
    """Return `waiting` of each type, and of each quota."""
    event = db.events.find_one({})
    return [[each["waiting"] for each in event[name]] for name in ("ticketTypes", "quotas")]


def offered(db):
    """Return the user, type, date and quantity of each offer, in the order in which it was made."""
    offers = db.bookings.find({"waitlistEntryId": {"$exists": True}}).sort("_id", 1)
    return [
        (b["userId"], b["items"][0]["ticketTypeId"], b["scheduleId"], b["quantity"]) for b in offers
    ]


def cancel(context, answer):
    transitions.cancel_booking(context, kit.booking_id(answer), kit.ADMIN, utc_now())


def make_offers(context):
    return waitlist_offers.offer_tickets(context, 1, utc_now())


def test_two_types_that_share_a_hall_are_served_in_the_order_of_joining(context, db, event):
    add_quotas(db, (2, {}))
    sold = [order(context, event, type_id, FRIDAY)[1] for type_id in (1, 2)]
    waiters = [
        (order(context, event, type_id, date)[0], type_id, date)
        for type_id, date in ((2, SATURDAY), (1, FRIDAY), (2, FRIDAY), (1, SATURDAY))
    ]
    assert waiting_of(db) == [[0, 0], [4]]
    assert [entry["sequence"] for entry in db.waitlist.find().sort("_id", 1)] == [1, 2, 3, 4]
    kit.assert_consistent(context)
    contexts = [kit.another_process(context) for _ in range(4)]
    for answer in sold:
        cancel(context, answer)
    public = [partial(kit.book, one, event, items=((1, None, 1),)) for one in contexts]
    results = kit.run_concurrently(*[partial(make_offers, one) for one in contexts], *public)
    assert kit.count_outcomes(results)["sold_out"] == len(public)
    make_offers(context)
    assert offered(db) == [(*waiter, 1) for waiter in waiters[:2]]
    assert waiting_of(db) == [[0, 0], [2]]
    kit.assert_consistent(context)


def set_sales_end(db, type_index, **change):
    path = f"ticketTypes.{type_index}.salesUntil"
    update = {"$set": {path: change["ends"]}} if change else {"$unset": {path: ""}}
    db.events.update_one({}, {**update, "$inc": {"terms": 1, "rev": 1}})


def test_who_waits_for_a_type_whose_sale_has_ended_keeps_nobody_off_others(context, db, event):
    add_quotas(db, (1, {}))
    _, sold = order(context, event, 1, FRIDAY)
    waiter, _ = order(context, event, 2, FRIDAY)
    assert waiting_of(db) == [[0, 0], [1]]
    set_sales_end(db, 1, ends=utc_now() - timedelta(hours=1))
    cancel(context, sold)
    assert waitlist_offers.offer_available_tickets(context, utc_now()) == 0
    assert waiting_of(db) == [[0, 1], [0]]
    _, sold = order(context, event, 1, FRIDAY)
    assert sold.status == 201, sold
    kit.assert_consistent(context)
    set_sales_end(db, 1)
    waitlist_offers.offer_available_tickets(context, utc_now())
    assert waiting_of(db) == [[0, 0], [1]]
    cancel(context, sold)
    make_offers(context)
    assert offered(db) == [(waiter, 2, FRIDAY, 1)]
    kit.assert_consistent(context)


def test_two_dates_of_a_type_each_wait_for_their_own_places(context, db, event):
    add_quotas(db, (1, {"scheduleIds": [FRIDAY]}), (1, {"scheduleIds": [SATURDAY]}))
    friday, saturday = (order(context, event, 1, date)[1] for date in (FRIDAY, SATURDAY))
    first, second = (order(context, event, 1, date)[0] for date in (FRIDAY, SATURDAY))
    assert waiting_of(db) == [[0, 0], [1, 1]]
    cancel(context, saturday)
    make_offers(context)
    assert offered(db) == [(second, 1, SATURDAY, 1)]
    cancel(context, friday)
    make_offers(context)
    assert offered(db)[1:] == [(first, 1, FRIDAY, 1)]
    assert waiting_of(db) == [[0, 0], [0, 0]]
    kit.assert_consistent(context)


def test_who_waits_for_one_date_keeps_nobody_off_the_other(context, db, event):
    add_quotas(db, (1, {"scheduleIds": [FRIDAY]}))
    order(context, event, 1, FRIDAY)
    _, answer = order(context, event, 1, FRIDAY)
    assert answer.status == 202
    assert order(context, event, 1, SATURDAY)[1].status == 201
    assert order(context, event, 2, SATURDAY)[1].status == 201
    kit.assert_consistent(context)


def test_an_order_that_a_quota_limits_waits_for_the_rest(context, db, event):
    add_quotas(db, (3, {"scheduleIds": [FRIDAY]}))
    user, answer = order(context, event, 1, FRIDAY, 5)
    assert answer.status == 201
    assert answer.data["booking"]["quantity"] == 3
    entry = db.waitlist.find_one({})
    assert (entry["userId"], entry["quantity"], entry["scheduleId"]) == (user, 2, FRIDAY)
    assert waiting_of(db) == [[0, 0], [1]]
    kit.assert_consistent(context)


def test_a_queue_is_counted_where_it_lacks_tickets(context, db, event):
    """The type has none, then only the hall; nobody else is kept off meanwhile."""
    add_quotas(db, (4, {"scheduleIds": [FRIDAY]}))
    db.events.update_one({}, {"$set": {"ticketTypes.0.availableTickets": 4, "available": 13}})
    db.events.update_one({}, {"$set": {"ticketTypes.0.capacity": 4}})
    friday = order(context, event, 1, FRIDAY, 2)[1]
    saturday = order(context, event, 1, SATURDAY, 2)[1]
    order(context, event, 2, FRIDAY, 2)  # the last places of Friday
    user = order(context, event, 1, FRIDAY)[0]
    assert waiting_of(db) == [[1, 0], [0]]
    cancel(context, saturday)
    assert kit.find_faults(context) == []
    make_offers(context)
    assert waiting_of(db) == [[0, 0], [1]]
    assert offered(db) == []
    assert order(context, event, 1, SATURDAY)[1].status == 201
    kit.assert_consistent(context)
    cancel(context, friday)
    make_offers(context)
    assert offered(db) == [(user, 1, FRIDAY, 1)]
    assert waiting_of(db) == [[0, 0], [0]]
    kit.assert_consistent(context)


def move_while_a_place_is_returned(context, db, event, monkeypatch):
    """Return a place of the hall between the read and the write that counts the queue there."""
    add_quotas(db, (1, {"scheduleIds": [FRIDAY]}))
    sold = order(context, event, 1, FRIDAY)[1]
    order(context, event, 1, FRIDAY)
    queue = {"queues.1.1": {"waiting": 1}, "ticketTypes.0.waiting": 1, "quotas.0.waiting": 0}
    db.events.update_one({}, {"$set": queue, "$inc": {"rev": 1}})
    mover = kit.another_process(context)
    state = mover.inventory.get_sale_state(1, fresh=True)
    cancel(context, sold)
    mover.inventory.move_queues(state, utc_now())


def test_a_queue_is_not_moved_to_a_stock_that_got_tickets(context, db, event, monkeypatch):
    move_while_a_place_is_returned(context, db, event, monkeypatch)
    assert waiting_of(db) == [[1, 0], [0]]
    kit.assert_consistent(context)


def test_control_without_the_guard_it_is_moved_anyway(context, db, event, monkeypatch):
    real = inventory_queues.find_moves
    monkeypatch.setattr(inventory_queues, "find_moves", lambda *a: real(*a)._replace(guards={}))
    move_while_a_place_is_returned(context, db, event, monkeypatch)
    assert waiting_of(db) == [[0, 0], [1]]


def move_and_leave_concurrently(context, db, event):
    """Let two leave and one join while several processes count their queue elsewhere."""
    add_quotas(db, (1, {"scheduleIds": [FRIDAY]}))
    order(context, event, 1, FRIDAY)
    users = [order(context, event, 1, FRIDAY)[0] for _ in range(3)]
    queue = {"queues.1.1": {"waiting": 3}, "ticketTypes.0.waiting": 3, "quotas.0.waiting": 0}
    db.events.update_one({}, {"$set": queue, "$inc": {"rev": 1}})
    contexts = [kit.another_process(context) for _ in range(4)]
    leave = partial(offer_answers.leave_waitlist, event_id=1, now=utc_now())
    results = kit.run_concurrently(
        *[partial(make_offers, one) for one in contexts],
        *[partial(leave, contexts[0], actor=kit.attendee(user)) for user in users[:2]],
        partial(order, contexts[1], event, 1, FRIDAY),
    )
    make_offers(context)
    return results


def test_a_queue_that_is_moved_while_entries_leave_counts_each_once(context, db, event):
    for _ in range(5):
        move_and_leave_concurrently(context, db, event)
        assert waiting_of(db) == [[0, 0], [2]]
        assert db.events.find_one({})["queues"]["1"]["1"] == {"waiting": 2, "quotaId": 1}
        assert kit.find_faults(context) == []
        for name in ("bookings", "waitlist"):
            db[name].delete_many({})
        stock = {"availableTickets": 9, "soldTickets": 0, "waiting": 0}
        fields = {f"ticketTypes.0.{name}": value for name, value in stock.items()}
        fields |= {"available": 18, "quotas": [], "queues": {}, "cells": {}, "inFlight": {}}
        db.events.update_one({}, {"$set": fields, "$inc": {"rev": 1}})
        context = kit.another_process(context)


def leave_while_the_queue_is_moved(context, db, event, monkeypatch):
    """Count a queue elsewhere between the read and the write of a leave."""
    add_quotas(db, (1, {"scheduleIds": [FRIDAY]}))
    order(context, event, 1, FRIDAY)
    user = order(context, event, 1, FRIDAY)[0]
    queue = {"queues.1.1": {"waiting": 1}, "ticketTypes.0.waiting": 1, "quotas.0.waiting": 0}
    db.events.update_one({}, {"$set": queue, "$inc": {"rev": 1}})
    leaving = kit.another_process(context)
    leave = partial(offer_answers.leave_waitlist, leaving, 1, kit.attendee(user), utc_now())
    with (
        kit.suspended(monkeypatch, inventory_store, "update_stock") as suspension,
        kit.in_background(leave) as left,
    ):
        suspension.wait()
        make_offers(context)
        suspension.resume()
        left.result()


def test_a_leave_lowers_the_stock_that_counts_its_queue_now(context, db, event, monkeypatch):
    leave_while_the_queue_is_moved(context, db, event, monkeypatch)
    assert waiting_of(db) == [[0, 0], [0]]
    kit.assert_consistent(context)


def test_control_without_the_guard_of_the_queue_another_stock_is_lowered(
    context, db, event, monkeypatch
):
    monkeypatch.setattr(inventory_queues, "_build_queue_guards", lambda *_: {})
    leave_while_the_queue_is_moved(context, db, event, monkeypatch)
    assert waiting_of(db) == [[-1, 0], [1]]


def join_while_a_place_is_returned(context, db, event, monkeypatch):
    """Return the last place of a quota while a join is between its read and its write."""
    add_quotas(db, (1, {"scheduleIds": [FRIDAY]}))
    sold = order(context, event, 1, FRIDAY)[1]
    joining = kit.another_process(context)
    with (
        kit.suspended(
            monkeypatch,
            inventory_store,
            "update_stock",
            when=lambda *_, **options: options.get("joins"),
        ) as suspension,
        kit.in_background(partial(order, joining, event, 2, FRIDAY)) as joined,
    ):
        suspension.wait()
        cancel(context, sold)
        suspension.resume()
        return joined.result()[1]


def test_nobody_begins_to_wait_for_a_place_that_is_returned(context, db, event, monkeypatch):
    assert join_while_a_place_is_returned(context, db, event, monkeypatch).status == 201
    assert waiting_of(db) == [[0, 0], [0]]
    kit.assert_consistent(context)


def test_control_without_the_guard_of_the_counting_stock_one_waits(context, db, event, monkeypatch):
    monkeypatch.setattr(inventory_queues, "_build_counting_guards", lambda *_: {})
    assert join_while_a_place_is_returned(context, db, event, monkeypatch).status == 202
    assert waiting_of(db) == [[0, 0], [1]]


def test_figures_show_who_waits_for_a_type_wherever_that_is_counted(context, db, event):
    wait_at_a_quota(context, db, event)
    stored = db.events.find_one({})
    assert [queues.count_waiting_for(stored, each) for each in stored["ticketTypes"]] == [1, 0]


def test_a_process_that_dies_after_it_moved_a_queue_leaves_no_fault(context, db, event):
    """The move is one write, so nothing is left to complete."""
    add_quotas(db, (1, {"scheduleIds": [FRIDAY]}))
    order(context, event, 1, FRIDAY)
    order(context, event, 1, FRIDAY)
    queue = {"queues.1.1": {"waiting": 1}, "ticketTypes.0.waiting": 1, "quotas.0.waiting": 0}
    db.events.update_one({}, {"$set": queue, "$inc": {"rev": 1}})

    def die(name):
        if name == "queue-move":
            raise SystemExit

    set_failpoint_hook(die)
    try:
        with pytest.raises(SystemExit):
            make_offers(context)
    finally:
        set_failpoint_hook(None)
    assert waiting_of(db) == [[0, 0], [1]]
    kit.assert_consistent(kit.another_process(context))


# Edits.


def edit(db, change):
    editing.apply_edit(db, 1, change, event_changes=NO_EVENT_CACHE, actor=kit.ADMIN, now=utc_now())


def wait_at_a_quota(context, db, event):
    """Sell the last place of Friday, and let one wait for it; return who, and the sale."""
    add_quotas(db, (1, {"scheduleIds": [FRIDAY]}), (5, {"scheduleIds": [FRIDAY]}))
    sold = order(context, event, 1, FRIDAY)[1]
    user = order(context, event, 1, FRIDAY)[0]
    assert waiting_of(db) == [[0, 0], [1, 0]]
    return user, sold


@pytest.mark.parametrize(
    ("change", "waiting"),
    [
        (quota_editing.make_quota_removal(1), [[1, 0], [0]]),
        (quota_editing.make_quota_removal(2), [[0, 0], [1]]),
        (quota_editing.make_quota_patch(1, {"capacity": 3}), [[0, 0], [1, 0]]),
        (quota_editing.make_quota_patch(1, {"ticketTypeIds": [2]}), [[1, 0], [0, 0]]),
        (quota_editing.make_quota_patch(2, {"capacity": 1}), [[0, 0], [1, 0]]),
        (
            quota_editing.make_quota_addition({"name": "all", "capacity": 1}),
            [[0, 0], [1, 0, 0]],
        ),
        (editing.make_type_patch(1, {"availableTickets": 0}), [[0, 0], [1, 0]]),
    ],
)
def test_an_edit_counts_the_queues_in_its_own_write(context, db, event, change, waiting):
    wait_at_a_quota(context, db, event)
    edit(db, change)
    assert waiting_of(db) == waiting
    kit.assert_consistent(context)


def test_an_edit_removes_empty_queues(context, db, event):
    user, _ = wait_at_a_quota(context, db, event)
    offer_answers.leave_waitlist(context, 1, kit.attendee(user), utc_now())
    assert db.events.find_one({})["queues"] != {}
    edit(db, quota_editing.make_quota_removal(1))
    assert db.events.find_one({})["queues"] == {}
    order(context, event, 1, SATURDAY)
    kit.assert_consistent(context)


def test_a_queue_of_a_removed_quota_is_counted_by_the_next_that_lacks_places(context, db, event):
    user, _ = wait_at_a_quota(context, db, event)
    edit(db, quota_editing.make_quota_patch(2, {"capacity": 1}))
    edit(db, quota_editing.make_quota_removal(1))
    assert waiting_of(db) == [[0, 0], [1]]
    edit(db, quota_editing.make_quota_removal(2))
    assert waiting_of(db) == [[1, 0], []]
    make_offers(context)
    assert offered(db) == [(user, 1, FRIDAY, 1)]
    kit.assert_consistent(context)


@pytest.mark.parametrize("is_removed", [True, False])
def test_a_leave_that_a_quota_edit_overtakes_lowers_the_right_stock(
    context, db, event, monkeypatch, is_removed
):
    user, _ = wait_at_a_quota(context, db, event)
    leaving = kit.another_process(context)
    leave = partial(offer_answers.leave_waitlist, leaving, 1, kit.attendee(user), utc_now())
    with (
        kit.suspended(monkeypatch, inventory_store, "update_stock") as suspension,
        kit.in_background(leave) as left,
    ):
        suspension.wait()
        if is_removed:
            edit(db, quota_editing.make_quota_removal(1))
        else:
            edit(db, quota_editing.make_quota_patch(1, {"scheduleIds": [SATURDAY]}))
        suspension.resume()
        left.result()
    assert sum(sum(each) for each in waiting_of(db)) == 0
    kit.assert_consistent(context)


def test_what_somebody_waits_for_cannot_be_dropped(context, db, event):
    add_quotas(db, (0, {"scheduleIds": [FRIDAY]}))
    order(context, event, 1, FRIDAY)
    assert waiting_of(db) == [[0, 0], [1]]
    with pytest.raises(TicketsTaken):
        edit(db, editing.make_type_removal(1))
    stored = db.events.find_one({})
    assert rules.is_entry_in_use(stored, FRIDAY)
    assert not rules.is_entry_in_use(stored, SATURDAY)
    edit(db, editing.make_type_removal(2))
    kit.assert_consistent(context)


def test_a_repair_counts_the_queues_and_the_stocks(context, db, event):
    wait_at_a_quota(context, db, event)
    wrong = {"queues.1.1.waiting": 4, "quotas.0.waiting": 2, "ticketTypes.1.waiting": 1}
    db.events.update_one({}, {"$set": wrong, "$inc": {"rev": 1}})
    assert kit.find_faults(context) == [
        "1: B: waiting is 1, should be 0",
        "1: quota Quota 1: waiting is 2, should be 1",
        "1: queue of entry 1 and type 1: waiting is 4, should be 1",
    ]
    assert auditing.repair(context, 1, utc_now())
    assert waiting_of(db) == [[0, 0], [1, 0]]
    assert kit.find_faults(context) == []


def test_an_undone_join_and_an_undone_offer_leave_the_queue_as_it_was(
    context, db, event, monkeypatch
):
    """The processes die, and recovery undoes what they did in the stock."""
    user, sold = wait_at_a_quota(context, db, event)

    class Died(Exception):
        pass

    def die(*_args, **_options):
        raise Died

    with monkeypatch.context() as dying:
        dying.setattr("eventapp.waitlist.store.insert_entry", die)
        with pytest.raises(Died):
            order(context, event, 1, FRIDAY)
    assert waiting_of(db) == [[0, 0], [2, 0]]
    assert kit.find_faults(context) == []
    cancel(context, sold)
    with monkeypatch.context() as dying:
        dying.setattr(context.sales, "record", die)
        with pytest.raises(Died):
            make_offers(context)
    assert waiting_of(db) == [[0, 0], [1, 0]]
    assert kit.find_faults(context) == []
    kit.run_all_jobs(context, utc_now() + kit.AFTER_ABANDONMENT)
    make_offers(context)
    assert offered(db) == [(user, 1, FRIDAY, 1)]
    assert sum(sum(each) for each in waiting_of(db)) == 0
    kit.assert_consistent(context)
