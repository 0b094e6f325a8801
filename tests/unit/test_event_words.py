"""The index of words finds and ranks as a plain walk over all events does."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventapp.core.textsearch import parse_search
from eventapp.events.service_words import Index, scores_of

WORDS = ["jazz", "night", "harbour", "opera", "loud"]
texts = st.lists(st.sampled_from(WORDS), max_size=4).map(" ".join)
queries = st.lists(st.sampled_from([*WORDS, "-jazz", "-opera", "unheard"]), max_size=4)


@st.composite
def events(draw):
    """An event of one of few ids, so that some come again with other words."""
    return {
        "eventId": draw(st.integers(1, 12)),
        "__v": draw(st.integers(0, 3)),
        "listed": draw(st.booleans()),
        "title": draw(texts),
        "description": draw(texts),
        "tags": draw(st.lists(texts, max_size=2)),
    }


def plainly(learned, query):
    """The matches as (eventId, score), best first, of equals the lower id."""
    found = {}
    for event in learned.values():
        scores = scores_of(event) if event["listed"] else {}
        score = sum(scores.get(term, 0) for term in query.terms)
        if score and not query.excluded & scores.keys():
            found[event["eventId"]] = score
    return sorted(found.items(), key=lambda row: (-row[1], row[0]))


@given(
    before=st.lists(events(), max_size=12, unique_by=lambda event: event["eventId"]),
    after=st.lists(events(), max_size=12),
    gone=st.lists(st.integers(1, 12), max_size=3),
    words=queries,
    most=st.integers(0, 13),
)
def test_it_finds_what_a_walk_over_all_finds(before, after, gone, words, most):
    index, learned = Index(before), {event["eventId"]: event for event in before}
    for event in after:
        index.learn(event)
        learned[event["eventId"]] = event
    for event_id in gone:
        index.forget(event_id)
        learned.pop(event_id, None)
    query = parse_search(" ".join(words))
    expected, matches = plainly(learned, query), index.search(query)
    assert len(matches) == len(expected)
    assert matches.best(most) == expected[:most]
    for event_id, score in expected:
        rest = [row for row in expected if (-row[1], row[0]) > (-score, event_id)]
        assert matches.after(score, event_id).best(99) == rest
    some = [event_id for event_id, _ in expected[::2]]
    assert [id_ for id_, _ in matches.among([*some, 99]).best(99)] == some


@pytest.mark.parametrize("listed", [True, False])
def test_it_knows_the_version_of_what_it_learned(listed):
    event = {"eventId": 1, "__v": 4, "listed": listed, "title": "a", "description": "", "tags": []}
    index = Index([event])
    assert index.versions == {1: 4}
    index.forget(1)
    assert index.versions == {}


def test_an_index_of_nothing_finds_nothing():
    matches = Index().search(parse_search("jazz -opera"))
    assert (len(matches), matches.best(20)) == (0, [])


def test_equal_scores_are_cut_by_the_lower_id():
    same = {"__v": 0, "listed": True, "title": "jazz", "description": "", "tags": []}
    index = Index({**same, "eventId": id_} for id_ in (5, 3, 9, 1, 7))
    assert [id_ for id_, _ in index.search(parse_search("jazz")).best(3)] == [1, 3, 5]
