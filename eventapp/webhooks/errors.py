"""Refusals of requests about webhooks."""

from eventapp.core.errors import AppError, Conflict, NotFound


class WebhookNotFound(NotFound):
    """The caller has no such webhook."""

    code, message = "webhook_not_found", "Webhook not found"


class DeliveryNotFound(NotFound):
    """The webhook has no such delivery, or it is kept no longer."""

    code, message = "delivery_not_found", "Delivery not found"


class WebhookLimit(Conflict):
    """The organizer has as many webhooks as are allowed."""

    code = "webhook_limit"


class WebhookDisabled(Conflict):
    """Nothing is sent to a webhook that is disabled."""

    code, message = "webhook_disabled", "The webhook is disabled: enable it first"


class DeliveryErased(AppError):
    """The delivery had data of a person who has deleted their account."""

    status, code = 410, "delivery_erased"
    message = "The delivery had data of a person whose account was deleted"
