"""A page is kept once for all callers, and each gets it with the own favorites."""

from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eventapp.core import json
from eventapp.core.json import make_etag
from eventapp.events.cache.rendering import (
    CachedPage,
    PageKey,
    PageView,
    RenderedEvent,
    render_page,
)
from eventapp.events.cache.shared_body import EventsBody, make_shared_body
from eventapp.events.list_requests import ListRequest
from eventapp.events.rules import round_distance

BASE_URL = "https://tickets.example"
# What a text may contain of the bytes that stand around the value of `favorited`.
DECEPTIVE = [
    ',"favorited":false,',
    '"favorited":false',
    ',"favorited":true,',
    '\\",\\"favorited\\":false,',
    "}],",
    '"',
    "\\",
]
TEXTS = st.lists(st.sampled_from(DECEPTIVE) | st.text(max_size=8), max_size=4).map("".join)


@st.composite
def rendered_events(draw):
    """Draw an event as it is cached. Its texts contain what could be taken for its members."""
    event_id = draw(st.integers(1, 40))
    is_uploaded = draw(st.booleans())
    head = {"eventId": event_id, "title": draw(TEXTS), "image": "/images/a.webp"}
    encoded = json.dumps(head)[:-1] + b',"ticketTypes":'
    types = [{"type": draw(TEXTS)} for _ in range(draw(st.integers(0, 2)))]
    tail = {"organizer": draw(TEXTS), "tags": [draw(TEXTS)], "questions": [{"text": draw(TEXTS)}]}
    return RenderedEvent(
        event_id=event_id,
        revision=1,
        terms=1,
        organizer_id=None,
        is_draft=False,
        head=encoded,
        image_offset=encoded.index(b"/images/a.webp") if is_uploaded else None,
        ticket_types=json.dumps(types),
        tail=json.dumps(tail)[1:-1],
        is_sold_out=draw(st.booleans()),
        empty_stocks=(),
        changes_at=None,
    )


EVENTS = st.lists(rendered_events(), max_size=8, unique_by=lambda event: event.event_id)


@st.composite
def pages(draw):
    """Draw the events of a page, and the page as it is found."""
    events = draw(EVENTS)
    ids = tuple(event.event_id for event in events)
    key = PageKey(ListRequest(), date(2031, 1, 1), is_bare=draw(st.booleans()))
    distances = {id_: 0.5 + id_ for id_ in ids if draw(st.booleans())}
    envelope = json.dumps({"total": len(ids), "facets": {"city": [{"value": draw(TEXTS)}]}})[1:]
    return events, CachedPage(key, 1, ids, distances, envelope)


def choose_favorites(data, ids):
    """Draw favorites of a caller, also of events that the page does not have."""
    own = st.lists(st.sampled_from(ids)) if ids else st.just([])
    some = st.builds(lambda found, others: frozenset([*found, *others]), own, st.just([98, 99]))
    ends = [frozenset(ids[:1]), frozenset(ids[-1:]), frozenset(ids), frozenset(), frozenset([99])]
    return data.draw(st.sampled_from(ends) | some)


def join_rows(events, page, favorites):
    """Return the page with each event rendered with the value of its own."""
    rows = []
    for event in events:
        row = event.to_json(BASE_URL, favorited=event.event_id in favorites)
        if event.event_id in page.distances:
            distance = round_distance(page.distances[event.event_id])
            row = row[:-1] + b',"distanceKm":' + json.dumps(distance) + b"}"
        rows.append(row)
    array = b"[" + b",".join(rows) + b"]"
    return array if page.key.is_bare else b'{"events":' + array + b"," + page.envelope


@settings(max_examples=300)
@given(st.data())
def test_a_caller_gets_each_event_as_if_it_were_rendered_with_the_own_favorites(data):
    events, page = data.draw(pages())
    favorites = choose_favorites(data, page.event_ids)
    shared = render_page(page, events, PageView(1, BASE_URL)).shared_body
    shown = shared.show(favorites)
    assert shown.body == join_rows(events, page, favorites)
    json.loads(shown.body)
    if favorites.isdisjoint(page.event_ids):
        assert shown.body is shared.plain.body
        assert shown.etag == make_etag(shown.body)


@settings(max_examples=300)
@given(st.data())
def test_two_answers_have_the_same_etag_if_and_only_if_they_are_equal(data):
    """One of them may be rendered by another process, from events that differ or do not."""
    events, page = data.draw(pages())
    others = data.draw(st.sampled_from([events, events[1:], events[::-1]]) | EVENTS)
    first = render_page(page, events, PageView(1, BASE_URL)).shared_body
    second = render_page(page, others, PageView(2, BASE_URL)).shared_body
    mine = first.show(choose_favorites(data, page.event_ids))
    yours = second.show(choose_favorites(data, tuple(event.event_id for event in others)))
    assert (mine.etag == yours.etag) == (mine.body == yours.body)


def test_an_etag_is_a_plain_hash_of_the_same_length_with_and_without_favorites():
    shared = make_shared_body(b'[{"eventId":1,"favorited":false,"tags":[]}]', [1])
    plain, own = shared.show(frozenset()), shared.show(frozenset([1]))
    assert own.body == b'[{"eventId":1,"favorited":true,"tags":[]}]'
    assert plain == EventsBody(shared.plain.body, make_etag(shared.plain.body))
    assert plain.etag != own.etag
    assert len(plain.etag) == len(own.etag)
    assert all(each in "0123456789abcdef" for each in own.etag)


@pytest.mark.parametrize("event_ids", [[], [1], [1, 2, 3]])
def test_json_with_more_or_fewer_values_than_events_is_refused(event_ids):
    event = b'{"eventId":1,"favorited":false,"tags":[]}'
    with pytest.raises(ValueError, match="2 values of `favorited`"):
        make_shared_body(b"[" + event + b"," + event + b"]", event_ids)
