"""Cancelling some tickets of a booking: which ones, by whom, what is left, and what is refunded."""

from datetime import timedelta

import pytest
from bson import ObjectId

from eventapp.bookings.payments.migration import migrate_payments
from eventapp.core.clock import utc_now
from eventapp.payments.providers import Providers
from tests.bookings_factories import (
    Caller,
    RecordingProvider,
    changed,
    context_of,
    event_of,
    later,
    pay_refunds,
    refused,
    set_clock,
    stock_of,
    types,
)
from tests.factories import day
from tests.race import kit

pytestmark = pytest.mark.usefixtures("clean_inventory")


def cancelled(answer):
    """Assert that tickets were cancelled; return the booking and the refund."""
    assert answer.status_code == 201, answer.json
    data = answer.json["data"]
    return data["booking"], data["refund"]


def numbers(ticket_ids):
    """Return the places of tickets: what follows the id of their booking."""
    return [each.partition("-")[2] for each in ticket_ids]


def check_in(host, code):
    return host.call("POST", "/events/1/check-in", {"code": code})


def codes_of(person, booking):
    tickets = person.get(f"/bookings/{booking['_id']}/tickets").json["tickets"]
    return {each["ticketId"]: each["code"] for each in tickets}


def test_a_part_returns_its_tickets_and_their_price(db, ann):
    event_of(db, ticketTypes=types(10, price=19.99))
    booking = ann.book(1, 4)
    answer = ann.cancel_some(booking, 3)
    shown, refund = cancelled(answer)
    assert answer.json["message"] == "3 tickets cancelled"
    assert (shown["status"], shown["quantity"], shown["totalPrice"]) == ("confirmed", 1, 19.99)
    price = {"unitPrice": 19.99, "subtotal": 19.99, "discount": 0, "total": 19.99}
    assert shown["items"] == [{"ticketTypeId": 1, "type": "A", "quantity": 1, **price, "issued": 4}]
    assert (refund["amount"], refund["currency"], refund["reason"]) == (
        59.97,
        "EUR",
        "part_cancelled",
    )
    assert refund["refundId"] == f"mock-refund-{booking['_id']}-1"
    assert numbers(refund["ticketIds"]) == ["1-2", "1-3", "1-4"]
    assert shown["refunds"] == [refund]
    assert shown["refund"] == {k: v for k, v in refund.items() if k != "ticketIds"}
    assert stock_of(db, 1) == (9, 1, 0, 0)
    assert ann.get(f"/bookings/{booking['_id']}").json["data"]["booking"] == shown


def test_one_ticket_is_called_one(db, ann):
    event_of(db, 10)
    assert ann.cancel_some(ann.book(1, 2), 1).json["message"] == "1 ticket cancelled"


def test_the_other_tickets_keep_their_ids_and_codes(db, ann):
    event_of(db, 10)
    booking = ann.book(1, 5)
    before = codes_of(ann, booking)
    ids = list(before)
    cancelled(ann.cancel_tickets(booking, ticketIds=[ids[1]]))
    cancelled(ann.cancel_some(booking, 2))
    assert codes_of(ann, booking) == {each: before[each] for each in (ids[0], ids[2])}
    assert ann.client.get(f"/api/tickets/{ids[1]}/qr.png", headers=ann.headers).status_code == 404
    assert ann.client.get(f"/api/tickets/{ids[2]}/qr.png", headers=ann.headers).status_code == 200


def test_several_parts_are_refunded_one_by_one(db, ann):
    event_of(db, ticketTypes=types(10, price=12.5))
    booking = ann.book(1, 6)
    _, first = cancelled(ann.cancel_some(booking, 1))
    _, second = cancelled(ann.cancel_some(booking, 2))
    shown, third = cancelled(ann.cancel_some(booking, 1))
    assert [each["amount"] for each in (first, second, third)] == [12.5, 25, 12.5]
    assert shown["refunds"] == [first, second, third]
    assert (shown["refund"]["amount"], shown["refund"]["refundId"]) == (50, third["refundId"])
    assert len({each["refundId"] for each in shown["refunds"]}) == 3
    assert (shown["quantity"], shown["totalPrice"]) == (2, 25)
    assert stock_of(db, 1) == (8, 2, 0, 0)


def test_types_are_cancelled_together_and_an_empty_item_is_left_out(db, ann):
    event_of(db, ticketTypes=types(10, 10, 10))
    items = [{"ticketTypeId": id_, "quantity": 2} for id_ in (1, 2, 3)]
    booking = ann.order(1, items=items).json["data"]["booking"]
    part = [{"ticketTypeId": 1, "quantity": 2}, {"ticketTypeId": 3, "quantity": 1}]
    shown, refund = cancelled(ann.cancel_tickets(booking, items=part))
    assert refund["amount"] == 60
    assert [(each["ticketTypeId"], each["quantity"]) for each in shown["items"]] == [(2, 2), (3, 1)]
    assert "issued" not in shown["items"][0]
    assert [stock_of(db, 1, id_)[:2] for id_ in (1, 2, 3)] == [(10, 0), (8, 2), (9, 1)]
    assert numbers(ann.ticket_ids(booking)) == ["2-1", "2-2", "3-1"]
    body = refused(ann.cancel_some(booking, 1), 409, "not_enough_tickets")
    assert (body["ticketTypeId"], body["left"]) == (1, 0)


def test_everything_that_is_left_is_a_full_cancellation(db, ann):
    event_of(db, 10)
    booking = ann.book(1, 4)
    _, first = cancelled(ann.cancel_some(booking, 1))
    shown, refund = cancelled(ann.cancel_some(booking, 3, key="k"))
    assert (shown["status"], shown["quantity"], shown["totalPrice"]) == ("cancelled", 3, 60)
    assert shown["cancelledAt"] == shown["updatedAt"] == refund["refundedAt"]
    assert (refund["amount"], refund["reason"]) == (60, "cancelled")
    assert numbers(refund["ticketIds"]) == ["1-1", "1-2", "1-3"]
    assert shown["refunds"] == [first, refund]
    assert shown["refund"]["amount"] == 80
    assert stock_of(db, 1) == (10, 0, 0, 0)
    assert ann.ticket_ids(booking) == []
    assert cancelled(ann.cancel_some(booking, 3, key="k")) == (shown, refund)
    assert stock_of(db, 1) == (10, 0, 0, 0)


def test_all_tickets_by_their_ids_are_a_full_cancellation(db, ann):
    event_of(db, 10)
    booking = ann.book(1, 2)
    shown, _ = cancelled(ann.cancel_tickets(booking, ticketIds=ann.ticket_ids(booking)))
    assert shown["status"] == "cancelled"


def test_a_cancellation_after_a_part_refunds_the_rest(db, ann):
    event_of(db, 10)
    booking = ann.book(1, 4)
    cancelled(ann.cancel_some(booking, 1))
    shown = ann.cancel(booking).json["data"]["booking"]
    assert (shown["status"], shown["quantity"]) == ("cancelled", 3)
    assert [each["amount"] for each in shown["refunds"]] == [20, 60]
    assert [each["reason"] for each in shown["refunds"]] == ["part_cancelled", "cancelled"]
    assert "ticketIds" not in shown["refunds"][1]
    assert (shown["refund"]["amount"], shown["refund"]["reason"]) == (80, "cancelled")
    assert stock_of(db, 1) == (10, 0, 0, 0)
    refused(ann.cancel_some(booking, 1), 409, "not_confirmed")


def test_a_booking_without_a_part_has_its_refund_in_the_list(db, ann):
    event_of(db, 10)
    booking = ann.book(1, 2)
    assert booking["refunds"] == []
    shown = ann.cancel(booking).json["data"]["booking"]
    assert shown["refunds"] == [shown["refund"]]


def test_more_than_is_left_is_refused(db, ann):
    event_of(db, 10, 10)
    booking = ann.book(1, 3)
    body = refused(ann.cancel_some(booking, 4), 409, "not_enough_tickets")
    assert (body["ticketTypeId"], body["left"]) == (1, 3)
    refused(ann.cancel_some(booking, 1, type_id=2), 409, "not_enough_tickets")
    refused(ann.cancel_some(booking, 1, type_id=99), 409, "not_enough_tickets")
    items = [{"ticketTypeId": 1, "quantity": 1}, {"ticketTypeId": 2, "quantity": 1}]
    refused(ann.cancel_tickets(booking, items=items), 409, "not_enough_tickets")
    assert stock_of(db, 1) == (7, 3, 0, 0)


def test_a_cancelled_ticket_is_not_cancelled_again(db, ann):
    event_of(db, 10)
    booking = ann.book(1, 4)
    ids = ann.ticket_ids(booking)
    cancelled(ann.cancel_tickets(booking, ticketIds=[ids[3]]))
    body = refused(ann.cancel_tickets(booking, ticketIds=[ids[0], ids[3]]), 409, "ticket_cancelled")
    assert body["ticketIds"] == [ids[3]]
    assert stock_of(db, 1) == (7, 3, 0, 0)
    _, refund = cancelled(ann.cancel_some(booking, 1))
    assert refund["ticketIds"] == [ids[2]]


def test_unknown_tickets_are_not_found(db, ann, bob):
    event_of(db, 10)
    booking, other = ann.book(1, 2), bob.book(1, 2)
    for ticket_id in (
        f"{booking['_id']}-1-3",
        f"{booking['_id']}-2-1",
        f"{other['_id']}-1-1",
        f"{ObjectId()}-1-1",
    ):
        refused(ann.cancel_tickets(booking, ticketIds=[ticket_id]), 404, "ticket_not_found")
    assert stock_of(db, 1) == (6, 4, 0, 0)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"items": []},
        {"ticketIds": []},
        {"items": [{"ticketTypeId": 1, "quantity": 1}], "ticketIds": ["x"]},
        {"items": [{"ticketTypeId": 1, "quantity": 0}]},
        {"items": [{"ticketTypeId": 1, "quantity": -1}]},
        {"items": [{"ticketTypeId": 1, "quantity": 1.5}]},
        {"items": [{"ticketTypeId": 1, "quantity": True}]},
        {"items": [{"ticketTypeId": 1}]},
        {"items": [{"quantity": 1}]},
        {"items": [{"ticketTypeId": 1, "quantity": 1}] * 2},
        {"items": [{"ticketTypeId": 1, "quantity": 1, "price": 1}]},
        {"items": None},
        {"ticketIds": "5f5f5f5f5f5f5f5f5f5f5f5f-1-1"},
        {"ticketIds": ["5f5f5f5f5f5f5f5f5f5f5f5f-1-0"]},
        {"ticketIds": ["5f5f5f5f5f5f5f5f5f5f5f5f-1-1"] * 2},
        {"ticketIds": [1]},
        {"quantity": 1},
    ],
)
def test_a_bad_body_is_refused(db, ann, body):
    event_of(db, 10)
    booking = ann.book(1, 3)
    refused(ann.cancel_tickets(booking, **body), 400, "validation_error")
    assert stock_of(db, 1) == (7, 3, 0, 0)


def test_only_confirmed_bookings_have_tickets_to_cancel(db, ann, bob):
    event_of(db, 10)
    held, gone = ann.book(1, 3, hold=True), bob.book(1, 2)
    refused(ann.cancel_some(held, 1), 409, "not_confirmed")
    bob.cancel(gone)
    refused(bob.cancel_some(gone, 1), 409, "not_confirmed")
    assert stock_of(db, 1) == (7, 0, 3, 0)


def test_checked_in_tickets_are_never_cancelled(db, ann, host):
    event_of(db, 10, organizer_id=host.id)
    booking = ann.book(1, 4)
    codes = codes_of(ann, booking)
    ids = list(codes)
    assert check_in(host, codes[ids[3]]).status_code == 200
    for person in (ann, host):
        answer = person.cancel_tickets(booking, ticketIds=[ids[2], ids[3]])
        assert refused(answer, 409, "ticket_checked_in")["ticketIds"] == [ids[3]]
        answer = person.cancel_some(booking, 4)
        assert refused(answer, 409, "ticket_checked_in")["ticketIds"] == [ids[3]]
        refused(person.cancel(booking), 409, "ticket_checked_in")
    _, refund = cancelled(ann.cancel_some(booking, 2))
    assert refund["ticketIds"] == [ids[1], ids[2]]
    _, refund = cancelled(ann.cancel_some(booking, 1))
    assert refund["ticketIds"] == [ids[0]]
    refused(ann.cancel_some(booking, 1), 409, "ticket_checked_in")
    refused(ann.cancel_some(booking, 2), 409, "not_enough_tickets")
    refused(host.cancel(booking), 409, "ticket_checked_in")
    assert stock_of(db, 1) == (9, 1, 0, 0)


def test_a_cancelled_ticket_is_not_checked_in(db, ann, host):
    event_of(db, 10, organizer_id=host.id)
    booking = ann.book(1, 3)
    codes = list(codes_of(ann, booking).values())
    cancelled(ann.cancel_some(booking, 1))
    refused(check_in(host, codes[2]), 404, "ticket_not_found")
    scans = [{"code": code, "scannedAt": utc_now().isoformat()} for code in codes]
    results = host.call("POST", "/events/1/check-in/batch", {"scans": scans}).json["results"]
    assert [each["status"] for each in results] == ["checked_in", "checked_in", "ticket_not_found"]
    listed = host.get("/events/1/check-in").json["tickets"]
    assert numbers(each["ticketId"] for each in listed) == ["1-1", "1-2"]


def test_the_event_cancels_what_is_left_also_where_it_is_checked_in(db, ann, host):
    event_of(db, 10, organizer_id=host.id)
    booking = ann.book(1, 3)
    assert check_in(host, next(iter(codes_of(ann, booking).values()))).status_code == 200
    cancelled(ann.cancel_some(booking, 1))
    assert host.call("POST", "/events/1/cancel").status_code == 200
    shown = ann.get(f"/bookings/{booking['_id']}").json["data"]["booking"]
    assert (shown["status"], shown["quantity"]) == ("cancelled", 2)
    assert [each["reason"] for each in shown["refunds"]] == ["part_cancelled", "event_cancelled"]
    assert shown["refund"]["amount"] == 60
    assert stock_of(db, 1) == (10, 0, 0, 0)


def test_an_event_with_a_partly_cancelled_booking_is_not_deleted(db, ann, host):
    event_of(db, 10, organizer_id=host.id)
    booking = ann.book(1, 3)
    cancelled(ann.cancel_some(booking, 2))
    refused(host.call("DELETE", "/events/1"), 409, "event_has_bookings")
    cancelled(ann.cancel_some(booking, 1))
    assert host.call("DELETE", "/events/1").status_code == 200
    assert ann.get(f"/bookings/{booking['_id']}").json["data"]["booking"]["status"] == "cancelled"


def test_the_deadline_holds_for_holders_and_not_for_organizers_and_admins(
    db, client, app, ann, host, monkeypatch
):
    event_of(db, 10, schedule=[{"date": day(3), "location": "X"}], organizer_id=host.id)
    booking = ann.book(1, 4)
    deadline = db.bookings.find_one({})["date"] - timedelta(hours=24)
    set_clock(monkeypatch, deadline)
    cancelled(ann.cancel_some(booking, 1))
    set_clock(monkeypatch, deadline + timedelta(milliseconds=1))
    refused(ann.cancel_some(booking, 1), 409, "cancellation_closed")
    refused(ann.cancel_some(booking, 3), 409, "cancellation_closed")
    cancelled(host.cancel_some(booking, 1))
    cancelled(Caller(client, app, "admin").cancel_some(booking, 1))
    assert stock_of(db, 1) == (9, 1, 0, 0)


def test_no_other_user_cancels_tickets(db, client, app, ann, bob, host):
    event_of(db, 10, organizer_id=host.id)
    booking = ann.book(1, 2)
    for person in (bob, Caller(client, app, "organizer")):
        refused(person.cancel_some(booking, 1), 404, "booking_not_found")
    body = {"items": [{"ticketTypeId": 1, "quantity": 1}]}
    answer = client.post(f"/api/bookings/{booking['_id']}/cancellations", json=body)
    refused(answer, 401, "unauthorized")
    refused(ann.cancel_some({"_id": "5f5f5f5f5f5f5f5f5f5f5f5f"}, 1), 404, "booking_not_found")
    assert stock_of(db, 1) == (8, 2, 0, 0)


# The Idempotency-Key.


def test_a_request_with_its_key_again_changes_nothing(db, ann):
    event_of(db, 10)
    booking = ann.book(1, 4)
    first = ann.cancel_some(booking, 1, key="k")
    assert ann.cancel_some(booking, 1, key="k").data == first.data
    assert stock_of(db, 1) == (7, 3, 0, 0)
    _, other = cancelled(ann.cancel_some(booking, 1, key="another"))
    shown, again = cancelled(ann.cancel_some(booking, 1, key="k"))
    assert again == first.json["data"]["refund"] != other
    assert shown["quantity"] == 2
    assert stock_of(db, 1) == (8, 2, 0, 0)


def test_a_key_with_another_body_is_refused(db, ann):
    event_of(db, 10)
    booking = ann.book(1, 4)
    cancelled(ann.cancel_some(booking, 1, key="k"))
    refused(ann.cancel_some(booking, 2, key="k"), 409, "idempotency_mismatch")
    ids = ann.ticket_ids(booking)
    refused(ann.cancel_tickets(booking, "k", ticketIds=ids[:1]), 409, "idempotency_mismatch")
    assert stock_of(db, 1) == (7, 3, 0, 0)


def test_a_key_is_of_one_user_and_one_booking_and_a_refusal_does_not_use_it(db, ann, bob, host):
    event_of(db, 10, organizer_id=host.id)
    booking, other = ann.book(1, 4), bob.book(1, 2)
    refused(ann.cancel_some(booking, 9, key="k"), 409, "not_enough_tickets")
    cancelled(ann.cancel_some(booking, 1, key="k"))
    cancelled(host.cancel_some(booking, 1, key="k"))
    cancelled(bob.cancel_some(other, 1, key="k"))
    assert stock_of(db, 1) == (7, 3, 0, 0)
    cancelled(ann.cancel_some(booking, 1, key="a very secret key"))
    assert "secret" not in str(db.bookings.find_one({"_id": ObjectId(booking["_id"])}))


@pytest.mark.parametrize("key", ["", "x" * 201])
def test_a_bad_key_is_refused(db, ann, key):
    event_of(db, 10)
    refused(ann.cancel_some(ann.book(1, 2), 1, key=key), 400, "validation_error")


# Money.


@pytest.fixture
def provider(app):
    recording = RecordingProvider()
    with changed(context_of(app), payments=Providers(recording)):
        yield recording


def paid_booking(db, person, quantity, price=20):
    event_of(db, ticketTypes=types(10, price=price))
    held = person.book(1, quantity, hold=True)
    return person.confirm(held).json["data"]["booking"]


def test_what_was_charged_is_paid_back_by_parts(db, ann, provider):
    booking = paid_booking(db, ann, 4)
    cancelled(ann.cancel_some(booking, 1))
    cancelled(ann.cancel_some(booking, 2))
    assert provider.balance == 2000
    assert ann.cancel(booking).status_code == 200
    assert provider.balance == 0
    assert sorted(provider.refunds.values()) == [2000, 2000, 4000]
    assert kit.find_wrong_entries(db) == []


def test_free_tickets_are_not_refunded(db, app, ann, provider):
    booking = paid_booking(db, ann, 3, price=0)
    shown, refund = cancelled(ann.cancel_some(booking, 1))
    assert (refund, shown["refund"], shown["refunds"]) == (None, None, [])
    assert "refundDueAt" not in db.bookings.find_one({})
    assert pay_refunds(app, minutes=1) == 0
    assert cancelled(ann.cancel_some(booking, 2))[1] is None


def test_a_refund_that_fails_is_paid_later_and_only_once(db, app, ann, provider):
    booking = paid_booking(db, ann, 4)
    provider.is_down = True
    shown, refund = cancelled(ann.cancel_some(booking, 1))
    assert "refundId" not in refund
    assert "refundId" not in shown["refund"]
    assert stock_of(db, 1) == (7, 3, 0, 0)
    provider.is_down = False
    _, second = cancelled(ann.cancel_some(booking, 1))
    assert second["refundId"]
    assert provider.balance == 4000
    assert pay_refunds(app, hours=1) == 0
    shown = ann.get(f"/bookings/{booking['_id']}").json["data"]["booking"]
    assert all("refundId" in each for each in [shown["refund"], *shown["refunds"]])
    assert provider.balance == 4000
    assert "refundDueAt" not in db.bookings.find_one({})
    assert kit.find_wrong_entries(db) == []


def test_the_worker_pays_a_refund_that_the_request_could_not_pay(db, app, ann, provider):
    booking = paid_booking(db, ann, 2)
    provider.is_down = True
    cancelled(ann.cancel_some(booking, 1))
    provider.is_down = False
    assert pay_refunds(app, minutes=1) == 1
    assert provider.balance == 2000
    assert db.failedWork.count_documents({}) == 0


def test_an_unpaid_refund_of_a_part_is_paid_with_that_of_the_rest(db, app, ann, provider):
    booking = paid_booking(db, ann, 4)
    provider.is_down = True
    cancelled(ann.cancel_some(booking, 1))
    assert ann.cancel(booking).status_code == 200
    provider.is_down = False
    assert pay_refunds(app, hours=1) == 2
    assert provider.balance == 0
    assert kit.find_wrong_entries(db) == []


def test_a_refund_that_is_refused_delays_no_other_of_the_booking(db, app, ann, provider):
    booking = paid_booking(db, ann, 4)
    (attempt,) = db.bookings.find_one({})["payment"]["attempts"]
    provider.refuses_keys.add(f"{attempt['attemptId']}-1")
    cancelled(ann.cancel_some(booking, 1))
    _, second = cancelled(ann.cancel_some(booking, 1))
    assert second["refundId"]
    (failed,) = db.failedWork.find({})
    assert (failed["kind"], failed["key"]) == ("refund", ObjectId(booking["_id"]))
    provider.refuses_keys.clear()
    assert pay_refunds(app, hours=2) == 1
    assert provider.balance == 4000
    assert db.failedWork.count_documents({}) == 0


def test_a_stock_move_that_fails_is_left_to_the_worker(db, app, ann, monkeypatch):
    """An error would make a client without a key cancel more tickets."""
    event_of(db, 10)
    booking = ann.book(1, 4)
    context = context_of(app)
    with monkeypatch.context() as patch:
        patch.setattr(context.inventory, "apply_moves", lambda *_, **__: 1 / 0)
        shown, _ = cancelled(ann.cancel_some(booking, 1))
    assert shown["quantity"] == 3
    assert stock_of(db, 1) == (6, 4, 0, 0)
    kit.run_all_jobs(context, later(minutes=5))
    assert stock_of(db, 1) == (7, 3, 0, 0)
    assert db.failedWork.count_documents({}) == 0


def test_a_booking_of_an_older_version_loses_tickets(db, ann):
    """It has no entries and a payment without an amount."""
    event_of(db, 10)
    booking = ann.book(1, 4)
    db.bookings.update_one({}, {"$unset": {"entries": "", "ledgerDue": ""}})
    db.bookings.update_one({}, {"$set": {"payment": {"provider": "mock", "id": "x"}}})
    assert migrate_payments(db, utc_now())
    cancelled(ann.cancel_some(booking, 1))
    shown = ann.cancel(booking).json["data"]["booking"]
    assert [each["amount"] for each in shown["refunds"]] == [20, 60]
    assert kit.find_wrong_entries(db) == []


# What others see of it.


def test_returned_tickets_are_offered_to_who_waits(db, ann, bob):
    event_of(db, 4)
    booking = ann.book(1, 4)
    bob.wait(1, 3)
    cancelled(ann.cancel_some(booking, 2))
    (offer,) = bob.offers()
    assert offer["quantity"] == 2
    assert stock_of(db, 1) == (0, 2, 2, 1)


def test_the_holder_may_book_within_the_limit_again(db, app, ann):
    event_of(db, 30)
    booking = ann.book(1, 10)
    cancelled(ann.cancel_some(booking, 9))
    refused(ann.order(1, ticketTypeId=1, quantity=1), 409, "already_booked")


def test_part_of_an_accepted_offer_is_cancelled(db, app, ann, bob):
    event_of(db, 4)
    booking = ann.book(1, 4)
    bob.wait(1, 4)
    ann.cancel(booking)
    offer = bob.accept(1, quantity=3).json["data"]["booking"]
    shown, _ = cancelled(bob.cancel_some(offer, 1))
    assert shown["quantity"] == 2
    assert stock_of(db, 1) == (2, 2, 0, 0)


def test_figures_count_what_is_left(db, app, ann, host):
    event_of(db, 10, organizer_id=host.id)
    booking = ann.book(1, 4)
    kit.run_all_jobs(context_of(app))
    cancelled(ann.cancel_some(booking, 3))
    for _ in range(2):  # from the ledger, then from the stored sums
        figures = host.get("/events/1/stats").json
        assert (figures["sold"], figures["revenue"]) == (1, 20)
        kit.run_all_jobs(context_of(app))


def test_the_table_of_bookings_has_what_is_left_and_the_sum_of_refunds(db, ann, host):
    event_of(db, 10, organizer_id=host.id)
    booking = ann.book(1, 4)
    cancelled(ann.cancel_some(booking, 1))
    cancelled(ann.cancel_some(booking, 1))
    table = host.get("/events/1/bookings.csv").data.decode("utf-8-sig")
    header, row = (line.split(",") for line in table.strip().splitlines())
    cells = dict(zip(header, row, strict=True))
    assert [cells[name] for name in ("items", "quantity", "totalPrice", "refund")] == [
        "2 x A",
        "2",
        "40",
        "40",
    ]


@pytest.mark.parametrize("is_by_parts", [False, True])
def test_what_is_left_is_told_as_of_the_cancellation(db, app, ann, is_by_parts):
    event_of(db, 10)
    booking = ann.book(1, 4)
    cancelled(ann.cancel_some(booking, 1))
    if is_by_parts:
        cancelled(ann.cancel_some(booking, 3))
    else:
        assert ann.cancel(booking).status_code == 200
    kit.run_all_jobs(context_of(app))
    found = ann.get("/notifications").json["notifications"]
    assert [each["data"]["left"] for each in found if each["kind"] == "tickets_cancelled"] == [3]


def test_each_part_is_notified_of(db, app, ann):
    event_of(db, 10)
    booking = ann.book(1, 4)
    cancelled(ann.cancel_some(booking, 1))
    cancelled(ann.cancel_some(booking, 2))
    kit.run_all_jobs(context_of(app))
    found = ann.get("/notifications").json["notifications"]
    parts = [each for each in found if each["kind"] == "tickets_cancelled"]
    facts = [each["data"] for each in parts]
    assert {(each["quantity"], each["left"], each["refund"]) for each in facts} == {
        (1, 3, 20),
        (2, 1, 40),
    }
    messages = {each["message"] for each in parts}
    assert any("2 tickets of your booking" in text and "1 is left" in text for text in messages)
    mails = list(db.mails.find({"kind": "tickets_cancelled"}))
    assert len(mails) == 2
    (ticket_id,) = codes_of(ann, booking)
    assert all(mail["booking"]["ticketIds"] == [ticket_id] for mail in mails)
    assert all(ticket_id in mail["text"] for mail in mails)
    assert [each["name"] for each in mails[0]["attachments"]] == [
        f"{booking['bookingReference']}.ics"
    ]


def test_the_export_has_the_refunds_and_erasure_keeps_the_booking_usable(db, app, ann, host):
    event_of(db, 10, organizer_id=host.id)
    booking = ann.book(1, 4)
    cancelled(ann.cancel_some(booking, 1, key="k"))
    exported = ann.get(f"/users/{ann.id}/export").json["bookings"][0]
    assert [each["amount"] for each in exported["refunds"]] == [20]
    assert ann.call("DELETE", f"/users/{ann.id}").status_code == 200
    assert str(ann.id) not in str(db.bookings.find_one({}))
    assert cancelled(host.cancel_some(booking, 1))[0]["quantity"] == 2
