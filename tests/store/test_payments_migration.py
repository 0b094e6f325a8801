"""Payments of schema version 3 and before get the form of version 4, once, however it is begun."""

from datetime import timedelta

import pytest
from bson import ObjectId

from eventapp import prepare_database
from eventapp.bookings import partial_cancellations, store_migration, transitions, waitlist_offers
from eventapp.bookings.context import BOOKING_CONTEXT
from eventapp.bookings.payments import migration, reconciliation, refunds
from eventapp.core.clock import utc_now
from eventapp.payments.providers import Providers
from tests.bookings_factories import RecordingProvider, confirm_booking, event_of
from tests.race import kit

PRICE = 2000
LATER = timedelta(minutes=11)
MIGRATED = {"payment.revision": {"$exists": True}}
NEW_FIELDS = ("payment", "entries", "ledgerDue", "refundDueAt", "reconcileAt")


@pytest.fixture
def provider():
    """Return the provider that older versions have used; it pays at once."""
    return RecordingProvider()


@pytest.fixture
def context(app, db, clean_inventory, provider):
    context = kit.another_process(BOOKING_CONTEXT.get(app))
    context.payments = Providers(BOOKING_CONTEXT.get(app).payments.current, [provider])
    return context


@pytest.fixture
def event(db):
    return db.events.find_one({"eventId": event_of(db, 20)})


def make_old(db, booking_id, **fields):
    """Give a booking the form of an older version, which had no payment by default."""
    db.bookings.update_one({"_id": booking_id}, {"$unset": dict.fromkeys(NEW_FIELDS, "")})
    if fields:
        db.bookings.update_one({"_id": booking_id}, {"$set": fields})
    db.counters.update_one({"_id": "schemaVersion"}, {"$set": {"value": 3}}, upsert=True)
    return booking_id


def sell(context, event, quantity=2, *, hold=False, user=None):
    user = user or kit.attendee()
    return kit.booking_id(kit.book(context, event, quantity, user=user.user_id, hold=hold))


def payment_of_version_3(**fields):
    """Return the last attempt of a booking as version 3 stored it, begun and not answered."""
    begun = {"attemptId": ObjectId(), "cents": 2 * PRICE, "begunAt": utc_now()}
    return {"provider": "recording", **begun, **fields}


def pay_before(provider, payment):
    """Let the provider have charged an attempt that an older version has begun."""
    provider.charged[payment["attemptId"]] = payment["cents"]
    return payment


def stored(db, booking_id):
    return db.bookings.find_one({"_id": booking_id})


def run_jobs(context, moment):
    reconciliation.reconcile_payments(context, moment)
    refunds.pay_due_refunds(context, moment)


def get_attempt(db, booking_id):
    (attempt,) = stored(db, booking_id)["payment"]["attempts"]
    return attempt


def test_a_sale_without_a_payment_is_paid_to_the_legacy_provider(context, db, event, provider):
    user = kit.attendee()
    id_ = make_old(db, sell(context, event, user=user))
    prepare_database(db)
    booking, attempt = stored(db, id_), get_attempt(db, id_)
    assert (attempt["provider"], attempt["attemptId"], attempt["state"]) == (
        "legacy",
        id_,
        "succeeded",
    )
    assert (attempt["cents"], booking["payment"]["state"]) == (2 * PRICE, "succeeded")
    (entry,) = booking["entries"]
    names = ("kind", "bookings", "sold", "cents", "paid", "provider")
    assert [entry[name] for name in names] == ["opening", 1, 2, 4000, 4000, "legacy"]
    assert booking["ledgerDue"]
    kit.assert_consistent(context)
    transitions.cancel_booking(context, id_, user, utc_now())
    assert stored(db, id_)["refund"]["refundId"] == f"legacy-refund-{id_}"
    assert stored(db, id_)["payment"]["state"] == "refunded"
    assert (provider.calls, provider.balance) == ([], 0)  # No money is moved.
    kit.assert_consistent(context)


def test_a_sale_with_entries_gets_no_other_one(context, db, event):
    id_ = sell(context, event)
    entries = stored(db, id_)["entries"]
    make_old(db, id_, entries=entries, ledgerDue=True)
    prepare_database(db)
    assert stored(db, id_)["entries"] == entries
    assert get_attempt(db, id_)["provider"] == "legacy"
    kit.assert_consistent(context)


def test_free_bookings_and_open_holds_have_no_payment(context, db):
    free = db.events.find_one(
        {"eventId": event_of(db, ticketTypes=[{"type": "A", "price": 0, "availableTickets": 9}])}
    )
    paid = db.events.find_one({"eventId": event_of(db, 9)})
    ids = [sell(context, free), sell(context, paid, hold=True)]
    for id_ in ids:
        make_old(db, id_, entries=stored(db, id_)["entries"])
    before = [stored(db, id_) for id_ in ids]
    prepare_database(db)
    assert [stored(db, id_) for id_ in ids] == before


def test_a_paid_hold_keeps_its_provider(context, db, event, provider):
    user = kit.attendee()
    id_, payment = sell(context, event, user=user), pay_before(provider, payment_of_version_3())
    make_old(db, id_, payment={**payment, "id": "charge 1", "paidAt": payment["begunAt"]})
    prepare_database(db)
    attempt = get_attempt(db, id_)
    assert {name: attempt[name] for name in ("attemptId", "provider", "cents")} == {
        name: payment[name] for name in ("attemptId", "provider", "cents")
    }
    assert (attempt["state"], attempt["providerId"]) == ("succeeded", "charge 1")
    transitions.cancel_booking(context, id_, user, utc_now())
    assert list(provider.refunds) == [str(payment["attemptId"])]  # The key is that of version 3.
    assert provider.balance == 0
    kit.assert_consistent(context)


# What version 3 had recorded of an attempt that has not confirmed its booking.
UNSETTLED = ({}, {"unknownAt": utc_now()}, {"refusedAt": utc_now()}, {"forbiddenAt": utc_now()})


@pytest.mark.parametrize("recorded", UNSETTLED)
@pytest.mark.parametrize("is_charged", [False, True])
def test_a_hold_with_an_uncertain_attempt(context, db, event, provider, recorded, is_charged):
    """It counts as unknown. When the hold ends, the provider is asked, and money goes back."""
    id_, payment = sell(context, event, hold=True), payment_of_version_3(**recorded)
    if is_charged:
        pay_before(provider, payment)
    hold_end = stored(db, id_)["expiresAt"]
    make_old(db, id_, entries=stored(db, id_)["entries"], payment=payment, refundDueAt=hold_end)
    prepare_database(db)
    assert get_attempt(db, id_)["state"] == "unknown"
    assert stored(db, id_)["reconcileAt"] == hold_end
    waitlist_offers.expire_holds(context, utc_now() + LATER)
    db.events.update_one({}, {"$set": {"status": "cancelled"}})  # Nothing can be taken again.
    run_jobs(context, utc_now() + LATER)
    run_jobs(context, utc_now() + 2 * LATER)
    booking = stored(db, id_)
    assert (booking["status"], provider.balance) == ("expired", 0)
    assert bool(provider.refunds) == is_charged
    assert booking["payment"]["state"] == ("refunded" if is_charged else "failed")
    assert "refundDueAt" not in booking
    assert "reconcileAt" not in booking
    assert kit.find_wrong_entries(db) == []


def test_money_of_an_unknown_attempt_confirms_the_hold(context, db, event, provider):
    user = kit.attendee()
    id_ = sell(context, event, user=user, hold=True)
    payment = pay_before(provider, payment_of_version_3(unknownAt=utc_now()))
    make_old(db, id_, entries=stored(db, id_)["entries"], payment=payment)
    prepare_database(db)
    assert confirm_booking(context, id_, user, utc_now())["status"] == "confirmed"
    assert list(provider.charged.values()) == [2 * PRICE]  # It was not charged again.
    kit.assert_consistent(context)


def test_money_of_a_forbidden_attempt_never_confirms(context, db, event, provider):
    """Version 3 may have paid it back: the next attempt has to be paid."""
    user = kit.attendee()
    id_ = sell(context, event, user=user, hold=True)
    payment = pay_before(provider, payment_of_version_3(forbiddenAt=utc_now()))
    provider.refunds[str(payment["attemptId"])] = payment["cents"]
    provider.returned[payment["attemptId"]] = payment["cents"]
    make_old(db, id_, entries=stored(db, id_)["entries"], payment=payment)
    prepare_database(db)
    assert confirm_booking(context, id_, user, utc_now())["status"] == "held"
    assert provider.balance == 0  # It was paid back once.
    assert confirm_booking(context, id_, user, utc_now())["status"] == "confirmed"
    kit.assert_consistent(context)


def test_an_attempt_of_the_oldest_version_has_only_a_refusal(context, db, event):
    id_ = sell(context, event, hold=True)
    entries = stored(db, id_)["entries"]
    make_old(db, id_, entries=entries, payment={"provider": "mock", "refusedAt": utc_now()})
    prepare_database(db)
    attempt = get_attempt(db, id_)
    assert (attempt["attemptId"], attempt["cents"]) == (id_, 2 * PRICE)
    assert attempt["state"] == "unknown"


def end(context, db, id_, user, *, paid):
    """Cancel a booking as version 3 did; return the fields that it left."""
    transitions.cancel_booking(context, id_, user, utc_now())
    refund = stored(db, id_)["refund"]
    if not paid:
        del refund["refundId"]
    return refund


@pytest.mark.parametrize("has_due_time", [False, True])
def test_an_unpaid_refund_of_a_booking_that_ended_is_paid(
    context, db, event, provider, has_due_time
):
    user, payment = kit.attendee(), pay_before(provider, payment_of_version_3(id="charge 1"))
    id_ = sell(context, event, user=user)
    refund = end(context, db, id_, user, paid=False)
    due = {"refundDueAt": utc_now()} if has_due_time else {}
    make_old(db, id_, payment=payment, refund=refund, **due)
    prepare_database(db)
    assert stored(db, id_)["payment"]["state"] == "refunding"
    run_jobs(context, utc_now() + LATER)
    assert (stored(db, id_)["payment"]["state"], provider.balance) == ("refunded", 0)
    assert list(provider.refunds) == [str(payment["attemptId"])]
    kit.assert_consistent(context)


@pytest.mark.parametrize("with_payment", [False, True])
def test_a_paid_refund_of_a_booking_that_ended_is_not_paid_again(
    context, db, event, provider, with_payment
):
    user = kit.attendee()
    id_ = sell(context, event, user=user)
    refund = end(context, db, id_, user, paid=True)
    entries = stored(db, id_)["entries"]
    payment = {"payment": payment_of_version_3(id="charge 1")} if with_payment else {}
    make_old(db, id_, entries=entries, refund=refund, **payment)
    prepare_database(db)
    assert stored(db, id_)["payment"]["state"] == "refunded"
    assert get_attempt(db, id_)["provider"] == ("recording" if with_payment else "legacy")
    run_jobs(context, utc_now() + LATER)
    assert (stored(db, id_)["refund"], provider.calls) == (refund, [])
    kit.assert_consistent(context)


def test_an_ended_hold_with_an_unknown_attempt_is_asked_about(context, db, event, provider):
    user = kit.attendee()
    id_ = sell(context, event, user=user, hold=True)
    transitions.cancel_booking(context, id_, user, utc_now())
    payment = pay_before(provider, payment_of_version_3())
    entries = stored(db, id_)["entries"]
    make_old(db, id_, entries=entries, payment=payment, refundDueAt=utc_now())
    prepare_database(db)
    run_jobs(context, utc_now() + LATER)
    assert (provider.balance, stored(db, id_)["refund"]["reason"]) == (0, "hold_expired")
    kit.assert_consistent(context)


@pytest.mark.parametrize("is_paid", [False, True])
def test_refunds_of_cancelled_tickets_are_part_of_the_payment(context, db, event, is_paid):
    user = kit.attendee()
    id_ = sell(context, event, 3, user=user)
    one = partial_cancellations.CancellationRequest({1: 1}, (), None)
    partial_cancellations.cancel_tickets(context, id_, one, user, utc_now())
    booking = stored(db, id_)
    (part,) = booking["cancellations"]
    if not is_paid:
        del part["refund"]["refundId"]
    entries = [each for each in booking["entries"] if is_paid or each["kind"] != "refunded"]
    due = {} if is_paid else {"refundDueAt": utc_now()}
    make_old(db, id_, entries=entries, cancellations=[part], **due)
    prepare_database(db)
    assert get_attempt(db, id_)["cents"] == 3 * PRICE
    assert stored(db, id_)["payment"]["state"] == ("succeeded" if is_paid else "refunding")
    run_jobs(context, utc_now() + LATER)
    transitions.cancel_booking(context, id_, user, utc_now())
    after = stored(db, id_)
    assert after["payment"]["state"] == "refunded"
    paid = [each["refund"]["refundId"] for each in after["cancellations"]]
    first = part["refund"]["refundId"] if is_paid else f"legacy-refund-{id_}-1"
    assert [*paid, after["refund"]["refundId"]] == [first, f"legacy-refund-{id_}"]
    kit.assert_consistent(context)


# How it may be run.


@pytest.fixture
def old_ids(context, db, event):
    """Return sales as the oldest version stored them."""
    return [make_old(db, sell(context, event, 1)) for _ in range(5)]


def test_it_may_be_repeated_and_changes_nothing_then(db, old_ids):
    prepare_database(db)
    after = list(db.bookings.find({}))
    assert migration.migrate_payments(db, utc_now())
    make_old(db, ObjectId())
    prepare_database(db)
    assert list(db.bookings.find({})) == after
    assert all(len(booking["payment"]["attempts"]) == 1 for booking in after)


@pytest.mark.parametrize("batch_size", [1, 2, 3, 7])
def test_batches_leave_no_booking_out(db, old_ids, monkeypatch, batch_size):
    monkeypatch.setattr(migration, "BATCH_SIZE", batch_size)
    prepare_database(db)
    assert db.bookings.count_documents({"payment.attempts.provider": "legacy"}) == len(old_ids)


def test_a_booking_that_two_processes_write_gets_one_entry(db, old_ids, monkeypatch):
    real = store_migration.write_payments

    def write_twice(db_, changes):
        assert real(db_, changes) == len(old_ids)
        return real(db_, changes)

    monkeypatch.setattr(store_migration, "write_payments", write_twice)
    prepare_database(db)
    for booking in db.bookings.find({}):
        assert len(booking["entries"]) == len(booking["payment"]["attempts"]) == 1


def test_an_interrupted_migration_is_continued(context, db, old_ids, monkeypatch):
    real = store_migration.write_payments

    class Died(BaseException):
        pass

    def write_one(db_, changes):
        real(db_, changes[:1])
        raise Died

    monkeypatch.setattr(store_migration, "write_payments", write_one)
    with pytest.raises(Died):
        prepare_database(db)
    assert db.bookings.count_documents(MIGRATED) == 1
    assert db.counters.find_one({"_id": "schemaVersion"})["value"] == 3
    monkeypatch.setattr(store_migration, "write_payments", real)
    prepare_database(db)
    assert db.bookings.count_documents(MIGRATED) == len(old_ids)
    kit.assert_consistent(context)


def test_one_that_fails_delays_no_other(db, old_ids):
    db.bookings.update_one({"_id": old_ids[0]}, {"$set": {"totalCents": "many"}})
    db.bookings.update_one({"_id": old_ids[0]}, {"$set": {"payment": {"cents": 1}}})
    prepare_database(db)
    assert db.bookings.count_documents(MIGRATED) == len(old_ids) - 1
    assert db.counters.find_one({"_id": "schemaVersion"})["value"] == 3
    (failed,) = db.failedWork.find({"kind": "payment migration"})
    assert failed["key"] == old_ids[0]


def test_one_that_ends_meanwhile_is_migrated_as_it_is_then(context, db, event, monkeypatch):
    user = kit.attendee()
    id_ = make_old(db, sell(context, event, user=user))
    real = store_migration.write_payments
    booking = stored(db, id_)
    refund = {"amount": 40, "currency": "EUR", "reason": "cancelled", "refundedAt": utc_now()}
    ended = {"status": "cancelled", "active": False, "refund": refund, "refundDueAt": utc_now()}
    monkeypatch.setattr(
        store_migration,
        "write_payments",
        lambda db_, changes: (
            monkeypatch.setattr(store_migration, "write_payments", real),
            db_.bookings.update_one({"_id": id_}, {"$set": ended}),
            real(db_, changes),
        )[-1],
    )
    prepare_database(db)
    assert booking["status"] == "confirmed"
    assert stored(db, id_)["payment"]["state"] == "refunding"
    assert "entries" not in stored(db, id_)
    db.events.delete_many({})  # This end has not given back the tickets.
