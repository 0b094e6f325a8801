"""The base classes of the errors that the API answers.

Services raise these errors. All that an error knows of HTTP is its status, and sometimes a header.
"""

from typing import Any

from eventapp.core.json import JsonObject


class AppError(Exception):
    """An error that becomes an answer of the API.

    Attributes:
        status: the HTTP status.
        code: the name of the error for programs, which never changes.
        message: the text for people.
        errors: a list of messages for each invalid field.
        headers: further headers of the response.
        details: further fields of the body, such as `available`; JSON values.
    """

    status = 500
    code = "internal_error"
    message = "Internal server error"

    def __init__(
        self,
        message: str | None = None,
        *,
        code: str | None = None,
        errors: dict[str, list[str]] | None = None,
        headers: dict[str, str] | None = None,
        **details: Any,
    ) -> None:
        self.message = message or type(self).message
        self.code = code or type(self).code
        self.errors = errors
        self.headers = headers or {}
        self.details = details
        super().__init__(self.message)

    def to_dict(self) -> JsonObject:
        """Return the JSON body: message, code, details, and `errors` if there are any."""
        body: JsonObject = {"message": self.message, "code": self.code, **self.details}
        if self.errors:
            body["errors"] = self.errors
        return body


class ValidationFailed(AppError):
    """A body, a query or a path is not valid. `errors` has a list of messages for each field."""

    status, code, message = 400, "validation_error", "The request is not valid"


class MalformedJson(AppError):
    """The body is not JSON."""

    status, code, message = 400, "malformed_json", "The body is not valid JSON"


class Unauthorized(AppError):
    """The request has no valid access token."""

    status, code, message = 401, "unauthorized", "A valid access token is required"


class Forbidden(AppError):
    """The caller has no permission."""

    status, code, message = 403, "forbidden", "You may not do this"


class ScopeMissing(Forbidden):
    """The API token of the request may not make this call, whatever its owner may do."""

    code, message = "scope_missing", "This API token may not make this call"


class NotForLinks(Forbidden):
    """The token of a booking's link may not make this call, whatever the holder may do."""

    code, message = "not_for_links", "The link of a booking may not make this call"


class NotFound(AppError):
    """The resource does not exist, or the caller may not see that it does."""

    status, code, message = 404, "not_found", "Not found"


class Conflict(AppError):
    """A business rule refuses the request in the current state."""

    status, code, message = 409, "conflict", "The request conflicts with the current state"


class IdempotencyMismatch(Conflict):
    """The Idempotency-Key was used with another body."""

    code = "idempotency_mismatch"
    message = "This Idempotency-Key came with another body before"


class TooLarge(AppError):
    """The body is larger than the route accepts."""

    status, code, message = 413, "too_large", "The body is too large"


class UnsupportedMediaType(AppError):
    """The body is not of the media type that the route accepts."""

    status, code, message = 415, "unsupported_media_type", "Send JSON: application/json"


class TooManyRequests(AppError):
    """The caller has exceeded a rate limit.

    Args:
        retry_after: seconds after which a request can succeed again.
    """

    status, code, message = 429, "too_many_requests", "Too many requests"

    def __init__(self, message: str | None = None, *, retry_after: int) -> None:
        super().__init__(message, headers={"Retry-After": str(max(1, retry_after))})


class DatabaseUnavailable(AppError):
    """The database does not answer, or is not prepared yet."""

    status, code = 503, "database_unavailable"
    message = "The database does not answer; try again shortly"

    def __init__(self) -> None:
        super().__init__(headers={"Retry-After": "1"})
