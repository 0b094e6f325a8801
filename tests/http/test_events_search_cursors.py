"""A walk through a search by cursors has no gap and no row twice, whoever answers each page.

Pages may be answered by the in-memory index or by the database: after a restart, while the index is
built, or by another process. Both score alike.
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


def whole_order(db, index, search="jazz"):
    return find_page(db, {"search": search, "limit": "100"}, index)[0]


def walk(db, indexes, search="jazz", between=lambda: None):
    """Return the rows of a walk, with each page answered by the next of these indexes."""
    rows, query = [], {"search": search, "limit": str(LIMIT)}
    for index in indexes:
        ids, cursor = find_page(db, query, index)
        rows += ids
        query = {"cursor": cursor, "limit": str(LIMIT)}
        if cursor is None:
            break
        between()
    assert cursor is None
    return rows


@pytest.mark.parametrize("pattern", ["idiii", "iddid", "didid", "ididi", "iiiii", "ddddd"])
@pytest.mark.parametrize("search", ["jazz", "harbour ja", "jaz", "theater", "jxzzz jazzt"])
def test_each_page_continues_when_another_answers(events, pattern, search):
    indexes = {"i": LiveIndex(events), "d": NoIndex()}
    order = whole_order(events, indexes["i"], search)
    assert order
    assert order == whole_order(events, indexes["d"], search)
    assert walk(events, [indexes[name] for name in pattern], search) == order


@pytest.mark.parametrize("pattern", ["ididi", "didid"])
def test_a_walk_repeats_and_omits_no_row_while_others_are_edited(events, pattern):
    """Events that are added, and one that leaves the list, move no other."""
    indexes = {"i": LiveIndex(events), "d": NoIndex()}
    before = whole_order(events, indexes["i"])

    def edit():
        make_event(events, title="Jazz", tags=["jazz"])
        events.events.update_one({"eventId": 19}, {"$inc": {"rev": 1}})
        indexes["i"].reset()

    rows = walk(events, [indexes[name] for name in pattern * 2], between=edit)
    assert len(rows) == len(set(rows))
    assert set(before) <= set(rows)


def test_a_corrected_walk_goes_on_when_the_misspelled_word_appears(events):
    index = LiveIndex(events)
    order = whole_order(events, index, "harboor")
    ids, cursor = find_page(events, {"search": "harboor", "limit": "1"}, index)
    assert paging.decode_cursor(cursor)["corrected"] == "harbour"
    make_event(events, title="Harboor")
    index.reset()
    rest, _ = find_page(events, {"cursor": cursor, "limit": "100"}, index)
    assert ids + rest == order


def test_a_change_of_the_limit_keeps_the_order(events):
    index, database = LiveIndex(events), NoIndex()
    order = whole_order(events, index)
    ids, cursor = find_page(events, {"search": "jazz", "limit": "3"}, index)
    ids, cursor = find_page(events, {"cursor": cursor, "limit": "7"}, index)
    ids, cursor = find_page(events, {"cursor": cursor, "limit": "5"}, database)
    assert ids == order[10:15]
    ids, cursor = find_page(events, {"cursor": cursor, "limit": "5"}, index)
    assert ids == order[15:]
    assert cursor is None


def test_a_walk_from_a_numbered_page_goes_on(events):
    index, database = LiveIndex(events), NoIndex()
    query = {"search": "jazz", "limit": str(LIMIT), "page": "3"}
    _, cursor = find_page(events, query, index)
    ids, _ = find_page(events, {"cursor": cursor, "limit": str(LIMIT)}, database)
    assert ids == whole_order(events, database)[3 * LIMIT : 4 * LIMIT]


@pytest.mark.parametrize(
    "changes",
    [
        {"scoring": 1},
        {"scoring": None},
        {"scoring": None, "scorer": "index", "rank": 4},
        {"scoring": None, "scorer": "database", "rank": 4, "value": 1.5},
        {"value": 1.5},
        {"value": "x"},
        {"corrected": 1},
        {"corrected": "x" * 1001},
    ],
)
def test_a_cursor_with_other_scores_is_refused(events, changes):
    """Also those of versions before, which had two incomparable scores."""
    _, cursor = find_page(events, {"search": "jazz", "limit": "4"}, LiveIndex(events))
    forged = paging.encode_cursor({**paging.decode_cursor(cursor), **changes})
    with pytest.raises(ValidationFailed, match="Invalid cursor"):
        EventQuery().load({"cursor": forged})


def test_cursors_of_other_orders_have_no_scoring(events):
    query = {"search": "jazz", "sortBy": "title", "limit": "4"}
    _, cursor = find_page(events, query, LiveIndex(events))
    assert paging.decode_cursor(cursor).keys() == {"value", "id", "counted", "page", "query"}


def ask(client, **query):
    answer = client.get("/api/events", query_string={"limit": LIMIT, **query}).json
    return [event["eventId"] for event in answer["events"]], answer["nextCursor"]


def test_a_walk_crosses_a_restart_and_the_building_of_the_index(client, app, events, monkeypatch):
    """Page 1 is answered by the index, page 2 while it is built anew, page 3 when it is there."""
    cache, may_build = EVENT_CACHE.get(app), threading.Event()
    order = whole_order(events, LiveIndex(events))
    rows, cursor = ask(client, search="jazz")
    monkeypatch.setattr(live_index, "MAX_BUILT_INLINE", 2)
    read = cache.index._read_listed

    def read_later():
        assert may_build.wait(10)
        yield from read()

    monkeypatch.setattr(cache.index, "_read_listed", read_later)
    cache.reset()
    second, cursor = ask(client, cursor=cursor)
    may_build.set()
    cache.index._builder.join(10)
    third, cursor = ask(client, cursor=cursor)
    fourth, cursor = ask(client, cursor=cursor)
    assert rows + second + third + fourth == order[: 4 * LIMIT]


def test_a_walk_crosses_two_processes_on_one_database(events, monkeypatch):
    """One process has an index, the other one has too many events for it."""
    indexed, unindexed = EventCache(events), EventCache(events)
    assert indexed.index.count(utc_now().date()) == 19
    monkeypatch.setattr(live_index, "MAX_INDEXED", 2)
    assert unindexed.index.count(utc_now().date()) is None
    monkeypatch.undo()
    indexes = [(indexed, unindexed)[number % 2].index for number in range(PAGES)]
    assert walk(events, indexes) == whole_order(events, NoIndex())
