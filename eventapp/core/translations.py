"""Translate texts by the catalogue, and write dates, times and amounts as a language does.

English texts are the keys of the catalogue: `eventapp/translations/LANGUAGE.po` has their
translations to another language, in the format of GNU gettext. `python -m scripts.translations`
adds the texts that it finds in modules, templates and scripts, and a test fails while one has no
translation. The catalogue is read at its first use, so no step compiles it.
"""

from datetime import date, datetime
from functools import cache
from io import BytesIO
from pathlib import Path
from zoneinfo import ZoneInfo

from babel import Locale
from babel.dates import format_date, format_skeleton, format_time, get_timezone_location
from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.numbers import format_currency
from babel.support import Translations

from eventapp.core.languages import DEFAULT_LANGUAGE, LANGUAGES

FOLDER = Path(__file__).resolve().parent.parent / "translations"
# The region decides formats: 24-hour times, and the day before the month.
LOCALES = {"en": Locale("en", "GB"), "el": Locale("el", "GR")}
# How an amount without cents is written.
WHOLE_AMOUNTS = {"en": "¤#,##0", "el": "#,##0\N{NO-BREAK SPACE}¤"}


class Translator:
    """Says things in one language.

    Attributes:
        language: its code, one of core.languages.LANGUAGES.
        translations: the translations of its texts; those of English are the texts themselves.
    """

    def __init__(self, language: str) -> None:
        """Read the catalogue of a language."""
        self.language = language
        self.translations = Translations()
        if language != DEFAULT_LANGUAGE:
            compiled = BytesIO()
            write_mo(compiled, read_catalogue(language))
            compiled.seek(0)
            self.translations = Translations(compiled)
        self._locale = LOCALES[language]

    def gettext(self, text: str, **values: object) -> str:
        """Return the translation of an English text, with its `%(name)s` filled in."""
        return self.translations.gettext(text) % values

    def ngettext(self, singular: str, plural: str, count: float, **values: object) -> str:
        """Return the translation that suits a count, which fills `%(num)s`."""
        translated = self.translations.ngettext(singular, plural, count)  # type: ignore[arg-type]
        return translated % {"num": count, **values}

    def format_day(self, day: str | date) -> str:
        """Return a calendar date with its weekday: `Sat, 5 June 2027`.

        Args:
            day: a date, or `YYYY-MM-DD`.
        """
        parsed = date.fromisoformat(day) if isinstance(day, str) else day
        return format_date(parsed, "EEE, d MMMM y", locale=self._locale)

    def format_month(self, month: str) -> str:
        """Return a month and its year: `June 2027`.

        Args:
            month: `YYYY-MM`.
        """
        first_day = datetime.fromisoformat(f"{month}-01")
        return format_skeleton("yMMMM", first_day, locale=self._locale)

    def format_time(self, moment: datetime, zone: str) -> str:
        """Return the time of day of a moment in a zone, such as `20:30`.

        Args:
            zone: an IANA name.
        """
        return format_time(moment.astimezone(ZoneInfo(zone)), "HH:mm", locale=self._locale)

    def format_moment(self, moment: datetime, zone: str) -> str:
        """Return the date and time of a moment in a zone: `Sat, 5 June 2027, 20:30`."""
        day = moment.astimezone(ZoneInfo(zone)).date()
        return f"{self.format_day(day)}, {self.format_time(moment, zone)}"

    def format_zone(self, zone: str) -> str:
        """Return the place that a zone is named after, such as `Athens`; `UTC` for itself.

        Args:
            zone: an IANA name.
        """
        if "/" not in zone or zone.startswith("Etc/"):
            return zone.removeprefix("Etc/")
        return get_timezone_location(zone, locale=self._locale, return_city=True)

    def format_amount(self, amount: float, currency: str) -> str:
        """Return an amount of money as the language writes it: `€12.50`, without `.00`."""
        is_whole = amount == int(amount)
        return format_currency(
            amount,
            currency,
            WHOLE_AMOUNTS[self.language] if is_whole else None,
            locale=self._locale,
            currency_digits=not is_whole,
            decimal_quantization=not is_whole,
        )


@cache
def get_translator(language: str) -> Translator:
    """Return the translator of one of core.languages.LANGUAGES."""
    return Translator(language)


def read_catalogue(language: str) -> Catalog:
    """Return the catalogue of a language other than English, with where each text is used."""
    with (FOLDER / f"{language}.po").open("rb") as file:
        return read_po(file, locale=language)


def list_script_texts(language: str) -> dict[str, str | list[str]]:
    """Return the translations of the texts of scripts, by their English; plurals as lists."""
    if language == DEFAULT_LANGUAGE:
        return {}
    texts: dict[str, str | list[str]] = {}
    for message in read_catalogue(language):
        if any(path.endswith(".js") for path, _ in message.locations):
            is_plural = isinstance(message.id, tuple | list)
            key = message.id[0] if is_plural else str(message.id)
            texts[key] = list(message.string or ()) if is_plural else str(message.string)
    return texts


assert set(LOCALES) == set(LANGUAGES)
