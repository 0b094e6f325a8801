"""A person's notifications, streamed."""

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
def tell(app, db):
    """Tells a user something, as any process would."""

    def tell(user, number, id_=None):
        notice = {
            "_id": id_ or ObjectId(),
            "key": f"{user['id']}:{number}",
            "userId": user["id"],
            "kind": "booking_confirmed",
            "title": f"Told {number}",
            "message": "",
            "data": {},
            "createdAt": utc_now(),
            "readAt": None,
            "unread": True,
        }
        db.notifications.insert_one(notice)

    return tell


def titles(stream, count):
    return [stream.next("notification").data["title"] for _ in range(count)]


def test_what_comes_is_streamed_to_whom_it_is_for(app, client, attendee, tell):
    tell(attendee, "before")
    with ClientStream(client, PATH, headers=attendee["headers"]) as stream:
        assert stream.response.content_type == "text/event-stream; charset=utf-8"
        next(stream.blocks)
        tell(factories.sign_in(app), "another's")
        tell(attendee, 1)
        said = stream.next()
        assert said.event == "notification"
        assert (said.data["title"], said.data["read"]) == ("Told 1", False)


def test_who_comes_back_misses_and_repeats_nothing(app, client, attendee, tell):
    with ClientStream(client, PATH, headers=attendee["headers"]) as stream:
        next(stream.blocks)
        tell(attendee, 1)
        tell(attendee, 2)
        assert titles(stream, 2) == ["Told 1", "Told 2"]
        last = stream.last_event_id
    tell(attendee, 3)
    with ClientStream(client, PATH, last, attendee["headers"]) as stream:
        assert titles(stream, 1) == ["Told 3"]
        tell(attendee, 4)
        assert titles(stream, 1) == ["Told 4"]


def test_what_another_machine_wrote_late_under_a_lower_id_is_not_missed(
    app, client, attendee, tell, monkeypatch
):
    monkeypatch.setattr(live, "OVERLAP", timedelta(minutes=10))  # so long a machine waits
    early = ObjectId.from_datetime(utc_now() - timedelta(minutes=4))
    earlier = ObjectId.from_datetime(utc_now() - timedelta(minutes=5))
    with ClientStream(client, PATH, headers=attendee["headers"]) as stream:
        next(stream.blocks)
        tell(attendee, 1)
        assert titles(stream, 1) == ["Told 1"]
        tell(attendee, 2, early)
        assert titles(stream, 1) == ["Told 2"]
        last = stream.last_event_id
    tell(attendee, 3, earlier)
    with ClientStream(client, PATH, last, attendee["headers"]) as stream:
        assert titles(stream, 1) == ["Told 3"]


def test_it_ends_with_the_session(app, client, db, attendee, monkeypatch):
    monkeypatch.setattr(hub, "COMMENT_SECONDS", 0.2)
    with ClientStream(client, PATH, headers=attendee["headers"]) as stream:
        next(stream.blocks)
        assert next(stream.blocks) == b": \n\n"
        db.sessions.delete_many({"userId": attendee["id"]})
        assert stream.has_ended()
        assert stream.comments <= 2


def test_it_is_for_the_signed_in(client):
    assert client.get(PATH).status_code == 401


@pytest.mark.parametrize("strange", ["x", "1.2.3", "", "0" * 5000, "aaaaaaaaaaaaaaaaaaaaaaaa.z"])
def test_a_strange_last_event_id_begins_anew(app, client, attendee, tell, strange):
    with ClientStream(client, PATH, strange, attendee["headers"]) as stream:
        next(stream.blocks)
        tell(attendee, 1)
        assert titles(stream, 1) == ["Told 1"]
