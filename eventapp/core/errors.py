"""The errors the business speaks in. They know no HTTP but their status number."""

from typing import Any


class AppError(Exception):
    """A refusal with a stable `code`, words for people, and the HTTP status it becomes."""

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

    def to_dict(self) -> dict[str, Any]:
        """The error's JSON: message, code, then `errors` and further data where it has any."""
        body: dict[str, Any] = {"message": self.message, "code": self.code, **self.details}
        if self.errors:
            body["errors"] = self.errors
        return body


class ValidationFailed(AppError):
    """A body, query or path that is not valid; `errors` holds a list of messages a field."""

    status, code, message = 400, "validation_error", "The request is not valid"


class MalformedJson(AppError):
    status, code, message = 400, "malformed_json", "The body is not valid JSON"


class Unauthorized(AppError):
    status, code, message = 401, "unauthorized", "A valid access token is required"


class Forbidden(AppError):
    status, code, message = 403, "forbidden", "You may not do this"


class NotFound(AppError):
    status, code, message = 404, "not_found", "Not found"


class Conflict(AppError):
    """A rule of the business says no."""

    status, code, message = 409, "conflict", "The request conflicts with the current state"


class TooLarge(AppError):
    status, code, message = 413, "too_large", "The body is too large"


class UnsupportedMediaType(AppError):
    status, code, message = 415, "unsupported_media_type", "Send JSON: application/json"


class TooManyRequests(AppError):
    """`retry_after` whole seconds until it is worth asking again."""

    status, code, message = 429, "too_many_requests", "Too many requests"

    def __init__(self, message: str | None = None, *, retry_after: int) -> None:
        super().__init__(message, headers={"Retry-After": str(max(1, retry_after))})


class DatabaseUnavailable(AppError):
    status, code = 503, "database_unavailable"
    message = "The database does not answer; try again shortly"

    def __init__(self) -> None:
        super().__init__(headers={"Retry-After": "1"})
