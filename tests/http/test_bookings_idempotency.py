"""The same Idempotency-Key gives the same answer, and books once."""

import threading

import pytest

from eventapp import build_booking_context
from eventapp.bookings import store
from eventapp.core.http.app_context import CONFIG
from eventapp.core.waiting import BoundedWait
from tests.bookings_factories import event_of, refused, stock_of

pytestmark = pytest.mark.usefixtures("clean_inventory")


@pytest.mark.parametrize("key", ["k", "k" * 200, "a key: with / signs", "-" * 36])
def test_repeating_a_request_gives_the_same_answer(db, ann, key):
    event_of(db, 10)
    first = ann.order(1, key=key, ticketTypeId=1, quantity=2)
    again = ann.order(1, key=key, quantity=2, ticketTypeId=1)
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.data == first.data
    assert stock_of(db, 1) == (8, 2, 0, 0)
    assert db.bookings.count_documents({}) == 1


@pytest.mark.parametrize("price", [0, 12.5, 19.99])
def test_the_repeated_answer_has_the_same_bytes(db, ann, price):
    event_of(db, 3, ticketTypes=[{"type": "A", "price": price, "availableTickets": 3}])
    first = ann.order(1, key="k", quantity=5, hold=True)
    assert set(first.json["data"]) == {"booking", "waitlistEntry"}
    assert ann.order(1, key="k", quantity=5, hold=True).data == first.data
    assert stock_of(db, 1) == (0, 0, 3, 1)


def test_repeating_a_request_gives_the_same_waitlist_entry(db, ann):
    event_of(db, 0)
    first, again = (ann.order(1, key="k", quantity=5) for _ in range(2))
    assert (first.status_code, again.status_code) == (202, 202)
    assert again.data == first.data
    assert stock_of(db, 1) == (0, 0, 0, 1)


def test_repeating_a_request_gives_the_same_waitlist_entries(db, ann):
    event_of(db, 0, 0)
    items = [{"ticketTypeId": 1, "quantity": 1}, {"ticketTypeId": 2, "quantity": 1}]
    first, again = (ann.order(1, key="k", items=items, onShortfall="waitlist") for _ in range(2))
    assert again.data == first.data
    assert len(first.json["data"]["waitlistEntries"]) == 2
    assert len(ann.waitlist_entries()) == 2


def test_the_answer_stays_the_same_after_cancelling(db, ann):
    event_of(db, 10)
    first = ann.order(1, key="k", quantity=2)
    ann.cancel(first.json["data"]["booking"])
    again = ann.order(1, key="k", quantity=2)
    assert (again.status_code, again.data) == (201, first.data)
    assert stock_of(db, 1) == (10, 0, 0, 0)


def test_the_answer_stays_the_same_after_the_event_sold_out_or_ended(
    db, client, ann, bob, organizer
):
    event_of(db, 2, organizer_id=organizer["id"])
    first = ann.order(1, key="k", quantity=1)
    bob.book(1, 1)
    assert ann.order(1, key="k", quantity=1).data == first.data
    client.post("/api/events/1/cancel", headers=organizer["headers"])
    assert ann.order(1, key="k", quantity=1).data == first.data
    assert client.delete("/api/events/1", headers=organizer["headers"]).status_code == 200
    assert ann.order(1, key="k", quantity=1).data == first.data


@pytest.mark.parametrize(
    "other",
    [
        {"quantity": 3},
        {"ticketTypeId": 1, "quantity": 2},
        {"quantity": 2, "hold": True},
        {"quantity": 2, "onShortfall": "partial"},
        {"quantity": 2, "scheduleIndex": 0},
    ],
)
def test_another_body_with_the_key_is_refused(db, ann, other):
    event_of(db, 10)
    ann.order(1, key="k", quantity=2)
    refused(ann.order(1, key="k", **other), 409, "idempotency_mismatch")
    assert stock_of(db, 1) == (8, 2, 0, 0)


def test_another_event_with_the_key_is_refused(db, ann):
    event_of(db, 10)
    event_of(db, 10)
    ann.order(1, key="k", quantity=2)
    refused(ann.order(2, key="k", quantity=2), 409, "idempotency_mismatch")


def test_another_body_with_the_key_of_a_waitlist_entry_is_refused(db, ann):
    event_of(db, 0)
    ann.order(1, key="k", quantity=2)
    refused(ann.order(1, key="k", quantity=3), 409, "idempotency_mismatch")


def test_keys_of_different_users_are_independent(db, ann, bob):
    event_of(db, 10)
    first = ann.order(1, key="k", quantity=2)
    second = bob.order(1, key="k", quantity=3)
    assert (first.status_code, second.status_code) == (201, 201)
    assert stock_of(db, 1) == (5, 5, 0, 0)


def test_a_refusal_is_not_stored_under_the_key(db, client, ann, organizer):
    event_of(db, 1, organizer_id=organizer["id"])
    body = {"ticketTypeId": 1, "quantity": 2}
    refused(ann.order(1, key="k", **body), 409, "sold_out")
    more = {"availableTickets": 5}
    client.patch("/api/events/1/ticketTypes/0", json=more, headers=organizer["headers"])
    assert ann.order(1, key="k", **body).status_code == 201


def test_a_refusal_does_not_wait_for_a_recorded_sale(db, ann, monkeypatch):
    """The in-flight entry of ann's first booking is still there, but no request works on it."""
    event_of(db, 5, 0)
    booking = ann.book(1, 1, 1)
    ann.cancel(booking)
    ann.book(1, 1, 1)
    pauses = []
    monkeypatch.setattr(BoundedWait, "pause", pauses.append)
    answer = ann.order(1, key="k", ticketTypeId=2, quantity=1)
    refused(answer, 409, "already_booked")
    assert pauses == []


@pytest.mark.parametrize("body", [{"quantity": 2}, {"ticketTypeId": 1, "quantity": 2}])
def test_a_repeated_request_waits_for_the_one_in_progress(db, app, ann, body, monkeypatch):
    """The first has taken the last tickets and not stored its booking yet. The second must wait for
    its answer. It must neither answer that the event is sold out nor join the waitlist."""
    event_of(db, 2)
    insert_many = store.insert_bookings
    taken, go_on, done = threading.Event(), threading.Event(), threading.Event()
    answers = []

    def insert_later(db, bookings):
        taken.set()
        go_on.wait(5)
        return insert_many(db, bookings)

    def first():
        answers.append(ann.order(1, key="k", **body))
        done.set()

    def let_it_go_on(_wait):
        go_on.set()
        done.wait(5)

    monkeypatch.setattr(BoundedWait, "pause", let_it_go_on)
    monkeypatch.setattr(store, "insert_bookings", insert_later)
    thread = threading.Thread(target=first)
    thread.start()
    assert taken.wait(5)
    # The second reaches another process: in the same one it would wait for the batch of the first.
    another = build_booking_context(CONFIG.get(app), db)
    monkeypatch.setitem(app.extensions, "booking_context", another)
    second = ann.order(1, key="k", **body)
    thread.join()
    assert (second.status_code, second.data) == (201, answers[0].data)
    assert stock_of(db, 1) == (0, 2, 0, 0)
    assert db.waitlist.count_documents({}) == 0


def test_without_a_key_every_request_books_anew(db, ann):
    event_of(db, 10)
    ann.cancel(ann.book(1))
    ann.cancel(ann.book(1))
    assert db.bookings.count_documents({}) == 2


def test_a_new_key_books_again_after_cancelling(db, ann):
    event_of(db, 10)
    ann.cancel(ann.order(1, key="k1", quantity=2).json["data"]["booking"])
    assert ann.order(1, key="k2", quantity=2).status_code == 201
    assert stock_of(db, 1) == (8, 2, 0, 0)
