"""The mail of a confirmed booking has its ticket codes and a calendar entry."""

import email
from email.policy import default

from tests.bookings_factories import context_of, event_of
from tests.notifications_factories import mail_server, notify_holders, send_mails


def test_the_mail_of_a_confirmed_booking_has_codes_and_a_calendar_entry(
    app, db, ann, clean_inventory
):
    event_of(db, 10, title="Jazz night")
    booking = ann.book(1, 2)
    tickets = ann.get(f"/bookings/{booking['_id']}/tickets").json["tickets"]
    notify_holders(context_of(app))
    with mail_server() as box:
        assert send_mails(db, box.outbox()) == 1
    message = email.message_from_bytes(box.received[0][1], policy=default)
    text = message.get_body(("plain",)).get_content()
    assert [ticket["code"] in text for ticket in tickets] == [True, True]
    (entry,) = message.iter_attachments()
    assert entry.get_filename() == f"{booking['bookingReference']}.ics"
    sent = entry.get_payload(decode=True)
    assert sent == ann.get(f"/bookings/{booking['_id']}/calendar.ics").data


def test_the_mail_of_an_ended_booking_has_no_codes(app, db, ann, clean_inventory):
    event_of(db, 10)
    ann.cancel(ann.book(1))
    notify_holders(context_of(app))
    mails = list(db.mails.find())
    assert len(mails) == 2
    assert [mail["attachments"] for mail in mails] == [[], []]
    assert not any("EVT1." in mail["text"] for mail in mails)
