"""The OpenAPI document at `/api/openapi.json`.

Blueprints document each route. This module adds what the permission table says of a route, and the
errors and headers that follow from its security, its input and its responses.
"""

from http import HTTPStatus
from typing import Any

from apispec import BasePlugin
from flask import Flask
from flask_smorest import Api
from marshmallow import INCLUDE, Schema, fields
from werkzeug.routing import Rule

from eventapp.core.access.actions import PERMISSION_TABLE, Action
from eventapp.core.access.actor import DEVICE_ID
from eventapp.core.access.permissions import BEARER
from eventapp.core.access.rate_limits import EXEMPT_PATHS
from eventapp.core.http import paths
from eventapp.core.http.smorest import JsonSchemaPlugin, LazyApi, get_extra_json_schema
from eventapp.core.json import JsonObject
from eventapp.core.roles import ATTENDEE

SMOREST_SETTINGS = {
    "API_TITLE": "eventapp",
    "API_VERSION": "v1",
    "OPENAPI_VERSION": "3.1.0",
    "OPENAPI_URL_PREFIX": "/api",
    "OPENAPI_JSON_PATH": "openapi.json",
    "API_SPEC_OPTIONS": {
        "info": {
            "description": (
                "Browse and search events, favorite them, and book tickets.\n\n"
                "Sign in by `POST /api/auth/login`, and send the `accessToken` of the answer as "
                "`Authorization: Bearer <token>`. A call without a token acts for the device that "
                "`X-Device-Id` names, or for a guest. Programs of organizers send an API token "
                "instead, which `POST /api/auth/tokens` creates; each call names the scope that "
                "the token needs. Every error has the same shape: `message`, `code` and, where "
                "fields are at fault, `errors`. Lists are read page by page with `page` and "
                "`limit`, or with the `cursor` that `nextCursor` of the last page gives."
            ),
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        # Relative to the address of the document, so it holds behind every proxy.
        "servers": [{"url": "/", "description": "This server"}],
    },
}
# Who may call an operation, by the roles of its permission.
CALLERS = {"self": "the user in question", "organizer": "organizers", "admin": "admins"}
# The documentation of the header that `responses.created_response` sends.
LOCATION_HEADER = {"Location": {"schema": {"type": "string"}, "required": True}}


class ErrorBody(Schema):
    """The body of every error."""

    message = fields.String(required=True)
    code = fields.String(required=True)
    errors = fields.Dict(keys=fields.String(), values=fields.List(fields.String()))

    class Meta:
        unknown = INCLUDE  # Some errors have further fields, such as `available`.


class DocumentedApi(LazyApi):
    """An Api that documents errors by ErrorBody, and no default response."""

    ERROR_SCHEMA = ErrorBody
    DEFAULT_ERROR_RESPONSE_NAME = None


def init_app(app: Flask) -> Api:
    """Serve the document, and return the Api whose registered blueprints appear in it."""
    app.config.from_mapping(SMOREST_SETTINGS)
    plugins = {"marshmallow_plugin": JsonSchemaPlugin(), "extra_plugins": [RoutePlugin(app)]}
    api = DocumentedApi(app, spec_kwargs=plugins)
    description = "The access token of a session, or an API token"
    scheme = {"type": "http", "scheme": "bearer", "description": description}
    api.spec.components.security_scheme(BEARER, scheme)
    paths.document_converters(api)
    return api


def describe_header(name: str, **schema: Any) -> JsonObject:
    """Return the parameter object of a header that an operation reads."""
    return {"in": "header", "name": name, "schema": {"type": "string", **schema}}


def describe_raw_body() -> JsonObject:
    """Return the request body object of an operation that reads the body itself, as JSON."""
    content = {"schema": {"type": "object"}, "example": {"id": "evt_1", "type": "ping"}}
    return {"required": True, "content": {"application/json": content}}


def describe_link(operation_id: str, body: Any, parameters: dict[str, str]) -> JsonObject:
    """Return the links object of a response, with one link to an operation."""
    target: JsonObject = {"operationId": operation_id}
    if parameters:
        target["parameters"] = parameters
    if body is not None:
        target["requestBody"] = body
    return {operation_id: target}


def requires_value(schema: Schema) -> bool:
    """Return False if the schema accepts `{}`, the value of a missing body."""
    has_required = any(field.required for field in schema.fields.values())
    return bool(get_extra_json_schema(schema)) or has_required


class RoutePlugin(BasePlugin):
    """Adds to each operation its tag, id, description, security, usual errors and headers."""

    def __init__(self, app: Flask) -> None:
        self._app = app

    def operation_helper(
        self, path: str | None = None, operations: JsonObject | None = None, **kwargs: Any
    ) -> None:
        """Complete the operations of a path. apispec calls this for every path."""
        rule: Rule = kwargs["rule"]
        view: Any = self._app.view_functions[rule.endpoint]
        for operation in (operations or {}).values():
            if view.security:
                operation["security"] = list(view.security)
            operation["operationId"] = rule.endpoint.replace(".", "_")
            blueprint: Any = self._app.blueprints[rule.endpoint.split(".")[0]]
            operation["tags"] = [blueprint.description]
            details = [operation.get("description"), _describe_callers(view.permission)]
            if view.security:
                details.append(_describe_scope(PERMISSION_TABLE.get(self._app)[rule.endpoint]))
            operation["description"] = "\n\n".join(filter(None, details))
            responses = operation["responses"]
            documented = {str(status) for status in responses}
            for status in _list_usual_errors(rule, operation):
                if str(status.value) not in documented:
                    responses[str(status.value)] = status.name
            if headers := _list_usual_headers(operation, documented):
                operation.setdefault("parameters", []).extend(headers)


def _describe_callers(permission: str) -> str:
    """Return a sentence that names the permitted callers of an operation."""
    roles = permission.split()
    if "anyone" in roles:
        return "For anyone."
    if ATTENDEE in roles:
        return "For every signed-in user."
    return f"For {' and '.join(CALLERS[role] for role in roles)}."


def _describe_scope(action: Action) -> str:
    """Return a sentence that says which API tokens are accepted."""
    if action.scope is None:
        return "Not for API tokens."
    limit = ", and must not be limited to certain events" if action.is_account_wide else ""
    return f"An API token needs the scope `{action.scope}`{limit}."


def _list_usual_errors(rule: Rule, operation: JsonObject) -> list[HTTPStatus]:
    """Return the errors that follow from the security, the path and the input of a route."""
    identifies_caller, has_body = "security" in operation, "requestBody" in operation
    applies = {
        HTTPStatus.BAD_REQUEST: True,  # for an unknown parameter, or a body that is not declared
        HTTPStatus.UNAUTHORIZED: identifies_caller,
        # Where every user is accepted, an API token without the scope is not.
        HTTPStatus.FORBIDDEN: identifies_caller,
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE: has_body,
        HTTPStatus.UNSUPPORTED_MEDIA_TYPE: has_body,
        HTTPStatus.TOO_MANY_REQUESTS: not rule.rule.startswith(EXEMPT_PATHS),
        HTTPStatus.SERVICE_UNAVAILABLE: identifies_caller,
    }
    return [status for status, is_usual in applies.items() if is_usual]


def _list_usual_headers(operation: JsonObject, statuses: set[str]) -> list[JsonObject]:
    """Return X-Device-Id for a route that needs no token, and If-None-Match if it answers 304."""
    headers = []
    if {} in operation.get("security", []):
        headers.append(describe_header("X-Device-Id", pattern=f"^{DEVICE_ID.pattern}$"))
    if "304" in statuses:
        headers.append(describe_header("If-None-Match"))
    return headers
