"""Mails are sent to a real SMTP server that accepts, refuses, stalls or hangs up."""

import email
import re
import time
from email.policy import default

import pytest
import structlog

from eventapp.core.clock import utc_now
from eventapp.notifications import outbox
from eventapp.notifications import service as notifications
from eventapp.notifications.outbox import Outbox, open_outbox
from eventapp.notifications.rules import KINDS, compose_text
from eventapp.notifications.texts import LANGUAGES
from eventapp.notifications.types import Attachment
from tests.notifications_factories import (
    FACTS,
    Mailbox,
    mail_server,
    make_notification,
    notify,
    send_mails,
)


@pytest.fixture
def box():
    with mail_server() as box:
        yield box


def mails(db):
    return list(db.mails.find().sort("_id", 1))


def messages_in(box):
    return [email.message_from_bytes(content, policy=default) for _to, content in box.received]


def test_a_mail_is_sent_once_with_text_and_html(db, box):
    notify(db, make_notification())
    assert send_mails(db, box.outbox()) == 1
    assert send_mails(db, box.outbox(), hours=30) == 0
    (message,) = messages_in(box)
    assert box.received[0][0] == message["To"] == "ann@example.org"
    assert message["From"] == "Events <events@tickets.example>"
    assert message["Subject"] == "Booking confirmed: Night <of> jazz"
    (mail,) = mails(db)
    assert message["Message-ID"] == f"<{mail['_id']}@tickets.example>"
    assert message["Auto-Submitted"] == "auto-generated"
    text = message.get_body(("plain",)).get_content()
    html = message.get_body(("html",)).get_content()
    assert "EVT-ABC234" in text
    assert "2 x General at 20 = 40 EUR" in text
    assert "https://tickets.example/api/bookings/b1" in text
    assert 'href="https://tickets.example/api/bookings/b1"' in html
    assert "Night &lt;of&gt; jazz" in html
    assert "Night <of> jazz" not in html
    assert (mail["status"], mail["attempts"]) == ("sent", 1)
    assert "nextTryAt" not in mail
    assert "claim" not in mail


def test_a_mail_has_attachments_and_ticket_codes(db, box):
    calendar = Attachment("event.ics", "text/calendar", b"BEGIN:VCALENDAR\r\n")
    notify(db, make_notification(data={"codes": ["code-1", "code-2"]}, attachments=(calendar,)))
    send_mails(db, box.outbox())
    (message,) = messages_in(box)
    (attached,) = message.iter_attachments()
    assert attached.get_filename() == "event.ics"
    assert attached.get_content_type() == "text/calendar"
    assert "BEGIN:VCALENDAR" in str(attached.get_content())
    assert "code-2" in message.get_body(("plain",)).get_content()
    assert "<code>code-1</code>" in message.get_body(("html",)).get_content()


def test_a_calendar_entry_has_its_charset_and_method(db, box):
    kind = "text/calendar; charset=utf-8; method=CANCEL"
    content = "SUMMARY:Καφέ\r\n".encode()
    notify(db, make_notification(attachments=(Attachment("event.ics", kind, content),)))
    send_mails(db, box.outbox())
    (attached,) = messages_in(box)[0].iter_attachments()
    assert attached.get_content_type() == "text/calendar"
    assert attached.get_filename() == "event.ics"
    assert attached.get_param("charset") == "utf-8"
    assert attached.get_param("method") == "CANCEL"
    assert attached.get_content() == "SUMMARY:Καφέ\r\n"


@pytest.mark.parametrize("mail_from", ["events@tickets.example", "Events <events@bücher.example>"])
def test_a_mail_to_an_international_domain_is_sent_in_ascii(db, box, mail_from):
    notify(db, make_notification(email="user@münchen.de"))
    sender = Outbox(box.outbox().connect, mail_from, "https://tickets.example")
    assert send_mails(db, sender) == 1
    assert mails(db)[0]["status"] == "sent"
    assert [to for to, _content in box.received] == ["user@xn--mnchen-3ya.de"]
    assert messages_in(box)[0]["To"] == "user@xn--mnchen-3ya.de"


def test_no_mail_is_sent_without_an_address(db, box):
    notify(db, make_notification(email=None))
    assert send_mails(db, box.outbox()) == 0
    assert (db.mails.count_documents({}), db.notifications.count_documents({})) == (0, 1)


def test_a_temporary_refusal_is_retried_with_growing_pauses(db, box):
    notify(db, make_notification())
    box.answers["RCPT"] = "451 later"
    assert send_mails(db, box.outbox()) == 0
    (mail,) = mails(db)
    assert (mail["status"], mail["attempts"]) == ("queued", 1)
    assert "451" in mail["lastError"]
    pauses = []
    for _attempt in range(3):
        before = mails(db)[0]["nextTryAt"]
        seconds = (before - mail["createdAt"]).total_seconds()
        assert send_mails(db, box.outbox(), seconds=seconds - 5) == 0
        assert mails(db)[0]["nextTryAt"] == before  # not due yet
        send_mails(db, box.outbox(), seconds=seconds + 5)
        pauses.append((mails(db)[0]["nextTryAt"] - before).total_seconds())
    assert pauses == sorted(pauses)
    assert pauses[-1] > 2 * pauses[0]
    box.answers.clear()
    assert send_mails(db, box.outbox(), hours=1) == 1
    assert [m["Message-ID"] for m in messages_in(box)] == [f"<{mail['_id']}@tickets.example>"]


def test_a_mail_is_given_up_after_a_day_and_reported(db, box):
    notify(db, make_notification())
    box.answers["DATA"] = "452 no room"
    assert send_mails(db, box.outbox()) == 0
    assert send_mails(db, box.outbox(), hours=23) == 0
    assert send_mails(db, box.outbox(), hours=26) == 1
    health = notifications.get_mail_health(db)
    assert health["counts"] == {"queued": 0, "sending": 0, "sent": 0, "failed": 1, "logged": 0}
    (failure,) = health["failures"]
    assert (failure["to"], failure["kind"]) == ("ann@example.org", "booking_confirmed")
    assert "452" in failure["lastError"]
    box.answers.clear()
    assert send_mails(db, box.outbox(), hours=60) == 0
    assert box.received == []


@pytest.mark.parametrize("command", ["RCPT", "DATA"])
def test_a_permanent_refusal_is_not_retried(db, box, command):
    notify(db, make_notification(), make_notification())
    box.answers[command] = "550 nobody of that name"
    assert send_mails(db, box.outbox()) == 2
    assert [mail["status"] for mail in mails(db)] == ["failed", "failed"]
    box.answers.clear()
    assert send_mails(db, box.outbox(), hours=30) == 0


def test_a_stalled_server_is_abandoned_after_the_timeout(db, box):
    notify(db, make_notification())
    box.answers["DATA"] = "stall"
    began = time.monotonic()
    assert send_mails(db, box.outbox(timeout=0.5)) == 0
    assert time.monotonic() - began < 3
    box.release.set()
    box.answers.clear()
    assert send_mails(db, box.outbox(), minutes=5) == 1
    assert len(box.received) == 1


def test_the_next_mail_is_sent_after_the_server_hung_up(db, box):
    notify(db, make_notification())
    box.answers["DATA"] = "drop"
    assert send_mails(db, box.outbox()) == 0
    box.answers.clear()
    notify(db, make_notification(email="ben@example.org"))
    assert send_mails(db, box.outbox()) == 1
    assert send_mails(db, box.outbox(), minutes=5) == 1
    # The server had received the first mail before it hung up, so it has it twice.
    ann, ben, again = messages_in(box)
    assert (ann["To"], ben["To"]) == ("ann@example.org", "ben@example.org")
    assert again["Message-ID"] == ann["Message-ID"] != ben["Message-ID"]


def test_without_a_server_the_remaining_mails_are_not_tried(db):
    notify(db, *(make_notification() for _ in range(3)))
    nowhere = Mailbox()
    assert send_mails(db, nowhere.outbox()) == 0
    assert sorted(mail["attempts"] for mail in mails(db)) == [0, 0, 1]


def test_a_refused_login_is_retried(db, box):
    notify(db, make_notification())
    sender = open_outbox(f"smtp://ann:wrong@127.0.0.1:{box.port}", None, "http://x.example")
    assert send_mails(db, sender) == 0
    (mail,) = mails(db)
    assert mail["status"] == "queued"
    assert "wrong" not in mail["lastError"]


@pytest.mark.parametrize(
    "url",
    ["smtp://ann:paßwort@127.0.0.1", "smtp://a%C3%A9:b@127.0.0.1", "smtp://%80:%FF@127.0.0.1"],
)
def test_a_login_that_is_not_ascii_is_tried(db, box, url):
    notify(db, make_notification())
    assert send_mails(db, open_outbox(f"{url}:{box.port}", None, "http://x.example")) == 0
    (mail,) = mails(db)
    assert mail["status"] == "queued"
    assert "SMTPAuthenticationError" in mail["lastError"]


@pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")
def test_a_login_that_is_not_ascii_succeeds(db):
    with mail_server(login=("annä", "paßwort")) as box:
        notify(db, make_notification())
        url = f"smtp://ann%C3%A4:pa%C3%9Fwort@127.0.0.1:{box.port}"
        assert send_mails(db, open_outbox(url, None, "http://x.example")) == 1
        assert len(box.received) == 1


@pytest.mark.parametrize("url", ["smtp://127.0.0.1:99999", f"smtp://{'x' * 80}.example"])
def test_a_server_that_cannot_be_named_delays_all_mails_and_raises_nothing(db, url):
    notify(db, make_notification(), make_notification())
    assert send_mails(db, open_outbox(url, None, "http://x.example")) == 0
    assert sorted((mail["status"], mail["attempts"]) for mail in mails(db)) == [
        ("queued", 0),
        ("queued", 1),
    ]


@pytest.mark.parametrize(
    "broken",
    [
        {"to": "ann@exa\ud7ffmple..org"},
        {"to": "x" * 5000 + "@example.org"},
        {"to": "=?utf-8?q?=00?=@example.org"},
        {"to": "ünï@example.org"},
        {"to": 7},
        {"subject": None},
        {"text": None},
        {"attachments": [{"name": "x", "type": "nonsense", "content": b"x"}]},
        {"attachments": [{"name": "x", "type": "", "content": "no bytes"}]},
        {"createdAt": None},
    ],
    ids=str,
)
def test_a_mail_that_cannot_be_sent_stops_no_other(db, box, broken):
    notify(db, make_notification(key="broken"))
    db.mails.update_one({"key": "broken"}, {"$set": broken})
    notify(
        db, make_notification(email="ben@example.org"), make_notification(email="eve@example.org")
    )
    send_mails(db, box.outbox())
    sent = [to for to, _content in box.received]
    assert {"ben@example.org", "eve@example.org"} <= set(sent)


def test_the_log_of_an_unsent_mail_holds_no_address(db, monkeypatch):
    logger = structlog.testing.CapturingLogger()
    monkeypatch.setattr(outbox, "log", logger)
    notify(db, make_notification())
    send_mails(db, open_outbox(None, None, "http://x.example"))
    assert "mail not sent" in str(logger.calls)
    assert "ann@example.org" not in str(logger.calls)


def test_a_mail_whose_sender_died_is_sent_by_another_worker(db, box):
    """The claim lasts ten minutes. Then the mail is sent under the same Message-ID."""
    notify(db, make_notification())

    class Killed(BaseException):
        pass

    class Dies:
        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def send(self, message):
            raise Killed

    with pytest.raises(Killed):
        send_mails(db, Outbox(Dies, "events@tickets.example"))
    assert mails(db)[0]["status"] == "sending"
    assert send_mails(db, box.outbox(), minutes=9) == 0
    assert send_mails(db, box.outbox(), minutes=11) == 1
    (message,) = messages_in(box)
    assert message["Message-ID"] == f"<{mails(db)[0]['_id']}@tickets.example>"


def test_without_a_configured_server_a_mail_is_logged_and_never_sent(db, box):
    notify(db, make_notification())
    assert send_mails(db, open_outbox(None, None, "http://x.example")) == 1
    assert mails(db)[0]["status"] == "logged"
    assert send_mails(db, box.outbox(), hours=30) == 0
    assert box.received == []


@pytest.mark.parametrize(
    "address",
    [
        "ann@example.org\r\nBcc: all@example.org",
        "ann@example.org\nX: y",
        "ann@example.org, ben@example.org",
        "ann",
        "",
        "@",
    ],
)
def test_an_invalid_address_is_refused(db, box, address):
    notify(db, make_notification(email="x"))
    db.mails.update_one({}, {"$set": {"to": address}})
    assert send_mails(db, box.outbox()) == 1
    assert mails(db)[0]["status"] == "failed"
    assert box.received == []


def test_a_title_cannot_begin_another_header(db, box):
    notify(db, make_notification(data={"eventTitle": "Jazz\r\nBcc: all@example.org\r\n\r\nbody"}))
    send_mails(db, box.outbox())
    (message,) = messages_in(box)
    assert message["Bcc"] is None
    assert message["Subject"] == "Booking confirmed: Jazz Bcc: all@example.org body"
    assert [to for to, _ in box.received] == ["ann@example.org"]


def test_a_stored_subject_with_a_line_break_is_refused(db, box):
    notify(db, make_notification())
    db.mails.update_one({}, {"$set": {"subject": "a\r\nBcc: all@example.org"}})
    assert send_mails(db, box.outbox()) == 1
    assert (mails(db)[0]["status"], box.received) == ("failed", [])


def test_a_subject_with_non_ascii_letters_arrives(db, box):
    notify(db, make_notification(data={"eventTitle": "Καφέ 🎷"}))
    send_mails(db, box.outbox())
    assert messages_in(box)[0]["Subject"] == "Booking confirmed: Καφέ 🎷"


def test_free_tickets_and_amounts_read_well(db):
    items = [
        {"type": "Free", "quantity": 1, "unitPrice": 0, "subtotal": 0},
        {"type": "VIP", "quantity": 2, "unitPrice": 12.5, "subtotal": 25},
    ]
    paid = make_notification(mail_data={"items": items, "totalPrice": 25})
    free = make_notification(mail_data={"items": items[:1], "totalPrice": 0})
    notify(db, paid)
    notify(db, free)
    text, free_text = (mail["text"] for mail in mails(db))
    assert "1 x Free free\n" in text
    assert "2 x VIP at 12.50 = 25 EUR\n" in text
    assert "Total:     25 EUR" in text
    assert "Total:     free" in free_text
    assert "0 EUR" not in free_text


def test_a_discount_is_shown_with_its_promo_code(db):
    facts = {"items": [], "totalPrice": 30, "discount": 10, "promoCode": "Spring"}
    notify(db, make_notification(mail_data=facts))
    notify(db, make_notification(mail_data={**facts, "discount": 0, "promoCode": ""}))
    discounted, plain = mails(db)
    assert "Discount:  10 EUR (Spring)\nTotal:     30 EUR" in discounted["text"]
    assert "Discount (Spring)" in discounted["html"]
    assert "Discount" not in plain["text"] + plain["html"]


# The kinds whose text does not say how many tickets a booking has.
WITHOUT_COUNT = ("event_changed", "announcement", "webhook_disabled")


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in WITHOUT_COUNT])
def test_one_ticket_and_several_agree_with_their_verbs(kind):
    facts = {**FACTS, "expiresAt": utc_now(), "refund": 1, "reason": "event_cancelled", "left": 1}
    one = " ".join(compose_text(kind, {**facts, "quantity": 1}, LANGUAGES["en"]))
    several = {**facts, "quantity": 2, "refund": 2.5}
    two = " ".join(compose_text(kind, several, LANGUAGES["en"]))
    assert not re.search(r"\b1 (tickets|EUR are|ticket are)|tickets? (is|are) \d", one)
    assert "tickets" not in one.lower()
    assert not re.search(r"\b2 ticket\b|2.5 |EUR is", two)


@pytest.mark.parametrize("kind", ["booking_cancelled", "booking_expired", "event_cancelled"])
def test_the_mail_states_the_refund(db, kind):
    notify(db, make_notification(kind, data={"refund": 40}))
    assert "40 EUR are refunded" in mails(db)[0]["text"]
