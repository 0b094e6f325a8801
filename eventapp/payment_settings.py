"""Open the payment providers that the settings name."""

import structlog

from eventapp.config import Config, ConfigError
from eventapp.payments.provider import UnknownProvider
from eventapp.payments.providers import Providers, open_providers
from eventapp.payments.stripe import StripePayments, StripeSettings

log = structlog.get_logger()


def open_payment_providers(config: Config) -> Providers:
    """Return the payment providers that the settings open.

    Raises:
        ConfigError: none that takes payments has the name of the setting.
    """
    try:
        return open_providers(config.payment_provider, read_stripe_settings(config))
    except UnknownProvider as error:
        raise ConfigError(f"PAYMENT_PROVIDER: {error}") from None


def read_stripe_settings(config: Config) -> StripeSettings | None:
    """Return the account at Stripe from the settings; None without one.

    It is also needed where new payments go elsewhere, for refunds of earlier ones.
    """
    if config.stripe_secret_key is None or config.stripe_webhook_secret is None:
        return None
    return StripeSettings(
        config.stripe_secret_key, config.stripe_webhook_secret, config.stripe_api_base
    )


def warn_of_key_mode(config: Config) -> None:
    """Log a warning if the key of Stripe moves no money in production, or real money elsewhere."""
    account = read_stripe_settings(config)
    if account is None or config.payment_provider != StripePayments.name:
        return
    if account.is_test and config.is_production:
        log.warning("STRIPE_SECRET_KEY belongs to test mode: no money moves")
    elif not (account.is_test or config.is_production):
        log.warning("STRIPE_SECRET_KEY belongs to live mode: real money moves")
