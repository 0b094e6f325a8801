"""Say things in the language of a user, and write dates and amounts as the language does.

The texts of each language are a table in a module of its own, beside each other in one shape. Both
languages have the same two forms of a plural, so a text is a string or a pair of them. A table is
easier to keep whole than gettext's catalogs, which would add a library and a step of the build: a
test compares the keys and the placeholders of the tables.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo

from eventapp.core.languages import ENGLISH, GREEK
from eventapp.notifications import texts_el, texts_en
from eventapp.notifications.types import DateAndLocation, Facts

# A text with placeholders, or its singular and its plural.
Text = str | tuple[str, str]


@dataclass(frozen=True)
class Language:
    """A language of mails.

    Attributes:
        code: its ISO 639-1 code.
        texts: its texts, by the keys that all languages have.
        months: the names of the months as they stand in a date.
        date_format: how a date is written, with the placeholders `day`, `month` and `year`.
        decimal_mark: the character before the cents.
    """

    code: str
    texts: Mapping[str, Text]
    months: tuple[str, ...]
    date_format: str
    decimal_mark: str

    def say(self, key: str, count: float = 1, **values: object) -> str:
        """Return a text with its placeholders filled in.

        Args:
            count: chooses between singular and plural, and fills `{count}`.
        """
        text = self.texts[key]
        if isinstance(text, tuple):
            text = text[0] if count == 1 else text[1]
        return text.format(count=count, **values)

    def format_day(self, day: str) -> str:
        """Return a calendar date.

        Args:
            day: `YYYY-MM-DD`.
        """
        parsed = date.fromisoformat(day)
        return self.date_format.format(day=parsed.day, month=parsed.month, year=parsed.year)

    def format_date(self, data: Facts | DateAndLocation) -> str:
        """Return when an event takes place: a date, and the time of day and its zone if known."""
        day, starts_at, zone = (
            self.format_day(data["date"]),
            data.get("startsAt"),
            data.get("timezone"),
        )
        if starts_at is None or zone is None:
            return day
        return f"{day}, {starts_at.astimezone(ZoneInfo(zone)):%H:%M} ({zone})"

    def format_deadline(self, moment: datetime) -> str:
        """Return a time in UTC: `15 June, 20:00 UTC`."""
        month = self.months[moment.month - 1]
        return self.say("deadline", day=moment.day, month=month, time=f"{moment:%H:%M}")

    def format_amount(self, amount: float) -> str:
        """Return an amount of money with no decimals or with two: `20`, `12.50`."""
        shown = f"{amount:.0f}" if amount == int(amount) else f"{amount:.2f}"
        return shown.replace(".", self.decimal_mark)

    def format_price(self, unit_price: float, subtotal: float, currency: str) -> str:
        """Return the price of the tickets of one type: `at 20 = 40 EUR`, or `free`."""
        if not unit_price:
            return self.say("free")
        unit, total = self.format_amount(unit_price), self.format_amount(subtotal)
        return self.say("price", unit=unit, total=total, currency=currency)

    def format_total(self, total: float, currency: str) -> str:
        """Return the sum of a booking: `40 EUR`, or `free`."""
        return f"{self.format_amount(total)} {currency}" if total else self.say("free")

    def format_greeting(self, name: str) -> str:
        """Return what a mail begins with. The name is empty if the mail must not hold it."""
        return self.say("greeting_by_name", name=name) if name else self.say("greeting")

    def format_label(self, key: str) -> str:
        """Return a label of the text about a booking, as wide as the longest of them."""
        labels = {each: f"{self.say(each)}:" for each in BOOKING_LABELS}
        return labels[key].ljust(max(map(len, labels.values())))


BOOKING_LABELS = ("label.reference", "label.date", "label.place", "label.discount", "label.total")
LANGUAGES = {
    ENGLISH: Language(
        ENGLISH, texts_en.TEXTS, texts_en.MONTHS, "{year:04}-{month:02}-{day:02}", "."
    ),
    # A text that is missing in Greek, which a test refuses, is sent in English all the same.
    GREEK: Language(
        GREEK, {**texts_en.TEXTS, **texts_el.TEXTS}, texts_el.MONTHS, "{day}/{month}/{year}", ","
    ),
}
