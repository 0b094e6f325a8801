"""The stream of an event: its content, who may read it, and how it continues after a break."""

from datetime import timedelta

import pytest
from bson import ObjectId

from eventapp.core.clock import utc_now
from eventapp.core.database import ServerClock
from eventapp.core.streams import hub as hub_module
from eventapp.core.streams.hub import HUB
from eventapp.messages import event_stream, rules, store
from tests import factories
from tests.streaming import ClientStream


@pytest.fixture
def event(db, organizer):
    return factories.make_event(db, organizer_id=organizer["id"])


@pytest.fixture
def hub(app):
    return HUB.get(app)


def make_path(event):
    return f"/api/events/{event['eventId']}"


def open_stream(client, event, last_event_id=None, **headers):
    return ClientStream(client, make_path(event) + "/stream", last_event_id, **headers)


def write_message(db, event, text="hello", **changes):
    """Write a message as another process would."""
    entry = {"_id": ObjectId(), "shown": True, "text": text, "createdAt": utc_now(), **changes}
    return store.append(db, {**entry, "eventId": event["eventId"]})


def sell(db, event, count):
    types = {"ticketTypes.0.availableTickets": -count, "rev": 1}
    db.events.update_one({"eventId": event["eventId"]}, {"$inc": types})


def test_a_stream_is_neither_compressed_nor_cached_nor_buffered(client, event):
    headers = {"Accept-Encoding": "gzip, br, zstd", "Accept": "text/event-stream"}
    with open_stream(client, event, headers=headers) as stream:
        answered = stream.response.headers
        assert stream.response.status_code == 200
        assert answered["Content-Type"] == "text/event-stream; charset=utf-8"
        assert answered["Cache-Control"].startswith("no-cache")
        assert answered["X-Accel-Buffering"] == "no"
        assert not {"ETag", "Content-Encoding", "Content-Length"} & set(answered.keys())
        assert next(stream.blocks).startswith(b"retry: ")


def test_a_stream_begins_with_the_availability(client, event):
    with open_stream(client, event) as stream:
        sent = stream.next()
        general = {"ticketTypeId": 1, "type": "General", "price": 20}
        ticket_types = [{**general, "availableTickets": 100, "saleState": "on_sale"}]
        expected = {"eventId": event["eventId"], "ticketTypes": ticket_types, "soldOut": False}
        assert (sent.event, sent.data) == ("availability", expected)


def test_sales_are_sent_as_one_availability(client, db, event):
    with open_stream(client, event) as stream:
        stream.next()
        for _ in range(4):
            sell(db, event, 25)
        sent = stream.next()
        while not sent.data["soldOut"]:
            sent = stream.next()
        assert sent.data["ticketTypes"][0]["availableTickets"] == 0
        sell(db, event, 0)  # A change that is not visible
        write_message(db, event)
        assert stream.next().event == "message"


@pytest.mark.parametrize(("action", "change"), [("cancel", "cancelled"), (None, "edited")])
def test_edits_and_cancellations_are_sent(client, event, organizer, action, change):
    with open_stream(client, event) as stream:
        stream.next()
        if action:
            client.post(f"{make_path(event)}/{action}", headers=organizer["headers"])
        else:
            body = {"location": "Elsewhere"}
            client.patch(f"{make_path(event)}/schedule/0", json=body, headers=organizer["headers"])
        assert stream.next("event").data["change"] == change


def test_deleting_an_event_ends_its_streams(client, event, organizer):
    with open_stream(client, event) as stream:
        stream.next()
        client.delete(make_path(event), headers=organizer["headers"])
        assert stream.next("event").data["change"] == "deleted"
        assert stream.has_ended()
    assert client.get(make_path(event) + "/stream").status_code == 404


def test_a_new_stream_continues_after_the_last_event_id(client, db, event):
    write_message(db, event, "before")
    with open_stream(client, event) as stream:
        last = stream.next("availability").id
        for number in range(3):
            write_message(db, event, str(number))
        assert stream.next("message").data["text"] == "0"
        last = stream.last_event_id
    sell(db, event, 1)
    write_message(db, event, "3")
    with open_stream(client, event, last) as stream:
        assert stream.next().data["ticketTypes"][0]["availableTickets"] == 99
        assert [stream.next("message").data["text"] for _ in range(3)] == ["1", "2", "3"]
        last = stream.last_event_id
    with open_stream(client, event, last) as stream:  # Nothing is sent twice.
        write_message(db, event, "4")
        assert stream.next().data["text"] == "4"


def test_an_edit_between_two_streams_is_sent(client, event, organizer):
    with open_stream(client, event) as stream:
        last = stream.next().id
    client.post(make_path(event) + "/cancel", headers=organizer["headers"])
    with open_stream(client, event, last) as stream:
        assert stream.next().data["change"] == "cancelled"


@pytest.fixture
def sale(db, event):
    """A sale that begins in an hour, and ends an hour later."""
    begin = utc_now() + timedelta(hours=1)
    window = {"salesFrom": begin, "salesUntil": begin + timedelta(hours=1)}
    fields = {f"ticketTypes.0.{name}": moment for name, moment in window.items()}
    db.events.update_one({"eventId": event["eventId"]}, {"$set": fields, "$inc": {"rev": 1}})


@pytest.fixture
def set_hours_ahead(monkeypatch):
    """Return a function that sets the clock of the database ahead of the real time."""

    def set_hours(hours):
        ahead = timedelta(hours=hours)
        monkeypatch.setattr(ServerClock, "correct", lambda _self, moment: moment + ahead)

    set_hours(0)
    return set_hours


def get_state(sent):
    assert sent.event == "availability"
    return sent.data["ticketTypes"][0]["saleState"]


def test_the_begin_and_the_end_of_a_sale_are_sent_though_nothing_is_written(
    client, db, event, sale, set_hours_ahead
):
    with open_stream(client, event) as stream:
        assert get_state(stream.next()) == "scheduled"
        set_hours_ahead(1.5)
        assert get_state(stream.next()) == "on_sale"
        sell(db, event, 1)
        assert stream.next().data["ticketTypes"][0]["availableTickets"] == 99
        set_hours_ahead(3)
        assert get_state(stream.next()) == "ended"
        write_message(db, event)  # Nothing is sent twice.
        assert stream.next().event == "message"


def test_the_begin_of_a_sale_between_two_streams_is_sent(client, db, event, sale, set_hours_ahead):
    with open_stream(client, event) as stream:
        assert get_state(stream.next()) == "scheduled"
        last = stream.last_event_id
    set_hours_ahead(1.5)
    with open_stream(client, event, last) as stream:
        assert get_state(stream.next()) == "on_sale"
        write_message(db, event)
        assert stream.next().event == "message"


@pytest.mark.parametrize(
    "malformed", ["x", "1", "-1.0.0", "0.0.99999", "999.0.0", "9" * 400, "\N{SUPERSCRIPT TWO}.1.1"]
)
def test_a_malformed_last_event_id_starts_a_new_stream(client, db, event, malformed):
    with open_stream(client, event, malformed.encode().decode("latin-1")) as stream:
        assert stream.next().event == "availability"
        write_message(db, event)
        assert stream.next("message").data["seq"] == 1


def test_messages_wait_for_one_with_a_lower_number(client, db, event):
    write_message(db, event, "one")
    with open_stream(client, event) as stream:
        stream.next()
        seq = store._next_seq(db, event["eventId"])  # Another process has taken its number,
        write_message(db, event, "three")  # and is overtaken by this one.
        late = {"_id": ObjectId(), "eventId": event["eventId"], "seq": seq, "shown": True}
        db.messages.insert_one({**late, "text": "two", "createdAt": utc_now()})
        assert [stream.next("message").data["text"] for _ in range(2)] == ["two", "three"]


def test_a_number_that_is_never_used_is_skipped(client, db, event, monkeypatch):
    monkeypatch.setattr(rules, "GAP_TIMEOUT", rules.GAP_TIMEOUT / 10)
    with open_stream(client, event) as stream:
        stream.next()
        lost = store._next_seq(db, event["eventId"])
        write_message(db, event, "after it")
        assert stream.next("message").data["text"] == "after it"
        # A writer that uses the number only now finds it taken, and gets the next one.
        monkeypatch.setattr(store, "_next_seq", _return_first(lost, store._next_seq))
        write_message(db, event, "late after all")
        assert stream.next("message").data["seq"] == lost + 2


def _return_first(value, function):
    """Return a function that returns `value` once, and then calls `function`."""
    values = [value]
    return lambda *args: values.pop() if values else function(*args)


def test_a_deletion_is_sent_in_order(client, db, event, organizer):
    with open_stream(client, event) as stream:
        stream.next()
        message = write_message(db, event)
        client.delete(f"{make_path(event)}/messages/{message['_id']}", headers=organizer["headers"])
        write_message(db, event, "after")
        received = [stream.next("message").data]
        while received[-1].get("text") != "after":
            received.append(stream.next("message").data)
        deleted = {"_id": str(message["_id"]), "eventId": event["eventId"], "deleted": True}
        assert received[-2] == deleted


def test_a_client_that_reads_too_slowly_is_dropped_and_can_return(
    client, db, event, hub, monkeypatch
):
    monkeypatch.setattr(event_stream, "MAX_BUFFERED", 5)
    with open_stream(client, event) as slow, open_stream(client, event) as quick:
        slow.next()
        quick.next()
        write_message(db, event, "seen")
        assert slow.next("message").data["seq"] == 1
        for seq in range(2, 10):
            write_message(db, event)
            assert quick.next("message").data["seq"] in (seq - 1, seq)
        quick.next("message")
        assert slow.has_ended()
        last = slow.last_event_id
    with open_stream(client, event, last) as stream:
        assert [stream.next("message").data["seq"] for _ in range(8)] == list(range(2, 10))
    assert hub.limits.open_count == 0


def test_an_idle_stream_sends_comments(client, event, monkeypatch):
    assert hub_module.COMMENT_SECONDS == 15
    monkeypatch.setattr(hub_module, "COMMENT_SECONDS", 0.1)
    with open_stream(client, event) as stream:
        stream.next()
        assert [next(stream.blocks) for _ in range(3)] == [b": \n\n"] * 3


def test_a_draft_is_streamed_only_to_its_managers(app, client, db, organizer, admin):
    draft = factories.make_event(db, organizer_id=organizer["id"], status="draft")
    other = factories.make_user(app, "organizer")
    assert client.get(make_path(draft) + "/stream").status_code == 404
    assert client.get(make_path(draft) + "/stream", headers=other["headers"]).status_code == 404
    for manager in (organizer, admin):
        with open_stream(client, draft, headers=manager["headers"]) as stream:
            assert stream.next().event == "availability"


LOSSES = {
    "role": lambda client, admin, who: client.put(
        f"/api/users/{who['id']}", json={"role": "attendee"}, headers=admin["headers"]
    ),
    "account": lambda client, admin, who: client.delete(
        f"/api/users/{who['id']}?transferTo={admin['id']}", headers=admin["headers"]
    ),
    "session": lambda client, _admin, who: client.post("/api/auth/logout", headers=who["headers"]),
}


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("is_idle", [False, True])
def test_who_loses_the_right_to_see_a_draft_loses_its_stream(
    client, db, organizer, admin, monkeypatch, loss, is_idle
):
    monkeypatch.setattr(hub_module, "RESTRICTED_CHECK_SECONDS", 0.05 if is_idle else 3600)
    draft = factories.make_event(db, organizer_id=organizer["id"], status="draft")
    with open_stream(client, draft, headers=organizer["headers"]) as stream:
        assert stream.next().event == "availability"
        answer = LOSSES[loss](client, admin, organizer)
        assert answer.status_code == 200, answer.json
        if not is_idle:
            write_message(db, draft, "secret")
            sell(db, draft, 1)
        assert stream.has_ended()


def test_a_public_event_that_becomes_a_draft_ends_for_its_former_organizer(
    client, db, event, organizer, admin
):
    with open_stream(client, event, headers=organizer["headers"]) as stream:
        stream.next()
        LOSSES["role"](client, admin, organizer)
        change = {"$set": {"status": "draft"}, "$inc": {"rev": 1, "__v": 1}}
        db.events.update_one({"eventId": event["eventId"]}, change)
        assert stream.has_ended()


def test_an_event_that_becomes_a_draft_ends_for_the_public(client, db, event, organizer):
    with (
        open_stream(client, event) as public,
        open_stream(client, event, headers=organizer["headers"]) as own,
    ):
        public.next()
        own.next()
        change = {"$set": {"status": "draft"}, "$inc": {"rev": 1, "__v": 1}}
        db.events.update_one({"eventId": event["eventId"]}, change)
        assert own.next().event == "event"
        assert public.has_ended()


def test_an_invalid_token_opens_no_stream(client, event, hub):
    headers = {"Authorization": "Bearer a.b.c"}
    assert client.get(make_path(event) + "/stream", headers=headers).status_code == 401
    assert client.get("/api/events/0x1/stream").status_code == 400
    assert hub.limits.open_count == 0
