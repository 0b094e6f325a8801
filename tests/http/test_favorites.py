"""/api/favorites: owners, answers and limits."""

import pytest

from eventapp.events import rules
from eventapp.favorites import store as favorites_store
from tests.factories import make_event, make_user
from tests.http.test_events_cache import by_another_process, within_a_second

DEVICE, OTHER_DEVICE = {"X-Device-Id": "phone-0001"}, {"X-Device-Id": "phone-0002"}


@pytest.fixture(autouse=True)
def three_events(db):
    for number in (1, 2, 3):
        make_event(db, title=f"E{number}")


def add(client, number, headers=None):
    return client.post("/api/favorites", json={"eventId": number}, headers=headers)


def favorites(client, headers=None):
    answer = client.get("/api/favorites", headers=headers)
    assert answer.status_code == 200
    assert list(answer.json) == ["events"]
    return answer.json["events"]


def listed(client, headers=None):
    return [event["eventId"] for event in favorites(client, headers)]


def test_an_added_favorite_is_stored(client, db):
    answer = add(client, 2)
    assert (answer.status_code, answer.json) == (201, {"message": "Event favorited"})
    kept = db.favorites.find_one({"_id": "guest"})
    assert [entry["eventId"] for entry in kept["events"]] == [2]
    assert kept["count"] == 1


def test_the_list_is_newest_first(client):
    for number in (2, 3, 1):
        add(client, number)
    assert listed(client) == [1, 3, 2]
    shown = client.get("/api/favorites").json["events"]
    assert all(event["favorited"] is True for event in shown)
    assert shown[0] == client.get("/api/events/1").json


def test_a_caller_without_favorites_has_an_empty_list(client):
    assert client.get("/api/favorites").json == {"events": []}


def test_adding_a_favorite_twice_is_refused(client, db):
    add(client, 1)
    answer = add(client, 1)
    assert answer.status_code == 409
    assert answer.json == {"message": "Already favorited", "code": "already_favorited"}
    assert db.favorites.find_one({})["count"] == 1


def test_a_missing_event_is_404(client, db):
    answer = add(client, 99)
    assert answer.status_code == 404
    assert answer.json == {"message": "Event not found", "code": "event_not_found"}
    assert db.favorites.count_documents({}) == 0


def test_a_draft_of_another_is_404(client, db, organizer):
    draft = make_event(db, status="draft", organizer_id=organizer["id"])
    assert add(client, draft["eventId"]).status_code == 404
    assert add(client, draft["eventId"], organizer["headers"]).status_code == 201


@pytest.mark.parametrize("method", ["POST", "DELETE"])
def test_a_body_without_an_event_id_is_refused(client, method):
    for sent in ({"json": {}}, {}):
        answer = client.open("/api/favorites", method=method, **sent)
        assert (answer.status_code, answer.json["message"]) == (400, "Missing eventId")
        assert answer.json["code"] == "validation_error"


@pytest.mark.parametrize("method", ["POST", "DELETE"])
@pytest.mark.parametrize("value", ["1", 1.5, True, None, {"$gt": 0}, [1], 0, -1, 2**63, 1e30])
def test_an_invalid_event_id_is_refused(client, db, method, value):
    add(client, 1)
    answer = client.open("/api/favorites", method=method, json={"eventId": value})
    assert (answer.status_code, answer.json["message"]) == (400, "Invalid eventId")
    assert listed(client) == [1]


@pytest.mark.parametrize("method", ["POST", "DELETE"])
def test_unknown_fields_are_refused(client, method):
    answer = client.open("/api/favorites", method=method, json={"eventId": 1, "userId": "x"})
    assert (answer.status_code, answer.json["errors"]) == (400, {"userId": ["Unknown field."]})


@pytest.mark.parametrize("by_path", [False, True])
def test_a_removed_favorite_is_gone(client, db, by_path):
    def remove(number):
        if by_path:
            return client.delete(f"/api/favorites/{number}")
        return client.delete("/api/favorites", json={"eventId": number})

    add(client, 1)
    add(client, 2)
    answer = remove(1)
    assert (answer.status_code, answer.json) == (200, {"message": "Favorite removed"})
    assert listed(client) == [2]
    assert db.favorites.find_one({})["count"] == 1
    again = remove(1)
    assert again.status_code == 404
    assert again.json == {"message": "Favorite not found", "code": "favorite_not_found"}
    assert add(client, 1).status_code == 201
    assert listed(client) == [1, 2]


def test_removing_by_path_needs_a_number(client):
    answer = client.delete("/api/favorites/x")
    assert (answer.status_code, answer.json["message"]) == (400, "Invalid eventId")


def test_each_caller_has_separate_favorites(client, app):
    first, second = make_user(app)["headers"], make_user(app)["headers"]
    callers = [None, DEVICE, OTHER_DEVICE, first, second]
    for headers in callers:
        assert listed(client, headers) == []
        assert add(client, 1, headers).status_code == 201
    for number, headers in enumerate(callers):
        assert client.delete("/api/favorites/1", headers=headers).status_code == 200
        left = [listed(client, other) for other in callers]
        assert left == [[]] * (number + 1) + [[1]] * (len(callers) - number - 1)


def test_a_token_takes_precedence_over_a_device(client, attendee):
    add(client, 1, {**attendee["headers"], **DEVICE})
    assert listed(client, attendee["headers"]) == [1]
    assert listed(client, DEVICE) == []


@pytest.mark.parametrize("device", ["short", "x" * 65, "has space", "dots.are.not", "$ne-operator"])
def test_an_invalid_device_id_is_refused(client, device):
    answer = client.get("/api/favorites", headers={"X-Device-Id": device})
    assert (answer.status_code, answer.json["message"]) == (400, "Invalid X-Device-Id")


def test_an_invalid_token_does_not_make_the_caller_the_guest(client):
    answer = client.get("/api/favorites", headers={"Authorization": "Bearer a.b.c"})
    assert answer.status_code == 401


def test_favorites_beyond_the_limit_are_refused(client, db, monkeypatch):
    monkeypatch.setattr(rules, "MAX_FAVORITES", 2)
    add(client, 1)
    add(client, 2)
    answer = add(client, 3)
    assert (answer.status_code, answer.json["code"]) == (409, "too_many_favorites")
    assert add(client, 2).json["message"] == "Already favorited"
    assert listed(client) == [2, 1]
    client.delete("/api/favorites/1")
    assert add(client, 3).status_code == 201
    assert listed(client, DEVICE) == []


def test_the_limit_is_five_hundred():
    assert rules.MAX_FAVORITES == 500


def test_a_favorite_that_becomes_a_draft_is_hidden(client, db, organizer):
    event = make_event(db, organizer_id=organizer["id"])
    add(client, event["eventId"])
    add(client, event["eventId"], organizer["headers"])
    by_another_process(db, event["eventId"], lambda _event: {"status": "draft"})
    within_a_second(lambda: listed(client) == [])
    assert listed(client, organizer["headers"]) == [event["eventId"]]
    assert client.get("/android/api/favorites").json == []


def test_past_and_cancelled_events_stay_favorites(client, db):
    add(client, 1)
    by_another_process(db, 1, lambda _event: {"status": "cancelled"})
    within_a_second(lambda: favorites(client)[0]["status"] == "cancelled")
    assert listed(client) == [1]


def test_an_event_that_became_a_draft_or_is_gone_is_no_new_favorite(client, db):
    """The cache of this process does not know it yet."""
    for number in (1, 2):
        assert add(client, number, DEVICE).status_code == 201
    db.events.update_one({"eventId": 1}, {"$set": {"status": "draft"}})
    db.events.delete_one({"eventId": 2})
    for number in (1, 2):
        assert add(client, number).json["code"] == "event_not_found"
    kept = db.favorites.find_one({"_id": "guest"})
    assert (kept["events"], kept["count"]) == ([], 0)


def test_an_event_that_another_process_published_is_a_favorite_at_once(client, db, organizer):
    event = make_event(db, status="draft", organizer_id=organizer["id"])
    assert add(client, event["eventId"]).status_code == 404
    db.events.update_one({"_id": event["_id"]}, {"$set": {"status": "published"}})
    assert add(client, event["eventId"]).status_code == 201


def test_organizers_see_the_counts_of_the_own_favorites_alone(client, db, organizer, admin):
    own = make_event(db, organizer_id=organizer["id"])["eventId"]
    for caller, shown in ((organizer, [True, False]), (admin, [True, True])):
        for number in (1, own):
            add(client, number, caller["headers"])
        events = favorites(client, caller["headers"])
        assert [event["eventId"] for event in events] == [own, 1]
        assert ["capacity" in event["ticketTypes"][0] for event in events] == shown
        for event in events:
            path = f"/api/events/{event['eventId']}"
            assert event == client.get(path, headers=caller["headers"]).json


def test_a_deleted_event_is_no_favorite_of_anyone(client, db, admin):
    for headers in (None, DEVICE, admin["headers"]):
        add(client, 1, headers)
        add(client, 2, headers)
    client.delete("/api/events/1", headers=admin["headers"])
    for headers in (None, DEVICE, admin["headers"]):
        assert listed(client, headers) == [2]
    assert {kept["count"] for kept in db.favorites.find()} == {1}


def test_no_favorite_stays_of_an_event_that_is_deleted_meanwhile(client, db, monkeypatch):
    original = favorites_store.add

    def add_late(db, owner, event_id, **options):
        db.events.delete_one({"eventId": event_id})
        favorites_store.remove_event(db, event_id)
        return original(db, owner, event_id, **options)

    monkeypatch.setattr(favorites_store, "add", add_late)
    assert add(client, 2).status_code == 404
    kept = db.favorites.find_one({"_id": "guest"})
    assert (kept["events"], kept["count"]) == ([], 0)
