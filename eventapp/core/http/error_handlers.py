"""The one place where errors become HTTP, all in one shape."""

from http import HTTPStatus

import structlog
from flask import Flask, Response, request
from pymongo.errors import PyMongoError
from werkzeug.exceptions import HTTPException

from eventapp.core import json
from eventapp.core.database import is_unavailable
from eventapp.core.errors import AppError, DatabaseUnavailable, TooLarge

log = structlog.get_logger()


def init_app(app: Flask) -> None:
    app.register_error_handler(AppError, _render)
    app.register_error_handler(HTTPException, _render_http)
    app.register_error_handler(PyMongoError, _render_database)
    app.register_error_handler(Exception, _render_unforeseen)


def _answer(body: dict[str, object], status: int) -> Response:
    return Response(json.dumps(body), status, content_type="application/json")


def _render(error: AppError) -> Response:
    response = _answer(error.to_dict(), error.status)
    response.headers.update(error.headers)
    return response


def _render_http(error: HTTPException) -> Response:
    """404, 405, 413 and the like that Flask itself raises, in our shape."""
    status = error.code or 500
    if status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        return _render(TooLarge())
    if error.response is not None or status < 400:
        return error.get_response(request.environ)  # type: ignore[return-value]
    phrase = HTTPStatus(status).phrase
    response = _answer(
        {"message": phrase, "code": phrase.lower().replace(" ", "_").replace("-", "_")}, status
    )
    kept = {name: value for name, value in error.get_headers() if name != "Content-Type"}
    response.headers.update(kept)
    return response


def _render_database(error: PyMongoError) -> Response:
    if is_unavailable(error):
        log.warning("database does not answer", error=type(error).__name__)
        return _render(DatabaseUnavailable())
    return _render_unforeseen(error)


def _render_unforeseen(error: Exception) -> Response:
    """500 that says nothing of the inside; the log says all."""
    log.error("unforeseen error", path=request.path, exc_info=error)
    return _render(AppError())
