"""A process that dies between the entry of a change and its move into the log loses none."""

from collections import Counter
from datetime import timedelta

import pytest

from eventapp.announcements import log_notes
from eventapp.announcements import service as announcements
from eventapp.announcements.errors import AnnouncementNotFound
from eventapp.core.access.actor import Actor
from eventapp.core.clock import utc_now
from eventapp.events import duplicates, editing, event_log, photos
from eventapp.events.changes import NO_EVENT_CACHE
from eventapp.promotions import service as promotions
from tests import pictures
from tests.factories import make_event, make_user
from tests.race import kit
from tests.race.test_deaths import dying_at

CODE = {"code": "Spring", "kind": "percent", "value": 50}


def edit(db, event):
    kit.edit(db, event, editing.make_type_patch(1, {"price": 7}))


def add_code(db, event):
    promotions.create_promo_code(db, event["eventId"], kit.ADMIN, CODE, utc_now())


@pytest.mark.parametrize("step", ["log-noted", "log-copied"])
@pytest.mark.parametrize(("change", "field"), [(edit, "price"), (add_code, "value")])
def test_the_worker_moves_the_entry_of_a_process_that_died(context, step, change, field):
    db, event = context.db, make_event(context.db)
    with dying_at(step):
        change(db, event)
    assert len(db.events.find_one({"eventId": event["eventId"]})["logEntries"]) == 1
    with dying_at("log-copied"):
        kit.run_all_jobs(kit.another_process(context))
    kit.run_all_jobs(kit.another_process(context))
    (row,) = db.eventLog.find()
    assert row["userId"] == kit.ADMIN.user_id
    assert sum(each["field"].endswith(field) for each in row["changes"]) == 1
    assert not {"logEntries", "logDue"} & db.events.find_one({}).keys()


@pytest.mark.parametrize("step", ["announcement-noted", "announcement-logged"])
def test_the_log_has_the_announcements_of_processes_that_died(context, step):
    db, event_id = context.db, make_event(context.db)["eventId"]
    later = utc_now() + timedelta(days=1)
    body = {"subject": "News", "text": "Hello", "to": {}, "sendAt": later}
    with dying_at(step):
        announcements.write_announcement(db, event_id, kit.ADMIN, body, None, utc_now())
    (announcement_id,) = db.announcements.distinct("_id")
    kit.run_all_jobs(kit.another_process(context))
    with dying_at(step):
        announcements.delete_announcement(db, event_id, announcement_id, kit.ADMIN, utc_now())
    with pytest.raises(AnnouncementNotFound):
        announcements.delete_announcement(db, event_id, announcement_id, kit.ADMIN, utc_now())
    with dying_at("announcement-logged"):
        kit.run_all_jobs(kit.another_process(context))
    assert db.announcements.count_documents({"deleted": True}) == 1
    kit.run_all_jobs(kit.another_process(context))
    actions = Counter(each["action"] for each in db.eventLog.find({"eventId": event_id}))
    assert actions == {"announced": 1, "announcement_deleted": 1}
    assert db.announcements.count_documents({}) == 0
    assert db.notifications.count_documents({}) == 0


def test_an_erasure_reaches_the_entry_in_an_announcement(context):
    db, event_id = context.db, make_event(context.db)["eventId"]
    with dying_at("announcement-noted"):
        announcements.write_announcement(
            *(db, event_id, kit.ADMIN, {"subject": "News", "text": "Hello", "to": {}}),
            *(None, utc_now()),
        )
    for forget_user in (log_notes.forget_user, event_log.forget_user):
        forget_user(db, kit.ADMIN.user_id)
    (row,) = db.eventLog.find()
    assert (row["action"], row["userId"]) == ("announced", None)
    assert str(kit.ADMIN.user_id) not in str(db.announcements.find_one({}))


def test_a_duplication_that_dies_leaves_a_draft_without_a_photo(app, context):
    db, host = context.db, Actor(make_user(app, "organizer")["id"], "organizer")
    event = make_event(db, organizer_id=host.user_id)
    caller = {"event_changes": NO_EVENT_CACHE, "actor": host, "now": utc_now()}
    photos.set_photo(db, event["eventId"], pictures.photo(), image_base_url="", **caller)
    db.eventLog.delete_many({})
    with dying_at("event-duplicated"):
        duplicates.duplicate_event(db, event["eventId"], None, image_base_url="", **caller)
    kit.run_all_jobs(kit.another_process(context))
    _source, copy = db.events.find().sort("eventId", 1)
    assert (copy["status"], copy["title"], copy["image"]) == ("draft", event["title"], "")
    assert db["photos.files"].count_documents({}) == 1
    assert [each["action"] for each in db.eventLog.find()] == ["duplicated"]


def test_control_without_the_job_the_entry_stays_in_the_event(context, monkeypatch):
    db, event = context.db, make_event(context.db)
    with dying_at("log-noted"):
        edit(db, event)
    monkeypatch.setattr(event_log, "move_due_entries", lambda _db, _now: 0)
    kit.run_all_jobs(kit.another_process(context))
    assert db.eventLog.count_documents({}) == 0
    assert len(db.events.find_one({})["logEntries"]) == 1
