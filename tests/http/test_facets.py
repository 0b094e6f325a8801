"""Each value of a facet has the total that its list answers, whoever answers it."""

import random
from datetime import date, timedelta

import pytest

from eventapp.core.clock import utc_now
from eventapp.events import facet_counts, list_pages, service, store, timekeeping
from eventapp.events.index import entry_table, text_table
from eventapp.events.index.event_index import EventIndex
from eventapp.events.index.live_index import LiveIndex
from eventapp.events.list_requests import FACET_NAMES
from eventapp.events.schemas.queries import EventQuery
from scripts.synthetic_events import generate_bodies
from tests.factories import day, make_event, make_user
from tests.store.test_events_index import NoIndex, random_query

ALL = ",".join(FACET_NAMES)
OWN_PARAMETERS = {
    "category": {"category"},
    "city": {"city"},
    "tags": {"tags"},
    "month": {"dateFrom", "dateTo"},
    "price": {"minPrice", "maxPrice"},
}
TYPE = {"type": "A", "price": 20, "availableTickets": 9}


def get_facets(client, query="", headers=None, facets=ALL):
    answer = client.get(f"/api/events?facets={facets}&{query}", headers=headers)
    assert answer.status_code == 200, answer.json
    return answer.json["facets"]


def show(values):
    return [(each["value"], each["count"]) for each in values]


def entry(location, offset=30):
    return {"date": day(offset), "location": location}


def test_every_facet_counts_its_values(client, db):
    month = day(30)[:7]
    first = make_event(db, category="concert", schedule=[entry("Hall, Volos")], tags=["Jazz", "x"])
    make_event(db, category="concert", schedule=[entry("Club, vólos")], tags=["jazz"])
    make_event(db, category="movie", schedule=[entry("Barn, Volos")], tags=["jazz"])
    facets = get_facets(client)
    assert list(facets) == list(FACET_NAMES)
    assert facets["category"] == [
        {"value": "concert", "count": 2, "query": {"category": "concert"}},
        {"value": "movie", "count": 1, "query": {"category": "movie"}},
    ]
    assert facets["city"] == [{"value": "Volos", "count": 3, "query": {"city": "Volos"}}]
    assert show(facets["tags"]) == [("jazz", 3), ("x", 1)]
    last = (date.fromisoformat(f"{month}-01") + timedelta(days=31)).replace(day=1)
    assert facets["month"] == [
        {
            "value": month,
            "count": 3,
            "query": {"dateFrom": f"{month}-01", "dateTo": str(last - timedelta(days=1))},
        }
    ]
    assert facets["price"] == [
        {"value": "10-25", "count": 3, "query": {"minPrice": "10.01", "maxPrice": "25"}}
    ]
    assert first["eventId"] == 1


def test_a_facet_ignores_its_own_filter_and_keeps_the_others(client, db):
    make_event(db, category="concert", tags=["a"])
    make_event(db, category="movie", tags=["b"])
    facets = get_facets(client, "category=movie")
    assert show(facets["category"]) == [("concert", 1), ("movie", 1)]
    assert show(facets["tags"]) == [("b", 1)]


def test_prices_fall_into_one_range_each(client, db):
    prices = [0, 0.01, 10, 10.01, 25, 50, 100, 100.01]
    for price in prices:
        make_event(db, ticketTypes=[{**TYPE, "price": price}])
    counts = [("0-10", 2), ("10-25", 2), ("0", 1), ("25-50", 1), ("50-100", 1), ("100-", 1)]
    assert show(get_facets(client)["price"]) == counts


def test_a_price_counts_only_with_tickets_if_the_list_requires_them(client, db):
    sold_out = {**TYPE, "type": "B", "price": 5, "availableTickets": 0}
    make_event(db, ticketTypes=[TYPE, sold_out])
    assert show(get_facets(client)["price"]) == [("0-10", 1), ("10-25", 1)]
    assert show(get_facets(client, "availableOnly=true")["price"]) == [("10-25", 1)]
    assert show(get_facets(client, "availableOnly=true&maxPrice=7")["price"]) == [("10-25", 1)]


@pytest.mark.parametrize("visibility", ["hidden", "secret"])
def test_no_hidden_or_secret_type_counts(client, db, app, visibility):
    user = make_user(app, "organizer")
    other = {**TYPE, "type": "B", "price": 70, "visibility": visibility}
    make_event(db, ticketTypes=[TYPE, other], organizer_id=user["id"])
    for query in ("", "search=sample", "upcoming=false", "mine=true"):
        facets = get_facets(client, query, user["headers"])
        assert show(facets["price"]) == [("10-25", 1)], query


def test_drafts_and_past_events_count_only_where_they_are_listed(client, db, app):
    user = make_user(app, "organizer")
    made = {"organizer_id": user["id"], "tags": ["a"]}
    make_event(db, **made)
    make_event(db, **made, status="draft")
    make_event(db, **made, schedule=[entry("Volos", -30)])
    assert show(get_facets(client, headers=user["headers"])["tags"]) == [("a", 1)]
    assert show(get_facets(client, "upcoming=false")["tags"]) == [("a", 2)]
    mine = get_facets(client, "mine=true&upcoming=false", user["headers"])
    assert show(mine["tags"]) == [("a", 3)]


def test_edits_and_deletions_change_the_counts(client, db, app):
    user = make_user(app, "organizer")
    made = make_event(db, organizer_id=user["id"], tags=["polka"])
    make_event(db, organizer_id=user["id"], tags=["polka"])
    assert show(get_facets(client)["tags"]) == [("polka", 2)]
    event = client.get(f"/api/events/{made['eventId']}").json
    path = f"/api/events/{made['eventId']}"
    changed = client.put(path, json={**event, "tags": ["waltz"]}, headers=user["headers"])
    assert changed.status_code == 200
    assert show(get_facets(client)["tags"]) == [("polka", 1), ("waltz", 1)]
    assert client.delete(path, headers=user["headers"]).status_code == 200
    assert show(get_facets(client)["tags"]) == [("polka", 1)]


def test_texts_that_no_query_finds_are_left_out(client, db):
    make_event(db, tags=["a,b", "c"], schedule=[entry("Volos," + " "), entry("X, " + "y" * 150)])
    facets = get_facets(client)
    assert show(facets["tags"]) == [("c", 1)]
    assert facets["city"] == []


def test_at_most_twenty_values_the_largest_first(client, db):
    for number in range(25):
        for _ in range(1 + (number == 24)):
            make_event(db, tags=[f"t{number:02}"])
    values = show(get_facets(client, facets="tags")["tags"])
    assert values == [("t24", 2), *((f"t{number:02}", 1) for number in range(19))]


def test_counts_are_capped(client, db, monkeypatch):
    monkeypatch.setattr(facet_counts, "COUNT_LIMIT", 2)
    for number in range(3):
        make_event(db, tags=["a", "b"] if number else ["a"])
    tags = get_facets(client)["tags"]
    assert tags == [
        {"value": "a", "count": 2, "countIsCapped": True, "query": {"tags": "a"}},
        {"value": "b", "count": 2, "query": {"tags": "b"}},
    ]


@pytest.mark.parametrize("facets", ["colour", "city,colour", "city,city", "City"])
def test_unknown_and_repeated_names_are_refused(client, facets):
    answer = client.get(f"/api/events?facets={facets}")
    assert answer.status_code == 400
    assert list(answer.json["errors"]) == ["facets"]


def test_only_named_facets_are_answered(client, db):
    make_event(db)
    assert "facets" not in client.get("/api/events").json
    assert "facets" not in client.get("/api/events?facets=").json
    assert list(get_facets(client, facets="price,, city")) == ["price", "city"]


def test_a_cursor_brings_the_filters_but_no_facets(client, db):
    for category in ("concert", "concert", "movie"):
        make_event(db, category=category)
    first = client.get("/api/events?limit=1&category=concert&facets=category").json
    second = client.get(f"/api/events?limit=1&cursor={first['nextCursor']}").json
    assert "facets" not in second
    again = client.get(f"/api/events?cursor={first['nextCursor']}&facets=category,tags").json
    assert again["facets"]["category"] == first["facets"]["category"]
    assert show(again["facets"]["tags"]) == [("api", 2), ("test", 2)]


@pytest.fixture
def many(db, organizer):
    today = utc_now().date()
    bodies = generate_bodies(90, seed=11, today=today)
    made = [
        service.make_new_event(body, organizer_id=organizer["id"] if n % 3 else None, now=utc_now())
        | {"eventId": n}
        for n, body in enumerate(bodies, 1)
    ]
    store.insert_many(db, made)
    timekeeping.prepare(db, utc_now())
    return organizer


def load(query):
    return EventQuery().load(query).at(utc_now())


class NoFacetIndex(NoIndex):
    """Leaves every query to the database."""

    def index_events(self, events):
        return EventIndex(events)


@pytest.mark.parametrize("who", ["index", "read rows", "database"])
def test_each_count_is_the_total_of_the_list_with_its_query(db, many, monkeypatch, who):
    if who == "database":
        monkeypatch.setattr(facet_counts, "MAX_READ", 0)
        monkeypatch.setattr(facet_counts, "MAX_COUNT_SECONDS", 1000)
    rng, today, walked = random.Random(who), utc_now().date(), 0
    index = LiveIndex(db) if who == "index" else NoFacetIndex()
    for round_number in range(4):
        query = random_query(rng, many["id"]) if round_number else {}
        if round_number == 3:
            query["upcoming"] = "false"
        request = load({**query, "facets": ALL})
        page = list_pages.find_page(db, request, today, index)
        found = facet_counts.add_facets(db, page, request, today, index)
        for name, values in found.envelope["facets"].items():
            rest = {key: query[key] for key in query.keys() - OWN_PARAMETERS[name]}
            counts = [each["count"] for each in values]
            assert counts == sorted(counts, reverse=True)
            for each in values:
                narrowed = load({**rest, **each["query"], "limit": "1"})
                listed = list_pages.find_page(db, narrowed, today, index)
                assert each["count"] == listed.envelope["total"], (query, name, each)
                walked += 1
    assert walked > 30


def test_values_that_the_database_has_no_time_to_count_are_left_out(db, many, monkeypatch):
    monkeypatch.setattr(facet_counts, "MAX_READ", 0)
    monkeypatch.setattr(facet_counts, "MAX_COUNT_SECONDS", -1)
    page = list_pages.FoundPage((), [], {})
    request = load({"facets": "category,tags"})
    found = facet_counts.add_facets(db, page, request, utc_now().date(), NoFacetIndex())
    assert found.envelope["facets"] == {"category": [], "tags": []}


@pytest.mark.parametrize("query", [{}, {"category": "concert"}, {"search": "night"}])
def test_the_index_and_the_database_count_alike(db, many, query):
    request, today = load({**query, "facets": ALL}), utc_now().date()
    empty = list_pages.FoundPage((), [], {})
    by_index = facet_counts.add_facets(db, empty, request, today, LiveIndex(db))
    by_database = facet_counts.add_facets(db, empty, request, today, NoFacetIndex())
    shared = {name: by_index.envelope["facets"][name] for name in ("category", "price")}
    assert shared.items() <= by_database.envelope["facets"].items()
    counts = [
        {
            name: [each["count"] for each in values]
            for name, values in each.envelope["facets"].items()
        }
        for each in (by_index, by_database)
    ]
    assert counts[0]["tags"] == counts[1]["tags"]


def test_an_equal_request_finds_the_facets_in_the_cache(client, db, monkeypatch):
    make_event(db)
    first = get_facets(client)
    monkeypatch.setattr("eventapp.events.cache.event_cache.add_facets", lambda *_: 1 / 0)
    assert get_facets(client) == first


def test_an_entry_that_is_over_does_not_count_above_the_limit(client, db, monkeypatch):
    for module in (facet_counts, entry_table, text_table):
        monkeypatch.setattr(module, "COUNT_LIMIT", 2)
    for _ in range(3):
        make_event(db, schedule=[entry("Hall, Volos", -30), entry("Hall, Drama")])
    make_event(db, schedule=[entry("Hall, Volos")])
    facets = get_facets(client)
    assert show(facets["city"]) == [("Drama", 2), ("Volos", 1)]
    assert facets["city"][0]["countIsCapped"] is True
    assert show(get_facets(client, "city=volos")["month"]) == [(day(30)[:7], 1)]


@pytest.mark.parametrize("limit", [1, 4, 15])
def test_capped_counts_are_those_of_the_lists(db, many, monkeypatch, limit):
    for module in (facet_counts, entry_table, text_table):
        monkeypatch.setattr(module, "COUNT_LIMIT", limit)
    today, index, capped = utc_now().date(), LiveIndex(db), 0
    first, last = f"{today + timedelta(days=90)}", f"{today + timedelta(days=500)}"
    dates = {"dateFrom": first, "dateTo": last}
    for query in ({}, {"category": "concert"}, {"search": "night"}, {"city": "a"}, dates):
        request = load({**query, "facets": ALL})
        empty = list_pages.FoundPage((), [], {})
        found = facet_counts.add_facets(db, empty, request, today, index)
        for name, values in found.envelope["facets"].items():
            rest = {key: query[key] for key in query.keys() - OWN_PARAMETERS[name]}
            for each in values:
                narrowed = load({**rest, **each["query"], "limit": "1"})
                total = list_pages.find_page(db, narrowed, today, index).envelope["total"]
                assert each["count"] == min(total, limit), (query, name, each)
                assert each.get("countIsCapped", False) == (total > limit)
                capped += total > limit
    assert capped
