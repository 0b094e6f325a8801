"""Money and stock go apart: a provider that refuses or is down delays nobody, and charges once."""

from datetime import timedelta

import pytest
from bson import ObjectId

from eventapp import build_booking_context
from eventapp.bookings.payments.migration import migrate_payments
from eventapp.config import ConfigError, load_config
from eventapp.core.access.actor import Actor
from eventapp.core.clock import utc_now
from eventapp.core.http.app_context import CONFIG
from eventapp.jobs import service as jobs
from eventapp.payments import states
from eventapp.payments.provider import PaymentUnavailable
from eventapp.payments.providers import Providers
from tests.bookings_factories import (
    Caller,
    RecordingProvider,
    changed,
    confirm_booking,
    context_of,
    event_of,
    expire_holds,
    later,
    pay_refunds,
    reconcile,
    refused,
    stock_of,
)

pytestmark = pytest.mark.usefixtures("clean_inventory")
PRICE = 2000


@pytest.fixture
def provider(app):
    provider = RecordingProvider()
    with changed(context_of(app), payments=Providers(provider)):
        yield provider


@pytest.fixture
def bob(client, app):
    return Caller(client, app)


def shown(person, booking):
    return person.get(f"/bookings/{booking['_id']}").json["data"]["booking"]


def buy(person, quantity=1):
    answer = person.confirm(person.book(1, quantity, hold=True))
    assert answer.status_code == 200
    return answer.json["data"]["booking"]


def failed_work(client, admin):
    return client.get("/api/admin/health", headers=admin["headers"]).json["failedWork"]


# Refunds.


@pytest.mark.parametrize("how", ["refuses", "is down"])
def test_a_refund_that_fails_for_an_hour_delays_nothing(
    db, app, client, admin, ann, bob, provider, how
):
    event_of(db, 10)
    mine, theirs = buy(ann, 2), buy(bob, 1)
    if how == "refuses":
        provider.refuses_refunds_of.add(ObjectId(mine["payment"]["attemptId"]))
    else:
        provider.is_down = True
    answer = ann.cancel(mine)
    assert answer.status_code == 200
    assert answer.json["data"]["booking"]["refund"]["amount"] == 40
    assert "refundId" not in answer.json["data"]["booking"]["refund"]
    assert stock_of(db, 1) == (9, 1, 0, 0)
    now = utc_now()
    for minutes in range(1, 60, 3):
        for name in ("settle", "refunds", "reconcile-payments", "tell"):
            jobs.JOBS[name].function(context_of(app), now + timedelta(minutes=minutes))
    items = {each["kind"]: each for each in failed_work(client, admin)["items"]}
    assert items["refund"]["key"] == mine["_id"]
    assert items.keys() == ({"refund"} if how == "refuses" else {"refund", "payment"})
    assert client.get("/api/admin/health", headers=admin["headers"]).json["queues"]["refundsDue"]
    assert db.mails.count_documents({"userId": bob.id}) == 1
    provider.is_down = False
    assert bob.cancel(theirs).json["data"]["booking"]["refund"]["refundId"]
    provider.refuses_refunds_of.clear()
    assert pay_refunds(app, hours=2) == 1
    assert shown(ann, mine)["refund"]["refundId"]
    assert provider.balance == 0
    reconcile(app, hours=2)
    assert failed_work(client, admin)["items"] == []
    assert "refundDueAt" not in db.bookings.find_one({"_id": ObjectId(mine["_id"])})


def test_a_refund_is_paid_once_by_requests_and_workers_together(db, app, ann, provider):
    event_of(db, 10)
    mine = buy(ann, 2)
    for _again in range(2):
        ann.cancel(mine)
        pay_refunds(app, minutes=1)
    assert [call[0] for call in provider.calls] == ["charge", "refund"]
    assert provider.balance == 0


def test_a_refund_goes_to_the_provider_that_was_paid(db, app, ann, provider):
    event_of(db, 10)
    mine = buy(ann, 2)
    other = RecordingProvider()
    other.name = "other"
    with changed(context_of(app), payments=Providers(other, [provider])):
        assert ann.cancel(mine).json["data"]["booking"]["refund"]["refundId"]
    assert (provider.balance, other.calls) == (0, [])


def test_a_refund_of_a_provider_that_is_gone_waits(db, app, client, admin, ann, provider):
    event_of(db, 10)
    mine = buy(ann, 2)
    other = RecordingProvider()
    other.name = "other"
    with changed(context_of(app), payments=Providers(other)):
        assert ann.cancel(mine).status_code == 200
        (item,) = failed_work(client, admin)["items"]
        assert item["error"] == "UnknownProvider: 'recording' is none of: legacy, other"
    assert pay_refunds(app, minutes=1) == 1
    assert (provider.balance, other.calls) == (0, [])


def test_refunds_that_an_older_version_left_are_paid(db, app, ann, provider):
    event_of(db, 10)
    mine = buy(ann, 2)
    provider.is_down = True
    ann.cancel(mine)
    db.failedWork.delete_many({})
    provider.is_down = False
    (attempt,) = db.bookings.find_one({})["payment"]["attempts"]
    payment = {name: attempt[name] for name in ("attemptId", "provider", "cents", "begunAt")}
    payment |= {"id": attempt["providerId"], "paidAt": attempt["succeededAt"]}
    old = {"$unset": {"refundDueAt": "", "reconcileAt": ""}, "$set": {"payment": payment}}
    db.bookings.update_one({}, old)
    assert migrate_payments(db, later(minutes=1))
    assert pay_refunds(app, minutes=2) == 1
    assert provider.balance == 0


# Charges of which the outcome is unknown.


def time_out(provider, *, is_charged):
    """Let the next charge time out; it is made or not."""

    def before():
        provider.before = lambda: None
        if is_charged:
            provider.after = after
        else:
            raise PaymentUnavailable("timed out")

    def after():
        provider.after = lambda: None
        raise PaymentUnavailable("timed out")

    provider.before = before


@pytest.fixture
def offer(db, app, ann, bob, provider):
    """An offer of 3 tickets to bob."""
    event_of(db, 3)
    sold = buy(ann, 3)
    bob.wait(1, 3)
    ann.cancel(sold)
    provider.charged.clear()
    provider.returned.clear()
    (offer,) = bob.offers()
    return offer


@pytest.mark.parametrize("is_charged", [True, False])
def test_an_offer_is_accepted_after_a_timeout_for_2_of_its_tickets(
    db, app, bob, provider, offer, is_charged
):
    time_out(provider, is_charged=is_charged)
    refused(bob.accept(1, quantity=2), 503, "payment_unavailable")
    assert stock_of(db, 1) == (1, 0, 2, 0)  # The third one is on sale again.
    answer = bob.accept(1, quantity=2)
    assert answer.status_code == 200, answer.json
    assert answer.json["data"]["booking"]["quantity"] == 2
    assert provider.balance == 2 * PRICE
    assert stock_of(db, 1) == (1, 2, 0, 0)
    booking = shown(bob, {"_id": offer["bookingId"]})
    assert bob.cancel(booking).json["data"]["booking"]["refund"]["amount"] == 40
    assert provider.balance == 0


@pytest.mark.parametrize("is_charged", [True, False])
def test_a_charge_of_unknown_outcome_is_not_replaced_by_another_amount(
    db, app, bob, provider, offer, is_charged
):
    time_out(provider, is_charged=is_charged)
    refused(bob.accept(1, quantity=2), 503, "payment_unavailable")
    body = refused(bob.accept(1, quantity=1), 409, "payment_under_way")
    assert body["attemptId"] == shown(bob, {"_id": offer["bookingId"]})["payment"]["attemptId"]
    assert provider.balance == (2 * PRICE if is_charged else 0)
    assert bob.accept(1, quantity=3).json["data"]["booking"]["quantity"] == 2
    assert provider.balance == 2 * PRICE


@pytest.mark.parametrize("is_charged", [True, False])
def test_a_charge_that_timed_out_is_not_lost_after_the_hold(
    db, app, bob, provider, offer, is_charged
):
    time_out(provider, is_charged=is_charged)
    refused(bob.accept(1, quantity=2), 503, "payment_unavailable")
    expire_holds(app, minutes=31)
    reconcile(app, minutes=31)
    booking = shown(bob, {"_id": offer["bookingId"]})
    assert (booking["status"], booking["refund"]) == (
        "confirmed" if is_charged else "expired",
        None,
    )
    assert provider.balance == 2 * PRICE * is_charged
    assert stock_of(db, 1) == (3 - 2 * is_charged, 2 * is_charged, 0, 0)


def test_a_charge_under_way_is_not_replaced_by_another_amount(db, app, bob, provider, offer):
    answers = []

    def accept_less():
        provider.before = lambda: None
        answers.append(bob.accept(1, quantity=1))

    provider.before = accept_less
    assert bob.accept(1, quantity=2).json["data"]["booking"]["quantity"] == 2
    refused(answers[0], 409, "payment_under_way")
    assert provider.balance == 2 * PRICE


def test_control_without_the_guard_less_tickets_cost_more(db, bob, provider, offer, monkeypatch):
    """The attempt for 2 tickets pays for 1."""
    monkeypatch.setattr(states, "find_payable_attempt", lambda _payment: None)
    time_out(provider, is_charged=True)
    refused(bob.accept(1, quantity=2), 503, "payment_unavailable")
    assert bob.accept(1, quantity=1).status_code == 200
    assert provider.balance > PRICE


def test_a_charge_of_a_process_that_died_is_settled_after_a_while(db, app, bob, provider, offer):
    provider.after = lambda: (_ for _ in ()).throw(SystemExit)
    with pytest.raises(SystemExit):
        confirm_booking(context_of(app), ObjectId(offer["bookingId"]), Actor(bob.id), utc_now(), 2)
    provider.after = lambda: None
    refused(bob.accept(1, quantity=1), 409, "payment_under_way")
    reconcile(app, minutes=1)
    assert shown(bob, {"_id": offer["bookingId"]})["status"] == "held"
    reconcile(app, minutes=3)
    booking = shown(bob, {"_id": offer["bookingId"]})
    assert (booking["status"], booking["quantity"]) == ("confirmed", 2)
    assert provider.balance == 2 * PRICE


def test_two_charges_of_an_attempt_are_one(db, bob, provider, offer):
    """The first request sleeps after its charge while the second asks for the same attempt."""
    answers = []

    def sleep():
        provider.after = lambda: None
        answers.append(bob.accept(1, quantity=2))

    provider.after = sleep
    answers.append(bob.accept(1, quantity=2))
    assert [answer.json["data"]["booking"]["quantity"] for answer in answers] == [2, 2]
    assert (
        answers[0].json["data"]["booking"]["payment"]
        == shown(bob, {"_id": offer["bookingId"]})["payment"]
    )
    assert provider.balance == 2 * PRICE


def test_after_a_refusal_another_attempt_is_charged(db, bob, provider, offer):
    provider.refuses = True
    refused(bob.accept(1, quantity=2), 409, "payment_failed")
    first = shown(bob, {"_id": offer["bookingId"]})
    assert first["payment"]["status"] == "failed"
    provider.refuses = False
    booking = bob.accept(1, quantity=1).json["data"]["booking"]
    assert (booking["quantity"], booking["payment"]["status"]) == (1, "succeeded")
    assert booking["payment"]["attemptId"] != first["payment"]["attemptId"]
    assert (stock_of(db, 1), provider.balance) == ((2, 1, 0, 0), PRICE)


def test_a_provider_that_is_down_keeps_the_hold(db, ann, provider):
    event_of(db, 3)
    held = ann.book(1, 2, hold=True)
    provider.is_down = True
    answer = ann.confirm(held)
    assert refused(answer, 503, "payment_unavailable")["message"]
    assert answer.headers["Retry-After"] == "1"
    assert shown(ann, held)["status"] == "held"
    provider.is_down = False
    assert ann.confirm(held).status_code == 200
    assert provider.balance == 2 * PRICE


# The setting.


def test_the_setting_names_the_provider(db, app):
    config = CONFIG.get(app)
    assert build_booking_context(config, db).payments.current.name == "mock"
    unknown = load_config({**_environ(config), "PAYMENT_PROVIDER": "othr"})
    with pytest.raises(ConfigError, match="PAYMENT_PROVIDER: 'othr' is none of: "):
        build_booking_context(unknown, db)


def _environ(config):
    return {"INSTANCE_DIR": str(config.instance_dir)}
