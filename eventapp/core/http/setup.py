"""Puts the HTTP edge on an application: errors, path converters, the API's document."""

from flask import Flask
from flask_smorest import Api
from flask_swagger_ui import get_swaggerui_blueprint

from eventapp.core import json
from eventapp.core.access.permissions import anonymous
from eventapp.core.http import error_handlers, openapi, paths
from eventapp.core.http.blueprint import MAX_BODY_BYTES

DOCS_URL = "/api/docs"


def init_app(app: Flask) -> Api:
    """Errors, path converters and the OpenAPI document; blueprints are registered on the Api."""
    app.json = json.ApiJsonProvider(app)
    app.url_map.strict_slashes = False
    paths.init_app(app)
    app.config["MAX_CONTENT_LENGTH"] = app.config.get("MAX_CONTENT_LENGTH") or MAX_BODY_BYTES
    api = openapi.open_document(app)
    _serve_docs(app)
    error_handlers.init_app(app)
    return api


def _serve_docs(app: Flask) -> None:
    """Swagger UI over the OpenAPI document, its files from here."""
    docs = get_swaggerui_blueprint(DOCS_URL, "/api/openapi.json", {"app_name": "eventapp"})
    app.register_blueprint(docs)
    for endpoint, view in app.view_functions.items():
        if endpoint.startswith((f"{docs.name}.", "api-docs.")):
            anonymous(view)
