"""Concurrent workers write and send each notification once, also if one of them dies."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from bson import ObjectId

from eventapp.bookings import notifications as booking_notifications
from eventapp.bookings import transitions
from eventapp.core import failpoints
from eventapp.core.clock import utc_now
from eventapp.notifications import outbox, store_outbox
from eventapp.notifications import service as notifications
from tests.factories import make_event, make_user
from tests.notifications_factories import (
    mail_server,
    make_notification,
    notify,
    notify_holders,
    send_mails,
    worker_context,
)
from tests.race import kit

WORKERS, MAILS = 8, 40


@pytest.fixture
def people(app, db):
    return [make_user(app)["id"] for _ in range(5)]


class Killed(BaseException):
    """Ends a process like `kill -9`: no handler catches it."""


@pytest.fixture
def kill():
    """Return a function that raises Killed at the failpoint with this name."""

    def at(step):
        def hook(reached):
            if reached == step:
                raise Killed

        failpoints.set_failpoint_hook(hook)

    yield at
    failpoints.set_failpoint_hook(None)


def count_all(db):
    """Return how many notifications, mails, and bookings with pending notifications there are."""
    pending = db.bookings.count_documents({"tellAt": {"$exists": True}})
    return db.notifications.count_documents({}), db.mails.count_documents({}), pending


def test_concurrent_workers_write_each_notification_once(context, db, people):
    event = make_event(db)
    for user in people:
        kit.book(context, event, user=user)
    workers = [kit.another_process(context) for _ in range(WORKERS)]
    results = kit.run_concurrently(*(lambda w=worker: notify_holders(w) for worker in workers))
    assert sum(results) == len(people)
    assert count_all(db) == (5, 5, 0)


def test_a_change_before_pending_notifications_are_cleared_is_notified_too(
    context, db, people, monkeypatch
):
    event = make_event(db)
    id_ = ObjectId(kit.booking_id(kit.book(context, event, user=people[0])))
    with (
        kit.suspended(monkeypatch, notifications, "notify", after=True) as suspension,
        kit.in_background(lambda: notify_holders(kit.another_process(context))) as notifying,
    ):
        suspension.wait()
        transitions.cancel_booking(context, id_, kit.attendee(people[0]), utc_now())
        suspension.resume()
        assert notifying.result() == 1
    assert count_all(db) == (1, 1, 1)
    assert notify_holders(context) == 1
    assert count_all(db) == (2, 2, 0)


def test_a_booking_whose_process_died_after_the_insert_is_notified(context, db, people, kill):
    event = make_event(db)
    kill("record")
    with pytest.raises(Killed):
        kit.book(context, event, user=people[0])
    failpoints.set_failpoint_hook(None)
    assert db.bookings.count_documents({}) == 1
    assert notify_holders(kit.another_process(context)) == 1
    assert count_all(db) == (1, 1, 0)


@pytest.mark.parametrize("step", ["end", "move-recorded"])
def test_a_cancellation_whose_process_died_is_notified(context, db, people, kill, step):
    event = make_event(db)
    id_ = ObjectId(kit.booking_id(kit.book(context, event, user=people[0])))
    notify_holders(context)
    kill(step)
    with pytest.raises(Killed):
        transitions.cancel_booking(context, id_, kit.attendee(people[0]), utc_now())
    failpoints.set_failpoint_hook(None)
    assert notify_holders(kit.another_process(context)) == 1
    assert [n["kind"] for n in db.notifications.find().sort("_id", 1)] == [
        "booking_confirmed",
        "booking_cancelled",
    ]


def test_a_worker_that_dies_before_clearing_them_notifies_nobody_twice(context, db, people, kill):
    event = make_event(db)
    for user in people:
        kit.book(context, event, user=user)
    kill("notified")
    with pytest.raises(Killed):
        notify_holders(context)
    failpoints.set_failpoint_hook(None)
    assert count_all(db) == (5, 5, 5)
    assert notify_holders(context) == 0
    assert count_all(db) == (5, 5, 0)


def test_a_worker_that_dies_before_writing_the_mails_leaves_them_to_the_next(
    context, db, people, monkeypatch
):
    kit.book(context, make_event(db), user=people[0])

    def dies(*_):
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(store_outbox, "insert_mails", dies)
        with pytest.raises(Killed):
            notify_holders(context)
    assert count_all(db) == (1, 0, 1)
    notify_holders(context)
    assert count_all(db) == (1, 1, 0)


def send_from_many(db, box):
    with ThreadPoolExecutor(WORKERS) as pool:
        list(pool.map(lambda _: send_mails(db, box.outbox()), range(WORKERS)))
    return [to for to, _content in box.received]


def test_concurrent_workers_send_each_mail_once(db):
    notify(db, *(make_notification(email=f"p{n}@example.org") for n in range(MAILS)))
    with mail_server() as box:
        sent = send_from_many(db, box)
    assert sorted(sent) == sorted(f"p{n}@example.org" for n in range(MAILS))
    assert notifications.get_mail_health(db)["counts"]["sent"] == MAILS


def test_control_without_the_claim_mails_are_sent_twice(db, monkeypatch):
    notify(db, *(make_notification(email=f"p{n}@example.org") for n in range(MAILS)))

    def read_only(db, mail, claim_id, until):
        return db.mails.find_one({"_id": mail["_id"]})

    monkeypatch.setattr(store_outbox, "claim", read_only)
    monkeypatch.setattr(store_outbox, "record_outcome", lambda *_: True)
    with mail_server() as box:
        assert len(send_from_many(db, box)) > MAILS


def test_a_worker_whose_claim_lapsed_overwrites_nothing(db, monkeypatch):
    """Another worker has sent the mail meanwhile and stored that."""
    notify(db, make_notification())
    with mail_server() as box:
        late_mail = store_outbox.claim(db, db.mails.find_one({}), ObjectId(), utc_now())
        assert send_mails(db, box.outbox(), seconds=1) == 1
        outcome = {"status": "queued", "nextTryAt": utc_now()}
        assert store_outbox.record_outcome(db, late_mail, outcome) is False
        assert db.mails.find_one({})["status"] == "sent"
        assert send_mails(db, box.outbox(), hours=1) == 0


def test_notifying_and_sending_beside_bookings_misses_nothing(context, db, app, people):
    event = make_event(db)
    with mail_server() as box:
        workers = [worker_context(context, box.outbox()) for _ in range(3)]

        def work(worker):
            for _round in range(5):
                booking_notifications.notify_holders(worker, utc_now())
                outbox.send_due_mails(worker.db, worker.outbox, utc_now())

        books = [lambda u=user: kit.book(context, event, user=u) for user in people]
        kit.run_concurrently(*books, *(lambda w=worker: work(w) for worker in workers))
        work(workers[0])
        emails = {user["_id"]: user["email"] for user in db.users.find()}
        assert sorted(to for to, _ in box.received) == sorted(emails[user] for user in people)
    assert count_all(db) == (5, 5, 0)


def test_a_claimed_mail_is_due_again_when_its_lease_ends(db):
    notify(db, make_notification())
    mail = db.mails.find_one({})
    until = utc_now() + outbox.LEASE
    assert store_outbox.claim(db, mail, ObjectId(), until)
    assert store_outbox.claim(db, mail, ObjectId(), until) is None
    assert store_outbox.find_due(db, until - timedelta(seconds=1), 10) == []
    assert len(store_outbox.find_due(db, until, 10)) == 1
