"""Money that comes after a hold has ended buys the tickets again, or is paid back."""

from datetime import timedelta

import pytest
from bson import ObjectId

from eventapp.bookings import event_closing, transitions
from eventapp.bookings.payments import refunds
from eventapp.core.clock import utc_now
from eventapp.events import quota_editing
from eventapp.jobs import service as jobs
from eventapp.payments.providers import Providers
from tests.bookings_factories import (
    Caller,
    changed,
    context_of,
    event_of,
    expire_holds,
    later,
    pay_refunds,
    reconcile,
    stock_of,
    types,
)
from tests.buyer_provider import BuyerProvider, pay, report
from tests.race import kit

pytestmark = pytest.mark.usefixtures("clean_inventory")
PRICE = 2000


@pytest.fixture
def provider(app):
    provider = BuyerProvider()
    with changed(context_of(app), payments=Providers(provider)):
        yield provider


@pytest.fixture
def hold(db, app, ann, host, provider):
    """An open hold of 2 of 4 tickets, which ann can pay."""
    event_of(db, 4, organizer_id=host.id)
    return read(db, ann.book(1, 2))


@pytest.fixture
def expired(db, app, hold):
    """The same hold after it has expired; nobody was offered its tickets."""
    assert transitions.expire_hold(context_of(app), hold, later(minutes=11))
    return read(db, hold)


def read(db, booking):
    return db.bookings.find_one({"_id": ObjectId(booking["_id"])})


def tell(app, db):
    """Run the job that notifies; return how often of what the holders were told."""
    jobs.JOBS["tell"].function(context_of(app), later(minutes=1))
    return [each["kind"] for each in db.notifications.find({})]


def assert_refunded(app, db, booking):
    """Assert that the money of a booking went back, and that its holder was told once."""
    booking = read(db, booking)
    assert (booking["status"], booking["payment"]["state"]) == ("expired", "refunded")
    refund = booking["refund"]
    assert (refund["amount"], refund["reason"]) == (40, "hold_expired")
    attempt = booking["payment"]["attempts"][-1]
    assert refund["refundId"] == f"refund-{attempt['attemptId']}"
    assert context_of(app).payments.current.returned == {attempt["attemptId"]: 2 * PRICE}
    if booking["userId"]:
        assert tell(app, db).count("payment_refunded") == 1
    assert kit.find_wrong_entries(db) == []


def test_the_tickets_are_bought_again(db, app, ann, provider, expired):
    assert stock_of(db, 1) == (4, 0, 0, 0)
    booking = pay(context_of(app), expired)
    assert (booking["status"], booking["active"], booking["refund"]) == ("confirmed", True, None)
    assert booking["retakenBy"] == booking["payment"]["attempts"][0]["attemptId"]
    assert (booking["payment"]["state"], booking["totalCents"]) == ("succeeded", 2 * PRICE)
    assert stock_of(db, 1) == (2, 2, 0, 0)
    assert tell(app, db).count("booking_confirmed") == 1
    assert len(ann.ticket_ids(booking)) == 2
    assert kit.find_wrong_entries(db) == []


def test_a_repeated_report_changes_nothing(db, app, provider, expired):
    context = context_of(app)
    booking = pay(context, expired)
    for status in ("succeeded", "open", "refused", "processing", "cancelled"):
        assert report(context, booking, status) == booking
    assert stock_of(db, 1) == (2, 2, 0, 0)


def test_the_worker_finds_money_of_which_nobody_told(db, app, provider, expired):
    provider.become(expired, "succeeded")
    reconcile(app, minutes=12)
    assert (read(db, expired)["status"], stock_of(db, 1)) == ("confirmed", (2, 2, 0, 0))


def test_the_end_of_a_hold_lets_the_provider_cancel(db, app, ann, provider, hold):
    expire_holds(app, minutes=11)
    reconcile(app, minutes=11)
    booking = read(db, hold)
    assert (booking["status"], booking["payment"]["state"]) == ("expired", "failed")
    assert "reconcileAt" not in booking
    assert provider.voided == {booking["payment"]["attempts"][0]["attemptId"]}


def test_money_that_is_processed_when_the_hold_ends_is_asked_for_again(db, app, provider, hold):
    provider.become(hold, "processing")
    expire_holds(app, minutes=11)
    reconcile(app, minutes=11)
    assert read(db, hold)["payment"]["state"] == "processing"
    provider.become(hold, "succeeded")
    reconcile(app, minutes=14)
    assert (read(db, hold)["status"], stock_of(db, 1)) == ("confirmed", (2, 2, 0, 0))


# Why tickets cannot be bought again.


def cancel_event(_db, _client, app, *_):
    event_closing.cancel_event(context_of(app), 1, kit.ADMIN, now=utc_now(), image_base_url="")


def sell(_db, client, app, *_):
    Caller(client, app).book(1, 3)


def fill_quota(db, client, app, *_):
    quota = {"name": "Hall", "capacity": 3}
    kit.edit(db, {"eventId": 1}, quota_editing.make_quota_addition(quota))
    Caller(client, app).book(1, 2)


def book_again(_db, _client, _app, ann, _host):
    ann.book(1, 1)


def delete_user(_db, _client, _app, ann, _host):
    assert ann.call("DELETE", f"/users/{ann.id}").status_code == 200


OBSTACLES = [cancel_event, sell, fill_quota, book_again, delete_user]


@pytest.mark.parametrize("obstacle", OBSTACLES)
def test_it_is_refunded_if_the_tickets_cannot_be_had(
    db, client, app, ann, host, provider, expired, obstacle
):
    obstacle(db, client, app, ann, host)
    before = stock_of(db, 1)
    pay(context_of(app), expired)
    assert_refunded(app, db, expired)
    assert stock_of(db, 1) == before


def test_it_is_refunded_if_somebody_waits(db, client, app, provider, hold):
    """The worker that expires the hold has not yet offered its tickets."""
    Caller(client, app).book(1, 2)
    waiting = Caller(client, app)
    waiting.wait(1, 1)
    transitions.expire_hold(context_of(app), hold, later(minutes=11))
    assert stock_of(db, 1) == (2, 0, 2, 1)
    pay(context_of(app), hold)
    assert_refunded(app, db, hold)
    jobs.JOBS["serve-waiting"].function(context_of(app), later(minutes=11))
    assert len(waiting.offers()) == 1


def test_it_is_refunded_if_the_entry_is_over(db, app, provider, expired):
    pay(context_of(app), expired, now=later(days=60))
    assert_refunded(app, db, expired)
    assert stock_of(db, 1) == (4, 0, 0, 0)


def test_it_is_refunded_if_the_event_is_deleted(db, app, host, provider, expired):
    assert host.call("DELETE", "/events/1").status_code == 200
    pay(context_of(app), expired)
    assert_refunded(app, db, expired)


def test_it_is_refunded_if_the_type_is_gone(db, app, host, provider, hold):
    more = {"type": "B", "price": 5, "availableTickets": 5}
    assert host.call("POST", "/events/1/ticket-types", more).status_code == 201
    transitions.expire_hold(context_of(app), hold, later(minutes=11))
    kit.run_all_jobs(context_of(app), later(seconds=40))
    answer = host.call("DELETE", "/events/1/ticket-types/1")
    assert answer.status_code == 200, answer.json
    pay(context_of(app), hold)
    assert_refunded(app, db, hold)


# Promo codes and terms.


def add_code(host, **changes):
    code = {"code": "SPRING", "kind": "percent", "value": 50, "maxUses": 1, **changes}
    answer = host.call("POST", "/events/1/promo-codes", code)
    assert answer.status_code == 201, answer.json
    return answer.json


def uses(db):
    return db.events.find_one({"eventId": 1})["promoCodes"]["spring"]["used"]


@pytest.fixture
def discounted(db, app, ann, host, provider):
    """An expired hold that has used the only use of a code."""
    event_of(db, 4, organizer_id=host.id)
    code = add_code(host)
    booking = read(db, ann.book(1, 2, promoCode="spring"))
    transitions.expire_hold(context_of(app), booking, later(minutes=11))
    assert uses(db) == 0
    return read(db, booking), code


def test_a_use_of_the_code_is_taken_again_and_given_back(db, app, ann, provider, discounted):
    booking, _code = discounted
    assert pay(context_of(app), booking)["status"] == "confirmed"
    assert (uses(db), provider.balance) == (1, PRICE)
    assert ann.cancel(booking).json["data"]["booking"]["refund"]["amount"] == 20
    assert (uses(db), provider.balance, stock_of(db, 1)) == (0, 0, (4, 0, 0, 0))
    assert kit.find_wrong_entries(db) == []


def test_it_is_refunded_if_the_code_has_no_use_left(db, client, app, provider, discounted):
    booking, _code = discounted
    Caller(client, app).book(1, 1, promoCode="spring")
    pay(context_of(app), booking)
    booking = read(db, booking)
    assert (booking["status"], booking["refund"]["amount"]) == ("expired", 20)
    assert (uses(db), stock_of(db, 1)) == (1, (3, 0, 1, 0))


def test_terms_are_not_asked_and_the_price_stays(db, app, host, provider, discounted):
    """The type is not on sale any more, costs more, and is sold by threes; the code is inactive."""
    booking, code = discounted
    ended = (utc_now() - timedelta(days=1)).isoformat()
    terms = {"salesUntil": ended, "price": 99, "minPerBooking": 3, "visibility": "hidden"}
    answer = host.call("PATCH", "/events/1/ticket-types/1", terms)
    assert answer.status_code == 200, answer.json
    path = f"/events/1/promo-codes/{code['codeId']}"
    assert host.call("PATCH", path, {"active": False}).status_code == 200
    paid = pay(context_of(app), booking)
    assert (paid["status"], paid["items"], paid["totalCents"]) == (
        "confirmed",
        booking["items"],
        PRICE,
    )
    assert (uses(db), stock_of(db, 1)) == (1, (2, 2, 0, 0))


# Afterwards.


def test_what_was_bought_again_can_be_cancelled_in_parts(db, app, ann, provider, expired):
    pay(context_of(app), expired)
    assert ann.cancel_some(expired, 1).status_code == 201
    assert (stock_of(db, 1), provider.balance) == ((3, 1, 0, 0), PRICE)
    assert ann.cancel(expired).status_code == 200
    assert (stock_of(db, 1), provider.balance) == ((4, 0, 0, 0), 0)
    assert kit.find_wrong_entries(db) == []
    assert read(db, expired)["payment"]["state"] == "refunded"


def test_money_for_a_cancelled_hold_is_refunded(db, app, ann, provider, hold):
    assert ann.cancel(hold).status_code == 200
    booking = pay(context_of(app), hold)
    assert (booking["status"], booking["refund"]["amount"]) == ("cancelled", 40)
    assert (stock_of(db, 1), provider.balance) == ((4, 0, 0, 0), 0)
    assert tell(app, db).count("payment_refunded") == 1
    assert kit.find_wrong_entries(db) == []


def test_a_late_refund_that_fails_is_paid_by_the_worker(db, client, app, provider, expired):
    sell(db, client, app)
    provider.refuses_refunds_of.add(expired["payment"]["attempts"][0]["attemptId"])
    booking = pay(context_of(app), expired)
    assert (booking["status"], booking["payment"]["state"]) == ("expired", "failed")
    assert booking["refund"]["failure"]["reason"] == "account_closed"
    provider.refuses_refunds_of.clear()
    assert pay_refunds(app, hours=1) == 1
    assert_refunded(app, db, expired)


def return_refund(app, booking, key):
    refunds.record_returned_refund(context_of(app), booking["_id"], key, utc_now())


def test_a_refund_that_the_provider_returns_is_paid_again(db, app, ann, provider, hold):
    pay(context_of(app), hold)
    ann.cancel(hold)
    first = read(db, hold)
    key = first["refund"]["refundId"].removeprefix("refund-")
    provider.returned.clear()
    return_refund(app, hold, key)
    returned = read(db, hold)
    assert (returned["payment"]["state"], returned["refund"]["returns"]) == ("failed", 1)
    assert "refundId" not in returned["refund"]
    assert kit.find_wrong_entries(db) == []
    return_refund(app, hold, key)  # The event is delivered again.
    assert read(db, hold) == returned
    assert pay_refunds(app, hours=1) == 1
    paid = read(db, hold)
    assert paid["refund"]["refundId"] == f"refund-{key}-again1"
    assert (paid["payment"]["state"], provider.balance) == ("refunded", 0)
    return_refund(app, hold, key)  # And once more, much later.
    assert read(db, hold) == paid
    return_refund(app, hold, f"{key}-again1")
    assert read(db, hold)["refund"]["returns"] == 2
    assert kit.find_wrong_entries(db) == []


def test_free_holds_are_confirmed_without_a_payment(db, ann, provider):
    event_of(db, ticketTypes=types(3, price=0))
    held = ann.book(1, 2, hold=True)
    assert (held["status"], held["payment"]) == ("held", None)
    booking = ann.confirm(held).json["data"]["booking"]
    assert (booking["status"], booking["payment"], provider.calls) == ("confirmed", None, [])
    assert ann.cancel(held).json["data"]["booking"]["refund"] is None
    assert provider.calls == []
