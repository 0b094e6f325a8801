"""Make JSON answers, and answer conditional requests by ETag."""

from typing import Any, cast

from flask import Response, request

from eventapp.core import json

# The Cache-Control of an answer that no cache may store, of one that only the client may store, and
# of one that a CDN may serve too. `headers` gives the first to every answer that has none.
NOT_STORED = "private, no-store"
PRIVATE = "private, no-cache"
PUBLIC = "public, max-age=0, s-maxage=1, must-revalidate"
# The headers of a request by which a conditional response differs.
VARY_BY_CALLER = "Authorization, X-Device-Id"


def json_response(value: Any, status: int = 200) -> Response:
    """Return an answer with `value` as JSON. ObjectIds and dates in it become strings."""
    return bytes_response(json.dumps(value), status)


def bytes_response(body: bytes, status: int = 200) -> Response:
    """Return an answer whose body is JSON that is encoded already."""
    return Response(body, status, content_type="application/json")


def created_response(value: Any, location: str) -> Response:
    """Return 201 with `value`, and the path of the new resource in the Location header."""
    response = json_response(value, 201)
    response.headers["Location"] = location
    return response


def shared_response(response: Response, max_age: int) -> Response:
    """Return a response with its ETag, or 304, as `conditional_response`.

    Every cache may keep it, so it must not depend on its caller.

    Args:
        max_age: how long, in seconds.
    """
    response.headers["ETag"] = f'"{json.make_etag(response.get_data())}"'
    response.headers["Cache-Control"] = f"public, max-age={max_age}"
    return cast(Response, response.make_conditional(request))


def conditional_response(response: Response, etag: str | None = None) -> Response:
    """Return the response with its ETag, or 304 if the client's If-None-Match names that ETag.

    Only the client may store the response to a request with a token or a device id. A CDN may
    serve any other response for one second.

    Args:
        etag: the ETag without quotes; by default it is computed from the body.
    """
    tag = json.make_etag(response.get_data()) if etag is None else etag
    response.headers["ETag"] = f'"{tag}"'
    response.headers["Vary"] = VARY_BY_CALLER
    is_personal = "Authorization" in request.headers or "X-Device-Id" in request.headers
    response.headers["Cache-Control"] = PRIVATE if is_personal else PUBLIC
    if "If-None-Match" not in request.headers:
        return response
    return cast(Response, response.make_conditional(request))
