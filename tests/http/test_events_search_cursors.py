"""A walk through a search by cursors goes on when another scorer answers the next page.

The in-memory index and the database score relevance differently. Pages may be answered by either:
after a restart, while the index is built, or by another process. Every page must then be the part
of its scorer's own order that follows as many rows as were shown before.
"""

import threading

import pytest

from eventapp.core import paging
from eventapp.core.clock import utc_now
from eventapp.core.errors import ValidationFailed
from eventapp.events import list_pages
from eventapp.events.cache.event_cache import EVENT_CACHE, EventCache
from eventapp.events.index import live_index
from eventapp.events.index.live_index import LiveIndex
from eventapp.events.schemas.queries import EventQuery
from tests.factories import make_event
from tests.store.test_events_index import NoIndex

LIMIT, PAGES = 4, 5
WORDS = ["harbour", "night", "opera", "marathon", "rehearsal", "sculpture", "theatre", "winter"]


@pytest.fixture
def events(db):
    """Make 18 events in which the word jazz weighs differently, and one without it."""
    for number in range(17):
        filler = " ".join(WORDS[: number % 8])
        if number % 3 == 0:
            make_event(db, title=f"{filler} jazz", tags=[], description="")
        elif number % 3 == 1:
            make_event(db, title=f"Sample {filler}", tags=["jazz"], description=filler)
        else:
            make_event(db, title="Sample", tags=[], description=f"jazz {filler} jazz")
    make_event(db, title="Jazz", tags=["jazz"], description="jazz")
    make_event(db, title="Rock", tags=[], description="")
    return db


def find_page(db, query, index):
    """Return the eventIds of a page and the cursor of the next one."""
    found = list_pages.find_page(db, EventQuery().load(query), utc_now().date(), index)
    return list(found.event_ids), found.envelope["nextCursor"]


def whole_order(db, index):
    return find_page(db, {"search": "jazz", "limit": "100"}, index)[0]


def walk(db, scorers):
    """Return the pages of a search, each scored by the next of these indexes."""
    pages, query = [], {"search": "jazz", "limit": str(LIMIT)}
    for index in scorers:
        ids, cursor = find_page(db, query, index)
        pages.append(ids)
        query = {"cursor": cursor, "limit": str(LIMIT)}
    assert cursor is None
    return pages


def part(order, number):
    return order[number * LIMIT : (number + 1) * LIMIT]


@pytest.mark.parametrize("pattern", ["idiii", "iddid", "didid", "ididi", "iiiii", "ddddd"])
def test_each_page_continues_by_rank_when_the_scorer_changes(events, pattern):
    scorers = {"i": LiveIndex(events), "d": NoIndex()}
    orders = {name: whole_order(events, index) for name, index in scorers.items()}
    assert len(orders["i"]) == 18
    assert sorted(orders["i"]) == sorted(orders["d"])
    pages = walk(events, [scorers[name] for name in pattern])
    assert pages == [part(orders[name], number) for number, name in enumerate(pattern)]


@pytest.mark.parametrize("pattern", ["id", "di"])
def test_the_control_without_scorer_and_rank_misreads_the_score(events, pattern):
    """A cursor as it was before it named its scorer is taken, but its score means nothing."""
    scorers = {"i": LiveIndex(events), "d": NoIndex()}
    first, second = (scorers[name] for name in pattern)
    ids, cursor = find_page(events, {"search": "jazz", "limit": str(LIMIT)}, first)
    ids, _ = find_page(events, {"cursor": without_scorer(cursor), "limit": str(LIMIT)}, second)
    assert ids != part(whole_order(events, second), 1)


def without_scorer(cursor):
    position = paging.decode_cursor(cursor)
    assert {position.pop("scorer"), position.pop("rank")} & {"index", "database"}
    return paging.encode_cursor(position)


@pytest.mark.parametrize("make_index", [LiveIndex, lambda _db: NoIndex()])
def test_old_cursors_without_a_scorer_are_accepted(events, make_index):
    index = make_index(events)
    query, walked, cursors = {"search": "jazz", "limit": str(LIMIT)}, [], []
    for number in range(PAGES):
        ids, cursor = find_page(events, query, index)
        walked += ids
        cursors.append(cursor)
        if cursor and number == 0:
            cursor = without_scorer(cursor)
        query = {"cursor": cursor, "limit": str(LIMIT)}
    assert walked == whole_order(events, index)
    assert paging.decode_cursor(cursors[2])["rank"] == 3 * LIMIT


def test_a_change_of_the_limit_keeps_the_rank_right(events):
    index, database = LiveIndex(events), NoIndex()
    ids, cursor = find_page(events, {"search": "jazz", "limit": "3"}, index)
    ids, cursor = find_page(events, {"cursor": cursor, "limit": "7"}, index)
    ids, cursor = find_page(events, {"cursor": cursor, "limit": "5"}, database)
    assert ids == whole_order(events, database)[10:15]
    ids, cursor = find_page(events, {"cursor": cursor, "limit": "5"}, index)
    assert ids == whole_order(events, index)[15:]
    assert cursor is None


def test_a_walk_from_a_numbered_page_keeps_the_rank_right(events):
    index, database = LiveIndex(events), NoIndex()
    query = {"search": "jazz", "limit": str(LIMIT), "page": "3"}
    _, cursor = find_page(events, query, index)
    ids, _ = find_page(events, {"cursor": cursor, "limit": str(LIMIT)}, database)
    assert ids == part(whole_order(events, database), 3)


@pytest.mark.parametrize(
    "wrong", [{"scorer": "me"}, {"scorer": 1}, {"rank": -1}, {"rank": "x"}, {"rank": None}]
)
def test_a_cursor_with_a_wrong_scorer_or_rank_is_refused(events, wrong):
    _, cursor = find_page(events, {"search": "jazz", "limit": "4"}, LiveIndex(events))
    forged = paging.encode_cursor({**paging.decode_cursor(cursor), **wrong})
    with pytest.raises(ValidationFailed, match="Invalid cursor"):
        EventQuery().load({"cursor": forged})


def test_a_rank_after_the_last_row_finds_nothing(events):
    _, cursor = find_page(events, {"search": "jazz", "limit": "4"}, LiveIndex(events))
    forged = paging.encode_cursor({**paging.decode_cursor(cursor), "rank": 2**62})
    assert find_page(events, {"cursor": forged}, NoIndex()) == ([], None)


def test_other_orders_have_neither_scorer_nor_rank(events):
    query = {"search": "jazz", "sortBy": "title", "limit": "4"}
    _, cursor = find_page(events, query, LiveIndex(events))
    assert paging.decode_cursor(cursor).keys() == {"value", "id", "counted", "page", "query"}


def ask(client, **query):
    answer = client.get("/api/events", query_string={"limit": LIMIT, **query}).json
    return [event["eventId"] for event in answer["events"]], answer["nextCursor"]


def test_a_walk_crosses_a_restart_and_the_building_of_the_index(client, app, events, monkeypatch):
    """Page 1 is answered by the index, page 2 while it is built anew, page 3 when it is there."""
    cache, may_build = EVENT_CACHE.get(app), threading.Event()
    index_order, database_order = (whole_order(events, i) for i in (LiveIndex(events), NoIndex()))
    first, cursor = ask(client, search="jazz")
    assert first == part(index_order, 0)
    monkeypatch.setattr(live_index, "MAX_BUILT_INLINE", 2)
    read = cache.index._read_listed

    def read_later():
        assert may_build.wait(10)
        yield from read()

    monkeypatch.setattr(cache.index, "_read_listed", read_later)
    cache.reset()
    second, cursor = ask(client, cursor=cursor)
    assert second == part(database_order, 1)
    may_build.set()
    cache.index._builder.join(10)
    third, cursor = ask(client, cursor=cursor)
    assert third == part(index_order, 2)
    fourth, cursor = ask(client, cursor=cursor)
    assert fourth == part(index_order, 3)


def test_a_walk_crosses_two_processes_on_one_database(events, monkeypatch):
    """One process has an index, the other one has too many events for it."""
    indexed, unindexed = EventCache(events), EventCache(events)
    assert indexed.index.count(utc_now().date()) == 19
    monkeypatch.setattr(live_index, "MAX_INDEXED", 2)
    assert unindexed.index.count(utc_now().date()) is None
    monkeypatch.undo()
    orders = [whole_order(events, cache.index) for cache in (indexed, unindexed)]
    assert orders[1] == whole_order(events, NoIndex())
    query, pages = {"search": "jazz", "limit": str(LIMIT)}, []
    for number in range(PAGES):
        cache = (indexed, unindexed)[number % 2]
        ids, cursor = find_page(events, query, cache.index)
        pages.append(ids)
        query = {"cursor": cursor, "limit": str(LIMIT)}
    assert pages == [part(orders[number % 2], number) for number in range(PAGES)]
    assert cursor is None


def test_two_processes_with_an_index_each_score_alike(events):
    indexes = [LiveIndex(events), LiveIndex(events)]
    order = whole_order(events, indexes[0])
    pages = walk(events, [indexes[number % 2] for number in range(PAGES)])
    assert sum(pages, []) == order
