"""Send the announcements that are due, each to every holder once.

A worker claims an announcement for LEASE and handles the bookings of the event in batches, newest
first. After each batch it records the position and prolongs the claim. If it dies, another worker
goes on at that position after the lease. The batch that was under way is then handled a second
time, without effect: the key of each notification names the announcement and the holder, so it
exists once, also for the holder of several bookings and for several workers.

The bookings are read when their batch is handled. So whoever has cancelled before gets nothing.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial

from bson import ObjectId

from eventapp.accounts import service as accounts
from eventapp.accounts.mail_preferences import find_unsubscribed
from eventapp.announcements import rules, store
from eventapp.announcements.service import CANCELLED_EVENT
from eventapp.announcements.types import (
    DueAnnouncement,
    Position,
    Status,
    StoredAnnouncement,
)
from eventapp.bookings import holders
from eventapp.bookings.context import BookingContext
from eventapp.bookings.types import HeldBooking
from eventapp.core.clock import start_clock
from eventapp.core.database import Db
from eventapp.core.failpoints import failpoint
from eventapp.due_work.service import DueRun, process_due
from eventapp.events import service as events
from eventapp.events.deletions import find_missing
from eventapp.events.types import Event
from eventapp.notifications import service as notifications
from eventapp.notifications.types import NewNotification, Recipient

# One batch takes less than this.
LEASE = timedelta(minutes=1)
# Bookings that are handled together.
BATCH_SIZE = 200
# Batches of an announcement in one run, so that others are not delayed for long.
MAX_BATCHES = 25
# Announcements that one run sends.
MAX_ANNOUNCEMENTS = 50
# Announcements that are read together to find those of deleted events.
CHECKED_TOGETHER = 500


def send_due_announcements(context: BookingContext, now: datetime) -> int:
    """Send the announcements that are due, and return how many notifications were written."""
    clock = start_clock(now)
    return process_due(
        context.db,
        "announcement",
        now,
        find=partial(store.find_due, context.db, now),
        limit=MAX_ANNOUNCEMENTS,
        get_key=lambda due: due["_id"],
        handle=lambda due: _send(context, due, clock()),
    )


def _send(context: BookingContext, due: DueAnnouncement, now: datetime) -> int:
    """Send an announcement, or MAX_BATCHES of it; return how many notifications were written."""
    db, clock, written = context.db, start_clock(now), 0
    claimed = store.claim(db, due, ObjectId(), now + LEASE)
    failpoint("announcement-claimed")
    for _batch in range(MAX_BATCHES):
        if claimed is None:  # Another worker has it, or it was deleted.
            return written
        event = next(iter(events.find_events(db, [claimed["eventId"]])), None)
        if event is None or not _may_be_sent(db, claimed, event):
            _finish(db, claimed, rules.WITHDRAWN, clock())
            return written
        position = claimed.get("position")
        after = (position["createdAt"], position["bookingId"]) if position else None
        batch = holders.find_bookings(db, claimed["eventId"], claimed["to"], after, BATCH_SIZE)
        written += _notify(context, claimed, event, batch, clock())
        failpoint("announced")
        if len(batch) < BATCH_SIZE:
            _finish(db, claimed, rules.SENT, clock())
            return written
        claimed = store.advance(db, claimed, _make_position(batch[-1]), clock() + LEASE)
        failpoint("announcement-advanced")
    if claimed is not None:
        store.release(db, claimed, clock())
    return written


def _may_be_sent(db: Db, announcement: StoredAnnouncement, event: Event) -> bool:
    """Return False if the event is cancelled, or its organizer may not have events any more.

    An admin may write also where an event has lost its organizer.
    """
    if event["status"] == CANCELLED_EVENT:
        return False
    organizer_id = event["organizerId"]
    if organizer_id is None or "byAdmin" in announcement:
        return True
    return accounts.may_organize(db, organizer_id)


def _make_position(booking: HeldBooking) -> Position:
    return {"createdAt": booking["createdAt"], "bookingId": booking["_id"]}


def _finish(db: Db, claimed: StoredAnnouncement, status: Status, now: datetime) -> None:
    notified, mailed = notifications.count_written(db, rules.make_key_prefix(claimed["_id"]))
    store.finish(db, claimed, status, notified=notified, mailed=mailed, now=now)


def _notify(
    context: BookingContext,
    announcement: StoredAnnouncement,
    event: Event,
    bookings: Sequence[HeldBooking],
    now: datetime,
) -> int:
    """Notify the holders of these bookings, and return how many were not notified before."""
    recipients = accounts.find_recipients(context.db, {each["userId"] for each in bookings})
    unsubscribed = find_unsubscribed(context.db, recipients, event["organizerId"])
    pending = [
        _build_notification(
            announcement, event, recipient, now, by_mail=recipient.id not in unsubscribed
        )
        for recipient in recipients.values()
    ]
    return notifications.notify(context.db, context.outbox.base_url, pending, now)


def _build_notification(
    announcement: StoredAnnouncement,
    event: Event,
    recipient: Recipient,
    now: datetime,
    *,
    by_mail: bool,
) -> NewNotification:
    return NewNotification(
        key=f"{rules.make_key_prefix(announcement['_id'])}{recipient.id}",
        kind=notifications.ANNOUNCEMENT,
        recipient=recipient,
        occurred_at=now,
        data={
            "eventId": event["eventId"],
            "eventTitle": event["title"],
            "announcementId": announcement["_id"],
        },
        mail_data={
            "organizer": event["organizer"],
            "subject": announcement["subject"],
            "text": announcement["text"],
        },
        by_mail=by_mail,
        subscription={"organizerId": event["organizerId"]},
    )


def delete_orphans(db: Db, now: datetime) -> int:
    """Delete the announcements of events that were deleted, and return of how many events.

    An eventId is never used again, so an announcement without an event stays without one.
    """
    deleted, last_id, run = 0, 0, DueRun(db, "orphaned announcement", now)

    def delete(event_id: int) -> int:
        store.delete_all(db, event_id)
        return 1

    while event_ids := store.find_event_ids(db, last_id, CHECKED_TOGETHER):
        last_id = event_ids[-1]
        due = sorted(find_missing(db, event_ids).difference(run.waiting))
        deleted += run.process(due, get_key=lambda event_id: event_id, handle=delete)
    run.forget_absent()
    return deleted
