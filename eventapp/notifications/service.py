"""Write, list and read notifications. `outbox` sends the mails that are written here.

Other features build a `NewNotification` for each fact and recipient, and pass them to `notify`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from bson import ObjectId

from eventapp.core import paging
from eventapp.core.database import Db
from eventapp.core.json import JsonObject
from eventapp.notifications import rules, store, store_outbox
from eventapp.notifications.errors import NotificationNotFound
from eventapp.notifications.mail_templates import render_mail
from eventapp.notifications.types import (
    NewNotification,
    NotificationView,
    StoredNotification,
)

FAILURES_SHOWN = 20


@dataclass(frozen=True)
class PageRequest:
    """The filter and the position of a page of notifications.

    Attributes:
        unread: list unread notifications only.
        after: the `next` of an earlier page; `page` is ignored if it is given.
    """

    unread: bool = False
    page: int = 1
    limit: int = 20
    after: JsonObject | None = None


def notify(db: Db, base_url: str, notifications: Sequence[NewNotification], now: datetime) -> int:
    """Write the notifications and mails that are not stored yet; return how many notifications.

    Each key is written once. The call may be interrupted anywhere, repeated, and made by several
    processes at once.

    Args:
        base_url: the start of every link in a mail.
    """
    in_app = [_build_stored_notification(each) for each in notifications if each.in_app]
    written = store.insert_notifications(db, in_app)
    mails = [render_mail(each, base_url, now) for each in notifications if each.recipient.email]
    store_outbox.insert_mails(db, mails)
    return written


def _build_stored_notification(new: NewNotification) -> StoredNotification:
    title, message = rules.compose_text(new.kind, new.data)
    return {
        "_id": ObjectId(),
        "key": new.key,
        "userId": new.recipient.id,
        "kind": new.kind,
        "title": title,
        "message": message,
        "data": dict(new.data),
        "createdAt": new.occurred_at,
        "readAt": None,
        "unread": True,
    }


def list_notifications(db: Db, user_id: ObjectId, request: PageRequest) -> JsonObject:
    """Return a page of the user's notifications, newest first, and how many are unread.

    `next` of the answer is the position of the next page; None on the last page.

    Raises:
        ValidationFailed: the page lies beyond the rows that are counted, or `after` is malformed.
    """
    where = store.build_user_filter(user_id, unread=request.unread)
    skip: int | None
    if request.after is not None:
        before, counted, page, skip = _parse_position(request.after)
    else:
        counted = store.count(db, where, up_to=paging.COUNT_LIMIT + 1)
        before, page = None, request.page
        skip = paging.page_offset(page=page, limit=request.limit, counted=counted)
    found: list[StoredNotification] = []
    if skip is not None:
        found = store.find_page(db, where, skip=skip, limit=request.limit + 1, before=before)
    rows = found[: request.limit]
    has_more = len(found) > request.limit
    return {
        "notifications": [rules.render_notification(row) for row in rows],
        **paging.page_envelope(page=page, limit=request.limit, counted=counted),
        "unreadCount": _count_unread(db, user_id),
        "next": (
            {"id": str(rows[-1]["_id"]), "counted": counted, "page": page} if has_more else None
        ),
    }


def _count_unread(db: Db, user_id: ObjectId) -> int:
    """Return how many notifications the user has not read, counting no further than 10,000."""
    unread = store.build_user_filter(user_id, unread=True)
    return store.count(db, unread, up_to=paging.COUNT_LIMIT)


def _parse_position(position: JsonObject) -> tuple[ObjectId, int, int, int]:
    """Return the id to go on after, the rows counted, the page number and the rows to skip."""
    counted, page = paging.counted_before(position)
    return paging.cursor_object_id(position.get("id")), counted, page, 0


def mark_read(
    db: Db, user_id: ObjectId, notification_id: ObjectId, now: datetime
) -> NotificationView:
    """Mark a notification as read and return it. Marking it again changes nothing.

    Raises:
        NotificationNotFound: the user has no such notification.
    """
    notification = store.mark_read(db, user_id, notification_id, now)
    if notification is None:
        raise NotificationNotFound
    return rules.render_notification(notification)


def mark_all_read(db: Db, user_id: ObjectId, now: datetime) -> int:
    """Mark all notifications of the user as read; return how many were unread."""
    return store.mark_all_read(db, user_id, now)


def get_mail_health(db: Db) -> JsonObject:
    """Return `{counts: {status: number}, failures: [mails that were given up, newest first]}`."""
    return {
        "counts": store_outbox.count_by_status(db, rules.STATUSES),
        "failures": store_outbox.find_last_failures(db, FAILURES_SHOWN),
    }


def forget_user(db: Db, user_id: ObjectId) -> None:
    """Delete the notifications and mails of a deleted user; unsent mails are not sent."""
    store.forget_user(db, user_id)
    store_outbox.forget_user(db, user_id)


def export_user(db: Db, user_id: ObjectId) -> JsonObject:
    """Return the stored notifications of a user, and the mails without their HTML."""
    notifications = store.find_all(db, user_id)
    return {
        "notifications": [rules.render_notification(each) for each in notifications],
        "mails": [
            {
                "to": mail["to"],
                "kind": mail["kind"],
                "subject": mail["subject"],
                "text": mail["text"],
                "status": mail["status"],
                "createdAt": mail["createdAt"],
            }
            for mail in store_outbox.find_all(db, user_id)
        ],
    }
