"""Stored notifications and mails: each key is written once, and every query uses an index."""

from datetime import timedelta

import pytest
from bson import ObjectId

from eventapp.bookings import store_due
from eventapp.bookings.context import BOOKING_CONTEXT
from eventapp.core.clock import utc_now
from eventapp.notifications import service, store, store_outbox
from eventapp.notifications.outbox import Outbox
from tests.conftest import MONGO_URI
from tests.notifications_factories import make_notification, notify, notify_holders, send_mails
from tests.plans import wait_for_plan


@pytest.fixture
def ann():
    return ObjectId()


def test_a_key_is_written_once_and_the_rest_of_the_batch_is_written(db, ann):
    one, two, three = (make_notification(user_id=ann, key=f"k{n}") for n in range(3))
    assert notify(db, one) == 1
    assert notify(db, two, one, three, two) == 2
    assert notify(db) == 0
    assert (db.notifications.count_documents({}), db.mails.count_documents({})) == (3, 3)


def test_all_notifications_of_a_user_are_found_oldest_first(db, ann):
    notify(
        db, *(make_notification(user_id=ann, key=f"k{n}") for n in range(5)), make_notification()
    )
    found = store.find_all(db, ann)
    assert [row["_id"] for row in found] == sorted(row["_id"] for row in found)
    assert len(found) == 5


def test_pending_notifications_added_since_the_read_are_not_cleared(db):
    now = utc_now()
    tell = {"booking_confirmed": now}
    db.bookings.insert_one({"_id": 1, "tell": tell, "tellAt": now, "bookingReference": "a"})
    db.bookings.insert_one({"_id": 2, "tell": tell, "tellAt": now, "bookingReference": "b"})
    read = store_due.find_with_pending_notifications(db, 10)
    db.bookings.update_one({"_id": 2}, {"$set": {"tell.booking_cancelled": now}})
    store_due.clear_pending_notifications(db, read)
    store_due.clear_pending_notifications(db, read)
    (pending,) = store_due.find_with_pending_notifications(db, 10)
    assert pending["_id"] == 2
    assert pending["tell"].keys() == {"booking_confirmed", "booking_cancelled"}
    assert [b["_id"] for b in store_due.find_with_pending_notifications(db, 1)] == [2]


def test_bookings_without_a_user_are_not_notified(app, db):
    now = utc_now()
    nobody = {
        "userId": None,
        "eventId": 1,
        "active": False,
        "tell": {"booking_confirmed": now},
        "tellAt": now,
    }
    gone = {**nobody, "userId": ObjectId(), "bookingReference": "b"}
    db.bookings.insert_many([{**nobody, "bookingReference": "a"}, gone])
    assert notify_holders(BOOKING_CONTEXT.get(app)) == 0
    assert store_due.find_with_pending_notifications(db, 10) == []


def test_failed_mails_are_reported_newest_first(db):
    now = utc_now()
    rows = [
        {
            "key": str(n),
            "status": "failed",
            "doneAt": now + timedelta(seconds=n),
            "to": f"p{n}@example.org",
            "subject": "s",
            "kind": "report",
            "text": "secret",
            "lastError": "550",
            "attempts": 1,
        }
        for n in range(25)
    ]
    db.mails.insert_many(rows)
    health = service.get_mail_health(db)
    assert health["counts"]["failed"] == 25
    assert [f["to"] for f in health["failures"]][:2] == ["p24@example.org", "p23@example.org"]
    assert len(health["failures"]) == service.FAILURES_SHOWN
    assert "text" not in health["failures"][0]


def stages(plan):
    found = [plan["stage"]] if "stage" in plan else []
    for inner in plan.values():
        for part in inner if isinstance(inner, list) else [inner]:
            if isinstance(part, dict):
                found += stages(part)
    return found


def unindexed(stages_used):
    return not {"COLLSCAN", "SORT"}.isdisjoint(stages_used)


@pytest.mark.skipif(not MONGO_URI, reason="the embedded store has no plans to show")
def test_every_query_uses_an_index(app, db, ann):
    now = utc_now()
    notify(db, *(make_notification(user_id=ann if n % 50 == 0 else ObjectId()) for n in range(400)))
    last = store.find_all(db, ann)[3]["_id"]
    notifications = [
        store.build_user_filter(ann),
        store.build_user_filter(ann, unread=True),
        {**store.build_user_filter(ann), "_id": {"$lt": last}},
        {"_id": {"$gt": last}},
    ]
    mails = [
        {"nextTryAt": {"$lte": now}},
        {"status": "failed"},
        {"userId": ann},
    ]
    finds = [db.notifications.find(where).sort("_id", -1) for where in notifications]
    finds += [db.mails.find(where) for where in mails]
    quiet = [{"eventId": n, "bookingReference": str(n)} for n in range(1000)]
    for name in ("bookings", "events"):
        db[name].insert_many([dict(document) for document in quiet])
    finds.append(db.bookings.find({"tellAt": {"$exists": True}}).sort("tellAt", 1))
    finds.append(db.events.find({"tellAt": {"$exists": True}}).sort("tellAt", 1))
    for find in finds:
        used = wait_for_plan(
            lambda find=find: stages(find.clone().explain()["queryPlanner"]), unindexed
        )
        assert not unindexed(used), find


def test_every_declared_index_exists(db):
    for name, models in {**store.INDEXES, **store_outbox.INDEXES}.items():
        existing = db[name].index_information()
        assert all(model.document["name"] in existing for model in models)


def test_a_mail_that_changed_since_it_was_read_is_not_claimed(db):
    notify(db, make_notification())
    mail = db.mails.find_one({})
    another = {**mail, "nextTryAt": mail["nextTryAt"] + timedelta(seconds=1)}
    assert store_outbox.claim(db, another, ObjectId(), utc_now()) is None
    assert db.mails.find_one({}) == mail
    assert (
        store_outbox.record_outcome(db, {**mail, "claim": ObjectId()}, {"status": "sent"}) is False
    )


def test_sending_nothing_opens_no_connection(db):
    def fail():
        raise AssertionError("a connection was opened")

    class Closed:
        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        send = fail

    outbox = Outbox(Closed, "e@x.example")
    assert send_mails(db, outbox) == 0
