"""Text search of the embedded store: that of a server's index of the language "none"."""

import time
from collections.abc import Iterator
from typing import Any

import pytest
from pymongo.errors import OperationFailure

from eventapp.core.embedded.client import open_embedded

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
            default_language="none",
            name="search",
        )
        yield events


def search_ids(events: Any, search: str) -> list[int]:
    return [one["_id"] for one in events.find({"$text": {"$search": search}}).sort("_id")]


@pytest.mark.parametrize(
    ("search", "ids"),
    [
        ("jazz", [1, 2]),
        ("JAZZ", [1, 2]),
        ("run", [2]),
        ("cafe", [3]),
        ("CAFÉ", [3]),
        ("cafés", []),
        ("of and", [1, 3]),
        ("wine club", [1, 2, 3]),
        ("climb", []),
        ("unknown jazz", [1, 2]),
        ("fun", [2]),
        ("", []),
    ],
)
def test_a_search_finds_the_documents_that_a_server_finds(
    events: Any, search: str, ids: list[int]
) -> None:
    assert search_ids(events, search) == ids
    assert events.count_documents({"$text": {"$search": search}}) == len(ids)


@pytest.mark.parametrize("search", ['"jazz night"', "jazz -night", "-jazz"])
def test_phrases_and_excluded_words_are_refused(events: Any, search: str) -> None:
    with pytest.raises(OperationFailure, match="no phrases"):
        search_ids(events, search)


def test_text_combines_with_other_conditions(events: Any) -> None:
    text = {"$text": {"$search": "jazz wine"}}
    assert events.find_one({**text, "tags": "wine"})["_id"] == 3
    assert events.count_documents({"$and": [text, {"_id": {"$lt": 3}}]}) == 2
    assert events.find_one({"_id": 2, **text}, {"title": 1}) == {"_id": 2, "title": "Running club"}
    assert list(events.aggregate([{"$match": text}, {"$count": "n"}])) == [{"n": 3}]
    assert events.find_one({"_id": 4, **text}) is None


def test_a_search_sees_earlier_writes(events: Any) -> None:
    events.update_one({"_id": 4}, {"$set": {"title": "Jazz on the rocks"}})
    assert search_ids(events, "jazz") == [1, 2, 4]
    assert search_ids(events, "climbing") == []
    events.delete_one({"_id": 1})
    events.insert_one({"_id": 9, "tags": ["Jazz"]})
    assert search_ids(events, "jazz") == [2, 4, 9]


def test_text_without_an_index_and_unsupported_indexes_are_refused(events: Any) -> None:
    with pytest.raises(OperationFailure, match="text index required"):
        events.database["other"].find_one({"$text": {"$search": "x"}})
    with pytest.raises(OperationFailure, match="only one"):
        events.create_index([("other", "text")], default_language="none")
    with pytest.raises(OperationFailure, match="default_language"):
        events.database["other"].create_index([("other", "text")])
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
