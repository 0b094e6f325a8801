"""Create, list, change and delete the webhooks of an organizer, and replace their secrets.

An API token manages only the webhooks that it has made. So it never sends to a URL of its own what
its scopes do not show, such as the names of attendees. The owner manages all of them.
"""

from datetime import datetime
from functools import partial

from bson import ObjectId

from eventapp.accounts import api_tokens
from eventapp.bookings.ledger import service as ledger
from eventapp.core.access.actor import Actor
from eventapp.core.access.sealing import Sealer
from eventapp.core.app_key import AppKey
from eventapp.core.database import Db
from eventapp.core.errors import ValidationFailed
from eventapp.core.failpoints import failpoint
from eventapp.core.slots import iterate_free_slots
from eventapp.events import service as events
from eventapp.webhooks import addresses, rules, signatures, store, store_deliveries, store_facts
from eventapp.webhooks.errors import WebhookLimit, WebhookNotFound
from eventapp.webhooks.types import (
    EventType,
    OldSecret,
    StoredWebhook,
    WebhookChanges,
    WebhookCounts,
    WebhookInput,
    WebhookView,
)

# What the key is derived for that seals the secrets of webhooks.
SEAL_PURPOSE = "secrets of webhooks"
WEBHOOK_SEALER: AppKey[Sealer] = AppKey("webhook_sealer")
# Webhooks that are read together.
BATCH_SIZE = 500
# The most pending deliveries that the health report counts.
MAX_COUNTED = 10_000


def make_seal_context(webhook_id: ObjectId) -> str:
    """Return the context in which the secrets of a webhook are sealed."""
    return f"webhook:{webhook_id}"


def create_webhook(
    db: Db, actor: Actor, body: WebhookInput, *, sealer: Sealer, production: bool, now: datetime
) -> tuple[str, WebhookView]:
    """Create a webhook of the caller.

    Args:
        production: whether the URL must be one for everyday use: see `addresses.check_url`.

    Returns:
        The secret, which is stored only sealed, and the webhook.

    Raises:
        ValidationFailed: the URL is not allowed, or the API token of the request is for certain
            events and the body names none.
        EventNotFound, Forbidden: one of the events does not exist, or is not the caller's.
        ScopeMissing: one of the events is not one of the API token.
        WebhookLimit: the caller has rules.MAX_WEBHOOKS.
    """
    owner_id = actor.require_user_id()
    _check_url(body["url"], production=production)
    event_ids = _check_event_ids(db, actor, body.get("eventIds"))
    webhook_id, secret = ObjectId(), signatures.make_secret()
    webhook: StoredWebhook = {
        "_id": webhook_id,
        "ownerId": owner_id,
        "slot": 0,
        "url": body["url"],
        "events": _sort_types(body["events"]),
        "eventIds": event_ids,
        "sealedSecret": sealer.seal(secret, make_seal_context(webhook_id)),
        "enabled": True,
        "enabledAt": now,
        "wakeCount": 0,
        "createdAt": now,
        "updatedAt": now,
    }
    if actor.token:
        webhook["tokenId"] = actor.token.token_id
    # What happens from now on is told, however long it takes to store the webhook.
    store_facts.begin_at(db, ledger.find_highest_number(db))
    failpoint("webhook-facts-begun")
    _insert(db, webhook)
    _require_token(db, webhook, now)
    return secret, rules.render_webhook(webhook, now)


def _check_url(url: str, *, production: bool) -> None:
    if reason := addresses.check_url(url, production=production):
        raise ValidationFailed("Invalid url", errors={"url": [reason]})


def _check_event_ids(db: Db, actor: Actor, event_ids: list[int] | None) -> list[int] | None:
    """Return the events of a webhook as they are stored: each once, ascending; None for all.

    Raises:
        ValidationFailed, EventNotFound, Forbidden, ScopeMissing: see `create_webhook`.
    """
    if event_ids is None:
        actor.require_whole_account()
        return None
    wanted = sorted(set(event_ids))
    for event_id in wanted:
        actor.require_reach(event_id)
        events.get_managed(db, event_id, actor)
    return wanted


def _sort_types(types: list[EventType]) -> list[EventType]:
    return [each for each in rules.EVENT_TYPES if each in types]


def _insert(db: Db, webhook: StoredWebhook) -> None:
    """Store a webhook in a free slot of its owner."""
    find_taken = partial(store.find_taken_slots, db, webhook)
    for slot in iterate_free_slots(rules.MAX_WEBHOOKS, find_taken):
        webhook["slot"] = slot
        if store.insert(db, webhook):
            return
    limit = rules.MAX_WEBHOOKS
    raise WebhookLimit(f"At most {limit} webhooks for each organizer", limit=limit)


def _require_token(db: Db, webhook: StoredWebhook, now: datetime) -> None:
    """Delete a new webhook again if the API token that has made it has ended meanwhile.

    Raises:
        WebhookNotFound: it has.
    """
    if "tokenId" in webhook and not api_tokens.find_valid(db, [webhook["tokenId"]], now):
        delete_with_deliveries(db, webhook["_id"])
        raise WebhookNotFound


def list_webhooks(db: Db, actor: Actor, now: datetime) -> list[WebhookView]:
    """Return the webhooks of the caller; those of an API token if the caller uses one.

    Webhooks of API tokens that have ended are left out.
    """
    found = store.find_of_owner(db, actor.require_user_id(), _get_token_id(actor))
    token_ids = [each["tokenId"] for each in found if "tokenId" in each]
    valid = api_tokens.find_valid(db, token_ids, now)
    return [
        rules.render_webhook(each, now)
        for each in found
        if "tokenId" not in each or each["tokenId"] in valid
    ]


def _get_token_id(actor: Actor) -> ObjectId | None:
    return actor.token.token_id if actor.token else None


def find_webhook(db: Db, webhook_id: ObjectId, actor: Actor) -> StoredWebhook:
    """Return a webhook of the caller.

    Raises:
        WebhookNotFound: the caller has no such webhook.
    """
    webhook = store.find(db, webhook_id, actor.require_user_id(), _get_token_id(actor))
    if webhook is None:
        raise WebhookNotFound
    return webhook


def change_webhook(
    db: Db,
    webhook_id: ObjectId,
    actor: Actor,
    changes: WebhookChanges,
    *,
    production: bool,
    now: datetime,
) -> WebhookView:
    """Change a webhook of the caller.

    Deliveries that are pending go to the new URL. A webhook that is enabled again gets the pending
    ones at once; what happened meanwhile it is not told of.

    Raises:
        WebhookNotFound: the caller has no such webhook.
        ValidationFailed, EventNotFound, Forbidden, ScopeMissing: see `create_webhook`.
    """
    webhook = find_webhook(db, webhook_id, actor)
    fields: dict[str, object] = {"updatedAt": now}
    removed: list[str] = []
    if "url" in changes:
        _check_url(changes["url"], production=production)
        fields["url"] = changes["url"]
    if "events" in changes:
        fields["events"] = _sort_types(changes["events"])
    if "eventIds" in changes:
        fields["eventIds"] = _check_event_ids(db, actor, changes["eventIds"])
    is_enabled_again = changes.get("enabled") is True and not webhook["enabled"]
    if is_enabled_again:
        fields |= {"enabled": True, "enabledAt": now, "sendDueAt": now}
        removed = ["disabledAt", "disabledBy", "failingSince", "ownerNoticeDue"]
    if changes.get("enabled") is False:
        store.disable(db, webhook_id, "owner", now, notify_owner=False)
    changed = store.change(db, webhook_id, fields, removed)
    if changed is None:
        raise WebhookNotFound
    return rules.render_webhook(changed, now)


def rotate_secret(
    db: Db, webhook_id: ObjectId, actor: Actor, *, sealer: Sealer, now: datetime
) -> tuple[str, WebhookView]:
    """Replace the secret of a webhook of the caller. The old one still signs for a day.

    Returns:
        The new secret, which is stored only sealed, and the webhook.

    Raises:
        WebhookNotFound: the caller has no such webhook.
    """
    secret = signatures.make_secret()
    sealed = sealer.seal(secret, make_seal_context(webhook_id))
    while True:
        webhook = find_webhook(db, webhook_id, actor)
        valid_until = now + rules.OLD_SECRET_VALID
        old: OldSecret = {"sealed": webhook["sealedSecret"], "validUntil": valid_until}
        changed = store.replace_secret(db, webhook, sealed, old, rules.MAX_OLD_SECRETS, now)
        if changed is not None:
            return secret, rules.render_webhook(changed, now)


def delete_webhook(db: Db, webhook_id: ObjectId, actor: Actor) -> None:
    """Delete a webhook of the caller and its deliveries. Nothing more is sent.

    Raises:
        WebhookNotFound: the caller has no such webhook.
    """
    find_webhook(db, webhook_id, actor)
    if not delete_with_deliveries(db, webhook_id):
        raise WebhookNotFound


def delete_with_deliveries(db: Db, webhook_id: ObjectId) -> bool:
    """Delete a webhook, whoever owns it, and its deliveries; return whether it existed.

    The webhook comes first, so that no delivery is added in between.
    """
    is_deleted = store.delete(db, webhook_id)
    failpoint("webhook-deleted")
    store_deliveries.delete_of_webhook(db, webhook_id)
    return is_deleted


def delete_of_ended_tokens(db: Db, now: datetime) -> int:
    """Delete the webhooks that API tokens have made which have ended; return how many."""
    deleted, after = 0, None
    while found := store.find_of_tokens(db, BATCH_SIZE, after):
        after = found[-1]["_id"]
        valid = api_tokens.find_valid(db, [each["tokenId"] for each in found], now)
        for webhook in found:
            if webhook["tokenId"] not in valid:
                deleted += delete_with_deliveries(db, webhook["_id"])
    return deleted


def count_webhooks(db: Db) -> WebhookCounts:
    """Return how many webhooks and pending deliveries there are, for the health report."""
    return {
        "enabled": store.count(db, enabled=True),
        "failing": store.count(db, enabled=True, failing=True),
        "disabled": store.count(db, enabled=False),
        "pendingDeliveries": store_deliveries.count_pending(db, MAX_COUNTED),
    }
