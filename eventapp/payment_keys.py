"""Check that the keys of the payment provider are complete and belong together."""

from typing import Protocol


class PaymentKeys(Protocol):
    """The settings by which the server and its pages reach the payment provider."""

    @property
    def payment_provider(self) -> str: ...
    @property
    def stripe_secret_key(self) -> str | None: ...
    @property
    def stripe_publishable_key(self) -> str | None: ...
    @property
    def stripe_webhook_secret(self) -> str | None: ...


def find_payment_fault(keys: PaymentKeys, *, has_log: bool) -> str | None:
    """Return what is wrong with the keys: the setting and a sentence; None if nothing is.

    Args:
        has_log: whether the log of the provider's library is switched on.
    """
    secret, published = keys.stripe_secret_key, keys.stripe_publishable_key
    if secret is None:
        if keys.payment_provider == "stripe":
            return "STRIPE_SECRET_KEY: must be set when PAYMENT_PROVIDER is stripe"
        return "STRIPE_PUBLISHABLE_KEY: needs STRIPE_SECRET_KEY" if published else None
    if keys.stripe_webhook_secret is None:
        return "STRIPE_WEBHOOK_SECRET: must be set when STRIPE_SECRET_KEY is"
    if published and _is_test_key(published) != _is_test_key(secret):
        # Nobody could pay by it.
        return "STRIPE_PUBLISHABLE_KEY: must be of the mode of STRIPE_SECRET_KEY, test or live"
    if has_log:
        return "STRIPE_LOG: must not be set, because it prints what buyers pay with"
    return None


def _is_test_key(key: str) -> bool:
    return "_test_" in key[:8]
