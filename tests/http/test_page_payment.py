"""The payment data that pages get, and the policy of a page that pays."""

import pytest

from eventapp.config import load_config
from eventapp.pages.payment import current_page_payment
from eventapp.pages.rendering import BASE_SOURCES, make_policy
from eventapp.payment_settings import choose_page_payment

STRIPE = {
    "PAYMENT_PROVIDER": "stripe",
    "STRIPE_SECRET_KEY": "sk_test_1",
    "STRIPE_WEBHOOK_SECRET": "whsec_1",
    "STRIPE_PUBLISHABLE_KEY": "pk_test_1",
}


@pytest.fixture
def choose(tmp_path):
    """A function that returns how buyers pay on pages, with some settings."""

    def choose(**settings):
        return choose_page_payment(load_config({"INSTANCE_DIR": str(tmp_path), **settings}))

    return choose


def test_the_default_provider_needs_nothing_of_another_site(app):
    with app.app_context():
        payment = current_page_payment()
    assert (payment.provider, payment.key, payment.is_available) == ("mock", None, True)
    assert make_policy(payment.sources) == make_policy({})


def test_a_page_that_pays_by_stripe_may_load_what_stripe_requires(choose):
    payment = choose(**STRIPE)
    assert (payment.provider, payment.key, payment.is_available) == ("stripe", "pk_test_1", True)
    directives = dict(each.split(" ", 1) for each in make_policy(payment.sources).split("; "))
    added = {
        name: set(value.split()) - set(BASE_SOURCES.get(name, ()))
        for name, value in directives.items()
    }
    assert {name: sources for name, sources in added.items() if sources} == {
        "script-src": {"https://js.stripe.com"},
        "frame-src": {"https://js.stripe.com", "https://hooks.stripe.com"},
        "connect-src": {"https://api.stripe.com"},
    }
    assert "sk_test_1" not in repr(payment)


def test_without_a_publishable_key_nobody_pays_on_pages(choose):
    payment = choose(**{**STRIPE, "STRIPE_PUBLISHABLE_KEY": ""})
    assert (payment.key, payment.is_available, dict(payment.sources)) == (None, False, {})


def test_keys_that_are_kept_for_refunds_are_not_shown(choose):
    payment = choose(**{**STRIPE, "PAYMENT_PROVIDER": "mock"})
    assert (payment.provider, payment.key, dict(payment.sources)) == ("mock", None, {})
