"""The mail of a confirmed booking has its ticket codes and a calendar entry."""

import email
from email.policy import default

import icalendar
import pytest

from tests.bookings_factories import context_of, event_of
from tests.factories import day
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


def read_entry(mail):
    """Return the method of the calendar file of a mail, and its entry."""
    (file,) = mail["attachments"]
    calendar = icalendar.Calendar.from_ical(file["content"])
    assert file["type"] == f"text/calendar; charset=utf-8; method={calendar['METHOD']}"
    (entry,) = calendar.walk("VEVENT")
    assert entry["ORGANIZER"].startswith("mailto:")
    return calendar["METHOD"], entry


def mails_of(app, db):
    notify_holders(context_of(app))
    return list(db.mails.find().sort("_id", 1))


def test_the_mail_of_an_ended_booking_has_no_codes(app, db, ann, clean_inventory):
    event_of(db, 10)
    ann.cancel(ann.book(1))
    mails = mails_of(app, db)
    assert [mail["kind"] for mail in mails] == ["booking_confirmed", "booking_cancelled"]
    assert mails[0]["attachments"] == []
    assert not any("EVT1." in mail["text"] for mail in mails)


@pytest.mark.parametrize("kind", ["booking_cancelled", "event_cancelled"])
def test_a_cancellation_removes_the_entry_of_the_confirmation(app, db, ann, host, kind):
    event_of(db, 10, organizer_id=host.id)
    booking = ann.book(1)
    (confirmed,) = mails_of(app, db)
    if kind == "event_cancelled":
        assert host.call("POST", "/events/1/cancel").status_code == 200
    else:
        ann.cancel(booking)
    _, cancelled = mails_of(app, db)
    assert cancelled["kind"] == kind
    (method, before), (cancel_method, after) = read_entry(confirmed), read_entry(cancelled)
    assert (method, cancel_method) == ("PUBLISH", "CANCEL")
    assert after["UID"] == before["UID"]
    assert after["SEQUENCE"] > before["SEQUENCE"]
    assert after["STATUS"] == "CANCELLED"


def test_a_moved_event_sends_the_entry_again(app, db, ann, host, clean_inventory):
    event_of(db, 10, organizer_id=host.id)
    ann.book(1)
    (confirmed,) = mails_of(app, db)
    answer = host.call("PATCH", "/events/1/schedule/0", {"date": day(60), "location": "Larissa"})
    assert answer.status_code == 200, answer.json
    _, changed = mails_of(app, db)
    assert changed["kind"] == "event_changed"
    (method, before), (again, after) = read_entry(confirmed), read_entry(changed)
    assert (method, again) == ("PUBLISH", "PUBLISH")
    assert after["UID"] == before["UID"]
    assert after["SEQUENCE"] > before["SEQUENCE"]
    assert (after["DTSTART"].dt.isoformat(), after["LOCATION"]) == (day(60), "Larissa")
    assert "EVT1." not in changed["text"]
