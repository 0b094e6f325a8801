"""The in-memory index answers every list as the database does, and loses no change."""

import random
from datetime import timedelta

import pytest

from eventapp.core.clock import utc_now
from eventapp.events import list_pages, rules, service, store, store_listing, timekeeping
from eventapp.events.filters import FACET_FIELDS, FILTERS
from eventapp.events.index import live_index
from eventapp.events.index.live_index import LiveIndex
from eventapp.events.rules import get_list_state
from eventapp.events.schemas.queries import EventQuery
from scripts.synthetic_events import CITIES, COMMON_WORDS, generate_bodies
from tests.factories import make_event

EVENTS, QUERIES = 120, 10
EXAMPLES = [example for each in FILTERS for example in each.examples]


class NoIndex:
    """Stands in for LiveIndex and leaves every query to the database."""

    def find(self, _filters, _query, _today):
        return None

    def correct(self, _query, _today):
        return None

    def count(self, _today):
        return None


@pytest.fixture
def events(db, organizer):
    today = utc_now().date()
    made = [
        service.make_new_event(body, organizer_id=organizer["id"] if n % 3 else None, now=utc_now())
        | {"eventId": n}
        for n, body in enumerate(generate_bodies(EVENTS, seed=7, today=today), 1)
    ]
    store.insert_many(db, made)
    timekeeping.prepare(db, utc_now())
    make_event(db, status="draft")
    return db


def random_query(rng, organizer_id):
    """Return one or two parameters of the list, as a client sends them."""
    today = utc_now().date()
    first = today + timedelta(days=rng.randrange(400))
    parameters = {
        "search": " ".join(rng.choices(COMMON_WORDS[:20], k=2)),
        "city": rng.choice(CITIES)[0][:4],
        "category": rng.choice(rules.CATEGORIES),
        "dateFrom": str(first),
        "dateTo": str(first + timedelta(days=rng.randrange(200))),
        "availableOnly": "true",
        "minPrice": str(rng.choice([0, 8, 12.5])),
        "maxPrice": str(rng.choice([10, 39.9, 60])),
        "tags": rng.choice(COMMON_WORDS[:9]),
        "organizerId": str(organizer_id),
    }
    names = rng.sample(sorted(parameters), rng.randint(1, 2))
    return {name: parameters[name] for name in names}


def page_of(db, query, index):
    """Return the eventIds of a page and its envelope."""
    request = EventQuery().load(query).at(utc_now())
    found = list_pages.find_page(db, request, utc_now().date(), index)
    return list(found.event_ids), found.envelope


def assert_answered_alike(db, query, index):
    """Walk all pages of a list with the index and without it; return how many rows there are."""
    rows, limit = 0, query.get("limit", "20")
    while query:
        ids, envelope = page_of(db, query, index)
        assert (ids, envelope) == page_of(db, query, NoIndex()), query
        rows += len(ids)
        cursor = envelope["nextCursor"]
        query = cursor and {"cursor": cursor, "limit": limit}
    return rows


@pytest.mark.parametrize("few", [0, list_pages.MAX_FEW_MATCHES])
@pytest.mark.parametrize("sort", [None, "title", "date", "price", "popularity"])
def test_the_index_and_the_database_agree(events, organizer, monkeypatch, sort, few):
    monkeypatch.setattr(list_pages, "MAX_FEW_MATCHES", few)
    monkeypatch.setattr(store_listing, "SCAN_BATCH_SIZE", 7)
    rng, index, rows = random.Random(f"{sort} {few}"), LiveIndex(events), 0
    for _ in range(QUERIES):
        query = random_query(rng, organizer["id"])
        query |= {"sortBy": sort} if sort else {}
        query |= {"order": rng.choice(["asc", "desc"]), "limit": str(rng.randint(3, 9))}
        rows += assert_answered_alike(events, query, index)
    assert rows > QUERIES


@pytest.mark.parametrize("example", EXAMPLES, ids=str)
def test_the_index_and_the_database_agree_on_the_examples_of_each_filter(events, example):
    assert_answered_alike(events, dict(example), LiveIndex(events))


def test_the_whole_list_is_counted_by_the_index(events):
    index = LiveIndex(events)
    _, envelope = page_of(events, {}, index)
    assert envelope["total"] == events.events.count_documents({"listed": True}) > 100
    assert index.count(utc_now().date()) == envelope["total"]


def unlist(db, index):
    assert db.events.update_one({"eventId": 1}, {"$set": {"listed": False}}).modified_count
    index.mark_stale(1)


def test_a_change_that_arrives_while_another_is_read_is_not_lost(events, monkeypatch):
    index, today = LiveIndex(events), utc_now().date()
    count, read = index.count(today), store.find_indexed

    def read_then_change(db, event_ids, **options):
        found = read(db, event_ids, **options)
        monkeypatch.setattr(store, "find_indexed", read)
        unlist(db, index)
        return found

    monkeypatch.setattr(store, "find_indexed", read_then_change)
    index.mark_stale(1)
    assert index.count(today) == count  # as it was when the index read it
    assert index.count(today) == count - 1


def test_a_reverted_change_that_arrives_while_the_first_is_read_is_not_lost(events, monkeypatch):
    """The read sees a state that neither the index had before nor the event has now."""
    index, today, one = LiveIndex(events), utc_now().date(), {"eventId": 1}
    count, read = index.count(today), store.find_indexed
    before = get_list_state(events.events.find_one(one))

    def read_then_change_back(db, event_ids, **options):
        found = read(db, event_ids, **options)
        monkeypatch.setattr(store, "find_indexed", read)
        db.events.update_one(one, {"$set": {"listed": True}, "$inc": {"terms": -1}})
        index.mark_stale(1, before)
        return found

    monkeypatch.setattr(store, "find_indexed", read_then_change_back)
    events.events.update_one(one, {"$set": {"listed": False}, "$inc": {"terms": 1}})
    index.mark_stale(1)
    assert index.count(today) == count - 1  # as it was when the index read it
    assert index.count(today) == count


def test_a_change_that_could_not_be_read_is_read_later(events, monkeypatch):
    index, today = LiveIndex(events), utc_now().date()
    count = index.count(today)
    unlist(events, index)
    with monkeypatch.context() as patched:
        patched.setattr(store, "find_indexed", lambda *_, **__: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            index.count(today)
    assert index.count(today) == count - 1


def test_many_changes_are_read_in_batches(events, monkeypatch):
    index, today, batch_sizes = LiveIndex(events), utc_now().date(), []
    count, read = index.count(today), store.find_indexed
    listed = [
        event["eventId"]
        for event in store.find_indexed_after(events, 0, limit=5, fields=FACET_FIELDS)
    ]
    events.events.update_many({"eventId": {"$in": listed}}, {"$set": {"listed": False}})

    def record(db, event_ids, **options):
        batch_sizes.append(len(event_ids))
        return read(db, event_ids, **options)

    monkeypatch.setattr(live_index, "BATCH_SIZE", 2)
    monkeypatch.setattr(store, "find_indexed", record)
    for event_id in listed:
        index.mark_stale(event_id)
    assert index.count(today) == count - 5
    assert batch_sizes == [2, 2, 1]


def test_a_new_day_removes_the_events_that_are_over(events):
    index, today = LiveIndex(events), utc_now().date()
    index.count(today)
    later = today + timedelta(days=100)
    upcoming = {"listed": True, "lastDate": {"$gte": rules.midnight(later)}}
    remaining = events.events.count_documents(upcoming)
    assert 0 < remaining < index.count(today)
    assert index.count(later) == remaining
