"""Errors of the administration."""

from eventapp.core.errors import NotFound


class PaymentNotFound(NotFound):
    """There is no such booking, or it has no payment."""

    code, message = "payment_not_found", "Payment not found"
