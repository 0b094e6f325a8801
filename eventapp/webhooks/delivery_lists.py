"""List the deliveries of a webhook, send one again, and send a test."""

from datetime import datetime
from functools import partial

from bson import ObjectId

from eventapp.core import paging
from eventapp.core.access.actor import Actor
from eventapp.core.database import Db
from eventapp.core.json import JsonObject
from eventapp.webhooks import rules, store, store_deliveries
from eventapp.webhooks.deliveries import make_delivery
from eventapp.webhooks.errors import DeliveryErased, DeliveryNotFound, WebhookDisabled
from eventapp.webhooks.service import find_webhook
from eventapp.webhooks.types import DeliveryReceipt, StoredDelivery


def list_deliveries(
    db: Db, webhook_id: ObjectId, actor: Actor, request: paging.PageRequest
) -> tuple[JsonObject, JsonObject | None]:
    """Return a page of the deliveries of a webhook of the caller, newest first.

    Returns:
        The body of the answer, and the list position of the next page, which is None at the end.

    Raises:
        WebhookNotFound: the caller has no such webhook.
        ValidationFailed: the page begins after the last row that a page number can reach, or the
            list position is malformed.
    """
    find_webhook(db, webhook_id, actor)
    page = paging.find_page_by_id(
        request,
        lambda limit: store_deliveries.count(db, webhook_id, up_to=limit),
        partial(_find_page, db, webhook_id),
    )
    deliveries = [rules.render_delivery(each) for each in page.rows]
    return {"deliveries": deliveries, **page.envelope}, page.next_position


def _find_page(
    db: Db, webhook_id: ObjectId, before: ObjectId | None, skip: int, limit: int
) -> list[StoredDelivery]:
    return store_deliveries.find_page(db, webhook_id, before=before, skip=skip, limit=limit)


def replay(
    db: Db, webhook_id: ObjectId, delivery_id: str, actor: Actor, now: datetime
) -> DeliveryReceipt:
    """Let a worker send a delivery of a webhook of the caller again, at once.

    It has the same id and the same bytes. If it fails, it is sent again like a new one.

    Raises:
        WebhookNotFound, DeliveryNotFound: there is none of the caller's.
        WebhookDisabled: nothing is sent to the webhook.
        DeliveryErased: personal data was removed from the delivery.
    """
    webhook = find_webhook(db, webhook_id, actor)
    delivery = store_deliveries.find(db, webhook_id, delivery_id)
    if delivery is None:
        raise DeliveryNotFound
    if "erasedAt" in delivery:
        raise DeliveryErased
    if not webhook["enabled"]:
        raise WebhookDisabled
    if not store_deliveries.replay(db, delivery, now):
        raise DeliveryErased
    store.wake(db, [webhook_id], now)
    return {"deliveryId": delivery_id}


def send_test(db: Db, webhook_id: ObjectId, actor: Actor, now: datetime) -> DeliveryReceipt:
    """Let a worker send a delivery of the type `webhook.test` to a webhook of the caller, once.

    Raises:
        WebhookNotFound: the caller has no such webhook.
        WebhookDisabled: nothing is sent to the webhook.
    """
    webhook = find_webhook(db, webhook_id, actor)
    if not webhook["enabled"]:
        raise WebhookDisabled
    delivery_id = f"msg_{ObjectId()}"
    test = make_delivery(
        delivery_id,
        webhook_id,
        rules.TEST_TYPE,
        now,
        {"webhookId": webhook_id},
        event_id=None,
        sequence=0,
        holder_id=None,
        now=now,
    )
    store_deliveries.insert(db, [test])
    store.wake(db, [webhook_id], now)
    return {"deliveryId": delivery_id}
