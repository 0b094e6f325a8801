"""Build announcements from requests, say what is wrong with them, and show them."""

from collections.abc import Collection
from datetime import datetime, timedelta

from eventapp.announcements.types import (
    AnnouncementId,
    AnnouncementInput,
    AnnouncementView,
    Status,
    StoredAnnouncement,
)

MAX_SUBJECT, MAX_TEXT = 150, 5000  # characters
# The most announcements of an event that are sent on one day in UTC.
MAX_PER_DAY = 5
# How far ahead an announcement can be scheduled.
MAX_AHEAD = timedelta(days=366)
SCHEDULED: Status = "scheduled"
SENDING: Status = "sending"
SENT: Status = "sent"
WITHDRAWN: Status = "withdrawn"
STATUSES: tuple[Status, ...] = (SCHEDULED, SENDING, SENT, WITHDRAWN)


def find_faults(
    body: AnnouncementInput,
    type_ids: Collection[int],
    schedule_ids: Collection[int],
    now: datetime,
) -> dict[str, list[str]]:
    """Return what is wrong with a new announcement, by the field at fault.

    Args:
        type_ids: the ids of the event's ticket types.
        schedule_ids: the ids of the event's schedule entries.
    """
    faults, send_at = {}, body.get("sendAt", now)
    if set(body["to"].get("ticketTypeIds", ())).difference(type_ids):
        faults["to.ticketTypeIds"] = ["The event has no such ticket type."]
    if set(body["to"].get("scheduleIds", ())).difference(schedule_ids):
        faults["to.scheduleIds"] = ["The event has no such entry."]
    if send_at < now:
        faults["sendAt"] = ["Must be in the future."]
    elif send_at > now + MAX_AHEAD:
        faults["sendAt"] = ["Must be within a year."]
    return faults


def make_announcement(
    announcement_id: AnnouncementId,
    event_id: int,
    body: AnnouncementInput,
    *,
    recipients: int,
    now: datetime,
) -> StoredAnnouncement:
    """Return a new announcement with the first slot of its day.

    Args:
        recipients: how many holders there are at this moment.
    """
    send_at = body.get("sendAt", now)
    return {
        "_id": announcement_id,
        "eventId": event_id,
        "subject": body["subject"],
        "text": body["text"],
        "to": body["to"],
        "status": SCHEDULED,
        "sendAt": send_at,
        "day": send_at.date().isoformat(),
        "slot": 0,
        "createdAt": now,
        "recipients": recipients,
        "dueAt": send_at,
    }


def make_key_prefix(announcement_id: AnnouncementId) -> str:
    """Return what the keys of the notifications of an announcement begin with."""
    return f"announcement:{announcement_id}:"


def render_announcement(stored: StoredAnnouncement) -> AnnouncementView:
    """Return an announcement as the API shows it."""
    return {
        "announcementId": stored["_id"],
        "eventId": stored["eventId"],
        "subject": stored["subject"],
        "text": stored["text"],
        "to": stored["to"],
        "status": stored["status"],
        "createdAt": stored["createdAt"],
        "sendAt": stored["sendAt"],
        "sentAt": stored.get("sentAt"),
        "recipients": stored["recipients"],
        "notified": stored.get("notified"),
        "mailed": stored.get("mailed"),
    }
