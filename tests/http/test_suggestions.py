"""Suggestions are texts of public upcoming events, best first, whoever answers them."""

import random
from datetime import timedelta

import pytest

from eventapp.core.clock import utc_now
from eventapp.core.textsearch import fold_text
from eventapp.events import service, store, timekeeping
from eventapp.events.cache.event_cache import EVENT_CACHE
from eventapp.events.index.live_index import LiveIndex
from eventapp.events.index.suggestions import split_words
from scripts.synthetic_events import generate_bodies
from tests.factories import day, event_body, make_event

EMPTY = {"titles": [], "locations": [], "organizers": [], "categories": [], "tags": []}
PLAIN = {"title": "Plain", "organizer": "Plain", "tags": [], "category": "other"}


@pytest.fixture(params=["index", "database"])
def answered_by(request, monkeypatch):
    """Let the index answer, or the database as while the index is being built."""
    if request.param == "database":
        monkeypatch.setattr(LiveIndex, "suggest", lambda *_: None)
    return request.param


def suggest(client, typed):
    answer = client.get("/api/events/suggest", query_string={"q": typed})
    assert answer.status_code == 200, answer.json
    return answer.json


def titles(client, typed):
    return [each["title"] for each in suggest(client, typed)["titles"]]


def make_plain(db, **texts):
    return make_event(db, **{**PLAIN, **texts})["eventId"]


@pytest.mark.usefixtures("answered_by")
def test_each_kind_of_text_is_suggested(client, db):
    texts = {"title": "Jazz at Noon", "organizer": "Jazzmen", "tags": ["jazzy", "x"]}
    place = {"date": day(30), "location": "Jazz Club, Volos"}
    event_id = make_plain(db, **texts, category="concert", schedule=[place])
    assert suggest(client, "jaz") == {
        "titles": [{"eventId": event_id, "title": "Jazz at Noon"}],
        "locations": ["Jazz Club, Volos"],
        "organizers": ["Jazzmen"],
        "categories": [],
        "tags": ["jazzy"],
    }
    assert suggest(client, "CON") == {**EMPTY, "categories": ["concert"]}
    assert suggest(client, "volo")["locations"] == ["Jazz Club, Volos"]
    assert suggest(client, "azz") == EMPTY


@pytest.mark.usefixtures("answered_by")
@pytest.mark.parametrize(
    ("title", "typed"),
    [
        ("The Who Live", "the wh"),
        ("The Who Live", "who li"),
        ("Rock'n'Roll", "rock n r"),
        ("Große Straße", "STRASS"),
        ("Café Noir", "cafe"),
        ("Cafe Noir", "cafe\u0301"),
        ("Ρεμπέτικη Βραδιά", "ΡΕΜΠΈΤ"),
        ("Jazz (live)", "  live  "),
    ],
)
def test_words_are_found_by_their_beginnings(client, db, title, typed):
    make_plain(db, title=title)
    assert titles(client, typed) == [title]


@pytest.mark.usefixtures("answered_by")
@pytest.mark.parametrize("typed", ["who the", "the li", "wh ho", "++", ".*", "\u0301\u0301"])
def test_other_texts_are_not_found(client, db, typed):
    make_plain(db, title="The Who Live ++")
    assert suggest(client, typed) == EMPTY


@pytest.mark.usefixtures("answered_by")
def test_the_best_come_first(client, db):
    for title in ("A Rock", "Rock A", "Rock B", "rock b", "A Rock", "A rock", "B Rock"):
        make_plain(db, title=title, organizer=title)
    found = suggest(client, "ro")
    assert found["titles"] == [
        {"eventId": 3, "title": "Rock B"},
        {"eventId": 2, "title": "Rock A"},
        {"eventId": 1, "title": "A Rock"},
        {"eventId": 7, "title": "B Rock"},
    ]
    assert found["organizers"] == ["Rock B", "Rock A", "A Rock", "B Rock"]


@pytest.mark.usefixtures("answered_by")
def test_at_most_five_of_each_kind(client, db):
    for number in range(8):
        make_plain(db, title=f"Opera {9 - number}", tags=[f"opera {9 - number}"])
    found = suggest(client, "opera")
    assert [each["eventId"] for each in found["titles"]] == [1, 2, 3, 4, 5]
    assert found["tags"] == [f"opera {number}" for number in range(2, 7)]


@pytest.mark.usefixtures("answered_by")
def test_only_public_upcoming_events_are_suggested_from(client, db):
    secret = [{"type": "A", "price": 1, "availableTickets": 1, "visibility": "secret"}]
    past = [{"date": day(-3), "location": "Rock Hall"}]
    make_event(db, title="Rock 1", status="draft", organizer="Rock", tags=["rock"])
    make_event(db, title="Rock 2", status="cancelled", organizer="Rock", tags=["rock"])
    make_event(db, title="Rock 3", schedule=past, organizer="Rock", tags=["rock"])
    make_event(db, title="Rock 4", ticketTypes=secret, organizer="Rock", tags=["rock"])
    assert suggest(client, "rock") == EMPTY


@pytest.mark.usefixtures("answered_by")
def test_a_suggestion_ends_with_the_last_event_that_has_it(client, organizer):
    headers = organizer["headers"]
    first, second = (
        client.post("/api/events", json=event_body(title=title, tags=[title]), headers=headers)
        for title in ("Polka", "POLKA")
    )
    assert suggest(client, "polk")["titles"] == [{"eventId": 1, "title": "Polka"}]
    assert suggest(client, "polk")["tags"] == ["POLKA"]  # As frequent, first by code points.
    assert client.delete("/api/events/1", headers=headers).status_code == 200
    assert suggest(client, "polk")["titles"] == [{"eventId": 2, "title": "POLKA"}]
    body = {**second.json, "title": "Waltz", "tags": ["waltz"]}
    assert client.put("/api/events/2", json=body, headers=headers).status_code == 200
    assert suggest(client, "polk") == EMPTY
    assert suggest(client, "walt")["titles"] == [{"eventId": 2, "title": "Waltz"}]
    draft = {**body, "status": "draft"}
    assert client.put("/api/events/2", json=draft, headers=headers).status_code == 200
    assert suggest(client, "walt") == EMPTY
    assert client.post("/api/events/2/publish", headers=headers).status_code == 200
    assert suggest(client, "walt")["tags"] == ["waltz"]
    assert first.status_code == 201


def test_a_title_that_the_index_still_has_is_not_shown_of_a_draft(client, db):
    make_plain(db, title="Polka")
    assert titles(client, "polk") == ["Polka"]
    db.events.update_one({"eventId": 1}, {"$set": {"listed": False}})
    assert titles(client, "polk") == []


def test_a_new_day_ends_suggestions_of_events_that_are_over(client, app, db):
    make_plain(db, title="Polka", schedule=[{"date": day(1), "location": "Hall"}])
    index = EVENT_CACHE.get(app).index
    today = utc_now().date()
    assert index.suggest(["polka"], today).event_ids == [1]
    assert index.suggest(["polka"], today + timedelta(days=2)).event_ids == []


@pytest.mark.parametrize("typed", ["", "a", " a ", "x" * 41, "a\x00b", None])
def test_what_is_too_short_or_too_long_is_refused(client, typed):
    query = {} if typed is None else {"q": typed}
    answer = client.get("/api/events/suggest", query_string=query)
    assert answer.status_code == 400
    assert list(answer.json["errors"]) == ["q"]


def test_spaces_do_not_count(client, db):
    make_plain(db, title="x" * 40)
    assert titles(client, f"   {'x' * 40}   ") == ["x" * 40]


def test_an_unchanged_answer_is_not_sent_again(client, db):
    make_plain(db, title="Polka")
    answer = client.get("/api/events/suggest?q=polka")
    assert "s-maxage" in answer.headers["Cache-Control"]
    again = client.get(
        "/api/events/suggest?q=polka", headers={"If-None-Match": answer.headers["ETag"]}
    )
    assert (again.status_code, again.data) == (304, b"")


def suggest_plainly(events, typed):
    """Return the titles and tags that match `typed`, as a plain walk over all events finds them."""
    phrase = " ".join(split_words(typed))

    def rank(pairs):
        counts = {}
        for text, event_id in pairs:
            key = fold_text(text)
            count, lowest = counts.get(key, (0, event_id))
            counts[key] = (count + 1, min(lowest, event_id))
        found = []
        for key, (count, lowest) in counts.items():
            text = " ".join(split_words(key))
            if f" {phrase}" in f" {text}":
                found.append((not text.startswith(phrase), -count, lowest, key))
        return found

    title_ranks = sorted(rank([(event["title"], event["eventId"]) for event in events]))
    tag_ranks = rank([(tag, event["eventId"]) for event in events for tag in event["tags"]])
    tags = sorted(tag_ranks, key=lambda each: (*each[:2], each[3]))
    return [each[2] for each in title_ranks[:5]], [each[3] for each in tags[:5]]


def test_suggestions_follow_random_edits(db):
    rng, today = random.Random(5), utc_now().date()
    made = [
        service.make_new_event(body, organizer_id=None, now=utc_now()) | {"eventId": number}
        for number, body in enumerate(generate_bodies(80, seed=3, today=today), 1)
    ]
    for event in made:  # Few different words, so that texts are shared.
        words = event["title"].split()
        event["title"] = " ".join([words[0][:3], words[-1]])
        event["tags"] = [tag[:3] for tag in event["tags"]]
    store.insert_many(db, made)
    timekeeping.prepare(db, utc_now())
    index = LiveIndex(db)
    for _ in range(60):
        event_id, other = rng.sample(range(1, 81), 2)
        texts = db.events.find_one({"eventId": other}, {"title": 1, "tags": 1, "_id": 0})
        change = rng.choice([texts, {"listed": False}, {"listed": True}])
        db.events.update_one({"eventId": event_id}, {"$set": change})
        index.mark_stale(event_id)
        listed = list(db.events.find({"listed": True}))
        typed = rng.choice(listed)["title"][: rng.randint(2, 6)]
        found = index.suggest(split_words(typed), today)
        tags = [fold_text(tag) for tag in found.tags]
        assert (found.event_ids, tags) == suggest_plainly(listed, typed), typed
