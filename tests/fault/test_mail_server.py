"""A mail server that refuses, hangs or hangs up delays mails, and loses none."""

from collections import Counter

import pytest

from tests.notifications_factories import mail_server, make_notification, notify, send_mails

COMMANDS = ("RCPT", "DATA")
ANSWERS = ("stall", "drop", "451 try later")


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("answer", ANSWERS)
def test_every_mail_arrives_once_the_server_is_well(db, command, answer):
    addresses = [f"person{number}@example.org" for number in range(3)]
    with mail_server() as box:
        notify(db, *(make_notification(email=address) for address in addresses))
        box.answers[command] = answer
        send_mails(db, box.outbox(timeout=0.3))
        before = len(box.received)
        box.release.set()
        box.answers.clear()
        for minutes in (5, 10):
            send_mails(db, box.outbox(), minutes=minutes)
        arrived = Counter(to for to, _content in box.received[before:])
    assert arrived == dict.fromkeys(addresses, 1)
    assert {mail["status"] for mail in db.mails.find()} == {"sent"}
    assert list(db.failedWork.find()) == []
