"""Read JSON bodies and query strings, and validate them by marshmallow schemas.

The cursor of a list contains the filters of that list. So a request with a cursor needs no other
parameter: only `limit` is still read. `eventapp.core.paging` encodes and decodes cursors.
"""

import codecs
import difflib
from collections.abc import Collection, Iterable, Mapping
from itertools import islice
from typing import Any, NoReturn

from flask import Request
from marshmallow import EXCLUDE, Schema, ValidationError, fields
from webargs.flaskparser import FlaskParser

from eventapp.core import json, paging
from eventapp.core.errors import MalformedJson, TooLarge, UnsupportedMediaType, ValidationFailed
from eventapp.core.http import body_limits
from eventapp.core.http.body_limits import MAX_FAULTS
from eventapp.core.json import JsonObject

MAX_BODY_BYTES = 1_000_000
FORM_TYPES = ("application/x-www-form-urlencoded", "multipart/form-data")
# Query parameters with names that begin so are ignored.
IGNORED_PREFIXES = ("_", "utm_")
# The greatest length of an unknown parameter for which a similar one is looked up, in characters.
MAX_SUGGESTION_LENGTH = 40
UNKNOWN_FIELD = "Unknown field."  # the words of marshmallow
REPEATED = "Given more than once."
PAGING_PARAMETERS = frozenset({"cursor", "page", "limit"})


class RequestParser(FlaskParser):
    """A webargs parser that raises the errors of this API."""

    DEFAULT_VALIDATION_STATUS = 400
    # With None, the `Meta.unknown` of the schema applies. By default it refuses unknown fields.
    DEFAULT_UNKNOWN_BY_LOCATION = {"json": None, "query": EXCLUDE, "form": None, "files": None}

    def __init__(self, *, ignores_unknown_parameters: bool = False) -> None:
        """Create a parser; with `ignores_unknown_parameters` it accepts any query parameter."""
        super().__init__()
        self._ignores_unknown_parameters = ignores_unknown_parameters

    def load_json(self, req: Request, _schema: Schema) -> Any:
        """Return the value of the JSON body, or {} for an empty body.

        Raises:
            TooLarge: the body exceeds the limit.
            UnsupportedMediaType: the body is not declared as JSON.
            MalformedJson: the body is not valid JSON.
        """
        raw = _read_body(req)
        if raw and not req.is_json:
            raise UnsupportedMediaType
        return _decode_body(raw)

    def load_querystring(self, req: Request, schema: Schema) -> Any:
        """Return the query parameters as a dict, which is faster to read than the MultiDict.

        Raises:
            ValidationFailed: a parameter is unknown, or one of the schema is given more than once.
        """
        if not self._ignores_unknown_parameters:
            refuse_unknown_parameters(req.args, known=schema.fields)
        repeated = [name for name, values in req.args.lists() if len(values) > 1]
        errors = {name: [REPEATED] for name in repeated if name in schema.fields}
        if errors:
            raise make_validation_error(errors)
        return req.args.to_dict()

    def load_form(self, req: Request, _schema: Schema) -> Any:
        """Return the fields of a form.

        Raises:
            UnsupportedMediaType: the body is not a form.
        """
        if req.content_length and req.mimetype not in FORM_TYPES:
            raise UnsupportedMediaType("Send a form")
        return req.form.to_dict()

    def load_files(self, req: Request, schema: Schema) -> Any:
        """Return the parts of a multipart body by their names.

        Raises:
            ValidationFailed: a part of the schema is not a file, or a file is given more than once.
        """
        errors = {name: ["Must be a file."] for name in req.form if name in schema.fields}
        errors |= {name: [REPEATED] for name, files in req.files.lists() if len(files) > 1}
        if errors:
            raise make_validation_error(errors)
        return {**req.form.to_dict(), **req.files.to_dict()}

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


def refuse_unknown_parameters(sent: Iterable[str], *, known: Collection[str]) -> None:
    """Raise ValidationFailed if a query parameter is not known.

    Names that begin with IGNORED_PREFIXES are ignored: mails, advertisements and scripts add them
    to any address.
    """
    unknown = [name for name in sent if name not in known and not name.startswith(IGNORED_PREFIXES)]
    if not unknown:
        return
    hints = {name: _suggest(name, known) for name in unknown[:MAX_FAULTS]}
    errors = {name: [f"Unknown parameter{hint or '.'}"] for name, hint in hints.items()}
    raise ValidationFailed(f"Unknown parameter {unknown[0]}{hints[unknown[0]]}", errors=errors)


def _suggest(name: str, known: Collection[str]) -> str:
    """Return a question that names the known parameter that is most like `name`, or nothing."""
    by_lower = {each.lower(): each for each in known}
    is_short = len(name) <= MAX_SUGGESTION_LENGTH
    similar = difflib.get_close_matches(name.lower(), by_lower, n=1) if is_short else []
    return f"; did you mean {by_lower[similar[0]]}?" if similar else ""


def refuse_body(req: Request) -> None:
    """Refuse the body of a request for a route without a schema for it, whatever its media type.

    Only an empty body and `{}` are accepted, because some clients always send one.

    Raises:
        TooLarge: the body exceeds the limit.
        MalformedJson: the body is not valid JSON.
        ValidationFailed: the body has a value.
    """
    value = _decode_body(_read_body(req))
    if isinstance(value, dict):
        errors = {name: [UNKNOWN_FIELD] for name in islice(value, MAX_FAULTS)}
    else:
        errors = {"body": ["This call takes no body."]}
    if errors:
        raise make_validation_error(errors)


def read_raw_body(req: Request, max_bytes: int) -> bytes:
    """Return the body as it was sent.

    Raises:
        TooLarge: it has more bytes than this.
    """
    req.max_content_length = max_bytes + 1  # A body of unknown length is read up to the limit.
    raw = _read_body(req)
    if len(raw) > max_bytes:
        raise TooLarge
    return raw


def _read_body(req: Request) -> bytes:
    """Return the body; raise TooLarge if it exceeds the limit."""
    raw = req.get_data()
    # If its length is unknown, reading has stopped at the limit.
    if req.content_length is None and len(raw) >= (req.max_content_length or MAX_BODY_BYTES):
        raise TooLarge
    return raw


def _decode_body(raw: bytes) -> Any:
    """Return the value of a JSON body, which may begin with a byte order mark; {} if it is empty.

    Raises:
        MalformedJson: the body is not valid JSON.
    """
    if not raw:
        return {}
    try:
        return json.loads(raw.removeprefix(codecs.BOM_UTF8))
    except ValueError as error:
        raise MalformedJson from error


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
