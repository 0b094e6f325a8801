"""Concurrent sales with overlapping quotas: no quota is oversold, and every ticket is given back.

The answers are compared with a model that counts the tickets that clients were told they have.
"""

import random
from functools import partial

import pytest
from bson import ObjectId

from eventapp.bookings import transitions
from eventapp.bookings.errors import SoldOut
from eventapp.core.clock import utc_now
from eventapp.events import quota_editing
from eventapp.events import quotas as quota_rules
from eventapp.events import store as events_store
from eventapp.inventory import queues as inventory_queues
from eventapp.inventory import store as inventory_store
from tests import factories
from tests.race import kit

FRIDAY, SATURDAY = 4, 7
# The lists that a quota matches, and its places.
QUOTAS = (
    ({"scheduleIds": [FRIDAY]}, 20),
    ({"scheduleIds": [SATURDAY]}, 15),
    ({"ticketTypeIds": [1, 2]}, 24),
    ({"ticketTypeIds": [3], "scheduleIds": [SATURDAY]}, 3),
)


@pytest.fixture
def event(db):
    """Return an event with three types, two dates and four overlapping quotas."""
    types = [{"type": name, "price": 0, "availableTickets": 18} for name in "ABC"]
    schedule = [{"date": factories.day(n), "location": f"Hall {n}"} for n in (5, 6)]
    event = factories.make_event(db, ticketTypes=types, schedule=schedule)
    set_quotas(db, QUOTAS)
    return event


def set_quotas(db, rows):
    quotas = [
        {
            "quotaId": quota_id,
            "name": f"Quota {quota_id}",
            "capacity": places,
            "availableTickets": places,
            "waiting": 0,
            **lists,
        }
        for quota_id, (lists, places) in enumerate(rows, 1)
    ]
    ids = {"schedule.0.scheduleId": FRIDAY, "schedule.1.scheduleId": SATURDAY}
    fields = {**ids, "quotas": quotas, "nextQuotaId": len(quotas) + 1}
    db.events.update_one({}, {"$set": fields, "$inc": {"terms": 1, "rev": 1}})


def free_places(db):
    return [each["availableTickets"] for each in db.events.find_one({})["quotas"]]


def count_told(db, quota, told):
    """Return the tickets of a quota that clients were told they have."""
    return sum(
        quantity
        for schedule_id, type_id, quantity in told
        if quota_rules.matches(quota, schedule_id, type_id)
    )


def buy_repeatedly(context, event, seed):
    """Run one buyer after another; return the tickets of each active booking, as it was answered.

    Some orders are partial, some hold the tickets, and some bookings are cancelled again.
    """
    chance, told = random.Random(seed), []
    for _ in range(9):
        index, user = chance.randrange(2), ObjectId()
        items = tuple(
            (type_id, None, chance.randint(1, 2))
            for type_id in chance.sample((1, 2, 3), chance.randint(1, 3))
        )
        try:
            answer = kit.book(
                context,
                event,
                user=user,
                items=items,
                schedule_index=index,
                hold=chance.random() < 0.3,
                on_shortfall=chance.choice(["reject", "partial"]),
            )
        except SoldOut:
            continue
        if chance.random() < 0.3:
            transitions.cancel_booking(context, kit.booking_id(answer), kit.ADMIN, utc_now())
            continue
        told += [
            ((FRIDAY, SATURDAY)[index], item["ticketTypeId"], item["quantity"])
            for item in answer.data["booking"]["items"]
        ]
    return told


def race(context, event):
    contexts = [kit.another_process(context) for _ in range(4)]
    results = kit.run_concurrently(
        *[partial(buy_repeatedly, contexts[n % 4], event, n) for n in range(8)]
    )
    return [each for told in results for each in told]


def test_no_quota_is_oversold_and_each_counts_what_clients_have(context, db, event):
    told = race(context, event)
    for quota in db.events.find_one({})["quotas"]:
        assert quota["availableTickets"] == quota["capacity"] - count_told(db, quota, told)
    assert min(free_places(db)) >= 0
    kit.assert_consistent(context)


def test_the_last_place_of_a_shared_quota_is_sold_once(context, db, event):
    set_quotas(db, [({}, 1)])
    contexts = [kit.another_process(context) for _ in range(4)]
    orders = [
        partial(kit.book, contexts[n % 4], event, items=((1 + n % 3, None, 1),)) for n in range(12)
    ]
    results = kit.run_concurrently(*orders)
    assert kit.count_outcomes(results) == {201: 1, "sold_out": 11}
    kit.assert_consistent(context)


def test_control_without_the_guard_it_is_sold_several_times(context, db, event, monkeypatch):
    set_quotas(db, [({}, 1)])
    monkeypatch.setattr(inventory_queues, "_build_stock_guards", lambda *_: {})
    contexts = [kit.another_process(context) for _ in range(4)]
    for one in contexts:
        one.inventory.get_sale_state(event["eventId"])  # each has seen the last place
    orders = [partial(kit.book, one, event, items=((1, None, 1),)) for one in contexts]
    assert kit.count_outcomes(kit.run_concurrently(*orders)) == {201: 4}
    assert free_places(db) == [-3]


def sell_before_and_after_an_edit_of_the_lists(context, db, event):
    """Let a process sell, another one edit what the quotas match, and the first sell twice.

    Returns:
        The places that are left of the two quotas, of 10 each.
    """
    set_quotas(db, [({"ticketTypeIds": [1]}, 10), ({"ticketTypeIds": [2]}, 10)])
    seller = kit.another_process(context)
    items = {"items": ((1, None, 1),)}
    kit.book(seller, event, **items)  # Its sale state is now the one after its own update.
    set_quotas(db, [({"ticketTypeIds": [2]}, 10), ({"ticketTypeIds": [1]}, 10)])
    db.events.update_one({}, {"$inc": {"quotas.1.availableTickets": -1}})  # the sold ticket
    for _ in range(2):
        kit.book(seller, event, **items)
    return free_places(db)


def test_a_remembered_list_of_a_quota_counts_no_ticket_after_an_edit(context, db, event):
    assert sell_before_and_after_an_edit_of_the_lists(context, db, event) == [10, 7]


def test_control_without_the_guard_of_terms_a_remembered_list_counts_it(
    context, db, event, monkeypatch
):
    monkeypatch.setattr(inventory_store, "build_terms_guard", lambda _event: {})
    assert sell_before_and_after_an_edit_of_the_lists(context, db, event) == [8, 9]


def test_control_a_return_that_forgets_the_quotas_is_found(context, db, event, monkeypatch):
    sold = kit.booking_id(kit.book(context, event, 2))
    monkeypatch.setattr("eventapp.inventory.moves.compute_quota_changes", lambda *_: {})
    transitions.cancel_booking(context, sold, kit.ADMIN, utc_now())
    assert kit.find_faults(context) == [
        "1: quota Quota 1: availableTickets is 18, should be 20",
        "1: quota Quota 3: availableTickets is 22, should be 24",
    ]


def test_a_quota_that_changes_between_sale_and_return_gets_back_what_it_matches(context, db, event):
    """Nothing notes the quotas of a booking, so those of the moment of the return count."""
    sold = kit.booking_id(kit.book(context, event, 2))
    set_quotas(db, [({"ticketTypeIds": [1]}, 9)])
    db.events.update_one({}, {"$inc": {"quotas.0.availableTickets": -2}})
    assert kit.find_faults(context) == []
    transitions.cancel_booking(context, sold, kit.ADMIN, utc_now())
    assert free_places(db) == [9]
    kit.assert_consistent(context)


def create_while_sold(context, db, event):
    """Add quotas while tickets are sold; each sale begins with a state from before."""
    body = {"name": "late", "capacity": 500, "scheduleIds": [FRIDAY]}
    add = quota_editing.make_quota_addition(body)

    def add_repeatedly():
        for _ in range(5):
            kit.edit(db, event, add)

    contexts = [kit.another_process(context) for _ in range(4)]
    kit.run_concurrently(
        add_repeatedly, *[partial(buy_repeatedly, contexts[n], event, n) for n in range(4)]
    )


def test_a_quota_that_is_added_during_sales_counts_every_ticket(context, db, event):
    create_while_sold(context, db, event)
    assert len(db.events.find_one({})["quotas"]) == len(QUOTAS) + 5
    kit.assert_consistent(context)


def test_control_a_quota_that_is_written_whatever_was_sold_is_wrong(
    context, db, event, monkeypatch
):
    """The edit is overtaken by a sale between its read and its write."""

    def write_anyway(_db, stored, fields, **_options):
        kit.book(context, event, 2)
        db.events.update_one({}, {"$set": {"quotas": fields["quotas"]}, "$inc": {"rev": 1}})
        return events_store.find_event(db, stored["eventId"])

    monkeypatch.setattr(events_store, "write_if_unchanged", write_anyway)
    kit.edit(db, event, quota_editing.make_quota_addition({"name": "late", "capacity": 50}))
    assert "1: quota late: availableTickets is 50, should be 48" in kit.find_faults(context)


def test_a_take_that_died_gives_its_places_back(context, db, event, monkeypatch):
    class Died(Exception):
        pass

    def die(*_args):
        raise Died

    monkeypatch.setattr(context.sales, "_record_batch", die)
    with pytest.raises(Died):
        kit.book(context, event, 2, schedule_index=1)
    assert free_places(db) == [20, 13, 22, 3]
    monkeypatch.undo()
    kit.run_all_jobs(context, utc_now() + kit.AFTER_ABANDONMENT)
    assert free_places(db) == [20, 15, 24, 3]
    kit.assert_consistent(context)
