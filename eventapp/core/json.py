"""Encode answers as JSON, make their ETags, and decode request bodies."""

import hashlib
from datetime import UTC, date, datetime
from typing import Any, TypeAlias

import orjson
from bson import ObjectId
from flask.json.provider import JSONProvider

# The largest integer that BSON stores, and so the largest id.
MAX_INT64 = 2**63 - 1

# A JSON object, as it is sent or received.
JsonObject: TypeAlias = dict[str, Any]

_OPTIONS = orjson.OPT_PASSTHROUGH_DATETIME


def format_rfc3339(moment: datetime) -> str:
    """Return a time in UTC with milliseconds and `Z`. A naive time is taken as UTC."""
    aware = moment.astimezone(UTC) if moment.tzinfo else moment
    return aware.strftime("%Y-%m-%dT%H:%M:%S.") + f"{aware.microsecond // 1000:03d}Z"


def _encode_other(value: object) -> str:
    if isinstance(value, ObjectId):
        return str(value)
    if isinstance(value, datetime):
        return format_rfc3339(value)
    if isinstance(value, date):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} has no JSON form")


def dumps(value: Any) -> bytes:
    """Return compact UTF-8 JSON. ObjectIds and dates become strings.

    Raises:
        TypeError: the value contains an object of a type that has no JSON form.
    """
    # This copies the bytes. The bytes object that orjson returns keeps its whole buffer alive,
    # which is 4 kB even for a short answer.
    return b"%b" % orjson.dumps(value, default=_encode_other, option=_OPTIONS)


def loads(raw: bytes | str) -> Any:
    """Return the value of strict JSON.

    Raises:
        ValueError: the text is not JSON, or contains NaN or a lone surrogate.
    """
    return orjson.loads(raw)


def make_etag(body: bytes) -> str:
    """Return the ETag of an encoded answer, without quotes. Equal bodies have equal ETags."""
    return hashlib.blake2b(body, digest_size=12).hexdigest()


class ApiJsonProvider(JSONProvider):
    """Makes Flask's own `jsonify` and `request.json` encode and decode in the same way."""

    def dumps(self, obj: Any, **_kwargs: Any) -> str:
        return dumps(obj).decode()

    def loads(self, s: str | bytes, **_kwargs: Any) -> Any:
        return loads(s)
