"""Notifications: told once each, listed, read. `service_post` sends the mails among them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bson import ObjectId

from eventapp.core import paging
from eventapp.core.database import Db, Document
from eventapp.notifications import rules, store, store_outbox
from eventapp.notifications.errors import NotificationNotFound
from eventapp.notifications.mail_templates import mail_of
from eventapp.notifications.rules import Attachment, NewNotification, Recipient

# What features say that tell something.
__all__ = ["Attachment", "NewNotification", "Recipient"]

FAILURES_SHOWN = 20
MAX_AFTER = 500


@dataclass(frozen=True)
class Asked:
    """Filter and place in a list; `after` is a `next` of an earlier answer."""

    unread: bool = False
    page: int = 1
    limit: int = 20
    after: dict[str, Any] | None = None


def notify(db: Db, base_url: str, news: Sequence[NewNotification], now: datetime) -> int:
    """Write the notifications and mails that are not written yet; how many notifications.

    Safe to be cut off anywhere and done again, by several at once: each key is written once.

    Args:
        base_url: what links in mails start with.
    """
    told = store.add(db, [_notification(one) for one in news if one.in_app])
    store_outbox.add(db, [mail_of(one, base_url, now) for one in news if one.recipient.email])
    return told


def _notification(news: NewNotification) -> Document:
    title, message = rules.words(news.kind, news.data)
    return {
        "_id": ObjectId(),
        "key": news.key,
        "userId": news.recipient.id,
        "kind": news.kind,
        "title": title,
        "message": message,
        "data": dict(news.data),
        "createdAt": news.occurred_at,
        "readAt": None,
        "unread": True,
    }


def listed(db: Db, user_id: ObjectId, asked: Asked) -> dict[str, Any]:
    """The user's notifications, newest first, as a page, and how many are unread."""
    where = store.of_user(user_id, unread=asked.unread)
    skip: int | None
    if asked.after is not None:
        before, counted, page, skip = _place(asked.after)
    else:
        counted = store.count(db, where, up_to=paging.COUNTED + 1)
        before, page = None, asked.page
        skip = paging.offset(page=page, limit=asked.limit, counted=counted)
    found: list[Document] = []
    if skip is not None:
        found = store.page(db, where, skip=skip, limit=asked.limit + 1, before=before)
    rows = found[: asked.limit]
    more = len(found) > asked.limit
    return {
        "notifications": [rules.view(row) for row in rows],
        **paging.envelope(page=page, limit=asked.limit, counted=counted),
        "unreadCount": unread_count(db, user_id),
        "next": {"id": str(rows[-1]["_id"]), "counted": counted, "page": page} if more else None,
    }


def unread_count(db: Db, user_id: ObjectId) -> int:
    """How many the user has not read, counted no further than 10,000."""
    return store.count(db, store.of_user(user_id, unread=True), up_to=paging.COUNTED)


def _place(after: dict[str, Any]) -> tuple[ObjectId, int, int, int]:
    counted = paging.whole(after.get("counted"), paging.COUNTED + 1)
    page = paging.whole(after.get("page"))
    return paging.object_id(after.get("id")), counted, page + 1, 0


def read(db: Db, user_id: ObjectId, notification_id: ObjectId, now: datetime) -> dict[str, Any]:
    """The notification, marked read; again changes nothing. NotificationNotFound."""
    found = store.mark_read(db, user_id, notification_id, now)
    if found is None:
        raise NotificationNotFound
    return rules.view(found)


def read_all(db: Db, user_id: ObjectId, now: datetime) -> int:
    """Mark all of the user's as read; how many were not."""
    return store.mark_all_read(db, user_id, now)


def after(
    db: Db, user_id: ObjectId, last: ObjectId | None, limit: int = MAX_AFTER
) -> list[dict[str, Any]]:
    """The user's notifications after this one, oldest first, as the API shows them."""
    return [rules.view(row) for row in store.after(db, user_id, last, limit)]


def mail_health(db: Db) -> dict[str, Any]:
    """`{counts: {status: number}, failures: [the mails last given up, newest first]}`."""
    return {
        "counts": store_outbox.counts(db, rules.STATUSES),
        "failures": store_outbox.last_failures(db, FAILURES_SHOWN),
    }


def forget_user(db: Db, user_id: ObjectId) -> None:
    """After a user is deleted: what they were told goes too, and is sent no more."""
    store.forget_user(db, user_id)
    store_outbox.forget_user(db, user_id)


def export_user(db: Db, user_id: ObjectId) -> dict[str, Any]:
    """What is stored here about the person."""
    names = ("to", "kind", "subject", "text", "status", "createdAt")
    mails = store_outbox.of_user(db, user_id)
    return {
        "notifications": [rules.view(row) for row in store.after(db, user_id, None, 0)],
        "mails": [{name: mail[name] for name in names} for mail in mails],
    }
