"""Who gets which tickets: the judgement alone, on figures as read."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventapp.inventory import rules, store
from eventapp.inventory.rules import (
    PARTIAL,
    REJECT,
    WAITLIST,
    WAITLIST_ONLY,
    StockMove,
    TicketRequest,
)

TODAY = datetime(2026, 5, 20, tzinfo=UTC)


def event(*kinds):
    """Types 1, 2, ... each `left` or `(left, waiting)`."""
    pairs = [kind if isinstance(kind, tuple) else (kind, 0) for kind in kinds]
    return {
        "ticketTypes": [
            {"ticketTypeId": n, "availableTickets": left, "waiting": w, "waitSequence": w}
            for n, (left, w) in enumerate(pairs, 1)
        ]
    }


def want(items, mode=REJECT, mark="m", **more):
    waitlist_entry_ids = {type_id: f"{mark}-{type_id}" for type_id in items}
    return TicketRequest(
        mark, items, on_shortfall=mode, waitlist_entry_ids=waitlist_entry_ids, **more
    )


@pytest.mark.parametrize(
    ("kinds", "items", "mode", "taken", "waits"),
    [
        ((5,), {1: 5}, REJECT, {1: 5}, {}),
        ((5,), {1: 6}, REJECT, {}, {}),
        ((5, 1), {1: 2, 2: 2}, REJECT, {}, {}),
        ((5, 1), {1: 2, 2: 2}, PARTIAL, {1: 2, 2: 1}, {}),
        ((5, 0), {1: 2, 2: 2}, PARTIAL, {1: 2}, {}),
        ((0, 0), {1: 2, 2: 2}, PARTIAL, {}, {}),
        ((5,), {1: 6}, WAITLIST, {1: 5}, {1: (1, 1, 1)}),
        ((0,), {1: 6}, WAITLIST, {}, {1: (6, 1, 1)}),
        (((9, 2),), {1: 6}, WAITLIST, {}, {1: (6, 3, 3)}),
        (((9, 2), 9), {1: 1, 2: 1}, REJECT, {}, {}),
        (((9, 2), 9), {1: 1, 2: 1}, PARTIAL, {2: 1}, {}),
        ((1,), {1: 2}, WAITLIST_ONLY, {}, {}),
        ((0,), {1: 2}, WAITLIST_ONLY, {}, {1: (2, 1, 1)}),
        (((5, 1),), {1: 2}, WAITLIST_ONLY, {}, {1: (2, 2, 2)}),
    ],
)
def test_one_caller(kinds, items, mode, taken, waits):
    (verdict,) = rules.allocate(event(*kinds), [want(items, mode)])
    assert (verdict.taken, verdict.waitlisted) == (taken, waits)
    assert verdict.is_refusal == (not taken and not waits)


def test_a_type_that_is_not_there():
    (verdict,) = rules.allocate(event(5), [want({1: 1, 9: 1})])
    assert (verdict.unknown_type_id, verdict.taken) == (9, {})


def test_in_order_of_arrival_and_what_was_left_is_told():
    asked = [want({1: 3}), want({1: 3}), want({1: 1}), want({1: 2}, WAITLIST), want({1: 1})]
    verdicts = rules.allocate(event(5), asked)
    assert [v.taken for v in verdicts] == [{1: 3}, {}, {1: 1}, {1: 1}, {}]
    assert [v.available for v in verdicts[1:]] == [{1: 2}, {1: 2}, {1: 1}, {1: 0}]
    assert verdicts[3].waitlisted == {1: (1, 1, 1)}


amounts = st.dictionaries(st.integers(1, 3), st.integers(1, 6), min_size=1)
modes = st.sampled_from([REJECT, PARTIAL, WAITLIST, WAITLIST_ONLY])
kinds = st.lists(st.tuples(st.integers(0, 12), st.integers(0, 2)), min_size=3, max_size=3)


@given(kinds, st.lists(st.tuples(amounts, modes, st.booleans()), max_size=8))
def test_never_more_than_there_is_and_nothing_of_what_is_waited_for(kinds, asked):
    before = event(*kinds)
    wanted = [want(items, mode, str(n), held=held) for n, (items, mode, held) in enumerate(asked)]
    verdicts = rules.allocate(before, wanted)
    taken = rules.total(verdict.taken for verdict in verdicts)
    for n, (left, waiting) in enumerate(kinds, 1):
        assert taken.get(n, 0) <= (0 if waiting else left)
    places = [place for v in verdicts for place in v.waitlisted.items()]
    assert len({(type_id, place[1]) for type_id, place in places}) == len(places)
    granted = [(w, v) for w, v in zip(wanted, verdicts, strict=True) if not v.is_refusal]
    changes = rules.sale_changes(before, granted)
    for steps in changes.values():
        assert sum(steps[n] for n in ("availableTickets", "soldTickets", "heldTickets")) == 0


@pytest.mark.parametrize(
    ("status", "last", "sold"),
    [
        ("published", 0, True),
        ("published", 9, True),
        ("published", -1, False),
        ("draft", 9, False),
        ("cancelled", 9, False),
        ("completed", 9, False),
    ],
)
def test_on_sale(status, last, sold):
    found = {"status": status, "lastDate": TODAY + timedelta(days=last)}
    assert rules.is_on_sale(found, TODAY) is sold


@pytest.mark.parametrize("held", [True, False])
def test_undoing_a_take_is_the_take_backwards(held):
    granted = [(want({1: 2, 2: 1}, held=held), rules.Allocation({1: 2, 2: 1}))]
    changes = rules.sale_changes(event(5, 5), granted)
    guards = store.sale_guards(event(5, 5), changes)
    entry = rules.sale_entries(granted, TODAY)["m"]
    undone = rules.changes_by_index(event(5, 5), rules.reversal_of(entry))
    for index, steps in undone.items():
        assert {n: -s for n, s in steps.items()} == {n: s for n, s in changes[index].items() if s}
    assert guards["ticketTypes.0.availableTickets"] == {"$gte": 2}


def test_moves_add_up_and_find_their_type_wherever_it_stands():
    back = StockMove.for_return("a", {1: 2, 2: 1}, held=False)
    sold = StockMove.for_confirmation("b", {2: 1}, {2: 3})
    gone = StockMove.for_leaving("c", 1)
    assert [move.key for move in (back, sold, gone)] == ["give-a", "confirm-b", "leave-c"]
    turned = {"ticketTypes": [{"ticketTypeId": 2}, {"ticketTypeId": 1}]}
    changes = rules.changes_by_index(turned, back.changes, sold.changes, gone.changes)
    assert changes == {
        0: {"availableTickets": 4, "soldTickets": 0, "heldTickets": -4},
        1: {"availableTickets": 2, "soldTickets": -2, "waiting": -1},
    }
