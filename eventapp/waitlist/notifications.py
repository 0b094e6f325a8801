"""Tell users that their waitlist entries were closed."""

from collections.abc import Sequence
from datetime import datetime
from functools import partial

from eventapp.accounts import service as accounts
from eventapp.core.database import Db
from eventapp.due_work.service import process_due
from eventapp.events import service as events
from eventapp.events.types import Event
from eventapp.notifications import service as notifications
from eventapp.notifications.types import Facts, NewNotification, Recipient
from eventapp.waitlist import store
from eventapp.waitlist.listing import find_awaited_entry
from eventapp.waitlist.types import CloseReason, WaitlistEntry

MAX_PER_RUN = 500


def notify_waiters(db: Db, base_url: str, now: datetime) -> int:
    """Write the notifications of closed entries that are not written yet; return how many.

    It may be interrupted at any point, and several workers may run it at the same time: each
    notification has a unique key and is written once.

    Args:
        base_url: the start of every link in a mail.
    """
    return process_due(
        db,
        "closed waitlist entry",
        now,
        find=partial(store.find_untold, db),
        limit=MAX_PER_RUN,
        get_key=lambda entry: entry["_id"],
        handle=lambda entry: _notify(db, base_url, [entry], now),
        handle_together=lambda entries: _notify(db, base_url, entries, now),
    )


def _notify(db: Db, base_url: str, entries: Sequence[WaitlistEntry], now: datetime) -> int:
    # The user id of an entry is null once the user is deleted.
    users = accounts.find_recipients(db, {entry["userId"] for entry in entries if entry["userId"]})
    found = {each["eventId"]: each for each in events.find_events(db, _collect_ids(entries))}
    pending = [
        _build_notification(entry, users[entry["userId"]], found.get(entry["eventId"]))
        for entry in entries
        if entry["userId"] in users
    ]
    written = notifications.notify(db, base_url, pending, now)
    store.record_told(db, [entry["_id"] for entry in entries])
    return written


def _collect_ids(entries: Sequence[WaitlistEntry]) -> set[int]:
    return {entry["eventId"] for entry in entries}


def _build_notification(
    entry: WaitlistEntry, recipient: Recipient, event: Event | None
) -> NewNotification:
    return NewNotification(
        key=f"waitlist:{entry['_id']}:closed",
        kind=notifications.WAITLIST_CLOSED,
        recipient=recipient,
        occurred_at=entry["updatedAt"],
        data={
            "eventId": entry["eventId"],
            "eventTitle": event["title"] if event else entry["eventTitle"],
            "quantity": entry["quantity"],
            "reason": entry.get("closeReason") or _determine_reason(event),
            **_describe_awaited_entry(entry, event),
        },
    )


def _describe_awaited_entry(entry: WaitlistEntry, event: Event | None) -> Facts:
    """Return the date, time and place that the user waited for; nothing if they are unknown."""
    awaited = find_awaited_entry(entry, event["schedule"]) if event else None
    if awaited is None:
        return {}
    return {
        "date": awaited["date"].date().isoformat(),
        "startsAt": awaited.get("startsAt"),
        "timezone": awaited["timezone"],
        "location": awaited["location"],
    }


def _determine_reason(event: Event | None) -> CloseReason:
    if event is None:
        return "event_deleted"
    return "event_cancelled" if event["status"] == "cancelled" else "event_over"
