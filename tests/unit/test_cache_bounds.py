"""Each cache in the memory of a process has a bound, which the largest accepted input respects."""

import ast
import pickle
import tracemalloc
from datetime import date, timedelta
from urllib.parse import quote

import pytest

from eventapp.config import ROOT
from eventapp.core import textsearch
from eventapp.core.access import rate_limit_storage, rate_limits
from eventapp.core.access.rate_limit_storage import MemoryCounterStorage
from eventapp.core.clock import utc_now
from eventapp.core.http import blueprint
from eventapp.core.http.blueprint import get_query_parser
from eventapp.core.metrics import REQUESTS
from eventapp.events.cache.rendering import (
    CachedPage,
    PageKey,
    PageView,
    RenderedEvent,
    render_page,
)
from eventapp.events.rules import MAX_ENTRIES, MAX_TYPES
from eventapp.events.schemas.queries import EventQuery
from eventapp.events.service import make_new_event
from eventapp.inventory import in_flight, rules
from eventapp.inventory.in_flight import ClearableEntries
from eventapp.messages import event_stream
from eventapp.messages.event_stream import EventTopic
from eventapp.messages.rules import MAX_TEXT
from tests.factories import event_body

CACHE_MAKERS = {"lru_cache", "cache", "LRUCache", "TTLCache", "LFUCache", "deque"}
# What each module caches, and its bound. Declare a new cache here, and in docs/caching.md.
BOUNDS = {
    "android/service.py": "14% of CACHE_MB",
    "core/access/rate_limit_storage.py": "50,000 counters of 0.3 kB",
    "core/access/rate_limits.py": "4,096 addresses of 64 characters",
    "core/access/tokens.py": "3,000 tokens, with 0.7 kB each",
    "core/access/recent_writes.py": "5,000 users, of 0.3 kB",
    "core/clock.py": "the IANA time zones, about 600",
    "core/batching.py": "the calls of a batch, at most one for each request in work",
    "core/log_writer.py": "4,000,000 characters",
    "core/logging.py": "1,024 names of values in lines of the log",
    "core/http/body_limits.py": "the schemas of requests, less than 100",
    "core/http/compressed_bodies.py": "4% of CACHE_MB",
    "core/http/app_context.py": "1,024 hosts of 0.6 kB",
    "core/http/request_log.py": "64 routes",
    "core/http/blueprint.py": "1,024 query strings of 1 kB, with 10 kB each",
    "core/permits.py": "the requests that wait for a permit, at most one for each thread",
    "core/server/connection_watch.py": "20 times the bytes sent by 4,096 connections, 0.2 kB each",
    "core/lru_cache.py": "the size that its user gives",
    "core/textsearch.py": "50,000 words of 32 characters",
    "core/translations.py": "one catalogue for each language",
    "events/cache/event_cache.py": "22% of CACHE_MB",
    "events/cache/favorites_cache.py": "4% of CACHE_MB",
    "events/cache/freshness.py": "43% of CACHE_MB",
    "events/popularity.py": "100,000 interactions of each kind, of 0.1 kB",
    "inventory/sale_states.py": "13% of CACHE_MB",
    "notifications/live.py": "40 ids for each open stream",
    "notifications/texts.py": "the words of each language",
    "pages/rendering.py": "the templates in each language",
    "pages/sitemap.py": "50 files of the site map, for an hour",
    "receipts/pages.py": "the template in each language",
    "webhooks/transport.py": "one set of certificate authorities",
}
WIDEST = "\ufdfa"  # 3 bytes in UTF-8, which folding replaces by 18 characters of 2 bytes


def find_caches():
    """Return the modules that make caches or queues."""
    found = set()
    for path in (ROOT / "eventapp").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            functions = [node.func] if isinstance(node, ast.Call) else []
            if isinstance(node, ast.FunctionDef):
                functions = node.decorator_list
            names = {getattr(each, "id", getattr(each, "attr", None)) for each in functions}
            if names & CACHE_MAKERS:
                found.add(path.relative_to(ROOT / "eventapp").as_posix())
    return found


def measure(make, count):
    """Return the bytes that `count` values take, which `make` returns for numbers."""
    kept = [None] * count
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        for number in range(count):
            kept[number] = make(number)
        return tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
        del kept


def test_every_cache_is_listed_with_its_bound():
    assert find_caches() == set(BOUNDS)


def make_long_query(number):
    """Return a query of the greatest length that is cached, with the most memory."""
    letters = quote(WIDEST) * 45
    query = f"page={number + 1}&city={letters}&tags={letters}"
    return f"{query}&utm_x={'x' * (blueprint.MAX_CACHED_QUERY_BYTES - len(query) - 7)}".encode()


def test_the_cache_of_parsed_queries_takes_at_most_11_mb():
    schema = EventQuery(unknown="exclude")

    def parse(number):
        raw = make_long_query(number)
        assert len(raw) == blueprint.MAX_CACHED_QUERY_BYTES
        return raw, schema.load({"page": number + 1, "city": WIDEST * 45, "tags": WIDEST * 45})

    parse(0)
    assert measure(parse, 100) / 100 * blueprint.QUERY_CACHE_SIZE < 11_000_000


def test_a_query_over_the_bound_is_not_cached(app, client, monkeypatch):
    (parse,) = [
        cell.cell_contents
        for cell in get_query_parser(app.view_functions["events.list_events"]).__closure__
        if hasattr(cell.cell_contents, "cache_info")
    ]
    before = parse.cache_info().currsize
    for number in range(20):
        query = make_long_query(number).decode()
        assert client.get(f"/api/events?{query}y").status_code == 200
    assert parse.cache_info().currsize == before
    assert client.get(f"/api/events?{make_long_query(3).decode()}").status_code == 200
    assert parse.cache_info().currsize == before + 1


def test_the_cache_of_forms_takes_at_most_25_mb():
    find = textsearch._find_forms
    count = 2_000
    attempts = []
    for _ in range(3):  # Threads of other tests' applications also take memory meanwhile.
        textsearch._find_cached_forms.cache_clear()
        attempts.append(measure(lambda number: find("\U0001f600" * 26 + f"{number:06}"), count))
        assert textsearch._find_cached_forms.cache_info().currsize == count
    taken = min(attempts)
    assert taken / count * textsearch.MAX_CACHED_WORDS < 25_000_000
    assert find("x" * 10_000) == ("x" * textsearch.MAX_TERM,)
    assert textsearch._find_cached_forms.cache_info().currsize == count


@pytest.mark.parametrize("location", ["日" * 200, WIDEST * 200])
def test_a_sale_state_takes_no_more_memory_than_it_counts(location):
    times = {"startTime": "20:30", "endTime": "23:00", "doorsTime": "19:30"}
    details = {**times, "timezone": "America/Argentina/ComodRivadavia", "lat": 1.5, "lng": 2.5}
    body = event_body(
        title="日" * 200,
        schedule=[
            {"date": date(2099, 1, 1) + timedelta(days=n), "location": location, **details}
            for n in range(MAX_ENTRIES)
        ],
        ticketTypes=[
            {"type": "日" * 96 + f"{n:04}", "price": 1.25, "availableTickets": 10**6 + n}
            for n in range(MAX_TYPES)
        ],
    )
    event = make_new_event(body, organizer_id=None, now=utc_now())
    quota = {"quotaId": 10**6, "capacity": 10**6, "availableTickets": 10**6 - 1, "waiting": 999}
    quotas = [
        {
            **quota,
            "name": "日" * 97 + f"{n:03}",
            "scheduleIds": list(range(1000, 1000 + MAX_ENTRIES)),
        }
        for n in range(50)
    ]
    names = {"title", "status", "lastDate", "schedule", "ticketTypes", "rev"}
    for types, entries in ((MAX_TYPES, MAX_ENTRIES), (1, 1), (MAX_TYPES, 1), (1, MAX_ENTRIES)):
        state = {name: event[name] for name in names}
        state["ticketTypes"] = state["ticketTypes"][:types]
        state["schedule"] = state["schedule"][:entries]
        state["quotas"] = quotas[:types]
        encoded = pickle.dumps(state)
        taken = measure(lambda _, encoded=encoded: pickle.loads(encoded), 10) / 10
        assert taken < rules.get_state_bytes(state)


def test_the_keys_to_clear_are_bounded_over_all_events():
    entries = ClearableEntries()
    for event_id in range(200):
        entries.add(event_id, [f"{event_id}:{number}" for number in range(1_000)])
    count = sum(map(len, entries._keys.values()))
    assert count == entries._key_count <= in_flight.MAX_ALL_KEYS + in_flight.MAX_KEYS
    entries.pop(199)
    assert entries._key_count == count - in_flight.MAX_CLEARED_KEYS
    for event_id in range(in_flight.MAX_EVENTS + 5):
        entries.add(event_id, ["key"])
    assert len(entries._keys) <= in_flight.MAX_EVENTS


class LiveEvent:
    """The part of a live state that a topic reads when it is opened."""

    event_id, revision, availability, changed_at = 1, 1, (), None


def test_a_stream_buffers_a_bounded_number_of_bytes():
    topic = EventTopic(LiveEvent(), 0)
    for seq in range(1, 200):
        entry = {"_id": seq, "eventId": 1, "seq": seq, "text": "日" * MAX_TEXT}
        entry |= {"authorId": None, "authorName": "A", "createdAt": utc_now(), "shown": True}
        topic.add_entries([entry])
    buffered = topic.snapshot.buffered
    assert len(buffered) > 20
    assert buffered[-1][0] == topic.snapshot.seq == 199
    assert [seq for seq, _ in buffered] == list(range(200 - len(buffered), 200))
    assert sum(len(data) for _, data in buffered) <= event_stream.MAX_BUFFERED_BYTES


def test_counters_in_memory_are_bounded_and_the_latest_are_kept(monkeypatch):
    monkeypatch.setattr(rate_limit_storage, "MAX_COUNTERS", 100)
    storage = MemoryCounterStorage()
    for number in range(1_000):
        storage.incr(f"reads/address:{number}/1", 60)
        assert storage.incr("reads/busy", 60) == number + 1
    assert len(storage._counts) == 100
    assert storage.incr("reads/address:5/1", 60) == 1


def test_the_network_of_a_long_address_is_short():
    for number in range(5):
        network = rate_limits.find_client_network(f"{number}" + "x" * 60_000)
        assert len(network) == rate_limits.MAX_ADDRESS_LENGTH


@pytest.mark.parametrize("city", ["x" * 100, "日" * 100, WIDEST * 100])
@pytest.mark.parametrize("has_distances", [False, True])
def test_a_page_counts_its_key_its_view_and_its_events(city, has_distances):
    query = {"city": city, "tags": city, "search": city}
    schema = EventQuery()

    def make_pages(number):
        key = PageKey(schema.load({**query, "page": number + 1}), utc_now().date())
        event_ids = tuple(range(1_000, 1_100))
        distances = {event_id: event_id + 0.5 for event_id in event_ids if has_distances}
        page = CachedPage(key, 1, event_ids, distances, b"x" * 80)
        base_url = f"https://{number}.example/" + "x" * 10_000
        events = [make_small_event(event_id) for event_id in range(2_000, 2_100)]
        return page, render_page(page, events, PageView(1, base_url))

    make_pages(0)
    page, rendered = make_pages(1)
    # Threads of the process may keep a few bytes meanwhile: the least is what the pages take.
    taken = min(measure(make_pages, 50) for _ in range(3)) / 50
    assert taken < page.size_bytes + rendered.size_bytes


def make_small_event(event_id):
    """Return an event whose JSON is short, so that its position in a page counts."""
    head = b'{"eventId":%d,"ticketTypes":' % event_id
    return RenderedEvent(
        event_id, 1, 1, None, False, head, None, b"[]", b'"tags":[]', False, (), None
    )


def test_requests_are_counted_by_known_methods_only(client):
    for number in range(20):
        client.open("/healthz", method=f"METHOD{number}")
    methods = {sample.labels.get("method") for sample in REQUESTS.collect()[0].samples}
    assert not any(method.startswith("METHOD") for method in methods)
    assert "other" in methods
