"""Quotas against a model that sells one ticket at a time and counts every ticket that it sold."""

import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventapp.events.quotas import count_taken
from eventapp.inventory import allocation, quotas, rules
from eventapp.inventory.rules import PARTIAL, REJECT, TicketRequest
from eventapp.inventory.types import Limit

TYPES, ENTRIES = (1, 2, 3), (0, 4, 7)


def quota_of(quota_id, places, *, types=None, entries=None, waiting=0):
    """Return a quota without sold places; None for `types` or `entries` matches all."""
    quota = {"quotaId": quota_id, "name": f"Q{quota_id}", "capacity": places, "waiting": waiting}
    quota["availableTickets"] = places
    if types is not None:
        quota["ticketTypeIds"] = list(types)
    if entries is not None:
        quota["scheduleIds"] = list(entries)
    return quota


def event_of(stocks, event_quotas):
    """Return an event with ticket types 1, 2, ... of these tickets."""
    ticket_types = [
        {
            "ticketTypeId": type_id,
            "availableTickets": tickets,
            "soldTickets": 0,
            "heldTickets": 0,
            "waiting": 0,
        }
        for type_id, tickets in enumerate(stocks, 1)
    ]
    return {"ticketTypes": ticket_types, "quotas": event_quotas}


def request_of(items, entry=4, mode=REJECT, held=False):
    return TicketRequest("b", items, schedule_id=entry, on_shortfall=mode, held=held)


FRIDAY, SATURDAY = 4, 7


@pytest.mark.parametrize(
    ("event_quotas", "entry", "items", "taken", "limited_by"),
    [
        ([], FRIDAY, {1: 9}, {1: 9}, []),
        ([quota_of(1, 4, entries=[FRIDAY])], FRIDAY, {1: 5}, {1: 4}, [(1, 1)]),
        ([quota_of(1, 4, entries=[FRIDAY])], SATURDAY, {1: 5}, {1: 5}, []),
        # A booking without an entry counts in no quota by date, and in the others.
        ([quota_of(1, 4, entries=[FRIDAY])], 0, {1: 5}, {1: 5}, []),
        ([quota_of(1, 4)], 0, {1: 5}, {1: 4}, [(1, 1)]),
        # The types of a request share a quota in the order of the body.
        ([quota_of(1, 4)], FRIDAY, {1: 3, 2: 3}, {1: 3, 2: 1}, [(2, 1)]),
        ([quota_of(1, 4)], FRIDAY, {2: 3, 1: 3}, {2: 3, 1: 1}, [(1, 1)]),
        ([quota_of(1, 4)], FRIDAY, {1: 4, 2: 1}, {1: 4}, [(2, 1)]),
        ([quota_of(1, 4, types=[2])], FRIDAY, {1: 3, 2: 5}, {1: 3, 2: 4}, [(2, 1)]),
        ([quota_of(1, 4, types=[1], entries=[SATURDAY])], FRIDAY, {1: 5}, {1: 5}, []),
        # Of several quotas the one with the fewest places limits, of equal ones the lowest id.
        ([quota_of(1, 4), quota_of(2, 3)], FRIDAY, {1: 5}, {1: 3}, [(1, 2)]),
        ([quota_of(1, 3), quota_of(2, 3)], FRIDAY, {1: 5}, {1: 3}, [(1, 1)]),
        # The type is named before a quota that limits alike.
        ([quota_of(1, 9)], FRIDAY, {1: 12}, {1: 9}, [(1, None)]),
        ([quota_of(1, 8)], FRIDAY, {1: 12}, {1: 8}, [(1, 1)]),
        # Who waits at a quota goes first.
        ([quota_of(1, 4, waiting=1)], FRIDAY, {1: 1, 2: 1}, {}, [(1, 1), (2, 1)]),
        ([quota_of(1, 4, types=[1], waiting=1)], FRIDAY, {1: 1, 2: 1}, {2: 1}, [(1, 1)]),
    ],
)
def test_a_ticket_takes_a_place_of_every_quota_that_it_matches(
    event_quotas, entry, items, taken, limited_by
):
    event = event_of((9, 9), event_quotas)
    (partial,) = allocation.allocate(event, [request_of(items, entry, PARTIAL)])
    assert partial.taken == taken
    assert partial.limited_by == tuple(Limit(*limit) for limit in limited_by)
    (strict,) = allocation.allocate(event, [request_of(items, entry)])
    assert strict.taken == ({} if limited_by else items)
    assert strict.limited_by == partial.limited_by
    assert strict.available == partial.available


def test_a_refused_request_leaves_its_places_to_the_next():
    event = event_of((9, 9), [quota_of(1, 4)])
    requests = [request_of({1: 3, 2: 3}), request_of({2: 4}), request_of({1: 1})]
    assert [each.taken for each in allocation.allocate(event, requests)] == [{}, {2: 4}, {}]


class Model:
    """Sells one ticket at a time; what is left of a stock follows from the list of all sold."""

    def __init__(self, stocks, event_quotas):
        self.stocks, self.quotas, self.sold = dict(enumerate(stocks, 1)), event_quotas, []

    def has_place(self, entry, type_id):
        return self.count_sold([type_id], None) < self.stocks[type_id] and all(
            self.count_sold(q.get("ticketTypeIds"), q.get("scheduleIds")) < q["capacity"]
            for q in self.quotas
            if type_id in q.get("ticketTypeIds", [type_id])
            and entry in q.get("scheduleIds", [entry])
        )

    def count_sold(self, types, entries):
        return sum(
            (types is None or type_id in types) and (entries is None or entry in entries)
            for entry, type_id in self.sold
        )

    def order(self, request):
        """Return what a request gets; sell it."""
        before, got = list(self.sold), Counter()
        for type_id, quantity in request.items.items():
            for _ in range(quantity):
                if self.has_place(request.schedule_id, type_id):
                    self.sold.append((request.schedule_id, type_id))
                    got[type_id] += 1
        if request.on_shortfall == REJECT and got != Counter(request.items):
            self.sold, got = before, Counter()
        return dict(got)


def apply(event, changes, cells):
    """Change an event as the guarded update does."""
    for index, counters in changes.items():
        for counter, change in counters.items():
            event["ticketTypes"][index][counter] += change
    for index, change in quotas.compute_quota_changes(event["quotas"], cells).items():
        event["quotas"][index]["availableTickets"] += change
    for (entry, type_id), counters in cells.items():
        cell = event["cells"].setdefault(str(entry), {}).setdefault(str(type_id), {})
        for counter, change in counters.items():
            cell[counter] = cell.get(counter, 0) + change


def list_of(ids):
    return st.none() | st.lists(st.sampled_from(ids), min_size=1, unique=True)


item_lists = st.dictionaries(st.sampled_from(TYPES), st.integers(1, 4), min_size=1)
orders = st.tuples(
    item_lists, st.sampled_from(ENTRIES), st.sampled_from([REJECT, PARTIAL]), st.booleans()
)
quota_lists = st.lists(
    st.tuples(st.integers(0, 9), list_of(TYPES), list_of(ENTRIES[1:])), max_size=4
)


@given(
    st.lists(st.integers(0, 9), min_size=3, max_size=3),
    quota_lists,
    st.lists(st.lists(orders, max_size=4), max_size=5),
    st.randoms(use_true_random=False),
)
def test_batches_and_returns_equal_the_model(stocks, quota_rows, batches, chance: random.Random):
    event_quotas = [
        quota_of(number, places, types=types, entries=entries)
        for number, (places, types, entries) in enumerate(quota_rows, 1)
    ]
    event, model = {**event_of(stocks, event_quotas), "cells": {}}, Model(stocks, event_quotas)
    sold = []
    for batch in batches:
        requests = [request_of(*order[:3], held=order[3]) for order in batch]
        results = allocation.allocate(event, requests)
        assert [each.taken for each in results] == [model.order(each) for each in requests]
        pairs = zip(requests, results, strict=True)
        grants = [(request, result) for request, result in pairs if result.taken]
        apply(event, rules.compute_sale_changes(event, grants), rules.compute_sale_cells(grants))
        sold += grants
        if sold and chance.random() < 0.5:
            request, result = sold.pop(chance.randrange(len(sold)))
            move = rules.StockMove.for_return("b", result.taken, held=request.held)
            changes = rules.sum_changes_by_index(event, move.changes)
            apply(event, changes, rules.sum_cell_changes([(request.schedule_id, move.changes)]))
            for type_id, quantity in result.taken.items():
                for _ in range(quantity):
                    model.sold.remove((request.schedule_id, type_id))
        for quota in event["quotas"]:
            taken = model.count_sold(quota.get("ticketTypeIds"), quota.get("scheduleIds"))
            assert quota["availableTickets"] == quota["capacity"] - taken >= 0
            assert count_taken(quota, event["cells"]) == taken
        for type_id, each in enumerate(event["ticketTypes"], 1):
            assert each["availableTickets"] == stocks[type_id - 1] - model.count_sold(
                [type_id], None
            )
