"""Security headers, CORS, and the client's address behind proxies."""

from functools import partial

import pytest

from eventapp.core.http.app_context import CONFIG

ORIGIN = "https://frontend.example.org"
SECRET = "0123456789abcdef0123456789abcdef-random"
PRODUCTION = {
    "APP_ENV": "production",
    "JWT_SECRET": SECRET,
    "PUBLIC_BASE_URL": "https://tickets.example.org",
}


@pytest.fixture(scope="module")
def make_similar_app(make_app):
    """A function that creates an application, on a server on one database for all of them.

    Their settings do not concern what is stored, and to create a database takes a second.
    """
    first = CONFIG.get(make_app())
    shared = {"MONGO_URI": first.mongo_uri} if first.mongo_uri else {}
    return partial(make_app, **shared)


@pytest.fixture(scope="module")
def production(make_similar_app):
    return make_similar_app(**PRODUCTION).test_client()


@pytest.mark.parametrize("path", ["/healthz", "/api/events", "/nowhere", "/api/users", "/images/x"])
def test_every_response_has_security_headers(client, path):
    headers = client.get(path).headers
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert "script-src" not in headers["Content-Security-Policy"]
    assert "Strict-Transport-Security" not in headers


def test_swagger_ui_may_load_scripts_only_from_this_server(client):
    answer = client.get("/api/docs/")
    policy = answer.headers["Content-Security-Policy"]
    assert "script-src 'self' 'unsafe-inline'" in policy
    assert "connect-src 'self'" in policy
    assert "http" not in policy
    assert 'src="http' not in answer.text
    script = client.get("/api/docs/swagger-ui-bundle.js")
    assert script.status_code == 200


def test_hsts_is_sent_only_in_production_over_https(production, client):
    def get_hsts(server, base):
        return server.get("/healthz", base_url=base).headers.get("Strict-Transport-Security")

    assert get_hsts(production, "https://x.example") == "max-age=31536000; includeSubDomains"
    assert get_hsts(production, "http://x.example") is None
    assert get_hsts(client, "https://x.example") is None


def send_preflight(server, origin=ORIGIN, method="PUT"):
    headers = {
        "Origin": origin,
        "Access-Control-Request-Method": method,
        "Access-Control-Request-Headers": "authorization, content-type",
    }
    return server.options("/api/events/1", headers=headers)


def test_development_allows_all_origins(client):
    answer = client.get("/api/events", headers={"Origin": ORIGIN})
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    exposed = answer.headers["Access-Control-Expose-Headers"]
    for name in ("ETag", "X-Request-Id", "Retry-After", "Content-Disposition", "Location"):
        assert name in exposed
    allowed = send_preflight(client)
    assert allowed.status_code == 200
    assert "PUT" in allowed.headers["Access-Control-Allow-Methods"]
    assert "authorization" in allowed.headers["Access-Control-Allow-Headers"]
    assert "Access-Control-Allow-Credentials" not in allowed.headers


def test_errors_have_cors_headers_too(client):
    answer = client.get("/api/users", headers={"Origin": ORIGIN})
    assert answer.status_code == 401
    assert answer.headers["Access-Control-Allow-Origin"] == "*"


def test_production_allows_no_origin_by_default(production):
    for answer in (
        production.get("/api/events", headers={"Origin": ORIGIN}),
        send_preflight(production),
    ):
        assert "Access-Control-Allow-Origin" not in answer.headers


def test_production_allows_the_configured_origins(make_similar_app):
    server = make_similar_app(
        **PRODUCTION, CORS_ORIGINS=f"{ORIGIN}, https://b.example"
    ).test_client()
    answer = server.get("/api/events", headers={"Origin": ORIGIN})
    assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert "Origin" in ",".join(answer.headers.getlist("Vary"))
    assert send_preflight(server).headers["Access-Control-Allow-Origin"] == ORIGIN
    for origin in ("https://evil.example", f"{ORIGIN}.evil.example", "null"):
        assert "Access-Control-Allow-Origin" not in send_preflight(server, origin).headers


def vary_of(answer):
    return {each.strip() for each in ",".join(answer.headers.getlist("Vary")).split(",")}


def test_every_answer_varies_by_origin_where_origins_are_listed(make_similar_app):
    """Without it a cache shows the answer to an unknown origin, without CORS, to an allowed one."""
    server = make_similar_app(CORS_ORIGINS="https://a.example,https://b.example").test_client()
    for origin in ("https://a.example", "https://evil.example", None):
        headers = {"Origin": origin, "Accept-Encoding": "gzip"} if origin else {}
        for path in ("/api/events", "/api/nowhere", "/images/midnight-bakery.webp", "/api/users"):
            answer = server.get(path, headers=headers)
            assert {"Origin", "Accept-Encoding"} <= vary_of(answer), (origin, path)
            allowed = answer.headers.getlist("Access-Control-Allow-Origin")
            assert allowed == ([origin] if origin == "https://a.example" else [])
            answer.close()
    tag = server.get("/api/events").headers["ETag"]
    unchanged = server.get("/api/events", headers={"If-None-Match": tag})
    assert unchanged.status_code == 304
    assert {"Origin", "Authorization", "X-Device-Id"} <= vary_of(unchanged)


def test_answers_do_not_vary_by_origin_where_every_origin_is_allowed(client):
    for headers in ({}, {"Origin": ORIGIN}):
        answer = client.get("/api/events", headers=headers)
        assert "Origin" not in vary_of(answer)
        assert answer.headers["Access-Control-Allow-Origin"] == "*"


@pytest.mark.parametrize(
    ("setting", "origin"),
    [
        ("https://b.example/", "https://b.example"),
        ("HTTPS://B.Example:443", "https://b.example"),
        ("http://localhost:5173/", "http://localhost:5173"),
        ("http://[::1]:3000", "http://[::1]:3000"),
        ("https://münchen.example", "https://xn--mnchen-3ya.example"),
        ("capacitor://localhost", "capacitor://localhost"),
        ("https://b.example, *", "https://any.example"),
    ],
)
def test_an_origin_is_allowed_however_it_is_written(make_similar_app, setting, origin):
    server = make_similar_app(CORS_ORIGINS=setting).test_client()
    allowed = send_preflight(server, origin).headers["Access-Control-Allow-Origin"]
    assert allowed == ("*" if "*" in setting else origin)


def make_limited_client(make_app, **changes):
    return make_app(RATE_LIMIT_ENABLED="true", RATE_LIMIT_MAX_REQUESTS="1", **changes).test_client()


def get_status(server, forwarded):
    return server.get("/api/events", headers={"X-Forwarded-For": forwarded}).status_code


def test_one_trusted_proxy_reports_the_address(make_app):
    server = make_limited_client(make_app, TRUSTED_PROXIES="1")
    assert get_status(server, "203.0.113.1") == 200
    assert get_status(server, "203.0.113.2") == 200
    assert get_status(server, "203.0.113.1") == 429
    # Addresses that the client itself has written before that of the proxy are ignored.
    assert get_status(server, "198.51.100.9, 203.0.113.1") == 429


def test_no_proxy_is_trusted_by_default(make_app):
    server = make_limited_client(make_app)
    assert get_status(server, "203.0.113.1") == 200
    assert get_status(server, "203.0.113.2") == 429


def test_https_is_recognized_behind_a_trusted_proxy_only(make_app):
    forwarded = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "203.0.113.1"}
    trusting = make_app(**PRODUCTION, TRUSTED_PROXIES="1").test_client()
    assert "Strict-Transport-Security" in trusting.get("/healthz", headers=forwarded).headers
    other = make_app(**PRODUCTION).test_client()
    assert "Strict-Transport-Security" not in other.get("/healthz", headers=forwarded).headers
