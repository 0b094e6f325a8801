"""Events of schema version 1 are migrated at the start; a newer version is refused."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from eventapp import prepare_database
from eventapp.core.clock import utc_now
from eventapp.core.database import SCHEMA_VERSION, SchemaTooNew, check_schema_version
from eventapp.events import migration, store_migration
from eventapp.events.schedules import PLACE_FIELDS
from tests.factories import day, make_event

ATHENS = ZoneInfo("Europe/Athens")
ENTRY_FIELDS = ("scheduleId", "timezone", "overAt", "moves")
EVENT_FIELDS = ("nextScheduleId", "overAt")


def make_old_event(db, *days, **changes):
    """Store an event as version 1 stored it."""
    schedule = [{"date": day, "location": "Volos", "lat": 1.5} for day in days or ("2035-06-15",)]
    event = make_event(db, schedule=schedule, **changes)
    cleared = dict.fromkeys(EVENT_FIELDS, "")
    for index, _day in enumerate(schedule):
        cleared |= {f"schedule.{index}.{name}": "" for name in ENTRY_FIELDS}
    db.events.update_one({"_id": event["_id"]}, {"$unset": cleared})
    return event["eventId"]


def prepare_old(db, zone=ATHENS):
    """Prepare the database as the first start of version 2 does."""
    db.counters.delete_one({"_id": "schemaVersion"})
    prepare_database(db, zone)


def find(db, event_id):
    return db.events.find_one({"eventId": event_id})


def test_entries_get_ids_the_default_zone_and_instants(db, client):
    event_id = make_old_event(db, "2035-06-15", "2035-01-10")
    before = find(db, event_id)
    prepare_old(db)
    event = find(db, event_id)
    summer, winter = (datetime(2035, *day, tzinfo=UTC) for day in ((6, 15, 21), (1, 10, 22)))
    assert [
        {name: value for name, value in entry.items() if name in ENTRY_FIELDS}
        for entry in event["schedule"]
    ] == [
        {"scheduleId": 1, "timezone": "Europe/Athens", "overAt": summer, "moves": 0},
        {"scheduleId": 2, "timezone": "Europe/Athens", "overAt": winter, "moves": 0},
    ]
    assert (event["nextScheduleId"], event["overAt"]) == (3, summer)
    assert (event["rev"], event["__v"]) == (before["rev"] + 1, before["__v"] + 1)
    assert event["changedAt"] > before["changedAt"]
    assert client.get(f"/api/events/{event_id}").json["schedule"][0] == {
        "scheduleId": 1,
        "date": "2035-06-15",
        "timezone": "Europe/Athens",
        "location": "Volos",
        "lat": 1.5,
    }


def test_a_migrated_event_is_as_if_it_were_new(db):
    event_id = make_old_event(db)
    prepare_old(db, ZoneInfo("UTC"))
    entry = {"date": "2035-06-15", "location": "Volos", "lat": 1.5}
    migrated, new = find(db, event_id), make_event(db, schedule=[entry])
    assert set(migrated) == {*new, "terms"}
    assert migrated["schedule"] == new["schedule"]


def test_entries_of_version_5_get_what_queries_compare_of_their_place(db):
    schedule = [
        {"date": "2035-06-15", "location": "Ζάππειο, Αθήνα", "lat": 37.97, "lng": 23.74},
        {"date": "2035-06-16", "location": "Volos", "lat": 39.36},
    ]
    new = make_event(db, schedule=schedule)
    cleared = {f"schedule.{n}.{name}": "" for n in (0, 1) for name in ("locationKey", "point")}
    db.events.update_one({"_id": new["_id"]}, {"$unset": cleared})
    prepare_old(db)
    event = find(db, new["eventId"])
    assert event["schedule"] == new["schedule"]
    places = [{name: each.get(name) for name in PLACE_FIELDS} for each in event["schedule"]]
    assert places == [
        {
            "locationKey": "ζαππειο, αθηνα",
            "point": {"type": "Point", "coordinates": [23.74, 37.97]},
        },
        {"locationKey": "volos", "point": None},
    ]
    # No answer shows the change, but no edit or sale that was read before it is written.
    assert (event["rev"], event["terms"], event["__v"]) == (new["rev"] + 1, 1, new["__v"])


def test_a_second_migration_changes_nothing(db):
    event_id = make_old_event(db)
    prepare_old(db)
    before = find(db, event_id)
    prepare_old(db, ZoneInfo("UTC"))
    assert migration.migrate_events(db, ZoneInfo("UTC"), utc_now())
    assert find(db, event_id) == before


def test_a_migration_that_was_interrupted_goes_on(db, monkeypatch):
    monkeypatch.setattr(migration, "BATCH_SIZE", 2)
    ids = [make_old_event(db) for _ in range(5)]
    write, batches = store_migration.write_if_unchanged, iter([True, False])

    def write_and_die(db, changes):
        if not next(batches):
            raise KeyboardInterrupt
        return write(db, changes)

    monkeypatch.setattr(store_migration, "write_if_unchanged", write_and_die)
    with pytest.raises(KeyboardInterrupt):
        prepare_old(db)
    monkeypatch.setattr(store_migration, "write_if_unchanged", write)
    assert [bool(find(db, id_).get("overAt")) for id_ in ids] == [True, True, False, False, False]
    assert check_schema_version(db) == 1
    prepare_database(db, ATHENS)
    assert all(find(db, id_)["rev"] == 1 for id_ in ids)
    assert check_schema_version(db) == SCHEMA_VERSION


def test_a_sale_in_between_is_not_overwritten(db, monkeypatch):
    event_id = make_old_event(db)
    plain, sales = store_migration.find_unmigrated, iter([1, 0, 0])

    def sell_after_reading(db, *arguments):
        events = plain(db, *arguments)
        if events and next(sales):
            sold = {"ticketTypes.0.soldTickets": 1, "ticketTypes.0.availableTickets": -1, "rev": 1}
            db.events.update_one({"eventId": event_id}, {"$inc": sold})
        return events

    monkeypatch.setattr(store_migration, "find_unmigrated", sell_after_reading)
    prepare_old(db)
    event = find(db, event_id)
    assert event["ticketTypes"][0]["soldTickets"] == 1
    assert event["schedule"][0]["scheduleId"] == 1


def test_a_broken_event_delays_no_other(db):
    broken, fine = make_old_event(db), make_old_event(db)
    db.events.update_one({"eventId": broken}, {"$set": {"schedule": [{"date": "2035-06-15"}]}})
    prepare_old(db)
    assert "overAt" in find(db, fine)
    assert "overAt" not in find(db, broken)
    assert [each["key"] for each in db.failedWork.find({"kind": "event migration"})] == [broken]
    assert check_schema_version(db) == 1  # The next start tries again.
    db.events.delete_one({"eventId": broken})
    later = utc_now() + timedelta(days=1)
    assert migration.migrate_events(db, ATHENS, later)
    assert db.failedWork.count_documents({"kind": "event migration"}) == 0


def test_a_date_that_its_zone_skips_is_over_when_it_is_skipped(db):
    event_id = make_old_event(db, "2011-12-30")
    prepare_old(db, ZoneInfo("Pacific/Apia"))
    assert find(db, event_id)["overAt"] == datetime(2011, 12, 30, 10, tzinfo=UTC)


def test_a_newer_schema_version_is_refused_and_stays(db):
    newer = SCHEMA_VERSION + 1
    db.counters.update_one({"_id": "schemaVersion"}, {"$set": {"value": newer}}, upsert=True)
    event_id = make_old_event(db)
    before = find(db, event_id)
    with pytest.raises(SchemaTooNew, match="newer version"):
        prepare_database(db, ATHENS)
    assert find(db, event_id) == before
    assert db.counters.find_one({"_id": "schemaVersion"})["value"] == newer


def test_a_request_to_a_database_of_a_newer_version_is_answered_503(db, app, client, monkeypatch):
    tomorrow = utc_now() + timedelta(days=1)
    db.counters.update_one(
        {"_id": "schemaVersion"}, {"$set": {"value": SCHEMA_VERSION + 1}}, upsert=True
    )
    monkeypatch.setattr("eventapp.core.database.lifecycle.utc_now", lambda: tomorrow)
    assert client.get("/api/events").status_code == 503


OLD_KEYS = {"titleKey": "røyksopp", "places": ["o’brien’s pub, łodz"], "tagKeys": ["’80s"]}
NEW_KEYS = {"titleKey": "royksopp", "places": ["o'brien's pub, lodz"], "tagKeys": ["'80s"]}


def make_event_of_version_5(db):
    """Store an event with its texts folded as version 5 folded them."""
    schedule = [{"date": day(30), "location": "O’Brien’s Pub, Łódź"}]
    event = make_event(db, title="Røyksopp", tags=["’80s"], schedule=schedule)
    db.events.update_one({"_id": event["_id"]}, {"$set": OLD_KEYS})
    return event["eventId"]


def get_keys(db, event_id):
    event = find(db, event_id)
    return {name: event[name] for name in OLD_KEYS}


def test_texts_are_folded_anew_without_a_visible_edit(db, client):
    event_id = make_event_of_version_5(db)
    before = find(db, event_id)
    prepare_old(db)
    after = find(db, event_id)
    assert get_keys(db, event_id) == NEW_KEYS
    assert (after["rev"], after["__v"]) == (before["rev"] + 1, before["__v"])
    assert after["changedAt"] > before["changedAt"]
    for query in ("city=o'brien's", "city=O’Brien’s", "city=lodz", "tags='80s"):
        assert [row["eventId"] for row in client.get(f"/api/events?{query}").json["events"]] == [1]


def test_texts_that_are_folded_right_are_not_written(db):
    event_id = make_event_of_version_5(db)
    prepare_old(db)
    before = find(db, event_id)
    prepare_old(db)
    assert find(db, event_id) == before


def test_an_event_that_changes_during_the_refolding_is_read_again(db, monkeypatch):
    event_id = make_event_of_version_5(db)
    read = store_migration.find_texts

    def read_and_change(*args):
        found = read(*args)
        monkeypatch.undo()
        db.events.update_one(
            {"eventId": event_id}, {"$set": {"title": "Sælør"}, "$inc": {"rev": 1}}
        )
        return found

    monkeypatch.setattr(store_migration, "find_texts", read_and_change)
    assert migration.refold_events(db, utc_now())
    assert get_keys(db, event_id) == {**NEW_KEYS, "titleKey": "saelor"}


def test_an_event_that_cannot_be_refolded_delays_no_other(db):
    broken, sound = make_event_of_version_5(db), make_event_of_version_5(db)
    db.events.update_one({"eventId": broken}, {"$unset": {"title": ""}})
    assert not migration.refold_events(db, utc_now())
    assert get_keys(db, broken) == OLD_KEYS
    assert get_keys(db, sound) == NEW_KEYS
    failed = db.failedWork.find_one({"kind": "event refolding"})
    assert (failed["key"], failed["attempts"]) == (broken, 1)


def test_the_text_index_and_the_words_of_old_events_are_replaced(db, client):
    event_id = make_event_of_version_5(db)
    db.events.update_one(
        {"eventId": event_id}, {"$unset": {"searchTexts": "", "searchPrefixes": ""}}
    )
    db.events.drop_index("search")
    db.events.create_index([("title", "text")], name="words", default_language="none")
    prepare_old(db)
    assert "words" not in db.events.index_information()
    for query in ("search=royksopp", "upcoming=false&search=royks", "search=o'briens"):
        assert [row["eventId"] for row in client.get(f"/api/events?{query}").json["events"]] == [1]


def test_an_event_without_words_is_listed_and_not_searched(db, client):
    """A process of an older version may write it after the migration."""
    make_event(db, title="Quiet", category="movie")
    db.events.update_one({}, {"$unset": {"searchTexts": "", "searchPrefixes": ""}})
    for query, count in (("category=movie", 1), ("search=quiet", 0), ("search=quietly", 0)):
        for upcoming in ("true", "false"):
            answer = client.get(f"/api/events?upcoming={upcoming}&{query}").json
            assert answer["total"] == count
