"""Paying at the provider: at most one attempt is live, and its money alone confirms the booking."""

from datetime import timedelta

import pytest
from bson import ObjectId

from eventapp.bookings.payments import checkout
from eventapp.core.clock import utc_now
from eventapp.payments.providers import Providers
from tests.bookings_factories import (
    Caller,
    changed,
    context_of,
    event_of,
    expire_holds,
    later,
    reconcile,
    refused,
    set_clock,
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
def held(db, ann, provider):
    """A hold of 2 of 4 tickets, whose first attempt is open."""
    event_of(db, 4)
    return ann.book(1, 2)


def read(db, booking):
    return db.bookings.find_one({"_id": ObjectId(booking["_id"])})


def attempts_of(db, booking):
    """Return the states of the attempts of a booking."""
    return [each["state"] for each in read(db, booking)["payment"]["attempts"]]


def begin(person, booking, key=None):
    headers = {} if key is None else {"Idempotency_Key": key}
    return person.call("POST", f"/bookings/{booking['_id']}/payments", **headers)


def paying(answer, status=200):
    """Return the booking of an answer; assert that it is held and can be paid."""
    assert answer.status_code == status, answer.json
    booking = answer.json["data"]["booking"]
    assert (booking["status"], booking["payment"]["status"]) == ("held", "required")
    assert booking["payment"]["clientSecret"] == f"secret-{booking['payment']['attemptId']}"
    return booking


def refuse(app, db, booking):
    """Let the card of the last attempt be refused, and report it."""
    context_of(app).payments.current.become(read(db, booking), "refused")
    report(context_of(app), read(db, booking), "refused", refusal="card_declined")


def test_a_paid_booking_is_a_hold_that_the_buyer_pays(db, app, ann, held):
    assert held["status"] == "held"
    payment = held["payment"]
    assert (payment["status"], payment["expiresAt"]) == ("required", held["expiresAt"])
    assert payment["clientSecret"] == f"secret-{payment['attemptId']}"
    assert stock_of(db, 1) == (2, 0, 2, 0)
    booking = pay(context_of(app), read(db, held))
    assert (booking["status"], booking["payment"]["state"]) == ("confirmed", "succeeded")
    assert stock_of(db, 1) == (2, 2, 0, 0)
    assert kit.find_wrong_entries(db) == []


@pytest.mark.parametrize("status", ["open", "processing", "refused", "cancelled"])
def test_nothing_but_money_confirms_it(db, app, ann, held, provider, status):
    provider.become(read(db, held), status)
    report(context_of(app), read(db, held), status)
    ann.confirm(held)
    begin(ann, held)
    assert read(db, held)["status"] == "held"
    assert stock_of(db, 1) == (2, 0, 2, 0)


def test_another_amount_confirms_nothing(db, app, held):
    booking = read(db, held)
    booking["payment"]["attempts"][0]["cents"] -= 1
    with pytest.raises(Exception, match="3999 cents instead of 4000"):
        report(context_of(app), booking, "succeeded")
    assert read(db, held)["status"] == "held"


def test_the_secret_is_shown_to_the_buyer_alone(db, client, app, ann, held):
    assert paying(ann.confirm(held)) == held
    assert (
        "clientSecret" not in ann.get(f"/bookings/{held['_id']}").json["data"]["booking"]["payment"]
    )
    root = Caller(client, app, "admin")
    for answer in (root.confirm(held), root.get(f"/bookings/{held['_id']}")):
        assert "clientSecret" not in answer.json["data"]["booking"]["payment"]
    refused(begin(Caller(client, app), held), 404, "booking_not_found")
    refused(client.post(f"/api/bookings/{held['_id']}/payments"), 401, "unauthorized")
    assert "secret-" not in str(read(db, held))


def test_a_repeated_purchase_goes_on_with_its_attempt(db, ann, provider):
    event_of(db, 4)
    first, second = (ann.order(1, "key", ticketTypeId=1, quantity=2) for _ in range(2))
    assert first.json == second.json
    assert len(provider.calls) == 1


@pytest.mark.parametrize("status", ["open", "processing"])
def test_beside_a_live_attempt_none_begins(db, app, ann, held, provider, status):
    provider.become(read(db, held), status)
    report(context_of(app), read(db, held), status)
    body = refused(begin(ann, held, "key"), 409, "payment_under_way")
    assert body["attemptId"] == held["payment"]["attemptId"]
    assert attempts_of(db, held) == [status]


def test_the_next_attempt_begins_after_a_refused_one(db, app, ann, held, provider):
    refuse(app, db, held)
    shown = ann.get(f"/bookings/{held['_id']}").json["data"]["booking"]["payment"]
    assert (shown["status"], shown["refusal"]) == ("failed", "card_declined")
    booking = paying(begin(ann, held), 201)
    assert booking["payment"]["attemptId"] != held["payment"]["attemptId"]
    assert attempts_of(db, held) == ["cancelled", "open"]
    assert provider.voided == {ObjectId(held["payment"]["attemptId"])}
    refused(begin(ann, held), 409, "payment_under_way")
    assert pay(context_of(app), read(db, held))["status"] == "confirmed"
    assert begin(ann, held).status_code == 200
    assert provider.balance == 2 * PRICE


def test_the_same_key_gives_the_same_attempt(db, client, app, ann, held):
    refuse(app, db, held)
    first, second = (paying(begin(ann, held, "one"), 201) for _ in range(2))
    assert first == second
    refused(begin(ann, held, "two"), 409, "payment_under_way")
    refuse(app, db, held)
    again = begin(ann, held, "one")
    assert again.json["data"]["booking"]["payment"]["attemptId"] == first["payment"]["attemptId"]
    third = paying(begin(ann, held, "two"), 201)
    assert attempts_of(db, held) == ["cancelled", "cancelled", "open"]
    begin(ann, held, "one")
    assert attempts_of(db, held) == ["cancelled", "cancelled", "open"]
    pay(context_of(app), read(db, held))
    answer = begin(ann, held, "two")
    assert answer.status_code == 200
    assert answer.json["data"]["booking"]["payment"]["attemptId"] == third["payment"]["attemptId"]


def test_a_refused_attempt_that_is_paid_after_all_is_not_replaced(db, app, ann, held, provider):
    """The buyer has tried another card, and the provider is still processing it."""
    refuse(app, db, held)
    provider.become(read(db, held), "processing")
    refused(begin(ann, held), 409, "payment_under_way")
    refuse(app, db, held)
    provider.become(read(db, held), "succeeded")
    assert begin(ann, held).json["data"]["booking"]["status"] == "confirmed"
    assert (attempts_of(db, held), provider.balance) == (["succeeded"], 2 * PRICE)


def test_a_refused_attempt_is_not_replaced_while_the_provider_is_down(db, app, ann, held, provider):
    refuse(app, db, held)
    provider.is_down = True
    refused(begin(ann, held), 503, "payment_unavailable")
    assert attempts_of(db, held) == ["refused"]


def test_money_for_an_attempt_that_was_given_up_is_paid_back(db, app, ann, held, provider):
    refuse(app, db, held)
    begin(ann, held)
    context, first = context_of(app), ObjectId(held["payment"]["attemptId"])
    provider.charged[first] = 2 * PRICE
    booking = report(context, read(db, held), "succeeded", index=0)
    refund = booking["payment"]["attempts"][0]["refund"]
    assert (refund["amount"], refund["reason"]) == (40, "paid_twice")
    assert (booking["status"], provider.balance) == ("held", 0)
    assert pay(context, read(db, held))["status"] == "confirmed"
    assert report(context, read(db, held), "succeeded", index=0)["status"] == "confirmed"
    assert (provider.balance, stock_of(db, 1)) == (2 * PRICE, (2, 2, 0, 0))
    assert ann.cancel(held).json["data"]["booking"]["status"] == "cancelled"
    assert (provider.balance, stock_of(db, 1)) == (0, (4, 0, 0, 0))
    assert kit.find_wrong_entries(db) == []


def test_after_the_hold_no_attempt_begins(db, app, ann, held, monkeypatch):
    refuse(app, db, held)
    set_clock(monkeypatch, later(minutes=10))
    refused(begin(ann, held, "key"), 409, "hold_expired")
    expire_holds(app, minutes=11)
    refused(begin(ann, held, "key"), 409, "hold_expired")
    assert len(attempts_of(db, held)) == 1


def test_a_message_does_not_promise_that_nothing_was_charged(db, app, ann, held, provider):
    provider.become(read(db, held), "processing")
    report(context_of(app), read(db, held), "processing")
    expire_holds(app, minutes=11)
    assert "nothing was charged" not in refused(ann.confirm(held), 409, "hold_expired")["message"]
    provider.become(read(db, held), "cancelled")
    reconcile(app, minutes=12)
    assert "nothing was charged" in refused(ann.confirm(held), 409, "hold_expired")["message"]


@pytest.mark.parametrize("how", ["refuses", "is_down"])
def test_a_provider_that_fails_at_the_purchase_leaves_a_hold(db, ann, provider, how):
    event_of(db, 4)
    setattr(provider, how, True)
    booking = ann.book(1, 2)
    state = {"refuses": "failed", "is_down": "unknown"}[how]
    assert (booking["status"], booking["payment"]["status"]) == ("held", state)
    assert "clientSecret" not in booking["payment"]
    setattr(provider, how, False)
    paid = paying(ann.confirm(booking))
    is_same = paid["payment"]["attemptId"] == booking["payment"]["attemptId"]
    assert is_same == (how == "is_down")


# The worker.


def test_the_worker_asks_about_attempts_that_stand_open(db, app, ann, held, provider):
    provider.become(read(db, held), "succeeded")
    reconcile(app, seconds=110)
    assert read(db, held)["status"] == "held"
    assert reconcile(app, seconds=130) == 1
    assert (read(db, held)["status"], stock_of(db, 1)) == ("confirmed", (2, 2, 0, 0))


def test_the_worker_asks_again_as_long_as_money_may_come(db, app, ann, held, provider):
    assert reconcile(app, seconds=130) == 1
    assert reconcile(app, seconds=200) == 0
    provider.become(read(db, held), "succeeded")
    assert reconcile(app, seconds=260) == 1
    assert read(db, held)["status"] == "confirmed"


def test_a_provider_that_is_down_delays_the_worker_at_no_other_booking(
    db, client, app, ann, held, provider
):
    other = Caller(client, app).book(1, 1)
    provider.become(read(db, other), "succeeded")
    fetch = provider.fetch

    def fail_for_the_first(attempt):
        if attempt.booking_id == held["_id"]:
            raise RuntimeError("the answer cannot be read")
        return fetch(attempt)

    with changed(provider, fetch=fail_for_the_first):
        reconcile(app, minutes=3)
    assert (read(db, held)["status"], read(db, other)["status"]) == ("held", "confirmed")
    provider.become(read(db, held), "succeeded")
    reconcile(app, minutes=9)
    assert read(db, held)["status"] == "confirmed"
    assert db.failedWork.count_documents({}) == 0


# Offers.


@pytest.fixture
def offer(db, app, client, ann, bob, provider):
    """An offer of 3 tickets to bob."""
    event_of(db, 3)
    sold = ann.book(1, 3)
    bob.wait(1, 3)
    assert ann.cancel(sold).status_code == 200
    (offer,) = bob.offers()
    return {"_id": offer["bookingId"]}


def test_an_offer_is_accepted_for_some_of_its_tickets(db, client, app, bob, provider, offer):
    third = Caller(client, app)
    third.wait(1, 1)
    booking = paying(bob.accept(1, quantity=2))
    assert (booking["quantity"], booking["totalPrice"]) == (2, 40)
    assert stock_of(db, 1) == (0, 0, 3, 0)
    assert len(third.offers()) == 1  # The ticket that bob has given back.
    refused(bob.accept(1, quantity=1), 409, "payment_under_way")
    assert paying(bob.accept(1, quantity=2)) == paying(bob.accept(1)) == booking
    stored = pay(context_of(app), read(db, offer))
    assert (stored["status"], provider.balance) == ("confirmed", 2 * PRICE)
    assert stock_of(db, 1) == (0, 2, 1, 0)
    assert kit.find_wrong_entries(db) == []


def test_after_a_refused_attempt_an_offer_is_accepted_for_fewer(db, app, bob, provider, offer):
    paying(bob.accept(1, quantity=3))
    refuse(app, db, offer)
    booking = paying(bob.accept(1, quantity=1))
    assert (attempts_of(db, offer), booking["quantity"]) == (["cancelled", "open"], 1)
    assert pay(context_of(app), read(db, offer))["totalCents"] == PRICE
    assert (provider.balance, stock_of(db, 1)) == (PRICE, (2, 1, 0, 0))


def test_the_attempt_of_a_declined_offer_is_cancelled(db, app, bob, provider, offer):
    paying(bob.accept(1))
    assert bob.call("DELETE", "/waitlist/1").status_code == 200
    reconcile(app, minutes=1)
    assert attempts_of(db, offer) == ["cancelled"]
    assert pay(context_of(app), read(db, offer))["refund"]["amount"] == 60
    assert (provider.balance, stock_of(db, 1)) == (0, (3, 0, 0, 0))


def test_a_free_offer_is_confirmed_at_once(db, ann, bob, provider):
    event_of(db, ticketTypes=types(3, price=0))
    sold = ann.book(1, 3)
    assert sold["status"] == "confirmed"
    bob.wait(1, 3)
    ann.cancel(sold)
    answer = bob.accept(1, quantity=2)
    assert answer.json["data"]["booking"]["status"] == "confirmed"
    assert (stock_of(db, 1), provider.calls) == ((1, 2, 0, 0), [])


def test_a_request_that_sleeps_before_its_attempt_begins_none(db, app, ann, monkeypatch, provider):
    """The hold is cut down while a request is about to begin an attempt for all of it."""
    event_of(db, 3)
    with changed(provider, buyer_pays=False):
        held = ann.book(1, 3, hold=True)
    stored, now = read(db, held), utc_now()
    context = context_of(app)
    checkout.keep_tickets(context, stored, 1, now)
    assert checkout.begin_attempt(context, stored, None, now) is None
    ended = now + timedelta(minutes=10)
    assert checkout.begin_attempt(context, read(db, held), None, ended) is None
    assert provider.calls == []
