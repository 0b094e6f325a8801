"""Processes that share rendered events through CACHE_URL show nothing outdated because of it.

One process is the application, the others are event caches of their own on the same database. The
last test starts two servers.
"""

import threading
import time

import pytest
import redis
import requests

from eventapp.core import shared_cache
from eventapp.core.access.actor import Actor
from eventapp.core.clock import utc_now
from eventapp.core.shared_cache import RedisCache
from eventapp.events import store as events_store
from eventapp.events.cache import loader
from eventapp.events.cache.event_cache import EVENT_CACHE, EventCache
from eventapp.events.errors import EventNotFound
from eventapp.events.list_requests import ListRequest
from tests.conftest import MONGO_URI, make_database_uri
from tests.factories import event_body, make_event, make_user
from tests.http.test_events_cache import by_another_process, renamed, within_a_second
from tests.live import Server, TcpProxy, eventually
from tests.redis_server import redis_server, redis_url

SECRET = "s3cret-" * 8
ORDER = {"eventId": 1, "ticketTypeId": 1, "quantity": 1}
needs_server = pytest.mark.skipif(not MONGO_URI, reason="processes share a server: set MONGO_URI")


@pytest.fixture(scope="module")
def port():
    with redis_server() as port:
        yield port


@pytest.fixture(scope="module")
def proxy(port):
    """Return a proxy to Redis, whose connections tests may cut or stall."""
    with TcpProxy("127.0.0.1", port) as proxy:
        yield proxy


@pytest.fixture(scope="module")
def app(make_app, proxy):
    return make_app(CACHE_URL=redis_url(proxy.port), JWT_SECRET=SECRET)


@pytest.fixture
def client(app, db, proxy, monkeypatch):
    """Return a client of the application, once its Redis answers."""
    monkeypatch.setattr(shared_cache, "RETRY_SECONDS", 0.2)
    proxy.restore()
    wait_until_shared(EVENT_CACHE.get(app))
    return app.test_client()


@pytest.fixture
def start(db, proxy):
    """Return a function that starts another process, with an empty cache."""

    def start_(secret=SECRET):
        return wait_until_shared(EventCache(db, RedisCache(redis_url(proxy.port), secret)))

    return start_


def shared_cache_of(event_cache):
    return event_cache._loader._shared_events._cache


def wait_until_shared(event_cache):
    cache = shared_cache_of(event_cache)
    eventually(lambda: cache.get(["nothing"]) and cache._is_available)
    return event_cache


@pytest.fixture
def reads(monkeypatch):
    """Return the eventIds that any process reads from the database, in order."""
    seen, read = [], events_store.find_events

    def recorded(db, event_ids):
        seen.extend(event_ids)
        return read(db, event_ids)

    monkeypatch.setattr(events_store, "find_events", recorded)
    return seen


def title(event_cache, event_id=1):
    head = event_cache.get_event(event_id).head
    return head.partition(b'"title":"')[2].partition(b'"')[0].decode()


def shows_soon(get_title, expected):
    within_a_second(lambda: get_title() == expected)


def poll(client):
    """Let the application receive all changes so far, so that it shares what it reads next."""
    EVENT_CACHE.get(client.application)._change_feed.poll()


def shown(client, event_id=1):
    return client.get(f"/api/events/{event_id}").json["title"]


def available(client):
    return client.get("/api/events/1").json["ticketTypes"][0]["availableTickets"]


def test_an_event_that_one_process_read_is_not_read_by_another(client, db, start, reads):
    make_event(db)
    poll(client)
    assert shown(client) == "Sample Event"
    other = start()
    assert title(other) == "Sample Event"
    assert reads == [1]
    own = EVENT_CACHE.get(client.application).get_event(1)
    assert other.get_event(1).to_json("", favorited=True) == own.to_json("", favorited=True)


def test_the_events_of_a_list_are_looked_up_in_one_call(client, db, start, reads, monkeypatch):
    for number in range(5):
        make_event(db, title=f"Jazz {number}")
    poll(client)
    for event_id in (1, 2, 3):
        shown(client, event_id)
    other, calls = start(), []
    cache = shared_cache_of(other)
    get = cache.get
    monkeypatch.setattr(cache, "get", lambda names: calls.append(len(names)) or get(names))
    request = ListRequest(search="jazz", sort_by="eventId", descending=True)
    body = other.load_page(request, utc_now(), Actor(), "").show().body
    assert [body.count(b'"title":"Jazz %d"' % number) for number in range(5)] == [1] * 5
    assert (calls, reads) == ([5], [1, 2, 3, 5, 4])


def test_an_edit_shows_at_once_whatever_is_in_the_shared_cache(client, app, db, start, organizer):
    make_event(db, organizer_id=organizer["id"])
    other = start()
    assert title(other) == "Sample Event"  # and the event is in the shared cache
    for number in range(5):
        body = event_body(title=f"Edit {number}")
        client.put("/api/events/1", json=body, headers=organizer["headers"])
        assert shown(client) == f"Edit {number}"
        shows_soon(lambda: title(other), f"Edit {number}")


def test_a_sale_shows_at_once_whatever_is_in_the_shared_cache(client, app, db, start):
    make_event(db)
    buyer, other = make_user(app), start()
    assert title(other) == "Sample Event"
    client.post("/api/bookings", json=ORDER, headers=buyer["headers"])  # an event it never showed
    assert available(client) == 99
    assert other.get_event(1).ticket_types.count(b'"availableTickets":100')
    within_a_second(lambda: other.get_event(1).ticket_types.count(b'"availableTickets":99'))


def test_an_edit_by_another_process_shows_within_a_second(client, db, start):
    make_event(db)
    others = [start(), start()]
    for number in range(4):
        by_another_process(db, 1, renamed(f"Edit {number}"))
        for process in (lambda: shown(client), lambda: title(others[0]), lambda: title(others[1])):
            shows_soon(process, f"Edit {number}")


def test_a_new_process_shows_nothing_outdated_from_the_shared_cache(client, db, start):
    make_event(db)
    for number in range(4):
        title(start())  # reads the event and shares it
        by_another_process(db, 1, renamed(f"Edit {number}"))
        assert title(start()) == f"Edit {number}"


def test_a_deleted_event_is_gone_although_it_is_in_the_shared_cache(client, db, start, organizer):
    make_event(db, organizer_id=organizer["id"])
    other = start()
    title(other)
    client.delete("/api/events/1", headers=organizer["headers"])
    assert client.get("/api/events/1").status_code == 404
    with pytest.raises(EventNotFound):
        start().get_event(1)

    def is_gone():
        try:
            return not other.get_event(1)
        except EventNotFound:
            return True

    within_a_second(is_gone)


def test_an_outdated_value_that_arrives_late_is_never_shown(
    client, db, port, start, organizer, monkeypatch
):
    """One process reads, the event changes, others read; then the first shares what it read."""
    make_event(db, organizer_id=organizer["id"])
    slow, quick = start(), start()
    title(quick)
    read, has_read, may_go_on = events_store.find_events, threading.Event(), threading.Event()

    def slowly(db, event_ids):
        found = read(db, event_ids)
        if threading.current_thread().name == "slow":
            has_read.set()
            may_go_on.wait(10)
        return found

    monkeypatch.setattr(events_store, "find_events", slowly)
    redis.Redis(port=port).flushall()
    thread = threading.Thread(target=title, args=(slow,), name="slow")
    thread.start()
    assert has_read.wait(10)
    client.put("/api/events/1", json=event_body(title="New"), headers=organizer["headers"])
    assert shown(client) == "New"
    shows_soon(lambda: title(quick), "New")
    may_go_on.set()
    thread.join()
    shared = slow._loader._shared_events.find([1])
    assert b"Sample Event" in shared[0][0].head  # the old value did overwrite the new one
    for event_cache in (EVENT_CACHE.get(client.application), quick):
        event_cache._freshness._rendered.clear()
    assert [shown(client), title(quick), title(start())] == ["New"] * 3
    shows_soon(lambda: title(slow), "New")


def test_when_redis_is_down_every_answer_is_right_and_quick(
    client, app, db, proxy, organizer, monkeypatch
):
    make_event(db, organizer_id=organizer["id"])
    cache = RedisCache(f"redis://127.0.0.1:{proxy.port}", SECRET)  # with the default timeout
    monkeypatch.setitem(app.extensions, "event_cache", EventCache(db, cache))
    times, number = [], 0
    for change in (proxy.restore, proxy.cut, proxy.restore, proxy.stall, proxy.cut, proxy.restore):
        change()
        until = time.monotonic() + 0.5
        while time.monotonic() < until:
            number += 1
            body = event_body(title=f"Edit {number}")
            client.put("/api/events/1", json=body, headers=organizer["headers"])
            began = time.perf_counter()
            assert shown(client) == f"Edit {number}"
            times.append(time.perf_counter() - began)
            assert client.get("/readyz").status_code == 200
    assert number > 20
    assert sorted(times)[len(times) // 2] < 0.1
    assert "eventapp_shared_cache_total" in client.get("/metrics").text


def test_values_that_others_wrote_are_not_shown(client, db, port, start, reads):
    make_event(db)
    poll(client)
    shown(client)
    foreign = start("another secret of another application")
    assert title(foreign) == "Sample Event"
    direct = redis.Redis(port=port)
    for name in direct.keys("eventapp:*:event:*"):
        direct.set(name, b"\x00garbage" * 9)
    assert title(start()) == "Sample Event"
    assert reads == [1, 1, 1]


def test_another_version_of_the_rendering_shares_nothing(client, db, start, reads, monkeypatch):
    make_event(db)
    poll(client)
    shown(client)
    monkeypatch.setattr(loader, "_hash_rendering_code", lambda: "newer")
    assert title(start()) == "Sample Event"
    assert reads == [1, 1]


def hits(server):
    for line in server.get("/metrics").text.splitlines():
        if line.startswith('eventapp_shared_cache_total{outcome="hit"}'):
            return float(line.split()[1])
    return 0.0


@pytest.fixture
def servers(make_app, tmp_path_factory, port):
    """Start two servers on one database and one Redis; return them and an organizer's headers."""
    shared = {"MONGO_URI": make_database_uri(MONGO_URI), "JWT_SECRET": SECRET}
    organizer = make_user(make_app(**shared), "organizer")["headers"]
    one, two = (
        Server(
            tmp_path_factory.mktemp(name),
            CACHE_URL=redis_url(port, 1),
            WEB_CONCURRENCY="1",
            **shared,
        )
        for name in ("one", "two")
    )
    with one, two:
        yield one.wait(), two.wait(), organizer


@needs_server
def test_two_servers_share_events_and_show_nothing_outdated(servers):
    one, two, organizer = servers
    event_id = one.post("/api/events", event_body(), headers=organizer).json()["eventId"]
    path = f"/api/events/{event_id}"
    within_a_second(lambda: two.get(path).status_code == 200)
    for number in range(10):
        body = event_body(title=f"Edit {number}")
        requests.put(one.url + path, json=body, headers=organizer, timeout=10)
        assert one.get(path).json()["title"] == f"Edit {number}"
        shows_soon(lambda: two.get(path).json()["title"], f"Edit {number}")
    assert hits(one) + hits(two) >= 5
