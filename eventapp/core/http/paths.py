"""Values in paths: numbers and ids, refused in our words where they are neither.

A fixed path beside them is that path, whatever the method: `DELETE /waitlist/join` is not allowed,
rather than an attempt at `/waitlist/<whole:event_id>`.
"""

from typing import Any

from bson import ObjectId
from flask import Flask, Response, current_app, request
from flask_smorest import Api
from werkzeug.exceptions import MethodNotAllowed
from werkzeug.routing import BaseConverter

from eventapp.core.errors import ValidationFailed

MAX_INT64 = 2**63 - 1
_BAD_PATH_VALUE, _BAD_OID = object(), object()


class WholeConverter(BaseConverter):
    """`<whole:event_id>`: a number of 64 bits; anything else is 400 `Invalid eventId`."""

    label_by_name = {"event_id": "eventId", "ticket_type_id": "ticketTypeId"}

    def to_python(self, value: str) -> Any:
        if value.isascii() and value.isdigit() and len(value) < 20 and int(value) <= MAX_INT64:
            return int(value)
        return _BAD_PATH_VALUE


class OidConverter(BaseConverter):
    """`<oid:user_id>`: an ObjectId as 24 hex characters; anything else is 400 `Invalid id`."""

    def to_python(self, value: str) -> Any:
        return ObjectId(value) if ObjectId.is_valid(value) else _BAD_OID


def _refuse_bad_paths(_endpoint: str | None, values: dict[str, Any] | None) -> None:
    for name, value in (values or {}).items():
        if value in (_BAD_OID, _BAD_PATH_VALUE) and (methods := _methods_of_fixed()):
            raise MethodNotAllowed(sorted(methods))
        if value is _BAD_OID:
            said = "Must be 24 hex characters"
            raise ValidationFailed("Invalid id", errors={"id": [said]})
        if value is _BAD_PATH_VALUE:
            label = WholeConverter.label_by_name.get(name, name.replace("_", " "))
            raise ValidationFailed(f"Invalid {label}", errors={label: ["Must be a whole number"]})


def _methods_of_fixed() -> set[str]:
    """The methods of the path asked for; none where it is no route's without a value in it."""
    path = request.path.rstrip("/")
    rules = [rule for rule in current_app.url_map.iter_rules() if rule.rule == path]
    return {method for rule in rules for method in rule.methods or ()}


def _allow_only_fixed(response: Response) -> Response:
    """Werkzeug adds up the methods of all routes that may match."""
    if "Allow" in response.headers and (methods := _methods_of_fixed()):
        response.headers["Allow"] = ", ".join(sorted(methods))
    return response


def init_app(app: Flask) -> None:
    """Let routes name these kinds; first of all, for routes look them up when they are added."""
    app.url_map.converters.update(whole=WholeConverter, oid=OidConverter)
    app.url_value_preprocessor(_refuse_bad_paths)
    app.after_request(_allow_only_fixed)


def describe(api: Api) -> None:
    """What the OpenAPI document says of them."""
    oid = {"type": "string", "pattern": "^[0-9a-fA-F]{24}$"}
    whole = {"type": "integer", "minimum": 0, "maximum": MAX_INT64}
    api.register_converter(OidConverter, lambda _converter: oid)
    api.register_converter(WholeConverter, lambda _converter: whole)
