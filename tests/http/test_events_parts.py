"""Schedule entries and ticket types, by index and by id."""

import pytest

from tests.factories import day, make_event

SCHEDULE = [
    {"date": "2099-01-05", "location": "Athens", "lat": 37.98, "lng": 23.73},
    {"date": "2099-01-09", "location": "Volos"},
]
TYPES = [
    {"type": "General", "price": 20, "availableTickets": 100},
    {"type": "VIP", "price": 50, "availableTickets": 10},
]


@pytest.fixture
def event(db, organizer):
    return make_event(db, organizer_id=organizer["id"], schedule=SCHEDULE, ticketTypes=TYPES)


@pytest.fixture
def call(client, organizer, event):
    def send(method, path, body=None):
        headers = organizer["headers"]
        return client.open(f"/api/events/1{path}", method=method, json=body, headers=headers)

    return send


def sell(db, index, count):
    name = f"ticketTypes.{index}.soldTickets"
    db.events.update_one({}, {"$set": {name: count}, "$inc": {"rev": 1}})


def assert_refused(answer, status, message, code=None):
    assert (answer.status_code, answer.json["message"]) == (status, message)
    if code:
        assert answer.json["code"] == code


@pytest.mark.parametrize(
    "patch",
    [
        {"price": 35},
        {"price": 9.99},
        {"type": "Seated"},
        {"availableTickets": 0},
        {"type": "X", "price": 0, "availableTickets": 7},
    ],
)
def test_patching_a_type_by_index_changes_only_that(call, patch):
    shown = call("PATCH", "/ticketTypes/1", patch).json
    expected = {"ticketTypeId": 2, "type": "VIP", "price": 50, "availableTickets": 10}
    seen = {name: shown["ticketTypes"][1][name] for name in expected}
    assert seen == {**expected, **patch}
    assert shown["ticketTypes"][0]["price"] == 20
    assert (shown["__v"], shown["title"]) == (1, "Sample Event")
    assert call("GET", "").json == shown


def test_patching_a_type_updates_the_lowest_price(call, db):
    call("PATCH", "/ticketTypes/1", {"price": 1.5})
    assert db.events.find_one({})["minPrice"] == 1.5


@pytest.mark.parametrize("index", ["2", "99", "x", "-1", "1.0", "9223372036854775808"])
def test_an_invalid_ticket_type_index_is_refused(call, db, event, index):
    assert_refused(
        call("PATCH", f"/ticketTypes/{index}", {"price": 1}), 400, "Invalid ticket type index"
    )
    assert db.events.find_one({})["rev"] == 0


@pytest.mark.parametrize("index", ["2", "99", "x", "-1", "1.0", "9223372036854775808"])
def test_an_invalid_schedule_index_is_refused(call, db, event, index):
    assert_refused(
        call("PATCH", f"/schedule/{index}", {"location": "X"}), 400, "Invalid schedule index"
    )
    assert db.events.find_one({})["rev"] == 0


@pytest.mark.parametrize(
    "patch",
    [
        {"location": "Rome"},
        {"date": "2099-01-30"},
        {"lat": 1.5},
        {"lng": -2},
        {"date": "2099-01-01", "location": "Rome", "lat": 41.9, "lng": 12.5},
    ],
)
@pytest.mark.parametrize("index", [0, 1])
def test_patching_an_entry_changes_only_that(call, index, patch):
    shown = call("PATCH", f"/schedule/{index}", patch).json
    other = 1 - index
    given = {"scheduleId": index + 1, "timezone": "UTC"}
    assert shown["schedule"][index] == {**given, **SCHEDULE[index], **patch}
    assert shown["schedule"][other] == {**given, "scheduleId": other + 1, **SCHEDULE[other]}
    assert call("GET", "").json == shown


def test_patching_an_entry_updates_the_lists(call, client):
    call("PATCH", "/schedule/0", {"date": f"{day(-3)}T10:00:00Z", "location": "Rome"})
    assert client.get("/api/events?city=rome&upcoming=false").json["total"] == 1
    assert client.get("/api/events?city=rome").json["total"] == 0
    call("PATCH", "/schedule/1", {"date": day(-2)})
    assert client.get("/api/events").json["total"] == 0


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("/ticketTypes/0", {}, "body"),
        ("/ticketTypes/0", {"capacity": 5}, "capacity"),
        ("/ticketTypes/0", {"ticketTypeId": 5}, "ticketTypeId"),
        ("/ticketTypes/0", {"soldTickets": 5}, "soldTickets"),
        ("/ticketTypes/0", {"price": -1}, "price"),
        ("/ticketTypes/0", {"price": None}, "price"),
        ("/ticketTypes/0", {"price": {"$gt": 1}}, "price"),
        ("/ticketTypes/0", {"availableTickets": 0.5}, "availableTickets"),
        ("/ticketTypes/0", {"type": " "}, "type"),
        ("/ticketTypes/0", {"type": "vip"}, "type"),
        ("/ticket-types/1", {}, "body"),
        ("/ticket-types/1", {"type": "vip"}, "type"),
        ("/ticket-types/1", {"capacity": 5, "availableTickets": 5}, "capacity"),
        ("/ticket-types/1", {"x": 1}, "x"),
        ("/schedule/0", {}, "body"),
        ("/schedule/0", {"date": "2025-02-30"}, "date"),
        ("/schedule/0", {"location": ""}, "location"),
        ("/schedule/0", {"lat": 91}, "lat"),
        ("/schedule/0", {"lng": "1"}, "lng"),
        ("/schedule/0", {"hall": 1}, "hall"),
    ],
)
def test_a_refused_patch_writes_nothing(call, db, path, body, field):
    before = db.events.find_one({})
    answer = call("PATCH", path, body)
    assert (answer.status_code, answer.json["code"]) == (400, "validation_error")
    assert list(answer.json["errors"]) == [field]
    assert db.events.find_one({}) == before


def test_types_are_listed_with_counts_for_the_organizer(call, client):
    types = call("GET", "/ticket-types").json
    assert list(types) == ["ticketTypes"]
    assert [ticket_type["ticketTypeId"] for ticket_type in types["ticketTypes"]] == [1, 2]
    assert types["ticketTypes"][0]["capacity"] == 100


def test_the_types_of_a_missing_event_are_404(client, event, organizer):
    for number, status, message in (("9", 404, "Event not found"), ("x", 400, "Invalid eventId")):
        path = f"/api/events/{number}/ticket-types"
        assert_refused(client.get(path, headers=organizer["headers"]), status, message)


@pytest.mark.parametrize("amount", ["availableTickets", "capacity"])
def test_a_type_is_added(call, db, amount):
    answer = call("POST", "/ticket-types", {"type": "Balcony", "price": 7.5, amount: 4})
    added = answer.json["ticketTypes"][-1]
    assert answer.status_code == 201
    assert (added["ticketTypeId"], added["availableTickets"], added["capacity"]) == (3, 4, 4)
    assert db.events.find_one({})["minPrice"] == 7.5


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"price": 1, "capacity": 1}, "type"),
        ({"type": "B", "capacity": 1}, "price"),
        ({"type": "B", "price": 1}, "availableTickets"),
        ({"type": "B", "price": 1, "capacity": 1, "availableTickets": 1}, "capacity"),
        ({"type": "GENERAL", "price": 1, "capacity": 1}, "type"),
        ({"type": "B", "price": 1, "capacity": 1, "ticketTypeId": 9}, "ticketTypeId"),
    ],
)
def test_an_invalid_type_is_not_added(call, db, body, field):
    answer = call("POST", "/ticket-types", body)
    assert (answer.status_code, list(answer.json["errors"])) == (400, [field])
    assert len(db.events.find_one({})["ticketTypes"]) == 2


def test_an_event_has_at_most_fifty_types(call, db):
    for number in range(48):
        body = {"type": f"T{number}", "price": 1, "capacity": 1}
        assert call("POST", "/ticket-types", body).status_code == 201
    assert (
        call("POST", "/ticket-types", {"type": "X", "price": 1, "capacity": 1}).status_code == 400
    )


def test_a_type_keeps_its_id_when_types_are_reordered(call, db):
    stored = db.events.find_one({})["ticketTypes"]
    db.events.update_one({}, {"$set": {"ticketTypes": stored[::-1]}})
    shown = call("PATCH", "/ticket-types/1", {"price": 5}).json["ticketTypes"]
    assert [(ticket_type["ticketTypeId"], ticket_type["price"]) for ticket_type in shown] == [
        (2, 50),
        (1, 5),
    ]


def test_a_type_may_change_the_case_of_its_own_name(call):
    shown = call("PATCH", "/ticket-types/1", {"type": "GENERAL"}).json
    assert shown["ticketTypes"][0]["type"] == "GENERAL"


@pytest.mark.parametrize("method", ["PATCH", "DELETE"])
def test_an_unknown_type_is_404(call, method):
    body = {"price": 1} if method == "PATCH" else None
    assert_refused(call(method, "/ticket-types/3", body), 404, "Ticket type not found")
    assert_refused(call(method, "/ticket-types/x", body), 400, "Invalid ticketTypeId")


def test_capacity_includes_and_never_undercuts_sold_and_held_tickets(call, db):
    sell(db, 0, 30)
    shown = call("PATCH", "/ticket-types/1", {"capacity": 40}).json["ticketTypes"][0]
    assert (shown["availableTickets"], shown["soldTickets"], shown["capacity"]) == (10, 30, 40)
    assert_refused(
        call("PATCH", "/ticket-types/1", {"capacity": 29}),
        409,
        "30 tickets are sold or held already",
        "tickets_taken",
    )
    shown = call("PATCH", "/ticketTypes/0", {"availableTickets": 5}).json["ticketTypes"][0]
    assert (shown["availableTickets"], shown["soldTickets"], shown["capacity"]) == (5, 30, 35)
    assert call("PATCH", "/ticket-types/1", {"capacity": 30}).status_code == 200


def test_the_id_of_a_removed_type_is_not_used_again(call):
    shown = call("DELETE", "/ticket-types/2").json
    assert [ticket_type["ticketTypeId"] for ticket_type in shown["ticketTypes"]] == [1]
    shown = call("POST", "/ticket-types", {"type": "VIP", "price": 1, "capacity": 1}).json
    assert [ticket_type["ticketTypeId"] for ticket_type in shown["ticketTypes"]] == [1, 3]


def test_a_type_in_use_and_the_last_type_are_not_removed(call, db):
    sell(db, 1, 1)
    assert call("DELETE", "/ticket-types/2").json["code"] == "tickets_taken"
    assert call("DELETE", "/ticket-types/1").status_code == 200
    answer = call("DELETE", "/ticket-types/2")
    assert (answer.status_code, answer.json["code"]) == (409, "last_ticket_type")
    assert answer.json["message"] == "An event needs at least one ticket type"
    assert len(db.events.find_one({})["ticketTypes"]) == 1
