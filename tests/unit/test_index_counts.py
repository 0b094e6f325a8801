"""The index counts the values of facets as a plain loop over all events does.

The lists of rows of frequent values are bitmaps, and those of rare ones are numbers. After edits a
list is both. Counts above COUNT_LIMIT need not be exact.
"""

import random
from collections import Counter

import pytest

from eventapp.core.textsearch import fold_text, parse_search
from eventapp.events.entry_filters import require_upcoming
from eventapp.events.filters import make_filters
from eventapp.events.index import entry_table, text_table
from eventapp.events.index.event_index import EventIndex
from eventapp.events.index.facet_texts import get_city
from eventapp.events.relevance import score_texts
from tests.unit.test_event_index import DAYS, WORDS, event_of, make_entry, matches_query, midnight

CATEGORIES = ["concert", "movie", "sport"]
CITIES = ["Rome", "Volos", "Oslo", "Bern", "Graz", "Romeo"]
PLACES = [f"{venue}, {city}" for city in CITIES for venue in ("Arena", "Hall", "Club", "Barn")]
TAGS = [f"Tag {number}" for number in range(30)]
# The n-th value is 1/n as frequent as the first.
WEIGHTS = [1 / number for number in range(1, 31)]
PRICES = [number * 2.5 for number in range(30)]
CHOICES = {
    "category": [{"category": name} for name in CATEGORIES],
    "city": [{"city": name} for name in [*CITIES, "arena", "o", "nowhere"]],
    "tags": [{"tags": [tag]} for tag in [*TAGS, "none"]],
    "month": [{"dateFrom": a, "dateTo": b} for a in DAYS[::2] for b in DAYS],
    "price": [{"minPrice": a, "maxPrice": b} for a in PRICES[::9] for b in PRICES[4::9]],
}
COMMON = [
    {},
    {"category": "movie"},
    {"city": "rome"},
    {"city": "a"},
    {"dateFrom": DAYS[2]},
    {"dateFrom": DAYS[1], "dateTo": DAYS[1]},
    {"tags": ["Tag 2"], "maxPrice": 30},
    {"minPrice": 5, "maxPrice": 30},
]


def draw_event(rng, event_id):
    days = rng.choices(DAYS, k=rng.choice((1, 1, 2, 4)))
    places = rng.choices(PLACES, WEIGHTS[: len(PLACES)], k=rng.choice((1, 1, 2)))
    schedule = [make_entry(day, rng.choice(places)) for day in days]
    for entry in schedule:
        entry["locationKey"] = fold_text(entry["location"])
    tags = list(dict.fromkeys(rng.choices(TAGS, WEIGHTS, k=3)))
    return event_of(
        event_id,
        listed=rng.random() < 0.9,
        title=rng.choice(WORDS[:3]),
        description=rng.choice(WORDS),
        tags=[rng.choice((tag, tag.upper())) for tag in tags],
        tagKeys=[fold_text(tag) for tag in tags],
        category=rng.choices(CATEGORIES, (20, 5, 1))[0],
        schedule=schedule,
        lastDate=midnight(max(days)),
        ticketTypes=[
            {"price": price, "availableTickets": rng.randrange(2)}
            for price in rng.choices(PRICES, WEIGHTS, k=rng.choice((1, 2)))
        ],
    )


def change(index, stored, rng, next_id):
    """Add, replace and remove events, in the index and among the stored ones."""
    for event_id in [*rng.sample(sorted(stored), 25), *range(next_id, next_id + 25)]:
        stored[event_id] = draw_event(rng, event_id)
        index.add(stored[event_id])
    for event_id in rng.sample(sorted(stored), 20):
        index.remove(event_id)
        del stored[event_id]
    index.remove_past(DAYS[1])
    for event_id, event in list(stored.items()):
        if event["lastDate"].date() < DAYS[1]:
            del stored[event_id]


def fold_tags(query):
    """Return the query as a stored event is compared, whose tags are folded."""
    return {**query, "tags": [fold_text(tag) for tag in query.get("tags", ())]}


def has_words(event, words):
    return not words or score_texts(event["searchTexts"], words) > 0


def get_texts(event, facet):
    schedule = event["schedule"]
    if facet == "city":
        return {fold_text(get_city(entry["location"])) for entry in schedule}
    if facet == "month":
        return {entry["date"].strftime("%Y-%m") for entry in schedule}
    return set(event["tagKeys"])


def assert_counts(index, stored, limit):
    for common in COMMON:
        for search in ("", "jazz", "opera"):
            words = parse_search(search) if search else None
            found = [event for event in stored.values() if has_words(event, words)]
            for choices in CHOICES.values():
                different = [each for each in choices if not each.keys() & common.keys()]
                if different:
                    assert_each(index, common, different, words, found, limit)
            listed = [event for event in found if matches_query(fold_tags(common), event)]
            assert_texts(index, index.find(make_filters(common), words), listed, limit)


def assert_each(index, common, choices, words, found, limit):
    filters = require_upcoming(make_filters({**common, **choices[0]}), DAYS[1])
    upcoming = filters[len(make_filters({**common, **choices[0]})) :]
    made = [make_filters(choice)[0] for choice in choices]
    counts = index.count_each([*make_filters(common), *upcoming], made, words)
    for choice, count in zip(choices, counts, strict=True):
        query = fold_tags({**common, **choice})
        if upcoming:
            query["dateFrom"] = max(query.get("dateFrom", DAYS[1]), DAYS[1])
        expected = sum(bool(matches_query(query, event)) for event in found)
        assert count == expected if expected <= limit else count > limit, (common, choice)


def assert_texts(index, matches, listed, limit):
    for facet in ("city", "month", "tags"):
        counts = Counter(text for event in listed for text in get_texts(event, facet))
        expected = sorted((-min(count, limit), text) for text, count in counts.items())[:9]
        found = index.find_frequent_texts(facet, matches, 9)
        assert [(-min(each.events, limit), each.key) for each in found] == expected, facet
        assert all(each.events == counts[each.key] for each in found), facet


@pytest.mark.parametrize("limit", [10_000, 40, 3])
def test_the_index_counts_as_a_loop_over_all_events_does(monkeypatch, limit):
    for module in (entry_table, text_table):
        monkeypatch.setattr(module, "COUNT_LIMIT", limit)
    monkeypatch.setattr(entry_table, "COUNTED_AT_ONCE", limit)
    rng = random.Random(limit)
    events = [draw_event(rng, event_id) for event_id in range(1, 201)]
    stored = {event["eventId"]: event for event in events}
    index = EventIndex(events)
    assert_counts(index, stored, limit)
    for next_id in (501, 601):
        change(index, stored, rng, next_id)
        assert_counts(index, stored, limit)
    assert_counts(EventIndex(stored.values()), stored, limit)


def test_a_search_is_scored_once_until_an_event_is_added(monkeypatch):
    index, words, calls = EventIndex([event_of(1)]), parse_search("jazz"), []
    find = index._vocabulary.find
    monkeypatch.setattr(index._vocabulary, "find", lambda *args: calls.append(1) or find(*args))
    for _again in range(2):
        assert index.find((), words).count == 1
    assert index.count_each((), make_filters({"category": "concert"}), words) == [1]
    assert len(calls) == 1
    index.add(event_of(2))
    assert index.find((), words).count == 2
    assert index.find((), parse_search("opera")).count == 0
    assert len(calls) == 3
