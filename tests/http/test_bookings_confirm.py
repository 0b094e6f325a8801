"""Confirming a hold: charged once and in time; when it ends meanwhile, no money is lost."""

import pytest
from bson import ObjectId

from eventapp.core.access.actor import Actor
from eventapp.core.clock import utc_now
from eventapp.core.errors import AppError
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
    set_clock,
    stock_of,
    types,
)

pytestmark = pytest.mark.usefixtures("clean_inventory")


@pytest.fixture
def provider(app):
    provider = RecordingProvider()
    with changed(context_of(app), payments=Providers(provider)):
        yield provider


@pytest.fixture
def held(db, ann):
    event_of(db, ticketTypes=types(10, price=12.34))
    return ann.book(1, 3, hold=True)


def shown(ann, booking):
    return ann.get(f"/bookings/{booking['_id']}").json["data"]["booking"]


def refund_id_of(booking):
    """Return the id of the refund of all tickets, from the booking as the API shows it."""
    return f"refund-{booking['payment']['attemptId']}"


def test_a_hold_can_be_confirmed(db, ann, held):
    answer = ann.confirm(held)
    booking = answer.json["data"]["booking"]
    assert (answer.status_code, answer.json["message"]) == (200, "Booking confirmed")
    assert (booking["status"], booking["expiresAt"], booking["refund"]) == ("confirmed", None, None)
    assert (booking["items"], booking["totalPrice"]) == (held["items"], 37.02)
    assert stock_of(db, 1) == (7, 3, 0, 0)
    assert shown(ann, held) == booking
    assert booking["payment"]["provider"] == "mock"


def test_confirming_again_changes_nothing(db, ann, held, provider):
    first, second = ann.confirm(held), ann.confirm(held)
    assert first.data == second.data
    assert stock_of(db, 1) == (7, 3, 0, 0)
    assert provider.calls == [("charge", 3702, "EUR")]


def test_a_confirmed_booking_never_expires(db, app, ann, held):
    ann.confirm(held)
    assert expire_holds(app, days=1) == 0
    assert stock_of(db, 1) == (7, 3, 0, 0)


def test_a_booking_without_a_hold_is_already_confirmed(db, ann, provider):
    event_of(db, 10)
    booking = ann.book(1)
    assert booking["status"] == "confirmed"
    assert ann.confirm(booking).json["data"]["booking"] == booking
    assert provider.calls == [("charge", 2000, "EUR")]


def test_cancelling_refunds_the_payment(db, ann, held, provider):
    ann.confirm(held)
    booking = ann.cancel(held).json["data"]["booking"]
    refund = booking["refund"]
    assert (refund["amount"], refund["refundId"]) == (37.02, refund_id_of(booking))
    assert booking["payment"]["status"] == "refunded"
    ann.cancel(held)
    assert provider.calls == [("charge", 3702, "EUR"), ("refund", 3702, "EUR")]
    assert provider.balance == 0


def test_a_hold_cannot_be_confirmed_after_its_time(db, app, ann, held, provider, monkeypatch):
    set_clock(monkeypatch, later(minutes=10))
    body = refused(ann.confirm(held), 409, "hold_expired")
    assert body["message"] == "The hold has expired; nothing was charged"
    expire_holds(app, minutes=10)
    refused(ann.confirm(held), 409, "hold_expired")
    assert shown(ann, held)["status"] == "expired"
    assert shown(ann, held)["refund"] is None
    assert provider.calls == []
    assert stock_of(db, 1) == (10, 0, 0, 0)


def test_the_job_expires_only_holds_whose_time_is_over(db, client, app, ann, held):
    bob = Caller(client, app)
    bob.book(1, 2)
    assert expire_holds(app, minutes=9) == 0
    assert stock_of(db, 1) == (5, 2, 3, 0)
    assert (expire_holds(app, minutes=11), expire_holds(app, minutes=11)) == (1, 0)
    assert stock_of(db, 1) == (8, 2, 0, 0)
    assert shown(ann, held)["expiresAt"] == held["expiresAt"]


def test_a_cancelled_booking_cannot_be_confirmed(db, ann, held, provider):
    ann.cancel(held)
    refused(ann.confirm(held), 409, "not_held")
    assert provider.calls == []


def test_only_the_holder_and_admins_can_confirm(db, client, app, ann, provider):
    host, bob = Caller(client, app, "organizer"), Caller(client, app)
    event_of(db, 10, organizer_id=host.id)
    held = ann.book(1, hold=True)
    for person in (host, bob):
        refused(person.confirm(held), 404, "booking_not_found")
    refused(client.post(f"/api/bookings/{held['_id']}/confirm"), 401, "unauthorized")
    assert provider.calls == []
    assert Caller(client, app, "admin").confirm(held).status_code == 200


def test_a_refused_payment_leaves_the_booking_held(db, ann, held, provider):
    provider.refuses = True
    refused(ann.confirm(held), 409, "payment_failed")
    assert shown(ann, held)["status"] == "held"
    assert stock_of(db, 1) == (7, 0, 3, 0)
    provider.refuses = False
    assert ann.confirm(held).status_code == 200
    assert (stock_of(db, 1), provider.balance) == ((7, 3, 0, 0), 3702)


@pytest.mark.parametrize("end", ["cancel", "expire"])
def test_after_a_refused_payment_nothing_is_refunded(db, app, ann, held, provider, end):
    provider.refuses = True
    refused(ann.confirm(held), 409, "payment_failed")
    if end == "cancel":
        ann.cancel(held)
    else:
        expire_holds(app, minutes=11)
    assert shown(ann, held)["refund"] is None
    assert provider.calls == [("charge", 3702, "EUR")]


def expire(app, _ann, _held):
    expire_holds(app, minutes=11)


def cancel(_app, ann, held):
    ann.cancel(held)


def finish(app):
    """Let the worker ask the provider about what is left, and pay what is due."""
    reconcile(app, minutes=11)
    pay_refunds(app, minutes=11)


def die(*_arguments):
    raise SystemExit


ENDS = {"expired": expire, "cancelled": cancel}
CODES = {"expired": "hold_expired", "cancelled": "not_held"}


def test_a_charge_of_a_hold_that_expired_meanwhile_buys_its_tickets(db, app, ann, held, provider):
    provider.after = lambda: expire(app, ann, held)
    booking = ann.confirm(held).json["data"]["booking"]
    assert (booking["status"], booking["refund"]) == ("confirmed", None)
    assert booking["totalPrice"] == 37.02
    assert (stock_of(db, 1), provider.balance) == ((7, 3, 0, 0), 3702)


def test_a_charge_of_a_hold_that_was_cancelled_meanwhile_is_refunded(db, app, ann, held, provider):
    provider.after = lambda: cancel(app, ann, held)
    refused(ann.confirm(held), 409, "not_held")
    booking = shown(ann, held)
    assert (booking["status"], booking["refund"]["amount"]) == ("cancelled", 37.02)
    assert booking["refund"]["refundId"] == refund_id_of(booking)
    assert (stock_of(db, 1), provider.balance) == ((10, 0, 0, 0), 0)


def test_a_charge_is_refunded_and_shown_if_the_tickets_are_sold_to_others(
    db, client, app, ann, held, provider
):
    def sell_to_others():
        provider.after = lambda: None
        expire(app, ann, held)
        Caller(client, app).book(1, 10)

    provider.after = sell_to_others
    body = refused(ann.confirm(held), 409, "hold_expired")
    booking = shown(ann, held)
    assert (booking["status"], booking["refund"]["amount"]) == ("expired", 37.02)
    assert booking["refund"]["refundId"] == refund_id_of(booking)
    assert (body["refund"]["amount"], body["refund"]["reason"]) == (37.02, "hold_expired")
    assert (stock_of(db, 1), provider.balance) == ((0, 10, 0, 0), 12340)


@pytest.mark.parametrize("status", ENDS)
def test_a_hold_that_ended_before_the_charge_is_not_charged(db, app, ann, held, provider, status):
    """The end of the hold lets the provider cancel the attempt before it is asked for it."""

    def end():
        ENDS[status](app, ann, held)
        finish(app)

    provider.before = end
    refused(ann.confirm(held), 409, CODES[status])
    booking = shown(ann, held)
    assert (booking["status"], booking["refund"]) == (status, None)
    assert provider.calls == [("charge", 3702, "EUR")]
    assert (stock_of(db, 1), provider.balance) == ((10, 0, 0, 0), 0)


def test_control_an_attempt_that_is_not_cancelled_at_the_end_can_be_charged(
    db, app, ann, held, provider, monkeypatch
):
    monkeypatch.setattr(provider, "cancel", provider.fetch)

    def end():
        cancel(app, ann, held)
        finish(app)

    provider.before = end
    refused(ann.confirm(held), 409, "not_held")
    assert provider.charged


@pytest.mark.parametrize("status", ENDS)
@pytest.mark.parametrize("provider_name", ["recording", "mock"])
def test_nothing_is_refunded_if_the_process_died_before_the_charge(
    db, app, ann, held, monkeypatch, status, provider_name
):
    context = context_of(app)
    is_mock = provider_name == "mock"
    with changed(context, payments=context.payments if is_mock else Providers(RecordingProvider())):
        with monkeypatch.context() as dying:
            dying.setattr(context.payments.current, "create", die)
            with pytest.raises(SystemExit):
                confirm_booking(context, ObjectId(held["_id"]), Actor(ann.id), utc_now())
        ENDS[status](app, ann, held)
        finish(app)
        booking = shown(ann, held)
        assert (booking["status"], booking["refund"]) == (status, None)
        assert booking["payment"]["status"] == "failed"
        assert stock_of(db, 1) == (10, 0, 0, 0)
        with pytest.raises(AppError):
            confirm_booking(context, ObjectId(held["_id"]), Actor(ann.id), utc_now())
        assert db.bookings.find_one({})["status"] == status


def charge_and_die(app, ann, held, provider):
    provider.after = die
    with pytest.raises(SystemExit):
        confirm_booking(context_of(app), ObjectId(held["_id"]), Actor(ann.id), utc_now())
    provider.after = lambda: None
    assert provider.balance == 3702


def test_a_process_that_died_after_the_charge_of_a_cancelled_hold_loses_no_money(
    db, app, ann, held, provider
):
    charge_and_die(app, ann, held, provider)
    cancel(app, ann, held)
    finish(app)
    booking = shown(ann, held)
    refund = booking["refund"]
    assert (refund["amount"], refund["refundId"]) == (37.02, refund_id_of(booking))
    assert refund["reason"] == "hold_expired"
    assert (stock_of(db, 1), provider.balance) == ((10, 0, 0, 0), 0)


@pytest.mark.parametrize("is_expired", [True, False])
def test_a_process_that_died_after_the_charge_loses_no_tickets(
    db, app, ann, held, provider, is_expired
):
    charge_and_die(app, ann, held, provider)
    if is_expired:
        expire(app, ann, held)
    reconcile(app, minutes=12 if is_expired else 3)
    assert (shown(ann, held)["status"], shown(ann, held)["refund"]) == ("confirmed", None)
    assert (stock_of(db, 1), provider.balance) == ((7, 3, 0, 0), 3702)


def test_control_without_the_worker_the_charge_of_a_dead_process_is_lost(
    db, app, ann, held, provider
):
    charge_and_die(app, ann, held, provider)
    expire(app, ann, held)
    pay_refunds(app, minutes=11)
    assert (shown(ann, held)["status"], provider.balance) == ("expired", 3702)


def test_two_concurrent_confirmations_charge_once(db, ann, held, provider):
    answers = []

    def pay_again():
        provider.before = lambda: None
        answers.append(ann.confirm(held))

    provider.before = pay_again
    answers.append(ann.confirm(held))
    assert [answer.status_code for answer in answers] == [200, 200]
    assert (stock_of(db, 1), provider.balance) == ((7, 3, 0, 0), 3702)


def test_a_charge_by_a_provider_that_then_fails_is_found(db, app, ann, held, provider):
    def break_down():
        provider.after = lambda: None
        raise ConnectionError

    provider.after = break_down
    assert ann.confirm(held).status_code == 500
    assert shown(ann, held)["status"] == "held"
    cancel(app, ann, held)
    finish(app)
    assert (shown(ann, held)["refund"]["amount"], provider.balance) == (37.02, 0)
    assert stock_of(db, 1) == (10, 0, 0, 0)


def test_the_worker_pays_a_refund_that_failed(db, app, ann, held, provider, monkeypatch):
    ann.confirm(held)
    refund = provider.refund
    monkeypatch.setattr(provider, "refund", lambda *_args: 1 / 0)
    assert ann.cancel(held).status_code == 200
    booking = shown(ann, held)
    assert (booking["status"], "refundId" in booking["refund"]) == ("cancelled", False)
    assert booking["payment"]["status"] == "refunding"
    assert stock_of(db, 1) == (10, 0, 0, 0)
    monkeypatch.setattr(provider, "refund", refund)
    assert pay_refunds(app, seconds=11) == 1
    booking = shown(ann, held)
    assert booking["refund"]["refundId"] == refund_id_of(booking)
    assert (stock_of(db, 1), provider.balance) == ((10, 0, 0, 0), 0)
