"""The edge: request bodies in, JSON out, and the one place where errors become HTTP."""

from collections.abc import Callable, Mapping
from copy import deepcopy
from functools import lru_cache, wraps
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar, cast

import marshmallow
import structlog
from flask import Request, request
from marshmallow import EXCLUDE, Schema, fields
from webargs.flaskparser import FlaskParser

from eventapp.core import json
from eventapp.core.errors import MalformedJson, TooLarge, UnsupportedMediaType, ValidationFailed
from eventapp.core.http import openapi
from eventapp.core.http.smorest import DocumentedBlueprint

MAX_BODY_BYTES = 1_000_000


View = TypeVar("View", bound=Callable[..., Any])

log = structlog.get_logger()


class BodyParser(FlaskParser):
    """JSON bodies and queries through marshmallow, its refusals as AppErrors."""

    DEFAULT_VALIDATION_STATUS = 400
    # None: as the schema's `Meta` says, which is to refuse unless it says otherwise.
    DEFAULT_UNKNOWN_BY_LOCATION = {"json": None, "query": EXCLUDE, "form": None, "files": None}

    def load_json(self, req: Request, _schema: Schema) -> Any:
        raw = req.get_data()
        if req.content_length is None and len(raw) >= (req.max_content_length or MAX_BODY_BYTES):
            raise TooLarge  # a body of unsaid length is read no further than that
        if not raw:
            return {}
        if not req.is_json:
            raise UnsupportedMediaType
        try:
            return json.loads(raw)
        except ValueError as error:
            raise MalformedJson from error

    def load_querystring(self, req: Request, schema: Schema) -> Any:
        """A parameter given twice has no one meaning: refused rather than half ignored."""
        twice = [name for name, values in req.args.lists() if len(values) > 1]
        repeated = {name: ["Given more than once."] for name in twice if name in schema.fields}
        if repeated:
            raise invalid(repeated)
        return req.args.to_dict()  # the parser's own view of them costs as much as the schema

    def handle_error(self, error: marshmallow.ValidationError, *_args: Any, **_kw: Any) -> NoReturn:
        messages = error.messages_dict  # {"json": {...}}: the location is the only key
        raise invalid(_flat(next(iter(messages.values()))))


class Blueprint(DocumentedBlueprint):
    """A feature's routes, documented from the schemas that check them."""

    ARGUMENTS_PARSER = BodyParser()

    def arguments(self, schema: Schema | type[Schema], **kwargs: Any) -> Callable[[View], View]:
        """As flask_smorest's; a schema is made once, not for each request.

        The document wants a body where the schema asks for something.
        """
        made = schema() if isinstance(schema, type) else schema
        kwargs.setdefault("required", openapi.asks_for_something(made))
        return cast(Callable[[View], View], super().arguments(made, **kwargs))

    def query_arguments(self, schema_class: type[Schema]) -> Callable[[View], View]:
        """As `arguments(..., location="query")`, for hot routes: a query seen before is not parsed
        again."""
        schema = schema_class(unknown=EXCLUDE)

        @lru_cache(maxsize=2048)
        def parsed(_query_string: bytes) -> dict[str, Any]:
            return cast(
                dict[str, Any], self.ARGUMENTS_PARSER.parse(schema, request, location="query")
            )

        def decorate(view: View) -> View:
            @wraps(view)
            def with_query(*args: Any, **kwargs: Any) -> Any:
                return view(dict(parsed(request.query_string)), *args, **kwargs)

            parameters = {"in": "query", "required": True, "schema": schema}
            docs = with_query._apidoc = deepcopy(getattr(view, "_apidoc", {}))  # type: ignore[attr-defined]
            docs.setdefault("arguments", {}).setdefault("parameters", []).append(parameters)
            return cast(View, with_query)

        return decorate

    if TYPE_CHECKING:  # flask_smorest has no types; these give back the view they get
        route: Callable[..., Callable[[View], View]]
        after_request: Callable[[View], View]


def invalid(errors: dict[str, list[str]]) -> ValidationFailed:
    """The refusal of these fields, with words for the first: `Missing x` or `Invalid x`."""
    field, said = next(iter(errors.items()))
    missing = said[0] == fields.Field.default_error_messages["required"]
    return ValidationFailed(f"{'Missing' if missing else 'Invalid'} {field}", errors=errors)


def _flat(messages: Any, prefix: str = "") -> dict[str, list[str]]:
    """marshmallow's nested messages as one list a dotted field: `schedule.0.date`."""
    if not isinstance(messages, Mapping):
        return {prefix or "body": [str(said) for said in messages]}
    flat: dict[str, list[str]] = {}
    for name, inner in messages.items():
        key = prefix if name == "_schema" else f"{prefix}.{name}".lstrip(".")
        flat.update(_flat(inner, key))
    return flat
