"""A duplicate of an event is a draft with the same content, of which nothing is sold."""

from io import BytesIO

import pytest

from eventapp.events import photos
from tests import pictures
from tests.api_tokens import TokenCaller
from tests.bookings_factories import Caller, refused
from tests.factories import event_body
from tests.teams import add_member

pytestmark = pytest.mark.usefixtures("clean_inventory")

ATHENS = "Europe/Athens"
SCHEDULE = [
    {"date": "2099-06-20", "startTime": "20:00", "endTime": "23:00", "timezone": ATHENS},
    {"date": "2099-06-15", "startTime": "19:30", "timezone": ATHENS, "lat": 39.4, "lng": 22.9},
]
TYPES = [
    {"type": "Stalls", "price": 20, "availableTickets": 6, "salesUntil": "2099-06-14T18:00:00Z"},
    {"type": "Box", "price": 50, "availableTickets": 2, "visibility": "secret"},
]
QUESTION = {"label": "Meal", "kind": "text", "required": False, "ticketTypeIds": [1]}
CODE = {
    **{"code": "Box-99", "kind": "percent", "value": 10, "maxUses": 3, "unlocks": [2]},
    "validUntil": "2099-06-15T00:00:00Z",
}


@pytest.fixture
def source(host, ann, bob):
    """A published event of the host with everything an event can have, partly sold."""
    schedule = [{**entry, "location": "Volos"} for entry in SCHEDULE]
    body = event_body(schedule=schedule, ticketTypes=TYPES, questions=[QUESTION])
    event = host.call("POST", "/events", body).json
    path = f"/events/{event['eventId']}"
    quota = {"name": "First night", "capacity": 5, "scheduleIds": [1]}
    assert host.call("POST", f"{path}/quotas", quota).status_code == 201
    assert host.call("POST", f"{path}/promo-codes", CODE).status_code == 201
    order = {"items": [{"ticketTypeId": 2, "quantity": 1}], "promoCode": "Box-99"}
    assert ann.order(event["eventId"], scheduleIndex=0, **order).status_code == 201
    bob.book(event["eventId"], 5, scheduleIndex=1, hold=True)
    ann.call("POST", "/favorites", {"eventId": event["eventId"]})
    return host.get(path).json


def duplicate(caller, event, **body):
    return caller.call("POST", f"/events/{event['eventId']}/duplicate", body)


def make_duplicate(caller, event, **body):
    answer = duplicate(caller, event, **body)
    assert answer.status_code == 201, answer.json
    assert answer.headers["Location"].endswith(f"/api/events/{answer.json['eventId']}")
    return answer.json


def parts_of(caller, event, name):
    path = f"/events/{event['eventId']}/{name}"
    return next(iter(caller.get(path).json.values()))


def test_a_duplicate_has_the_content_and_no_sales(host, source):
    copy = make_duplicate(host, source)
    assert copy == host.get(f"/events/{copy['eventId']}").json
    new = {"_id", "eventId", "createdAt", "updatedAt", "__v", "status", "ticketTypes", "favorited"}
    same = copy.keys() - new
    assert {"title", "schedule", "questions", "image", "tags", "organizerId"} <= same
    assert {name: copy[name] for name in same} == {name: source[name] for name in same}
    assert copy["eventId"] != source["eventId"]
    assert (copy["status"], copy["favorited"], copy["__v"]) == ("draft", False, 0)
    for before, after in zip(source["ticketTypes"], copy["ticketTypes"], strict=True):
        counters = {"availableTickets": before["capacity"], "soldTickets": 0, "heldTickets": 0}
        assert after == {**before, **counters, "saleState": "scheduled"}
    (quota,) = parts_of(host, copy, "quotas")
    assert quota == {**parts_of(host, source, "quotas")[0], "availableTickets": 5}
    (code,) = parts_of(host, copy, "promo-codes")
    (used,) = parts_of(host, source, "promo-codes")
    assert code == {**used, "used": 0}
    assert used["used"] == 1
    assert parts_of(host, copy, "bookings") == []
    assert host.get(f"/events/{source['eventId']}").json == source


def test_a_duplicate_can_be_sold_whole(host, ann, source):
    copy = make_duplicate(host, source)
    path = f"/events/{copy['eventId']}"
    refused(ann.order(copy["eventId"], ticketTypeId=1, quantity=1), 404, "event_not_found")
    assert host.call("POST", f"{path}/publish").status_code == 200
    order = {"items": [{"ticketTypeId": 2, "quantity": 2}], "promoCode": "box-99"}
    answer = ann.order(copy["eventId"], scheduleIndex=0, **order)
    assert answer.status_code == 201, answer.json
    assert answer.json["data"]["booking"]["totalPrice"] == 90
    (quota,) = parts_of(host, copy, "quotas")
    assert quota["availableTickets"] == 3
    # Ids go on where the source has stopped.
    added = host.call("POST", f"{path}/ticket-types", {**TYPES[0], "type": "Balcony"}).json
    assert [each["ticketTypeId"] for each in added["ticketTypes"]] == [1, 2, 3]


def test_dates_move_the_schedule_and_the_times_of_sale(host, source):
    copy = make_duplicate(host, source, dates=["2099-12-24", "2099-12-22"])
    first, second = copy["schedule"]
    expected = {**source["schedule"][0], "date": "2099-12-24"}
    expected["startsAt"], expected["endsAt"] = (
        "2099-12-24T18:00:00.000Z",
        "2099-12-24T21:00:00.000Z",
    )
    assert first == expected
    assert (second["date"], second["startTime"], second["lat"]) == ("2099-12-22", "19:30", 39.4)
    # The first date moved by 190 days, from summer time to winter time: 21:00 stays 21:00.
    assert copy["ticketTypes"][0]["salesUntil"] == "2099-12-21T19:00:00.000Z"
    assert parts_of(host, copy, "promo-codes")[0]["validUntil"] == "2099-12-22T01:00:00.000Z"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"dates": ["2099-12-24"]}, "dates"),
        ({"dates": ["2099-12-24"] * 3}, "dates"),
        ({"dates": []}, "dates"),
        ({"dates": ["2099-12-24", "soon"]}, "dates.1"),
        ({"dates": ["8999-12-30", "8999-12-31"]}, "dates"),
        ({"date": "2099-12-24"}, "date"),
    ],
)
def test_wrong_dates_are_refused(host, db, source, body, field):
    if "8999-12-31" in body.get("dates", ()):
        late = {"salesFrom": "2099-07-01T00:00:00Z", "salesUntil": "2099-08-01T00:00:00Z"}
        host.call("PATCH", f"/events/{source['eventId']}/ticket-types/1", late)
    before = db.events.count_documents({})
    answer = refused(duplicate(host, source, **body), 400, "validation_error")
    assert field in answer["errors"]
    assert db.events.count_documents({}) == before


def test_a_time_that_clocks_skip_is_refused(host, source):
    early = {"startTime": "03:30", "endTime": None}
    host.call("PATCH", f"/events/{source['eventId']}/schedule/1", early)
    answer = duplicate(host, source, dates=["2030-03-30", "2030-03-31"])
    assert list(refused(answer, 400, "nonexistent_time")["errors"]) == ["dates.1"]


def test_the_photo_is_copied(client, host, db, source):
    path = f"/api/events/{source['eventId']}/image"
    form = {"file": (BytesIO(pictures.photo()), "photo.jpg")}
    shown = client.put(path, data=form, headers=host.headers).json["image"]
    copy = make_duplicate(host, source)
    assert copy["image"] == shown
    assert host.call("DELETE", f"/events/{copy['eventId']}").status_code == 200
    url = shown.removeprefix("http://localhost")
    assert client.get(url).status_code == 200
    another = make_duplicate(host, source)
    other = {"file": (BytesIO(pictures.photo(width=80)), "photo.jpg")}
    assert client.put(path, data=other, headers=host.headers).json["image"] != shown
    assert client.get(url).status_code == 200
    assert host.get(f"/events/{another['eventId']}").json["image"] == shown
    owners = {each["metadata"]["owner"] for each in db["photos.files"].find()}
    assert owners == {f"event/{source['eventId']}", f"event/{another['eventId']}"}


def test_a_photo_that_was_replaced_meanwhile_is_left_out(client, host, source, monkeypatch):
    path = f"/api/events/{source['eventId']}/image"
    form = {"file": (BytesIO(pictures.photo()), "photo.jpg")}
    client.put(path, data=form, headers=host.headers)
    copy_photo = photos.copy_photo

    def replace_and_copy(db, *arguments, **options):
        db["photos.files"].delete_many({})
        copy_photo(db, *arguments, **options)

    monkeypatch.setattr(photos, "copy_photo", replace_and_copy)
    assert make_duplicate(host, source)["image"] == ""


def test_its_log_begins_with_the_duplication(host, source):
    copy = make_duplicate(host, source)
    (entry,) = host.get(f"/events/{copy['eventId']}/log").json["entries"]
    origin = {"field": "duplicateOf", "before": None, "after": source["eventId"]}
    assert (entry["action"], entry["changes"]) == ("duplicated", [origin])
    assert entry["user"]["userId"] == str(host.id)


def test_managers_and_admins_duplicate_for_the_organizer(client, app, db, host, root, source):
    cleo, other = Caller(client, app), Caller(client, app, "organizer")
    refused(duplicate(cleo, source), 403, "forbidden")
    refused(duplicate(other, source), 403, "forbidden")
    assert client.post(f"/api/events/{source['eventId']}/duplicate").status_code == 401
    refused(duplicate(host, {"eventId": 99999}), 404, "event_not_found")
    for role in ("door", "viewer"):
        add_member(db, host, cleo, role)
        refused(duplicate(cleo, source), 403, "forbidden")
    add_member(db, host, cleo, "manager", [source["eventId"]])
    refused(duplicate(cleo, source), 403, "forbidden")
    add_member(db, host, cleo, "manager")
    for caller in (cleo, root):
        assert make_duplicate(caller, source)["organizerId"] == str(host.id)


def test_a_token_for_certain_events_duplicates_none(db, host, source):
    token = TokenCaller(host, db, "events:write", eventIds=[source["eventId"]])
    refused(duplicate(token, source), 403, "scope_missing")
    refused(duplicate(TokenCaller(host, db, "events:read"), source), 403, "scope_missing")
    assert make_duplicate(TokenCaller(host, db, "events:write"), source)["status"] == "draft"
