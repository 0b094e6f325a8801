"""Notifications as they come, for those who listen."""

from collections.abc import Iterable
from datetime import datetime

from bson import ObjectId
from pymongo import ASCENDING

from eventapp.core.database import Db, Document


def since(db: Db, user_ids: Iterable[ObjectId], moment: datetime) -> list[Document]:
    """What these users were told from that time on, oldest first."""
    later = {"$gte": ObjectId.from_datetime(moment)}
    where = {"userId": {"$in": list(user_ids)}, "_id": later}
    return list(db.notifications.find(where).sort("_id", ASCENDING))
