"""The mail of a booking has its QR codes, the link of its page and a calendar entry."""

import email
from email.policy import default

import icalendar
import pytest

from tests.booking_links import make_link
from tests.bookings_factories import context_of, event_of
from tests.factories import day
from tests.notifications_factories import mail_server, notify_holders, send_mails


def test_the_mail_of_a_confirmed_booking_has_qr_codes_and_a_calendar_entry(
    app, db, ann, clean_inventory
):
    event_of(db, 10, title="Jazz night")
    booking = ann.book(1, 2)
    tickets = ann.get(f"/bookings/{booking['_id']}/tickets").json["tickets"]
    notify_holders(context_of(app))
    assert "EVT1." not in str(db.mails.find_one())
    message = send_one(app, db)
    related = message.get_body(("related",))
    html = related.get_body(("html",)).get_content()
    pictures = list(related.iter_attachments())
    for ticket, picture in zip(tickets, pictures, strict=True):
        assert f'src="cid:{picture["Content-ID"].strip("<>")}"' in html
        shown = ann.get(f"/tickets/{ticket['ticketId']}/qr.png")
        assert picture.get_content() == shown.data
        assert ticket["code"] not in html
    (entry,) = message.iter_attachments()
    assert entry.get_filename() == f"{booking['bookingReference']}.ics"
    sent = entry.get_payload(decode=True)
    assert sent == ann.get(f"/bookings/{booking['_id']}/calendar.ics").data


def send_one(app, db):
    """Send the only mail that is due, as the worker does, and return it."""
    outbox = context_of(app).outbox
    with mail_server() as box:
        sender = box.outbox(link_keys=outbox.link_keys, draw_codes=outbox.draw_codes)
        assert send_mails(db, sender) == 1
    return email.message_from_bytes(box.received[0][1], policy=default)


def test_the_mail_names_who_comes_only_to_a_verified_address(app, db, ann):
    event_of(db, 10)
    event_of(db, 10)
    attendee = {"ticketTypeId": 1, "name": "Zoë Example"}
    for event_id, is_verified in ((1, False), (2, True)):
        db.users.update_one({"_id": ann.id}, {"$set": {"emailVerified": is_verified}})
        ann.book(event_id, attendees=[attendee])
        notify_holders(context_of(app))
        mail = db.mails.find_one(sort=[("_id", -1)])
        for form in ("text", "html"):
            assert ("Zoë" in mail[form]) is is_verified
            assert mail["booking"]["ticketIds"][0] in mail[form]


def test_the_link_of_a_mail_is_that_of_the_booking_and_of_no_other_address(app, db, ann):
    event_of(db, 10)
    event_of(db, 10)
    booking = ann.book(1)
    notify_holders(context_of(app))
    link = make_link(app, booking)
    before = send_one(app, db)
    for form in ("plain", "html"):
        assert link.partition("/b/")[2] in before.get_body((form,)).get_content()
    ann.book(2)
    notify_holders(context_of(app))
    # The mail of the second booking waits, with the old address, while the password is changed.
    db.users.update_one({"_id": ann.id}, {"$inc": {"credentialsVersion": 1}})
    waiting = send_one(app, db)
    second = db.bookings.find_one(sort=[("_id", -1)])
    for form in ("plain", "html"):
        shown = waiting.get_body((form,)).get_content()
        assert f"/b/{second['bookingReference']}?key=lnk_" in shown
        assert make_link(app, second).partition("?key=")[2] not in shown


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


def test_the_mail_of_an_ended_booking_has_no_tickets(app, db, ann, clean_inventory):
    event_of(db, 10)
    ann.cancel(ann.book(1))
    mails = mails_of(app, db)
    assert [mail["kind"] for mail in mails] == ["booking_confirmed", "booking_cancelled"]
    assert mails[0]["attachments"] == []
    assert [mail["booking"]["ticketIds"] for mail in mails] == [[], []]
    assert not any("<img" in mail["html"] for mail in mails)


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
    assert changed["booking"]["ticketIds"] == []
