"""Quotas: the calls of the organizer, and what sales, edits and answers do with them."""

import pytest

from tests.bookings_factories import Caller, event_of, stock_of, types
from tests.factories import day, event_body

HALL = {"name": "Hall", "capacity": 8}
FRIDAY, SATURDAY, SUNDAY = 1, 2, 3


def schedule(count=3):
    return [{"date": day(5 + n), "location": f"Hall {n}"} for n in range(count)]


@pytest.fixture
def olga(client, app, db):
    return Caller(client, app, "organizer")


@pytest.fixture
def ann(client, app, db):
    return Caller(client, app)


@pytest.fixture
def event_id(db, olga):
    return event_of(db, 10, 5, schedule=schedule(), organizer_id=olga.id)


def send(caller, event_id, **changes):
    return caller.call("POST", f"/events/{event_id}/quotas", {**HALL, **changes})


def add(caller, event_id, **changes):
    answer = send(caller, event_id, **changes)
    assert answer.status_code == 201, answer.json
    return answer.json


def patch(caller, event_id, quota, /, **changes):
    return caller.call("PATCH", f"/events/{event_id}/quotas/{quota['quotaId']}", changes)


def delete(caller, event_id, quota):
    return caller.call("DELETE", f"/events/{event_id}/quotas/{quota['quotaId']}")


def quotas(caller, event_id):
    return caller.get(f"/events/{event_id}/quotas").json["quotas"]


def places(caller, event_id):
    return [each["availableTickets"] for each in quotas(caller, event_id)]


def refusal(answer):
    return answer.status_code, answer.json["code"]


def assert_invalid(answer, field):
    assert refusal(answer) == (400, "validation_error"), answer.json
    assert list(answer.json["errors"]) == [field]


# The calls.


def test_a_new_quota_matches_all_and_has_all_its_places(olga, event_id):
    assert quotas(olga, event_id) == []
    hall = add(olga, event_id, name="  The hall\n")
    assert hall == {"quotaId": 1, "name": "The hall", "capacity": 8, "availableTickets": 8}
    assert add(olga, event_id, ticketTypeIds=None, scheduleIds=None) == {
        **hall,
        "quotaId": 2,
        "name": "Hall",
    }
    assert [each["quotaId"] for each in quotas(olga, event_id)] == [1, 2]


def test_a_quota_shows_what_it_matches(olga, event_id):
    friday = add(olga, event_id, name="Friday", scheduleIds=[FRIDAY])
    assert friday["scheduleIds"] == [FRIDAY]
    assert "ticketTypeIds" not in friday
    seats = add(olga, event_id, name="Seats", ticketTypeIds=[2, 1], scheduleIds=[SUNDAY])
    assert (seats["ticketTypeIds"], seats["scheduleIds"]) == ([2, 1], [SUNDAY])
    assert quotas(olga, event_id) == [friday, seats]


def test_a_patch_changes_what_it_names_and_null_matches_all(olga, event_id):
    hall = add(olga, event_id, ticketTypeIds=[1], scheduleIds=[FRIDAY])
    renamed = patch(olga, event_id, hall, name="Yard", capacity=0)
    assert renamed.json == {**hall, "name": "Yard", "capacity": 0, "availableTickets": 0}
    wider = patch(olga, event_id, hall, ticketTypeIds=None, scheduleIds=[SUNDAY, FRIDAY]).json
    assert "ticketTypeIds" not in wider
    assert quotas(olga, event_id) == [wider]
    assert wider["scheduleIds"] == [SUNDAY, FRIDAY]


def test_an_id_is_never_used_again(olga, event_id):
    hall = add(olga, event_id)
    assert delete(olga, event_id, hall).status_code == 200
    assert refusal(delete(olga, event_id, hall)) == (404, "quota_not_found")
    assert refusal(patch(olga, event_id, hall, capacity=3)) == (404, "quota_not_found")
    assert add(olga, event_id)["quotaId"] == 2


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": " \t"}, "name"),
        ({"name": "x" * 101}, "name"),
        ({"name": None}, "name"),
        ({"name": 7}, "name"),
        ({"capacity": -1}, "capacity"),
        ({"capacity": 10_000_001}, "capacity"),
        ({"capacity": 1.5}, "capacity"),
        ({"capacity": "8"}, "capacity"),
        ({"capacity": True}, "capacity"),
        ({"capacity": None}, "capacity"),
        ({"ticketTypeIds": []}, "ticketTypeIds"),
        ({"scheduleIds": []}, "scheduleIds"),
        ({"ticketTypeIds": [3]}, "ticketTypeIds"),
        ({"scheduleIds": [FRIDAY, 4]}, "scheduleIds"),
        ({"scheduleIds": [FRIDAY, FRIDAY]}, "scheduleIds"),
        ({"scheduleIds": ["1"]}, "scheduleIds.0"),
        ({"scheduleIds": 1}, "scheduleIds"),
        ({"ticketTypeIds": [0]}, "ticketTypeIds.0"),
        ({"ticketTypeIds": list(range(1, 368))}, "ticketTypeIds"),
        ({"quotaId": 5}, "quotaId"),
        ({"availableTickets": 5}, "availableTickets"),
        ({"waiting": 0}, "waiting"),
    ],
)
def test_invalid_quotas_are_refused(olga, event_id, changes, field):
    assert_invalid(send(olga, event_id, **changes), field)
    assert quotas(olga, event_id) == []
    hall = add(olga, event_id)
    assert_invalid(patch(olga, event_id, hall, **changes), field)
    assert quotas(olga, event_id) == [hall]


@pytest.mark.parametrize("missing", ["name", "capacity"])
def test_a_new_quota_needs_a_name_and_a_capacity(olga, event_id, missing):
    body = {name: value for name, value in HALL.items() if name != missing}
    assert_invalid(olga.call("POST", f"/events/{event_id}/quotas", body), missing)


def test_an_empty_patch_is_refused(olga, event_id):
    assert_invalid(patch(olga, event_id, add(olga, event_id)), "body")


def test_an_event_has_at_most_50_quotas(olga, event_id):
    last = [add(olga, event_id, name=f"Quota {number}") for number in range(50)][-1]
    assert_invalid(send(olga, event_id), "quotas")
    delete(olga, event_id, last)
    assert add(olga, event_id)["quotaId"] == 51


def test_both_lists_hold_at_most_366_ids_together(db, olga):
    event_id = event_of(db, 9, 9, 9, schedule=schedule(364), organizer_id=olga.id)
    dates = list(range(1, 365))
    assert_invalid(send(olga, event_id, ticketTypeIds=[1, 2, 3], scheduleIds=dates), "scheduleIds")
    hall = add(olga, event_id, ticketTypeIds=[1, 2], scheduleIds=dates)
    assert_invalid(patch(olga, event_id, hall, ticketTypeIds=[1, 2, 3]), "scheduleIds")


def test_quotas_are_for_the_organizer_and_admins(client, app, olga, ann, event_id):
    hall = add(olga, event_id)
    for caller in (ann, Caller(client, app, "organizer")):
        assert caller.get(f"/events/{event_id}/quotas").status_code == 403
        assert send(caller, event_id).status_code == 403
        assert patch(caller, event_id, hall, capacity=5).status_code == 403
        assert delete(caller, event_id, hall).status_code == 403
    assert client.get(f"/api/events/{event_id}/quotas").status_code == 401
    assert refusal(olga.get("/events/99999/quotas")) == (404, "event_not_found")
    assert refusal(send(olga, 99999)) == (404, "event_not_found")
    admin = Caller(client, app, "admin")
    assert quotas(admin, event_id) == [hall]
    assert patch(admin, event_id, hall, capacity=5).json["capacity"] == 5


def test_a_draft_of_another_organizer_is_not_found(client, app, db, olga):
    event_id = event_of(db, 5, organizer_id=olga.id, status="draft")
    add(olga, event_id)
    other = Caller(client, app, "organizer")
    assert refusal(other.get(f"/events/{event_id}/quotas")) == (404, "event_not_found")
    assert refusal(send(other, event_id)) == (404, "event_not_found")


# What is sold.


def test_a_quota_counts_what_is_sold_and_held(olga, ann, client, app, event_id):
    ann.book(event_id, 2, scheduleId=FRIDAY)
    held = Caller(client, app).book(event_id, 1, type_id=2, scheduleId=SATURDAY, hold=True)
    add(olga, event_id)
    add(olga, event_id, scheduleIds=[FRIDAY])
    add(olga, event_id, ticketTypeIds=[2])
    assert places(olga, event_id) == [5, 6, 7]
    olga.call("PUT", f"/bookings/{held['_id']}/cancel")
    assert places(olga, event_id) == [6, 6, 8]
    Caller(client, app).book(event_id, 3, scheduleId=FRIDAY)
    assert places(olga, event_id) == [3, 3, 8]


def test_no_capacity_is_below_what_is_sold_and_held(olga, ann, client, app, event_id):
    ann.book(event_id, 2, scheduleId=FRIDAY)
    Caller(client, app).book(event_id, 1, scheduleId=FRIDAY, hold=True)
    friday = {"scheduleIds": [FRIDAY]}
    for answer in (
        send(olga, event_id, capacity=2),
        send(olga, event_id, capacity=0, **friday),
        patch(olga, event_id, add(olga, event_id), capacity=2),
        patch(olga, event_id, add(olga, event_id, capacity=1, scheduleIds=[SUNDAY]), **friday),
    ):
        assert (refusal(answer), answer.json["least"]) == ((409, "below_sold"), 3)
    assert places(olga, event_id) == [5, 1]
    hall = patch(olga, event_id, {"quotaId": 1}, capacity=3)
    assert hall.json["availableTickets"] == 0
    assert send(olga, event_id, capacity=0, scheduleIds=[SUNDAY]).status_code == 201


def test_a_full_quota_refuses_and_a_deleted_one_does_not(olga, ann, db, event_id):
    hall = add(olga, event_id, capacity=1, scheduleIds=[FRIDAY])
    order = {"ticketTypeId": 1, "quantity": 2, "onShortfall": "reject"}
    refused = ann.order(event_id, **order, scheduleId=FRIDAY)
    assert (refusal(refused), refused.json["limitedBy"]) == (
        (409, "sold_out"),
        [{"ticketTypeId": 1}],
    )
    assert stock_of(db, event_id) == (10, 0, 0, 0)
    delete(olga, event_id, hall)
    assert ann.order(event_id, **order, scheduleId=FRIDAY).status_code == 201


def test_the_sale_goes_on_with_a_changed_quota(olga, client, app, event_id):
    hall = add(olga, event_id, capacity=1)
    Caller(client, app).book(event_id)
    order = {"ticketTypeId": 1, "quantity": 1}
    assert refusal(Caller(client, app).order(event_id, **order)) == (409, "sold_out")
    patch(olga, event_id, hall, capacity=2)
    Caller(client, app).book(event_id)
    assert places(olga, event_id) == [0]


# Other edits of the event.


def test_an_edit_keeps_the_quotas(olga, event_id):
    hall = add(olga, event_id)
    seen = olga.get(f"/events/{event_id}").json
    assert "quotas" not in seen
    assert olga.call("PUT", f"/events/{event_id}", seen).status_code == 200
    body = event_body(title="Edited", ticketTypes=types(9, 9), schedule=schedule())
    assert olga.call("PUT", f"/events/{event_id}", body).status_code == 200
    assert (
        olga.call("PATCH", f"/events/{event_id}/schedule/0", {"location": "X"}).status_code == 200
    )
    assert quotas(olga, event_id) == [hall]


def test_a_dropped_type_leaves_the_lists_of_quotas_but_the_last_one_stays(olga, event_id):
    add(olga, event_id, ticketTypeIds=[1, 2])
    remove = f"/events/{event_id}/ticket-types/2"
    second = add(olga, event_id, ticketTypeIds=[2])
    assert refusal(olga.call("DELETE", remove)) == (409, "quota_in_use")
    body = event_body(ticketTypes=types(10), schedule=schedule())
    assert refusal(olga.call("PUT", f"/events/{event_id}", body)) == (409, "quota_in_use")
    assert [each["ticketTypeIds"] for each in quotas(olga, event_id)] == [[1, 2], [2]]
    delete(olga, event_id, second)
    assert olga.call("DELETE", remove).status_code == 200
    assert [each["ticketTypeIds"] for each in quotas(olga, event_id)] == [[1]]


def test_a_dropped_entry_leaves_the_lists_of_quotas_but_the_last_one_stays(olga, event_id):
    add(olga, event_id, scheduleIds=[FRIDAY, SUNDAY])
    sunday = add(olga, event_id, scheduleIds=[SUNDAY])
    body = event_body(ticketTypes=types(10, 5), schedule=schedule(2))
    assert refusal(olga.call("PUT", f"/events/{event_id}", body)) == (409, "quota_in_use")
    delete(olga, event_id, sunday)
    assert olga.call("PUT", f"/events/{event_id}", body).status_code == 200
    assert [each["scheduleIds"] for each in quotas(olga, event_id)] == [[FRIDAY]]


# What others see.


def test_nobody_else_is_told_that_quotas_were_edited(client, olga, event_id):
    path = f"/api/events/{event_id}"
    before = client.get(path).json
    hall = add(olga, event_id)
    patch(olga, event_id, hall, name="Yard")
    delete(olga, event_id, hall)
    assert client.get(path).json == before
    assert olga.get(f"/events/{event_id}").json["__v"] == before["__v"]
    for shown in (path, "/api/events", "/api/events?search=Sample", f"{path}/ticket-types"):
        assert b"uota" not in client.get(shown).data
        assert b"uota" not in client.get(shown, headers=olga.headers).data
