"""Money and stock go apart: a provider that refuses or is down delays nobody, and charges once."""

import threading
from datetime import timedelta

import pytest
from bson import ObjectId

from eventapp import build_booking_context
from eventapp.bookings import charging, rules, transitions
from eventapp.config import ConfigError, load_config
from eventapp.core.access.actor import Actor
from eventapp.core.clock import utc_now
from eventapp.core.http.app_context import CONFIG
from eventapp.jobs import service as jobs
from eventapp.payments import providers
from eventapp.payments.providers import PaymentUnavailable
from tests.bookings_factories import (
    Caller,
    RecordingProvider,
    changed,
    context_of,
    event_of,
    expire_holds,
    later,
    pay_refunds,
    refused,
    set_clock,
    stock_of,
)

pytestmark = pytest.mark.usefixtures("clean_inventory")
PRICE = 2000


@pytest.fixture
def provider(app):
    provider = RecordingProvider()
    with changed(context_of(app), payments=provider):
        yield provider


@pytest.fixture
def bob(client, app):
    return Caller(client, app)


def shown(person, booking):
    return person.get(f"/bookings/{booking['_id']}").json["data"]["booking"]


def buy(person, quantity=1):
    held = person.book(1, quantity, hold=True)
    assert person.confirm(held).status_code == 200
    return held


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
        provider.refuses_refunds_of.add(ObjectId(mine["_id"]))
    else:
        provider.is_down = True
    answer = ann.cancel(mine)
    assert answer.status_code == 200
    assert answer.json["data"]["booking"]["refund"]["amount"] == 40
    assert "refundId" not in answer.json["data"]["booking"]["refund"]
    assert stock_of(db, 1) == (9, 1, 0, 0)
    now = utc_now()
    for minutes in range(1, 60, 3):
        for name in ("settle", "refunds", "tell"):
            jobs.JOBS[name].function(context_of(app), now + timedelta(minutes=minutes))
    (item,) = failed_work(client, admin)["items"]
    assert (item["kind"], item["key"]) == ("refund", mine["_id"])
    assert failed_work(client, admin)["setAside"] == 1
    assert client.get("/api/admin/health", headers=admin["headers"]).json["queues"]["refundsDue"]
    assert db.mails.count_documents({"userId": bob.id}) == 1
    provider.is_down = False
    assert bob.cancel(theirs).json["data"]["booking"]["refund"]["refundId"]
    provider.refuses_refunds_of.clear()
    assert pay_refunds(app, hours=2) == 1
    assert shown(ann, mine)["refund"]["refundId"]
    assert provider.balance == 0
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


def test_a_refund_goes_to_the_provider_that_was_paid(db, app, ann, provider, monkeypatch):
    event_of(db, 10)
    mine = buy(ann, 2)
    monkeypatch.setitem(providers.PROVIDERS, "recording", lambda: provider)
    other = RecordingProvider()
    other.name = "other"
    with changed(context_of(app), payments=other):
        assert ann.cancel(mine).json["data"]["booking"]["refund"]["refundId"]
    assert (provider.balance, other.calls) == (0, [])


def test_a_refund_of_a_provider_that_is_gone_waits(db, app, client, admin, ann, provider):
    event_of(db, 10)
    mine = buy(ann, 2)
    other = RecordingProvider()
    other.name = "other"
    with changed(context_of(app), payments=other):
        assert ann.cancel(mine).status_code == 200
        (item,) = failed_work(client, admin)["items"]
        assert item["error"] == "UnknownProvider: 'recording' is none of: mock"
    assert pay_refunds(app, minutes=1) == 1
    assert (provider.balance, other.calls) == (0, [])


def test_refunds_that_an_older_version_left_are_paid(db, app, ann, provider):
    event_of(db, 10)
    mine = buy(ann, 2)
    provider.is_down = True
    ann.cancel(mine)
    db.failedWork.delete_many({})
    provider.is_down = False
    old = {"$unset": {"refundDueAt": ""}, "$set": {"restock": "due"}}
    db.bookings.update_one({}, old)
    jobs.JOBS["settle"].function(context_of(app), later(minutes=1))
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
@pytest.mark.parametrize("quantity", [2, 3, 1])
def test_an_offer_is_accepted_after_a_timeout_for_2_of_its_tickets(
    db, app, bob, provider, offer, is_charged, quantity
):
    time_out(provider, is_charged=is_charged)
    refused(bob.accept(1, quantity=2), 503, "payment_unavailable")
    answer = bob.accept(1, quantity=quantity)
    assert answer.status_code == 200, answer.json
    assert answer.json["data"]["booking"]["quantity"] == quantity
    assert provider.balance == quantity * PRICE
    assert stock_of(db, 1) == (3 - quantity, quantity, 0, 0)
    booking = shown(bob, {"_id": offer["bookingId"]})
    assert bob.cancel(booking).json["data"]["booking"]["refund"]["amount"] == 20 * quantity
    assert provider.balance == 0


@pytest.mark.parametrize("is_charged", [True, False])
def test_a_charge_that_timed_out_is_refunded_after_the_hold(
    db, app, bob, provider, offer, is_charged
):
    time_out(provider, is_charged=is_charged)
    refused(bob.accept(1, quantity=2), 503, "payment_unavailable")
    expire_holds(app, minutes=31)
    assert pay_refunds(app, minutes=31) == is_charged
    assert provider.balance == 0
    refund = shown(bob, {"_id": offer["bookingId"]})["refund"]
    assert (refund["amount"] if refund else None) == (40 if is_charged else None)


def test_a_charge_under_way_is_not_replaced_by_another_amount(db, app, bob, provider, offer):
    answers = []

    def accept_more():
        provider.before = lambda: None
        answers.append(bob.accept(1, quantity=3))

    provider.before = accept_more
    assert bob.accept(1, quantity=2).json["data"]["booking"]["quantity"] == 2
    refused(answers[0], 409, "conflict")
    assert provider.balance == 2 * PRICE


def test_a_charge_of_a_process_that_died_is_settled_after_a_while(
    db, app, bob, provider, offer, monkeypatch
):
    provider.after = lambda: (_ for _ in ()).throw(SystemExit)
    with pytest.raises(SystemExit):
        transitions.confirm_booking(
            context_of(app), ObjectId(offer["bookingId"]), Actor(bob.id), utc_now(), 2
        )
    provider.after = lambda: None
    refused(bob.accept(1, quantity=3), 409, "conflict")
    set_clock(monkeypatch, utc_now() + rules.MAX_CHARGE_TIME)
    assert bob.accept(1, quantity=3).json["data"]["booking"]["quantity"] == 3
    assert provider.balance == 3 * PRICE


def test_an_attempt_that_was_given_up_confirms_nothing(db, app, bob, provider, offer, monkeypatch):
    """The first request sleeps after its charge while the second settles it and charges more."""
    answers = []

    def sleep():
        provider.after = lambda: None
        set_clock(monkeypatch, utc_now() + rules.MAX_CHARGE_TIME)
        answers.append(bob.accept(1, quantity=3))

    provider.after = sleep
    late = bob.accept(1, quantity=2)
    assert answers[0].json["data"]["booking"]["quantity"] == 3
    assert late.json["data"]["booking"]["quantity"] == 3
    assert provider.balance == 3 * PRICE


def test_an_attempt_that_is_being_given_up_confirms_nothing(
    db, app, bob, provider, offer, monkeypatch
):
    """The first request goes on while the second asks the provider to forbid its attempt."""
    charged, go_on, answers = threading.Event(), threading.Event(), []
    forbid, first = (
        provider.forbid_charges,
        threading.Thread(target=lambda: answers.append(bob.accept(1, quantity=2))),
    )

    def sleep():
        provider.after = lambda: None
        charged.set()
        assert go_on.wait(20)

    def forbid_late(attempt_id):
        monkeypatch.setattr(provider, "forbid_charges", forbid)
        go_on.set()
        first.join(20)
        return forbid(attempt_id)

    provider.after = sleep
    first.start()
    assert charged.wait(20)
    monkeypatch.setattr(provider, "forbid_charges", forbid_late)
    set_clock(monkeypatch, utc_now() + rules.MAX_CHARGE_TIME)
    answers.append(bob.accept(1, quantity=3))
    assert [answer.status_code for answer in answers] == [200, 200]
    booking = shown(bob, {"_id": offer["bookingId"]})
    assert provider.balance == booking["quantity"] * PRICE


def test_a_settlement_that_is_interrupted_is_finished(db, app, bob, provider, offer, monkeypatch):
    time_out(provider, is_charged=True)
    refused(bob.accept(1, quantity=2), 503, "payment_unavailable")
    with monkeypatch.context() as patch:
        patch.setattr(provider, "refund", lambda *_: (_ for _ in ()).throw(PaymentUnavailable))
        refused(bob.accept(1, quantity=3), 503, "payment_unavailable")
    assert bob.accept(1, quantity=3).status_code == 200
    assert provider.balance == 3 * PRICE


def test_after_a_refusal_another_attempt_is_charged(db, bob, provider, offer):
    provider.refuses = True
    refused(bob.accept(1, quantity=2), 409, "payment_failed")
    provider.refuses = False
    assert bob.accept(1, quantity=3).status_code == 200
    assert provider.balance == 3 * PRICE


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


def test_control_without_the_guard_of_the_amount_three_tickets_cost_two(
    db, bob, provider, offer, monkeypatch
):
    monkeypatch.setattr(charging.rules, "may_repeat_charge", lambda *_: True)
    time_out(provider, is_charged=True)
    refused(bob.accept(1, quantity=2), 503, "payment_unavailable")
    assert bob.accept(1, quantity=3).status_code == 200
    assert provider.balance == 2 * PRICE


# The setting.


def test_the_setting_names_the_provider(db, app, monkeypatch):
    class Other(RecordingProvider):
        name = "other"

    config = CONFIG.get(app)
    assert build_booking_context(config, db).payments.name == "mock"
    monkeypatch.setitem(providers.PROVIDERS, "other", Other)
    chosen = load_config({**_environ(config), "PAYMENT_PROVIDER": "other"})
    assert build_booking_context(chosen, db).payments.name == "other"
    unknown = load_config({**_environ(config), "PAYMENT_PROVIDER": "othr"})
    with pytest.raises(ConfigError, match="PAYMENT_PROVIDER: 'othr' is none of: mock, other"):
        build_booking_context(unknown, db)


def _environ(config):
    return {"INSTANCE_DIR": str(config.instance_dir)}
