"""An announcement reaches each holder once, whoever sends it at once and whoever dies over it."""

from collections import Counter
from contextlib import suppress

import pytest
from bson import ObjectId

from eventapp.announcements import rules, sending, service, store
from eventapp.bookings import transitions
from eventapp.core.clock import utc_now
from eventapp.core.failpoints import set_failpoint_hook
from tests.factories import make_event, make_user
from tests.notifications_factories import mail_server, send_mails, worker_context
from tests.race import kit
from tests.race.test_deaths import Died, die_once_at_each_step

STEPS = {"announcement-claimed", "announced", "announcement-advanced"}
HOLDERS, WORKERS, MAX_ROUNDS = 12, 4, 20
BODY = {"subject": "News", "text": "Hello", "to": {}}


@pytest.fixture(autouse=True)
def _small_batches(monkeypatch):
    monkeypatch.setattr(sending, "BATCH_SIZE", 3)


@pytest.fixture
def event(db):
    return make_event(db)


@pytest.fixture
def holders(app, context, event):
    """The ids of the holders of a booking of the event."""
    ids = [make_user(app)["id"] for _ in range(HOLDERS)]
    for user_id in ids:
        kit.book(context, event, user=user_id)
    return ids


def write(db, event, key=None, now=None, **body):
    actor, now = kit.ADMIN, now or utc_now()
    return service.write_announcement(db, event["eventId"], actor, {**BODY, **body}, key, now)


def count_of(db, name):
    """Return how many notifications or mails of announcements each user has."""
    return Counter(each["userId"] for each in db[name].find({"kind": "announcement"}))


def send_until_done(context, hook=None):
    """Let workers send what is due, each a lease later than the one before; a dead one too."""
    set_failpoint_hook(hook)
    now = utc_now()
    try:
        for _ in range(MAX_ROUNDS):
            if not context.db.announcements.count_documents({"dueAt": {"$exists": True}}):
                break
            with suppress(Died):
                sending.send_due_announcements(kit.another_process(context), now)
            now += 2 * sending.LEASE
    finally:
        set_failpoint_hook(None)


def test_workers_that_die_at_every_step_notify_each_holder_once(context, db, event, holders):
    write(db, event)
    died = set()
    send_until_done(context, die_once_at_each_step(died))
    assert died >= STEPS
    assert count_of(db, "notifications") == count_of(db, "mails") == Counter(holders)
    stored = db.announcements.find_one({})
    assert (stored["status"], stored["notified"], stored["mailed"]) == ("sent", HOLDERS, HOLDERS)


def test_a_worker_that_dies_between_notifications_and_mails_is_followed(
    context, db, event, holders, monkeypatch
):
    write(db, event)
    with monkeypatch.context() as patched:
        patched.setattr("eventapp.notifications.store_outbox.insert_mails", _die)
        with pytest.raises(Died):
            sending.send_due_announcements(context, utc_now())
    assert (count_of(db, "notifications").total(), count_of(db, "mails").total()) == (3, 0)
    # Nobody sends it before the lease of the dead worker is over.
    assert sending.send_due_announcements(context, utc_now()) == 0
    send_until_done(context)
    assert count_of(db, "notifications") == count_of(db, "mails") == Counter(holders)


def _die(*_):
    raise Died


def test_control_without_unique_keys_a_death_notifies_twice(
    context, db, event, holders, monkeypatch
):
    monkeypatch.setattr(rules, "make_key_prefix", lambda _id: f"announcement:{ObjectId()}:")
    write(db, event)
    send_until_done(context, die_once_at_each_step(set()))
    assert count_of(db, "notifications").total() > HOLDERS


def test_workers_at_once_notify_and_mail_each_holder_once(context, db, event, holders):
    write(db, event)
    with mail_server() as box:
        workers = [worker_context(context, box.outbox()) for _ in range(WORKERS)]
        written = kit.run_concurrently(
            *(lambda w=worker: sending.send_due_announcements(w, utc_now()) for worker in workers)
        )
        kit.run_concurrently(*(lambda w=worker: send_mails(db, w.outbox) for worker in workers))
        emails = {user["_id"]: user["email"] for user in db.users.find()}
        assert Counter(to for to, _ in box.received) == Counter(emails[id_] for id_ in holders)
    assert sum(written) == HOLDERS


def test_a_worker_that_was_suspended_beyond_its_lease_writes_nothing_more(
    context, db, event, holders, monkeypatch
):
    write(db, event)
    with (
        kit.suspended(monkeypatch, sending, "_notify", after=True) as suspension,
        kit.in_background(
            lambda: sending.send_due_announcements(kit.another_process(context), utc_now())
        ) as late,
    ):
        suspension.wait()
        send_until_done_later(context)
        suspension.resume()
        assert late.result() == 3
    assert count_of(db, "notifications") == count_of(db, "mails") == Counter(holders)
    assert db.announcements.find_one({})["status"] == "sent"


def send_until_done_later(context):
    """Let another worker go on when the lease of the first one is over."""
    now = utc_now() + 2 * sending.LEASE
    assert sending.send_due_announcements(kit.another_process(context), now) == HOLDERS - 3


def test_a_booking_that_is_cancelled_between_two_batches_gets_none(
    context, db, event, holders, monkeypatch
):
    write(db, event)
    cancelled = holders[0]  # Its booking is the oldest, so its batch is the last.
    real = sending._notify

    def notify(*arguments):
        booking = db.bookings.find_one({"userId": cancelled, "active": True})
        if booking:
            kit.run_concurrently(lambda: _cancel(context, booking))
        return real(*arguments)

    monkeypatch.setattr(sending, "_notify", notify)
    send_until_done(context)
    assert count_of(db, "mails") == Counter(holders[1:])


def _cancel(context, booking):
    return transitions.cancel_booking(
        context, booking["_id"], kit.attendee(booking["userId"]), utc_now()
    )


def test_racers_store_five_announcements_of_a_day(db, event):
    now = utc_now()
    results = kit.run_concurrently(*[lambda: write(db, event, now=now) for _ in range(16)])
    assert kit.count_outcomes(results) == {"dict": 5, "announcement_limit": 11}
    assert sorted(each["slot"] for each in db.announcements.find()) == list(range(5))


def test_control_without_the_slots_more_are_stored(db, event, monkeypatch):
    real = store.insert
    monkeypatch.setattr(
        store, "insert", lambda db, new: real(db, {**new, "day": f"{new['day']} {new['_id']}"})
    )
    results = kit.run_concurrently(*[lambda: write(db, event) for _ in range(8)])
    assert kit.count_outcomes(results)["dict"] > rules.MAX_PER_DAY


def test_racers_with_one_key_store_one_announcement(db, event):
    results = kit.run_concurrently(*[lambda: write(db, event, key="k") for _ in range(16)])
    assert len({each["announcementId"] for each in results}) == 1
    assert db.announcements.count_documents({}) == 1


def test_a_deletion_and_a_worker_at_once_leave_it_sent_or_deleted(context, db, event, holders):
    for _round in range(4):
        id_ = write(db, event)["announcementId"]
        before = count_of(db, "notifications").total()
        deleted, _written = kit.run_concurrently(
            lambda i=id_: service.delete_announcement(
                db, event["eventId"], i, kit.ADMIN, utc_now()
            ),
            lambda: sending.send_due_announcements(kit.another_process(context), utc_now()),
        )
        is_deleted = deleted is None
        assert is_deleted == (db.announcements.find_one({"_id": id_}) is None)
        added = count_of(db, "notifications").total() - before
        assert added == (0 if is_deleted else HOLDERS)
