"""The sales rules of ticket types: merges of edits, what is refused, when a type is on sale."""

from datetime import UTC, datetime, timedelta

import pytest

from eventapp.core.errors import AppError
from eventapp.events import ticket_types
from eventapp.inventory import allocation, sale_windows
from eventapp.inventory.quantity_limits import refuse_quantities
from eventapp.inventory.rules import PARTIAL, REJECT, WAITLIST, WAITLIST_ONLY, TicketRequest

NOW = datetime(2030, 5, 20, 12, tzinfo=UTC)
TICK, DAY = timedelta(milliseconds=1), timedelta(days=1)
LAST_DATE = datetime(2030, 6, 1, tzinfo=UTC)
OVER_AT = LAST_DATE + timedelta(hours=20)


def type_of(**changes):
    return {**ticket_types.make_ticket_type(1, "A", 10, 5), **changes}


def event_of(*types, **changes):
    over_at = changes.pop("overAt", OVER_AT)
    schedule = [{"scheduleId": 1, "overAt": NOW - DAY}, {"scheduleId": 2, "overAt": over_at}]
    event = {"eventId": 1, "status": "published", "lastDate": LAST_DATE, "schedule": schedule}
    event |= changes
    return {**event, "ticketTypes": list(types)}


def edges(event, now=NOW):
    """Return the moments at which sale states change, one after the other."""
    found = []
    while (edge := ticket_types.find_next_edge(event, now)) is not None:
        found.append(edge)
        now = edge
        assert ticket_types.find_last_edge(event, now) == edge
    return found


def find_states(event, now=NOW):
    """Return the sale state of each ticket type."""
    public = ticket_types.count_public(event, now)
    shown = ticket_types.present_ticket_types(event, public, with_counts=False, now=now)
    return [each["saleState"] for each in shown]


@pytest.mark.parametrize(
    ("changes", "state"),
    [
        ({}, "on_sale"),
        ({"availableTickets": 0}, "sold_out"),
        ({"waiting": 1}, "sold_out"),
        ({"salesFrom": NOW}, "on_sale"),
        ({"salesFrom": NOW + TICK}, "scheduled"),
        ({"salesFrom": NOW + TICK, "availableTickets": 0}, "scheduled"),
        ({"salesUntil": NOW + TICK}, "on_sale"),
        ({"salesUntil": NOW}, "ended"),
        ({"salesUntil": NOW, "availableTickets": 0}, "ended"),
        ({"salesFrom": NOW - DAY, "salesUntil": NOW - TICK}, "ended"),
        ({"salesFrom": NOW - TICK, "salesUntil": NOW + TICK}, "on_sale"),
    ],
)
def test_the_sale_state_of_a_type(changes, state):
    ticket_type = type_of(**changes)
    assert find_states(event_of(ticket_type)) == [state]
    is_open = sale_windows.is_in_window(ticket_type, NOW)
    assert is_open == (state in ("on_sale", "sold_out"))


@pytest.mark.parametrize(
    ("changes", "state"),
    [
        ({"status": "draft"}, "scheduled"),
        ({"status": "cancelled"}, "ended"),
        ({"status": "completed"}, "ended"),
        ({"overAt": NOW}, "ended"),
        ({"overAt": NOW + TICK}, "on_sale"),
        ({"status": "draft", "overAt": NOW}, "ended"),
        ({"schedule": [{}], "lastDate": NOW - DAY}, "ended"),
        ({"schedule": [{}], "lastDate": NOW - DAY + TICK}, "on_sale"),
    ],
)
def test_the_event_decides_first(changes, state):
    event = event_of(type_of(), **changes)
    assert find_states(event) == [state]


def test_a_draft_whose_sale_has_ended_says_so():
    event = event_of(type_of(salesUntil=NOW), status="draft")
    assert find_states(event) == ["ended"]


def test_the_next_edges_are_those_of_all_types_and_the_end_of_the_event():
    event = event_of(
        type_of(salesFrom=NOW - DAY, salesUntil=NOW + 2 * DAY),
        type_of(salesFrom=NOW + TICK),
        type_of(salesUntil=NOW),
    )
    assert edges(event) == [NOW + TICK, NOW + 2 * DAY, OVER_AT]
    assert edges(event_of(type_of())) == [OVER_AT]
    for status in ("draft", "cancelled", "completed"):
        assert edges({**event, "status": status}) == edges(event)


def test_every_date_is_an_edge_of_an_event_with_quotas():
    dates = [{"scheduleId": n, "overAt": NOW + n * DAY} for n in (1, 3, 2)]
    event = event_of(type_of(), schedule=dates)
    assert edges(event) == [NOW + 3 * DAY]
    assert edges({**event, "quotas": [{}]}) == [NOW + DAY, NOW + 2 * DAY, NOW + 3 * DAY]


def test_the_edges_of_types_that_are_not_public_tell_nobody():
    event = event_of(
        type_of(salesFrom=NOW + 2 * DAY),
        type_of(salesFrom=NOW + TICK, visibility="secret"),
        type_of(salesUntil=NOW + DAY, visibility="hidden"),
    )
    assert edges(event) == [NOW + 2 * DAY, OVER_AT]


def test_between_two_edges_no_sale_state_changes():
    types = [
        type_of(salesFrom=NOW + DAY, salesUntil=NOW + 2 * DAY),
        type_of(salesFrom=NOW + 3 * DAY),
        type_of(salesUntil=NOW + 3 * DAY + TICK),
    ]
    event = event_of(*types)
    moments = [NOW, *edges(event)]
    for begin, end in zip(moments, [*moments[1:], moments[-1] + DAY], strict=True):
        states = [
            find_states(event, moment) for moment in (begin, begin + (end - begin) / 2, end - TICK)
        ]
        assert states[0] == states[1] == states[2]


WINDOW = {"description": "Early", "salesFrom": NOW, "salesUntil": NOW + DAY}


@pytest.mark.parametrize(
    ("body", "after"),
    [
        ({}, WINDOW),
        ({"description": None}, {"salesFrom": NOW, "salesUntil": NOW + DAY}),
        ({"description": ""}, {"salesFrom": NOW, "salesUntil": NOW + DAY}),
        ({"description": "Late"}, {**WINDOW, "description": "Late"}),
        ({"salesFrom": None}, {"description": "Early", "salesUntil": NOW + DAY}),
        ({"salesUntil": NOW + 2 * DAY}, {**WINDOW, "salesUntil": NOW + 2 * DAY}),
        (dict.fromkeys(WINDOW), {}),
    ],
)
def test_an_edit_keeps_what_it_leaves_out_and_null_clears_it(body, after):
    stored = type_of(**WINDOW)
    expected = {**type_of(), **after}
    assert ticket_types.patch_ticket_type(stored, body) == expected
    whole = {"type": "A", "price": 10, "availableTickets": 5, **body}
    assert ticket_types.merge_ticket_types([stored], [whole], 2) == [expected]


@pytest.mark.parametrize(
    ("changes", "fields"),
    [
        ({}, []),
        ({"salesFrom": NOW}, []),
        ({"salesUntil": NOW}, []),
        ({"salesFrom": NOW, "salesUntil": NOW + TICK}, []),
        ({"salesFrom": NOW, "salesUntil": NOW}, ["salesUntil"]),
        ({"salesFrom": NOW, "salesUntil": NOW - DAY}, ["salesUntil"]),
        ({"minPerBooking": 3, "maxPerBooking": 3, "maxPerUser": 3}, []),
        ({"minPerBooking": 3, "maxPerBooking": 2, "maxPerUser": 3}, ["maxPerBooking"]),
        ({"minPerBooking": 3, "maxPerUser": 2}, ["maxPerUser"]),
        ({"maxPerBooking": 5, "maxPerUser": 2}, []),
    ],
)
def test_rules_that_contradict_each_other_are_found(changes, fields):
    types = [type_of(), type_of(**changes)]
    assert list(ticket_types.find_rule_faults(types[1])) == fields
    paths = [f"ticketTypes.1.{field}" for field in fields]
    assert list(ticket_types.find_all_rule_faults(types)) == paths


# Takes.


def sale_state(*types):
    event = event_of(*types)
    for number, each in enumerate(event["ticketTypes"], 1):
        each["ticketTypeId"] = number
    return event


def asked(moment, *type_ids, **changes):
    """Return a request for one ticket of each type at this moment."""
    ids = dict.fromkeys(type_ids, "e")
    return TicketRequest(
        "b", dict.fromkeys(type_ids, 1), waitlist_entry_ids=ids, moment=moment, **changes
    )


def test_each_caller_of_a_batch_is_judged_by_its_own_moment():
    state = sale_state(type_of(salesFrom=NOW, salesUntil=NOW + DAY, availableTickets=9), type_of())
    moments = [NOW - TICK, NOW, NOW + DAY - TICK, NOW + DAY, None]
    requests = [asked(moment, 1) for moment in moments]
    found = allocation.allocate(state, requests)
    assert [bool(each.taken) for each in found] == [False, True, True, False, True]
    assert [bool(each.closed_type) for each in found] == [True, False, False, True, False]
    granted = [(requests[index], found[index]) for index in (1, 2, 4)]
    assert sale_windows.find_moments(state, granted) == {0: (NOW, NOW + DAY - TICK)}


def test_a_request_for_two_types_is_refused_for_the_one_that_is_closed():
    state = sale_state(type_of(), type_of(salesFrom=NOW + TICK))
    (found,) = allocation.allocate(state, [asked(NOW, 1, 2, on_shortfall=WAITLIST)])
    assert found.is_empty
    assert found.closed_type["ticketTypeId"] == 2


def test_joins_of_a_waitlist_are_guarded_by_their_moments_too():
    state = sale_state(type_of(availableTickets=0))
    request = asked(NOW, 1, on_shortfall=WAITLIST)
    found = allocation.allocate(state, [request])
    assert found[0].waitlisted
    assert sale_windows.find_moments(state, [(request, found[0])]) == {0: (NOW, NOW)}


# Minimums.


@pytest.mark.parametrize(
    ("mode", "available", "taken", "waitlisted"),
    [
        (PARTIAL, 4, 4, 0),
        (PARTIAL, 3, 3, 0),
        (PARTIAL, 2, 0, 0),
        (WAITLIST, 5, 5, 0),
        (WAITLIST, 3, 3, 2),
        (WAITLIST, 2, 0, 5),
        (WAITLIST_ONLY, 2, 0, 5),
        (WAITLIST_ONLY, 3, 0, 0),
        (REJECT, 2, 0, 0),
    ],
)
def test_fewer_tickets_than_a_booking_must_have_count_as_none(mode, available, taken, waitlisted):
    state = sale_state(type_of(availableTickets=available, minPerBooking=3))
    request = TicketRequest("b", {1: 5}, on_shortfall=mode, waitlist_entry_ids={1: "e"})
    (found,) = allocation.allocate(state, [request])
    assert sum(found.taken.values()) == taken
    assert sum(each.quantity for each in found.waitlisted.values()) == waitlisted


def test_what_one_request_cannot_use_is_left_for_the_next():
    state = sale_state(type_of(availableTickets=5, minPerBooking=2))
    wanted = [(4, REJECT), (4, PARTIAL), (2, REJECT)]
    requests = [TicketRequest("b", {1: number}, on_shortfall=mode) for number, mode in wanted]
    assert [each.taken for each in allocation.allocate(state, requests)] == [{1: 4}, {}, {}]


@pytest.mark.parametrize(
    ("limits", "quantity", "error"),
    [
        ({}, 99, None),
        ({"minPerBooking": 2}, 2, None),
        ({"minPerBooking": 2}, 1, ("ticket_minimum", 2)),
        ({"maxPerBooking": 3}, 3, None),
        ({"maxPerBooking": 3}, 4, ("ticket_limit_exceeded", 3)),
        ({"maxPerUser": 3}, 3, None),
        ({"maxPerUser": 3}, 4, ("ticket_limit_exceeded", 3)),
        ({"maxPerBooking": 2, "maxPerUser": 5}, 3, ("ticket_limit_exceeded", 2)),
    ],
)
def test_quantities_outside_the_limits_of_a_type_are_refused_with_the_limit(
    limits, quantity, error
):
    event = sale_state(type_of(), type_of(**limits))
    if error is None:
        refuse_quantities(event, {1: 1, 2: quantity})
        return
    with pytest.raises(AppError) as raised:
        refuse_quantities(event, {1: 1, 2: quantity})
    code, limit = error
    assert raised.value.code == code
    assert raised.value.details == {"ticketTypeId": 2, "limit": limit}
