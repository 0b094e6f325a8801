"""Open the payment providers that the settings name."""

import structlog
from flask import Flask

from eventapp.config import Config, ConfigError
from eventapp.pages.payment import PAGE_PAYMENT, PagePayment
from eventapp.payments.provider import UnknownProvider
from eventapp.payments.providers import Providers, open_providers
from eventapp.payments.stripe_settings import PAGE_SOURCES, STRIPE, StripeSettings

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
        config.stripe_secret_key,
        config.stripe_webhook_secret,
        config.stripe_api_base,
        config.stripe_publishable_key,
    )


def choose_page_payment(config: Config) -> PagePayment:
    """Return how buyers pay on the pages of this site."""
    account = read_stripe_settings(config)
    if account is None or config.payment_provider != STRIPE:
        return PagePayment(config.payment_provider)
    key = account.publishable_key
    if key is None:
        return PagePayment(STRIPE, is_available=False)
    return PagePayment(STRIPE, key, sources=PAGE_SOURCES)


def set_up_page_payment(app: Flask, config: Config) -> None:
    """Let pages know how buyers pay, and warn of keys that are probably not what is meant."""
    _warn_of_keys(config)
    PAGE_PAYMENT.set(app, choose_page_payment(config))


def _warn_of_keys(config: Config) -> None:
    """Log a warning if the keys of Stripe move no money in production, move real money elsewhere,
    or let nobody pay on pages.
    """
    account = read_stripe_settings(config)
    if account is None or config.payment_provider != STRIPE:
        return
    if account.publishable_key is None:
        log.warning("STRIPE_PUBLISHABLE_KEY is not set: nobody can pay on the pages")
    if account.is_test and config.is_production:
        log.warning("STRIPE_SECRET_KEY belongs to test mode: no money moves")
    elif not (account.is_test or config.is_production):
        log.warning("STRIPE_SECRET_KEY belongs to live mode: real money moves")
