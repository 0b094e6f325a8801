"""When ticket types are on sale, and what guards a take against a window that was changed."""

from datetime import UTC, datetime, timedelta

import pytest

from eventapp.inventory.allocation import allocate
from eventapp.inventory.rules import Allocation, TicketRequest
from eventapp.inventory.sale_windows import build_window_guards, find_moments, is_in_window
from eventapp.inventory.types import WaitlistedPart

NOW = datetime(2026, 5, 20, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
TYPE = {"ticketTypeId": 1, "availableTickets": 5, "waiting": 0}


@pytest.mark.parametrize(
    ("window", "is_open"),
    [
        ({}, True),
        ({"salesFrom": NOW}, True),
        ({"salesFrom": NOW + SECOND}, False),
        ({"salesUntil": NOW}, False),
        ({"salesUntil": NOW + SECOND}, True),
        ({"salesFrom": NOW, "salesUntil": NOW + SECOND}, True),
        ({"salesFrom": NOW - SECOND, "salesUntil": NOW}, False),
    ],
)
def test_a_type_is_on_sale_from_the_begin_of_its_window_until_before_its_end(window, is_open):
    assert is_in_window(window, NOW) is is_open
    ticket_type = {**TYPE, **window}
    event = {"ticketTypes": [ticket_type]}
    (asked,) = allocate(event, [TicketRequest("b", {1: 2}, moment=NOW)])
    assert asked == (
        Allocation({1: 2}, available={1: 5}) if is_open else Allocation(closed_type=ticket_type)
    )
    (paid_late,) = allocate(event, [TicketRequest("b", {1: 2}, moment=None)])
    assert paid_late.taken == {1: 2}


def test_the_window_of_a_type_that_is_not_asked_for_does_not_matter():
    closed = {**TYPE, "ticketTypeId": 2, "salesUntil": NOW}
    event = {"ticketTypes": [TYPE, closed]}
    one, unknown = allocate(
        event, [TicketRequest("b", items, moment=NOW) for items in ({1: 1}, {3: 1})]
    )
    assert (one.taken, unknown.unknown_type_id) == ({1: 1}, 3)


def test_a_request_that_was_resolved_before_an_edit_gets_nothing():
    event = {"ticketTypes": [TYPE], "terms": 4}
    before, after, any_time = allocate(
        event, [TicketRequest("b", {1: 1}, terms=terms) for terms in (3, 4, None)]
    )
    assert before == Allocation(has_other_terms=True)
    assert (after.taken, any_time.taken) == ({1: 1}, {1: 1})


def test_a_take_is_guarded_by_the_first_and_the_last_moment_at_which_a_type_was_asked_for():
    event = {"ticketTypes": [{**TYPE, "ticketTypeId": type_id} for type_id in (7, 8, 9)]}
    waits = Allocation({}, {8: WaitlistedPart(1, 1, 1)})
    grants = [
        (TicketRequest("a", {8: 1}, moment=NOW), Allocation({8: 1})),
        (TicketRequest("b", {8: 1}, moment=NOW + 2 * SECOND), waits),
        (TicketRequest("c", {8: 1}, moment=NOW + SECOND), Allocation({8: 1})),
        (TicketRequest("d", {9: 1}), Allocation({9: 1})),
    ]
    moments = find_moments(event, grants)
    assert moments == {1: (NOW, NOW + 2 * SECOND)}
    assert build_window_guards(moments) == {
        "ticketTypes.1.salesFrom": {"$not": {"$gt": NOW}},
        "ticketTypes.1.salesUntil": {"$not": {"$lte": NOW + 2 * SECOND}},
    }
