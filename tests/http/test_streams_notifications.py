"""The live stream of a user's notifications."""

from datetime import timedelta

import pytest
from bson import ObjectId

from eventapp.core.clock import utc_now
from eventapp.core.streams import hub
from eventapp.notifications import live
from tests import factories
from tests.streaming import ClientStream

PATH = "/api/notifications/stream"


@pytest.fixture
def notify(app, db):
    """Return a function that writes a notification, as any process does."""

    def notify(user, number, id_=None):
        notification = {
            "_id": id_ or ObjectId(),
            "key": f"{user['id']}:{number}",
            "userId": user["id"],
            "kind": "booking_confirmed",
            "title": f"Title {number}",
            "message": "",
            "data": {},
            "createdAt": utc_now(),
            "readAt": None,
            "unread": True,
        }
        db.notifications.insert_one(notification)

    return notify


def read_titles(stream, count):
    return [stream.next("notification").data["title"] for _ in range(count)]


def test_new_notifications_are_streamed_to_their_recipient(app, client, attendee, notify):
    notify(attendee, "before")
    with ClientStream(client, PATH, headers=attendee["headers"]) as stream:
        assert stream.response.content_type == "text/event-stream; charset=utf-8"
        next(stream.blocks)
        notify(factories.make_user(app), "another's")
        notify(attendee, 1)
        event = stream.next()
        assert event.event == "notification"
        assert (event.data["title"], event.data["read"]) == ("Title 1", False)


def test_a_reconnected_client_misses_and_repeats_nothing(app, client, attendee, notify):
    with ClientStream(client, PATH, headers=attendee["headers"]) as stream:
        next(stream.blocks)
        notify(attendee, 1)
        notify(attendee, 2)
        assert read_titles(stream, 2) == ["Title 1", "Title 2"]
        last = stream.last_event_id
    notify(attendee, 3)
    with ClientStream(client, PATH, last, attendee["headers"]) as stream:
        assert read_titles(stream, 1) == ["Title 3"]
        notify(attendee, 4)
        assert read_titles(stream, 1) == ["Title 4"]


def test_a_notification_that_arrives_late_with_a_lower_id_is_not_missed(
    app, client, attendee, notify, monkeypatch
):
    monkeypatch.setattr(live, "OVERLAP", timedelta(minutes=10))
    early = ObjectId.from_datetime(utc_now() - timedelta(minutes=4))
    earlier = ObjectId.from_datetime(utc_now() - timedelta(minutes=5))
    with ClientStream(client, PATH, headers=attendee["headers"]) as stream:
        next(stream.blocks)
        notify(attendee, 1)
        assert read_titles(stream, 1) == ["Title 1"]
        notify(attendee, 2, early)
        assert read_titles(stream, 1) == ["Title 2"]
        last = stream.last_event_id
    notify(attendee, 3, earlier)
    with ClientStream(client, PATH, last, attendee["headers"]) as stream:
        assert read_titles(stream, 1) == ["Title 3"]


def test_the_stream_ends_with_the_session(app, client, db, attendee, monkeypatch):
    monkeypatch.setattr(hub, "COMMENT_SECONDS", 0.2)
    with ClientStream(client, PATH, headers=attendee["headers"]) as stream:
        next(stream.blocks)
        assert next(stream.blocks) == b": \n\n"
        db.sessions.delete_many({"userId": attendee["id"]})
        assert stream.has_ended()
        assert stream.comments <= 2


def test_the_stream_needs_a_signed_in_user(client):
    assert client.get(PATH).status_code == 401


@pytest.mark.parametrize("malformed", ["x", "1.2.3", "", "0" * 5000, "aaaaaaaaaaaaaaaaaaaaaaaa.z"])
def test_a_malformed_last_event_id_is_ignored(app, client, attendee, notify, malformed):
    with ClientStream(client, PATH, malformed, attendee["headers"]) as stream:
        next(stream.blocks)
        notify(attendee, 1)
        assert read_titles(stream, 1) == ["Title 1"]
