"""Search by the in-memory index: it answers as the database does, and never with older events."""

import threading

import pytest

from eventapp.core.access.actor import Actor
from eventapp.core.clock import utc_now
from eventapp.events import editing
from eventapp.events.cache.event_cache import EVENT_CACHE
from eventapp.events.changes import NO_EVENT_CACHE
from eventapp.events.index import live_index
from tests.factories import day, event_body, make_event
from tests.http.test_events_cache import renamed, within_a_second

ADMIN = Actor(role="admin")


def found(client, query):
    return [event["eventId"] for event in client.get(f"/api/events?{query}").json["events"]]


@pytest.fixture
def events(db, organizer):
    """Make an event for each field that can contain the word jazz, the best match last."""
    texts = [
        {"description": "An evening of jazz and more than that, with a long text about it all."},
        {"tags": ["jazz"]},
        {"title": "Jazz"},
        {"title": "Rock"},
    ]
    owner = organizer["id"]
    return [make_event(db, organizer_id=owner, **{"title": "Sample", **text}) for text in texts]


def test_a_title_weighs_more_than_a_tag_and_that_more_than_a_description(client, events):
    assert found(client, "search=jazz") == [3, 2, 1]


def test_events_need_any_of_the_words_and_no_excluded_word(client, events):
    assert set(found(client, "search=jazz rock")) == {1, 2, 3, 4}
    assert found(client, "search=jazz -evening") == [3, 2]


@pytest.mark.parametrize("query", ["JAZZ", "jázz", "jazzes"])
def test_case_accents_and_endings_do_not_matter(client, events, query):
    assert found(client, f"search={query}") == [3, 2, 1]


def test_filters_narrow_what_the_words_find(client, db, events):
    make_event(db, title="Jazz", category="movie")
    assert found(client, "search=jazz&category=movie") == [5]
    assert found(client, f"search=jazz&dateFrom={day(31)}") == []


def test_edits_by_this_process_are_found_at_once(client, organizer, events):
    assert found(client, "search=sunrise") == []
    body = event_body(title="Sunrise")
    client.put("/api/events/4", json=body, headers=organizer["headers"])
    assert found(client, "search=sunrise") == [4]
    assert found(client, "search=rock") == []
    made = client.post("/api/events", json=body, headers=organizer["headers"]).json["eventId"]
    assert found(client, "search=sunrise") == [4, made]
    client.delete("/api/events/4", headers=organizer["headers"])
    assert found(client, "search=sunrise") == [made]


def test_edits_by_another_process_are_found_within_a_second(client, db, events):
    assert found(client, "search=sunrise") == []
    editing.edit_event(
        db,
        4,
        renamed("Sunrise"),
        event_changes=NO_EVENT_CACHE,
        actor=ADMIN,
        now=utc_now(),
        image_base_url="",
    )
    within_a_second(lambda: found(client, "search=sunrise") == [4])


def test_pages_and_cursors_walk_all_matches_once(client, db, events):
    for number in range(30):
        make_event(db, title=f"Jazz {number}")
    first = client.get("/api/events?search=jazz&limit=7").json
    assert (first["total"], first["pages"]) == (33, 5)
    walked, cursor = first["events"], first["nextCursor"]
    while cursor:
        answer = client.get(f"/api/events?limit=7&cursor={cursor}").json
        walked, cursor = walked + answer["events"], answer["nextCursor"]
    ids = [event["eventId"] for event in walked]
    assert len(ids) == len(set(ids)) == 33
    pages = [found(client, f"search=jazz&limit=7&page={page}") for page in range(1, 6)]
    assert sum(pages, []) == ids
    assert found(client, "search=jazz&limit=7&page=6") == []


def test_an_organizer_finds_the_same_events(client, organizer, events):
    answer = client.get("/api/events?search=jazz", headers=organizer["headers"]).json
    assert [event["eventId"] for event in answer["events"]] == [3, 2, 1]
    assert "soldTickets" in answer["events"][0]["ticketTypes"][0]


def test_with_too_many_events_the_database_answers(client, app, events, monkeypatch):
    monkeypatch.setattr(live_index, "MAX_INDEXED", 2)
    EVENT_CACHE.get(app).reset()
    assert set(found(client, "search=jazz")) == {1, 2, 3}
    assert EVENT_CACHE.get(app).index._index is None


def test_a_big_index_is_built_in_the_background(client, app, events, monkeypatch):
    monkeypatch.setattr(live_index, "MAX_BUILT_INLINE", 2)
    index, go_on = EVENT_CACHE.get(app).index, threading.Event()
    read = index._read_listed

    def events_later():
        assert go_on.wait(10)
        yield from read()

    monkeypatch.setattr(index, "_read_listed", events_later)
    index.reset()
    assert set(found(client, "search=jazz")) == {1, 2, 3}  # answered by the database meanwhile
    assert index._index is None
    go_on.set()
    index._builder.join(10)
    assert index._index
    EVENT_CACHE.get(app).event_changed(0)  # so that no list is cached
    assert found(client, "search=jazz") == [3, 2, 1]


def test_an_index_built_before_a_reset_is_not_used(client, app, events, monkeypatch):
    monkeypatch.setattr(live_index, "MAX_BUILT_INLINE", 2)
    index, go_on = EVENT_CACHE.get(app).index, threading.Event()
    index.reset()
    monkeypatch.setattr(index, "_read_listed", lambda: iter(() if go_on.wait(10) else ()))
    found(client, "search=jazz")
    index.reset()
    go_on.set()
    index._builder.join(10)
    assert index._index is None
