"""Who is told something, and where."""

from collections.abc import Iterable

from bson import ObjectId

from eventapp.accounts import store
from eventapp.core.database import Db
from eventapp.notifications.types import Recipient


def contacts(db: Db, user_ids: Iterable[ObjectId]) -> dict[ObjectId, Recipient]:
    """Who is told something, and where, of those of these accounts that exist."""
    asked = list(user_ids)
    found = store.find_contacts(db, asked) if asked else []
    return {user["_id"]: Recipient(user["_id"], user["name"], user["email"]) for user in found}
