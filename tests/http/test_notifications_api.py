"""Notifications that bookings, edits and jobs cause; listing them and marking them as read."""

from datetime import timedelta

import pytest
from bson import ObjectId

from eventapp.core.clock import utc_now
from eventapp.jobs import service as jobs
from tests.bookings_factories import Caller, context_of, event_of, expire_holds, types
from tests.factories import FAR_DAY, day
from tests.notifications_factories import make_notification, notify, notify_holders


@pytest.fixture
def ben(client, app):
    return Caller(client, app)


def listed(caller, query=""):
    answer = caller.get(f"/notifications{query}")
    assert answer.status_code == 200, answer.json
    return answer.json


def kinds(caller):
    return [row["kind"] for row in listed(caller)["notifications"]]


def test_a_confirmed_booking_is_notified_once(app, db, ann, ben, clean_inventory):
    event_of(db, 10, title="Jazz night")
    booking = ann.book(1, 2)
    assert listed(ann)["notifications"] == []
    assert notify_holders(context_of(app)) == 1
    assert notify_holders(context_of(app)) == 0
    answer = listed(ann)
    (row,) = answer["notifications"]
    assert row["kind"] == "booking_confirmed"
    assert row["title"] == "Booking confirmed: Jazz night"
    assert booking["bookingReference"] in row["message"]
    assert row["data"]["bookingId"] == booking["_id"]
    assert (row["data"]["eventId"], row["data"]["quantity"]) == (1, 2)
    assert (row["read"], row["readAt"]) == (False, None)
    assert (answer["unreadCount"], answer["total"], answer["nextCursor"]) == (1, 1, None)
    assert listed(ben)["notifications"] == []
    stored = db.bookings.find_one({})
    assert "tell" not in stored
    assert "tellAt" not in stored
    (mail,) = db.mails.find()
    assert mail["to"] == db.users.find_one({"_id": ann.id})["email"]


def test_changes_of_a_booking_are_notified_in_order(app, db, ann, clean_inventory):
    event_of(db, 10)
    ann.cancel(ann.book(1))
    notify_holders(context_of(app))
    assert kinds(ann) == ["booking_cancelled", "booking_confirmed"]
    assert "20 EUR are refunded" in listed(ann)["notifications"][0]["message"]
    held = ann.book(1, hold=True)
    assert notify_holders(context_of(app)) == 0  # Holds are short and not notified.
    ann.confirm(held)
    notify_holders(context_of(app))
    assert kinds(ann)[0] == "booking_confirmed"


def test_an_expired_hold_is_notified(app, db, ann, clean_inventory):
    event_of(db, 10)
    ann.book(1, hold=True)
    expire_holds(app, minutes=11)
    notify_holders(context_of(app))
    assert kinds(ann) == ["booking_expired"]


def test_a_waitlist_offer_is_notified_with_its_end(app, db, ann, ben, clean_inventory):
    event_of(db, 1)
    booking = ann.book(1)
    ben.wait(1)
    ann.cancel(booking)
    notify_holders(context_of(app))
    (row,) = listed(ben)["notifications"]
    assert row["kind"] == "waitlist_offer"
    assert row["data"]["expiresAt"] == ben.offers()[0]["expiresAt"]
    assert ben.accept(1).status_code == 200
    notify_holders(context_of(app))
    assert kinds(ben) == ["booking_confirmed", "waitlist_offer"]


def test_an_offer_accepted_before_its_notification_is_not_notified(
    app, db, ann, ben, clean_inventory
):
    event_of(db, 1)
    booking = ann.book(1)
    ben.wait(1)
    ann.cancel(booking)
    ben.accept(1)
    notify_holders(context_of(app))
    assert kinds(ben) == ["booking_confirmed"]


def test_a_declined_offer_is_not_notified(app, db, ann, ben, clean_inventory):
    event_of(db, 1)
    booking = ann.book(1)
    ben.wait(1)
    ann.cancel(booking)
    ben.call("DELETE", "/waitlist/1")
    notify_holders(context_of(app))
    assert kinds(ben) == []


def test_a_cancelled_event_is_notified_to_its_holders(app, client, db, ann, ben, clean_inventory):
    host = Caller(client, app, "organizer")
    event_of(db, 10, organizer_id=host.id)
    ann.book(1)
    ben.cancel(ben.book(1))
    notify_holders(context_of(app))
    assert host.call("POST", "/events/1/cancel").status_code == 200
    notify_holders(context_of(app))
    assert kinds(ann) == ["event_cancelled", "booking_confirmed"]
    assert kinds(ben) == ["booking_cancelled", "booking_confirmed"]
    assert kinds(host) == []


@pytest.mark.parametrize(
    ("patch", "is_notified"),
    [
        ({"date": FAR_DAY}, True),
        ({"location": "Larissa"}, True),
        ({"lat": 10.5}, False),
        ({"location": "Volos"}, False),
    ],
)
def test_a_changed_date_or_location_is_notified(
    app, client, db, ann, ben, clean_inventory, patch, is_notified
):
    host = Caller(client, app, "organizer")
    event_of(db, 10, organizer_id=host.id)
    ann.book(1)
    ben.cancel(ben.book(1))
    notify_holders(context_of(app))
    assert host.call("PATCH", "/events/1/schedule/0", patch).status_code == 200
    assert ("tellAt" in db.events.find_one({})) is is_notified
    assert notify_holders(context_of(app)) == int(is_notified)
    assert notify_holders(context_of(app)) == 0
    assert kinds(ann)[:-1] == ["event_changed"] * is_notified
    assert "event_changed" not in kinds(ben)
    # Bookings of sales that were in flight during the edit are recorded by then.
    assert notify_holders(context_of(app), minutes=1) == 0
    assert "tellAt" not in db.events.find_one({})


def test_only_holders_of_the_changed_date_are_notified(app, client, db, ann, ben, clean_inventory):
    host = Caller(client, app, "organizer")
    dates = [{"date": day(d), "location": "Volos", "lat": 1, "lng": 1} for d in (30, 40)]
    event_of(db, 10, organizer_id=host.id, schedule=dates)
    ann.book(1, scheduleIndex=0)
    ben.book(1, scheduleIndex=1)
    notify_holders(context_of(app))
    host.call("PATCH", "/events/1/schedule/1", {"date": day(41)})
    host.call("PATCH", "/events/1/schedule/1", {"date": day(42)})
    assert notify_holders(context_of(app)) == 1
    assert day(42) in listed(ben)["notifications"][0]["message"]
    assert "event_changed" not in kinds(ann)


def test_pages_cursors_and_the_unread_filter(db, ann, ben):
    notify(
        db,
        *(make_notification(user_id=ann.id, key=f"n{i}") for i in range(7)),
        make_notification(user_id=ben.id),
    )
    first = listed(ann, "?limit=3")
    assert (first["total"], first["pages"], first["unreadCount"]) == (7, 3, 7)
    notify(db, make_notification(user_id=ann.id, key="later"))
    second = listed(ann, f"?limit=3&cursor={first['nextCursor']}")
    third = listed(ann, f"?limit=3&cursor={second['nextCursor']}")
    ids = [row["_id"] for page in (first, second, third) for row in page["notifications"]]
    assert len(set(ids)) == 7
    assert ids == sorted(ids, reverse=True)
    assert third["nextCursor"] is None
    assert [r["_id"] for r in listed(ann, "?limit=3&page=2")["notifications"]] != ids[3:6]  # 8 now
    ann.call("POST", f"/notifications/{ids[0]}/read")
    unread = listed(ann, "?unread=true")
    assert (unread["total"], unread["unreadCount"]) == (7, 7)
    assert ids[0] not in [row["_id"] for row in unread["notifications"]]
    assert listed(ann, "?page=99")["notifications"] == []


def test_a_cursor_keeps_the_unread_filter(db, ann):
    notify(db, *(make_notification(user_id=ann.id, key=f"n{i}") for i in range(5)))
    first = listed(ann, "?limit=2&unread=true")
    oldest = db.notifications.find_one(sort=[("_id", 1)])
    ann.call("POST", f"/notifications/{oldest['_id']}/read")
    for parameter in ("", "&unread=false"):
        rest = listed(ann, f"?limit=9&cursor={first['nextCursor']}{parameter}")
        assert [row["read"] for row in rest["notifications"]] == [False, False]
    cursor_of_all = listed(ann, "?limit=2")["nextCursor"]
    assert len(listed(ann, f"?limit=9&cursor={cursor_of_all}&unread=true")["notifications"]) == 3


@pytest.mark.parametrize("query", ["cursor=!", "cursor=e30", "cursor=", "limit=0", "unread=maybe"])
def test_an_invalid_query_is_refused(ann, query):
    assert ann.get(f"/notifications?{query}").status_code == 400


def test_one_or_all_notifications_are_marked_as_read(db, ann, ben):
    notify(
        db,
        *(make_notification(user_id=ann.id) for _ in range(3)),
        make_notification(user_id=ben.id),
    )
    one = listed(ann)["notifications"][1]["_id"]
    answer = ann.call("POST", f"/notifications/{one}/read")
    assert answer.status_code == 200
    assert answer.json["notification"]["read"] is True
    again = ann.call("POST", f"/notifications/{one}/read").json["notification"]
    assert again["readAt"] == answer.json["notification"]["readAt"]
    assert listed(ann)["unreadCount"] == 2
    assert ben.call("POST", f"/notifications/{one}/read").status_code == 404
    assert ann.call("POST", f"/notifications/{ObjectId()}/read").status_code == 404
    assert ann.call("POST", "/notifications/read").json["marked"] == 2
    assert ann.call("POST", "/notifications/read").json["marked"] == 0
    assert (listed(ann)["unreadCount"], listed(ben)["unreadCount"]) == (0, 1)


def test_notifications_need_a_signed_in_user(client):
    for method, path in [
        ("GET", "/api/notifications"),
        ("POST", "/api/notifications/read"),
        ("POST", f"/api/notifications/{ObjectId()}/read"),
    ]:
        assert client.open(path, method=method).status_code == 401


def test_notifications_and_mails_are_exported_and_deleted_with_the_account(
    app, db, ann, clean_inventory
):
    event_of(db, 10)
    ann.book(1)
    notify_holders(context_of(app))
    export = ann.get(f"/users/{ann.id}/export").json
    assert [row["kind"] for row in export["notifications"]] == ["booking_confirmed"]
    assert [mail["subject"] for mail in export["mails"]] == ["Booking confirmed: Sample Event"]
    db.bookings.update_one({}, {"$set": {"tell": {"booking_confirmed": utc_now()}}})
    db.bookings.update_one({}, {"$set": {"tellAt": utc_now()}})
    assert ann.call("DELETE", f"/users/{ann.id}").status_code == 200
    assert notify_holders(context_of(app)) == 0
    assert (db.notifications.count_documents({}), db.mails.count_documents({})) == (0, 0)
    assert "tellAt" not in db.bookings.find_one({})


def test_few_tickets_left_of_a_favorite_are_notified_once(
    app, client, db, ann, ben, clean_inventory
):
    """The alert is sent to users when at most 10 tickets and at most a tenth are left."""
    event_of(db, 30)
    db.events.update_one({}, {"$set": {"ticketTypes.0.capacity": 110}})  # 80 sold long ago
    db.events.update_one({}, {"$set": {"ticketTypes.0.soldTickets": 80}})
    ann.call("POST", "/favorites", {"eventId": 1})
    device = {"X-Device-Id": "device-0001"}
    assert client.post("/api/favorites", json={"eventId": 1}, headers=device).status_code == 201
    assert jobs.run_job("low-tickets", context_of(app)) == 0
    buyers = [Caller(client, app) for _ in range(2)]
    for buyer in buyers:
        buyer.book(1, 10)
    assert jobs.run_job("low-tickets", context_of(app)) == 1
    ben.book(1, 1)
    assert jobs.run_job("low-tickets", context_of(app)) == 0
    (row,) = listed(ann)["notifications"]
    assert (row["kind"], row["data"]["quantity"]) == ("low_tickets", 10)
    (mail,) = db.mails.find({"kind": "low_tickets"})
    assert "Only 10 tickets left" in mail["text"]
    assert db.notifications.count_documents({}) == 1
    db.events.update_one({}, {"$set": {"ticketTypes.0.capacity": 30}})
    db.events.update_one({}, {"$set": {"ticketTypes.0.soldTickets": 21}})


def test_reports_to_organizers_add_up(app, client, db, ann, ben, clean_inventory):
    host, other = Caller(client, app, "organizer"), Caller(client, app, "organizer")
    event_of(db, organizer_id=host.id, title="One", ticketTypes=types(10, price=12.5))
    event_of(db, organizer_id=host.id, title="Two", ticketTypes=types(10, price=30))
    event_of(db, organizer_id=other.id, title="Empty", ticketTypes=types(10))
    ann.book(1, 3)
    ben.cancel(ben.book(1, 2))
    days_ago = {1: 7, 2: 1}
    ann.book(2, 1)
    for booking in db.bookings.find():
        at = utc_now() - timedelta(days=days_ago[booking["eventId"]])
        db.bookings.update_one({"_id": booking["_id"]}, {"$set": {"entries.$[].at": at}})
    reports = jobs.run_job("reports", context_of(app))
    assert jobs.run_job("reports", context_of(app)) == 0
    found = {mail["key"].split(":")[1]: mail for mail in db.mails.find({"kind": "report"})}
    assert reports == len(found)
    assert {mail["userId"] for mail in found.values()} == {host.id}
    daily, weekly = found["daily"], found["weekly"]
    assert "Two: 1 booked, 1 ticket, €30; 0 cancelled or expired" in daily["text"]
    assert "One" not in daily["text"]
    assert "One: 1 booked, 3 tickets, €37.50; 1 cancelled or expired" in weekly["text"]
    assert ">€37.50</td>" in weekly["html"]
    assert db.notifications.count_documents({"kind": "report"}) == 0
    db.reportPeriods.delete_many({})
    jobs.run_job("reports", context_of(app))  # As after a crash: no report is written twice.
    assert db.mails.count_documents({"kind": "report"}) == 2


def test_the_status_of_jobs_has_each_last_run(app, db):
    context = context_of(app)
    jobs.run_job("tell", context)
    status = jobs.get_job_status(db)
    assert status.keys() == jobs.JOBS.keys()
    assert status["tell"]["lastError"] is None
    assert status["tell"]["durationMs"] >= 0
    assert status["tell"]["everySeconds"] == 2
    assert status["reports"]["lastRun"] is None


def test_the_error_of_a_failed_job_is_stored(app, db, monkeypatch):
    def fails(_context, _now):
        raise RuntimeError("no luck")

    monkeypatch.setitem(jobs.JOBS, "tell", jobs.Job("tell", fails, 2))
    with pytest.raises(RuntimeError):
        jobs.run_job("tell", context_of(app))
    assert jobs.get_job_status(db)["tell"]["lastError"] == "RuntimeError: no luck"
    monkeypatch.setitem(jobs.JOBS, "tell", jobs.Job("tell", lambda *_: 1, 2))
    jobs.run_job("tell", context_of(app))
    status = jobs.get_job_status(db)["tell"]
    assert status["lastError"] is None
    assert status["lastErrorAt"] <= status["lastRun"]
