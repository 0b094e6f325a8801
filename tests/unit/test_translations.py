"""The catalogue holds every text of the code, translated, with the same placeholders."""

import re
from datetime import UTC, datetime

import pytest

from eventapp.core.languages import DEFAULT_LANGUAGE, LANGUAGES
from eventapp.core.translations import FOLDER, get_translator, list_script_texts, read_catalogue
from scripts.translations import list_untranslated, render_catalogue, update_catalogue

TRANSLATED = [language for language in LANGUAGES if language != DEFAULT_LANGUAGE]
PLACEHOLDER = re.compile(r"%\((\w+)\)s|%%|%")


@pytest.mark.parametrize("language", TRANSLATED)
def test_the_catalogue_has_the_texts_of_the_code_in_order(language):
    stored = (FOLDER / f"{language}.po").read_bytes()
    assert render_catalogue(update_catalogue(language)) == stored, "python -m scripts.translations"


@pytest.mark.parametrize("language", TRANSLATED)
def test_every_text_is_translated(language):
    assert [message.id for message in list_untranslated(read_catalogue(language))] == []


@pytest.mark.parametrize("language", TRANSLATED)
def test_translations_have_the_placeholders_of_their_texts(language):
    different = []
    for message in read_catalogue(language):
        if not message.id:
            continue
        # The singular of a plural may say "one" in place of the number.
        source = message.id[1] if isinstance(message.id, tuple | list) else message.id
        translated = message.string[-1] if isinstance(message.string, tuple) else message.string
        if find_placeholders(source) != find_placeholders(translated):
            different.append(message.id)
    assert different == []


def find_placeholders(text):
    found = [match[0] for match in PLACEHOLDER.finditer(text)]
    assert "%" not in found, f"write %% for a percent sign: {text}"
    return set(found)


def test_dates_and_amounts_are_written_as_the_language_does():
    english, greek = get_translator("en"), get_translator("el")
    moment = datetime(2027, 6, 5, 17, 30, tzinfo=UTC)
    assert english.format_moment(moment, "Europe/Athens") == "Sat, 5 June 2027, 20:30"
    assert greek.format_moment(moment, "Europe/Athens") == "Σάβ, 5 Ιουνίου 2027, 20:30"
    assert english.format_month("2027-06") == "June 2027"
    assert [english.format_amount(each, "EUR") for each in (25, 12.5)] == ["€25", "€12.50"]
    assert [greek.format_amount(each, "EUR") for each in (25, 12.5)] == ["25\xa0€", "12,50\xa0€"]


def test_english_needs_no_translation():
    english = get_translator(DEFAULT_LANGUAGE)
    assert english.gettext("Hello %(name)s", name="Ada") == "Hello Ada"
    assert english.ngettext("%(num)s ticket", "%(num)s tickets", 2) == "2 tickets"
    assert list_script_texts(DEFAULT_LANGUAGE) == {}
