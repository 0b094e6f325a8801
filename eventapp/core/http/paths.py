"""URL converters for numbers and ids. A value that they do not accept is 400 instead of 404.

`/waitlist/<whole:event_id>` also matches `/waitlist/join`. A route whose path is fixed takes
precedence for every method: `DELETE /waitlist/join` is 405, not 400 for the event id `join`.
"""

from collections.abc import Mapping

from bson import ObjectId
from flask import Flask, Response, current_app, request
from flask_smorest import Api
from werkzeug.exceptions import MethodNotAllowed
from werkzeug.routing import BaseConverter

from eventapp.core.errors import ValidationFailed
from eventapp.core.http.fields import OBJECT_ID_PATTERN
from eventapp.core.json import MAX_INT64

# The converters return these for a value that they do not accept. If they raised an error instead,
# Flask would answer 404.
_INVALID_NUMBER, _INVALID_ID = object(), object()


class WholeNumberConverter(BaseConverter):
    """`<whole:event_id>`: a number from 0 to 2**63 - 1; anything else is 400 `Invalid eventId`."""

    label_by_name = {"event_id": "eventId", "ticket_type_id": "ticketTypeId"}

    def to_python(self, value: str) -> object:
        """Return the number, or _INVALID_NUMBER."""
        if value.isascii() and value.isdigit() and len(value) < 20 and int(value) <= MAX_INT64:
            return int(value)
        return _INVALID_NUMBER


class ObjectIdConverter(BaseConverter):
    """`<oid:user_id>`: an ObjectId as 24 hex characters; anything else is 400 `Invalid id`."""

    def to_python(self, value: str) -> object:
        """Return the ObjectId, or _INVALID_ID."""
        return ObjectId(value) if ObjectId.is_valid(value) else _INVALID_ID


CONVERTERS = {"whole": WholeNumberConverter, "oid": ObjectIdConverter}


def init_app(app: Flask) -> None:
    """Add the converters. Call this before any route is added: routes look up their converters."""
    app.url_map.converters.update(CONVERTERS)
    app.url_value_preprocessor(_refuse_invalid_values)
    app.after_request(_set_allow_header)


def document_converters(api: Api) -> None:
    """Describe the values of the converters in the OpenAPI document."""
    object_id = {"type": "string", "pattern": OBJECT_ID_PATTERN}
    whole_number = {"type": "integer", "minimum": 0, "maximum": MAX_INT64, "examples": [1]}
    api.register_converter(ObjectIdConverter, lambda _converter: object_id)
    api.register_converter(WholeNumberConverter, lambda _converter: whole_number)


def _refuse_invalid_values(_endpoint: str | None, values: Mapping[str, object] | None) -> None:
    for name, value in (values or {}).items():
        if value in (_INVALID_ID, _INVALID_NUMBER) and (methods := _find_fixed_path_methods()):
            raise MethodNotAllowed(sorted(methods))
        if value is _INVALID_ID:
            message = "Must be 24 hex characters"
            raise ValidationFailed("Invalid id", errors={"id": [message]})
        if value is _INVALID_NUMBER:
            label = WholeNumberConverter.label_by_name.get(name, name.replace("_", " "))
            errors = {_make_field_name(name): ["Must be a whole number"]}
            raise ValidationFailed(f"Invalid {label}", errors=errors)


def _make_field_name(name: str) -> str:
    """Return a name such as `ticket_type_index` in the form of the API: `ticketTypeIndex`."""
    first, *others = name.split("_")
    return first + "".join(map(str.capitalize, others))


def _find_fixed_path_methods() -> set[str]:
    """Return the methods of the routes with a fixed path that equals the requested path."""
    path = request.path.rstrip("/")
    rules = [rule for rule in current_app.url_map.iter_rules() if rule.rule == path]
    return {method for rule in rules for method in rule.methods or ()}


def _set_allow_header(response: Response) -> Response:
    """Restrict Allow to the methods of a fixed path. Werkzeug adds those of all matching routes."""
    if "Allow" in response.headers and (methods := _find_fixed_path_methods()):
        response.headers["Allow"] = ", ".join(sorted(methods))
    return response
