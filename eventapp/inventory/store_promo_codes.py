"""Read the uses of promo codes, and guard the update of `inventory.store` that takes them."""

from collections.abc import Mapping
from typing import cast

from eventapp.core.database import Db, Query
from eventapp.events.types import InFlightState, SaleState
from eventapp.inventory import store


def find_code_with_entries(db: Db, event_id: int, promo_code: str) -> InFlightState | None:
    """Return the sale state of the event with a promo code and the in-flight entries."""
    fields = {**store.FIELDS_WITH_ENTRIES, f"promoCodes.{promo_code}": 1}
    return cast(InFlightState | None, db.events.find_one({"eventId": event_id}, fields))


def build_promo_guards(event: SaleState, uses: Mapping[str, int]) -> Query:
    """Return the guards of the promo codes that a take uses: each still has as many uses left.

    Whether a code exists and is valid is part of `terms`, which every change of a code raises.

    Args:
        uses: how many uses the take needs, by folded code.
    """
    codes = event.get("promoCodes", {})
    return {
        f"promoCodes.{key}.used": {"$lte": codes[key]["maxUses"] - number}
        for key, number in uses.items()
        if "maxUses" in codes[key]
    }
