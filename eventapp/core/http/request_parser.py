"""Read JSON bodies and query strings, and validate them by marshmallow schemas.

The cursor of a list contains the filters of that list. So a request with a cursor needs no other
parameter: only `limit` is still read. `eventapp.core.paging` encodes and decodes cursors.
"""

from collections.abc import Mapping
from typing import Any, NoReturn

from flask import Request
from marshmallow import EXCLUDE, Schema, ValidationError, fields
from webargs.flaskparser import FlaskParser

from eventapp.core import json, paging
from eventapp.core.errors import MalformedJson, TooLarge, UnsupportedMediaType, ValidationFailed
from eventapp.core.http import body_limits
from eventapp.core.json import JsonObject

MAX_BODY_BYTES = 1_000_000
PAGING_PARAMETERS = frozenset({"cursor", "page", "limit"})


class RequestParser(FlaskParser):
    """A webargs parser that raises the errors of this API."""

    DEFAULT_VALIDATION_STATUS = 400
    # With None, the `Meta.unknown` of the schema applies. By default it refuses unknown fields.
    DEFAULT_UNKNOWN_BY_LOCATION = {"json": None, "query": EXCLUDE, "form": None, "files": None}

    def load_json(self, req: Request, _schema: Schema) -> Any:
        """Return the value of the JSON body, or {} for an empty body.

        Raises:
            TooLarge: a body of unknown length exceeds the limit. Reading stops at the limit.
            UnsupportedMediaType: the body is not declared as JSON.
            MalformedJson: the body is not valid JSON.
        """
        raw = req.get_data()
        if req.content_length is None and len(raw) >= (req.max_content_length or MAX_BODY_BYTES):
            raise TooLarge
        if not raw:
            return {}
        if not req.is_json:
            raise UnsupportedMediaType
        try:
            return json.loads(raw)
        except ValueError as error:
            raise MalformedJson from error

    def load_querystring(self, req: Request, schema: Schema) -> Any:
        """Return the query parameters as a dict, which is faster to read than the MultiDict.

        Raises:
            ValidationFailed: a parameter of the schema is given more than once.
        """
        repeated = [name for name, values in req.args.lists() if len(values) > 1]
        errors = {name: ["Given more than once."] for name in repeated if name in schema.fields}
        if errors:
            raise make_validation_error(errors)
        return req.args.to_dict()

    def pre_load(self, location_data: Any, *, schema: Schema, req: Request, location: str) -> Any:
        """Return the data; webargs calls this before it validates them.

        Raises:
            ValidationFailed: the data are larger than the schema accepts.
        """
        if errors := body_limits.find_excess(schema, location_data):
            raise make_validation_error(errors)
        return location_data

    def handle_error(self, error: ValidationError, *_args: Any, **_kw: Any) -> NoReturn:
        """Raise ValidationFailed with the errors that marshmallow has found."""
        messages = error.messages_dict  # {location: errors}, and the request has one location.
        raise make_validation_error(_flatten(next(iter(messages.values()))))


def make_validation_error(errors: dict[str, list[str]]) -> ValidationFailed:
    """Return the error for these fields. Its message names the first: `Missing x`, `Invalid x`."""
    field, messages = next(iter(errors.items()))
    is_missing = messages[0] == fields.Field.default_error_messages["required"]
    return ValidationFailed(f"{'Missing' if is_missing else 'Invalid'} {field}", errors=errors)


def _flatten(messages: Any, path: str = "") -> dict[str, list[str]]:
    """Return marshmallow's nested messages by their dotted path, such as `schedule.0.date`."""
    if not isinstance(messages, Mapping):
        return {path or "body": [str(message) for message in messages]}
    flat: dict[str, list[str]] = {}
    for name, nested in messages.items():
        # marshmallow names the errors of a whole object "_schema".
        flat.update(_flatten(nested, path if name == "_schema" else f"{path}.{name}".lstrip(".")))
    return flat


def parse_list_query(
    query: Mapping[str, Any], schema: type[Schema]
) -> tuple[JsonObject, JsonObject | None]:
    """Return the filters of a list, and the list position at which its page begins.

    Args:
        query: the query parameters as `schema` has loaded them.

    Returns:
        The filters, and the decoded cursor, which is None for a request without one.

    Raises:
        ValidationFailed: the cursor does not belong to such a list. The filters in a cursor are
            validated again, because clients can forge cursors.
    """
    cursor = query.get("cursor")
    if not cursor:
        filters = {name: value for name, value in query.items() if name not in PAGING_PARAMETERS}
        return filters, None
    list_position = paging.decode_cursor(cursor)
    raw_filters = list_position.get("query")
    if not isinstance(raw_filters, dict):
        raise paging.InvalidCursor
    try:
        filters = schema(only=set(schema().fields) - PAGING_PARAMETERS).load(raw_filters)
        return dict(filters), list_position
    except ValidationError:
        raise paging.InvalidCursor from None
