"""Say who made a booking or waits for tickets, to those who manage the event.

The holders of older versions did not know that organizers see their names. Their bookings and
waitlist entries have no `holderIsShown`, and their names are not shown.
"""

from collections.abc import Iterable, Mapping
from typing import cast

from bson import ObjectId

from eventapp.accounts import service as accounts
from eventapp.bookings.types import HolderView
from eventapp.core.database import Db

Holders = Mapping[ObjectId, HolderView]


def find_holders(db: Db, documents: Iterable[Mapping[str, object]]) -> Holders:
    """Return the holders of bookings or waitlist entries who are shown, by user id.

    Args:
        documents: as they are stored, with `userId` and `holderIsShown`.
    """
    user_ids = {each.get("userId") for each in documents if each.get("holderIsShown")}
    found = accounts.find_recipients(db, cast(set[ObjectId], user_ids - {None}))
    return {
        user_id: {"name": user.name, "email": user.email}
        for user_id, user in found.items()
        if user.name is not None and user.email is not None
    }


def show_holder(document: Mapping[str, object], holders: Holders) -> HolderView | None:
    """Return the holder of a booking or waitlist entry; None if the account is deleted, or the
    holder is not shown.
    """
    if not document.get("holderIsShown"):
        return None
    return holders.get(cast(ObjectId, document.get("userId")))
