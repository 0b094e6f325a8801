"""The photo of a profile: its URL and its id change in one write."""

from datetime import datetime

from bson import ObjectId
from pymongo import ReturnDocument

from eventapp.core.database import Db, Document


def show(db: Db, user_id: ObjectId, *, url: str, photo: Document, now: datetime) -> Document | None:
    """Show this photo; the account as it was before it, None where there is none."""
    change = {"userImg": url, "photo": photo, "updatedAt": now}
    before: Document | None = db.users.find_one_and_update(
        {"_id": user_id}, {"$set": change}, return_document=ReturnDocument.BEFORE
    )
    return before
