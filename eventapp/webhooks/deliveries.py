"""Store the deliveries of facts for the webhooks that receive them.

**Sequence.** The number of a delivery is taken after all earlier deliveries of the same booking to
the same webhook are stored. So the numbers of one booking rise in true order, also where two
workers make the same deliveries at once: a later fact gets a higher number than whichever number
the earlier one was stored with. The numbers that a worker took for deliveries which another one has
stored are lost.

**Body.** The bytes are rendered once and stored, so every attempt and replay sends the same.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import zip_longest
from typing import NamedTuple

from bson import ObjectId

from eventapp.accounts import api_tokens
from eventapp.accounts.api_token_types import ActiveApiToken
from eventapp.accounts.organizers import find_organizers
from eventapp.core import json
from eventapp.core.access.actions import ATTENDEES_READ
from eventapp.core.database import Db
from eventapp.core.failpoints import failpoint
from eventapp.webhooks import rules, store, store_deliveries
from eventapp.webhooks.types import EventType, Fact, StoredDelivery, StoredWebhook


class _Planned(NamedTuple):
    """A fact, the id of a webhook that receives it, and whether it may contain attendees."""

    webhook_id: ObjectId
    fact: Fact
    with_attendees: bool


class Recipients:
    """The enabled webhooks of some organizers, as far as they may receive anything.

    They are left out if their owner may have no events any more, or if the API token that made
    them has ended. Create this after the facts were read: so no webhook is missed that was made
    before them.
    """

    def __init__(self, db: Db, owner_ids: Iterable[ObjectId | None], now: datetime) -> None:
        self._db = db
        found = store.find_enabled(db, {each for each in owner_ids if each})
        owners = find_organizers(db, {each["ownerId"] for each in found})
        token_ids = [each["tokenId"] for each in found if "tokenId" in each]
        self._tokens: Mapping[ObjectId, ActiveApiToken] = api_tokens.find_valid(db, token_ids, now)
        self._webhooks = [
            each
            for each in found
            if each["ownerId"] in owners
            and ("tokenId" not in each or each["tokenId"] in self._tokens)
        ]

    def include(self, owner_id: ObjectId | None) -> bool:
        """Return whether one of the webhooks belongs to this organizer."""
        return any(each["ownerId"] == owner_id for each in self._webhooks)

    def store_deliveries(self, facts: Iterable[Fact], now: datetime) -> int:
        """Store the deliveries of facts that are not stored yet; return how many were stored.

        It may be interrupted and repeated with the same facts.

        Args:
            facts: those of one booking, or of one event, in their order.
        """
        planned = list(self._plan(facts))
        stored = sum(_store_wave(self._db, wave, now) for wave in _split_into_waves(planned))
        failpoint("webhook-deliveries-inserted")
        _wake(self._db, {each.webhook_id for each in planned}, now)
        return stored

    def _plan(self, facts: Iterable[Fact]) -> Iterator[_Planned]:
        for fact in facts:
            for webhook in self._webhooks:
                token = self._find_token(webhook)
                if rules.receives(webhook, fact, token.get("eventIds") if token else None):
                    shows_attendees = token is None or ATTENDEES_READ in token["scopes"]
                    yield _Planned(webhook["_id"], fact, shows_attendees)

    def _find_token(self, webhook: StoredWebhook) -> ActiveApiToken | None:
        return self._tokens[webhook["tokenId"]] if "tokenId" in webhook else None


def _split_into_waves(planned: Iterable[_Planned]) -> Iterator[list[_Planned]]:
    """Yield the deliveries in lists in which each booking appears once for each webhook."""
    queues: defaultdict[tuple[ObjectId, str], list[_Planned]] = defaultdict(list)
    for each in planned:
        queues[each.webhook_id, each.fact.subject].append(each)
    for wave in zip_longest(*queues.values()):
        yield [each for each in wave if each is not None]


def _store_wave(db: Db, wave: Sequence[_Planned], now: datetime) -> int:
    ids = [rules.make_delivery_id(each.webhook_id, each.fact) for each in wave]
    existing = store_deliveries.find_existing(db, ids)
    missing = [(id_, each) for id_, each in zip(ids, wave, strict=True) if id_ not in existing]
    numbers = _take_numbers(db, [each for _, each in missing])
    new = [
        make_delivery(
            id_,
            each.webhook_id,
            each.fact.type,
            each.fact.at,
            {"eventId": each.fact.event_id, **each.fact.render(each.with_attendees)},
            event_id=each.fact.event_id,
            sequence=number,
            holder_id=each.fact.holder_id,
            now=now,
        )
        for (id_, each), number in zip(missing, numbers, strict=True)
    ]
    return store_deliveries.insert(db, new)


def _take_numbers(db: Db, planned: Sequence[_Planned]) -> list[int]:
    """Return a number of its sequence for each delivery, in rising order."""
    counts: defaultdict[tuple[ObjectId, int], int] = defaultdict(int)
    for each in planned:
        counts[each.webhook_id, each.fact.event_id] += 1
    following = {
        key: store_deliveries.take_numbers(db, *key, count) for key, count in counts.items()
    }
    numbers = []
    for each in planned:
        key = each.webhook_id, each.fact.event_id
        numbers.append(following[key])
        following[key] += 1
    return numbers


def make_delivery(
    delivery_id: str,
    webhook_id: ObjectId,
    type_: EventType,
    at: datetime,
    data: Mapping[str, object],
    *,
    event_id: int | None,
    sequence: int,
    holder_id: ObjectId | None,
    now: datetime,
) -> StoredDelivery:
    """Return a delivery that is due at once, with its body."""
    payload = {"type": type_, "timestamp": at, "data": {"sequence": sequence, **data}}
    delivery: StoredDelivery = {
        "_id": ObjectId(),
        "deliveryId": delivery_id,
        "webhookId": webhook_id,
        "type": type_,
        "eventId": event_id,
        "sequence": sequence,
        "body": json.dumps(payload),
        "status": "pending",
        "attempts": 0,
        "pauses": 0,
        "retriedSince": None,
        "dueAt": now,
        "createdAt": now,
    }
    if holder_id:
        delivery["holderId"] = holder_id
    return delivery


def _wake(db: Db, webhook_ids: set[ObjectId], now: datetime) -> None:
    """Let deliveries be sent, and delete those of webhooks that were deleted meanwhile."""
    if not webhook_ids:
        return
    store.wake(db, webhook_ids, now)
    for webhook_id in webhook_ids - store.find_existing_ids(db, webhook_ids):
        store_deliveries.delete_of_webhook(db, webhook_id)
