"""Queries on the `memberships` collection: who is in the team of which organizer."""

from typing import cast

from bson import ObjectId
from pymongo import ASCENDING, IndexModel
from pymongo.collection import Collection

from eventapp.core.database import Db
from eventapp.organizers.types import StoredMembership

INDEXES = {
    "memberships": [
        # Also for the memberships of a user.
        IndexModel(
            [("userId", ASCENDING), ("organizerId", ASCENDING)],
            name="member",
            unique=True,
            partialFilterExpression={"userId": {"$type": "objectId"}},
        ),
        IndexModel([("organizerId", ASCENDING), ("_id", ASCENDING)], name="team"),
    ],
}


def _memberships(db: Db) -> Collection[StoredMembership]:
    return cast(Collection[StoredMembership], db.memberships)


def find_of_user(db: Db, user_id: ObjectId) -> list[StoredMembership]:
    """Return the memberships of a user, by the ids of the organizers."""
    found = _memberships(db).find({"userId": user_id})
    return list(found.sort("organizerId", ASCENDING))


def forget_user(db: Db, user_id: ObjectId) -> None:
    """Delete the memberships of a user, and those in the team of the user."""
    _memberships(db).delete_many({"userId": user_id})
    _memberships(db).delete_many({"organizerId": user_id})
