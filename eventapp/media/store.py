"""The photos collection: one document for each upload, bytes and all.

Not GridFS: a photo re-encoded is far below the 16 MB that a document may have, one document is
read and deleted in one go where GridFS needs several, and GridFS refuses the embedded store. So
both stores have one way. A document belongs to one `owner` and is never shared, so that deleting
it can take nothing from anyone else; the same content uploaded twice is stored twice under one URL.
"""

from typing import Any

from bson import ObjectId
from pymongo import ASCENDING, DESCENDING, IndexModel
from pymongo.errors import DuplicateKeyError

from eventapp.core.mongo import Db, Document, unhindered

INDEXES = {
    "photos": [
        IndexModel([("sha", ASCENDING)], name="sha"),
        IndexModel([("owner", ASCENDING), ("_id", DESCENDING)], name="owner"),
        IndexModel(
            [("owner", ASCENDING), ("slot", ASCENDING)],
            name="slot",
            unique=True,
            partialFilterExpression={"slot": {"$exists": True}},
        ),
    ]
}
NO_BYTES = {"data": 0}


def insert(db: Db, photo: Document) -> bool:
    """Add it. False, with nothing written, where its owner's slot is taken."""
    try:
        unhindered(lambda: db.photos.insert_one(photo))
    except DuplicateKeyError:
        return False
    return True


def data(db: Db, sha: str) -> bytes | None:
    """The bytes of this content, whoever's it is."""
    found: Document | None = db.photos.find_one({"sha": sha}, {"data": 1})
    return bytes(found["data"]) if found else None


def exists(db: Db, sha: str) -> bool:
    return db.photos.find_one({"sha": sha}, {"_id": 1}) is not None


def of_owner(db: Db, owner: str) -> list[dict[str, Any]]:
    """The owner's photos without their bytes, newest first."""
    return list(db.photos.find({"owner": owner}, NO_BYTES).sort("_id", DESCENDING))


def delete(db: Db, owner: str, photo_id: ObjectId) -> bool:
    """False where the owner has no such photo."""
    return db.photos.delete_one({"_id": photo_id, "owner": owner}).deleted_count == 1


def delete_all(db: Db, owner: str) -> None:
    db.photos.delete_many({"owner": owner})
