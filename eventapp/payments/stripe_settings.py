"""The account at Stripe, and what pages must be allowed to load from there.

It is apart from `stripe`, so that a server without an account does not import Stripe's library.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

# The name of the provider.
STRIPE = "stripe"
# https://docs.stripe.com/security/guide#content-security-policy: what a page that pays may load.
PAGE_SOURCES: Mapping[str, tuple[str, ...]] = {
    "script-src": ("https://js.stripe.com",),
    "frame-src": ("https://js.stripe.com", "https://hooks.stripe.com"),
    "connect-src": ("https://api.stripe.com",),
}


@dataclass(frozen=True)
class StripeSettings:
    """The account to use.

    Attributes:
        secret_key: the secret or restricted key of the account.
        webhook_secret: the signing secret of the webhook endpoint.
        api_base: where the API is, such as https://api.stripe.com.
        publishable_key: what the pages of buyers call Stripe with; None if no page takes payments.
    """

    secret_key: str = field(repr=False)
    webhook_secret: str = field(repr=False)
    api_base: str
    publishable_key: str | None = None

    @property
    def is_test(self) -> bool:
        """Whether the key is one of the test mode, in which no money moves."""
        return "_test_" in self.secret_key[:8]
