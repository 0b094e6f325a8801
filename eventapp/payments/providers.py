"""The payment providers of this application, by name.

To add one, write a module with a class that has the methods of `payments.provider.PaymentProvider`,
and add it to `open_providers`. The setting PAYMENT_PROVIDER names the provider of new attempts.
Refunds go to the provider that was paid, so a provider stays here as long as bookings name it.
"""

from collections.abc import Iterable

from eventapp.payments.mock import LegacyPayments, MockPayments
from eventapp.payments.provider import PaymentProvider, UnknownProvider
from eventapp.payments.stripe_settings import StripeSettings


class Providers:
    """The payment providers that the settings open.

    Attributes:
        current: the provider of new attempts.
    """

    def __init__(self, current: PaymentProvider, others: Iterable[PaymentProvider] = ()) -> None:
        """Keep these providers; `others` are asked for what was paid by them."""
        self.current = current
        self._by_name = {each.name: each for each in (LegacyPayments(), *others, current)}

    def find(self, name: str) -> PaymentProvider:
        """Return the provider with this name.

        Raises:
            UnknownProvider: there is none. The text names those that there are.
        """
        if name not in self._by_name:
            raise UnknownProvider(f"{name!r} is none of: {', '.join(sorted(self._by_name))}")
        return self._by_name[name]


def open_providers(name: str, stripe: StripeSettings | None = None) -> Providers:
    """Return the providers that the settings open.

    Args:
        name: the provider of new attempts.
        stripe: the account at Stripe; None without one.

    Raises:
        UnknownProvider: none that takes new payments has this name.
    """
    opened: list[PaymentProvider] = [MockPayments()]
    if stripe:
        # The library of Stripe takes 6 MB.
        from eventapp.payments.stripe import StripePayments

        opened.append(StripePayments(stripe))
    by_name = {each.name: each for each in opened}
    if name not in by_name:
        raise UnknownProvider(f"{name!r} is none of: {', '.join(by_name)}")
    return Providers(by_name[name], opened)
