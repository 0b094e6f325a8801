"""The events collection: guarded writes, the id counter, the start of a day, and text search."""

from datetime import date, timedelta

import pytest
from bson import ObjectId
from pymongo.errors import DuplicateKeyError

from eventapp.core.access.actor import Actor
from eventapp.core.clock import utc_now
from eventapp.core.database import ensure_indexes
from eventapp.core.textsearch import parse_search
from eventapp.events import (
    event_log,
    rules,
    service,
    store,
    store_deletions,
    store_listing,
    store_timekeeping,
    timekeeping,
)
from eventapp.events.relevance import make_patterns, score_texts
from eventapp.events.rules import get_list_state
from eventapp.events.schedules import UTC_ZONE, build_schedule
from tests.conftest import MONGO_URI
from tests.factories import day, event_body, make_event


def at(*offsets):
    return [{"date": day(offset), "location": "X"} for offset in offsets]


def in_days(offset):
    return utc_now().date() + timedelta(days=offset)


def found(db, search):
    """Return the titles of the events that a search finds, the best match first."""
    query = parse_search(search)
    scores = {
        event_id: score_texts(texts, query)
        for event_id, texts in store_listing.iter_search_texts(db, make_where(search))
    }
    titles = store.find_titles(db, scores)
    return [titles[event_id] for event_id in sorted(scores, key=lambda each: -scores[each])]


def make_where(search):
    """Return the condition of the listed events that a search finds."""
    conditions = store_listing.make_search_conditions(make_patterns(parse_search(search)))
    return store_listing.narrow({"listed": True}, conditions)


def edit(db, event, fields, **options):
    """Set fields of an event that was read, as somebody without an account."""
    now = utc_now()
    note = event_log.note_edit(Actor(), event, fields, now)
    return store.write_if_unchanged(db, event, fields, now=now, note=note, **options)


def test_an_edit_is_written_once_and_raises_revision_and_edit_count(db):
    event = make_event(db)
    after = edit(db, event, {"title": "New"})
    assert (after["title"], after["rev"], after["__v"]) == ("New", 1, 1)
    assert store.find_event(db, 1)["title"] == "New"


def test_an_edit_that_is_not_shown_raises_all_but_the_edit_count(db):
    """Other processes learn of it, and lists are found again."""
    event = make_event(db)
    after = edit(db, event, {"quotas": []}, is_shown=False)
    assert (after["rev"], after["__v"]) == (1, 0)
    assert get_list_state(after) != get_list_state(event)
    assert [each["rev"] for each in store.find_changes_since(db, "events", event["changedAt"])] == [
        1
    ]


def test_an_edit_of_an_event_that_has_changed_writes_nothing(db):
    event = make_event(db)
    edit(db, event, {"title": "First"})
    assert edit(db, event, {"title": "Second"}) is None
    assert store.find_event(db, 1)["title"] == "First"


def test_a_sale_counts_as_a_change(db):
    event = make_event(db)
    db.events.update_one({"eventId": 1}, {"$inc": {"ticketTypes.0.availableTickets": -1, "rev": 1}})
    fields = {"ticketTypes": event["ticketTypes"]}
    assert edit(db, event, fields) is None
    assert store.find_event(db, 1)["ticketTypes"][0]["availableTickets"] == 99


def test_only_the_revision_that_was_read_is_deleted(db):
    event = make_event(db)
    edit(db, event, {"title": "New"})
    assert store_deletions.delete_if_unchanged(db, event, now=utc_now()) is False
    assert store_deletions.delete_if_unchanged(db, store.find_event(db, 1), now=utc_now()) is True
    assert store.find_event(db, 1) is None


def test_reads_leave_out_internal_fields(db):
    make_event(db)
    for event in (store.find_event(db, 1), store.find_events(db, [1, 7])[0]):
        assert {"inFlight", "places", "tagKeys", "searchTexts"}.isdisjoint(event)
    assert len(store.find_events(db, [1, 7])) == 1


def test_an_event_id_is_unique(db):
    event = make_event(db)
    with pytest.raises(DuplicateKeyError):
        db.events.insert_one({"eventId": event["eventId"]})


def test_ids_are_allocated_in_a_row_and_never_twice(db):
    assert list(store.allocate_event_ids(db, 3)) == [1, 2, 3]
    assert list(store.allocate_event_ids(db)) == [4]
    store.advance_event_id_counter(db)
    assert list(store.allocate_event_ids(db)) == [5]


def test_the_counter_starts_after_the_highest_in_use(db):
    db.events.insert_one({"eventId": 41})
    db.counters.delete_many({})
    store.advance_event_id_counter(db)
    assert list(store.allocate_event_ids(db)) == [42]


def test_a_missing_counter_is_created(db):
    db.counters.delete_many({})
    assert list(store.allocate_event_ids(db, 2)) == [1, 2]


def test_insert_skips_the_ids_of_imported_events(db):
    for number in (1, 2, 9):
        db.events.insert_one({"eventId": number})
    assert make_event(db)["eventId"] == 10


def test_a_new_event_has_changed_by_the_clock_of_the_database(db):
    """If it were a clock that is ahead, the change feed would miss the changes until then."""
    ahead = utc_now() + timedelta(hours=1)
    body = event_body(schedule=[{"date": in_days(3), "location": "X"}])
    event = store.insert(db, service.make_new_event(body, organizer_id=None, now=ahead))
    stored = db.events.find_one({"eventId": 1})
    assert abs(stored["changedAt"] - utc_now()) < timedelta(minutes=5)
    assert {**stored, "changedAt": ahead} == {**event, **rounded(event, "createdAt", "updatedAt")}
    assert store.find_changes_since(db, "events", utc_now() - timedelta(minutes=5)) != []
    assert store.find_last_changed_at(db) == stored["changedAt"]


def test_events_of_a_bulk_load_have_changed_by_the_clock_of_the_database(db):
    make_event(db)
    event = {**db.events.find_one({}), "changedAt": utc_now() + timedelta(hours=1)}
    loaded = [{**event, "_id": ObjectId(), "eventId": event_id} for event_id in (2, 3)]
    store.insert_many(db, loaded)
    changes = store.find_changes_since(db, "events", utc_now() - timedelta(minutes=5))
    assert sorted(change["eventId"] for change in changes) == [1, 2, 3]
    assert store.find_last_changed_at(db) < utc_now() + timedelta(minutes=5)


def rounded(event, *names):
    """Return these times as a database stores them, to the millisecond."""
    return {n: event[n].replace(microsecond=event[n].microsecond // 1000 * 1000) for n in names}


def test_creating_indexes_again_changes_nothing(db):
    before = db.events.index_information()
    ensure_indexes(db, [store.INDEXES])
    assert db.events.index_information() == before
    assert {model.document["name"] for model in store.INDEXES["events"]} <= set(before)


def test_deletions_are_kept_longer_on_a_database_of_an_older_version(db):
    store_deletions.record_deletion(db, 7, 1, was_public=True)
    db.goneEvents.drop_index("changedAt")
    db.goneEvents.create_index("changedAt", name="changedAt", expireAfterSeconds=86400)
    ensure_indexes(db, [store_deletions.INDEXES])
    index = db.goneEvents.index_information()["changedAt"]
    assert index["expireAfterSeconds"] == 31 * 86400
    assert db.goneEvents.count_documents({"_id": 7}) == 1


def test_the_start_completes_an_interrupted_bulk_load(db):
    make_event(db)
    db.events.update_one({}, {"$set": {"changedAt": store.NEVER_CHANGED}})
    timekeeping.prepare(db, utc_now())
    assert store.find_last_changed_at(db) > utc_now() - timedelta(minutes=5)


def test_each_index_has_a_name_of_its_own():
    names = [model.document["name"] for model in store.INDEXES["events"]]
    assert len(names) == len(set(names))
    assert not any(name.endswith(("_1", "_-1")) for name in names)


def test_the_start_of_a_day_updates_lists_and_next_dates(db):
    make_event(db, title="over", schedule=at(0))
    make_event(db, title="running", schedule=at(0, 1, 9))
    make_event(db, title="to come", schedule=at(5))
    make_event(db, title="draft", status="draft", schedule=at(0, 3))
    timekeeping.start_day(db, in_days(1))
    stored = {event["title"]: event for event in db.events.find()}
    assert {title: event["listed"] for title, event in stored.items()} == {
        "over": False,
        "running": True,
        "to come": True,
        "draft": False,
    }
    nexts = {title: event["nextDate"] for title, event in stored.items() if title != "over"}
    assert nexts == {
        "running": rules.midnight(in_days(1)),
        "to come": rules.midnight(in_days(5)),
        "draft": rules.midnight(in_days(3)),
    }


def test_several_days_may_pass_and_a_second_run_changes_nothing(db):
    make_event(db, schedule=at(0, 1, 2, 9))
    timekeeping.start_day(db, in_days(3))
    before = db.events.find_one({})
    assert before["nextDate"] == rules.midnight(in_days(9))
    timekeeping.start_day(db, in_days(3))
    assert db.events.find_one({}) == before


def test_a_sale_in_between_does_not_prevent_the_update(db, monkeypatch):
    make_event(db, schedule=at(0, 4))
    plain = store_timekeeping.find_with_past_next_date
    sales = iter([1, 1, 0, 0])

    def sell_after_reading(db, today, without=()):
        events = plain(db, today)
        db.events.update_one({}, {"$inc": {"rev": next(sales)}})
        return events

    monkeypatch.setattr(store_timekeeping, "find_with_past_next_date", sell_after_reading)
    timekeeping.start_day(db, in_days(1))
    assert db.events.find_one({})["nextDate"] == rules.midnight(in_days(4))


def test_an_edit_in_between_wins_over_the_update(db):
    event = make_event(db, schedule=at(0, 4))
    stale = store_timekeeping.find_with_past_next_date(db, rules.midnight(in_days(1)))[0]
    entry = {"date": in_days(7), "location": "X"}
    fields = {"schedule": build_schedule([entry], UTC_ZONE).entries}
    fields |= rules.derive_fields({**event, **fields}, in_days(1))
    edit(db, event, fields)
    store_timekeeping.set_next_date_if_unchanged(db, stale, rules.midnight(in_days(4)))
    assert db.events.find_one({})["nextDate"] == rules.midnight(in_days(7))


TEXTS = [
    ("Jazz Night", "Dancing under the bridges of Porto", ["live", "brass"]),
    ("Night Market", "Street food and jazz", ["food"]),
    ("Café Conférence", "Talks on rivers", ["jazz", "talks"]),
    ("Running Wild", "A marathon for runners", ["sport"]),
    ("Ρεμπέτικο", "μουσική στο λιμάνι", ["live-music"]),
]


@pytest.fixture
def events(db):
    for title, description, tags in TEXTS:
        make_event(db, title=title, description=description, tags=tags)


@pytest.mark.parametrize(
    ("search", "expected"),
    [
        ("jazz", {"Jazz Night", "Night Market", "Café Conférence"}),
        ("JAZZ", {"Jazz Night", "Night Market", "Café Conférence"}),
        ("jazz market", {"Jazz Night", "Night Market", "Café Conférence"}),
        ("dance", {"Jazz Night"}),
        ("bridge", {"Jazz Night"}),
        ("river", {"Café Conférence"}),
        ("café", {"Café Conférence"}),
        ("ρεμπέτικο", {"Ρεμπέτικο"}),
        ("ΛΙΜΆΝΙ", {"Ρεμπέτικο"}),
        ('"night jazz"', set()),
        ("jazz -food", {"Jazz Night", "Café Conférence"}),
        ("night -jazz", set()),
        ("the of", {"Jazz Night"}),
        ("jaz", {"Jazz Night", "Night Market", "Café Conférence"}),
        ("jaz night", {"Jazz Night", "Night Market"}),
        ("nosuch", set()),
        ("music", {"Ρεμπέτικο"}),
    ],
)
def test_text_search_is_the_same_on_both_stores(db, events, search, expected):
    assert set(found(db, search)) == expected


@pytest.mark.skipif(bool(MONGO_URI), reason="the engine differs from MongoDB in these")
@pytest.mark.parametrize(
    ("search", "expected"),
    [("cafe", {"Café Conférence"}), ('"jazz night"', {"Jazz Night"}), ("-jazz", set())],
)
def test_the_embedded_store_follows_mongodb(db, events, search, expected):
    assert set(found(db, search)) == expected


def test_the_title_weighs_more_than_tags_and_they_more_than_the_description(db, events):
    assert found(db, "jazz") == ["Jazz Night", "Café Conférence", "Night Market"]


def test_a_search_counts_the_events_that_it_lists(db, events):
    where = make_where("jazz")
    assert store_listing.count_matching(db, where, limit=100) == 3
    assert store_listing.count_matching(db, where, limit=2) == 2


def test_schedule_dates_are_kept_as_utc_midnights(db):
    make_event(db, schedule=[{"date": "2031-02-03", "location": "X"}])
    stored = db.events.find_one({})["schedule"][0]["date"]
    assert stored == rules.midnight(date(2031, 2, 3))
