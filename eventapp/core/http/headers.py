"""Add security headers, CORS and Cache-Control to every response, and trust the named proxies.

No cache may store a response, unless its view has set a Cache-Control of its own. So the answer of
a new route stays with its caller. `core.http.responses` has the values for answers that may be
stored.

flask-talisman is not used for the security headers: its hook takes 25 instead of 5 microseconds for
each response, and adds redirects and session cookies, which an API does not need.
"""

import base64
import hashlib
import re

from flask import Flask, Response, request
from flask_cors import CORS
from flask_cors.core import ACL_EXPOSE_HEADERS, ACL_ORIGIN
from werkzeug.middleware.proxy_fix import ProxyFix

from eventapp.config import Config
from eventapp.core.http.responses import NOT_STORED

_STRICT = "frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
API_POLICY = f"default-src 'none'; {_STRICT}"
# Swagger UI uses inline scripts and styles, and sends requests to this API.
SWAGGER_UI_POLICY = (
    "default-src 'none'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; "
    f"img-src 'self' data:; connect-src 'self'; {_STRICT}"
)
SWAGGER_UI_PATH = "/api/docs"
POLICY = "Content-Security-Policy"
COMMON_HEADERS = (
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
    ("Referrer-Policy", "no-referrer"),
)
API_HEADERS = (*COMMON_HEADERS, (POLICY, API_POLICY))
SWAGGER_UI_HEADERS = (*COMMON_HEADERS, (POLICY, SWAGGER_UI_POLICY))
HSTS = "max-age=31536000; includeSubDomains"
# What a page of another origin may read, beside Content-Type, Cache-Control and a few more.
EXPOSED_HEADERS = [
    "Allow",
    "Content-Disposition",
    "ETag",
    "Location",
    "Retry-After",
    "X-Request-Id",
    "RateLimit-Limit",
    "RateLimit-Remaining",
    "RateLimit-Reset",
]
# Pages of other origins never read what depends on the cookie of a page.
CORS_PATHS = r"/(?!account/).*"
ANY_ORIGIN, PREFLIGHT_MAX_AGE_SECONDS = "*", 600
# Bodies from this size on are compressed for clients that accept it.
COMPRESSED_BYTES = 500
# The best first, for clients that accept several alike.
COMPRESSION_ALGORITHMS = ("zstd", "br", "gzip", "deflate")


def make_page_policy(style: str) -> str:
    """Return the policy of a page that contains one style sheet and loads nothing.

    Args:
        style: the text of the element `style`, as the page has it.
    """
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return f"default-src 'none'; style-src 'sha256-{digest}'; {_STRICT}"


def init_app(app: Flask, config: Config) -> None:
    """Add the headers to every response, and trust the headers of TRUSTED_PROXIES proxies."""
    _trust_proxies(app, config.trusted_proxies)
    _allow_origins(app, config)
    app.after_request(_add_headers_in_production if config.is_production else _add_headers)


def _trust_proxies(app: Flask, count: int) -> None:
    if count:
        app.wsgi_app = ProxyFix(  # type: ignore[method-assign]
            app.wsgi_app, x_for=count, x_proto=count, x_host=count
        )


def _allow_origins(app: Flask, config: Config) -> None:
    origins = _get_origins(config)
    is_open = ANY_ORIGIN in origins
    if origins:
        CORS(
            app,
            resources=CORS_PATHS,
            origins=[ANY_ORIGIN] if is_open else _make_patterns(origins),
            expose_headers=EXPOSED_HEADERS,
            max_age=PREFLIGHT_MAX_AGE_SECONDS,
            send_wildcard=True,  # These requests need no cookies: one response suits every origin.
            always_send=is_open,
            vary_header=False,  # flask-cors adds it only to answers for an allowed origin.
        )
    if origins and not is_open:
        app.after_request(_vary_by_origin)


def _get_origins(config: Config) -> tuple[str, ...]:
    if config.cors_origins is None:
        return () if config.is_production else (ANY_ORIGIN,)
    return config.cors_origins


def depends_on_origin(config: Config) -> bool:
    """Return whether the headers of an answer depend on the Origin of its request."""
    origins = _get_origins(config)
    return bool(origins) and ANY_ORIGIN not in origins


def list_fixed_headers(
    config: Config, *, is_stored: bool, is_secure: bool
) -> list[tuple[str, str]]:
    """Return what `init_app` adds to a JSON answer that does not depend on the Origin.

    The headers are in the order in which they are added.

    Args:
        is_stored: whether the answer has a Cache-Control of its own.
        is_secure: whether the request came over HTTPS.
    """
    found: list[tuple[str, str]] = []
    if config.is_production and is_secure:
        found.append(("Strict-Transport-Security", HSTS))
    found += API_HEADERS
    if not is_stored:
        found.append(("Cache-Control", NOT_STORED))
    if ANY_ORIGIN in _get_origins(config):
        exposed = ", ".join(sorted(EXPOSED_HEADERS))
        found += [(ACL_ORIGIN, ANY_ORIGIN), (ACL_EXPOSE_HEADERS, exposed)]
    return found


def _make_patterns(origins: tuple[str, ...]) -> list[re.Pattern[str]]:
    """Return a pattern that matches exactly one origin, for each of them.

    flask-cors would take an origin with an IPv6 address for a regular expression: it has brackets.
    """
    return [re.compile(re.escape(origin) + r"\Z") for origin in origins]


def _vary_by_origin(response: Response) -> Response:
    """Add Origin to Vary, so that a cache never shows one origin the answer to another."""
    response.vary.add("Origin")
    return response


def _add_headers(response: Response) -> Response:
    if request.path.startswith(SWAGGER_UI_PATH):
        response.headers.extend(SWAGGER_UI_HEADERS)
    elif POLICY in response.headers:  # The view has set one of its own, as pages do.
        for name, value in COMMON_HEADERS:
            response.headers.setdefault(name, value)
    else:
        response.headers.extend(API_HEADERS)
    response.headers.setdefault("Cache-Control", NOT_STORED)
    return response


def _add_headers_in_production(response: Response) -> Response:
    if request.is_secure:
        response.headers["Strict-Transport-Security"] = HSTS
    return _add_headers(response)
