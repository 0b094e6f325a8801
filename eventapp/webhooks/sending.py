"""Send the deliveries that are due, and disable webhooks whose receivers fail for too long.

A worker claims a webhook for a turn and sends its deliveries one after the other, the longest due
first. Several webhooks have their turns at once, in threads. A turn ends with the first failure,
with the first answer that takes longer than SLOW_MS, or after TURN. So a receiver that hangs takes
one thread for one attempt, and its webhook then counts as failing. Failing webhooks are served by a
job of their own (`send_retries`), so that they delay no other.

If a worker dies, another one claims the webhook when the claim is over, and sends again what has no
outcome: the receiver may get a delivery twice, with the same id and the same bytes.

A delivery that is given up disables its webhook. What is pending then waits until the owner enables
the webhook again.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime, timedelta

import structlog
from bson import ObjectId

from eventapp.accounts import api_tokens
from eventapp.accounts.organizers import may_organize
from eventapp.bookings.context import BookingContext
from eventapp.core.access.sealing import CannotOpen, Sealer
from eventapp.core.clock import start_clock
from eventapp.core.database import Db
from eventapp.core.failpoints import failpoint
from eventapp.due_work.service import DueRun
from eventapp.webhooks import rules, signatures, store, store_deliveries, transport
from eventapp.webhooks.service import make_seal_context
from eventapp.webhooks.types import LastAttempt, StoredDelivery, StoredWebhook

# Webhooks that have their turns at the same time.
THREADS = 16
# The most webhooks of one run.
BATCH_SIZE = 500
# A turn begins no further attempt after this time.
TURN = timedelta(seconds=10)
# In milliseconds. The next run waits for all turns, so a slow receiver gets one delivery in a turn.
SLOW_MS = 1000
# A turn takes less than this: an attempt takes 5 seconds at most.
LEASE = timedelta(seconds=60)
# What an attempt fails with if the secret cannot be opened, because JWT_SECRET was changed.
UNREADABLE_SECRET = "unreadable_secret"  # noqa: S105 (the name of an error)

log = structlog.get_logger("webhooks")


def send_first_attempts(context: BookingContext, now: datetime) -> int:
    """Send to webhooks that do not fail; return how many attempts were made."""
    return _send_due(context, now, "webhook", failing=False)


def send_retries(context: BookingContext, now: datetime) -> int:
    """Send to webhooks whose last attempt failed; return how many attempts were made."""
    return _send_due(context, now, "failing webhook", failing=True)


def _send_due(context: BookingContext, now: datetime, kind: str, *, failing: bool) -> int:
    db, clock, run = context.db, start_clock(now), DueRun(context.db, kind, now)
    due = store.find_due(db, now, BATCH_SIZE, run.waiting, failing=failing)
    if not due:
        run.forget_absent()
        return 0
    with ThreadPoolExecutor(min(THREADS, len(due)), "webhooks") as pool:
        turns = {each["_id"]: pool.submit(_take_turn, context, each["_id"], clock) for each in due}
        attempts = run.process(
            due, get_key=lambda each: each["_id"], handle=lambda each: turns[each["_id"]].result()
        )
    if len(due) < BATCH_SIZE:
        run.forget_absent()
    return attempts


def _take_turn(context: BookingContext, webhook_id: ObjectId, clock: Callable[[], datetime]) -> int:
    """Send deliveries of a webhook until one fails; return how many attempts were made."""
    db, started = context.db, clock()
    webhook = store.claim(db, webhook_id, ObjectId(), started, started + LEASE)
    if webhook is None:
        return 0
    failpoint("webhook-claimed")
    attempts, goes_on = 0, _may_send(db, webhook, started)
    while goes_on and clock() < started + TURN:
        due = store_deliveries.find_next_due(db, webhook_id, clock())
        if due is None:
            break
        goes_on = _attempt(context, webhook, due, clock)
        attempts += 1
    store.end_claim(db, webhook, store_deliveries.find_next_due_time(db, webhook_id), clock())
    return attempts


def _may_send(db: Db, webhook: StoredWebhook, now: datetime) -> bool:
    """Return whether the webhook may be sent anything.

    If its owner may have no events any more, it is disabled. The webhook of an API token that has
    ended is deleted by a job of its own.
    """
    if "tokenId" in webhook and not api_tokens.find_valid(db, [webhook["tokenId"]], now):
        return False
    if may_organize(db, webhook["ownerId"]):
        return True
    store.disable(db, webhook["_id"], "failures", now, notify_owner=False)
    return False


def _attempt(
    context: BookingContext,
    webhook: StoredWebhook,
    due: StoredDelivery,
    clock: Callable[[], datetime],
) -> bool:
    """Send a delivery and record the outcome; return whether the turn of its webhook goes on."""
    db, now = context.db, clock()
    delivery = store_deliveries.begin_attempt(db, due, ObjectId(), now, now + LEASE)
    if delivery is None:  # It was replayed, or deleted.
        return True
    failpoint("webhook-attempt-begun")
    attempt = _send(context, webhook, delivery, now)
    failpoint("webhook-sent")
    if attempt["error"] is None and rules.is_accepted(attempt["status"]):
        store_deliveries.record_delivered(db, delivery, attempt)
        store.set_failing(db, webhook["_id"], None)
        return attempt["durationMs"] <= SLOW_MS
    _record_failure(db, webhook, delivery, attempt, clock())
    return False


def _send(
    context: BookingContext, webhook: StoredWebhook, delivery: StoredDelivery, now: datetime
) -> LastAttempt:
    assert context.webhook_sealer, "build the context with a sealer"
    attempt: LastAttempt = {
        "at": now,
        "status": None,
        "error": UNREADABLE_SECRET,
        "durationMs": 0,
        "excerpt": b"",
    }
    try:
        secrets = _open_secrets(context.webhook_sealer, webhook, now)
    except CannotOpen:
        return attempt
    body, timestamp = bytes(delivery["body"]), int(now.timestamp())
    headers = signatures.sign(secrets, delivery["deliveryId"], timestamp, body)
    allow_private = context.allow_private_webhooks
    answer = transport.send(webhook["url"], body, headers, allow_private=allow_private)
    attempt["status"], attempt["error"] = answer.status, answer.error
    attempt["durationMs"], attempt["excerpt"] = answer.duration_ms, answer.excerpt
    return attempt


def _open_secrets(sealer: Sealer, webhook: StoredWebhook, now: datetime) -> list[str]:
    """Return the secrets that sign a delivery, the present one first.

    Raises:
        CannotOpen: the present one was sealed with another key.
    """
    seal_context = make_seal_context(webhook["_id"])
    secrets = [sealer.open(bytes(webhook["sealedSecret"]), seal_context)]
    for old in reversed(webhook.get("oldSecrets", [])):
        if old["validUntil"] > now:
            with suppress(CannotOpen):
                secrets.append(sealer.open(bytes(old["sealed"]), seal_context))
    return secrets


def _record_failure(
    db: Db,
    webhook: StoredWebhook,
    delivery: StoredDelivery,
    attempt: LastAttempt,
    now: datetime,
) -> None:
    """Record a failed attempt; disable the webhook if the delivery is given up.

    The failure of a test is told by its delivery alone: it is not sent again.
    """
    log.warning(
        "webhook not delivered",
        webhook=str(webhook["_id"]),
        delivery=delivery["deliveryId"],
        status=attempt["status"],
        error=attempt["error"],
    )
    if delivery["type"] == rules.TEST_TYPE:
        store_deliveries.record_failure(db, delivery, attempt, None)
        return
    since = max(delivery["retriedSince"] or now, webhook["enabledAt"])
    next_due_at = rules.schedule_next_attempt(delivery["pauses"] + 1, since, now)
    if next_due_at is None:
        store.disable(db, webhook["_id"], "failures", now, notify_owner=True)
        failpoint("webhook-disabled")
    store.set_failing(db, webhook["_id"], attempt["at"])
    store_deliveries.record_failure(db, delivery, attempt, next_due_at)
