"""How the pages of this site let buyers pay: with which provider, and what its script needs.

`static/js/pay.js` reads this from the `data-` attributes of `payment_attributes.html`. A page that
pays adds `sources` to its policy; no other page does.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from eventapp.core.app_key import AppKey


@dataclass(frozen=True)
class PagePayment:
    """The provider of new payments, as pages use it.

    Attributes:
        provider: its name; `static/js/pay_PROVIDER.js` is the module that lets a buyer pay.
        key: what the provider's script is called with; None if it needs none or there is none.
        is_available: whether buyers can pay on pages.
        sources: by directive of the policy, what the provider's script loads.
    """

    provider: str
    key: str | None = None
    is_available: bool = True
    sources: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


PAGE_PAYMENT: AppKey[PagePayment] = AppKey("page_payment")


def current_page_payment() -> PagePayment:
    """Return how buyers pay on the pages of this application."""
    return PAGE_PAYMENT.get()
