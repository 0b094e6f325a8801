"""POST /api/events."""

import re

import pytest

from eventapp.events import rules
from tests.factories import FAR_DAY, day, event_body, make_event, make_user

SHOWN = {
    "_id",
    "eventId",
    "title",
    "description",
    "category",
    "image",
    "schedule",
    "ticketTypes",
    "favorited",
    "organizer",
    "organizerId",
    "tags",
    "status",
    "soldOut",
    "createdAt",
    "updatedAt",
    "__v",
}
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


def create(client, person, **changes):
    return client.post("/api/events", json=event_body(**changes), headers=person["headers"])


def test_the_answer_is_the_created_event(client, organizer):
    answer = create(client, organizer)
    event = answer.json
    assert answer.status_code == 201
    assert set(event) == SHOWN
    assert re.fullmatch("[0-9a-f]{24}", event["_id"])
    assert (event["eventId"], event["__v"], event["status"]) == (1, 0, "published")
    assert (event["favorited"], event["soldOut"]) == (False, False)
    assert event["organizerId"] == str(organizer["id"])
    assert TIME.fullmatch(event["createdAt"])
    assert event["createdAt"] == event["updatedAt"]


def test_the_answer_has_the_fields_that_were_sent(client, organizer):
    sent = event_body()
    event = create(client, organizer).json
    for name in ("title", "description", "category", "image", "organizer", "tags"):
        assert event[name] == sent[name]
    assert event["schedule"] == [{"scheduleId": 1, "timezone": "UTC", **sent["schedule"][0]}]
    assert event["ticketTypes"] == [
        {
            "ticketTypeId": 1,
            "type": "General",
            "price": 20,
            "availableTickets": 100,
            "saleState": "on_sale",
            "visibility": "public",
            "soldTickets": 0,
            "heldTickets": 0,
            "capacity": 100,
        }
    ]


def test_the_event_is_stored_with_its_derived_fields(client, db, organizer):
    create(client, organizer)
    stored = db.events.find_one({"eventId": 1})
    assert stored["organizerId"] == organizer["id"]
    assert stored["listed"] is True
    assert stored["schedule"][0]["date"].isoformat().startswith(day(30))
    assert (stored["minPrice"], stored["titleKey"], stored["places"]) == (
        20,
        "sample event",
        ["volos"],
    )
    assert client.get("/api/events/1").json["title"] == "Sample Event"


def test_ticket_types_and_events_are_numbered_from_one(client, organizer):
    types = [{"type": name, "price": 1, "availableTickets": 1} for name in ("A", "B", "C")]
    event = create(client, organizer, ticketTypes=types).json
    assert [ticket_type["ticketTypeId"] for ticket_type in event["ticketTypes"]] == [1, 2, 3]
    assert create(client, organizer).json["eventId"] == 2


def test_an_id_is_never_used_again(client, db, organizer):
    create(client, organizer)
    last = create(client, organizer).json["eventId"]
    client.delete(f"/api/events/{last}", headers=organizer["headers"])
    assert create(client, organizer).json["eventId"] == last + 1


def test_the_counter_continues_after_the_highest_id_in_use(client, db, organizer):
    event = make_event(db)
    db.events.update_one({"_id": event["_id"]}, {"$set": {"eventId": 2}})
    assert create(client, organizer).json["eventId"] == 3


def test_only_organizers_and_admins_create_events(client, db, app, organizer, admin, attendee):
    assert create(client, {"headers": {}}).status_code == 401
    forged = {"headers": {"Authorization": "Bearer a.b.c"}}
    assert create(client, forged).status_code == 401
    refused = create(client, attendee)
    assert (refused.status_code, refused.json["code"]) == (403, "forbidden")
    assert db.events.count_documents({}) == 0
    assert create(client, admin).status_code == 201
    assert create(client, make_user(app, "organizer")).status_code == 201


@pytest.mark.parametrize("name", ["eventId", "_id", "favorited", "createdAt", "soldOut", "x"])
def test_fields_that_the_server_sets_are_refused(client, db, organizer, name):
    answer = create(client, organizer, **{name: 1})
    assert (answer.status_code, answer.json["code"]) == (400, "validation_error")
    assert answer.json["message"] == f"Invalid {name}"
    assert answer.json["errors"] == {name: ["Unknown field."]}
    assert db.events.count_documents({}) == 0


@pytest.mark.parametrize("name", ["title", "category", "organizer", "schedule", "ticketTypes"])
def test_a_required_field_must_be_sent(client, db, organizer, name):
    body = event_body()
    del body[name]
    answer = client.post("/api/events", json=body, headers=organizer["headers"])
    assert (answer.status_code, answer.json["message"]) == (400, f"Missing {name}")
    assert list(answer.json["errors"]) == [name]
    assert db.events.count_documents({}) == 0


def test_optional_fields_have_defaults(client, organizer):
    body = event_body()
    for name in ("description", "image", "tags"):
        del body[name]
    del body["schedule"][0]["lat"], body["schedule"][0]["lng"]
    event = client.post("/api/events", json=body, headers=organizer["headers"]).json
    assert (event["description"], event["image"], event["tags"]) == ("", "", [])
    (shown,) = event["schedule"]
    assert shown == {"scheduleId": 1, "date": day(30), "timezone": "UTC", "location": "Volos"}


def ticket_type(**changes):
    return {"type": "A", "price": 1, "availableTickets": 1, **changes}


def entry(**changes):
    return {"date": FAR_DAY, "location": "X", **changes}


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"title": ""}, "title"),
        ({"title": " \n "}, "title"),
        ({"title": "x" * 201}, "title"),
        ({"description": "x" * 10_001}, "description"),
        ({"organizer": " "}, "organizer"),
        ({"category": "opera"}, "category"),
        ({"schedule": []}, "schedule"),
        ({"schedule": [entry()] * 367}, "schedule"),
        ({"schedule": [{"location": "X"}]}, "schedule.0.date"),
        ({"schedule": [{"date": FAR_DAY}]}, "schedule.0.location"),
        ({"schedule": [entry(), entry(location="")]}, "schedule.1.location"),
        ({"schedule": [entry(lat=90.1)]}, "schedule.0.lat"),
        ({"schedule": [entry(lat=-90.1)]}, "schedule.0.lat"),
        ({"schedule": [entry(lng=180.1)]}, "schedule.0.lng"),
        ({"schedule": [entry(lng="23")]}, "schedule.0.lng"),
        ({"schedule": [entry(lng=True)]}, "schedule.0.lng"),
        ({"schedule": [entry(hall=1)]}, "schedule.0.hall"),
        ({"ticketTypes": []}, "ticketTypes"),
        ({"ticketTypes": [ticket_type(type="")]}, "ticketTypes.0.type"),
        ({"ticketTypes": [ticket_type(price=-1)]}, "ticketTypes.0.price"),
        ({"ticketTypes": [ticket_type(price=1.005)]}, "ticketTypes.0.price"),
        ({"ticketTypes": [ticket_type(price="1")]}, "ticketTypes.0.price"),
        ({"ticketTypes": [ticket_type(availableTickets=-1)]}, "ticketTypes.0.availableTickets"),
        ({"ticketTypes": [ticket_type(availableTickets=1.5)]}, "ticketTypes.0.availableTickets"),
        ({"ticketTypes": [ticket_type(soldTickets=1)]}, "ticketTypes.0.soldTickets"),
        ({"ticketTypes": [ticket_type(), ticket_type(type=" a ")]}, "ticketTypes"),
        ({"image": "not a url"}, "image"),
        ({"image": "ftp://example.org/x.jpg"}, "image"),
        ({"tags": ["x"] * 51}, "tags"),
        ({"tags": [""]}, "tags.0"),
        ({"tags": ["x" * 61]}, "tags.0"),
        ({"title": "\x97\0\x7f"}, "title"),
        ({"image": "https://example.org/\x97.jpg"}, "image"),
        ({"tags": "music"}, "tags"),
        ({"status": "cancelled"}, "status"),
    ],
)
def test_invalid_events_are_refused(client, db, organizer, changes, field):
    answer = create(client, organizer, **changes)
    assert (answer.status_code, answer.json["code"]) == (400, "validation_error")
    assert answer.json["message"] in (f"Invalid {field}", f"Missing {field}")
    assert list(answer.json["errors"]) == [field]
    assert all(isinstance(text, str) for text in answer.json["errors"][field])
    assert db.events.count_documents({}) == 0


def test_values_at_the_limits_are_accepted(client, organizer):
    corners = [entry(lat=-90, lng=-180), entry(lat=90.0, lng=180.0)]
    free = [ticket_type(price=0, availableTickets=0)]
    event = create(client, organizer, schedule=corners, ticketTypes=free, title="x" * 200).json
    assert event["soldOut"] is True
    assert event["schedule"][0]["lat"] == -90


def many_dates(count):
    return [entry(date=f"2099-{n // 28 % 12 + 1:02}-{n % 28 + 1:02}") for n in range(count)]


def many_types(count):
    return [{"type": f"T{n}", "price": 1, "availableTickets": 1} for n in range(count)]


def test_an_event_has_at_most_2000_pairs_of_a_type_and_a_date(client, db, organizer):
    types, headers = many_types(40), {"headers": organizer["headers"]}
    answer = create(client, organizer, schedule=many_dates(50), ticketTypes=types)
    assert answer.status_code == 201
    path = f"/api/events/{answer.json['eventId']}"
    refused = create(client, organizer, schedule=many_dates(51), ticketTypes=types)
    assert (refused.status_code, sorted(refused.json["errors"])) == (
        400,
        ["schedule", "ticketTypes"],
    )
    assert db.events.count_documents({}) == 1
    more = {"type": "more", "price": 1, "availableTickets": 1}
    assert client.post(f"{path}/ticket-types", json=more, **headers).status_code == 400
    body = event_body(schedule=many_dates(51), ticketTypes=types)
    assert client.put(path, json=body, **headers).status_code == 400


def test_an_older_event_with_more_pairs_can_be_edited_but_not_grow(
    client, db, organizer, monkeypatch
):
    monkeypatch.setattr(rules, "MAX_PAIRS", 9)
    answer = create(client, organizer, schedule=many_dates(3), ticketTypes=many_types(3))
    monkeypatch.setattr(rules, "MAX_PAIRS", 5)
    path = f"/api/events/{answer.json['eventId']}"

    def replace(dates):
        body = event_body(schedule=many_dates(dates), ticketTypes=many_types(3), title="Edited")
        return client.put(path, json=body, headers=organizer["headers"]).status_code

    assert [replace(3), replace(4), replace(2), replace(3)] == [200, 400, 200, 400]


def test_an_event_may_have_a_date_for_each_day_of_a_year_and_fifty_tags(
    client, db, organizer, attendee
):
    tags = [f"{n:02}".ljust(60, "x") for n in range(50)]
    answer = create(client, organizer, schedule=many_dates(366), tags=tags)
    assert answer.status_code == 201
    path = f"/api/events/{answer.json['eventId']}"
    for event in (answer.json, client.get(path).json):
        assert (len(event["schedule"]), event["tags"]) == (366, tags)
    for query in (
        "dateFrom=2099-12-01",
        "city=x",
        f"tags={tags[49]}",
        "sortBy=date&upcoming=false",
    ):
        listed = client.get(f"/api/events?{query}").json["events"]
        assert [each["eventId"] for each in listed] == [answer.json["eventId"]], query
    body = event_body(title="Edited", schedule=many_dates(365), tags=tags[1:])
    edited = client.put(path, json=body, headers=organizer["headers"])
    assert (edited.status_code, len(edited.json["schedule"])) == (200, 365)
    patched = client.patch(
        f"{path}/schedule/364", json={"location": "Y"}, headers=organizer["headers"]
    )
    assert patched.json["schedule"][364]["location"] == "Y"
    booked = client.post(
        "/api/bookings",
        json={"eventId": answer.json["eventId"], "quantity": 1, "scheduleIndex": 364},
        headers=attendee["headers"],
    )
    assert booked.json["data"]["booking"]["location"] == "Y"


def test_a_category_in_another_case_is_the_same_category(client, organizer):
    assert create(client, organizer, category="Sports").json["category"] == "sports"
    create(client, organizer, category="movie")
    for path in ("/api/events?category=SPORTS", "/api/events?category=sports&upcoming=false"):
        assert [each["category"] for each in client.get(path).json["events"]] == ["sports"]
    for path in ("/api/recoms", "/android/api/recoms"):
        assert [each["category"] for each in client.post(path, json=["Sports"]).json] == ["sports"]


def test_control_characters_are_removed_from_every_text(client, organizer):
    event = create(
        client,
        organizer,
        title="Caf\x97\u00e9\nnight",
        description="One\x97\n\ttwo\0",
        organizer="A\x1bB",
        tags=["rock\x85"],
        schedule=[entry(location="Vol\x01os")],
        ticketTypes=[ticket_type(type="V\x02IP")],
    ).json
    assert (event["title"], event["description"]) == ("Caf\u00e9 night", "One\n\ttwo")
    assert (event["organizer"], event["tags"]) == ("AB", ["rock"])
    assert event["schedule"][0]["location"] == "Volos"
    assert event["ticketTypes"][0]["type"] == "VIP"


def test_texts_are_trimmed(client, organizer):
    event = create(client, organizer, title="  A  b ", tags=[" jazz "], organizer=" O ").json
    assert (event["title"], event["tags"], event["organizer"]) == ("A  b", ["jazz"], "O")


@pytest.mark.parametrize(
    ("sent", "shown"),
    [("25", "25"), ("25.0", "25"), ("12.5", "12.5"), ("19.99", "19.99"), ("0.07", "0.07")],
)
def test_whole_prices_are_ints(client, organizer, sent, shown):
    types = f'[{{"type":"A","price":{sent},"availableTickets":1}}]'
    body = client.application.json.dumps(event_body(ticketTypes="TYPES")).replace('"TYPES"', types)
    headers = {**organizer["headers"], "Content-Type": "application/json"}
    answer = client.post("/api/events", data=body, headers=headers)
    assert answer.status_code == 201
    assert f'"price":{shown},'.encode() in answer.data


def test_an_event_may_be_in_the_past(client, db, organizer):
    event = create(client, organizer, schedule=[{"date": "2020-01-01", "location": "X"}]).json
    assert event["schedule"][0]["date"] == "2020-01-01"
    assert client.get("/api/events").json["total"] == 0
