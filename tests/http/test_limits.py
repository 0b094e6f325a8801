"""Rate limits by scope, for users and addresses, in one process and in several."""

import subprocess
import sys
import time

import pytest
import redis
from flask import Flask, request

from eventapp.config import ROOT, ConfigError
from eventapp.core.access import permissions, rate_limits
from eventapp.core.access.rate_limit_storage import FallbackStorage, open_storage
from eventapp.core.http.app_context import CONFIG
from eventapp.payments.errors import EventRefused
from tests import factories
from tests.api_tokens import TokenCaller
from tests.bookings_factories import Caller, event_of
from tests.conftest import MONGO_URI, make_database_uri, needs_no_server
from tests.live import Server, eventually
from tests.redis_server import redis_server, redis_url
from tests.seen_library import replace_seen

ANN = {"name": "Ann", "email": "ann@example.org", "password": "correct horse"}
HOME_ADDRESS, OTHER_ADDRESS = "198.51.100.1", "198.51.100.2"
needs_server = pytest.mark.skipif(not MONGO_URI, reason="processes share a server: set MONGO_URI")


@pytest.fixture(scope="module")
def app(make_app):
    return make_app(RATE_LIMIT_ENABLED="true", RATE_LIMIT_MAX_REQUESTS="40")


@pytest.fixture
def client(app, db):
    rate_limits.RATE_LIMITER.set(app, rate_limits.RateLimiter(CONFIG.get(app)))  # reset
    return app.test_client()


def call(client, method, path, times, address=HOME_ADDRESS, **more):
    """Send a request `times` times and return the last response."""
    for _ in range(times):
        answer = client.open(path, method=method, environ_base={"REMOTE_ADDR": address}, **more)
    return answer


def test_a_read_reports_the_limit_and_the_remaining_requests(client):
    last = call(client, "GET", "/api/events", 40)
    assert last.status_code == 200
    assert last.headers["RateLimit-Limit"] == "40"
    assert last.headers["RateLimit-Remaining"] == "0"
    assert 0 < int(last.headers["RateLimit-Reset"]) <= 900
    assert "Retry-After" not in last.headers


def test_streams_are_counted_apart_from_reads(client):
    path = "/api/events/999/stream"
    assert call(client, "GET", path, 80).status_code == 404
    assert call(client, "GET", path, 1).status_code == 429
    assert call(client, "GET", "/api/events", 1).status_code == 200


def test_a_request_over_the_limit_is_refused_with_the_common_error_body(client):
    call(client, "GET", "/api/events", 40)
    answer = call(client, "GET", "/api/categories-or-any-path", 1)
    assert answer.status_code == 429
    assert answer.json == {"message": "Too many requests", "code": "too_many_requests"}
    assert answer.headers["Retry-After"] == answer.headers["RateLimit-Reset"]
    assert answer.headers["RateLimit-Remaining"] == "0"
    assert answer.headers["X-Request-Id"]


def test_writes_and_logins_have_limits_of_their_own(client):
    body = {"eventId": 999}
    assert call(client, "POST", "/api/favorites", 30, json=body).status_code == 404
    assert call(client, "POST", "/api/favorites", 1, json=body).status_code == 429
    assert call(client, "DELETE", "/api/favorites/7", 1).status_code == 429
    assert call(client, "GET", "/api/favorites", 1).status_code == 200
    statuses = {
        call(client, "POST", path, times, json={}).status_code
        for path, times in (
            ("/api/auth/register", 3),
            ("/api/users", 2),
            ("/api/auth/login", 3),
            ("/api/users/login", 2),
        )
    }
    assert statuses == {400}
    for path in ("/api/auth/register", "/api/users", "/api/auth/login", "/api/users/login"):
        assert call(client, "POST", path, 1, json={}).status_code == 429


def test_addresses_are_counted_apart(client):
    call(client, "GET", "/api/events", 41)
    assert call(client, "GET", "/api/events", 1, OTHER_ADDRESS).status_code == 200


def test_users_behind_one_address_are_counted_apart(app, client, db):
    ann, bob = factories.make_user(app)["headers"], factories.make_user(app)["headers"]
    call(client, "GET", "/api/events", 41)
    assert call(client, "GET", "/api/events", 40, headers=ann).status_code == 200
    assert call(client, "GET", "/api/events", 1, headers=ann).status_code == 429
    assert call(client, "GET", "/api/events", 1, OTHER_ADDRESS, headers=ann).status_code == 429
    assert call(client, "GET", "/api/events", 1, headers=bob).status_code == 200


def test_a_forged_token_does_not_escape_the_limit_of_its_address(client):
    call(client, "GET", "/api/events", 40)
    answer = call(client, "GET", "/api/events", 1, headers={"Authorization": "Bearer a.b.c"})
    assert answer.status_code == 429


def test_a_forwarded_address_is_ignored_without_trusted_proxies(client):
    call(client, "GET", "/api/events", 40)
    answer = call(client, "GET", "/api/events", 1, headers={"X-Forwarded-For": OTHER_ADDRESS})
    assert answer.status_code == 429


@pytest.mark.parametrize("path", ["/healthz", "/api/healthz", "/readyz", "/metrics", "/api/docs/"])
def test_health_and_documents_are_not_counted(client, path):
    call(client, "GET", "/api/events", 41)
    answer = call(client, "GET", path, 1)
    assert answer.status_code == 200
    assert "RateLimit-Limit" not in answer.headers


def test_preflights_are_not_counted(client):
    call(client, "GET", "/api/events", 41)
    assert call(client, "OPTIONS", "/api/events", 1).status_code == 200


def test_a_route_may_declare_its_scope():
    def view():
        return "x"

    app = Flask(__name__)
    app.add_url_rule("/read", "read", rate_limits.read_rate_limit(lambda: "x"), methods=["POST"])
    app.add_url_rule("/write", "write", view, methods=["POST", "GET"])
    app.add_url_rule("/in", "in", rate_limits.login_rate_limit(lambda: "x"), methods=["POST"])
    requests = (("/read", "POST"), ("/write", "POST"), ("/write", "GET"), ("/in", "POST"))
    scopes = []
    for path, method in requests:
        with app.test_request_context(path, method=method):
            scopes.append(rate_limits._get_request_scope())
    assert scopes == [rate_limits.READS, rate_limits.WRITES, rate_limits.READS, rate_limits.LOGINS]


@pytest.fixture
def webhook(make_app):
    """A client, and the path of a route that accepts and refuses events without a limit."""
    app = make_app(RATE_LIMIT_ENABLED="true", RATE_LIMIT_MAX_REQUESTS="40")
    app.add_url_rule("/webhook", "webhook", _receive, methods=["POST"])
    return app.test_client()


@permissions.anonymous
@rate_limits.no_rate_limit
def _receive():
    with rate_limits.count_refusals((EventRefused,)):
        if request.headers.get("Signature") != "valid":
            raise EventRefused
    return "received"


def test_accepted_events_are_never_limited_and_refused_ones_are(webhook):
    valid = {"Signature": "valid"}
    answer = call(webhook, "POST", "/webhook", 50, headers=valid)
    assert (answer.status_code, "RateLimit-Limit" in answer.headers) == (200, False)
    assert call(webhook, "POST", "/webhook", 10).status_code == 400
    answer = call(webhook, "POST", "/webhook", 1)
    assert (answer.status_code, answer.json["code"]) == (429, "too_many_requests")
    assert int(answer.headers["Retry-After"]) > 0
    # Those with a signature still arrive, also from the address of the others.
    assert call(webhook, "POST", "/webhook", 5, headers=valid).status_code == 200
    assert call(webhook, "GET", "/api/events", 40).status_code == 200
    assert call(webhook, "POST", "/webhook", 1, OTHER_ADDRESS).status_code == 400


def test_refusals_are_not_counted_if_rate_limits_are_disabled(make_app):
    app = make_app(RATE_LIMIT_ENABLED="false", RATE_LIMIT_MAX_REQUESTS="40")
    app.add_url_rule("/webhook", "webhook", _receive, methods=["POST"])
    assert call(app.test_client(), "POST", "/webhook", 30).status_code == 400


def test_no_hook_is_installed_if_rate_limits_are_disabled(make_app):
    app = make_app(RATE_LIMIT_ENABLED="false", RATE_LIMIT_MAX_REQUESTS="1")
    client = app.test_client()
    assert call(client, "GET", "/api/events", 3).status_code == 200
    assert "rate_limiter" not in app.extensions
    assert rate_limits._limit_request not in app.before_request_funcs.get(None, [])


def test_the_count_starts_again_in_the_next_window(make_app):
    settings = CONFIG.get(make_app(RATE_LIMIT_ENABLED="true", RATE_LIMIT_MAX_REQUESTS="1"))
    limiter = rate_limits.RateLimiter(settings)
    assert [limiter.hit("reads", "x", now).remaining for now in (900.0, 1799.9, 1800.0)] == [
        0,
        -1,
        0,
    ]
    assert limiter.hit("reads", "x", 1799.5).reset_seconds == 1


def test_requests_are_counted_in_memory_while_the_storage_is_down(make_app):
    app = make_app(
        RATE_LIMIT_ENABLED="true",
        RATE_LIMIT_MAX_REQUESTS="3",
        RATE_LIMIT_STORAGE_URI="mongodb://127.0.0.1:1/nowhere",
    )
    client = app.test_client()
    began = time.perf_counter()
    statuses = [call(client, "GET", "/api/events", 1).status_code for _ in range(4)]
    assert statuses == [200, 200, 200, 429]
    assert time.perf_counter() - began < 2


def test_a_storage_is_used_again_after_the_retry_time():
    storage = FallbackStorage("memory://")
    storage._unavailable_until = time.monotonic() + 60
    assert [storage.incr("a", 60), storage.incr("a", 60)] == [1, 2]
    storage._unavailable_until = 0.0
    assert storage.incr("a", 60) == 1


def test_a_storage_whose_package_is_missing_is_a_configuration_error(monkeypatch):
    monkeypatch.setitem(sys.modules, "redis", None)
    with pytest.raises(ConfigError, match="RATE_LIMIT_STORAGE_URI"):
        open_storage("redis://127.0.0.1:6379")


@pytest.mark.parametrize(
    "uri",
    [
        "redis://h:port",
        "redis://h/?nonsense=1",
        "redis://h/?socket_timeout=abc",
        "rediss://h:99999/0",
        "mongodb://",
        "mongodb://h:port/x",
        "mongodb://user:password@/x",
        "mongodb://h/a$b",
    ],
)
def test_an_invalid_storage_uri_is_a_configuration_error_of_one_line(uri):
    with pytest.raises(ConfigError, match=r"\ARATE_LIMIT_STORAGE_URI: .+\Z"):
        open_storage(uri)


PROCESS = """
import sys
from concurrent.futures import ThreadPoolExecutor
from eventapp.core.access import rate_limit_storage
rate_limit_storage.TIMEOUT_MS = 10_000  # On a busy machine it would otherwise count in memory.
storage = rate_limit_storage.FallbackStorage(sys.argv[1])
with ThreadPoolExecutor(8) as pool:
    print(sorted(pool.map(lambda _: storage.incr("reads/x/1", 60), range(50))))
"""


def count_in_two_processes(uri):
    command = [sys.executable, "-c", PROCESS, uri]
    running = [
        subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT, text=True) for _ in range(2)
    ]
    return sorted(number for process in running for number in eval(process.communicate()[0]))


@needs_server
def test_processes_share_one_count():
    uri = make_database_uri(MONGO_URI)
    assert count_in_two_processes(uri) == list(range(1, 101))
    storage = open_storage(uri)
    assert storage.counters.find_one({"_id": "reads/x/1"})["count"] == 100
    storage.client.drop_database(storage.counters.database)


@needs_server
def test_servers_share_one_limit(make_app):
    uri = make_database_uri(MONGO_URI)
    changes = {"RATE_LIMIT_MAX_REQUESTS": "5", "RATE_LIMIT_STORAGE_URI": uri}
    one, two = (make_app(RATE_LIMIT_ENABLED="true", **changes).test_client() for _ in range(2))
    statuses = [call(server, "GET", "/api/events", 1).status_code for server in (one, two) * 3]
    assert statuses == [200] * 5 + [429]
    storage = open_storage(uri)
    eventually(lambda: "expiresAt" in storage.counters.index_information())
    assert storage.counters.index_information()["expiresAt"]["expireAfterSeconds"] == 0
    storage.client.drop_database(storage.counters.database)


@needs_no_server
def test_processes_share_one_count_in_redis():
    with redis_server() as port:
        assert count_in_two_processes(redis_url(port)) == list(range(1, 101))
        assert 0 < redis.Redis(port=port).ttl("LIMITS:reads/x/1") <= 60


@needs_no_server
def test_servers_share_one_limit_in_redis(tmp_path_factory):
    """The two servers share nothing but Redis."""
    with redis_server() as port:
        changes = {"RATE_LIMIT_ENABLED": "true", "RATE_LIMIT_MAX_REQUESTS": "5", "MONGO_URI": ""}
        changes["RATE_LIMIT_STORAGE_URI"] = redis_url(port)
        one, two = (Server(tmp_path_factory.mktemp("server"), **changes) for _ in range(2))
        with one, two:
            one.wait(), two.wait()
            statuses = [server.get("/api/events").status_code for server in (one, two) * 3]
    assert statuses == [200] * 5 + [429]


def test_requests_are_counted_in_memory_while_redis_is_down():
    storage, began = FallbackStorage("redis://127.0.0.1:1"), time.perf_counter()
    assert [storage.incr("a", 60) for _ in range(3)] == [1, 2, 3]
    assert time.perf_counter() - began < 2


def test_an_api_token_counts_as_its_owner(app, client, db):
    owner = Caller(client, app)
    program = TokenCaller(owner, db)
    assert call(client, "GET", "/api/bookings", 30, headers=owner.headers).status_code == 200
    last = call(client, "GET", "/api/bookings", 10, OTHER_ADDRESS, headers=program.headers)
    assert (last.status_code, last.headers["RateLimit-Remaining"]) == (200, "0")
    assert call(client, "GET", "/api/bookings", 1, headers=program.headers).status_code == 429
    assert call(client, "GET", "/api/events", 1).status_code == 200


def test_guesses_of_api_tokens_are_limited_by_address(app, client, db):
    program = TokenCaller(Caller(client, app), db)
    guesses = [factories.bearer(f"evt_{number:040}") for number in range(11)]
    statuses = [call(client, "GET", "/api/events", 1, headers=each).status_code for each in guesses]
    assert statuses == [401] * 10 + [429]
    # A token that would be found is not looked up either.
    refused = call(client, "GET", "/api/bookings", 1, headers=program.headers)
    assert (refused.status_code, refused.json["message"]) == (429, "Too many unknown API tokens")
    assert 0 < int(refused.headers["Retry-After"]) <= 900
    elsewhere = call(client, "GET", "/api/bookings", 1, OTHER_ADDRESS, headers=program.headers)
    assert elsewhere.status_code == 200
    # Nobody else at the address is kept from signing in, or from reading without a token.
    answer = call(client, "POST", "/api/auth/register", 1, json=ANN)
    assert answer.status_code == 201
    assert call(client, "GET", "/api/events", 1).status_code == 200


def test_check_ins_are_limited_by_the_minute_apart_from_writes(app, client, db, monkeypatch):
    clock = [1_800_000_000.0]  # the beginning of a minute
    replace_seen(monkeypatch, rate_limits, "time", time=lambda: clock[0])
    hosts = [Caller(client, app, "organizer") for _ in range(2)]
    event_id = event_of(db, 1, organizer_id=hosts[0].id)

    def check_in(host, times, path="check-in", body=None):
        path = f"/api/events/{event_id}/{path}"
        return call(client, "POST", path, times, headers=host.headers, json=body or {"code": "x"})

    assert check_in(hosts[0], 59).status_code == 404
    scans = {"scans": [{"code": "x", "scannedAt": "2026-01-01T10:00:00Z"}]}
    last = check_in(hosts[0], 1, "check-in/batch", scans)
    assert (last.status_code, last.headers["RateLimit-Remaining"]) == (200, "0")
    assert last.headers["RateLimit-Limit"] == "60"
    refused = check_in(hosts[0], 1)
    assert (refused.status_code, refused.headers["Retry-After"]) == (429, "60")
    assert check_in(hosts[1], 1).status_code == 403
    published = call(client, "POST", f"/api/events/{event_id}/publish", 1, headers=hosts[0].headers)
    assert published.status_code == 200
    clock[0] += 60
    assert check_in(hosts[0], 1).status_code == 404
