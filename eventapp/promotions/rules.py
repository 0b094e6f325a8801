"""Build promo codes from requests, say what is wrong with them, and show them to organizers.

A value is stored as a whole number: hundredths of a percent, or cents. `events.types` describes the
stored form.
"""

from collections.abc import Collection, Mapping
from typing import cast

from eventapp.events.promo_codes import StoredPromoCode
from eventapp.promotions.types import EventPromoCodes, PromoCodePatch, PromoCodeView

MAX_CODES = 200
KINDS = ("percent", "amount", "fixed_price")
# The fields that null removes.
OPTIONAL_FIELDS = ("maxUses", "validFrom", "validUntil", "ticketTypeIds", "unlocks")
# The least and the greatest value of each kind, in hundredths of a percent or in cents.
MAX_CENTS = 100_000_000
VALUE_RANGES = {"percent": (1, 10_000), "amount": (1, MAX_CENTS), "fixed_price": (0, MAX_CENTS)}


def make_promo_code(code_id: int, body: PromoCodePatch) -> StoredPromoCode:
    """Return a new promo code, which nobody has used."""
    new = {"codeId": code_id, "active": True, "used": 0, "taken": False}
    return _set_fields(new, body)


def patch_promo_code(code: StoredPromoCode, patch: PromoCodePatch) -> StoredPromoCode:
    """Return the code after a patch."""
    return _set_fields({**code}, patch)


def _set_fields(code: Mapping[str, object], body: PromoCodePatch) -> StoredPromoCode:
    fields: dict[str, object] = {**code, **body}
    if "value" in body:
        fields["value"] = round(body["value"] * 100)
    if type_ids := body.get("ticketTypeIds"):
        fields["ticketTypeIds"] = sorted(set(type_ids))
    if unlocked := body.get("unlocks"):
        fields["unlocks"] = sorted(set(unlocked))
    removed = {name for name in OPTIONAL_FIELDS if fields.get(name) is None}
    return cast(StoredPromoCode, {n: v for n, v in fields.items() if n not in removed})


def find_code_faults(
    code: StoredPromoCode,
    patch: PromoCodePatch,
    event: EventPromoCodes,
    old: StoredPromoCode | None,
) -> dict[str, list[str]]:
    """Return what is wrong with a code after a patch, by the field at fault.

    Args:
        event: the event of the code.
        old: the code before the patch; None if it is new. A code may keep types that were removed
            since, or that are no longer secret.
    """
    faults: dict[str, list[str]] = {}
    least, greatest = VALUE_RANGES[code["kind"]]
    if "kind" in patch and "value" not in patch:
        faults["value"] = ["Send it together with kind."]
    elif not least <= code["value"] <= greatest:
        faults["value"] = [f"Must be from {least / 100:g} to {greatest / 100:.10g}."]
    window = code.get("validFrom"), code.get("validUntil")
    if window[0] and window[1] and window[1] <= window[0]:
        faults["validUntil"] = ["Must be after validFrom."]
    kept_types = old.get("ticketTypeIds", []) if old else []
    kept_unlocks = old.get("unlocks", []) if old else []
    if set(patch.get("ticketTypeIds") or ()).difference(list_type_ids(event), kept_types):
        faults["ticketTypeIds"] = ["The event has no such ticket type."]
    if set(patch.get("unlocks") or ()).difference(_find_secret_ids(event), kept_unlocks):
        faults["unlocks"] = ["The event has no such secret ticket type."]
    return faults


def find_key(event: EventPromoCodes, code_id: int) -> str | None:
    """Return the folded code with this id; None if the event has none."""
    codes = event.get("promoCodes", {})
    return next((key for key, code in codes.items() if code["codeId"] == code_id), None)


def list_type_ids(event: EventPromoCodes) -> list[int]:
    """Return the ids of the event's ticket types."""
    return [each["ticketTypeId"] for each in event["ticketTypes"]]


def _find_secret_ids(event: EventPromoCodes) -> set[int]:
    types = event["ticketTypes"]
    return {each["ticketTypeId"] for each in types if each.get("visibility") == "secret"}


def present_promo_code(code: StoredPromoCode, type_ids: Collection[int]) -> PromoCodeView:
    """Return a promo code as its organizer sees it.

    A code keeps the ids of ticket types that were removed since. They are never used again, so they
    discount nothing, and are not shown.

    Args:
        type_ids: the ticketTypeIds of the event.
    """
    cents = code["value"]
    discounted, unlocked = code.get("ticketTypeIds"), code.get("unlocks")
    return {
        "codeId": code["codeId"],
        "code": code["code"],
        "kind": code["kind"],
        "value": cents // 100 if cents % 100 == 0 else cents / 100,
        "maxUses": code.get("maxUses"),
        "validFrom": code.get("validFrom"),
        "validUntil": code.get("validUntil"),
        "ticketTypeIds": discounted and [each for each in discounted if each in type_ids],
        "unlocks": unlocked and [each for each in unlocked if each in type_ids],
        "active": code["active"],
        "used": code["used"],
    }
