"""Schedules with times and zones: what answers show, what is refused, and how entries keep ids."""

import pytest

from tests.factories import event_body, make_event

ATHENS, LOS_ANGELES = "Europe/Athens", "America/Los_Angeles"
DATE = "2035-06-15"  # Athens has UTC+3, Los Angeles UTC-7.


def entry(date=DATE, location="Volos", **more):
    return {"date": date, "location": location, **more}


@pytest.fixture
def create(client, organizer):
    """A function that creates an event with these entries, and returns the answer."""

    def send(*entries):
        body = event_body(schedule=list(entries))
        return client.post("/api/events", json=body, headers=organizer["headers"])

    return send


@pytest.fixture
def edit(client, organizer):
    """A function that replaces the entries of event 1, and returns the answer."""

    def send(*entries):
        body = event_body(schedule=list(entries))
        return client.put("/api/events/1", json=body, headers=organizer["headers"])

    return send


@pytest.fixture
def patch(client, organizer):
    """A function that patches an entry of event 1, the first by default."""

    def send(body, index=0):
        path = f"/api/events/1/schedule/{index}"
        return client.patch(path, json=body, headers=organizer["headers"])

    return send


def refused(answer, field, code="validation_error", status=400):
    assert (answer.status_code, answer.json["code"]) == (status, code), answer.json
    assert list(answer.json["errors"]) == [field]


def moves(db):
    return [each["moves"] for each in db.events.find_one(sort=[("eventId", 1)])["schedule"]]


def ids(answer):
    assert answer.status_code in (200, 201), answer.json
    return [each["scheduleId"] for each in answer.json["schedule"]]


def test_an_entry_shows_its_times_and_instants(create, client, db):
    sent = entry(
        startTime="20:30", endTime="01:00", doorsTime="19:30", timezone=ATHENS, lat=1.5, lng=2
    )
    shown = create(sent).json["schedule"][0]
    assert shown == {
        "scheduleId": 1,
        **sent,
        "startsAt": "2035-06-15T17:30:00.000Z",
        "endsAt": "2035-06-15T22:00:00.000Z",
    }
    assert list(shown)[:2] == ["scheduleId", "date"]
    assert client.get("/api/events/1").json["schedule"] == [shown]
    assert client.get("/api/events").json["events"][0]["schedule"] == [shown]
    stored = db.events.find_one({})
    assert stored["schedule"][0]["overAt"] == stored["overAt"] == stored["schedule"][0]["endsAt"]


def test_the_zone_is_that_of_the_settings_by_default(make_app):
    app = make_app(DEFAULT_TIMEZONE=ATHENS, DEMO_OPEN="true")
    answer = app.test_client().post("/api/events", json=event_body(schedule=[entry()]))
    assert answer.json["schedule"] == [{"scheduleId": 1, **entry(timezone=ATHENS)}]


@pytest.mark.parametrize(
    ("sent", "zone", "day", "start"),
    [
        ("2031-05-06", ATHENS, "2031-05-06", None),
        # JavaScript sends a date as midnight UTC.
        ("2031-05-06T00:00:00.000Z", ATHENS, "2031-05-06", None),
        ("2031-05-06T03:00:00+03:00", LOS_ANGELES, "2031-05-06", None),
        ("2031-05-06T20:30:00Z", None, "2031-05-06", "20:30"),
        ("2031-05-06T20:30:00Z", ATHENS, "2031-05-06", "23:30"),
        ("2031-05-06T22:30:00.000Z", ATHENS, "2031-05-07", "01:30"),
        ("2031-05-06T03:30Z", LOS_ANGELES, "2031-05-05", "20:30"),
        ("2031-05-06T20:30:00-07:00", LOS_ANGELES, "2031-05-06", "20:30"),
        ("2031-05-06T20:30", ATHENS, "2031-05-06", "20:30"),
        ("2031-05-06 00:00:00", ATHENS, "2031-05-06", "00:00"),
    ],
)
def test_a_date_time_is_a_date_and_a_start_in_the_zone(create, sent, zone, day, start):
    shown = create(entry(sent, **({"timezone": zone} if zone else {}))).json["schedule"][0]
    assert (shown["date"], shown.get("startTime")) == (day, start)
    assert ("startsAt" in shown) == (start is not None)


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"startTime": "24:00"}, "startTime"),
        ({"startTime": "9:00"}, "startTime"),
        ({"startTime": "20:60"}, "startTime"),
        ({"startTime": "20:30:00"}, "startTime"),
        ({"startTime": "20:30\n"}, "startTime"),
        ({"startTime": "٢٠:٣٠"}, "startTime"),
        ({"startTime": ""}, "startTime"),
        ({"startTime": 2030}, "startTime"),
        ({"endTime": ["23:00"]}, "endTime"),
        ({"doorsTime": True}, "doorsTime"),
        ({"timezone": "Mars/Olympus"}, "timezone"),
        ({"timezone": "europe/athens"}, "timezone"),
        ({"timezone": "localtime"}, "timezone"),
        ({"timezone": ""}, "timezone"),
        ({"timezone": 3}, "timezone"),
        ({"startTime": "20:00", "doorsTime": "20:30"}, "doorsTime"),
        ({"startTime": "01:00", "doorsTime": "18:30"}, "doorsTime"),
        ({"startTime": "20:00", "doorsTime": "21:00", "endTime": "20:30"}, "doorsTime"),
        ({"doorsTime": "21:00", "endTime": "20:30"}, "endTime"),
        ({"date": "2031-05-06T20:30:00Z", "startTime": "20:30"}, "startTime"),
        ({"date": "2031-05-06T20:30:00Z", "startTime": None}, "startTime"),
        ({"date": "2031-05-06T20:30:15Z"}, "date"),
        ({"date": "2031-05-06T00:00:00.001Z"}, "date"),
        ({"date": "1900-01-01T00:00:00+10:00"}, "date"),
        ({"date": "8999-12-31T23:59:00Z", "timezone": ATHENS}, "date"),
        ({"date": "2031-05-06T24:00:00Z"}, "date"),
        ({"overAt": "2031-05-06T20:30:00Z"}, "overAt"),
        ({"moves": 0}, "moves"),
        ({"scheduleId": 0}, "scheduleId"),
    ],
)
def test_an_invalid_entry_is_refused_everywhere(create, edit, patch, db, organizer, more, field):
    refused(create(entry(), entry(**more)), f"schedule.1.{field}")
    make_event(db, organizer_id=organizer["id"], schedule=[entry()])
    before = db.events.find_one({})
    refused(edit(entry(**more)), f"schedule.0.{field}")
    refused(patch(more), field)
    assert db.events.find_one({}) == before


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"date": "2027-03-28", "startTime": "03:30", "timezone": ATHENS}, "startTime"),
        ({"date": "2027-03-27", "startTime": "22:00", "endTime": "03:30"}, "endTime"),
        ({"date": "2027-03-28", "startTime": "05:00", "doorsTime": "03:00"}, "doorsTime"),
        ({"date": "2027-03-28T03:30"}, "startTime"),
        ({"date": "2011-12-30", "timezone": "Pacific/Apia"}, "date"),
    ],
)
def test_a_local_time_that_does_not_exist_is_refused(create, edit, patch, db, more, field):
    sent = {"timezone": ATHENS, **more}
    assert create(entry(timezone=ATHENS)).status_code == 201
    before = db.events.find_one({})
    for answer, path in [
        (create(entry(**sent)), "schedule.0."),
        (edit(entry(**more)), "schedule.0."),
        (patch(more), ""),
    ]:
        refused(answer, path + field, "nonexistent_time")
    assert db.events.find_one({}) == before
    assert db.events.count_documents({}) == 1


def test_a_patch_changes_single_times_and_null_clears_them(create, patch, db):
    create(entry(startTime="20:30", endTime="23:00", timezone=ATHENS))
    shown = patch({"doorsTime": "19:00"}).json["schedule"][0]
    assert (shown["startTime"], shown["endTime"], shown["doorsTime"]) == ("20:30", "23:00", "19:00")
    shown = patch({"date": "2035-12-15"}).json["schedule"][0]
    assert shown["startsAt"] == "2035-12-15T18:30:00.000Z"
    shown = patch({"timezone": LOS_ANGELES}).json["schedule"][0]
    assert (shown["startTime"], shown["startsAt"]) == ("20:30", "2035-12-16T04:30:00.000Z")
    shown = patch({"endTime": None, "doorsTime": None}).json["schedule"][0]
    assert not {"endTime", "doorsTime", "endsAt"} & set(shown)
    shown = patch({"startTime": None, "timezone": None}).json["schedule"][0]
    assert shown == {"scheduleId": 1, **entry("2035-12-15", timezone="UTC")}
    assert moves(db) == [5]


def test_a_patch_with_a_date_time_replaces_the_start(create, patch):
    create(entry(startTime="20:30", timezone=ATHENS))
    shown = patch({"date": "2035-07-01T18:00:00Z"}).json["schedule"][0]
    assert (shown["date"], shown["startTime"]) == ("2035-07-01", "21:00")
    shown = patch({"date": "2035-07-02T00:00:00Z"}).json["schedule"][0]
    assert (shown["date"], shown["startTime"]) == ("2035-07-02", "21:00")


def test_what_the_server_computes_may_be_sent_back_and_is_ignored(create, edit, patch, db):
    shown = create(entry(startTime="20:30", endTime="22:00", timezone=ATHENS)).json["schedule"][0]
    for computed in (shown["startsAt"], None, "no time"):
        sent = {**shown, "startsAt": computed, "endsAt": computed}
        assert edit(sent).json["schedule"] == [shown]
        assert patch({**sent, "scheduleId": 9}).json["schedule"] == [shown]
    assert create({**shown, "scheduleId": 7}).json["schedule"] == [shown]
    assert moves(db) == [0]


def test_a_put_without_the_new_fields_keeps_them(create, edit, db):
    """An old client knows only date, location, lat and lng."""
    create(entry(startTime="20:30", endTime="22:00", doorsTime="20:00", timezone=ATHENS, lat=1))
    shown = edit(entry()).json["schedule"][0]
    assert shown["startsAt"] == "2035-06-15T17:30:00.000Z"
    assert "lat" not in shown
    assert moves(db) == [0]
    moved = edit(entry("2035-06-16", "Larissa")).json["schedule"][0]
    assert (moved["scheduleId"], moved["startsAt"]) == (1, "2035-06-16T17:30:00.000Z")
    assert (moved["doorsTime"], moves(db)) == ("20:00", [1])


A, B, C = entry("2035-06-01", "A"), entry("2035-06-02", "B"), entry("2035-06-03", "C")


@pytest.mark.parametrize(
    ("sent", "expected", "moved"),
    [
        ([A, B, C], [1, 2, 3], [0, 0, 0]),
        ([C, A, B], [3, 1, 2], [0, 0, 0]),
        ([{**B, "scheduleId": 3}, A], [3, 1], [1, 0]),
        ([{**C, "scheduleId": 1}, {**A, "scheduleId": 3}, B], [1, 3, 2], [1, 1, 0]),
        ([A, B, C, entry("2035-06-04", "D")], [1, 2, 3, 4], [0, 0, 0, 0]),
        # What is left over on both sides is paired in order.
        ([entry("2035-07-01", "X"), B, entry("2035-07-02", "Y")], [1, 2, 3], [1, 0, 1]),
        ([B, entry("2035-07-01", "X")], [2, 1], [0, 1]),
        ([{**A, "scheduleId": 99}, C], [1, 3], [0, 0]),
        ([entry("2035-06-01T00:00:00Z", "A"), {**A, "location": "a"}], [1, 2], [0, 1]),
        ([{**A, "lat": 3}], [1], [0]),
    ],
)
def test_a_put_keeps_the_ids_of_entries(create, edit, db, sent, expected, moved):
    create(A, B, C)
    assert ids(edit(*sent)) == expected
    assert moves(db) == moved


def test_ids_are_never_used_again(create, edit):
    create(A, B, C)
    assert ids(edit(A)) == [1]
    assert ids(edit(A, B)) == [1, 4]
    assert ids(edit(A, {**B, "scheduleId": 3})) == [1, 4]
    assert ids(edit(A)) == [1]
    assert ids(edit(A, C)) == [1, 5]


def test_two_shows_on_a_date_are_told_apart_by_their_start(create, edit, db):
    early, late = (entry(startTime=start, timezone=ATHENS) for start in ("17:00", "21:00"))
    create(early, late)
    assert ids(edit(late, early)) == [2, 1]
    # 18:00 UTC is 21:00 in the zone of the entries.
    assert ids(edit(entry(f"{DATE}T18:00:00Z"), early)) == [2, 1]
    assert [each["startTime"] for each in edit(entry(), entry()).json["schedule"]] == [
        "21:00",
        "17:00",
    ]
    assert moves(db) == [0, 0]


def test_two_entries_with_one_id_are_refused(create, edit):
    create(A, B)
    refused(edit({**A, "scheduleId": 1}, {**B, "scheduleId": 1}), "schedule")


@pytest.mark.parametrize("counter", ["sold", "held"])
def test_an_entry_in_use_is_not_dropped(create, edit, db, counter):
    create(A, B)
    cells = {"2": {"1": {"sold": 0, "held": 0, counter: 1}}, "1": {"1": {"sold": 0, "held": 0}}}
    db.events.update_one({}, {"$set": {"cells": cells}, "$inc": {"rev": 1}})
    for kept in (A, C):  # C would replace A, because both are first.
        answer = edit(kept)
        assert (answer.status_code, answer.json["code"]) == (409, "schedule_in_use")
    assert ids(edit(B)) == [2]


def test_a_moved_entry_is_recorded_for_its_holders(create, patch, db):
    create(A)
    patch({"lat": 1.5, "lng": 2})
    assert "tell" not in db.events.find_one({})
    patch({"startTime": "20:00"})
    assert len(db.events.find_one({})["tell"]) == 1
