"""The queues of the waitlist against a model that places every waiting request by the rule."""

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eventapp.core.clock import utc_now
from eventapp.events import queues as queue_rules
from eventapp.events.quotas import matches
from eventapp.inventory import allocation, queues, quotas, rules
from eventapp.inventory.rules import PARTIAL, REJECT, WAITLIST, WAITLIST_ONLY, TicketRequest
from eventapp.inventory.types import QueueChange
from tests.unit.test_inventory_quotas import event_of, list_of, quota_of

TYPES, ENTRIES = (1, 2), (4, 7)
FRIDAY, SATURDAY = ENTRIES


def new_event(stocks, event_quotas):
    event = event_of(stocks, event_quotas)
    return {**event, "queues": {}, "waitSequence": 0, "eventId": 1}


def request_of(items, entry=FRIDAY, mode=WAITLIST):
    entry_ids = {type_id: f"entry-{type_id}" for type_id in items}
    return TicketRequest(
        "b", items, schedule_id=entry, on_shortfall=mode, waitlist_entry_ids=entry_ids
    )


def change_queues(event, changes):
    """Change an event as the guarded update does, and check its guards."""
    update = queues.build_update(event, changes)
    for path, expected in update.guards.items():
        assert holds(read(event, path), expected), path
    for path, number in update.increments.items():
        *parents, name = path.split(".")
        parent = find(event, parents)
        parent[name] = parent.get(name, 0) + number
    for path, value in update.fields.items():
        *parents, name = path.split(".")
        find(event, parents)[name] = value
    for path in update.removed:
        *parents, name = path.split(".")
        find(event, parents).pop(name, None)


def find(document, parents):
    for name in parents:
        document = (
            document[int(name)] if isinstance(document, list) else document.setdefault(name, {})
        )
    return document


def read(document, path):
    for name in path.split("."):
        is_array = isinstance(document, list)
        document = document[int(name)] if is_array else (document or {}).get(name)
    return document


def holds(value, expected):
    if expected == {"$not": {"$gt": 0}}:
        return not value or value <= 0
    if isinstance(expected, dict):
        ((operator, bound),) = expected.items()
        return value is not None and (value >= bound if operator == "$gte" else value < bound)
    return value == expected


def change_stock(event, changes, cells):
    for index, counters in changes.items():
        for counter, change in counters.items():
            event["ticketTypes"][index][counter] += change
    for index, change in quotas.compute_quota_changes(event["quotas"], cells).items():
        event["quotas"][index]["availableTickets"] += change


def count_expected(event, waiting):
    """Return `waiting` of types and quotas, given the entries by (schedule, type)."""
    by_stock = Counter()
    for (entry, type_id), number in waiting.items():
        stored = event["queues"].get(str(entry), {}).get(str(type_id), {})
        if number:
            assert stored["waiting"] == number
            by_stock[stored.get("quotaId"), type_id if "quotaId" not in stored else 0] += number
    types = [by_stock[None, each["ticketTypeId"]] for each in event["ticketTypes"]]
    return types, [by_stock[each["quotaId"], 0] for each in event["quotas"]]


def list_left(event, blocked, entry, type_id):
    """Return what each stock of a place has left: the type first, then its quotas by id."""
    stocks = [("type", type_id, event["ticketTypes"][type_id - 1])]
    stocks += [("quota", q["quotaId"], q) for q in event["quotas"] if matches(q, entry, type_id)]
    return [
        (kind, id_, 0 if each["waiting"] or (kind, id_) in blocked else each["availableTickets"])
        for kind, id_, each in stocks
    ]


class Model:
    """Serves requests one after the other on a copy of the stock, by the rule of the design."""

    def __init__(self, event):
        self.event = {
            "ticketTypes": [dict(each) for each in event["ticketTypes"]],
            "quotas": [dict(each) for each in event["quotas"]],
        }
        self.counted = {
            (queue.schedule_id, queue.type_id): queue.quota_id
            for queue in queue_rules.list_queues(event["queues"])
        }
        self.blocked, self.sequence = set(), event["waitSequence"]

    def take(self, entry, type_id, quantity):
        self.event["ticketTypes"][type_id - 1]["availableTickets"] -= quantity
        for quota in self.event["quotas"]:
            if matches(quota, entry, type_id):
                quota["availableTickets"] -= quantity

    def serve(self, request):
        """Return the tickets that a request gets, and (quantity, quota, sequence) that waits."""
        entry, got, lacking = request.schedule_id, {}, {}
        for type_id, wanted in request.items.items():
            stocks = list_left(self.event, self.blocked, entry, type_id)
            kind, id_, left = min(stocks, key=lambda each: each[2])  # the first of equal ones
            quantity = min(left, wanted)
            if quantity < self.event["ticketTypes"][type_id - 1].get("minPerBooking", 1):
                quantity = 0
            self.take(entry, type_id, quantity)
            if quantity:
                got[type_id] = quantity
            if quantity < wanted:
                lacking[type_id] = id_ if kind == "quota" else None
        mode = request.on_shortfall
        if (mode == REJECT and lacking) or (mode == WAITLIST_ONLY and got):
            for type_id, quantity in got.items():
                self.take(entry, type_id, -quantity)
            return {}, {}
        waiting = {}
        if mode in (WAITLIST, WAITLIST_ONLY):
            for type_id, quota_id in lacking.items():
                quota_id = self.counted.setdefault((entry, type_id), quota_id)
                self.blocked.add(("quota", quota_id) if quota_id else ("type", type_id))
                self.sequence += 1
                rest = request.items[type_id] - got.get(type_id, 0)
                waiting[type_id] = (rest, quota_id, self.sequence)
        return got, waiting


orders = st.tuples(
    st.dictionaries(st.sampled_from(TYPES), st.integers(1, 3), min_size=1),
    st.sampled_from(ENTRIES),
    st.sampled_from([REJECT, PARTIAL, WAITLIST, WAITLIST_ONLY]),
)
quota_rows = st.lists(st.tuples(st.integers(0, 4), list_of(TYPES), list_of(ENTRIES)), max_size=3)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("batch"), st.lists(orders, min_size=1, max_size=4)),
        st.tuples(st.just("return"), st.integers(0, 9)),
        st.tuples(st.just("leave"), st.integers(0, 9)),
        st.tuples(st.just("move"), st.none()),
    ),
    min_size=4,
    max_size=20,
)
type_rows = st.lists(st.tuples(st.integers(0, 4), st.integers(1, 2)), min_size=2, max_size=2)


@settings(max_examples=400)
@given(type_rows, quota_rows, steps)
def test_every_place_is_counted_by_the_stock_that_it_lacks(type_stocks, rows, history):
    event_quotas = [
        quota_of(number, places, types=types, entries=entries)
        for number, (places, types, entries) in enumerate(rows, 1)
    ]
    event = new_event([tickets for tickets, _ in type_stocks], event_quotas)
    for each, (_, minimum) in zip(event["ticketTypes"], type_stocks, strict=True):
        each["minPerBooking"] = minimum
    sold, waiting = [], Counter()
    for kind, argument in history:
        if kind == "batch":
            run_batch(event, [request_of(*order) for order in argument], sold, waiting)
        elif kind == "return" and sold:
            request, taken = sold.pop(argument % len(sold))
            returned = rules.StockMove.for_return("b", taken, held=False).changes
            changes = rules.sum_changes_by_index(event, returned)
            cells = rules.sum_cell_changes([(request.schedule_id, returned)])
            change_stock(event, changes, cells)
            move(event)
        elif kind == "leave" and +waiting:
            pair = sorted(+waiting)[argument % len(+waiting)]
            leave = rules.StockMove.for_leaving("e", *pair)
            change_queues(event, queues.sum_changes(event, [(pair[0], leave.changes)]))
            waiting[pair] -= 1
        elif kind == "move":
            move(event)
        types, counted = count_expected(event, waiting)
        assert [each["waiting"] for each in event["ticketTypes"]] == types
        assert [each["waiting"] for each in event["quotas"]] == counted


def run_batch(event, requests, sold, waiting):
    model, before = Model(event), Counter(waiting)
    results = allocation.allocate(event, requests)
    for request, result in zip(requests, results, strict=True):
        got, lacking = model.serve(request)
        assert result.taken == got
        parts = {
            type_id: (part.quantity, part.quota_id, part.sequence)
            for type_id, part in result.waitlisted.items()
        }
        assert parts == lacking
        if got:
            sold.append((request, got))
        waiting.update((request.schedule_id, type_id) for type_id in lacking)
    pairs = zip(requests, results, strict=True)
    grants = [(request, result) for request, result in pairs if not result.is_empty]
    change_stock(event, rules.compute_sale_changes(event, grants), rules.compute_sale_cells(grants))
    change_queues(event, queues.compute_joins(grants))
    event["waitSequence"] += (waiting - before).total()


def move(event):
    """Count queues where they lack tickets, and assert that they do if any stock has none."""
    change_queues(event, queues.find_moves(event, utc_now()).changes)
    for queue in queue_rules.list_queues(event["queues"]):
        pair = queue.schedule_id, queue.type_id
        unblocked = {
            "ticketTypes": [{**each, "waiting": 0} for each in event["ticketTypes"]],
            "quotas": [{**each, "waiting": 0} for each in event["quotas"]],
        }
        left = {(k, id_): n for k, id_, n in list_left(unblocked, (), *pair)}
        counting = ("quota", queue.quota_id) if queue.quota_id else ("type", queue.type_id)
        least = event["ticketTypes"][queue.type_id - 1]["minPerBooking"]
        assert left[counting] < least or min(left.values()) >= least


HALL, FRIDAYS = quota_of(1, 0), quota_of(2, 0, entries=[FRIDAY])


@pytest.mark.parametrize(
    ("available", "minimum", "event_quotas", "entry", "quota_id"),
    [
        (0, 1, [HALL], FRIDAY, None),
        (1, 1, [HALL], FRIDAY, 1),
        (1, 1, [FRIDAYS], FRIDAY, 2),
        (1, 1, [FRIDAYS], SATURDAY, None),
        (1, 1, [HALL, FRIDAYS], FRIDAY, 1),
        (1, 1, [{**HALL, "availableTickets": 1}, FRIDAYS], FRIDAY, 2),
        (1, 1, [{**HALL, "availableTickets": 1}], FRIDAY, None),
        # Fewer than a booking must have are none.
        (1, 2, [HALL], FRIDAY, None),
        (2, 2, [{**HALL, "availableTickets": 1}], FRIDAY, 1),
    ],
)
def test_the_first_stock_without_tickets_counts_a_place(
    available, minimum, event_quotas, entry, quota_id
):
    ticket_type = {"ticketTypeId": 1, "availableTickets": available, "minPerBooking": minimum}
    chosen = queue_rules.choose_counting_quota(ticket_type, event_quotas, entry)
    assert chosen == quota_id


def test_a_queue_that_is_counted_elsewhere_than_read_fails_the_update():
    event = new_event((0, 5), [quota_of(1, 0)])
    change_queues(event, {(FRIDAY, 1): QueueChange(2, None)})
    update = queues.build_update(event, {(FRIDAY, 1): QueueChange(-1)})
    path = f"queues.{FRIDAY}.1"
    assert update.guards == {f"{path}.waiting": {"$gte": 1}, f"{path}.quotaId": None}
    moved = queues.build_update(event, {(FRIDAY, 1): QueueChange(0, 1, is_moved=True)})
    assert moved.guards == {f"{path}.waiting": 2, f"{path}.quotaId": None}
    assert moved.increments == {"ticketTypes.0.waiting": -2, "quotas.0.waiting": 2}
    assert moved.fields == {f"{path}.quotaId": 1}


def test_the_queues_of_an_event_that_are_not_counted_stay():
    event = {key: v for key, v in new_event((0, 5), []).items() if key != "waitSequence"}
    update = queues.build_update(event, {(FRIDAY, 1): QueueChange(-1)})
    assert update.increments == {"ticketTypes.0.waiting": -1}
    assert (update.guards, update.fields) == ({"waitSequence": None}, {})
