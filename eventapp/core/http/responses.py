"""JSON answers, and the headers that say for how long they may be kept."""

import hashlib
from typing import Any, cast

from flask import Response, request

from eventapp.core import json

PRIVATE = "private, no-cache"
PUBLIC = "public, max-age=0, s-maxage=1, must-revalidate"


def json_response(value: Any, status: int = 200) -> Response:
    """`value` as a JSON answer: BSON values, dates and all."""
    return bytes_response(json.dumps(value), status)


def bytes_response(body: bytes, status: int = 200) -> Response:
    return Response(body, status, content_type="application/json")


def created(value: Any, location: str) -> Response:
    """201, and where what was made can be asked for."""
    response = json_response(value, 201)
    response.headers["Location"] = location
    return response


def with_etag(response: Response) -> Response:
    """The answer under its content's ETag, or 304 where the caller has it."""
    return tagged(response, hashlib.blake2b(response.get_data(), digest_size=12).hexdigest())


def tagged(response: Response, etag: str) -> Response:
    """The answer under this ETag, or 304 where the caller has it.

    What a token or a device is shown is theirs alone; what nobody in particular is shown, a CDN
    may keep for a second.
    """
    response.headers["ETag"] = f'"{etag}"'
    response.headers["Vary"] = "Authorization, X-Device-Id"
    personal = "Authorization" in request.headers or "X-Device-Id" in request.headers
    response.headers["Cache-Control"] = PRIVATE if personal else PUBLIC
    if "If-None-Match" not in request.headers:
        return response
    return cast(Response, response.make_conditional(request))
