"""What the index of the public list leaves is what the database, asked the same, leaves."""

import random
from dataclasses import replace
from datetime import timedelta

import pytest

from eventapp.core.access.actor import Actor
from eventapp.core.clock import utc_now
from eventapp.events import listing, rules, service, store, store_listing
from eventapp.events.filters import Filters
from eventapp.events.index import live_index
from eventapp.events.index.live_index import Search
from eventapp.events.listing import Asked
from eventapp.events.rules import list_state
from scripts.synthetic_events import CITIES, COMMON_WORDS, generate_bodies
from tests.factories import make_event

EVENTS, ASKED = 120, 10


class NoIndex:
    """In the place of Search: the database is asked for everything."""

    def matches(self, _filters, _today):
        return None

    count = matches


@pytest.fixture
def events(db, organizer):
    today = utc_now().date()
    made = [
        service.new_event(body, organizer_id=organizer["id"] if n % 3 else None, now=utc_now())
        | {"eventId": n}
        for n, body in enumerate(generate_bodies(EVENTS, seed=7, today=today), 1)
    ]
    store.insert_many(db, made)
    service.prepare(db, utc_now())
    make_event(db, status="draft")
    return db


def filters_of(rng, organizer_id):
    today = utc_now().date()
    first = today + timedelta(days=rng.randrange(400))
    some = {
        "search": " ".join(rng.choices(COMMON_WORDS[:20], k=2)),
        "city": rng.choice(CITIES)[0][:4],
        "category": rng.choice(rules.CATEGORIES),
        "date_from": first,
        "date_to": first + timedelta(days=rng.randrange(200)),
        "available_only": True,
        "min_price": rng.choice([0, 8, 12.5]),
        "max_price": rng.choice([10, 39.9, 60]),
        "tags": (rng.choice(COMMON_WORDS[:9]),),
        "organizer_id": organizer_id,
    }
    return Filters(**{name: some[name] for name in rng.sample(sorted(some), rng.randint(1, 2))})


def page_of(db, asked, search):
    found, beside = listing.find(db, asked, Actor(), utc_now(), search)
    return [one if isinstance(one, int) else one["eventId"] for one in found], beside


@pytest.mark.parametrize("few", [0, listing.FEW])
@pytest.mark.parametrize("sort", [None, "title", "date", "price", "popularity"])
def test_the_index_and_the_database_agree(events, organizer, monkeypatch, sort, few):
    monkeypatch.setattr(listing, "FEW", few)
    monkeypatch.setattr(store_listing, "WALKED_AT_ONCE", 7)
    rng, search, rows = random.Random(f"{sort} {few}"), Search(events), 0
    for _ in range(ASKED):
        filters = filters_of(rng, organizer["id"])
        # How well words match each of the two judges for itself.
        sort_by = sort or ("eventId" if filters.search else None)
        asked = Asked(filters, sort_by, descending=rng.random() < 0.5, limit=rng.randint(3, 9))
        while asked:
            here, beside = page_of(events, asked, search)
            assert (here, beside) == page_of(events, asked, NoIndex()), asked
            rows += len(here)
            asked = replace(asked, after=beside["next"]) if beside["next"] else None
    assert rows > ASKED


def test_the_whole_list_is_counted_by_the_index(events):
    search = Search(events)
    _, beside = page_of(events, Asked(Filters()), search)
    assert beside["total"] == events.events.count_documents({"listed": True}) > 100
    assert search.count(utc_now().date()) == beside["total"]


def unlist(db, search):
    assert db.events.update_one({"eventId": 1}, {"$set": {"listed": False}}).modified_count
    search.changed(1)


def test_a_change_that_comes_while_another_is_read_is_not_lost(events, monkeypatch):
    """It is noted behind the back of the read that would have missed it."""
    search, today = Search(events), utc_now().date()
    count, read = search.count(today), store.indexed_of

    def read_then_change(db, event_ids):
        found = read(db, event_ids)
        monkeypatch.setattr(store, "indexed_of", read)
        unlist(db, search)
        return found

    monkeypatch.setattr(store, "indexed_of", read_then_change)
    search.changed(1)
    assert search.count(today) == count  # as it was read
    assert search.count(today) == count - 1


def test_a_change_back_that_comes_while_the_first_is_read_is_not_lost(events, monkeypatch):
    """What is read meanwhile is other than what the index holds and what the event is again."""
    search, today, one = Search(events), utc_now().date(), {"eventId": 1}
    count, read = search.count(today), store.indexed_of
    before = list_state(events.events.find_one(one))

    def read_then_change_back(db, event_ids):
        found = read(db, event_ids)
        monkeypatch.setattr(store, "indexed_of", read)
        db.events.update_one(one, {"$set": {"listed": True}, "$inc": {"__v": -1}})
        search.changed(1, before)
        return found

    monkeypatch.setattr(store, "indexed_of", read_then_change_back)
    events.events.update_one(one, {"$set": {"listed": False}, "$inc": {"__v": 1}})
    search.changed(1)
    assert search.count(today) == count - 1  # as it was read
    assert search.count(today) == count


def test_what_could_not_be_read_is_read_later(events, monkeypatch):
    search, today = Search(events), utc_now().date()
    count = search.count(today)
    unlist(events, search)
    with monkeypatch.context() as patched:
        patched.setattr(store, "indexed_of", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            search.count(today)
    assert search.count(today) == count - 1


def test_many_changes_are_read_a_part_at_a_time(events, monkeypatch):
    search, today, asked = Search(events), utc_now().date(), []
    count, read = search.count(today), store.indexed_of
    listed = [event["eventId"] for event in store.indexed_after(events, 0, 5)]
    events.events.update_many({"eventId": {"$in": listed}}, {"$set": {"listed": False}})

    def noted(db, event_ids):
        asked.append(len(event_ids))
        return read(db, event_ids)

    monkeypatch.setattr(live_index, "READ_AT_ONCE", 2)
    monkeypatch.setattr(store, "indexed_of", noted)
    for event_id in listed:
        search.changed(event_id)
    assert search.count(today) == count - 5
    assert asked == [2, 2, 1]


def test_the_passing_of_a_day_leaves_out_what_is_over(events):
    search, today = Search(events), utc_now().date()
    search.count(today)
    later = today + timedelta(days=100)
    to_come = {"listed": True, "lastDate": {"$gte": rules.midnight(later)}}
    left = events.events.count_documents(to_come)
    assert 0 < left < search.count(today)
    assert search.count(later) == left
