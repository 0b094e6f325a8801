"""Text search of the embedded store, with the results and scores of MongoDB."""

import time
from collections.abc import Iterator
from typing import Any

import pytest
from pymongo.errors import OperationFailure

from eventapp.core.embedded import open_embedded

SCORE = {"$meta": "textScore"}
EVENTS: list[dict[str, Any]] = [
    {"_id": 1, "title": "Jazz night", "description": "A night of running jazz music and wine"},
    {"_id": 2, "title": "Running club", "description": "We run. Jazz afterwards.", "tags": ["fun"]},
    {
        "_id": 3,
        "title": "Café des artistes",
        "description": "Wine and art",
        "tags": ["wine", "art"],
    },
    {
        "_id": 4,
        "title": "Rock-climbing day",
        "description": "don't fall, women's group",
        "tags": [],
    },
    {"_id": 5, "title": None, "description": 7},
]


@pytest.fixture
def events() -> Iterator[Any]:
    with open_embedded(None) as client:
        events = client["app"]["events"]
        events.insert_many(EVENTS)
        events.create_index(
            [("title", "text"), ("description", "text"), ("tags", "text")],
            weights={"title": 10, "tags": 5},
            name="search",
        )
        yield events


def search_ids(events: Any, search: str) -> list[int]:
    order = [("score", SCORE), ("_id", 1)]
    spec = {"$text": {"$search": search}}
    return [one["_id"] for one in events.find(spec, {"score": SCORE}).sort(order)]


@pytest.mark.parametrize(
    ("search", "ids"),
    [
        ("jazz", [1, 2]),
        ("JAZZ", [1, 2]),
        ("runs", [2, 1]),
        ("cafe", [3]),
        ("CAFÉS", [3]),
        ("the and of", []),
        ("jazz -running", []),
        ("jazz -club", [1]),
        ('"jazz night"', [1]),
        ('"running jazz" wine', [1]),
        ('"night jazz"', []),
        ('jazz -"jazz night"', [2]),
        ("-jazz", []),
        ("- jazz", [1, 2]),
        ("cafe wine", [3, 1]),
        ("climbing", [4]),
        ("rock-climber", [4]),
        ("women", [4]),
        ("don't", []),
        ("unknown jazz", [1, 2]),
        ("fun", [2]),
        ("", []),
        ('"unfinished jazz', [1, 2]),
    ],
)
def test_a_search_finds_the_documents_that_a_server_finds(
    events: Any, search: str, ids: list[int]
) -> None:
    assert search_ids(events, search) == ids
    assert events.count_documents({"$text": {"$search": search}}) == len(ids)


def test_scores_are_those_of_a_server(events: Any) -> None:
    spec = {"$text": {"$search": "wine"}}
    scores = {one["_id"]: one["score"] for one in events.find(spec, {"score": SCORE})}
    # One of two terms in the description, and all of a tag, which adds a tenth, times 5.
    assert scores[3] == pytest.approx(0.75 + 5 * 1.1)
    # One of five terms: night, running, jazz, music, wine.
    assert scores[1] == pytest.approx(0.5 + 0.5 / 5)


def test_text_combines_with_other_conditions(events: Any) -> None:
    text = {"$text": {"$search": "jazz wine"}}
    assert events.find_one({**text, "tags": "wine"})["_id"] == 3
    assert events.count_documents({"$and": [text, {"_id": {"$lt": 3}}]}) == 2
    assert events.find_one({"_id": 2, **text}, {"title": 1, "score": SCORE}).keys() == {
        "_id",
        "title",
        "score",
    }
    assert events.find_one({"_id": 4, **text}) is None


def test_projecting_only_the_score_keeps_all_fields_and_changes_no_stored_document(
    events: Any,
) -> None:
    answer = events.find_one({"$text": {"$search": "cafe"}}, {"score": SCORE})
    assert answer.pop("score") > 0
    assert answer == EVENTS[2]
    assert events.find_one({"_id": 3}) == EVENTS[2]


def test_a_pipeline_can_sort_by_and_project_the_score(events: Any) -> None:
    text = {"$match": {"$text": {"$search": "jazz"}, "_id": {"$gt": 0}}}
    by_score = {"$sort": {"score": SCORE, "_id": 1}}
    score = {"$addFields": {"score": SCORE}}
    assert [one["_id"] for one in events.aggregate([text, by_score])] == [1, 2]
    scored = list(events.aggregate([text, score, {"$sort": {"score": 1}}]))
    assert [one["_id"] for one in scored] == [2, 1]
    assert scored[0] == {**EVENTS[1], "score": pytest.approx(0.5 + 0.5 / 3)}
    pages = {"$facet": {"page": [by_score, {"$limit": 1}], "total": [{"$count": "n"}]}}
    (facets,) = events.aggregate([text, pages])
    assert facets == {"page": [EVENTS[0]], "total": [{"n": 2}]}
    projected = list(events.aggregate([text, {"$project": {"title": 1, "s": SCORE}}, by_score]))
    assert [one.keys() for one in projected] == [{"_id", "title", "s"}] * 2


def test_a_search_sees_earlier_writes(events: Any) -> None:
    events.update_one({"_id": 4}, {"$set": {"title": "Jazz on the rocks"}})
    assert sorted(search_ids(events, "jazz")) == [1, 2, 4]
    assert search_ids(events, "climbing") == []
    events.delete_one({"_id": 1})
    events.insert_one({"_id": 9, "tags": ["Jazz"]})
    assert sorted(search_ids(events, "jazz")) == [2, 4, 9]


def test_text_without_an_index_and_a_score_without_text_are_refused(events: Any) -> None:
    with pytest.raises(OperationFailure, match="text index required"):
        events.database["other"].find_one({"$text": {"$search": "x"}})
    with pytest.raises(OperationFailure):
        list(events.find({}).sort([("score", SCORE)]))
    with pytest.raises(OperationFailure):
        events.create_index([("other", "text")])
    assert events.index_information()["search"]["weights"] == {
        "title": 10,
        "description": 1,
        "tags": 5,
    }


def test_a_search_over_ten_thousand_documents_takes_under_a_tenth_of_a_second(events: Any) -> None:
    words = ["music", "theatre", "cooking", "startup", "beach", "comedy", "light", "rock", "wine"]
    events.insert_many(
        {"_id": 100 + n, "title": f"{words[n % 9]} {n}", "description": " ".join(words[n % 7 :])}
        for n in range(10_000)
    )
    search_ids(events, "nothing")
    events.update_one({"_id": 100}, {"$set": {"title": "a zebra"}})
    started = time.perf_counter()
    assert search_ids(events, "zebra") == [100]
    assert time.perf_counter() - started < 0.1
