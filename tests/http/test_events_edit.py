"""PUT, DELETE and publish: permissions, what changes, and what stays."""

import pytest

from tests.factories import FAR_SCHEDULE, day, event_body, make_event, make_user

CALLS = [
    ("PUT", "", event_body(schedule=FAR_SCHEDULE)),
    ("DELETE", "", None),
    ("POST", "/publish", None),
    ("PATCH", "/ticketTypes/0", {"price": 1}),
    ("PATCH", "/schedule/0", {"location": "Y"}),
    ("POST", "/ticket-types", {"type": "B", "price": 1, "availableTickets": 1}),
    ("PATCH", "/ticket-types/1", {"price": 1}),
    ("DELETE", "/ticket-types/1", None),
]


def ticket_type(name, price=1, available=1, **more):
    return {"type": name, "price": price, "availableTickets": available, **more}


@pytest.fixture
def event(db, organizer):
    types = [ticket_type("General", 20, 100), ticket_type("VIP", 50, 10)]
    return make_event(db, organizer_id=organizer["id"], ticketTypes=types)


def sell(db, index, **counts):
    """Set sold or held tickets, as bookings do."""
    changes = {f"ticketTypes.{index}.{name}": count for name, count in counts.items()}
    db.events.update_one({}, {"$set": changes, "$inc": {"rev": 1}})


def put(client, person, number=1, **changes):
    body = event_body(**changes)
    return client.put(f"/api/events/{number}", json=body, headers=person["headers"])


@pytest.mark.parametrize(("method", "path", "body"), CALLS)
def test_others_than_the_organizer_and_admins_are_refused(
    client, db, app, event, attendee, method, path, body
):
    before = db.events.find_one({})
    for person, status in ((None, 401), (attendee, 403), (make_user(app, "organizer"), 403)):
        headers = person["headers"] if person else {}
        answer = client.open(f"/api/events/1{path}", method=method, json=body, headers=headers)
        assert answer.status_code == status
        assert answer.json["code"] == {401: "unauthorized", 403: "forbidden"}[status]
    assert db.events.find_one({}) == before


@pytest.mark.parametrize(("method", "path", "body"), CALLS)
def test_an_admin_may_change_any_event(client, db, event, admin, method, path, body):
    answer = client.open(f"/api/events/1{path}", method=method, json=body, headers=admin["headers"])
    assert answer.status_code in (200, 201)
    assert db.events.find_one({"__v": 0}) is None


@pytest.mark.parametrize(("method", "path", "body"), CALLS)
def test_a_missing_event_or_a_draft_of_another_is_404(
    client, db, app, event, organizer, method, path, body
):
    make_event(db, status="draft", organizer_id=make_user(app, "organizer")["id"])
    for number, status, message in [
        ("99", 404, "Event not found"),
        ("2", 404, "Event not found"),
        ("abc", 400, "Invalid eventId"),
        ("9223372036854775808", 400, "Invalid eventId"),
    ]:
        answer = client.open(
            f"/api/events/{number}{path}", method=method, json=body, headers=organizer["headers"]
        )
        assert (answer.status_code, answer.json["message"]) == (status, message)


def test_put_replaces_the_whole_event(client, db, event, organizer):
    body = {
        "title": "New",
        "category": "comedy",
        "schedule": [{"date": day(2), "location": "Lyon"}],
        "ticketTypes": [ticket_type("General", 12.5, 7), ticket_type("VIP", 3)],
        "organizer": "Other",
    }
    answer = client.put("/api/events/1", json=body, headers=organizer["headers"])
    shown = answer.json
    assert answer.status_code == 200
    assert (shown["title"], shown["description"], shown["tags"], shown["image"]) == (
        "New",
        "",
        [],
        "",
    )
    assert shown["schedule"] == [{"scheduleId": 1, "timezone": "UTC", **body["schedule"][0]}]
    assert (shown["_id"], shown["eventId"]) == (str(event["_id"]), 1)
    assert (shown["organizerId"], shown["status"], shown["__v"]) == (
        str(organizer["id"]),
        "published",
        1,
    )
    assert shown["updatedAt"] > shown["createdAt"]
    assert client.get("/api/events/1", headers=organizer["headers"]).json == shown


def test_put_updates_the_fields_that_lists_filter_and_sort_by(client, db, event, organizer):
    schedule = [{"date": day(2), "location": "Lyon"}]
    put(
        client,
        organizer,
        title="Zoo",
        schedule=schedule,
        ticketTypes=[ticket_type("General", 3, 0)],
    )
    stored = db.events.find_one({})
    assert (stored["titleKey"], stored["places"], stored["minPrice"]) == ("zoo", ["lyon"], 3)
    assert stored["nextDate"].date().isoformat() == day(2)
    assert client.get("/api/events?city=lyon&maxPrice=3&search=zoo").json["total"] == 1
    assert client.get("/api/events?city=volos").json["total"] == 0
    put(client, organizer, schedule=[{"date": day(-1), "location": "Lyon"}])
    assert client.get("/api/events").json["total"] == 0


@pytest.mark.parametrize(
    "changes",
    [{"organiserId": 1}, {"rev": 9}, {"quotas": []}, {"title": ""}, {"ticketTypes": []}],
)
def test_a_refused_put_writes_nothing(client, db, event, organizer, changes):
    before = db.events.find_one({})
    assert put(client, organizer, **changes).status_code == 400
    assert db.events.find_one({}) == before


def test_a_whole_answer_can_be_sent_back_without_effect(client, db, organizer):
    types = [
        ticket_type("General", 20, 100, description="Seated", minPerBooking=2, maxPerUser=6),
        ticket_type("VIP", 50, 10, salesFrom="2030-01-01T00:00:00Z"),
    ]
    times = {"startTime": "20:00", "doorsTime": "19:00", "timezone": "Europe/Athens"}
    schedule = [{"date": day(30), "location": "Volos", **times}, {"date": day(31), "location": "X"}]
    body = event_body(ticketTypes=types, schedule=schedule)
    client.post("/api/events", json=body, headers=organizer["headers"])
    sell(db, 0, soldTickets=3, heldTickets=1, availableTickets=96)
    for headers in (organizer["headers"], {}):
        seen = client.get("/api/events/1", headers=headers).json
        before = client.get("/api/events/1", headers=organizer["headers"]).json
        answer = client.put("/api/events/1", json=seen, headers=organizer["headers"])
        assert answer.status_code == 200
        changed = {name for name in before if answer.json[name] != before[name]}
        assert changed <= {"__v", "updatedAt"}


@pytest.mark.parametrize("status", ["draft", "published", "cancelled", "completed"])
def test_a_whole_answer_can_be_sent_back_in_every_status(client, db, organizer, status):
    make_event(db, organizer_id=organizer["id"], status=status)
    seen = client.get("/api/events/1", headers=organizer["headers"]).json
    assert seen["status"] == status
    answer = client.put("/api/events/1", json=seen, headers=organizer["headers"])
    assert answer.status_code == 200, answer.json
    assert {name for name in seen if answer.json[name] != seen[name]} <= {"__v", "updatedAt"}
    stored = db.events.find_one({})
    assert (stored["status"], stored.get("closing")) == (status, None)


@pytest.mark.parametrize(
    ("status", "wanted"),
    [
        ("draft", "cancelled"),
        ("published", "cancelled"),
        ("published", "completed"),
    ],
)
def test_a_replacement_does_not_end_an_event(client, db, organizer, status, wanted):
    make_event(db, organizer_id=organizer["id"], status=status)
    before = db.events.find_one({})
    answer = put(client, organizer, status=wanted)
    assert (answer.status_code, list(answer.json["errors"])) == (400, ["status"])
    assert db.events.find_one({}) == before


def test_an_ended_event_does_not_end_otherwise(client, db, organizer):
    make_event(db, organizer_id=organizer["id"], status="cancelled")
    answer = put(client, organizer, status="completed")
    assert (answer.status_code, answer.json["code"]) == (409, "not_publishable")


def test_computed_fields_of_a_replacement_are_ignored(client, db, event, organizer):
    before = db.events.find_one({})
    types = [
        ticket_type("General", 20, 100, capacity=7, soldTickets=99, heldTickets=None, saleState="x")
    ]
    computed = {"_id": "x", "eventId": 9, "organizerId": None, "favorited": True, "soldOut": True}
    assert put(client, organizer, ticketTypes=types, __v=50, **computed).status_code == 200
    after = db.events.find_one({})
    assert {name: after[name] for name in ("_id", "eventId", "organizerId")} == {
        name: before[name] for name in ("_id", "eventId", "organizerId")
    }
    assert after["__v"] == before["__v"] + 1
    assert not {"favorited", "soldOut"} & after.keys()
    stored = after["ticketTypes"][0]
    counts = (stored["availableTickets"], stored["soldTickets"], stored["capacity"])
    assert counts == (100, 0, 100)
    assert "saleState" not in stored


def test_put_needs_a_full_body(client, event, organizer):
    answer = client.put("/api/events/1", json={"title": "x"}, headers=organizer["headers"])
    assert (answer.status_code, answer.json["message"]) == (400, "Missing category")


def test_put_matches_types_by_name_and_keeps_their_counts(client, db, event, organizer):
    sell(db, 0, soldTickets=3, heldTickets=2)
    types = [ticket_type("new", 1, 1), ticket_type("VIP", 5, 5), ticket_type("GENERAL", 30, 90)]
    shown = put(client, organizer, ticketTypes=types).json["ticketTypes"]
    assert [(t["ticketTypeId"], t["type"]) for t in shown] == [
        (3, "new"),
        (2, "VIP"),
        (1, "GENERAL"),
    ]
    assert (shown[2]["soldTickets"], shown[2]["heldTickets"], shown[2]["capacity"]) == (3, 2, 95)


def test_put_matches_types_by_id_first(client, db, event, organizer):
    sell(db, 0, soldTickets=3)
    renamed = [ticket_type("Standing", ticketTypeId=1), ticket_type("VIP")]
    shown = put(client, organizer, ticketTypes=renamed).json["ticketTypes"]
    assert [(t["ticketTypeId"], t["soldTickets"]) for t in shown] == [(1, 3), (2, 0)]


def test_put_lets_two_types_swap_names(client, db, event, organizer):
    sell(db, 0, soldTickets=3)
    swapped = [ticket_type("VIP", ticketTypeId=1), ticket_type("General")]
    shown = put(client, organizer, ticketTypes=swapped).json["ticketTypes"]
    ids = [(t["ticketTypeId"], t["type"], t["soldTickets"]) for t in shown]
    assert ids == [(1, "VIP", 3), (3, "General", 0)]


def test_put_keeps_ids_stable_when_types_are_reordered(client, event, organizer):
    types = [ticket_type("VIP", ticketTypeId=2), ticket_type("General", ticketTypeId=1)]
    shown = put(client, organizer, ticketTypes=types).json["ticketTypes"]
    assert [(t["ticketTypeId"], t["type"]) for t in shown] == [(2, "VIP"), (1, "General")]


def test_put_never_reuses_the_id_of_a_removed_type(client, event, organizer):
    put(client, organizer, ticketTypes=[ticket_type("General")])
    shown = put(client, organizer, ticketTypes=[ticket_type("General"), ticket_type("VIP")]).json[
        "ticketTypes"
    ]
    assert [t["ticketTypeId"] for t in shown] == [1, 3]


@pytest.mark.parametrize("count", ["soldTickets", "heldTickets", "waiting"])
def test_put_cannot_remove_a_type_in_use(client, db, event, organizer, count):
    sell(db, 1, **{count: 1})
    answer = put(client, organizer, ticketTypes=[ticket_type("General")])
    assert (answer.status_code, answer.json["code"]) == (409, "tickets_taken")
    assert len(db.events.find_one({})["ticketTypes"]) == 2


def test_put_refuses_two_types_with_the_same_name_or_id(client, event, organizer):
    for types in (
        [ticket_type("A"), ticket_type("a")],
        [ticket_type("A", ticketTypeId=1), ticket_type("B", ticketTypeId=1)],
    ):
        assert put(client, organizer, ticketTypes=types).status_code == 400


def test_put_makes_an_event_a_draft_only_without_bookings(client, db, event, organizer):
    assert put(client, organizer, status="draft").json["status"] == "draft"
    assert client.get("/api/events/1").status_code == 404
    assert put(client, organizer).json["status"] == "draft"
    assert put(client, organizer, status="published").json["status"] == "published"
    types = [ticket_type("General"), ticket_type("VIP")]
    put(client, organizer, ticketTypes=types)
    sell(db, 0, soldTickets=1)
    answer = put(client, organizer, status="draft", ticketTypes=types)
    assert (answer.status_code, answer.json["code"]) == (409, "event_has_bookings")


@pytest.mark.parametrize("status", ["cancelled", "completed"])
def test_nothing_reopens_an_ended_event(client, db, organizer, status):
    make_event(db, organizer_id=organizer["id"], status=status)
    for wanted in ("published", "draft"):
        answer = put(client, organizer, status=wanted)
        assert (answer.status_code, answer.json["code"]) == (409, "not_publishable")
    answer = client.post("/api/events/1/publish", headers=organizer["headers"])
    assert (answer.status_code, answer.json["code"]) == (409, "not_publishable")
    assert put(client, organizer).json["status"] == status


def test_publish_lists_a_draft_and_may_be_repeated(client, db, organizer):
    make_event(db, organizer_id=organizer["id"], status="draft")
    for _ in range(2):
        answer = client.post("/api/events/1/publish", headers=organizer["headers"])
        assert (answer.status_code, answer.json["status"]) == (200, "published")
    assert client.get("/api/events").json["total"] == 1


def test_a_deleted_event_is_gone(client, db, event, organizer):
    client.post("/api/favorites", json={"eventId": 1})
    answer = client.delete("/api/events/1", headers=organizer["headers"])
    assert (answer.status_code, answer.json) == (200, {"message": "Event deleted successfully"})
    assert client.get("/api/events/1").status_code == 404
    assert db.events.count_documents({}) == 0
    assert db.favorites.find_one({})["events"] == []
    assert client.delete("/api/events/1", headers=organizer["headers"]).status_code == 404


@pytest.mark.parametrize("count", ["soldTickets", "heldTickets"])
def test_delete_is_refused_while_tickets_are_sold_or_held(client, db, event, organizer, count):
    sell(db, 0, **{count: 1})
    answer = client.delete("/api/events/1", headers=organizer["headers"])
    assert (answer.status_code, answer.json["code"]) == (409, "event_has_bookings")
    assert client.get("/api/events/1").status_code == 200
    sell(db, 0, **{count: 0})
    assert client.delete("/api/events/1", headers=organizer["headers"]).status_code == 200


@pytest.mark.parametrize(("method", "path", "body"), CALLS)
def test_an_event_that_is_not_migrated_yet_is_edited_later(
    client, db, event, organizer, method, path, body
):
    entry = ("scheduleId", "timezone", "overAt", "moves")
    removed = {"overAt": "", "nextScheduleId": "", **{f"schedule.0.{name}": "" for name in entry}}
    db.events.update_one({}, {"$unset": removed})
    answer = client.open(
        f"/api/events/1{path}", method=method, json=body, headers=organizer["headers"]
    )
    if method == "DELETE" and not path:
        assert answer.status_code == 200
    else:
        assert (answer.status_code, answer.json["code"]) == (503, "event_busy")
        assert answer.headers["Retry-After"]
