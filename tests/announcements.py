"""Announcements for tests: written by an organizer, and sent as a worker sends them."""

from datetime import timedelta

from eventapp.announcements import sending
from eventapp.core.clock import utc_now
from eventapp.core.database import OPEN_DATABASE
from tests.bookings_factories import context_of

SUBJECT, TEXT = "Doors open at seven", "An hour earlier.\nBring your ticket."


def announce(host, event_id, key=None, **body):
    """Send POST /events/:id/announcements and return the response, which may be a refusal."""
    headers = {} if key is None else {"Idempotency_Key": key}
    body = {"subject": SUBJECT, "text": TEXT, **body}
    return host.call("POST", f"/events/{event_id}/announcements", body, **headers)


def write(host, event_id, **body):
    """Write an announcement and return its id; fail if it is refused."""
    answer = announce(host, event_id, **body)
    assert answer.status_code == 202, answer.json
    return answer.json["announcementId"]


def send(app, **span):
    """Run the job that sends announcements as if a span of time had passed."""
    return sending.send_due_announcements(context_of(app), utc_now() + timedelta(**span))


def list_recipients(app):
    """Return the ids of the users with a notification, and with a mail, of an announcement."""
    db, where = OPEN_DATABASE.get(app).db, {"kind": "announcement"}
    found = (db[name].find(where) for name in ("notifications", "mails"))
    return [sorted(each["userId"] for each in documents) for documents in found]
