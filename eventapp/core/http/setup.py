"""Set up Flask to serve this API: JSON, path converters, the OpenAPI document and errors."""

from flask import Flask
from flask_smorest import Api
from flask_swagger_ui import get_swaggerui_blueprint

from eventapp.core import json
from eventapp.core.access.permissions import anonymous
from eventapp.core.http import error_handlers, openapi, paths
from eventapp.core.http.headers import SWAGGER_UI_PATH
from eventapp.core.http.request_parser import MAX_BODY_BYTES


def init_app(app: Flask) -> Api:
    """Set up the application, and return the Api on which to register blueprints."""
    app.json = json.ApiJsonProvider(app)
    app.url_map.strict_slashes = False
    # `/api/events/%2F` is no event, and would otherwise be redirected to the list.
    app.url_map.merge_slashes = False
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY_BYTES
    paths.init_app(app)
    api = openapi.init_app(app)
    _serve_swagger_ui(app)
    error_handlers.init_app(app)
    return api


def _serve_swagger_ui(app: Flask) -> None:
    """Serve Swagger UI, with all its files, from this server."""
    docs = get_swaggerui_blueprint(SWAGGER_UI_PATH, "/api/openapi.json", {"app_name": "eventapp"})
    docs.ignores_unknown_parameters = True
    app.register_blueprint(docs)
    for endpoint, view in app.view_functions.items():
        if endpoint.startswith((f"{docs.name}.", "api-docs.")):
            anonymous(view)
