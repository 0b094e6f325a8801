"""Mails are written in the language of their recipient, in the same words in text and in HTML."""

import re
from datetime import UTC, datetime

import pytest

from eventapp.core.languages import LANGUAGES
from eventapp.core.translations import read_catalogue
from eventapp.notifications import account_texts, rules
from eventapp.notifications.account_texts import AccountText
from eventapp.notifications.mail_templates import render_mail, render_template
from eventapp.notifications.notification_texts import compose_text
from eventapp.notifications.texts import get_app_texts, get_mail_texts
from eventapp.notifications.types import NewNotification, Recipient
from tests.notifications_factories import FACTS, ITEMS

NOW = datetime(2030, 5, 1, 12, tzinfo=UTC)
APP, ENGLISH, GREEK = get_app_texts(), get_mail_texts("en"), get_mail_texts("el")
LATIN, GREEK_LETTERS = re.compile(r"[A-Za-z]{3,}"), re.compile(r"[\u0370-\u03ff\u1f00-\u1fff]")
MONTHS = (
    *("January", "February", "March", "April", "May", "June", "July", "August", "September"),
    *("October", "November", "December"),
)
# Words that Greek texts keep.
KEPT = {"email", "API", "token", "tokens", "Android", "UTC", "webhook"}


def test_greek_texts_ask_no_questions():
    """In Greek, a semicolon is a question mark."""
    messages = [message for message in read_catalogue("el") if is_of_mails(message)]
    assert len(messages) > 90
    for message in messages:
        forms = message.string if isinstance(message.string, tuple) else (message.string,)
        for form in forms:
            assert ";" not in form
            assert "  " not in form


def is_of_mails(message):
    return any("eventapp/notifications/" in path for path, _line in message.locations)


@pytest.mark.parametrize("kind", account_texts.KINDS)
def test_each_mail_about_an_account_exists_in_each_language(kind):
    english, greek = (account_texts.get_text(kind, texts) for texts in (ENGLISH, GREEK))
    for name in AccountText.__dataclass_fields__:
        assert bool(getattr(greek, name)) == bool(getattr(english, name))
    facts = [
        {"sessions": n, "api_tokens": n, "devices": n, "has_pending_email": True} for n in (1, 2)
    ]
    shown = [account_texts.make_context(greek, each, "", GREEK)["lines"] for each in facts]
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
    ticket = {"ticketId": "0" * 24 + "-1-1", "type": "Γενική", "attendee": "Άννα.example.org"}
    mail_data |= {"ticketList": [ticket], "rows": [{"title": "Τζαζ", **sums}], **sums}
    recipient = Recipient(NOW, "Άννα", "a@example.org", is_verified, language)
    new = NewNotification("key", kind, recipient, NOW, data, mail_data)
    return render_mail(new, "https://x.example", NOW)


# What remains of a Greek mail without markup, codes, links and the zone of times.
IGNORED = re.compile(r"<[^>]*>|EVT-\w+|https?://\S+|UTC|General|example|org|webhooks?|&\w+;")


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
    alternatives = re.findall('alt="([^"]*)"', mail["html"])
    assert all(each.startswith("Κωδικός QR του εισιτηρίου ") for each in alternatives)
    assert bool(alternatives) is (mail["html"].count("<img ") > 0)


def test_dates_and_amounts_are_written_as_the_language_does():
    mail = make_mail(rules.BOOKING_CANCELLED)
    event = "«Τζαζ στο example.org» (Τετ, 1 Μαΐου 2030, Volos)"
    assert f"2 εισιτήρια στην εκδήλωση {event}" in mail["text"]
    assert "Επιστρέφονται 12,50\xa0€." in mail["text"]
    assert "Σύνολο: 37,50\xa0€\n" in mail["text"]
    starts_at = datetime(2030, 5, 1, 18, tzinfo=UTC)
    moment = {"date": "2030-05-01", "startsAt": starts_at, "timezone": "Europe/Athens"}
    assert GREEK.format_date(moment) == "Τετ, 1 Μαΐου 2030, 21:00 (Europe/Athens)"
    assert ENGLISH.format_date(moment) == "Wed, 1 May 2030, 21:00 (Europe/Athens)"
    offer = make_mail(rules.WAITLIST_OFFER)
    assert "έως Τετ, 1 Μαΐου 2030, 12:00 (UTC)." in offer["text"]
    offer = make_mail(rules.WAITLIST_OFFER, **moment)
    assert "έως Τετ, 1 Μαΐου 2030, 15:00 (Europe/Athens)." in offer["text"]


def test_the_app_shows_dates_and_amounts_in_the_forms_that_clients_know():
    starts_at = datetime(2030, 5, 1, 18, tzinfo=UTC)
    moment = {"date": "2030-05-01", "startsAt": starts_at, "timezone": "Europe/Athens"}
    facts = {**FACTS, **moment, "refund": 12.5, "expiresAt": NOW}
    assert compose_text(rules.BOOKING_CANCELLED, facts, APP) == (
        "Booking cancelled: Night <of> jazz",
        "Your booking EVT-ABC234 of 2 tickets for Night <of> jazz on 2030-05-01, 21:00"
        " (Europe/Athens), Volos is cancelled. 12.50 EUR are refunded.",
    )
    assert compose_text(rules.WAITLIST_OFFER, {**facts, "quantity": 1, "refund": 1}, APP) == (
        "A ticket for you: Night <of> jazz",
        "You waited for Night <of> jazz on 2030-05-01, 21:00 (Europe/Athens), Volos: 1 ticket is"
        " kept for you until 01 May, 12:00 UTC. Accept the offer before then. 1 EUR is refunded.",
    )


@pytest.mark.parametrize("month", range(1, 13))
def test_deadlines_in_the_app_name_the_months_of_the_calendar(month):
    moment = datetime(2030, month, 9, 8, 7, tzinfo=UTC)
    assert APP.format_deadline(moment, "Europe/Athens") == f"09 {MONTHS[month - 1]}, 08:07 UTC"


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


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_title_is_no_link(language):
    """Nor are other texts that people have typed: the only links are those of the mail itself."""
    for kind in rules.KINDS:
        html = make_mail(kind, language=language)["html"]
        links = re.findall("<a [^>]*>([^<]*)</a>", html)
        assert len(links) == 1
        assert "example" not in links[0]


@pytest.mark.parametrize(
    ("kind", "facts", "page"),
    [
        *((kind, {}, "/b/EVT-ABC234") for kind in (rules.BOOKING_CONFIRMED, rules.EVENT_CHANGED)),
        *((kind, {}, "/b/EVT-ABC234") for kind in (rules.EVENT_CANCELLED, rules.WAITLIST_OFFER)),
        (rules.WAITLIST_CLOSED, {"bookingReference": None}, "/e/1"),
        (rules.WAITLIST_CLOSED, {"bookingReference": None, "reason": "event_deleted"}, ""),
        (rules.LOW_TICKETS, {"bookingReference": None}, "/e/1"),
        (rules.ANNOUNCEMENT, {"bookingReference": None}, "/e/1"),
        (rules.REPORT, {}, "/console"),
        (rules.WEBHOOK_DISABLED, {}, "/console/webhooks"),
    ],
)
def test_a_mail_leads_to_the_page_of_what_it_is_about(kind, facts, page):
    mail = make_mail(kind, **facts)
    assert re.findall('href="([^"]*)"', mail["html"]) == ([f"https://x.example{page}"] * bool(page))
    assert ("https://" in mail["text"]) is bool(page)
    assert mail["text"].endswith(f"\nhttps://x.example{page}\n") is bool(page)


def test_braces_and_markup_in_titles_are_shown_as_typed():
    title = "{count} <b>{0}</b> %(title)s 50% %s {{ texts.language }}"
    mail = make_mail(rules.BOOKING_CONFIRMED, eventTitle=title)
    assert f"«{title}»" in mail["text"]
    assert "<b>" not in mail["html"]


def test_the_link_to_unsubscribe_is_translated():
    context = {"link": "https://x.example", "is_of_organizer": True, "texts": GREEK}
    for form in ("txt", "html"):
        assert "διοργανωτή" in render_template(f"unsubscribe.{form}", context)
