"""Mails are sent to a real SMTP server that accepts, refuses, stalls or hangs up."""

import email
import re
import time
from email.policy import default

import pytest
import structlog
from bson import ObjectId

from eventapp.core.access.booking_links import KEY_PREFIX, BookingLink, LinkKeys
from eventapp.core.clock import utc_now
from eventapp.notifications import outbox
from eventapp.notifications import service as notifications
from eventapp.notifications.notification_texts import compose_text
from eventapp.notifications.outbox import Outbox, open_outbox
from eventapp.notifications.rules import (
    KINDS,
    PURPOSES,
    REPORT,
    SUBSCRIBED,
    WITHOUT_PREFERENCE,
)
from eventapp.notifications.texts import get_app_texts
from eventapp.notifications.types import Attachment
from eventapp.notifications.unsubscribing import UnsubscribeKeys
from tests.notifications_factories import (
    ALL_FACTS,
    FACTS,
    ITEMS,
    Mailbox,
    mail_server,
    make_notification,
    notify,
    send_mails,
)

TICKETS = {
    "items": ITEMS,
    "totalPrice": 40,
    "ticketList": [
        {"ticketId": "b1-1-1", "type": "General", "attendee": "Bob"},
        {"ticketId": "b1-1-2", "type": "General", "attendee": ""},
    ],
}


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
    assert "2 x General at €20 = €40" in text
    assert "\nhttps://tickets.example/b/EVT-ABC234\n" in text.replace("\r\n", "\n")
    assert 'href="https://tickets.example/b/EVT-ABC234"' in html
    assert "Night &lt;of&gt; jazz" in html
    assert "Night <of> jazz" not in html
    assert (mail["status"], mail["attempts"]) == ("sent", 1)
    assert "nextTryAt" not in mail
    assert "claim" not in mail


def test_a_mail_has_attachments_and_pictures_of_its_tickets(db, box):
    calendar = Attachment("event.ics", "text/calendar", b"BEGIN:VCALENDAR\r\n")
    notify(db, make_notification(mail_data=TICKETS, attachments=(calendar,)))
    drawn = []

    def draw_codes(_db, event_id, ticket_ids, _now):
        drawn.append((event_id, ticket_ids))
        return {each: f"picture of {each}".encode() for each in ticket_ids}

    send_mails(db, box.outbox(draw_codes=draw_codes))
    (message,) = messages_in(box)
    (attached,) = message.iter_attachments()
    assert attached.get_filename() == "event.ics"
    assert attached.get_content_type() == "text/calendar"
    assert "BEGIN:VCALENDAR" in str(attached.get_content())
    assert drawn == [(1, ["b1-1-1", "b1-1-2"])]
    text = message.get_body(("plain",)).get_content()
    assert "Ticket 1 of 2: General, Bob (b1-1-1)\r\n" in text
    assert "Ticket 2 of 2: General (b1-1-2)\r\n" in text
    related = message.get_body(("related",))
    html = related.get_body(("html",)).get_content()
    pictures = list(related.iter_attachments())
    assert len(pictures) == html.count("<img ") == 2
    for ticket_id, picture in zip(drawn[0][1], pictures, strict=True):
        content_id = picture["Content-ID"].strip("<>")
        assert f'src="cid:{content_id}"' in html
        assert f'alt="QR code of ticket {ticket_id}"' in html
        assert picture.get_content() == f"picture of {ticket_id}".encode()
        assert picture.get_content_type() == "image/png"
        assert picture.get_content_disposition() == "inline"


def test_a_mail_of_many_tickets_shows_fifty_of_them(db, box):
    tickets = [{"ticketId": f"b1-1-{n}", "type": "General", "attendee": ""} for n in range(1, 53)]
    notify(db, make_notification(mail_data={**TICKETS, "ticketList": tickets}))
    send_mails(db, box.outbox(draw_codes=lambda _db, _event, ids, _now: dict.fromkeys(ids, b"x")))
    (message,) = messages_in(box)
    assert len(list(message.get_body(("related",)).iter_attachments())) == 50
    for form in ("plain", "html"):
        assert "2 more tickets are on the page" in message.get_body((form,)).get_content()


def test_a_link_is_signed_when_the_mail_is_sent(db, box):
    booking_id, user_id = ObjectId(), ObjectId()
    new = make_notification(
        data={"bookingId": booking_id, "eventTitle": 'href="https://tickets.example/b/EVT-ABC234"'},
        mail_data={**TICKETS, "linkVersion": 3},
        user_id=user_id,
        credentials_version=2,
    )
    notify(db, new)
    keys = LinkKeys("x" * 32)
    key = keys.make(BookingLink(booking_id, user_id, 3, 2))
    assert KEY_PREFIX not in str(mails(db)) + str(notifications.export_user(db, user_id))
    send_mails(db, box.outbox(link_keys=keys))
    (message,) = messages_in(box)
    link = f"https://tickets.example/b/EVT-ABC234?key={key}"
    text, html = (message.get_body((form,)).get_content() for form in ("plain", "html"))
    assert text.splitlines().count(link) == 1
    assert html.count(f'href="{link}"') == html.count(KEY_PREFIX) == 1
    assert KEY_PREFIX not in str(mails(db))


def test_a_mail_of_an_older_version_is_sent_as_it_was_written(db, box):
    """It has no `booking`, and in version 1 no language."""
    notify(db, make_notification())
    old = {"text": "Code: EVT1.1.X\n", "html": "<body><code>EVT1.1.X</code></body>\n"}
    db.mails.update_one({}, {"$set": old, "$unset": {"booking": "", "language": ""}})
    outbox = box.outbox(link_keys=LinkKeys("x" * 32), draw_codes=lambda *_: 1 / 0)
    assert send_mails(db, outbox) == 1
    (message,) = messages_in(box)
    assert message.get_body(("plain",)).get_content().strip() == old["text"].strip()
    assert message.get_body(("html",)).get_content().strip() == old["html"].strip()


@pytest.mark.parametrize("kind", [*KINDS, REPORT])
def test_exactly_the_mails_with_a_preference_have_headers_to_unsubscribe(db, box, kind):
    facts = {**ALL_FACTS, "expiresAt": utc_now()}
    subscription = {"organizerId": ObjectId()}
    notify(db, make_notification(kind, data=facts, subscription=subscription))
    send_mails(db, box.outbox(unsubscribe_keys=UnsubscribeKeys("x" * 32)))
    (message,) = messages_in(box)
    has_headers = PURPOSES[kind] == SUBSCRIBED
    assert ("List-Unsubscribe" in message) is has_headers
    assert ("List-Unsubscribe-Post" in message) is has_headers
    for form in ("plain", "html"):
        assert ("/mails/unsubscribe" in message.get_body((form,)).get_content()) is has_headers


def test_each_kind_has_a_purpose():
    assert PURPOSES.keys() == {*KINDS, REPORT}
    assert {kind for kind, each in PURPOSES.items() if each == SUBSCRIBED} == {"announcement"}
    without = {kind for kind, each in PURPOSES.items() if each == WITHOUT_PREFERENCE}
    assert without == {"low_tickets", "report"}


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
    assert "2 x VIP at €12.50 = €25\n" in text
    assert "Total: €25\n" in text
    assert "Total: free\n" in free_text
    assert "€0" not in free_text


def test_a_discount_is_shown_with_its_promo_code(db):
    facts = {"items": [], "totalPrice": 30, "discount": 10, "promoCode": "Spring"}
    notify(db, make_notification(mail_data=facts))
    notify(db, make_notification(mail_data={**facts, "discount": 0, "promoCode": ""}))
    discounted, plain = mails(db)
    assert "Discount: €10 (Spring)\nTotal: €30\n" in discounted["text"]
    assert "Discount (Spring)" in discounted["html"]
    assert "Discount" not in plain["text"] + plain["html"]


# The kinds whose text does not say how many tickets a booking has.
WITHOUT_COUNT = ("event_changed", "announcement", "webhook_disabled")


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in WITHOUT_COUNT])
def test_one_ticket_and_several_agree_with_their_verbs(kind):
    facts = {**FACTS, "expiresAt": utc_now(), "refund": 1, "reason": "event_cancelled", "left": 1}
    one = " ".join(compose_text(kind, {**facts, "quantity": 1}, get_app_texts()))
    several = {**facts, "quantity": 2, "refund": 2.5}
    two = " ".join(compose_text(kind, several, get_app_texts()))
    assert not re.search(r"\b1 (tickets|EUR are|ticket are)|tickets? (is|are) \d", one)
    assert "tickets" not in one.lower()
    assert not re.search(r"\b2 ticket\b|2.5 |EUR is", two)


@pytest.mark.parametrize("kind", ["booking_cancelled", "booking_expired", "event_cancelled"])
def test_the_mail_states_the_refund(db, kind):
    notify(db, make_notification(kind, data={"refund": 40}))
    assert "€40 are refunded" in mails(db)[0]["text"]
    assert "40 EUR are refunded" in db.notifications.find_one()["message"]
