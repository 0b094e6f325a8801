"""Turn errors into HTTP responses. All have the body that `openapi.ErrorBody` describes."""

from collections.abc import Mapping
from http import HTTPStatus
from itertools import islice

import structlog
from flask import Flask, Response, request
from pymongo.errors import PyMongoError
from werkzeug.exceptions import HTTPException

from eventapp.core import json
from eventapp.core.database import is_unavailable, note_no_answer
from eventapp.core.errors import AppError, DatabaseUnavailable, TooLarge
from eventapp.core.http.body_limits import MAX_FAULTS
from eventapp.core.http.responses import json_response

# An answer to a request that is not valid names the first faults only, and stays under 16 kB.
# The lengths are in characters, of which each takes up to 6 bytes.
MAX_NAME, MAX_MESSAGE, MAX_ERRORS_BYTES = 100, 300, 10_000

# The challenges to a request without a token, and to one with a token that is not accepted.
CHALLENGE = 'Bearer realm="eventapp"'
INVALID_TOKEN = f'{CHALLENGE}, error="invalid_token"'

log = structlog.get_logger()


def init_app(app: Flask) -> None:
    """Handle every error that a view or a hook raises."""
    app.register_error_handler(AppError, handle_app_error)
    app.register_error_handler(HTTPException, handle_http_exception)
    app.register_error_handler(PyMongoError, handle_database_error)
    app.register_error_handler(Exception, handle_unexpected_error)


def handle_app_error(error: AppError) -> Response:
    """Return the response with the status, body and headers of an error of this application."""
    body = error.to_dict()
    body["message"] = _shorten(error.message, MAX_MESSAGE)
    if error.errors:
        body["errors"] = _shorten_errors(error.errors)
    response = json_response(body, error.status)
    response.headers.update(error.headers)
    if error.status == HTTPStatus.UNAUTHORIZED:
        is_token_at_fault = "Authorization" in request.headers
        response.headers["WWW-Authenticate"] = INVALID_TOKEN if is_token_at_fault else CHALLENGE
    return response


def _shorten(text: str, max_length: int) -> str:
    return text if len(text) <= max_length else f"{text[:max_length]}..."


def _shorten_errors(errors: Mapping[str, list[str]]) -> dict[str, list[str]]:
    """Return the first MAX_FAULTS faults, as far as they fit into MAX_ERRORS_BYTES.

    Names of fields and messages may repeat what the client has sent, so they are shortened, too.
    """
    shown: dict[str, list[str]] = {}
    size = 0
    for name, messages in islice(errors.items(), MAX_FAULTS):
        fault = {_shorten(name, MAX_NAME): [_shorten(each, MAX_MESSAGE) for each in messages[:5]]}
        size += len(json.dumps(fault))
        if size > MAX_ERRORS_BYTES:
            break
        shown.update(fault)
    return shown


def handle_http_exception(error: HTTPException) -> Response:
    """Return the response to an error that Flask itself raises, such as 404 or 405."""
    status = error.code or 500
    if status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        return handle_app_error(TooLarge())
    # A redirect, or an error that brings a response of its own.
    if error.response is not None or status < 400:
        return error.get_response(request.environ)  # type: ignore[return-value]
    phrase = HTTPStatus(status).phrase
    code = phrase.lower().replace(" ", "_").replace("-", "_")
    response = json_response({"message": phrase, "code": code}, status)
    headers = {name: value for name, value in error.get_headers() if name != "Content-Type"}
    response.headers.update(headers)
    return response


def handle_database_error(error: PyMongoError) -> Response:
    """Return 503 if the database does not answer, and 500 for any other error of the driver."""
    if is_unavailable(error):
        note_no_answer()
        log.warning("database does not answer", error=type(error).__name__)
        return handle_app_error(DatabaseUnavailable())
    return handle_unexpected_error(error)


def handle_unexpected_error(error: Exception) -> Response:
    """Return 500 without any detail, and log the error with its traceback."""
    log.error("unexpected error", path=request.path, exc_info=error)
    return handle_app_error(AppError())
