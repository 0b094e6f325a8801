"""What an event's stream says, to whom, and from where it goes on."""

import pytest
from bson import ObjectId

from eventapp.core.clock import utc_now
from eventapp.core.streams import hub as hub_module
from eventapp.messages import event_topics, store
from tests import factories
from tests.streaming import Opened


@pytest.fixture
def event(db, organizer):
    return factories.make_event(db, organizer_id=organizer["id"])


@pytest.fixture
def hub(app):
    return app.extensions["streams"]


def path(event):
    return f"/api/events/{event['eventId']}"


def stream_of(client, event, last_event_id=None, **headers):
    return Opened(client, path(event) + "/stream", last_event_id, **headers)


def say(db, event, text="hello", **changes):
    """A message, as any process writes it."""
    entry = {"_id": ObjectId(), "shown": True, "text": text, "createdAt": utc_now(), **changes}
    return store.append(db, event["eventId"], entry)


def sell(db, event, count):
    types = {"ticketTypes.0.availableTickets": -count, "rev": 1}
    db.events.update_one({"eventId": event["eventId"]}, {"$inc": types})


def test_it_is_a_stream_that_nobody_gathers_or_keeps(client, event):
    asked = {"Accept-Encoding": "gzip, br, zstd", "Accept": "text/event-stream"}
    with stream_of(client, event, headers=asked) as stream:
        headers = stream.answer.headers
        assert stream.answer.status_code == 200
        assert headers["Content-Type"] == "text/event-stream; charset=utf-8"
        assert headers["Cache-Control"].startswith("no-cache")
        assert headers["X-Accel-Buffering"] == "no"
        assert not {"ETag", "Content-Encoding", "Content-Length"} & set(headers.keys())
        assert next(stream._blocks).startswith(b"retry: ")


def test_it_begins_with_what_is_left(client, event):
    with stream_of(client, event) as stream:
        said = stream.next()
        kinds = [{"ticketTypeId": 1, "type": "General", "price": 20, "availableTickets": 100}]
        expected = {"eventId": event["eventId"], "ticketTypes": kinds, "soldOut": False}
        assert (said.event, said.data) == ("availability", expected)


def test_sales_are_told_once_and_together(client, db, event):
    with stream_of(client, event) as stream:
        stream.next()
        for _ in range(4):
            sell(db, event, 25)
        said = stream.next()
        while not said.data["soldOut"]:
            said = stream.next()
        assert said.data["ticketTypes"][0]["availableTickets"] == 0
        sell(db, event, 0)  # a change of what nobody sees
        say(db, event)
        assert stream.next().event == "message"


@pytest.mark.parametrize(("action", "change"), [("cancel", "cancelled"), (None, "edited")])
def test_changes_are_told(client, event, organizer, action, change):
    with stream_of(client, event) as stream:
        stream.next()
        if action:
            client.post(f"{path(event)}/{action}", headers=organizer["headers"])
        else:
            body = {"location": "Elsewhere"}
            client.patch(f"{path(event)}/schedule/0", json=body, headers=organizer["headers"])
        assert stream.next("event").data["change"] == change


def test_a_deleted_event_ends_its_stream(client, event, organizer):
    with stream_of(client, event) as stream:
        stream.next()
        client.delete(path(event), headers=organizer["headers"])
        assert stream.next("event").data["change"] == "deleted"
        assert stream.ended()
    assert client.get(path(event) + "/stream").status_code == 404


def test_it_goes_on_where_it_was_cut(client, db, event):
    say(db, event, "before")
    with stream_of(client, event) as stream:
        last = stream.next("availability").id
        for number in range(3):
            say(db, event, str(number))
        assert stream.next("message").data["text"] == "0"
        last = stream.last_event_id
    sell(db, event, 1)
    say(db, event, "3")
    with stream_of(client, event, last) as stream:
        assert stream.next().data["ticketTypes"][0]["availableTickets"] == 99
        assert [stream.next("message").data["text"] for _ in range(3)] == ["1", "2", "3"]
        last = stream.last_event_id
    with stream_of(client, event, last) as stream:  # and nothing again
        say(db, event, "4")
        assert stream.next().data["text"] == "4"


def test_an_edit_while_away_is_told(client, event, organizer):
    with stream_of(client, event) as stream:
        last = stream.next().id
    client.post(path(event) + "/cancel", headers=organizer["headers"])
    with stream_of(client, event, last) as stream:
        assert stream.next().data["change"] == "cancelled"


@pytest.mark.parametrize(
    "strange", ["x", "1", "-1.0.0", "0.0.99999", "999.0.0", "9" * 400, "\N{SUPERSCRIPT TWO}.1.1"]
)
def test_a_strange_last_event_id_begins_anew(client, db, event, strange):
    with stream_of(client, event, strange.encode().decode("latin-1")) as stream:
        assert stream.next().event == "availability"
        say(db, event)
        assert stream.next("message").data["seq"] == 1


def test_a_message_under_way_is_waited_for(client, db, event):
    say(db, event, "one")
    with stream_of(client, event) as stream:
        stream.next()
        seq = store._take_seq(db, event["eventId"])  # another process has taken its number,
        say(db, event, "three")  # and a third one is faster
        late = {"_id": ObjectId(), "eventId": event["eventId"], "seq": seq, "shown": True}
        db.messages.insert_one({**late, "text": "two", "createdAt": utc_now()})
        assert [stream.next("message").data["text"] for _ in range(2)] == ["two", "three"]


def test_a_writer_that_never_comes_is_not_waited_for_long(client, db, event, monkeypatch):
    monkeypatch.setattr(event_topics.rules, "PATIENCE", event_topics.rules.PATIENCE / 10)
    with stream_of(client, event) as stream:
        stream.next()
        lost = store._take_seq(db, event["eventId"])
        say(db, event, "after it")
        assert stream.next("message").data["text"] == "after it"
        # Were it to come now, its place is taken: it gets the next number.
        monkeypatch.setattr(store, "_take_seq", _first(lost, store._take_seq))
        say(db, event, "late after all")
        assert stream.next("message").data["seq"] == lost + 2


def _first(value, then):
    given = [value]
    return lambda *args: given.pop() if given else then(*args)


def test_a_deletion_is_told_in_its_order(client, db, event, organizer):
    with stream_of(client, event) as stream:
        stream.next()
        message = say(db, event)
        client.delete(f"{path(event)}/messages/{message['_id']}", headers=organizer["headers"])
        say(db, event, "after")
        heard = [stream.next("message").data]
        while heard[-1].get("text") != "after":
            heard.append(stream.next("message").data)
        gone = {"_id": str(message["_id"]), "eventId": event["eventId"], "deleted": True}
        assert heard[-2] == gone


def test_who_reads_too_slowly_is_dropped_and_can_come_back(client, db, event, hub, monkeypatch):
    monkeypatch.setattr(event_topics, "KEPT", 5)
    with stream_of(client, event) as slow, stream_of(client, event) as quick:
        slow.next()
        quick.next()
        say(db, event, "seen")
        assert slow.next("message").data["seq"] == 1
        for seq in range(2, 10):
            say(db, event)
            assert quick.next("message").data["seq"] in (seq - 1, seq)
        quick.next("message")
        assert slow.ended()
        last = slow.last_event_id
    with stream_of(client, event, last) as stream:
        assert [stream.next("message").data["seq"] for _ in range(8)] == list(range(2, 10))
    assert hub.seats.taken == 0


def test_a_comment_is_sent_when_nothing_happens(client, event, monkeypatch):
    assert hub_module.COMMENT_SECONDS == 15
    monkeypatch.setattr(hub_module, "COMMENT_SECONDS", 0.1)
    with stream_of(client, event) as stream:
        stream.next()
        assert [next(stream._blocks) for _ in range(3)] == [b": \n\n"] * 3


def test_a_draft_is_streamed_to_who_manages_it_alone(app, client, db, organizer, admin):
    draft = factories.make_event(db, organizer_id=organizer["id"], status="draft")
    other = factories.sign_in(app, "organizer")
    assert client.get(path(draft) + "/stream").status_code == 404
    assert client.get(path(draft) + "/stream", headers=other["headers"]).status_code == 404
    for who in (organizer, admin):
        with stream_of(client, draft, headers=who["headers"]) as stream:
            assert stream.next().event == "availability"


def test_an_event_that_becomes_a_draft_ends_for_the_public(client, db, event, organizer):
    with (
        stream_of(client, event) as public,
        stream_of(client, event, headers=organizer["headers"]) as own,
    ):
        public.next()
        own.next()
        change = {"$set": {"status": "draft"}, "$inc": {"rev": 1, "__v": 1}}
        db.events.update_one({"eventId": event["eventId"]}, change)
        assert own.next().event == "event"
        assert public.ended()


def test_a_bad_token_opens_nothing(client, event, hub):
    headers = {"Authorization": "Bearer a.b.c"}
    assert client.get(path(event) + "/stream", headers=headers).status_code == 401
    assert client.get("/api/events/0x1/stream").status_code == 400
    assert hub.seats.taken == 0
