"""The index of the public list finds, ranks and counts as a plain walk over all events does."""

from datetime import UTC, date, datetime, timedelta

import pytest
from bson import ObjectId
from hypothesis import given
from hypothesis import strategies as st

from eventapp.core.textsearch import parse_search, score_as_byte
from eventapp.events.filters import Filters
from eventapp.events.index.event_index import Index, texts_of
from eventapp.events.rules import list_state

WORDS = ["jazz", "night", "harbour", "opera", "loud"]
DAYS = [date(2030, 1, day) for day in range(1, 6)]
HOSTS = [ObjectId(), ObjectId()]
PLACES = ["arena, rome", "opera, rome", "arena, volos"]
texts = st.lists(st.sampled_from(WORDS), max_size=4).map(" ".join)
prices = st.sampled_from([0, 5, 12.5, 40])


def event_of(event_id=1, **changes):
    return {
        "eventId": event_id,
        "__v": 0,
        "listed": True,
        "title": "jazz",
        "description": "",
        "tags": [],
        "tagKeys": [],
        "category": "concert",
        "organizerId": None,
        "places": PLACES[:1],
        "schedule": [{"date": midnight(DAYS[0])}],
        "lastDate": midnight(DAYS[0]),
        "ticketTypes": [{"price": 5, "availableTickets": 1}],
        **changes,
    }


def midnight(day):
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


@st.composite
def events(draw):
    """An event of one of few ids, so that some come again as others."""
    days = sorted(draw(st.sets(st.sampled_from(DAYS), min_size=1, max_size=3)))
    tags = draw(st.lists(st.sampled_from(WORDS), max_size=2))
    kinds = st.fixed_dictionaries({"price": prices, "availableTickets": st.integers(0, 1)})
    return event_of(
        draw(st.integers(1, 12)),
        __v=draw(st.integers(0, 3)),
        listed=draw(st.booleans()),
        title=draw(texts),
        description=draw(texts),
        tags=tags,
        tagKeys=tags,
        category=draw(st.sampled_from(["concert", "movie"])),
        organizerId=draw(st.sampled_from([None, *HOSTS])),
        places=draw(st.lists(st.sampled_from(PLACES), min_size=1, max_size=2, unique=True)),
        schedule=[{"date": midnight(day)} for day in days],
        lastDate=midnight(days[-1]),
        ticketTypes=draw(st.lists(kinds, min_size=1, max_size=3)),
    )


searches = st.lists(st.sampled_from([*WORDS, "-jazz", "-opera", "unheard"]), max_size=4)
FILTERS = {
    "city": st.sampled_from(["rome", "OPERA", "arena", "nowhere"]),
    "category": st.sampled_from(["concert", "movie", "other"]),
    "date_from": st.sampled_from(DAYS),
    "date_to": st.sampled_from(DAYS),
    "available_only": st.booleans(),
    "min_price": prices,
    "max_price": prices,
    "tags": st.lists(st.sampled_from(WORDS), max_size=2).map(tuple),
    "organizer_id": st.sampled_from([*HOSTS, ObjectId()]),
}


@st.composite
def filters_asked(draw):
    """Few at a time, or nothing would be left."""
    names = draw(st.lists(st.sampled_from(sorted(FILTERS)), max_size=2, unique=True))
    search = draw(searches.map(" ".join))
    return Filters(search=search, **{name: draw(FILTERS[name]) for name in names})


def leaves(filters, event):
    """Whether the filters leave the event, as api.md says it of each."""
    first, last = filters.date_from or date.min, filters.date_to or date.max
    low, high = filters.min_price, filters.max_price
    kinds = [
        kind
        for kind in event["ticketTypes"]
        if (low is None or kind["price"] >= low)
        and (high is None or kind["price"] <= high)
        and (kind["availableTickets"] or not filters.available_only)
    ]
    return (
        event["listed"]
        and any(filters.city.lower() in place for place in event["places"])
        and filters.category in (None, event["category"])
        and any(first <= entry["date"].date() <= last for entry in event["schedule"])
        and kinds
        and set(filters.tags) <= set(event["tagKeys"])
        and filters.organizer_id in (None, event["organizerId"])
    )


def plainly(learned, filters, words):
    """The matches as (eventId, score), best first, of equals the lower id."""
    found = {}
    for event in learned.values():
        scores = score_as_byte(texts_of(event))
        score = sum(scores.get(term, 0) for term in words.terms) if words else 0
        worded = not words or (score and not words.excluded & scores.keys())
        if worded and leaves(filters, event):
            found[event["eventId"]] = score
    return sorted(found.items(), key=lambda row: (-row[1], row[0]))


@given(
    before=st.lists(events(), max_size=12, unique_by=lambda event: event["eventId"]),
    after=st.lists(events(), max_size=12),
    gone=st.lists(st.integers(1, 12), max_size=3),
    today=st.none() | st.sampled_from(DAYS),
    filters=filters_asked(),
    most=st.integers(0, 13),
)
def test_it_finds_what_a_walk_over_all_finds(before, after, gone, today, filters, most):
    index, learned = Index(before), {event["eventId"]: event for event in before}
    for event in after:
        index.learn(event)
        learned[event["eventId"]] = event
    for event_id in gone:
        index.forget(event_id)
        learned.pop(event_id, None)
    if today:
        index.pass_days(today)
        over = [id_ for id_, event in learned.items() if event["lastDate"].date() < today]
        for event_id in over:
            learned.pop(event_id)
    words = parse_search(filters.search) if filters.search else None
    expected, matches = plainly(learned, filters, words), index.find(filters, words)
    assert len(index) == matches.among == sum(event["listed"] for event in learned.values())
    assert matches.count == len(expected)
    assert sorted(matches.all_ids()) == sorted(event_id for event_id, _ in expected)
    if words:
        assert matches.best(most) == expected[:most]
        for event_id, score in expected:
            rest = [row for row in expected if (-row[1], row[0]) > (-score, event_id)]
            assert matches.worse_than(score, event_id).best(99) == rest
    ids = sorted(event_id for event_id, _ in expected)
    assert matches.holding(list(range(14))) == [event_id in ids for event_id in range(14)]
    for direction in (1, -1):
        assert matches.by_id(most, direction) == ids[::direction][:most]
        for event_id in (0, *ids, 99):
            beyond = [one for one in ids[::direction] if (one - event_id) * direction > 0]
            assert matches.beyond_id(event_id, direction).by_id(most, direction) == beyond[:most]


@pytest.mark.parametrize("listed", [True, False])
def test_it_knows_what_it_learned(listed):
    event = event_of(4, __v=4, listed=listed)
    index = Index([event_of(1), event])
    assert index.knows(4, list_state(event))
    assert not index.knows(4, (5, (False,)))
    assert not index.knows(4, (4, (True,)))
    assert not index.knows(3, list_state(event))
    again = event_of(1, __v=9)
    index.learn(again)
    assert index.knows(1, list_state(again))
    for event_id in (1, 4):
        index.forget(event_id)
    assert not index.knows(4, list_state(event))
    assert not index.knows(1, list_state(again))


def test_an_index_of_nothing_finds_nothing():
    matches = Index().find(Filters(), parse_search("jazz -opera"))
    assert (matches.count, matches.best(20), matches.by_id(20, 1)) == (0, [], [])


def test_equal_scores_are_cut_by_the_lower_id():
    index = Index(event_of(id_) for id_ in (5, 3, 9, 1, 7))
    found = index.find(Filters(), parse_search("jazz"))
    assert [id_ for id_, _ in found.best(3)] == [1, 3, 5]


def test_it_wears_out():
    index = Index(event_of(id_) for id_ in range(1, 601))
    for _again in range(2):
        assert not index.worn
        for event_id in range(1, 601):
            index.learn(event_of(event_id))
    assert index.worn
    assert len(index) == 600
    late = midnight(DAYS[0] + timedelta(days=1))
    assert not Index(event_of(n, lastDate=late) for n in range(9)).worn
