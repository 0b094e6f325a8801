"""Mails over a real SMTP server that takes, refuses, stalls and hangs up."""

import email
import time
from email.policy import default

import pytest

from eventapp.notifications import service as notifications
from eventapp.notifications.outbox import Outbox, open_outbox
from eventapp.notifications.types import Attachment
from tests.notifications_factories import Mailbox, mail_server, news_of, send, told


@pytest.fixture
def box():
    with mail_server() as box:
        yield box


def mails(db):
    return list(db.mails.find().sort("_id", 1))


def received(box):
    return [email.message_from_bytes(content, policy=default) for _to, content in box.taken]


def test_a_mail_is_sent_once_with_text_and_html(db, box):
    told(db, news_of())
    assert send(db, box.post()) == 1
    assert send(db, box.post(), hours=30) == 0
    (message,) = received(box)
    assert box.taken[0][0] == message["To"] == "ann@example.org"
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


def test_attachments_and_codes_go_with_it(db, box):
    calendar = Attachment("event.ics", "text/calendar", b"BEGIN:VCALENDAR\r\n")
    told(db, news_of(data={"codes": ["code-1", "code-2"]}, attachments=(calendar,)))
    send(db, box.post())
    (message,) = received(box)
    (attached,) = message.iter_attachments()
    assert attached.get_filename() == "event.ics"
    assert attached.get_content_type() == "text/calendar"
    assert "BEGIN:VCALENDAR" in str(attached.get_content())
    assert "code-2" in message.get_body(("plain",)).get_content()
    assert "<code>code-1</code>" in message.get_body(("html",)).get_content()


def test_nobody_without_an_address_gets_one(db, box):
    told(db, news_of(email=None))
    assert send(db, box.post()) == 0
    assert (db.mails.count_documents({}), db.notifications.count_documents({})) == (0, 1)


def test_a_temporary_refusal_is_tried_again_later_and_later(db, box):
    told(db, news_of())
    box.say["RCPT"] = "451 later"
    assert send(db, box.post()) == 0
    (mail,) = mails(db)
    assert (mail["status"], mail["attempts"]) == ("queued", 1)
    assert "451" in mail["lastError"]
    pauses = []
    for _again in range(3):
        before = mails(db)[0]["nextTryAt"]
        seconds = (before - mail["createdAt"]).total_seconds()
        assert send(db, box.post(), seconds=seconds - 5) == 0
        assert mails(db)[0]["nextTryAt"] == before  # not yet
        send(db, box.post(), seconds=seconds + 5)
        pauses.append((mails(db)[0]["nextTryAt"] - before).total_seconds())
    assert pauses == sorted(pauses)
    assert pauses[-1] > 2 * pauses[0]
    box.say.clear()
    assert send(db, box.post(), hours=1) == 1
    assert [m["Message-ID"] for m in received(box)] == [f"<{mail['_id']}@tickets.example>"]


def test_after_a_day_it_is_given_up_and_shown(db, box):
    told(db, news_of())
    box.say["DATA"] = "452 no room"
    assert send(db, box.post()) == 0
    assert send(db, box.post(), hours=23) == 0
    assert send(db, box.post(), hours=26) == 1
    health = notifications.mail_health(db)
    assert health["counts"] == {"queued": 0, "sending": 0, "sent": 0, "failed": 1, "logged": 0}
    (failure,) = health["failures"]
    assert (failure["to"], failure["kind"]) == ("ann@example.org", "booking_confirmed")
    assert "452" in failure["lastError"]
    box.say.clear()
    assert send(db, box.post(), hours=60) == 0
    assert box.taken == []


@pytest.mark.parametrize("command", ["RCPT", "DATA"])
def test_a_refusal_for_good_is_not_tried_again(db, box, command):
    told(db, news_of(), news_of())
    box.say[command] = "550 nobody of that name"
    assert send(db, box.post()) == 2
    assert [mail["status"] for mail in mails(db)] == ["failed", "failed"]
    box.say.clear()
    assert send(db, box.post(), hours=30) == 0


def test_a_server_that_stalls_is_waited_for_no_longer_than_the_timeout(db, box):
    told(db, news_of())
    box.say["DATA"] = "stall"
    began = time.monotonic()
    assert send(db, box.post(timeout=0.5)) == 0
    assert time.monotonic() - began < 3
    box.let_go.set()
    box.say.clear()
    assert send(db, box.post(), minutes=5) == 1
    assert len(box.taken) == 1


def test_a_server_that_hangs_up_gets_the_next_mail_all_the_same(db, box):
    told(db, news_of())
    box.say["DATA"] = "drop"
    assert send(db, box.post()) == 0
    box.say.clear()
    told(db, news_of(email="ben@example.org"))
    assert send(db, box.post()) == 1
    assert send(db, box.post(), minutes=5) == 1
    # It had the first before it hung up: only the Message-ID tells that it has it twice.
    ann, ben, again = received(box)
    assert (ann["To"], ben["To"]) == ("ann@example.org", "ben@example.org")
    assert again["Message-ID"] == ann["Message-ID"] != ben["Message-ID"]


def test_no_server_at_all_leaves_the_rest_for_the_next_round(db):
    told(db, *(news_of() for _ in range(3)))
    nowhere = Mailbox()
    assert send(db, nowhere.post()) == 0
    assert sorted(mail["attempts"] for mail in mails(db)) == [0, 0, 1]


def test_a_wrong_password_is_tried_again(db, box):
    told(db, news_of())
    post = open_outbox(f"smtp://ann:wrong@127.0.0.1:{box.port}", None, "http://x.example")
    assert send(db, post) == 0
    (mail,) = mails(db)
    assert mail["status"] == "queued"
    assert "wrong" not in mail["lastError"]


def test_a_worker_that_died_while_sending_leaves_the_mail_to_another(db, box):
    """The claim holds for ten minutes; then it is sent under the same Message-ID."""
    told(db, news_of())

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
        send(db, Outbox(Dies, "events@tickets.example"))
    assert mails(db)[0]["status"] == "sending"
    assert send(db, box.post(), minutes=9) == 0
    assert send(db, box.post(), minutes=11) == 1
    (message,) = received(box)
    assert message["Message-ID"] == f"<{mails(db)[0]['_id']}@tickets.example>"


def test_without_a_mail_server_set_it_is_logged_and_stays_unsent(db, box):
    told(db, news_of())
    assert send(db, open_outbox(None, None, "http://x.example")) == 1
    assert mails(db)[0]["status"] == "logged"
    assert send(db, box.post(), hours=30) == 0
    assert box.taken == []


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
def test_an_address_that_is_none_reaches_nobody(db, box, address):
    told(db, news_of(email="x"))
    db.mails.update_one({}, {"$set": {"to": address}})
    assert send(db, box.post()) == 1
    assert mails(db)[0]["status"] == "failed"
    assert box.taken == []


def test_a_title_can_begin_no_header_of_its_own(db, box):
    told(db, news_of(data={"eventTitle": "Jazz\r\nBcc: all@example.org\r\n\r\nbody"}))
    send(db, box.post())
    (message,) = received(box)
    assert message["Bcc"] is None
    assert message["Subject"] == "Booking confirmed: Jazz Bcc: all@example.org body"
    assert [to for to, _ in box.taken] == ["ann@example.org"]


def test_one_whose_subject_was_broken_in_the_store_is_refused(db, box):
    told(db, news_of())
    db.mails.update_one({}, {"$set": {"subject": "a\r\nBcc: all@example.org"}})
    assert send(db, box.post()) == 1
    assert (mails(db)[0]["status"], box.taken) == ("failed", [])


def test_a_name_with_other_letters_arrives(db, box):
    told(db, news_of(data={"eventTitle": "Καφέ 🎷"}))
    send(db, box.post())
    assert received(box)[0]["Subject"] == "Booking confirmed: Καφέ 🎷"


@pytest.mark.parametrize("kind", ["booking_cancelled", "booking_expired", "event_cancelled"])
def test_the_refund_is_named(db, kind):
    told(db, news_of(kind, data={"refund": 40}))
    assert "40 EUR are refunded" in mails(db)[0]["text"]
