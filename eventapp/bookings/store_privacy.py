"""All bookings of one person: told to them, and kept without them."""

from bson import ObjectId
from pymongo import DESCENDING

from eventapp.core.database import Db, Document


def all_of(db: Db, user_id: ObjectId) -> list[Document]:
    return list(db.bookings.find({"userId": user_id}).sort("createdAt", DESCENDING))


def forget_user(db: Db, user_id: ObjectId) -> None:
    """Keep the bookings, without the person; each gets a slot of its own, for nobody is nobody."""
    for booking in db.bookings.find({"userId": user_id}, {"_id": 1}):
        nobody = {"userId": None, "slot": f"gone-{booking['_id']}"}
        db.bookings.update_one(
            {"_id": booking["_id"]}, {"$set": nobody, "$unset": {"idempotency": ""}}
        )
