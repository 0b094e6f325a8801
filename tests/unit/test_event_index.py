"""The in-memory index finds, ranks and counts as a plain loop over all events does."""

from datetime import UTC, date, datetime, timedelta

import pytest
from bson import ObjectId
from hypothesis import given
from hypothesis import strategies as st

from eventapp.core.textsearch import parse_search
from eventapp.events.filters import make_filters
from eventapp.events.index.event_index import EventIndex
from eventapp.events.relevance import make_search_texts, score_texts
from eventapp.events.rules import get_list_state

WORDS = ["jazz", "night", "harbour", "opera", "loud"]
DAYS = [date(2030, 1, day) for day in range(1, 6)]
ORGANIZERS = [ObjectId(), ObjectId()]
PLACES = ["arena, rome", "opera, rome", "arena, volos"]
texts = st.lists(st.sampled_from(WORDS), max_size=4).map(" ".join)
prices = st.sampled_from([0, 5, 12.5, 40])
NOW = datetime(2030, 1, 1, 12, tzinfo=UTC)
moments = st.sampled_from([NOW - timedelta(hours=1), NOW, NOW + timedelta(seconds=1)])


def event_of(event_id=1, *, title="jazz", description="", tags=(), **changes):
    schedule = changes.pop("schedule", [make_entry(DAYS[0], PLACES[0])])
    texts = {"title": title, "description": description, "tags": tags, "organizer": "Loud Nights"}
    return {
        "eventId": event_id,
        "terms": 0,
        "listed": True,
        "title": title,
        "tags": tags,
        "searchTexts": make_search_texts({**texts, "schedule": schedule})["searchTexts"],
        "tagKeys": [],
        "category": "concert",
        "organizer": texts["organizer"],
        "organizerId": None,
        "schedule": schedule,
        "lastDate": midnight(DAYS[0]),
        "ticketTypes": [{"price": 5, "availableTickets": 1}],
        **changes,
    }


def make_entry(day, place):
    return {"date": midnight(day), "location": place, "locationKey": place}


def midnight(day):
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


@st.composite
def events(draw):
    """An event of one of few ids, so that some come again as others."""
    entries = st.tuples(st.sampled_from(DAYS), st.sampled_from(PLACES))
    schedule = draw(st.lists(entries, min_size=1, max_size=3))
    tags = draw(st.lists(st.sampled_from(WORDS), max_size=2))
    ticket_types = st.fixed_dictionaries(
        {"price": prices, "availableTickets": st.integers(0, 1), "waiting": st.integers(0, 1)},
        optional={
            "salesFrom": moments,
            "salesUntil": moments,
            "visibility": st.sampled_from(["hidden", "secret"]),
        },
    )
    return event_of(
        draw(st.integers(1, 12)),
        terms=draw(st.integers(0, 3)),
        listed=draw(st.booleans()),
        title=draw(texts),
        description=draw(texts),
        tags=tags,
        tagKeys=tags,
        category=draw(st.sampled_from(["concert", "movie"])),
        organizerId=draw(st.sampled_from([None, *ORGANIZERS])),
        schedule=[make_entry(*each) for each in schedule],
        lastDate=midnight(max(day for day, _place in schedule)),
        ticketTypes=draw(st.lists(ticket_types, min_size=1, max_size=3)),
    )


searches = st.lists(
    st.sampled_from([*WORDS, "-jazz", "-opera", "unheard", "ja", "nights", "op", "lou", "rome"]),
    max_size=4,
)
PARAMETERS = {
    "city": st.sampled_from(["rome", "OPERA", "arena", "nowhere"]),
    "category": st.sampled_from(["concert", "movie", "other"]),
    "dateFrom": st.sampled_from(DAYS),
    "dateTo": st.sampled_from(DAYS),
    "availableOnly": st.booleans(),
    "onSale": st.booleans(),
    "minPrice": prices,
    "maxPrice": prices,
    "tags": st.lists(st.sampled_from(WORDS), max_size=2),
    "organizerId": st.sampled_from([*ORGANIZERS, ObjectId()]),
}


@st.composite
def queries(draw):
    """Loaded query parameters: few at a time, or nothing would match."""
    names = draw(st.lists(st.sampled_from(sorted(PARAMETERS)), max_size=2, unique=True))
    return {name: draw(PARAMETERS[name]) for name in names}


def can_be_bought(ticket_type):
    return ticket_type["availableTickets"] > 0 and not ticket_type.get("waiting")


def is_on_sale(ticket_type):
    begins, ends = (ticket_type.get(name) for name in ("salesFrom", "salesUntil"))
    is_open = (begins is None or begins <= NOW) and (ends is None or ends > NOW)
    return is_open and can_be_bought(ticket_type)


def matches_query(query, event):
    """Return whether the event matches each parameter, as api.md describes it."""
    first, last = query.get("dateFrom", date.min), query.get("dateTo", date.max)
    low, high = query.get("minPrice", 0), query.get("maxPrice", 1e9)
    public = [each for each in event["ticketTypes"] if "visibility" not in each]
    types = [
        ticket_type
        for ticket_type in public
        if low <= ticket_type["price"] <= high
        and (can_be_bought(ticket_type) or not query.get("availableOnly"))
    ]
    return (
        event["listed"]
        and query.get("category") in (None, event["category"])
        and any(
            first <= entry["date"].date() <= last
            and query.get("city", "").lower() in entry["locationKey"]
            for entry in event["schedule"]
        )
        and (types or not (query.keys() & {"minPrice", "maxPrice"} or query.get("availableOnly")))
        and (any(map(is_on_sale, public)) or not query.get("onSale"))
        and set(query.get("tags", ())) <= set(event["tagKeys"])
        and query.get("organizerId") in (None, event["organizerId"])
    )


def find_by_loop(stored, query, words):
    """Return the matches as (eventId, score), the best first, of equals the lower id."""
    found = {}
    for event in stored.values():
        score = score_texts(event["searchTexts"], words) if words else 0
        terms = {term for text in event["searchTexts"] for term in text.split()}
        has_words = not words or (score and terms.isdisjoint(words.excluded))
        if has_words and matches_query(query, event):
            found[event["eventId"]] = score
    return sorted(found.items(), key=lambda row: (-row[1], row[0]))


@given(
    before=st.lists(events(), max_size=12, unique_by=lambda event: event["eventId"]),
    after=st.lists(events(), max_size=12),
    removed=st.lists(st.integers(1, 12), max_size=3),
    today=st.none() | st.sampled_from(DAYS),
    query=queries(),
    search=searches.map(" ".join),
    limit=st.integers(0, 13),
    skip=st.integers(0, 4),
)
def test_it_finds_what_a_loop_over_all_events_finds(
    before, after, removed, today, query, search, limit, skip
):
    index, stored = EventIndex(before), {event["eventId"]: event for event in before}
    for event in after:
        index.add(event)
        stored[event["eventId"]] = event
    for event_id in removed:
        index.remove(event_id)
        stored.pop(event_id, None)
    if today:
        index.remove_past(today)
        past = [id_ for id_, event in stored.items() if event["lastDate"].date() < today]
        for event_id in past:
            stored.pop(event_id)
    words = parse_search(search) if search else None
    filters = [each.at(NOW) for each in make_filters(query)]
    expected, matches = find_by_loop(stored, query, words), index.find(filters, words)
    assert len(index) == matches.listed_count == sum(event["listed"] for event in stored.values())
    assert matches.count == len(expected)
    assert sorted(matches.all_ids()) == sorted(event_id for event_id, _ in expected)
    if words:
        assert matches.best(limit) == expected[:limit]
        assert matches.best(limit, skip=skip) == expected[skip : skip + limit]
        for event_id, score in expected:
            rest = [row for row in expected if (-row[1], row[0]) > (-score, event_id)]
            assert matches.after_score(score, event_id).best(99) == rest
    ids = sorted(event_id for event_id, _ in expected)
    assert matches.contain_each(list(range(14))) == [event_id in ids for event_id in range(14)]
    for direction in (1, -1):
        assert matches.first_by_id(limit, direction) == ids[::direction][:limit]
        for event_id in (0, *ids, 99):
            following = [one for one in ids[::direction] if (one - event_id) * direction > 0]
            found = matches.after_id(event_id, direction).first_by_id(limit, direction)
            assert found == following[:limit]


@pytest.mark.parametrize("listed", [True, False])
def test_an_event_is_current_in_the_state_in_which_it_was_added(listed):
    event = event_of(4, terms=4, listed=listed)
    index = EventIndex([event_of(1), event])
    assert index.is_current(4, get_list_state(event))
    assert not index.is_current(4, (5, (False,)))
    assert not index.is_current(4, (4, (True,)))
    assert not index.is_current(3, get_list_state(event))
    again = event_of(1, terms=9)
    index.add(again)
    assert index.is_current(1, get_list_state(again))
    for event_id in (1, 4):
        index.remove(event_id)
    assert not index.is_current(4, get_list_state(event))
    assert not index.is_current(1, get_list_state(again))


def test_an_empty_index_finds_nothing():
    matches = EventIndex().find((), parse_search("jazz -opera"))
    assert (matches.count, matches.best(20), matches.first_by_id(20, 1)) == (0, [], [])


def test_equal_scores_are_cut_by_the_lower_id():
    index = EventIndex(event_of(id_) for id_ in (5, 3, 9, 1, 7))
    found = index.find((), parse_search("jazz"))
    assert [id_ for id_, _ in found.best(3)] == [1, 3, 5]


def test_an_index_of_mostly_replaced_events_needs_rebuild():
    index = EventIndex(event_of(id_) for id_ in range(1, 601))
    for _again in range(2):
        assert not index.needs_rebuild
        for event_id in range(1, 601):
            index.add(event_of(event_id))
    assert index.needs_rebuild
    assert len(index) == 600
    late = midnight(DAYS[0] + timedelta(days=1))
    assert not EventIndex(event_of(n, lastDate=late) for n in range(9)).needs_rebuild
