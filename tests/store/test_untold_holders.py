"""Holders from schema version 4 are shown to organizers once a mail has told them so."""

from datetime import timedelta

import pytest

from eventapp import prepare_database
from eventapp.bookings import untold_holders
from eventapp.core.clock import utc_now
from eventapp.core.database import SCHEMA_VERSION, check_schema_version
from tests.bookings_factories import Caller, context_of, event_of

pytestmark = pytest.mark.usefixtures("clean_inventory")


class Scene:
    """An event of version 4 with a booking of `holder`, and `waiter` who waits for it."""

    def __init__(self, db, client, app):
        self.db, self.context = db, context_of(app)
        self.host = Caller(client, app, "organizer")
        self.holder, self.waiter, self.past = (Caller(client, app) for _ in range(3))
        self.event_id = event_of(db, 2, organizer_id=self.host.id)
        self.holder.book(self.event_id)
        self.past.book(self.event_id)
        self.waiter.wait(self.event_id)
        db.bookings.update_one(
            {"userId": self.past.id}, {"$set": {"date": utc_now() - timedelta(days=9)}}
        )
        self.make_old()

    def make_old(self):
        for collection in (self.db.bookings, self.db.waitlist):
            collection.update_many({}, {"$unset": {"holderIsShown": ""}})
        self.db.counters.update_one({"_id": "schemaVersion"}, {"$set": {"value": 4}}, upsert=True)

    def untold(self):
        return {each["_id"] for each in self.db.untoldHolders.find()}

    def mails(self):
        return list(self.db.mails.find({"kind": "names_shown"}))

    def tell(self, **span):
        return untold_holders.tell_holders(self.context, utc_now() + timedelta(**span))

    def send(self, status="sent"):
        finished = {"$set": {"status": status}, "$unset": {"nextTryAt": ""}}
        self.db.mails.update_many({"kind": "names_shown"}, finished)

    def shown(self):
        """Return who is shown with a booking, and who with a place on the waitlist."""
        path = f"/events/{self.event_id}"
        attendees = self.host.get(f"{path}/attendees").json["attendees"]
        waiting = self.host.get(f"{path}/waitlist").json["waitlist"]
        lists = (attendees, waiting)
        return [{each["holder"]["email"] for each in rows if each["holder"]} for rows in lists]

    def email(self, caller):
        return self.db.users.find_one({"_id": caller.id})["email"]


@pytest.fixture
def scene(db, client, app):
    return Scene(db, client, app)


def test_holders_are_shown_after_their_mail_was_sent(scene, db):
    prepare_database(db)
    assert check_schema_version(db) == SCHEMA_VERSION
    assert scene.untold() == {scene.holder.id, scene.waiter.id}
    assert (scene.tell(), scene.shown()) == (0, [set(), set()])
    assert sorted(each["to"] for each in scene.mails()) == sorted(
        map(scene.email, (scene.holder, scene.waiter))
    )
    assert "see the name" in scene.mails()[0]["text"]
    # While the mail is in the outbox, nothing changes, and there is no second one.
    assert scene.tell(minutes=3) == 0
    assert (len(scene.mails()), scene.shown()) == (2, [set(), set()])
    scene.send()
    assert scene.tell(minutes=6) == 2
    assert scene.shown() == [{scene.email(scene.holder)}, {scene.email(scene.waiter)}]
    assert (scene.untold(), scene.tell(hours=1), len(scene.mails())) == (set(), 0, 2)


def test_where_no_mail_server_is_set_a_mail_counts_as_sent_when_it_is_logged(scene, db):
    prepare_database(db)
    scene.tell()
    scene.send("logged")
    assert scene.tell(minutes=6) == 2


def test_who_cannot_be_told_is_not_shown(scene, db):
    prepare_database(db)
    scene.tell()
    scene.send("failed")
    assert scene.tell(minutes=6) == 0
    assert (scene.untold(), scene.shown()) == (set(), [set(), set()])


def test_the_migration_may_be_repeated_and_is_in_batches(scene, db, monkeypatch):
    monkeypatch.setattr(untold_holders, "BATCH_SIZE", 1)
    for _ in range(2):
        assert untold_holders.record_untold(db, utc_now())
    assert scene.untold() == {scene.holder.id, scene.waiter.id}
    scene.tell()
    before = list(db.untoldHolders.find())
    assert untold_holders.record_untold(db, utc_now() + timedelta(hours=1))
    assert list(db.untoldHolders.find()) == before


def test_new_bookings_need_no_mail(scene, db, client, app):
    new = Caller(client, app)
    event_id = event_of(db, 2, organizer_id=scene.host.id)
    new.book(event_id)
    prepare_database(db)
    assert new.id not in scene.untold()
    (row,) = scene.host.get(f"/events/{event_id}/attendees").json["attendees"]
    assert row["holder"]["email"] == scene.email(new)


def test_a_deleted_user_is_neither_told_nor_recorded(scene, db):
    prepare_database(db)
    scene.holder.call("DELETE", f"/users/{scene.holder.id}")
    assert scene.untold() == {scene.waiter.id}
    db.untoldHolders.insert_one({"_id": scene.holder.id, "dueAt": utc_now()})
    scene.tell()
    assert scene.untold() == {scene.waiter.id}
    assert len(scene.mails()) == 1


def test_an_offer_to_an_untold_waiter_shows_no_name(scene, db):
    prepare_database(db)
    booking = scene.holder.get("/bookings").json["bookings"][0]
    scene.holder.cancel(booking)
    (offer,) = scene.host.get(f"/events/{scene.event_id}/waitlist").json["openOffers"]
    assert offer["holder"] is None
    scene.tell()
    scene.send()
    scene.tell(minutes=6)
    (offer,) = scene.host.get(f"/events/{scene.event_id}/waitlist").json["openOffers"]
    assert offer["holder"]["email"] == scene.email(scene.waiter)
