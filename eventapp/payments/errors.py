"""Why a webhook event of a payment provider is not accepted."""

from eventapp.core.errors import AppError, NotFound


class WebhookNotFound(NotFound):
    """No payment provider of this name sends events."""

    code, message = "provider_not_found", "No payment provider of this name sends events"


class EventRefused(AppError):
    """The event is not signed by the provider, was signed at another time, or cannot be read."""

    status, code, message = 400, "invalid_event", "The event is not signed, or cannot be read"
