"""Write dates, amounts and greetings as mails show them, and as notifications in the app do.

Mails are in the language of their recipient, and write dates and amounts as it does. Notifications
in the app are a part of the API: they are English, and keep the forms that clients know.
"""

from datetime import date, datetime
from functools import cache

from eventapp.core.languages import DEFAULT_LANGUAGE
from eventapp.core.translations import Translator
from eventapp.notifications.types import DateAndLocation, Facts

# The zone of a deadline where that of the event is unknown.
UTC = "UTC"


class MailTexts(Translator):
    """Says things in a mail: a translator with the forms that only notifications have."""

    def format_date(self, data: Facts | DateAndLocation) -> str:
        """Return when an event takes place: a date, and the time of day and its zone if known."""
        starts_at, zone = data.get("startsAt"), data.get("timezone")
        if starts_at is None or zone is None:
            return self.format_day(data["date"])
        return f"{self.format_moment(starts_at, zone)} ({zone})"

    def format_deadline(self, moment: datetime, zone: str | None) -> str:
        """Return a date and time with its zone.

        Args:
            zone: the IANA name of the zone to write it in; None for UTC.
        """
        return f"{self.format_moment(moment, zone or UTC)} ({zone or UTC})"

    def format_price(self, unit_price: float, subtotal: float, currency: str) -> str:
        """Return the price of the tickets of one type: `at €20 = €40`, or `free`."""
        if not unit_price:
            return self.gettext("free")
        unit = self.format_amount(unit_price, currency)
        return self.gettext(
            "at %(unit)s = %(total)s", unit=unit, total=self.format_amount(subtotal, currency)
        )

    def format_total(self, total: float, currency: str) -> str:
        """Return the sum of a booking: `€40`, or `free`."""
        return self.format_amount(total, currency) if total else self.gettext("free")

    def format_greeting(self, name: str) -> str:
        """Return what a mail begins with. The name is empty if the mail must not hold it."""
        return self.gettext("Hello %(name)s", name=name) if name else self.gettext("Hello")


class AppTexts(MailTexts):
    """Says things in a notification in the app, in English."""

    def __init__(self) -> None:
        super().__init__(DEFAULT_LANGUAGE)

    def format_day(self, day: str | date) -> str:
        """Return a calendar date as YYYY-MM-DD."""
        return day if isinstance(day, str) else day.isoformat()

    def format_deadline(self, moment: datetime, _zone: str | None) -> str:
        """Return a time in UTC: `15 June, 20:00 UTC`."""
        return f"{moment:%d %B, %H:%M} UTC"

    def format_amount(self, amount: float, currency: str) -> str:
        """Return an amount of money with no decimals or with two: `20 EUR`, `12.50 EUR`."""
        shown = f"{amount:.0f}" if amount == int(amount) else f"{amount:.2f}"
        return f"{shown} {currency}"


@cache
def get_mail_texts(language: str) -> MailTexts:
    """Return the texts of mails in one of core.languages.LANGUAGES."""
    return MailTexts(language)


@cache
def get_app_texts() -> AppTexts:
    """Return the texts of notifications in the app."""
    return AppTexts()
