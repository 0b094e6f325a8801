"""BSON values and dates as the API writes them, and JSON bodies as it reads them."""

from datetime import UTC, date, datetime
from typing import Any, TypeAlias

import orjson
from bson import ObjectId
from flask.json.provider import JSONProvider

# The largest integer that BSON stores, and so the largest id.
MAX_INT64 = 2**63 - 1

# The body of a JSON object, as it is sent or was received.
JsonObject: TypeAlias = dict[str, Any]

_OPTIONS = orjson.OPT_PASSTHROUGH_DATETIME


def format_rfc3339(moment: datetime) -> str:
    """UTC with milliseconds and `Z`; a naive time is taken for UTC."""
    aware = moment.astimezone(UTC) if moment.tzinfo else moment
    return aware.strftime("%Y-%m-%dT%H:%M:%S.") + f"{aware.microsecond // 1000:03d}Z"


def _default(value: object) -> str:
    if isinstance(value, ObjectId):
        return str(value)
    if isinstance(value, datetime):
        return format_rfc3339(value)
    if isinstance(value, date):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} has no JSON form")


def dumps(value: Any) -> bytes:
    """`value` as compact UTF-8 JSON; TypeError for a type the API never shows."""
    # A copy: what orjson gives holds its buffer, 4 kB for a short answer, for as long as it lives.
    return b"%b" % orjson.dumps(value, default=_default, option=_OPTIONS)


def loads(raw: bytes | str) -> Any:
    """The value of strict JSON: no NaN, no lone surrogate. ValueError when malformed."""
    return orjson.loads(raw)


class ApiJsonProvider(JSONProvider):
    """Makes Flask's own jsonify speak the same JSON as the rest."""

    def dumps(self, obj: Any, **_kwargs: Any) -> str:
        return dumps(obj).decode()

    def loads(self, s: str | bytes, **_kwargs: Any) -> Any:
        return loads(s)
