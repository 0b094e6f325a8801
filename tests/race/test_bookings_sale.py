"""Concurrent purchases never oversell. Each control shows that they would without a guard."""

from functools import partial

import pytest
from bson import ObjectId

from eventapp.bookings import auditing
from eventapp.bookings import store as bookings_store
from eventapp.bookings.errors import NoFreeReference, RequestUnderWay
from eventapp.bookings.sales import batches, idempotency
from eventapp.bookings.sales import service as sales
from eventapp.core.waiting import BoundedWait
from eventapp.inventory import queues as inventory_queues
from tests import factories
from tests.race import kit

THREADS = 16


def event_of(db, *tickets):
    types = [
        {"type": f"Type {number}", "price": 20, "availableTickets": amount}
        for number, amount in enumerate(tickets, 1)
    ]
    return factories.make_event(db, ticketTypes=types)


def processes(context, count=4):
    """Return contexts with an inventory each, as server processes have."""
    return [context, *(kit.another_process(context) for _ in range(count - 1))]


def race(context, event, calls=THREADS, **order):
    contexts = processes(context)
    return kit.run_concurrently(
        *[partial(kit.book, contexts[n % len(contexts)], event, **order) for n in range(calls)]
    )


def without_guard(monkeypatch):
    """Take the take's guards out: what was seen before the write decides alone."""
    monkeypatch.setattr(inventory_queues, "_build_stock_guards", lambda *_: {})


def test_the_last_ticket_is_sold_once(context, db):
    event = event_of(db, 1)
    results = race(context, event)
    assert kit.count_outcomes(results) == {201: 1, "sold_out": THREADS - 1}
    assert kit.stock_counters(db, event) == (0, 0, 1, 0)
    kit.assert_consistent(context)


def test_control_without_the_guard_it_is_sold_several_times(context, db, monkeypatch):
    without_guard(monkeypatch)
    event = event_of(db, 1)
    contexts = processes(context)
    for one in contexts:
        one.inventory.get_sale_state(event["eventId"])  # each has seen the last ticket
    results = kit.run_concurrently(*[partial(kit.book, one, event) for one in contexts])
    assert kit.count_outcomes(results)[201] == len(contexts)
    assert kit.stock_counters(db, event)[0] < 0


def test_each_of_a_hundred_tickets_is_sold_once(context, db):
    event = event_of(db, 100)
    contexts = processes(context)

    def buy_repeatedly(number):
        sold = 0
        for _ in range(20):
            answer = kit.run_concurrently(partial(kit.book, contexts[number % 4], event))[0]
            sold += getattr(answer, "status", 0) == 201
        return sold

    assert sum(kit.run_concurrently(*[partial(buy_repeatedly, n) for n in range(THREADS)])) == 100
    assert kit.stock_counters(db, event) == (0, 0, 100, 0)
    kit.assert_consistent(context)


def test_several_types_are_booked_together_or_not_at_all(context, db):
    event = event_of(db, 5, 20)
    both = ((1, None, 1), (2, None, 2))
    results = race(context, event, items=both)
    assert kit.count_outcomes(results) == {201: 5, "sold_out": THREADS - 5}
    assert kit.stock_counters(db, event, 0) == (0, 0, 5, 0)
    assert kit.stock_counters(db, event, 1) == (10, 0, 10, 0)
    kit.assert_consistent(context)


def test_partial_bookings_take_all_tickets_and_no_more(context, db):
    event = event_of(db, 20)
    results = race(context, event, quantity=3, on_shortfall="partial")
    assert kit.count_outcomes(results) == {201: 7, "sold_out": THREADS - 7}
    assert kit.stock_counters(db, event) == (0, 0, 20, 0)
    kit.assert_consistent(context)


def test_waitlist_positions_are_given_once_each_in_order(context, db):
    event = event_of(db, 20)
    results = race(context, event, quantity=3, on_shortfall="waitlist")
    assert kit.count_outcomes(results) == {201: 7, 202: THREADS - 7}
    positions = [r.data["waitlistEntry"]["position"] for r in results if "waitlistEntry" in r.data]
    assert sorted(positions) == list(range(1, THREADS - 5))
    assert kit.stock_counters(db, event) == (0, 0, 20, THREADS - 6)
    kit.assert_consistent(context)


def test_one_user_has_one_active_booking(context, db):
    event = event_of(db, 20)
    results = race(context, event, calls=4, user=ObjectId())
    assert kit.count_outcomes(results) == {201: 1, "already_booked": 3}
    assert kit.stock_counters(db, event) == (19, 0, 1, 0)
    kit.assert_consistent(context)


def test_control_without_the_unique_index_one_user_has_several(context, db):
    index = next(
        model
        for model in bookings_store.INDEXES["bookings"]
        if model.document["name"] == "one_active_booking"
    )
    db.bookings.drop_index("one_active_booking")
    try:
        results = race(context, event_of(db, 20), calls=4, user=ObjectId())
        assert kit.count_outcomes(results)[201] > 1
    finally:
        db.bookings.delete_many({})
        db.bookings.create_indexes([index])


@pytest.mark.parametrize("tickets", [20, 1])
@pytest.mark.parametrize("on_shortfall", ["reject", "partial", "waitlist"])
def test_concurrent_requests_with_one_key_make_one_booking_and_get_one_answer(
    context, db, tickets, on_shortfall
):
    event = event_of(db, tickets)
    order = {"user": ObjectId(), "key": "k1", "on_shortfall": on_shortfall}
    answers = race(context, event, calls=4, **order)
    assert [a.status for a in answers] == [201] * 4
    assert len({str(kit.booking_id(answer)) for answer in answers}) == 1
    assert len({repr(answer.message) for answer in answers}) == 1
    assert kit.stock_counters(db, event) == (tickets - 1, 0, 1, 0)
    kit.assert_consistent(context)


def test_concurrent_requests_with_one_key_make_one_set_of_waitlist_entries(context, db):
    event = event_of(db, 0, 0)
    order = {"key": "k1", "items": ((1, None, 1), (2, None, 2)), "on_shortfall": "waitlist"}
    answers = race(context, event, calls=4, user=ObjectId(), **order)
    assert [a.status for a in answers] == [202] * 4
    assert len({str(a.data["waitlistEntry"]["_id"]) for a in answers}) == 1
    assert kit.stock_counters(db, event, 0) == (0, 0, 0, 1)
    kit.assert_consistent(context)


def test_the_key_is_stored_with_the_second_entry_if_the_first_exists(context, db):
    event, user = event_of(db, 0, 0), ObjectId()
    kit.book(context, event, user=user, on_shortfall="waitlist")
    order = {"key": "k1", "items": ((1, None, 1), (2, None, 1)), "on_shortfall": "waitlist"}
    first, again = (kit.book(context, event, user=user, **order) for _ in range(2))
    assert (first.status, again.status) == (202, 202)
    assert first.message == again.message
    kit.assert_consistent(context)


def test_control_without_the_index_one_key_books_twice(context, db, monkeypatch):
    """There are two events, so that no other rule prevents it."""
    index = next(
        model
        for model in bookings_store.INDEXES["bookings"]
        if model.document["name"] == "idempotency"
    )
    db.bookings.drop_index("idempotency")
    monkeypatch.setattr(sales, "find_answer", lambda *_: None)
    try:
        user, events = ObjectId(), [event_of(db, 5), event_of(db, 5)]
        kit.run_concurrently(*[partial(kit.book, context, e, user=user, key="k1") for e in events])
        assert db.bookings.count_documents({"idempotency.key": "k1"}) == 2
    finally:
        db.bookings.delete_many({})
        db.bookings.create_indexes([index])


def test_a_key_books_once_over_all_events(context, db):
    user, events = ObjectId(), [event_of(db, 5), event_of(db, 5)]
    answers = kit.run_concurrently(
        *[partial(kit.book, context, e, user=user, key="k1") for e in events]
    )
    assert {kit.booking_id(a) for a in answers} == {b["_id"] for b in db.bookings.find({})}
    kit.assert_consistent(context)


def test_a_key_has_one_answer_however_long_the_first_request_takes(context, db, monkeypatch):
    """The second request gets no ticket while the first has not stored its booking."""
    event, user = event_of(db, 1), ObjectId()
    order = {"user": user, "key": "k1", "on_shortfall": "waitlist"}
    monkeypatch.setattr(idempotency, "MAX_WAIT_SECONDS", 0.05)
    with (
        kit.suspended(monkeypatch, bookings_store, "insert_bookings") as suspension,
        kit.in_background(partial(kit.book, context, event, **order)) as first,
    ):
        suspension.wait()
        with pytest.raises(RequestUnderWay):
            kit.book(kit.another_process(context), event, **order)
        assert db.waitlist.count_documents({}) == 0
        suspension.resume()
        answer = first.result()
    again = kit.book(kit.another_process(context), event, **order)
    assert (again.status, again.data) == (201, answer.data)
    kit.assert_consistent(context)


def test_a_refusal_with_a_key_does_not_wait_for_an_older_booking(context, db, monkeypatch):
    """The in-flight entry of a stored booking does not show a concurrent request."""
    event, user = event_of(db, 1), ObjectId()
    first = kit.booking_id(kit.book(context, event, user=user, key="k1"))
    db.bookings.update_one({"_id": first}, {"$set": {"slot": "moved away"}})
    monkeypatch.setattr(BoundedWait, "pause", lambda _self: pytest.fail("waited"))
    (result,) = kit.run_concurrently(partial(kit.book, context, event, user=user, key="k2"))
    assert result.code == "sold_out"


def test_a_check_during_sales_finds_no_fault(context, db):
    """Changes in flight are taken into account."""
    event = event_of(db, 200)
    found = []

    def check_repeatedly():
        for _ in range(10):
            found.extend(auditing.check(context, kit.utc_now()))

    kit.run_concurrently(
        check_repeatedly, *[partial(race, context, event, calls=8) for _ in range(3)]
    )
    assert found == []
    kit.assert_consistent(context)


def test_a_sale_without_a_free_reference_is_undone_and_may_be_tried_again(context, db, monkeypatch):
    event = event_of(db, 2)
    taken = kit.book(context, event).data["booking"]["bookingReference"]
    with monkeypatch.context() as patch:
        for module in (batches, sales):
            patch.setattr(module, "generate_reference", lambda: taken)
        with pytest.raises(NoFreeReference) as refusal:
            kit.book(context, event)
    assert (refusal.value.status, refusal.value.headers) == (503, {"Retry-After": "1"})
    assert kit.stock_counters(db, event) == (1, 0, 1, 0)
    assert kit.book(context, event).status == 201
    kit.assert_consistent(context)
