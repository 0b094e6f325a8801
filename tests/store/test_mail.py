"""Mails are sent to a real SMTP server that accepts, refuses, stalls or hangs up."""

import email
import time
from email.policy import default

import pytest

from eventapp.notifications import service as notifications
from eventapp.notifications.outbox import Outbox, open_outbox
from eventapp.notifications.types import Attachment
from tests.notifications_factories import (
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
    outbox = open_outbox(f"smtp://ann:wrong@127.0.0.1:{box.port}", None, "http://x.example")
    assert send_mails(db, outbox) == 0
    (mail,) = mails(db)
    assert mail["status"] == "queued"
    assert "wrong" not in mail["lastError"]


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


@pytest.mark.parametrize("kind", ["booking_cancelled", "booking_expired", "event_cancelled"])
def test_the_mail_states_the_refund(db, kind):
    notify(db, make_notification(kind, data={"refund": 40}))
    assert "40 EUR are refunded" in mails(db)[0]["text"]
