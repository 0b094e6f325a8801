"""Override private parts of flask-smorest and apispec.

flask-smorest keeps the documentation of a view in the view's attribute `_apidoc`. Only this module
reads and writes that attribute. `tests/unit/test_smorest.py` fails if an update of either library
changes what is relied on here.
"""

from collections.abc import Callable
from copy import deepcopy
from threading import Lock
from typing import Any, TypeVar

from apispec.ext.marshmallow import MarshmallowPlugin
from apispec.ext.marshmallow.openapi import OpenAPIConverter
from flask import Response
from flask_smorest import Api
from flask_smorest import Blueprint as SmorestBlueprint
from marshmallow import Schema

from eventapp.core import json
from eventapp.core.json import JsonObject

View = TypeVar("View", bound=Callable[..., Any])


class UnwrappedBlueprint(SmorestBlueprint):  # type: ignore[misc]
    """A flask-smorest blueprint whose documenting decorators do not wrap the view.

    The views of this API return complete responses, so the wrappers would do nothing. Three or four
    of them take more time than most views.
    """

    def response(self, *args: Any, **kwargs: Any) -> Callable[[View], View]:
        """Document a successful response; see flask-smorest."""
        return _without_wrapper(super().response(*args, **kwargs))

    def alt_response(self, *args: Any, **kwargs: Any) -> Callable[[View], View]:
        """Document another response; see flask-smorest."""
        return _without_wrapper(super().alt_response(*args, **kwargs))

    def doc(self, **kwargs: Any) -> Callable[[View], View]:
        """Add to the operation in the OpenAPI document; see flask-smorest."""
        return _without_wrapper(super().doc(**kwargs))


class LazyApi(Api):  # type: ignore[misc]
    """A flask-smorest Api that documents its blueprints when its document is first asked for.

    That takes longer than the rest of `create_app`, and most processes are never asked. Several
    threads may ask at once.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._undocumented = list[SmorestBlueprint]()
        self._lock = Lock()
        super().__init__(*args, **kwargs)

    def register_blueprint(self, blp: SmorestBlueprint) -> None:
        """Register a blueprint in the application."""
        self._app.register_blueprint(blp)
        self._undocumented.append(blp)

    def _openapi_json(self) -> Response:
        with self._lock:
            for blp in self._undocumented:
                blp.register_views_in_doc(self, self._app, self.spec, name=blp.name, parameters=[])
                # The tag of an operation is the description of its blueprint: several blueprints
                # serve one subject.
                tag = {"name": blp.description}
                if tag not in self.spec._tags:
                    self.spec.tag(tag)
            self._undocumented.clear()
        document: Response = super()._openapi_json()
        return document


def _without_wrapper(decorator: Callable[[View], Any]) -> Callable[[View], View]:
    """Return a decorator that keeps the documentation of `decorator`, but not its wrapper."""

    def decorate(view: View) -> View:
        view._apidoc = decorator(view)._apidoc  # type: ignore[attr-defined]
        return view

    return decorate


def document_query(view: Callable[..., Any], schema: Schema) -> None:
    """Document the query parameters of a view, as `arguments(location="query")` does."""
    docs = view._apidoc = deepcopy(getattr(view, "_apidoc", {}))  # type: ignore[attr-defined]
    parameters = {"in": "query", "required": True, "schema": schema}
    docs.setdefault("arguments", {}).setdefault("parameters", []).append(parameters)


class _Converter(OpenAPIConverter):
    def schema2jsonschema(self, schema: Schema) -> JsonObject:
        by_fields: JsonObject = super().schema2jsonschema(schema)  # type: ignore[no-untyped-call]
        for field in by_fields.get("properties", {}).values():
            _describe_default(field)
        extra = dict(get_extra_json_schema(schema))
        # Generators of clients take a schema with these keywords beside its fields for a union of
        # unknown types.
        alternatives = {name: extra.pop(name) for name in ("anyOf", "oneOf") if name in extra}
        if alternatives:
            extra["allOf"] = [alternatives]
        return {**by_fields, **extra}


def _describe_default(field: JsonObject) -> None:
    """Move the default of a field into its description.

    Generators of TypeScript clients take a field with a default for one that is always present.
    """
    if "default" in field:
        default = f"Default: {json.dumps(field.pop('default')).decode()}"
        field["description"] = ". ".join(filter(None, [field.get("description"), default]))


class JsonSchemaPlugin(MarshmallowPlugin):
    """A marshmallow plugin that adds a schema's `Meta.json_schema` to its JSON Schema."""

    Converter = _Converter


def get_example(schema: Schema) -> object:
    """Return the example of a body that a schema has in `EXAMPLE`; None if it has none."""
    return getattr(schema, "EXAMPLE", None)


def get_extra_json_schema(schema: Schema) -> JsonObject:
    """Return the keywords that a schema's Meta adds to its JSON Schema, such as `anyOf`."""
    extra: JsonObject = getattr(schema.Meta, "json_schema", {})
    return extra
