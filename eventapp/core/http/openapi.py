"""The OpenAPI document: what follows from how a route is made, said here once for all of them."""

from http import HTTPStatus
from typing import Any

from apispec import BasePlugin
from apispec.ext.marshmallow import MarshmallowPlugin
from apispec.ext.marshmallow.openapi import OpenAPIConverter
from flask import Flask
from flask_smorest import Api
from marshmallow import INCLUDE, Schema, fields
from werkzeug.routing import Rule

from eventapp.core.access.actor import ATTENDEE, DEVICE_ID
from eventapp.core.access.permissions import BEARER
from eventapp.core.access.rate_limits import EXEMPT_PATHS
from eventapp.core.http import paths
from eventapp.core.http.paths import OidConverter, WholeConverter

SETTINGS = {
    "API_TITLE": "eventapp",
    "API_VERSION": "v1",
    "OPENAPI_VERSION": "3.1.0",
    "OPENAPI_URL_PREFIX": "/api",
    "OPENAPI_JSON_PATH": "openapi.json",
}


class ErrorBody(Schema):
    """The one shape of every error."""

    message = fields.String(required=True)
    code = fields.String(required=True)
    errors = fields.Dict(keys=fields.String(), values=fields.List(fields.String()))

    class Meta:
        unknown = INCLUDE  # some say more, as what is left of tickets


def header(name: str, **schema: Any) -> dict[str, Any]:
    """A parameter of an operation."""
    return {"in": "header", "name": name, "schema": {"type": "string", **schema}}


# Of the answers of `http.created`.
LOCATION_HEADER = {"Location": {"schema": {"type": "string"}, "required": True}}


def link(operation: str, body: Any, parameters: dict[str, str]) -> dict[str, Any]:
    """The links object of a response that has this one link."""
    found: dict[str, Any] = {"operationId": operation}
    if parameters:
        found["parameters"] = parameters
    if body is not None:
        found["requestBody"] = body
    return {operation: found}


def asks_for_something(schema: Schema) -> bool:
    """False where `{}` is a body as good as any."""
    beyond = getattr(schema.Meta, "json_schema", {})
    return bool(beyond) or any(field.required for field in schema.fields.values())


class DocumentedApi(Api):  # type: ignore[misc]
    """flask_smorest's Api with our shape of errors, and without its answer to any status."""

    ERROR_SCHEMA = ErrorBody
    DEFAULT_ERROR_RESPONSE_NAME = None


def open_document(app: Flask) -> DocumentedApi:
    """The document of this application; blueprints are registered on it."""
    app.config.from_mapping(SETTINGS)
    plugins = {"marshmallow_plugin": SchemaPlugin(), "extra_plugins": [RoutePlugin(app)]}
    api = DocumentedApi(app, spec_kwargs=plugins)
    api.spec.components.security_scheme(BEARER, {"type": "http", "scheme": "bearer"})
    paths.describe(api)
    return api


class Converter(OpenAPIConverter):
    """Takes over what a schema's `Meta.json_schema` says beyond its fields, as `anyOf`."""

    def schema2jsonschema(self, schema: Schema) -> dict[str, Any]:
        fields_only: dict[str, Any] = super().schema2jsonschema(schema)  # type: ignore[no-untyped-call]
        return {**fields_only, **getattr(schema.Meta, "json_schema", {})}


class SchemaPlugin(MarshmallowPlugin):
    Converter = Converter


class RoutePlugin(BasePlugin):
    """Gives each operation its id, the headers it reads, and the errors that any such route has."""

    def __init__(self, app: Flask) -> None:
        self._app = app

    def operation_helper(
        self, path: str | None = None, operations: dict[str, Any] | None = None, **kwargs: Any
    ) -> None:
        rule: Rule = kwargs["rule"]
        view: Any = self._app.view_functions[rule.endpoint]
        for operation in (operations or {}).values():
            operation["operationId"] = rule.endpoint.replace(".", "_")
            responses = operation["responses"]
            known = {str(status) for status in responses}
            for status in _errors(rule, view.permission, operation):
                if str(status.value) not in known:
                    responses[str(status.value)] = status.name
            if headers := _headers(operation, known):
                operation.setdefault("parameters", []).extend(headers)


def _errors(rule: Rule, permission: str, operation: dict[str, Any]) -> list[HTTPStatus]:
    looks_at_caller, has_body = "security" in operation, "requestBody" in operation
    checked = any(
        isinstance(converter, WholeConverter | OidConverter)
        for converter in rule._converters.values()
    )
    found = {
        HTTPStatus.BAD_REQUEST: looks_at_caller or checked or "parameters" in operation or has_body,
        HTTPStatus.UNAUTHORIZED: looks_at_caller,
        HTTPStatus.FORBIDDEN: not {"anyone", ATTENDEE} & set(permission.split()),
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE: has_body,
        HTTPStatus.UNSUPPORTED_MEDIA_TYPE: has_body,
        HTTPStatus.TOO_MANY_REQUESTS: not rule.rule.startswith(EXEMPT_PATHS),
        HTTPStatus.SERVICE_UNAVAILABLE: looks_at_caller,
    }
    return [status for status, so in found.items() if so]


def _headers(operation: dict[str, Any], statuses: set[str]) -> list[dict[str, Any]]:
    """Who sends no token may be a device; who has an answer may ask whether it still holds."""
    found = []
    if {} in operation.get("security", []):
        found.append(header("X-Device-Id", pattern=f"^{DEVICE_ID.pattern}$"))
    if "304" in statuses:
        found.append(header("If-None-Match"))
    return found
