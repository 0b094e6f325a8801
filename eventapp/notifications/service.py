"""Write notifications, list them and mark them as read. `outbox` sends the mails.

Other features build a `NewNotification` for each occurrence and recipient, and pass them to
`notify`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import cast

from bson import ObjectId

from eventapp.core import paging
from eventapp.core.database import Db
from eventapp.core.json import JsonObject
from eventapp.notifications import rules, store, store_outbox
from eventapp.notifications.errors import NotificationNotFound
from eventapp.notifications.mail_templates import render_mail
from eventapp.notifications.notification_texts import compose_text
from eventapp.notifications.texts import get_app_texts
from eventapp.notifications.types import (
    Facts,
    MailHealth,
    NewNotification,
    RenderedNotification,
    StoredNotification,
)

FAILURES_SHOWN = 20
# Re-exported for features, which cannot import the rules.
WAITLIST_CLOSED, ANNOUNCEMENT = rules.WAITLIST_CLOSED, rules.ANNOUNCEMENT
WEBHOOK_DISABLED = rules.WEBHOOK_DISABLED


@dataclass(frozen=True)
class PageRequest:
    """Which notifications of a user a client wants.

    Attributes:
        unread: list unread notifications only.
        page: the number of the page, from 1; ignored if `list_position` is set.
        limit: the most notifications to return.
        list_position: where the page begins, as `list_notifications` returned it with the page
            before; None for the page with number `page`.
    """

    unread: bool = False
    page: int = 1
    limit: int = 20
    list_position: JsonObject | None = None


def notify(db: Db, base_url: str, notifications: Sequence[NewNotification], now: datetime) -> int:
    """Write the notifications and the mails that are not stored yet.

    Each key is written once. The call may be interrupted anywhere, repeated, and made by several
    processes at once.

    Args:
        base_url: the start of every link in a mail.

    Returns:
        The number of notifications that were written, without mails.
    """
    in_app = [_build_stored_notification(each) for each in notifications if each.in_app]
    written = store.insert_notifications(db, in_app)
    mails = [render_mail(each, base_url, now) for each in notifications if _gets_mail(each)]
    store_outbox.insert_mails(db, mails)
    return written


def write_mail(db: Db, base_url: str, new: NewNotification, now: datetime) -> bool:
    """Write the mail of a notification, without the notification.

    Returns:
        Whether it was written: False if a mail with its key is stored, or if its recipient gets no
        mail of this kind.
    """
    mails = [render_mail(new, base_url, now)] if _gets_mail(new) else []
    return store_outbox.insert_mails(db, mails) > 0


def _gets_mail(new: NewNotification) -> bool:
    recipient = new.recipient
    is_allowed = rules.may_mail(new.kind, is_verified=recipient.is_verified)
    return bool(recipient.email) and new.by_mail and is_allowed


def _build_stored_notification(new: NewNotification) -> StoredNotification:
    # Messages of the API are English, whatever the language of the recipient's mails is.
    facts = cast(Facts, {**new.data, **new.mail_data})
    title, message = compose_text(new.kind, facts, get_app_texts())
    return {
        "_id": ObjectId(),
        "key": new.key,
        "userId": new.recipient.id,
        "kind": new.kind,
        "title": title,
        "message": message,
        "data": new.data,
        "createdAt": new.occurred_at,
        "readAt": None,
        "unread": True,
    }


def count_written(db: Db, key_prefix: str) -> tuple[int, int]:
    """Return how many notifications and how many mails have a key that begins so."""
    return store.count_keys(db, key_prefix), store_outbox.count_keys(db, key_prefix)


def list_notifications(
    db: Db, user_id: ObjectId, request: PageRequest
) -> tuple[JsonObject, JsonObject | None]:
    """Return a page of the user's notifications, newest first, and how many are unread.

    Returns:
        The body of the answer, and the list position of the next page, which is None at the end.

    Raises:
        ValidationFailed: the page begins after the last row that a page number can reach, or the
            list position is malformed.
    """
    where = store.build_user_filter(user_id, unread=request.unread)
    before: ObjectId | None = None
    skip: int | None = 0
    if request.list_position is not None:
        counted, page = paging.parse_cursor_page(request.list_position)
        before = paging.parse_cursor_object_id(request.list_position.get("id"))
    else:
        counted, page = store.count(db, where, up_to=paging.COUNT_LIMIT + 1), request.page
        skip = paging.find_page_offset(page=page, limit=request.limit, counted=counted)
    found: list[StoredNotification] = []
    if skip is not None:
        found = store.find_page(db, where, skip=skip, limit=request.limit + 1, before=before)
    shown = found[: request.limit]
    body = {
        "notifications": [rules.render_notification(each) for each in shown],
        **paging.make_page_envelope(page=page, limit=request.limit, counted=counted),
        "unreadCount": _count_unread(db, user_id),
    }
    if len(found) <= request.limit:
        return body, None
    return body, {"id": str(shown[-1]["_id"]), "counted": counted, "page": page}


def _count_unread(db: Db, user_id: ObjectId) -> int:
    """Return how many notifications the user has not read, counted up to COUNT_LIMIT."""
    unread = store.build_user_filter(user_id, unread=True)
    return store.count(db, unread, up_to=paging.COUNT_LIMIT)


def mark_read(
    db: Db, user_id: ObjectId, notification_id: ObjectId, now: datetime
) -> RenderedNotification:
    """Mark a notification as read and return it. Marking it again changes nothing.

    Raises:
        NotificationNotFound: the user has no such notification.
    """
    notification = store.mark_read(db, user_id, notification_id, now)
    if notification is None:
        raise NotificationNotFound
    return rules.render_notification(notification)


def mark_all_read(db: Db, user_id: ObjectId, now: datetime) -> int:
    """Mark all notifications of the user as read, and return how many were unread."""
    return store.mark_all_read(db, user_id, now)


def get_mail_health(db: Db) -> MailHealth:
    """Return the number of mails by status, and the mails that were given up last, newest first."""
    return {
        "counts": store_outbox.count_by_status(db, rules.STATUSES),
        "failures": store_outbox.find_last_failures(db, FAILURES_SHOWN),
    }


def forget_user(db: Db, user_id: ObjectId) -> None:
    """Delete the notifications and mails of a deleted user. Mails that wait are never sent."""
    store.forget_user(db, user_id)
    store_outbox.forget_user(db, user_id)


def export_user(db: Db, user_id: ObjectId) -> JsonObject:
    """Return a user's notifications, and the mails to the user without their HTML."""
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
