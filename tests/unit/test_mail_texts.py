"""Every text of a mail exists in each language, with the same placeholders, and is used."""

import re
import string
from datetime import UTC, datetime
from pathlib import Path
from typing import get_args

import pytest

import eventapp
from eventapp.core.languages import DEFAULT_LANGUAGE, LANGUAGES
from eventapp.notifications import account_texts, rules, texts, texts_el, texts_en
from eventapp.notifications.account_texts import AccountText
from eventapp.notifications.mail_templates import render_mail, render_template
from eventapp.notifications.types import NewNotification, Recipient
from eventapp.waitlist.types import CloseReason
from tests.notifications_factories import FACTS, ITEMS

FOLDER = Path(eventapp.__file__).parent / "notifications"
NOW = datetime(2030, 5, 1, 12, tzinfo=UTC)
GREEK = texts.LANGUAGES["el"]
LATIN, GREEK_LETTERS = re.compile(r"[A-Za-z]{3,}"), re.compile(r"[\u0370-\u03ff\u1f00-\u1fff]")
# Words that Greek texts keep.
KEPT = {"email", "API", "token", "tokens", "Android", "UTC", "webhook"}


def list_forms(text):
    return (text,) if isinstance(text, str) else text


def find_placeholders(text):
    return {
        name
        for form in list_forms(text)
        for _, name, _, _ in string.Formatter().parse(form)
        if name
    }


def test_the_tables_have_the_same_keys():
    assert texts_el.TEXTS.keys() == texts_en.TEXTS.keys()
    assert texts.LANGUAGES.keys() == set(LANGUAGES)
    assert DEFAULT_LANGUAGE in LANGUAGES


@pytest.mark.parametrize("key", texts_en.TEXTS)
def test_a_text_has_the_same_placeholders_in_each_language(key):
    english, greek = texts_en.TEXTS[key], texts_el.TEXTS[key]
    assert find_placeholders(greek) == find_placeholders(english)
    for form in list_forms(greek):
        words = set(LATIN.findall(re.sub(r"{[^}]*}", "", form)))
        assert words <= KEPT, "it is not translated"
        assert "  " not in form
        assert ";" not in form, "in Greek, that is a question mark"


def test_every_text_is_used():
    sources = [*FOLDER.glob("*.py"), *(FOLDER / "templates").iterdir()]
    tables = {"texts_en.py", "texts_el.py"}
    source = "\n".join(path.read_text() for path in sources if path.name not in tables)
    composed = {f"{kind}.{part}" for kind in rules.KINDS for part in ("title", "message")}
    composed |= {f"waitlist_closed.{reason}" for reason in get_args(CloseReason)}
    composed |= {"report.daily", "report.weekly"}
    assert {key for key in texts_en.TEXTS if f'"{key}"' not in source} <= composed


@pytest.mark.parametrize("kind", account_texts.KINDS)
def test_each_mail_about_an_account_exists_in_each_language(kind):
    english = account_texts.get_text(kind, "en")
    greek = account_texts._GREEK_TEXTS[kind]
    for name in AccountText.__dataclass_fields__:
        assert bool(getattr(greek, name)) == bool(getattr(english, name))
    facts = [
        {"sessions": n, "api_tokens": n, "devices": n, "has_pending_email": True} for n in (1, 2)
    ]
    shown = [account_texts.make_context(greek, each, "", "el")["lines"] for each in facts]
    for text in (
        greek.subject,
        greek.message,
        greek.link_text,
        greek.closing,
        *shown[0],
        *shown[1],
    ):
        assert set(LATIN.findall(text)) <= KEPT


def make_mail(kind, *, language="el", is_verified=True, **facts):
    data = {
        **FACTS,
        "eventTitle": "Τζαζ στο example.org",
        "expiresAt": NOW,
        "refund": 12.5,
        "schedule": [{"date": "2030-05-02", "location": "Λάρισα"}],
        "reason": "event_over",
        "left": 1,
        "webhookHost": "example.org",
        **{"period": "daily", "from": "2030-04-30", "to": "2030-04-30"},
        **{"organizer": "Όλγα", "subject": "Νέα", "text": "Οι πόρτες ανοίγουν στις επτά."},
        **facts,
    }
    sums = {"bookings": 1, "tickets": 2, "ended": 0, "gross": 40, "discount": 2.5, "revenue": 37.5}
    sums |= {"charged": 37.5, "refunded": 0, "fees": 1, "net": 36.5}
    mail_data = {"items": ITEMS, "totalPrice": 37.5, "discount": 2.5, "promoCode": "ΑΝΟΙΞΗ"}
    mail_data |= {"codes": ["EVT1.X"], "rows": [{"title": "Τζαζ", **sums}], **sums}
    recipient = Recipient(NOW, "Άννα", "a@example.org", is_verified, language)
    new = NewNotification("key", kind, recipient, NOW, data, mail_data)
    return render_mail(new, "https://x.example", NOW)


# What remains of a Greek mail without markup, codes, links and the zone of times.
IGNORED = re.compile(
    r"<[^>]*>|EVT-?\w+(?:\.\w+)?|https?://\S+|EUR|UTC|General|example|org|webhook|API|Volos|&\w+;"
)


@pytest.mark.parametrize("kind", [*rules.KINDS, rules.REPORT])
def test_a_greek_mail_has_no_english_words(kind):
    mail = make_mail(kind, eventTitle="Τζαζ", location="Βόλος")
    for name in ("subject", "text", "html"):
        shown = IGNORED.sub(" ", re.sub(r"<title>.*?</title>", "", mail[name]))
        assert GREEK_LETTERS.search(mail[name])
        assert set(LATIN.findall(shown)) <= set(), shown
    assert '<html lang="el">' in mail["html"]
    assert mail["language"] == "el"
    assert mail["text"].startswith("Γεια σας Άννα,\n")


def test_dates_and_amounts_are_written_as_the_language_does():
    mail = make_mail(rules.BOOKING_CANCELLED)
    assert "2 εισιτήρια στην εκδήλωση «Τζαζ στο example.org» (1/5/2030, Volos)" in mail["text"]
    assert "Επιστρέφονται 12,50 EUR." in mail["text"]
    assert "Σύνολο:     37,50 EUR" in mail["text"]
    starts_at = datetime(2030, 5, 1, 18, tzinfo=UTC)
    moment = {"date": "2030-05-01", "startsAt": starts_at, "timezone": "Europe/Athens"}
    assert GREEK.format_date(moment) == "1/5/2030, 21:00 (Europe/Athens)"
    assert texts.LANGUAGES["en"].format_date(moment) == "2030-05-01, 21:00 (Europe/Athens)"
    offer = make_mail(rules.WAITLIST_OFFER)
    assert "έως 1 Μαΐου, 12:00 UTC" in offer["text"]


@pytest.mark.parametrize("month", range(1, 13))
def test_english_months_are_those_of_the_calendar(month):
    moment = datetime(2030, month, 9, 8, 7, tzinfo=UTC)
    assert texts.LANGUAGES["en"].format_deadline(moment) == f"{moment:%d %B, %H:%M UTC}"
    assert len(set(texts_el.MONTHS)) == 12


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", rules.KINDS)
def test_a_mail_to_an_unverified_address_has_no_name_and_no_links_in_titles(kind, language):
    mail = make_mail(kind, language=language, is_verified=False)
    for name in ("subject", "text", "html"):
        assert "Άννα" not in mail[name]
        assert "example.org" not in mail[name]
    greeting = {"en": "Hello,", "el": "Γεια σας,"}[language]
    assert mail["text"].startswith(f"{greeting}\n")
    assert greeting in mail["html"]


def test_braces_and_markup_in_titles_are_shown_as_typed():
    mail = make_mail(rules.BOOKING_CONFIRMED, eventTitle="{count} <b>{0}</b> {language.code}")
    assert "«{count} <b>{0}</b> {language.code}»" in mail["text"]
    assert "<b>" not in mail["html"]


def test_the_link_to_unsubscribe_is_translated():
    context = {"link": "https://x.example", "is_of_organizer": True, "language": GREEK}
    for form in ("txt", "html"):
        assert "διοργανωτή" in render_template(f"unsubscribe.{form}", context)
