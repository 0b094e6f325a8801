"""The rules of the inventory alone: who gets which tickets, and what a change adds to the stock."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventapp.inventory import allocation, queues, rules
from eventapp.inventory.rules import (
    PARTIAL,
    REJECT,
    WAITLIST,
    WAITLIST_ONLY,
    StockMove,
    TicketRequest,
)
from eventapp.inventory.types import QueueChange

TODAY = datetime(2026, 5, 20, tzinfo=UTC)


def event_of(*stocks):
    """Return an event with ticket types 1, 2, ..., each `available` or `(available, waiting)`.

    All who wait do so in the queue that requests without an entry of the schedule join.
    """
    pairs = [stock if isinstance(stock, tuple) else (stock, 0) for stock in stocks]
    return {
        "ticketTypes": [
            {
                "ticketTypeId": type_id,
                "availableTickets": available,
                "waiting": waiting,
            }
            for type_id, (available, waiting) in enumerate(pairs, 1)
        ],
        "waitSequence": sum(waiting for _, waiting in pairs),
        "queues": {"0": {str(n): {"waiting": pair[1]} for n, pair in enumerate(pairs, 1)}},
    }


def request_of(items, mode=REJECT, booking_id="b", **more):
    entry_ids = {type_id: f"{booking_id}-{type_id}" for type_id in items}
    return TicketRequest(booking_id, items, on_shortfall=mode, waitlist_entry_ids=entry_ids, **more)


@pytest.mark.parametrize(
    ("stocks", "items", "mode", "taken", "waitlisted"),
    [
        ((5,), {1: 5}, REJECT, {1: 5}, {}),
        ((5,), {1: 6}, REJECT, {}, {}),
        ((5, 1), {1: 2, 2: 2}, REJECT, {}, {}),
        ((5, 1), {1: 2, 2: 2}, PARTIAL, {1: 2, 2: 1}, {}),
        ((5, 0), {1: 2, 2: 2}, PARTIAL, {1: 2}, {}),
        ((0, 0), {1: 2, 2: 2}, PARTIAL, {}, {}),
        ((5,), {1: 6}, WAITLIST, {1: 5}, {1: (1, 1, 1, None)}),
        ((0,), {1: 6}, WAITLIST, {}, {1: (6, 1, 1, None)}),
        (((9, 2),), {1: 6}, WAITLIST, {}, {1: (6, 3, 3, None)}),
        (((9, 2), 9), {1: 1, 2: 1}, REJECT, {}, {}),
        (((9, 2), 9), {1: 1, 2: 1}, PARTIAL, {2: 1}, {}),
        ((1,), {1: 2}, WAITLIST_ONLY, {}, {}),
        ((0,), {1: 2}, WAITLIST_ONLY, {}, {1: (2, 1, 1, None)}),
        (((5, 1),), {1: 2}, WAITLIST_ONLY, {}, {1: (2, 2, 2, None)}),
    ],
)
def test_a_request_alone_gets_what_its_mode_allows(stocks, items, mode, taken, waitlisted):
    (result,) = allocation.allocate(event_of(*stocks), [request_of(items, mode)])
    assert (result.taken, result.waitlisted) == (taken, waitlisted)
    assert result.is_empty == (not taken and not waitlisted)


def test_positions_are_those_of_a_type_and_an_entry_of_the_schedule():
    wanted = [request_of({1: 1}, WAITLIST_ONLY, schedule_id=number) for number in (0, 7, 7)]
    parts = [each.waitlisted[1] for each in allocation.allocate(event_of((0, 2)), wanted)]
    assert [(part.sequence, part.position) for part in parts] == [(3, 3), (4, 1), (5, 2)]


def test_an_unknown_ticket_type_is_named():
    (result,) = allocation.allocate(event_of(5), [request_of({1: 1, 9: 1})])
    assert (result.unknown_type_id, result.taken) == (9, {})


def test_requests_are_served_in_order_and_learn_what_was_available():
    requests = [
        request_of({1: 3}),
        request_of({1: 3}),
        request_of({1: 1}),
        request_of({1: 2}, WAITLIST),
        request_of({1: 1}),
    ]
    allocations = allocation.allocate(event_of(5), requests)
    assert [each.taken for each in allocations] == [{1: 3}, {}, {1: 1}, {1: 1}, {}]
    assert [each.available for each in allocations[1:]] == [{1: 2}, {1: 2}, {1: 1}, {1: 0}]
    assert allocations[3].waitlisted == {1: (1, 1, 1, None)}


item_lists = st.dictionaries(st.integers(1, 3), st.integers(1, 6), min_size=1)
modes = st.sampled_from([REJECT, PARTIAL, WAITLIST, WAITLIST_ONLY])
stock_lists = st.lists(st.tuples(st.integers(0, 12), st.integers(0, 2)), min_size=3, max_size=3)


@given(stock_lists, st.lists(st.tuples(item_lists, modes, st.booleans()), max_size=8))
def test_no_more_is_taken_than_available_and_nothing_that_others_wait_for(stocks, orders):
    event = event_of(*stocks)
    requests = [
        request_of(items, mode, str(number), held=held)
        for number, (items, mode, held) in enumerate(orders)
    ]
    allocations = allocation.allocate(event, requests)
    taken = rules.sum_quantities(allocation.taken for allocation in allocations)
    for type_id, (available, waiting) in enumerate(stocks, 1):
        assert taken.get(type_id, 0) <= (0 if waiting else available)
    joined = [item for allocation in allocations for item in allocation.waitlisted.items()]
    assert len({queued.sequence for _, queued in joined}) == len(joined)
    grants = [
        (request, allocation)
        for request, allocation in zip(requests, allocations, strict=True)
        if not allocation.is_empty
    ]
    for change in rules.compute_sale_changes(event, grants).values():
        assert sum(change[n] for n in ("availableTickets", "soldTickets", "heldTickets")) == 0


@pytest.mark.parametrize(
    ("status", "seconds_left", "on_sale"),
    [
        ("published", 1, True),
        ("published", 9, True),
        ("published", 0, False),
        ("published", -1, False),
        ("draft", 9, False),
        ("cancelled", 9, False),
        ("completed", 9, False),
    ],
)
def test_an_event_is_on_sale_until_its_last_entry_is_over_while_published(
    status, seconds_left, on_sale
):
    ends = (TODAY - timedelta(days=1), TODAY + timedelta(seconds=seconds_left))
    schedule = [{"scheduleId": n, "overAt": end} for n, end in enumerate(ends, start=1)]
    assert rules.is_on_sale({"status": status, "schedule": schedule}, TODAY) is on_sale


def test_requests_for_an_entry_that_is_over_get_nothing_and_leave_the_tickets_to_others():
    requests = [request_of({1: 5}, schedule_id=1), request_of({1: 5}, schedule_id=2)]
    over, open_ = allocation.allocate(event_of(5), requests, over={1})
    assert (over.entry_is_over, over.is_empty) == (True, True)
    assert open_.taken == {1: 5}


@pytest.mark.parametrize("held", [True, False])
def test_the_reversal_of_a_take_undoes_all_of_its_changes(held):
    event = event_of(5, 5)
    grants = [(request_of({1: 2, 2: 1}, held=held), rules.Allocation({1: 2, 2: 1}))]
    changes = rules.compute_sale_changes(event, grants)
    guards = queues.build_sale_guards(event, changes, {}, {})
    entry = rules.build_sale_entries(grants, TODAY)["b"]
    undone = rules.sum_changes_by_index(event, rules.compute_reversal(entry))
    for index, reversal in undone.items():
        taken = {counter: change for counter, change in changes[index].items() if change}
        assert {counter: -change for counter, change in reversal.items()} == taken
    assert guards["ticketTypes.0.availableTickets"] == {"$gte": 2}


def test_cells_get_the_tickets_of_their_entry_and_type():
    grants = [
        (request_of({1: 2, 2: 1}, schedule_id=7), rules.Allocation({1: 2, 2: 1})),
        (request_of({1: 3}, schedule_id=7, held=True), rules.Allocation({1: 3})),
        (request_of({1: 1}), rules.Allocation({1: 1})),
        (request_of({2: 1}, WAITLIST, schedule_id=8), rules.Allocation({}, {2: (1, 1, 1, None)})),
    ]
    cells = rules.compute_sale_cells(grants)
    assert cells == {(7, 1): {"sold": 2, "held": 3}, (7, 2): {"sold": 1}, (0, 1): {"sold": 1}}
    entries = rules.build_sale_entries(grants[:1], TODAY)
    assert entries["b"]["scheduleId"] == 7
    reversal = rules.compute_reversal(entries["b"])
    undone = rules.sum_cell_changes([(entries["b"]["scheduleId"], reversal)])
    assert undone == {(7, 1): {"sold": -2}, (7, 2): {"sold": -1}}


def test_the_cells_of_moves_add_up_by_entry():
    back = StockMove("a", {1: {"availableTickets": 2, "soldTickets": -2}}, schedule_id=7)
    confirmed = StockMove.for_confirmation("b", {2: 1})
    left = StockMove.for_leaving("c", 0, 1)
    changes = rules.sum_cell_changes((m.schedule_id, m.changes) for m in (back, confirmed, left))
    assert changes == {(7, 1): {"sold": -2}, (0, 2): {"sold": 1, "held": -1}}


def test_moves_add_up_and_find_each_ticket_type_at_any_index():
    back = StockMove.for_return("a", {1: 2, 2: 1}, held=False)
    sold = StockMove.for_confirmation("b", {2: 1})
    left = StockMove.for_leaving("c", 0, 1)
    assert [move.key for move in (back, sold, left)] == ["give-a", "confirm-b", "leave-c"]
    reordered = {"ticketTypes": [{"ticketTypeId": 2}, {"ticketTypeId": 1}]}
    changes = rules.sum_changes_by_index(reordered, back.changes, sold.changes, left.changes)
    assert changes == {
        0: {"availableTickets": 1, "soldTickets": 0, "heldTickets": -1},
        1: {"availableTickets": 2, "soldTickets": -2},
    }


def test_nothing_is_available_while_somebody_waits():
    (result,) = allocation.allocate(event_of((9, 2)), [request_of({1: 6}, WAITLIST)])
    assert result.available == {1: 0}


def test_a_move_without_a_place_changes_no_queue():
    sold = StockMove.for_confirmation("b", {1: 1}).changes
    left = StockMove.for_leaving("c", 7, 1).changes
    assert queues.sum_changes(event_of(5), [(7, sold)]) == {}
    assert queues.sum_changes(event_of(5), [(7, sold), (7, left)]) == {(7, 1): (-1, None, False)}


def test_a_queue_begins_only_if_nobody_has_begun_it_since():
    update = queues.build_update(event_of(5), {(7, 1): QueueChange(2)})
    assert update.guards == {"queues.7.1.waiting": {"$not": {"$gt": 0}}}


def test_each_type_counts_its_places_while_the_queues_of_an_event_are_not_counted():
    event = {"ticketTypes": event_of(5, 5)["ticketTypes"]}
    update = queues.build_update(event, {(7, 2): QueueChange(1), (7, 1): QueueChange(2)})
    assert update.increments == {"ticketTypes.0.waiting": 2, "ticketTypes.1.waiting": 1}
    assert update.guards == {"waitSequence": None}


QUOTA = {"quotaId": 1, "availableTickets": 9, "waiting": 0}


def test_a_sale_is_guarded_by_the_stocks_that_it_takes_of_and_that_count_its_joins():
    event = {**event_of(5, 0), "quotas": [QUOTA]}
    taken = {0: {"availableTickets": -2}}, {0: -2}
    guards = {
        "ticketTypes.0.waiting": 0,
        "ticketTypes.0.availableTickets": {"$gte": 2},
        "quotas.0.waiting": 0,
        "quotas.0.availableTickets": {"$gte": 2},
    }
    assert queues.build_sale_guards(event, *taken, {}) == guards
    counted = {"ticketTypes.1.waiting": 0, "ticketTypes.1.availableTickets": 0, "waitSequence": 0}
    join = {(0, 2): QueueChange(1)}
    assert queues.build_sale_guards(event, *taken, join) == {**guards, **counted}
    awaited = {
        **event,
        "quotas": [{**QUOTA, "waiting": 1}],
        "queues": {"0": {"2": {"waiting": 1, "quotaId": 1}}},
    }
    assert queues.build_sale_guards(awaited, {}, {}, join) == {
        "waitSequence": 0,
        "quotas.0.waiting": {"$gte": 1},
    }


def test_a_queue_of_a_type_that_is_not_on_sale_keeps_nobody_off_a_quota():
    event = {
        "ticketTypes": [{**event_of(5)["ticketTypes"][0], "salesUntil": TODAY}],
        "quotas": [{**QUOTA, "waiting": 2}],
        "queues": {"7": {"1": {"waiting": 2, "quotaId": 1}}},
    }
    assert queues.find_moves(event, TODAY - timedelta(seconds=1)).changes == {}
    moved = {(7, 1): QueueChange(0, None, is_moved=True)}
    assert queues.find_moves(event, TODAY) == (moved, {})
    counted_by_its_type = {**event, "queues": {"7": {"1": {"waiting": 2}}}}
    assert queues.find_moves(counted_by_its_type, TODAY).changes == {}


STATE = {"title": "", "ticketTypes": [{"type": ""}], "schedule": [{"location": ""}]}
QUESTION = {"label": "日" * 90, "choices": ["日" * 70] * 3, "ticketTypeIds": [1, 2]}


QUESTION_LEAST = (
    rules.QUESTION_BYTES + 3 * rules.TEXT_BYTES + 2 * rules.ID_BYTES + 4 * (90 + 3 * 70)
)


@pytest.mark.parametrize(
    ("fields", "least"),
    [
        ({"queues": {"1": {"1": {}, "2": {}}}}, 2 * rules.QUEUE_BYTES),
        ({"questions": [QUESTION]}, QUESTION_LEAST),
        ({"promoCodes": {"spring": {}}}, rules.PROMO_CODE_BYTES),
        ({"title": "日" * 90}, 4 * 90),
        ({"ticketTypes": [{"type": "日" * 60, "description": "日" * 90}]}, 4 * 150),
        ({"schedule": [{"location": "日" * 60, "locationKey": "日" * 90}]}, 4 * 150),
    ],
)
def test_all_parts_of_a_sale_state_count_for_the_memory_that_it_takes(fields, least):
    added = rules.get_state_bytes({**STATE, **fields}) - rules.get_state_bytes(STATE)
    assert added >= least


@pytest.mark.parametrize(("fields", "least"), [({}, 1), ({"minPerBooking": 3}, 3)])
def test_a_queue_is_counted_by_its_type_as_long_as_that_has_too_few_tickets(fields, least):
    event = {
        "ticketTypes": [{**event_of(0)["ticketTypes"][0], **fields}],
        "quotas": [{**QUOTA, "waiting": 2}],
        "queues": {"7": {"1": {"waiting": 2, "quotaId": 1}}},
    }
    changes, guards = queues.find_moves(event, TODAY)
    assert changes == {(7, 1): QueueChange(0, None, is_moved=True)}
    assert guards == {"ticketTypes.0.availableTickets": {"$lt": least}}


def test_a_closed_type_does_not_hide_the_queues_after_it():
    first, second = event_of(0, 0)["ticketTypes"]
    counted = {"waiting": 1, "quotaId": 1}
    event = {
        "ticketTypes": [{**first, "salesUntil": TODAY}, second],
        "quotas": [{**QUOTA, "waiting": 2}],
        "queues": {"7": {"1": counted, "2": counted}},
    }
    changes, guards = queues.find_moves(event, TODAY)
    assert changes == dict.fromkeys(((7, 1), (7, 2)), QueueChange(0, None, is_moved=True))
    assert guards == {"ticketTypes.1.availableTickets": {"$lt": 1}}


def test_the_first_entry_of_an_event_gets_the_number_1():
    event = {"ticketTypes": event_of(0)["ticketTypes"]}
    (result,) = allocation.allocate(event, [request_of({1: 1}, WAITLIST)])
    assert result.waitlisted == {1: (1, 1, 1, None)}


def test_tickets_that_were_paid_late_need_no_minimum():
    event = {"ticketTypes": [{**event_of(5)["ticketTypes"][0], "minPerBooking": 3}]}
    sale, retake = allocation.allocate(
        event, [request_of({1: 1}), request_of({1: 1}, attempt_id="a", take_id="t")]
    )
    assert (sale.taken, retake.taken) == ({}, {1: 1})
