"""GET /api/events: orders, pages, totals, and cursors."""

import itertools

import pytest

from eventapp.core import paging
from tests.factories import day, make_event

SORTS = {
    "eventId": lambda event: event["eventId"],
    "title": lambda event: event["title"].lower().replace("é", "e"),
    "date": lambda event: min(entry["date"] for entry in event["schedule"]),
    "schedule.date": lambda event: min(entry["date"] for entry in event["schedule"]),
    "price": lambda event: min(ticket_type["price"] for ticket_type in event["ticketTypes"]),
    "ticketTypes.price": lambda event: min(
        ticket_type["price"] for ticket_type in event["ticketTypes"]
    ),
}
DIRECTIONS = ["asc", "desc"]


def add(db, number):
    """Make an event with few distinct titles, dates and prices, so that orders have ties."""
    return make_event(
        db,
        title=["beta", "Alpha", "Émile", "zeta jazz"][number % 4],
        schedule=[
            {"date": day(9 - number % 3), "location": "X"},
            {"date": day(20), "location": "X"},
        ],
        ticketTypes=[
            {"type": "A", "price": 50 + number, "availableTickets": 1},
            {"type": "B", "price": [20, 12.5][number % 2], "availableTickets": 1},
        ],
    )


@pytest.fixture
def dozen(db):
    return [add(db, number) for number in range(12)]


def page(client, **query):
    answer = client.get("/api/events", query_string=query)
    assert answer.status_code == 200, answer.json
    return answer.json


def ids(answer):
    return [event["eventId"] for event in answer["events"]]


def walk(client, meanwhile=lambda: None, **query):
    """Yield the eventIds of each page, by cursor; call `meanwhile` between pages."""
    answer = page(client, **query)
    yield ids(answer)
    while answer["nextCursor"]:
        meanwhile()
        answer = page(client, cursor=answer["nextCursor"], limit=query.get("limit", 20))
        yield ids(answer)


@pytest.mark.parametrize("order", DIRECTIONS)
@pytest.mark.parametrize("sort", SORTS)
def test_events_are_sorted_in_each_order(client, dozen, sort, order):
    shown = page(client, sortBy=sort, sortOrder=order)["events"]
    keys = [(SORTS[sort](event), event["eventId"]) for event in shown]
    assert keys == sorted(keys, reverse=order == "desc")
    assert len(keys) == 12
    assert ids(page(client, sortBy=sort, order=order)) == [event["eventId"] for event in shown]


@pytest.mark.parametrize("order", DIRECTIONS)
def test_events_are_sorted_by_popularity(client, db, dozen, order):
    for number, popularity in enumerate([3.5, 0.25, 9.0], start=1):
        db.events.update_one({"eventId": number}, {"$set": {"popularity": popularity}})
    expected = [*range(4, 13), 2, 1, 3]
    if order == "desc":
        expected.reverse()
    assert ids(page(client, sortBy="popularity", order=order)) == expected


def test_the_default_order_is_by_event_id(client, dozen):
    assert ids(page(client)) == list(range(1, 13))
    assert ids(page(client, sortOrder="desc")) == list(range(12, 0, -1))


def test_the_order_by_date_uses_the_next_date(client, db):
    running = [{"date": day(-9), "location": "X"}, {"date": day(30), "location": "X"}]
    make_event(db, schedule=running)
    make_event(db, schedule=[{"date": day(5), "location": "X"}])
    assert ids(page(client, sortBy="date")) == [2, 1]


def test_pages_have_exact_totals_and_every_row_once(client, dozen):
    answers = [page(client, page=number, limit=5) for number in (1, 2, 3, 4)]
    assert [len(answer["events"]) for answer in answers] == [5, 5, 2, 0]
    assert sum((ids(answer) for answer in answers), []) == list(range(1, 13))
    for number, answer in enumerate(answers, start=1):
        numbers = (answer["page"], answer["limit"], answer["total"], answer["pages"])
        assert numbers == (number, 5, 12, 3)
        assert "totalIsCapped" not in answer
    assert [bool(answer["nextCursor"]) for answer in answers] == [True, True, False, False]


def test_the_last_page_has_no_cursor_even_if_it_is_full(client, dozen):
    assert page(client, limit=12)["nextCursor"] is None
    assert page(client, limit=6, page=2)["nextCursor"] is None


def test_totals_are_capped(client, dozen, monkeypatch):
    monkeypatch.setattr(paging, "COUNT_LIMIT", 10)
    answer = page(client, limit=4)
    assert (answer["total"], answer["totalIsCapped"], answer["pages"]) == (10, True, 3)
    assert ids(page(client, limit=4, page=3)) == [9, 10, 11, 12]
    beyond = client.get("/api/events?limit=4&page=4")
    assert (beyond.status_code, beyond.json["message"]) == (400, "Invalid page")
    assert list(walk(client, limit=5)) == [[1, 2, 3, 4, 5], [6, 7, 8, 9, 10], [11, 12]]


def test_a_total_at_the_cap_is_exact(client, dozen, monkeypatch):
    monkeypatch.setattr(paging, "COUNT_LIMIT", 12)
    answer = page(client, limit=4)
    assert (answer["total"], answer.get("totalIsCapped")) == (12, None)
    assert ids(page(client, limit=4, page=4)) == []


@pytest.mark.parametrize("order", DIRECTIONS)
@pytest.mark.parametrize("sort", [*SORTS, "popularity"])
@pytest.mark.parametrize("limit", [1, 5])
def test_a_cursor_walks_every_order(client, dozen, sort, order, limit):
    whole = ids(page(client, sortBy=sort, order=order))
    pages = list(walk(client, sortBy=sort, order=order, limit=limit))
    assert list(itertools.chain(*pages)) == whole
    assert {len(found) for found in pages[:-1]} == {limit}


@pytest.mark.parametrize("order", DIRECTIONS)
@pytest.mark.parametrize("sort", [*SORTS, "popularity"])
def test_a_cursor_neither_skips_nor_repeats_while_events_are_added(client, db, dozen, sort, order):
    numbers = itertools.count(12)
    pages = walk(client, lambda: add(db, next(numbers)), sortBy=sort, order=order, limit=3)
    seen = list(itertools.chain(*itertools.islice(pages, 30)))
    assert len(seen) == len(set(seen))
    assert set(range(1, 13)) <= set(seen)


def test_the_control_pages_by_number_repeat_rows(client, db, dozen):
    """Without a cursor the same walk sees rows twice."""
    first = page(client, limit=4, order="desc")
    make_event(db)
    assert set(ids(first)) & set(ids(page(client, limit=4, order="desc", page=2)))
    follow = page(client, cursor=first["nextCursor"], limit=4)
    assert not set(ids(first)) & set(ids(follow))


def test_a_cursor_walks_a_search(client, db, dozen):
    make_event(db, title="jazz jazz", tags=["jazz"], description="jazz")
    whole = ids(page(client, search="jazz"))
    assert (len(whole), whole[0]) == (4, 13)
    assert list(itertools.chain(*walk(client, search="jazz", limit=1))) == whole


def test_a_cursor_keeps_filters_and_order(client, dozen):
    query = {"maxPrice": 13, "sortBy": "price", "order": "desc", "city": "x", "limit": 2}
    whole = ids(page(client, **{**query, "limit": 100}))
    assert list(itertools.chain(*walk(client, **query))) == whole
    assert len(whole) == 6


def test_a_cursor_continues_the_page_numbers(client, dozen):
    first = page(client, limit=5)
    second = page(client, limit=5, cursor=first["nextCursor"])
    assert (second["page"], second["total"], second["pages"]) == (2, 12, 3)


def test_a_cursor_of_ones_own_events_shows_them_to_nobody_else(
    client, db, app, organizer, attendee
):
    for _ in range(3):
        make_event(db, organizer_id=organizer["id"], status="draft")
    query = {"mine": "true", "limit": 2}
    first = client.get("/api/events", query_string=query, headers=organizer["headers"]).json
    follow = {"cursor": first["nextCursor"]}
    rest = client.get("/api/events", query_string=follow, headers=organizer["headers"]).json
    assert ids(rest) == [3]
    other = client.get("/api/events", query_string=follow, headers=attendee["headers"]).json
    assert ids(other) == []
    assert client.get("/api/events", query_string=follow).status_code == 401


def test_the_cursor_of_the_longest_query_is_accepted(client, db):
    for _ in range(2):
        make_event(db, title="日" * 200, schedule=[{"date": day(3), "location": "日" * 100}])
    query = {"city": "日" * 100, "sortBy": "title", "limit": 1, "utm_source": "x" * 5000}
    assert list(itertools.chain(*walk(client, **query))) == [1, 2]
