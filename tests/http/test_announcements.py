"""Announcements of an event: written, listed, deleted, and sent to those who hold a booking."""

from datetime import datetime, timedelta

import pytest
from bson import ObjectId

from eventapp.announcements import routes as announcement_routes
from eventapp.announcements import rules
from eventapp.core.clock import utc_now
from eventapp.core.database import OPEN_DATABASE
from eventapp.jobs import service as jobs
from tests.announcements import SUBJECT, TEXT, announce, list_recipients, send, write
from tests.api_tokens import TokenCaller
from tests.bookings_factories import Caller, context_of, event_of, later, refused
from tests.factories import day
from tests.teams import add_member, remove_member

pytestmark = pytest.mark.usefixtures("clean_inventory")


@pytest.fixture
def event_id(db, host):
    return event_of(
        db,
        20,
        20,
        organizer_id=host.id,
        schedule=[{"date": day(n), "location": "Hall"} for n in (30, 60)],
    )


@pytest.fixture
def people(client, app):
    return [Caller(client, app) for _ in range(3)]


def iso(moment):
    return moment.isoformat().replace("+00:00", "Z")


def list_all(host, event_id):
    return host.get(f"/events/{event_id}/announcements").json["announcements"]


def test_each_holder_gets_one_notification_and_one_mail(app, db, host, event_id, people):
    for person in people:
        person.book(event_id)
    answer = announce(host, event_id)
    assert answer.status_code == 202
    assert answer.json == {"announcementId": answer.json["announcementId"], "recipients": 3}
    assert list_recipients(app) == [[], []]
    assert (send(app), send(app)) == (3, 0)
    holders = sorted(person.id for person in people)
    assert list_recipients(app) == [holders, holders]
    (shown,) = people[0].get("/notifications").json["notifications"]
    assert (shown["kind"], shown["title"]) == ("announcement", f"Sample Event: {SUBJECT}")
    assert shown["message"] == TEXT
    assert shown["data"] == {
        "eventId": event_id,
        "eventTitle": "Sample Event",
        "announcementId": answer.json["announcementId"],
    }


def test_the_mail_is_plain_text_that_is_escaped(app, db, host, event_id, ann):
    ann.book(event_id)
    write(host, event_id, subject="<b>Now</b> & later", text="1 < 2\n<script>x()</script>\nBye")
    send(app)
    mail = db.mails.find_one({"kind": "announcement"})
    assert mail["subject"] == "Sample Event: <b>Now</b> & later"
    assert "1 < 2\n<script>x()</script>\nBye\n" in mail["text"]
    assert "Some Organizer writes to everybody who has booked Sample Event:" in mail["text"]
    assert "&lt;b&gt;Now&lt;/b&gt; &amp; later" in mail["html"]
    assert "1 &lt; 2\n&lt;script&gt;x()&lt;/script&gt;\nBye" in mail["html"]
    assert "<script>" not in mail["html"]


def test_an_address_that_is_not_verified_gets_no_name_and_no_links(app, db, host, event_id, ann):
    db.users.update_one({"_id": ann.id}, {"$set": {"emailVerified": False, "name": "Ann Nonymous"}})
    ann.book(event_id)
    write(host, event_id, subject="See evil.example", text="Go to https://evil.example/now")
    send(app)
    mail = db.mails.find_one({"kind": "announcement"})
    for part in (mail["subject"], mail["text"], mail["html"]):
        assert "evil.example" not in part
        assert "Nonymous" not in part
    assert "evil.\u200bexample" in mail["text"]
    assert "evil.example" in db.notifications.find_one({"kind": "announcement"})["message"]


def test_only_holders_of_confirmed_bookings_get_it(app, db, host, event_id, people, ann, bob):
    kept, cancelled, held = people
    kept.book(event_id)
    booking = cancelled.book(event_id)
    held.book(event_id, hold=True)
    ann.book(event_of(db, 5, organizer_id=host.id))
    assert announce(host, event_id).json["recipients"] == 2
    assert cancelled.cancel(booking).status_code == 200
    send(app)
    assert list_recipients(app) == [[kept.id], [kept.id]]


def test_it_can_be_for_some_ticket_types_entries_and_those_checked_in(
    app, db, host, event_id, people
):
    first, second, third = people
    first.book(event_id)
    second.book(event_id, type_id=2, scheduleIndex=1)
    seen = third.book(event_id, 2, type_id=2)
    (ticket, _) = third.get(f"/bookings/{seen['_id']}/tickets").json["tickets"]
    host.call("POST", f"/events/{event_id}/check-in", {"code": ticket["code"]})
    wanted = [
        ({}, people),
        ({"ticketTypeIds": [1]}, [first]),
        ({"ticketTypeIds": [2], "scheduleIds": [1]}, [third]),
        ({"ticketTypeIds": [1, 2], "scheduleIds": [2]}, [second]),
        ({"checkedIn": True}, [third]),
        ({"checkedIn": False}, [first, second]),
        ({"checkedIn": False, "ticketTypeIds": [2]}, [second]),
    ]
    for minutes, (to, expected) in enumerate(wanted):
        db.announcements.delete_many({})
        db.notifications.delete_many({})
        db.mails.delete_many({})
        assert announce(host, event_id, to=to).json["recipients"] == len(expected), to
        send(app, minutes=minutes)
        ids = sorted(each.id for each in expected)
        assert list_recipients(app) == [ids, ids], to


def test_a_holder_of_several_bookings_gets_it_once(app, db, host, event_id, ann):
    booking = ann.book(event_id)
    stored = db.bookings.find_one({})
    for number in range(3):
        changes = {"slot": f"offer-{number}", "bookingReference": f"EVT-{number}"}
        db.bookings.insert_one({**stored, "_id": ObjectId(), **changes})
    assert announce(host, event_id).json["recipients"] == 1
    assert send(app) == 1
    assert list_recipients(app) == [[ann.id], [ann.id]]
    db.bookings.delete_many({"bookingReference": {"$ne": booking["bookingReference"]}})


def test_bookings_are_handled_in_batches_over_several_runs(
    app, db, host, event_id, people, ann, bob, monkeypatch
):
    monkeypatch.setattr("eventapp.announcements.sending.BATCH_SIZE", 2)
    monkeypatch.setattr("eventapp.announcements.sending.MAX_BATCHES", 1)
    for person in (*people, ann, bob):
        person.book(event_id)
    write(host, event_id)
    assert [send(app, seconds=n) for n in range(5)] == [2, 2, 1, 0, 0]
    assert [len(ids) for ids in list_recipients(app)] == [5, 5]
    (shown,) = list_all(host, event_id)
    assert (shown["status"], shown["notified"], shown["mailed"]) == ("sent", 5, 5)


def test_it_is_sent_at_its_time(app, db, host, event_id, people):
    first, second, _ = people
    first.book(event_id)
    send_at = later(hours=2)
    write(host, event_id, sendAt=iso(send_at))
    second.book(event_id)  # The holders are those at the time at which it is sent.
    assert send(app, hours=1) == 0
    (shown,) = list_all(host, event_id)
    assert (shown["status"], shown["recipients"], shown["notified"]) == ("scheduled", 1, None)
    assert datetime.fromisoformat(shown["sendAt"]) == send_at
    assert send(app, hours=2, seconds=1) == 2
    (shown,) = list_all(host, event_id)
    assert (shown["status"], shown["recipients"], shown["notified"]) == ("sent", 1, 2)


@pytest.mark.parametrize("span", [{"seconds": -1}, {"days": 367}])
def test_a_time_in_the_past_or_too_far_ahead_is_refused(host, event_id, span):
    answer = announce(host, event_id, sendAt=iso(later(**span)))
    assert list(refused(answer, 400, "validation_error")["errors"]) == ["sendAt"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"subject": " "}, "subject"),
        ({"subject": "x" * 151}, "subject"),
        ({"text": ""}, "text"),
        ({"text": "x" * 5001}, "text"),
        ({"text": 7}, "text"),
        ({"to": {"ticketTypeIds": []}}, "to.ticketTypeIds"),
        ({"to": {"ticketTypeIds": [3]}}, "to.ticketTypeIds"),
        ({"to": {"scheduleIds": [9]}}, "to.scheduleIds"),
        ({"to": {"checkedIn": "yes"}}, "to.checkedIn"),
        ({"to": {"userIds": [1]}}, "to.userIds"),
        ({"to": []}, "to"),
        ({"sendAt": "tomorrow"}, "sendAt"),
        ({"html": "<b>"}, "html"),
    ],
)
def test_what_is_not_valid_is_refused_by_its_field(host, event_id, db, body, field):
    answer = refused(announce(host, event_id, **body), 400, "validation_error")
    assert list(answer["errors"]) == [field]
    assert db.announcements.count_documents({}) == 0


def test_others_may_not_write_list_or_delete(client, app, host, event_id, ann, root):
    id_, other = write(host, event_id), Caller(client, app, "organizer")
    path = f"/events/{event_id}/announcements"
    for caller in (ann, other):
        refused(announce(caller, event_id), 403, "forbidden")
        refused(caller.get(path), 403, "forbidden")
        refused(caller.call("DELETE", f"{path}/{id_}"), 403, "forbidden")
    refused(announce(host, 999), 404, "event_not_found")
    assert announce(root, event_id).status_code == 202
    assert root.call("DELETE", f"{path}/{id_}").status_code == 200
    assert len(list_all(root, event_id)) == 1


def test_a_team_writes_and_reads_by_its_roles(app, db, host, event_id, people, ann):
    ann.book(event_id)
    path = f"/events/{event_id}/announcements"
    manager, viewer, door = people
    for member, role in ((manager, "manager"), (viewer, "viewer"), (door, "door")):
        add_member(db, host, member, role)
    id_ = write(manager, event_id)
    assert [each["announcementId"] for each in list_all(viewer, event_id)] == [id_]
    for member in (viewer, door):
        refused(announce(member, event_id), 403, "forbidden")
        refused(member.call("DELETE", f"{path}/{id_}"), 403, "forbidden")
    refused(door.get(path), 403, "forbidden")
    assert send(app) == 1
    remove_member(db, host, manager)
    refused(announce(manager, event_id), 403, "forbidden")


def test_an_event_has_five_a_day(host, event_id, db, monkeypatch):
    # No announcement moves to the next day while the test runs.
    noon = utc_now().replace(hour=12, minute=0) + timedelta(days=1)
    monkeypatch.setattr(announcement_routes, "utc_now", lambda: noon)
    ids = [write(host, event_id) for _ in range(rules.MAX_PER_DAY)]
    answer = refused(announce(host, event_id), 409, "announcement_limit")
    assert (answer["limit"], answer["day"]) == (5, noon.date().isoformat())
    assert announce(host, event_of(db, 5, organizer_id=host.id)).status_code == 202
    assert announce(host, event_id, sendAt=iso(noon + timedelta(days=1))).status_code == 202
    afternoon = announce(host, event_id, sendAt=iso(noon + timedelta(hours=2)))
    refused(afternoon, 409, "announcement_limit")
    host.call("DELETE", f"/events/{event_id}/announcements/{ids[2]}")
    assert announce(host, event_id).status_code == 202
    refused(announce(host, event_id), 409, "announcement_limit")


def test_a_repeated_request_gets_the_same_answer(app, client, host, event_id, ann, db):
    ann.book(event_id)
    send_at = iso(later(seconds=1))
    first = announce(host, event_id, key="k1", sendAt=send_at)
    assert first.status_code == 202
    assert announce(host, event_id, key="k1", sendAt=send_at).json == first.json
    changed = announce(host, event_id, key="k1", sendAt=send_at, text="Another")
    refused(changed, 409, "idempotency_mismatch")
    other_id = event_of(db, 5, organizer_id=host.id)
    refused(announce(host, other_id, key="k1", sendAt=send_at), 409, "idempotency_mismatch")
    assert announce(host, event_id, key="k2", sendAt=send_at).json != first.json
    assert db.announcements.count_documents({}) == 2
    send(app, minutes=1)
    # The key of another organizer is another key.
    root = Caller(client, app, "admin")
    assert announce(root, event_id, key="k1").json != first.json
    refused(announce(host, event_id, key="\x7f"), 400, "validation_error")


def test_a_repeated_request_is_answered_when_its_time_is_over(host, event_id, monkeypatch):
    send_at = iso(later(hours=1))
    first = announce(host, event_id, key="k1", sendAt=send_at)
    monkeypatch.setattr(announcement_routes, "utc_now", lambda: later(hours=2))
    assert announce(host, event_id, key="k1", sendAt=send_at).json == first.json
    refused(announce(host, event_id, key="k2", sendAt=send_at), 400, "validation_error")


def test_it_can_be_deleted_until_it_is_sent(app, host, event_id, ann):
    ann.book(event_id)
    path = f"/events/{event_id}/announcements"
    dropped, sent = write(host, event_id), write(host, event_id)
    assert host.call("DELETE", f"{path}/{dropped}").status_code == 200
    refused(host.call("DELETE", f"{path}/{dropped}"), 404, "announcement_not_found")
    assert send(app) == 1
    refused(host.call("DELETE", f"{path}/{sent}"), 409, "announcement_sent")
    assert [each["announcementId"] for each in list_all(host, event_id)] == [sent]


def test_an_announcement_of_another_event_is_not_found(host, event_id, db):
    other_id, id_ = event_of(db, 5, organizer_id=host.id), write(host, event_id)
    path = f"/events/{other_id}/announcements/{id_}"
    refused(host.call("DELETE", path), 404, "announcement_not_found")


def test_nothing_is_sent_for_a_cancelled_event(app, host, event_id, ann):
    ann.book(event_id)
    id_ = write(host, event_id)
    assert host.call("POST", f"/events/{event_id}/cancel").status_code == 200
    assert send(app) == 0
    assert list_recipients(app) == [[], []]
    (shown,) = list_all(host, event_id)
    assert (shown["status"], shown["notified"], shown["sentAt"]) == ("withdrawn", 0, None)
    refused(announce(host, event_id), 409, "event_cancelled")
    path = f"/events/{event_id}/announcements/{id_}"
    refused(host.call("DELETE", path), 409, "announcement_sent")


def test_announcements_of_a_deleted_event_are_deleted(app, db, host, event_id):
    write(host, event_id, sendAt=iso(later(hours=1)))
    kept = write(host, event_of(db, 5, organizer_id=host.id))
    assert host.call("DELETE", f"/events/{event_id}").status_code == 200
    assert jobs.run_job("old-announcements", context_of(app)) == 1
    assert send(app, hours=2) == 0
    assert [str(each["_id"]) for each in db.announcements.find()] == [kept]


def test_it_is_withdrawn_if_its_organizer_is_no_organizer_any_more(app, host, event_id, ann, root):
    ann.book(event_id)
    id_ = write(host, event_id)
    by_admin = write(root, event_id)
    assert root.call("PUT", f"/users/{host.id}", {"role": "attendee"}).status_code == 200
    assert send(app) == 1
    states = {each["announcementId"]: each["status"] for each in list_all(root, event_id)}
    assert states == {id_: "withdrawn", by_admin: "sent"}


def test_it_is_sent_for_the_organizer_who_has_taken_over_the_event(
    app, client, host, event_id, ann, root
):
    ann.book(event_id)
    write(host, event_id)
    heir = Caller(client, app, "organizer")
    assert root.call("DELETE", f"/users/{host.id}?transferTo={heir.id}").status_code == 200
    assert send(app) == 1
    (shown,) = list_all(heir, event_id)
    assert shown["status"] == "sent"


def test_an_erased_holder_gets_nothing_and_nothing_is_left(app, db, host, event_id, ann, bob):
    ann.book(event_id)
    bob.book(event_id)
    write(host, event_id)
    assert ann.call("DELETE", f"/users/{ann.id}").status_code == 200
    assert send(app) == 1
    assert list_recipients(app) == [[bob.id], [bob.id]]
    exported = bob.get(f"/users/{bob.id}/export").json
    kinds = [each["kind"] for each in (*exported["notifications"], *exported["mails"])]
    assert kinds == ["announcement", "announcement"]
    assert bob.call("DELETE", f"/users/{bob.id}").status_code == 200
    assert list_recipients(app) == [[], []]


def test_an_api_token_writes_for_its_owner_and_its_events(app, db, host, event_id, ann):
    ann.book(event_id)
    program = TokenCaller(host, db, "events:write", eventIds=[event_id])
    assert announce(program, event_id).status_code == 202
    refused(program.get(f"/events/{event_id}/announcements"), 403, "scope_missing")
    other_id = event_of(db, 5, organizer_id=host.id)
    refused(announce(program, other_id), 403, "scope_missing")
    assert send(app) == 1


def test_the_mails_are_sent_by_the_job_of_mails(app, db, host, event_id, people):
    for person in people:
        person.book(event_id)
    write(host, event_id)
    for name in ("announcements", "mail"):
        jobs.run_job(name, context_of(app))
    assert OPEN_DATABASE.get(app).db.mails.count_documents(
        {"kind": "announcement", "status": "logged"}
    ) == len(people)
