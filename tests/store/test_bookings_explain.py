"""Every command that a request about bookings or the waitlist sends goes by an index.

The jobs too: they run every few seconds, whatever there is to do.
"""

from datetime import timedelta
from functools import partial

import pytest
from bson import ObjectId

from eventapp.bookings import store_due
from eventapp.bookings.context import BOOKING_CONTEXT
from eventapp.bookings.payment_health import measure_payments
from eventapp.bookings.store import HELD_INDEX
from eventapp.core.clock import utc_now
from eventapp.core.database import OPEN_DATABASE
from eventapp.jobs import service as jobs
from tests import announcements, payments
from tests.bookings_factories import Caller, event_of
from tests.conftest import MONGO_URI
from tests.plans import (
    CommandRecorder,
    plan_of,
    reads_partial_index,
    record_commands,
    scans_whole_collection,
    wait_for_plan,
)

pytestmark = pytest.mark.skipif(
    not MONGO_URI, reason="the embedded store has no plans to show; set MONGO_URI"
)
COLLECTIONS = (
    *("events", "bookings", "ledger", "waitlist", "users", "sessions"),
    *("announcements", "notifications", "mails"),
)
MANY = 400


class RecordedApp:
    """An application full of other users' bookings, whose database commands are recorded."""

    def __init__(self, app, recorder):
        self.app, self.recorder = app, recorder
        self.db = OPEN_DATABASE.get(app).db
        client = app.test_client()
        self.host = Caller(client, app, "organizer")
        self.ann, self.bob = Caller(client, app), Caller(client, app)
        for _number in range(30):
            event_of(self.db, 20, 0, organizer_id=self.host.id)
        self.fill()

    def fill(self):
        old = utc_now() - timedelta(days=9)
        booking = self.ann.book(1)
        self.ann.cancel(booking)
        template = self.db.bookings.find_one({}, {"_id": 0}) | {"createdAt": old}
        people = [
            {"userId": ObjectId(), "eventId": 1 + n % 30, "slot": str(n)} for n in range(MANY)
        ]
        self.db.bookings.insert_many(
            [{**template, **who, "bookingReference": f"EVT-{n}"} for n, who in enumerate(people)]
        )
        queue = {"ticketTypeId": 2, "active": False, "status": "left", "joinedAt": old}
        self.db.waitlist.insert_many(
            [{**who, **queue, "sequence": n} for n, who in enumerate(people)]
        )

    def scanned(self, act):
        """Return the commands sent by `act` that read a whole collection."""
        self.recorder.commands.clear()
        act()
        assert self.recorder.commands
        sent = [c for c in self.recorder.commands if next(iter(c.values())) in COLLECTIONS]
        return [
            c
            for c in sent
            if not reads_partial_index(self.db, c) and scans_whole_collection(self.db, c)
        ]


@pytest.fixture(scope="module")
def recorded(make_app):
    recorder = CommandRecorder()
    with record_commands(recorder):
        app = make_app()
    return RecordedApp(app, recorder)


def test_making_and_ending_a_booking_uses_indexes(recorded):
    ann, bob = recorded.ann, recorded.bob
    made = []
    for act in (
        lambda: made.append(ann.order(1, key="k", ticketTypeId=1, quantity=2)),
        lambda: ann.order(1, key="k", ticketTypeId=1, quantity=2),
        lambda: ann.order(1, ticketTypeId=1, quantity=1),
        lambda: bob.order(1, ticketTypeId=2, quantity=1),
        lambda: ann.cancel(made[0].json["data"]["booking"]),
        lambda: made.append(bob.order(1, ticketTypeId=1, quantity=2, hold=True)),
        lambda: bob.confirm(made[1].json["data"]["booking"]),
        lambda: bob.cancel_some(made[1].json["data"]["booking"], 1, key="k"),
        lambda: bob.cancel_some(made[1].json["data"]["booking"], 1, key="k"),
    ):
        assert recorded.scanned(act) == []


def test_reading_bookings_uses_indexes(recorded):
    ann = recorded.ann
    booking = ann.book(2, 1)
    for path in (
        "/bookings",
        "/bookings?status=confirmed",
        "/bookings?eventId=2&upcoming=true",
        f"/bookings/{booking['_id']}",
        f"/bookings/reference/{booking['bookingReference']}",
        f"/users/{ann.id}/bookings",
    ):
        assert recorded.scanned(partial(ann.get, path)) == []
    for path in ("/events/3/bookings", "/events/3/bookings?status=cancelled&limit=2"):
        assert recorded.scanned(partial(recorded.host.get, path)) == []


def test_the_waitlist_of_an_event_uses_indexes(recorded):
    host = recorded.host
    recorded.ann.wait(7, 1, 2)
    recorded.bob.wait(7, 1, 2)
    cursor = host.get("/events/7/waitlist?limit=1").json["nextCursor"]
    for query in ("", "?limit=1", f"?cursor={cursor}"):
        assert recorded.scanned(partial(host.get, f"/events/7/waitlist{query}")) == []


def test_cursors_use_indexes(recorded):
    host = recorded.host
    cursor = host.get("/events/3/bookings?limit=2").json["nextCursor"]
    assert recorded.scanned(partial(host.get, f"/events/3/bookings?limit=2&cursor={cursor}")) == []


@pytest.mark.parametrize(
    ("status", "index"),
    [("cancelled", "event_ended"), ("expired", "event_ended"), ("held", HELD_INDEX)],
)
def test_a_list_by_a_rare_status_uses_a_partial_index(recorded, status, index):
    db, host = recorded.db, recorded.host
    if not db.bookings.count_documents({"slot": "many"}):
        template = db.bookings.find_one({}, {"_id": 0}, sort=[("_id", 1)]) | {
            "eventId": 9,
            "slot": "many",
        }
        template |= {"active": True, "status": "confirmed"}
        numbers = [{"userId": ObjectId(), "bookingReference": f"EVT-many-{n}"} for n in range(3000)]
        db.bookings.insert_many([{**template, **each} for each in numbers])

    def uses_index(name):
        recorded.recorder.commands.clear()
        assert host.get(f"/events/9/bookings?status={status}").status_code == 200
        sent = [c for c in recorded.recorder.commands if "bookings" in c.values()]
        return sent != [] and all(name in str(plan_of(db, command)) for command in sent)

    assert wait_for_plan(lambda: uses_index(index), lambda used: not used)


def test_joining_and_leaving_the_waitlist_uses_indexes(recorded):
    ann, bob = recorded.ann, recorded.bob
    sold = bob.book(4, 9)
    for act in (
        lambda: ann.wait(4, 1, 2),
        lambda: ann.join(4, 1, 2),
        lambda: bob.wait(4, 1, 2),
        ann.waitlist_entries,
        ann.offers,
        lambda: ann.accept(4),
        lambda: ann.call("DELETE", "/waitlist/4"),
        lambda: bob.cancel(sold),
    ):
        assert recorded.scanned(act) == []


def test_making_and_accepting_an_offer_uses_indexes(recorded):
    ann, bob, host = recorded.ann, recorded.bob, recorded.host
    for left in ({"type": "B", "price": 1, "availableTickets": 5},):
        host.call("PATCH", "/events/5/ticketTypes/1", left)
    sold = bob.book(5, 5, 2)
    ann.wait(5, 3, 2)
    assert recorded.scanned(lambda: bob.cancel(sold)) == []
    assert recorded.scanned(lambda: ann.accept(5, quantity=1)) == []


def test_ending_an_event_uses_indexes(recorded):
    recorded.bob.book(6, 1)
    recorded.ann.wait(6, 1, 2)
    assert recorded.scanned(lambda: recorded.host.call("POST", "/events/6/cancel")) == []
    assert recorded.scanned(lambda: recorded.host.call("DELETE", "/events/6")) == []


def test_writing_listing_and_sending_announcements_uses_indexes(recorded):
    host, db = recorded.host, recorded.db
    recorded.bob.book(7)
    one = {"text": "x", "subject": "x", "to": {}, "status": "sent"}
    numbers = [{"eventId": 100 + n, "day": "2026-01-01", "slot": 0} for n in range(MANY)]
    db.announcements.insert_many([{**one, **each} for each in numbers])
    id_ = announcements.write(host, 7)
    path = "/events/7/announcements"
    cursor = host.get(f"{path}?limit=1").json["nextCursor"] or ""
    for act in (
        lambda: announcements.announce(host, 7, key="k", to={"checkedIn": False}),
        lambda: announcements.announce(host, 7, key="k", to={"checkedIn": False}),
        lambda: host.get(path),
        lambda: host.get(f"{path}?cursor={cursor}"),
        lambda: host.call("DELETE", f"{path}/{id_}"),
        lambda: announcements.send(recorded.app),
    ):
        assert recorded.scanned(act) == []


def test_lists_and_tables_of_payments_use_indexes(recorded):
    """Of the many bookings only a few have a payment."""
    root = Caller(recorded.app.test_client(), recorded.app, "admin")
    event = recorded.db.events.find_one({"eventId": 4})
    states = ("succeeded", "failed", "unknown", "refunding")
    made = [payments.paid_booking(event, state) for state in states for _ in range(2)]
    recorded.db.bookings.insert_many(made)
    cursor = root.get("/admin/payments?limit=2").json["nextCursor"]
    for path in (
        "/admin/payments",
        "/admin/payments?state=failed",
        "/admin/payments?provider=stripe",
        "/admin/payments?since=2026-01-01T00:00:00Z",
        "/admin/payments?eventId=4&state=failed",
        f"/admin/payments?limit=2&cursor={cursor}",
        "/admin/payments.csv",
        "/analytics/payments.csv",
        "/events/4/payments.csv",
    ):
        assert recorded.scanned(partial(root.get, path)) == [], path
    assert recorded.scanned(partial(measure_payments, recorded.db)) == []
    retry = f"/admin/payments/{made[0]['_id']}/retry"
    assert recorded.scanned(lambda: root.call("POST", retry)) == []


def test_exporting_and_deleting_a_user_uses_indexes(recorded):
    person = Caller(recorded.app.test_client(), recorded.app)
    person.book(7)
    person.wait(7, 1, 2)
    assert recorded.scanned(lambda: person.get(f"/users/{person.id}/export")) == []
    assert recorded.scanned(lambda: person.call("DELETE", f"/users/{person.id}")) == []


@pytest.mark.parametrize("name", jobs.JOBS)
def test_each_job_uses_indexes(recorded, name):
    context = BOOKING_CONTEXT.get(recorded.app)
    job = jobs.JOBS[name].function
    if name == "count-sales":  # The first run counts all bookings.
        job(context, utc_now())
    recorded.ann.order(8, ticketTypeId=1, quantity=1, hold=True)
    for span in (timedelta(0), timedelta(minutes=11)):
        assert recorded.scanned(partial(job, context, utc_now() + span)) == []


@pytest.mark.parametrize(
    ("find", "field", "index"),
    [
        (store_due.find_refunds_due, "refundDueAt", "refund_due"),
        (store_due.find_payments_to_reconcile, "reconcileAt", "reconcile_due"),
    ],
)
def test_what_is_due_for_money_is_found_and_sorted_by_its_own_index(recorded, find, field, index):
    """The index holds only what is due, so its size does not grow with the bookings."""
    db, recorder, now = recorded.db, recorded.recorder, utc_now()
    booking_id = db.bookings.find_one({"eventId": 9})["_id"]
    db.bookings.update_one({"_id": booking_id}, {"$set": {field: now - timedelta(seconds=1)}})
    recorder.commands.clear()
    assert [each["_id"] for each in find(db, now, 10)] == [booking_id]
    assert find(db, now, 10, [booking_id]) == []
    for command in recorder.commands:
        plan = str(plan_of(db, command))
        assert index in plan
        assert "COLLSCAN" not in plan
        assert "SORT" not in plan
    db.bookings.update_one({"_id": booking_id}, {"$unset": {field: ""}})
