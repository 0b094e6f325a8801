"""Tell the owners of webhooks that the server has disabled one of them."""

from datetime import datetime
from urllib.parse import urlsplit

from eventapp.accounts import service as accounts
from eventapp.bookings.context import BookingContext
from eventapp.core.failpoints import failpoint
from eventapp.due_work.service import process_due
from eventapp.notifications import service as notifications
from eventapp.notifications.types import NewNotification
from eventapp.webhooks import store
from eventapp.webhooks.types import StoredWebhook

BATCH_SIZE = 100


def notify_owners(context: BookingContext, now: datetime) -> int:
    """Write the notifications and mails that are due; return how many webhooks they are about."""
    return process_due(
        context.db,
        "webhook notice",
        now,
        find=lambda limit, without: store.find_notices_due(context.db, limit, without),
        limit=BATCH_SIZE,
        get_key=lambda webhook: webhook["_id"],
        handle=lambda webhook: _notify(context, webhook, now),
    )


def _notify(context: BookingContext, webhook: StoredWebhook, now: datetime) -> int:
    disabled_at = webhook.get("disabledAt")
    owner = accounts.find_recipients(context.db, [webhook["ownerId"]]).get(webhook["ownerId"])
    if owner and disabled_at:
        notice = NewNotification(
            key=f"webhook:{webhook['_id']}:{disabled_at.timestamp():.3f}",
            kind=notifications.WEBHOOK_DISABLED,
            recipient=owner,
            occurred_at=disabled_at,
            data={
                "webhookId": webhook["_id"],
                "webhookHost": urlsplit(webhook["url"]).hostname or "",
            },
        )
        notifications.notify(context.db, context.outbox.base_url, [notice], now)
    failpoint("webhook-owner-notified")
    store.clear_notice(context.db, webhook)
    return 1
