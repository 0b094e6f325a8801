"""The routes of an event's chat."""

from datetime import timedelta

import pytest
from bson import ObjectId
from pymongo.errors import AutoReconnect

from eventapp.core.clock import utc_now
from eventapp.core.database import OPEN_DATABASE
from eventapp.messages import rules, service, store
from tests import factories


@pytest.fixture
def event(db, organizer):
    return factories.make_event(db, organizer_id=organizer["id"])


def chat_path(event):
    return f"/api/events/{event['eventId']}/messages"


def write(client, event, person, text="hello"):
    answer = client.post(chat_path(event), json={"text": text}, headers=person["headers"])
    assert answer.status_code == 201, answer.json
    return answer.json["data"]["message"]


def texts(answer):
    assert answer.status_code == 200, answer.json
    return [message["text"] for message in answer.json["messages"]]


def test_a_message_is_stored_as_text_and_read_by_anyone(client, db, event, attendee):
    text = 'Hi <script>alert("x")</script> & \u202ebye\nsecond line {{7*7}} $where'
    message = write(client, event, attendee, f"  {text}  ")
    name = db.users.find_one({"_id": attendee["id"]})["name"]
    assert message["text"] == text
    assert message["author"] == {"_id": str(attendee["id"]), "name": name}
    assert message["eventId"] == event["eventId"]
    shown = client.get(chat_path(event))
    assert shown.json["messages"] == [message]
    assert shown.content_type == "application/json"
    assert "@" not in shown.get_data(as_text=True)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"text": ""},
        {"text": " \n "},
        {"text": "x" * 2001},
        {"text": "\x7f"},
        {"text": 7},
        {"text": None},
        {"text": {"$gt": ""}},
        {"text": "x", "author": "me"},
        {"text": "x", "seq": 1},
    ],
)
def test_an_invalid_message_is_refused(client, db, event, attendee, body):
    answer = client.post(chat_path(event), json=body, headers=attendee["headers"])
    assert (answer.status_code, answer.json["code"]) == (400, "validation_error")
    assert db.messages.count_documents({}) == 0


def test_a_message_of_2000_characters_is_accepted(client, event, attendee):
    assert write(client, event, attendee, "\N{GRINNING FACE}" * 2000)


def test_only_signed_in_users_write(client, event):
    answer = client.post(chat_path(event), json={"text": "x"})
    assert answer.status_code == 401


def test_the_list_begins_with_the_newest_and_a_cursor_goes_back(client, event, attendee):
    for number in range(7):
        write(client, event, attendee, str(number))
    first = client.get(chat_path(event) + "?limit=3")
    assert texts(first) == ["6", "5", "4"]
    assert {name: first.json[name] for name in ("page", "limit", "total", "pages")} == {
        "page": 1,
        "limit": 3,
        "total": 7,
        "pages": 3,
    }
    write(client, event, attendee, "new")
    second = client.get(f"{chat_path(event)}?limit=3&cursor={first.json['nextCursor']}")
    assert texts(second) == ["3", "2", "1"]
    third = client.get(f"{chat_path(event)}?limit=3&cursor={second.json['nextCursor']}")
    assert texts(third) == ["0"]
    assert third.json["nextCursor"] is None
    assert texts(client.get(chat_path(event) + "?limit=3&page=2")) == ["4", "3", "2"]
    assert texts(client.get(chat_path(event) + "?limit=3&page=9")) == []


def test_messages_after_a_number_are_listed_in_order(client, event, attendee, organizer):
    seen = [write(client, event, attendee, str(number)) for number in range(5)]
    message_path = f"{chat_path(event)}/{seen[2]['_id']}"
    assert client.delete(message_path, headers=organizer["headers"]).status_code == 200
    first = client.get(f"{chat_path(event)}?limit=2&after={seen[0]['seq']}")
    assert texts(first) == ["1", "3"]
    second = client.get(f"{chat_path(event)}?limit=2&cursor={first.json['nextCursor']}")
    assert texts(second) == ["4"]
    assert second.json["nextCursor"] is None
    assert texts(client.get(f"{chat_path(event)}?after=0&limit=50")) == ["0", "1", "3", "4"]
    assert texts(client.get(f"{chat_path(event)}?after=99")) == []


def test_the_list_after_a_number_ends_before_a_gap_until_its_timeout(client, db, event, attendee):
    write(client, event, attendee, "one")
    store._next_seq(db, event["eventId"])
    write(client, event, attendee, "three")
    assert texts(client.get(chat_path(event) + "?after=0")) == ["one"]
    old = db.messages.find_one({"text": "three"})["createdAt"] - 2 * rules.GAP_TIMEOUT
    db.messages.update_one({"text": "three"}, {"$set": {"createdAt": old}})
    assert texts(client.get(chat_path(event) + "?after=0")) == ["one", "three"]


@pytest.mark.parametrize(
    "query", ["cursor=x", "cursor=", "cursor=e30", "after=-1", "after=x", "limit=0", "limit=101"]
)
def test_an_invalid_query_is_refused(client, event, query):
    assert client.get(f"{chat_path(event)}?{query}").status_code == 400


def test_only_author_organizer_and_admin_delete_a_message(
    app, client, db, event, attendee, organizer, admin
):
    for user in (attendee, organizer, admin):
        message_path = f"{chat_path(event)}/{write(client, event, attendee)['_id']}"
        assert client.delete(message_path).status_code == 401
        for other in ("attendee", "organizer"):
            refused = client.delete(
                message_path, headers=factories.make_user(app, other)["headers"]
            )
            assert (refused.status_code, refused.json["code"]) == (403, "forbidden")
        assert client.delete(message_path, headers=user["headers"]).status_code == 200
        again = client.delete(message_path, headers=user["headers"])
        assert (again.status_code, again.json["code"]) == (404, "message_not_found")
    assert client.get(chat_path(event)).json["messages"] == []
    assert db.messages.count_documents({"text": {"$exists": True}}) == 0
    assert db.messages.count_documents({"authorId": {"$exists": True}}) == 0


@pytest.mark.parametrize("step", ["append", "hide"])
def test_a_deletion_that_died_between_its_writes_can_be_repeated(
    client, db, event, attendee, monkeypatch, step
):
    message = write(client, event, attendee)
    path = f"{chat_path(event)}/{message['_id']}"

    def die(*_arguments):
        raise AutoReconnect("the process died")

    with monkeypatch.context() as patched:
        patched.setattr(store, step, die)
        assert client.delete(path, headers=attendee["headers"]).status_code == 503
    assert client.delete(path, headers=attendee["headers"]).status_code == 200
    assert texts(client.get(chat_path(event))) == []
    assert db.messages.count_documents({"removes": ObjectId(message["_id"])}) >= 1
    assert client.delete(path, headers=attendee["headers"]).status_code == 404


def test_a_message_is_deleted_only_through_its_own_chat(client, db, event, attendee, organizer):
    other = factories.make_event(db, organizer_id=organizer["id"])
    message = write(client, event, attendee)
    elsewhere = client.delete(f"{chat_path(other)}/{message['_id']}", headers=attendee["headers"])
    assert elsewhere.status_code == 404
    assert client.delete(f"{chat_path(event)}/x", headers=attendee["headers"]).status_code == 400
    unknown = client.delete(f"{chat_path(event)}/{ObjectId()}", headers=attendee["headers"])
    assert unknown.status_code == 404


def test_only_its_organizer_uses_the_chat_of_a_draft(client, db, attendee, organizer):
    draft = factories.make_event(db, organizer_id=organizer["id"], status="draft")
    answers = [
        client.get(chat_path(draft)),
        client.get(chat_path(draft) + "?after=0"),
        client.post(chat_path(draft), json={"text": "x"}, headers=attendee["headers"]),
        client.delete(f"{chat_path(draft)}/{ObjectId()}", headers=attendee["headers"]),
    ]
    assert [answer.json["code"] for answer in answers] == ["event_not_found"] * 4
    assert write(client, draft, organizer)


def test_the_chat_of_a_deleted_event_is_hidden_and_then_deleted(
    client, db, event, attendee, organizer
):
    kept = factories.make_event(db, organizer_id=organizer["id"])
    write(client, event, attendee)
    write(client, kept, attendee)
    assert service.delete_orphaned_chats(db, utc_now()) == 0
    client.delete(f"/api/events/{event['eventId']}", headers=organizer["headers"])
    assert client.get(chat_path(event)).status_code == 404
    assert service.delete_orphaned_chats(db, utc_now()) == 1
    assert db.messages.count_documents({}) == 1
    assert db.chats.count_documents({}) == 1


def test_a_users_messages_are_exported_and_stay_without_author(client, event, attendee, organizer):
    write(client, event, attendee, "mine")
    write(client, event, organizer, "not mine")
    me = f"/api/users/{attendee['id']}"
    exported = client.get(f"{me}/export", headers=attendee["headers"]).json["messages"]
    assert [message["text"] for message in exported] == ["mine"]
    assert client.delete(me, headers=attendee["headers"]).status_code == 200
    shown = client.get(chat_path(event)).json["messages"]
    assert [(message["text"], bool(message["author"])) for message in shown] == [
        ("not mine", True),
        ("mine", False),
    ]


def test_a_user_may_write_ten_messages_in_a_burst(make_app, monkeypatch):
    app = make_app(RATE_LIMIT_ENABLED="true")
    client, db = app.test_client(), OPEN_DATABASE.get(app).db
    ann, bob = factories.make_user(app), factories.make_user(app)
    one, other = factories.make_event(db), factories.make_event(db)
    for number in range(10):
        write(client, (one, other)[number % 2], ann)
    refused = client.post(chat_path(one), json={"text": "x"}, headers=ann["headers"])
    assert (refused.status_code, refused.json["code"]) == (429, "too_many_requests")
    assert 0 < int(refused.headers["Retry-After"]) <= 30
    write(client, one, bob)
    monkeypatch.setattr(rules, "BURST_WINDOW", timedelta(0))
    write(client, one, ann)
