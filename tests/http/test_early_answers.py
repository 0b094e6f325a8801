"""An answer before Flask equals that of Flask: its headers, body, log, metrics and side effects."""

import threading
import time
from functools import partial

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pymongo.errors import ServerSelectionTimeoutError

from eventapp.core.access import rate_limits
from eventapp.core.http.app_context import CONFIG
from eventapp.core.http.early_answers import EARLY_ANSWERS
from eventapp.events import listing
from eventapp.events.cache import change_feed
from eventapp.events.cache.change_feed import ChangeFeed
from eventapp.events.cache.event_cache import EVENT_CACHE, EventCache
from tests.early_answers import EVENT, LIST, SETTINGS, check, prepare, send
from tests.factories import event_body

OTHER_SETTINGS = {
    "text": {"LOG_FORMAT": "text"},
    "limits": {"RATE_LIMIT_ENABLED": "true", "RATE_LIMIT_MAX_REQUESTS": "1000"},
    "demo": {"DEMO_OPEN": "true"},
    "origins": {"CORS_ORIGINS": "https://a.example.org,https://b.example.org"},
    "proxies": {"TRUSTED_PROXIES": "1", "RATE_LIMIT_ENABLED": "true"},
    "production": {
        "APP_ENV": "production",
        "JWT_SECRET": "0123456789abcdef0123456789abcdef-random",
        "PUBLIC_BASE_URL": "https://tickets.example.org/",
        "TRUSTED_PROXIES": "1",
    },
}
EARLY_PATHS = [
    *("/healthz", "/api/healthz", EVENT, "/api/events/2", LIST),
    *(f"{LIST}?{query}" for query in ("category=concert", "limit=1", "city=a&category=concert")),
    *(f"{LIST}?{query}" for query in ("sortBy=popularity", "search=jazz", "upcoming=false")),
    *(f"{LIST}?{query}" for query in ("_=1", "utm_source=x", "facets=category,tags", "page=2")),
    *(f"{LIST}?{query}" for query in ("city=Th%C3%A9", "tags=a,b&availableOnly=true", "search=")),
]
OTHER_PATHS = [
    *(f"{LIST}/{part}" for part in ("3", "0", "01", "-1", "x", "999", "1/", "1/stats", "popular")),
    *(f"{LIST}/{part}" for part in ("9" * 18, "9" * 30, "%31", "١", "1%00", "%2F", "suggest")),
    *(f"{LIST}?{query}" for query in ("page=0", "x=1", "mine=true", "limit=1&limit=2", "%ff=%zz")),
    *(f"{LIST}?search={'a' * 1100}", f"{LIST}?cursor=x", f"{EVENT}?x=1", f"{EVENT}?_=1"),
    *(f"{LIST}/", "/healthz/", "/healthz?x=1", "//api/events", "/api/events/../events/1", "/"),
    *("/readyz", "/api/users", "/android/events", "/nowhere"),
]
HEADERS = [
    {"X-Request-Id": "my-id.1:2_3"},
    {"X-Request-Id": "not valid"},
    {"X-Request-Id": "lnk_012345678901234567890123"},
    {"Origin": "https://a.example.org"},
    {"Origin": "https://else.example.org"},
    {"Origin": "https://a.example.org", "Access-Control-Request-Private-Network": "true"},
    *({"Accept-Encoding": each} for each in ("gzip", "br, zstd", "identity", "", "gzip;q=0", "*")),
    *({"Accept-Encoding": each} for each in ("GZIP", "x-gzip", "br;q=x", "identity, gzip;q=0.5")),
    *({"Accept": each} for each in ("text/html", "application/xml", "*/*;q=0")),
    {"Accept-Language": "el"},
    {"Authorization": "Bearer x"},
    {"Authorization": ""},
    {"X-Device-Id": "device-12345"},
    {"X-Device-Id": "!"},
    {"Cookie": "eventapp_session=evs_0123456789012345678901234"},
    {"If-None-Match": "*"},
    {"If-None-Match": '"other"'},
    {"If-Match": '"other"'},
    {"Range": "bytes=0-9"},
    {"If-Modified-Since": "Mon, 30 Nov 2026 19:51:14 GMT"},
    *(
        {"Host": each}
        for each in ("tickets.example.org", "a.example.org:80", "a..b", "a_b", "[::1]")
    ),
    *({"Host": each} for each in ("EXAMPLE.org", "x" * 70, "a b", "", "127.0.0.1:99999")),
    *({"X-Forwarded-For": each} for each in ("198.51.100.7", "1.2.3.4, 2001:db8::1", "unknown")),
    {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "shop.example.org"},
    {"X-Forwarded-Proto": "gopher"},
    {"Content-Type": "application/json"},
    {"Idempotency-Key": "k"},
    {"Traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"},
    {"X-HTTP-Method-Override": "DELETE"},
]


@pytest.fixture(scope="module")
def make_similar_app(make_app):
    """A function that creates an application, on a server on one database for all of them."""
    first = CONFIG.get(make_app())
    shared = {"MONGO_URI": first.mongo_uri} if first.mongo_uri else {}
    return partial(make_app, **shared)


@pytest.fixture(scope="module")
def app(make_similar_app):
    return make_similar_app(**SETTINGS)


@pytest.mark.parametrize("path", EARLY_PATHS)
def test_these_paths_are_answered_early_and_as_by_flask(ask_both, early, path):
    assert check(ask_both, path)["status"] == "200 OK"
    assert early[-1] == "memory"


def test_other_paths_and_methods_are_as_by_flask(ask_both):
    for path in OTHER_PATHS:
        check(ask_both, path)
    for method in ("HEAD", "OPTIONS", "POST", "PUT", "DELETE", "PATCH", "BREW"):
        for path in (EVENT, LIST, "/healthz"):
            check(ask_both, path, method=method)
    check(ask_both, EVENT, method="GET", data=b"{}", content_type="application/json")
    check(ask_both, LIST, method="GET", data=b"[1]", content_type="application/json")


def test_other_headers_are_as_by_flask(ask_both):
    for headers in HEADERS:
        for path in (EVENT, LIST, "/healthz"):
            check(ask_both, path, headers=headers)


@pytest.mark.parametrize("name", OTHER_SETTINGS)
def test_all_is_as_by_flask_under_other_settings(
    make_similar_app, capsys, monkeypatch, name, early
):
    app = make_similar_app(**{**SETTINGS, **OTHER_SETTINGS[name]})
    EVENT_CACHE.get(app).reset()
    ask_both = prepare(app, capsys, monkeypatch)
    event_id = max(each["eventId"] for each in app.test_client().get(LIST).json["events"])
    check(ask_both, f"/api/events/{event_id}")
    assert early[-1] == "memory"
    for path in EARLY_PATHS:
        check(ask_both, path)
        for scheme in ("http", "https"):
            check(ask_both, path, base_url=f"{scheme}://localhost")
    for headers in HEADERS:
        check(ask_both, f"/api/events/{event_id}", headers=headers)
        check(ask_both, LIST, headers=headers)
    for path in OTHER_PATHS:
        check(ask_both, path)


@pytest.fixture
def no_memory(monkeypatch):
    """Let nothing be found in memory, so that the database answers what is early."""
    for name in ("peek_event", "peek_page"):
        monkeypatch.setattr(EventCache, name, lambda *_: None)


@pytest.mark.parametrize("path", [path for path in EARLY_PATHS if path.startswith(LIST)])
def test_the_database_answers_as_by_flask(ask_both, no_memory, early, path):
    for method in ("GET", "HEAD"):
        assert check(ask_both, path, method=method)["status"] == "200 OK"
        assert early[-1] == "database"


def test_other_requests_are_as_by_flask_without_memory(ask_both, no_memory):
    for path in OTHER_PATHS:
        check(ask_both, path)
    for headers in HEADERS:
        for path in (EVENT, LIST):
            check(ask_both, path, headers=headers)


def test_an_unexpected_error_is_logged_and_answered_by_flask(
    app, capsys, no_memory, monkeypatch, early
):
    monkeypatch.setattr(listing, "list_events", lambda *_, **__: 1 / 0)
    body, status, _headers = send(app, LIST)
    assert (status, early[-1]) == ("500 INTERNAL SERVER ERROR", None)
    assert b"internal_error" in body
    assert capsys.readouterr().err.count("ZeroDivisionError") >= 2


NAMES = ["search", "city", "category", "dateFrom", "availableOnly", "upcoming", "minPrice", "tags"]
NAMES += ["sortBy", "sortOrder", "page", "limit", "cursor", "mine", "facets", "near", "_x", "odd"]
VALUES = ["", "1", "0", "true", "a", "jazz", "concert", "%20", "%", "title", "price", "2027-01-01"]
queries = st.lists(
    st.tuples(st.sampled_from(NAMES), st.sampled_from(VALUES) | st.text("a%+&=;é", max_size=4)),
    max_size=4,
).map(lambda pairs: "&".join(f"{name}={value}" for name, value in pairs))


@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(st.sampled_from([LIST, EVENT, "/healthz"]), queries, st.lists(st.sampled_from(HEADERS)))
def test_any_query_and_headers_are_as_by_flask(ask_both, path, query, headers):
    merged = {name: value for each in headers[:3] for name, value in each.items()}
    query = query.encode().decode("latin-1")
    check(ask_both, f"{path}?{query}" if query else path, headers=merged)


def test_a_request_counts_once_towards_the_limit_and_one_more_is_refused_by_flask(
    make_similar_app, capsys, monkeypatch
):
    app = make_similar_app(RATE_LIMIT_ENABLED="true", RATE_LIMIT_MAX_REQUESTS="20")
    prepare(app, capsys, monkeypatch)
    rate_limits.RATE_LIMITER.set(app, rate_limits.RateLimiter(CONFIG.get(app)))
    answers = [send(app, LIST) for _ in range(22)]
    remaining = [dict(headers)["RateLimit-Remaining"] for _, _, headers in answers]
    assert remaining == [*map(str, range(19, -1, -1)), "0", "0"]
    assert [status[:3] for _, status, _ in answers] == ["200"] * 20 + ["429"] * 2
    assert "Retry-After" in dict(answers[-1][2])
    caller = rate_limits.ADDRESS_PREFIX + "192.0.2.1"
    assert rate_limits.RATE_LIMITER.get(app).look_up("reads", caller, time.time()).remaining == -2


def test_health_is_not_limited(make_similar_app):
    app = make_similar_app(RATE_LIMIT_ENABLED="true", RATE_LIMIT_MAX_REQUESTS="20")
    assert {send(app, "/healthz")[1] for _ in range(30)} == {"200 OK"}


def test_what_is_in_memory_asks_no_database(ask_both, app, early, monkeypatch):
    for path in (EVENT, LIST):
        check(ask_both, path)

    def fail(*_):
        raise ServerSelectionTimeoutError("the database was asked")

    monkeypatch.setattr(ChangeFeed, "poll", fail)
    monkeypatch.setattr("eventapp.events.cache.event_cache.find_page", fail)
    monkeypatch.setattr("eventapp.events.store.find_events", fail)
    assert send(app, EVENT)[1] == send(app, LIST)[1] == "200 OK"
    assert early[-2:] == ["memory", "memory"]
    # For what the cache does not hold for certain the database is asked, and again by Flask.
    EVENT_CACHE.get(app).reset()
    assert send(app, EVENT)[1] == send(app, LIST)[1] == "503 SERVICE UNAVAILABLE"
    assert early[-2:] == [None, None]


def test_what_is_in_memory_takes_no_permit(ask_both, app, monkeypatch):
    """A server limits `handle`, so only what is not in memory waits while all permits are taken."""
    check(ask_both, EVENT)
    monkeypatch.setattr(EARLY_ANSWERS.get(app), "handle", lambda *_: 1 / 0)
    assert send(app, EVENT)[1] == "200 OK"
    with pytest.raises(ZeroDivisionError):
        send(app, "/api/users")


def test_an_own_edit_shows_at_once(ask_both, app, early, organizer, client):
    body = event_body(title="Before")
    event = client.post(LIST, json=body, headers=organizer["headers"]).json
    path = f"/api/events/{event['eventId']}"
    assert b"Before" in check(ask_both, path)["body"]
    assert early[-1] == "memory"
    body = {**event_body(), "title": "After"}
    assert client.put(path, json=body, headers=organizer["headers"]).status_code == 200
    assert b"After" in send(app, path)[0]
    assert early[-1] == "database"
    assert b"After" in check(ask_both, path)["body"]
    assert b"After" in check(ask_both, LIST)["body"]


def test_a_favorite_of_the_guest_shows_at_once(ask_both, app, client):
    assert b'"favorited":false' in check(ask_both, EVENT)["body"]
    assert client.post("/api/favorites", json={"eventId": 1}).status_code in (200, 201)
    assert b'"favorited":true' in check(ask_both, EVENT)["body"]


def check_another_is_early_during(owner, name, app, monkeypatch, early):
    """Check that a request is answered early while another one waits in a function of `owner`."""
    waiting, go_on = threading.Event(), threading.Event()
    real = getattr(owner, name)

    def wait_and_call(*arguments):
        waiting.set()
        assert go_on.wait(20)
        return real(*arguments)

    monkeypatch.setattr(owner, name, wait_and_call)
    first = threading.Thread(target=send, args=(app, EVENT))
    first.start()
    assert waiting.wait(20)
    del early[:]
    assert send(app, EVENT)[1] == "200 OK"
    assert early == ["memory"]
    go_on.set()
    first.join()


def test_one_request_polls_while_others_use_the_cache(ask_both, app, monkeypatch, early):
    check(ask_both, EVENT)
    monkeypatch.setattr(change_feed, "POLL_SECONDS", 0)
    monkeypatch.setattr(change_feed, "MAX_AGE_SECONDS", 1e9)
    monkeypatch.setattr(EVENT_CACHE.get(app)._change_feed, "_failed_at", float("-inf"))
    check_another_is_early_during(ChangeFeed, "poll", app, monkeypatch, early)
    # A cache that is too old is used by nobody.
    monkeypatch.setattr(change_feed, "MAX_AGE_SECONDS", -1)
    assert send(app, EVENT)[1] == "200 OK"
    assert early[-1] == "database"
