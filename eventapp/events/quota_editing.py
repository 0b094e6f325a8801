"""Edits that add, change and remove quotas, for `editing.edit_event`.

The places of a quota are computed from the cells of the event as it was read. The edit is written
only if nothing was sold since, so a quota may be added or changed while tickets are sold.
"""

from collections.abc import Iterable
from typing import cast

from eventapp.core.errors import ValidationFailed
from eventapp.events.bodies import QuotaInput, QuotaPatch
from eventapp.events.editing import Edit
from eventapp.events.errors import BelowSold, EventBusy, QuotaNotFound
from eventapp.events.quotas import MAX_IDS, MAX_QUOTAS, count_taken
from eventapp.events.stock_types import Quota
from eventapp.events.types import Event, EventPatch


def make_quota_addition(body: QuotaInput) -> Edit:
    """Return the edit that adds a quota.

    It raises BelowSold, ValidationFailed, and EventBusy while the cells are not counted yet.
    """

    def edit(event: Event) -> EventPatch:
        quotas, quota_id = event.get("quotas", []), event.get("nextQuotaId", 1)
        if len(quotas) >= MAX_QUOTAS:
            message = f"At most {MAX_QUOTAS} quotas"
            raise ValidationFailed(message, errors={"quotas": [message]})
        capacity = body["capacity"]
        new: Quota = {
            "quotaId": quota_id,
            "name": body["name"],
            "capacity": capacity,
            "availableTickets": capacity,
            "waiting": 0,
        }
        if (type_ids := body.get("ticketTypeIds")) is not None:
            new["ticketTypeIds"] = type_ids
        if (schedule_ids := body.get("scheduleIds")) is not None:
            new["scheduleIds"] = schedule_ids
        return {"quotas": [*quotas, _count_places(event, new)], "nextQuotaId": quota_id + 1}

    return edit


def make_quota_patch(quota_id: int, patch: QuotaPatch) -> Edit:
    """Return the edit that patches a quota; null for a list makes the quota match all.

    It raises QuotaNotFound and what `make_quota_addition` raises.
    """

    def edit(event: Event) -> EventPatch:
        quotas = list(event.get("quotas", []))
        index = _find_index(quotas, quota_id)
        changed = {
            name: value for name, value in {**quotas[index], **patch}.items() if value is not None
        }
        quotas[index] = _count_places(event, cast(Quota, changed))
        return {"quotas": quotas}

    return edit


def make_quota_removal(quota_id: int) -> Edit:
    """Return the edit that removes a quota. It raises QuotaNotFound."""

    def edit(event: Event) -> EventPatch:
        quotas = event.get("quotas", [])
        index = _find_index(quotas, quota_id)
        return {"quotas": [*quotas[:index], *quotas[index + 1 :]]}

    return edit


def _find_index(quotas: Iterable[Quota], quota_id: int) -> int:
    for index, quota in enumerate(quotas):
        if quota["quotaId"] == quota_id:
            return index
    raise QuotaNotFound


def _count_places(event: Event, quota: Quota) -> Quota:
    """Return the quota with the places that what is sold and held leaves."""
    _refuse_wrong_lists(event, quota)
    if not event.get("cellsCounted"):
        raise EventBusy
    taken = count_taken(quota, event.get("cells", {}))
    if quota["capacity"] < taken:
        raise BelowSold(least=taken)
    return {**quota, "availableTickets": quota["capacity"] - taken}


def _refuse_wrong_lists(event: Event, quota: Quota) -> None:
    """Refuse ids that the event does not have, ids named twice, empty lists, and too many ids.

    Raises:
        ValidationFailed: names the list at fault.
    """
    known = {
        "ticketTypeIds": ({each["ticketTypeId"] for each in event["ticketTypes"]}, "ticket type"),
        "scheduleIds": ({each["scheduleId"] for each in event["schedule"]}, "entry"),
    }
    total = 0
    for name, (ids, what) in known.items():
        listed = cast(list[int] | None, quota.get(name))
        if listed is None:
            continue
        total += len(listed)
        fault = _find_list_fault(listed, ids, what)
        if not fault and total > MAX_IDS:
            fault = f"The lists of a quota hold at most {MAX_IDS} ids together."
        if fault:
            raise ValidationFailed(f"Invalid {name}", errors={name: [fault]})


def _find_list_fault(listed: list[int], known: set[int], what: str) -> str | None:
    if not listed:
        return "An empty list matches nothing. Leave it out to match all."
    if len(set(listed)) < len(listed):
        return "An id is named twice."
    return f"The event has no such {what}." if set(listed) - known else None
