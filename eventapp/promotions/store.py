"""Read and write the promo codes of events.

`inventory.store` also changes `used` and `taken` of a code. Every write here is guarded by the
revision, which every take raises, so it never overwrites a use. It raises `terms`, so that no sale
is based on a code that was changed. It raises neither `__v` nor `changedAt`: nobody but the
organizer can see that a code has changed.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import cast

from eventapp.core.database import Db, Query
from eventapp.events.log_types import LogNote
from eventapp.events.promo_codes import StoredPromoCode
from eventapp.events.types import EventRevision
from eventapp.promotions.types import EventPromoCodes

FIELDS = {
    "eventId": 1,
    "rev": 1,
    "closedUntil": 1,
    "ticketTypes.ticketTypeId": 1,
    "ticketTypes.visibility": 1,
    "promoCodes": 1,
    "nextCodeId": 1,
}


def find_promo_codes(db: Db, event_id: int) -> EventPromoCodes | None:
    """Return the promo codes of an event, None if there is no such event."""
    return cast(EventPromoCodes | None, db.events.find_one({"eventId": event_id}, FIELDS))


def write_if_unchanged(
    db: Db,
    event: EventRevision,
    codes: Mapping[str, StoredPromoCode],
    *,
    removed: Sequence[str] = (),
    next_code_id: int | None = None,
    note: LogNote,
    now: datetime,
) -> bool:
    """Set and remove promo codes if the event is open and has the revision that was read.

    Args:
        codes: the codes to set, by folded code.
        removed: the folded codes to remove.
        next_code_id: the first codeId that the event never used; None if that stays.
        note: the entry of the event's log.

    Returns:
        False, with nothing written, if the event has changed or is closed, or if it holds as many
        entries of its log as it may.
    """
    fields: Query = {f"promoCodes.{key}": code for key, code in codes.items()}
    fields |= note.fields
    if next_code_id is not None:
        fields["nextCodeId"] = next_code_id
    update: Query = {"$set": fields, "$push": note.pushed, "$inc": {"rev": 1, "terms": 1}}
    if removed:
        update["$unset"] = {f"promoCodes.{key}": "" for key in removed}
    is_open = {"closedUntil": {"$not": {"$gt": now}}}
    where = {"eventId": event["eventId"], "rev": event["rev"], **is_open, **note.guard}
    return db.events.update_one(where, update).modified_count == 1
