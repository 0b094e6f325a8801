"""Photos in GridFS: one file for each upload, named by its content, so that any machine serves it.

A file belongs to one `owner`, said in its metadata, and is never shared, so that deleting it can
take nothing from anyone else: the same content uploaded twice is stored twice under one name. It
is there from the moment when its document is, which is written after its chunks and deleted before
them. So what was written or deleted by half is chunks that nobody finds: `drop_orphans`.
"""

from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

from bson import ObjectId
from gridfs import GridFSBucket
from gridfs.errors import CorruptGridFile, FileExists, NoFile
from pymongo import ASCENDING, DESCENDING, IndexModel
from pymongo.errors import OperationFailure

from eventapp.core.database import Db, Document, retry_on_write_conflict

BUCKET = "photos"
FILES, CHUNKS = f"{BUCKET}.files", f"{BUCKET}.chunks"
INDEXES = {
    FILES: [
        IndexModel([("filename", ASCENDING), ("uploadDate", ASCENDING)], name="filename"),
        IndexModel([("metadata.owner", ASCENDING), ("_id", DESCENDING)], name="owner"),
        IndexModel(
            [("metadata.owner", ASCENDING), ("metadata.slot", ASCENDING)],
            name="slot",
            unique=True,
            partialFilterExpression={"metadata.slot": {"$exists": True}},
        ),
    ],
    CHUNKS: [IndexModel([("files_id", ASCENDING), ("n", ASCENDING)], name="files_id", unique=True)],
}
# What an upload may take, by far.
UNDER_WAY = timedelta(hours=1)
BATCH = 1000


def insert(db: Db, photo: Document, data: bytes) -> bool:
    """Add `{_id, sha, owner, ...}` with its bytes. False where its owner's slot is taken.

    Where it fails nothing is found; what is left where the database is away, `drop_orphans` takes.
    """
    try:
        retry_on_write_conflict(lambda: _upload(db, photo, data))
    except FileExists:
        return False
    return True


def _upload(db: Db, photo: Document, data: bytes) -> None:
    metadata = {name: value for name, value in photo.items() if name not in ("_id", "sha")}
    stream = _bucket(db).open_upload_stream_with_id(photo["_id"], photo["sha"], metadata=metadata)
    try:
        stream.write(data)
        stream.close()
    except (FileExists, OperationFailure):
        stream.abort()
        raise


def data(db: Db, sha: str) -> bytes | None:
    """The bytes of this content, whoever's it is."""
    bucket = _bucket(db)
    while True:
        try:
            found = bucket.open_download_stream_by_name(sha)
        except NoFile:
            return None
        try:
            return found.read()
        except CorruptGridFile:
            if db[FILES].find_one({"_id": found._id}, {"_id": 1}):
                raise
            # It was just deleted; another's copy may be there.


def exists(db: Db, sha: str) -> bool:
    return db[FILES].find_one({"filename": sha}, {"_id": 1}) is not None


def of_owner(db: Db, owner: str) -> list[dict[str, Any]]:
    """The owner's photos as they were inserted, without their bytes, newest first."""
    found = db[FILES].find({"metadata.owner": owner}).sort("_id", DESCENDING)
    return [{"_id": file["_id"], "sha": file["filename"], **file["metadata"]} for file in found]


def delete(db: Db, owner: str, photo_id: ObjectId) -> bool:
    """False where the owner has no such photo."""
    if db[FILES].find_one({"_id": photo_id, "metadata.owner": owner}, {"_id": 1}) is None:
        return False
    try:
        _bucket(db).delete(photo_id)
    except NoFile:  # somebody was faster
        return False
    return True


def delete_all(db: Db, owner: str) -> None:
    _delete_each(db, {"metadata.owner": owner})


def delete_kind(db: Db, kind: str) -> int:
    """Delete the photos of all owners of a kind, as `event/...`; how many."""
    return _delete_each(db, {"metadata.owner": {"$gte": f"{kind}/", "$lt": f"{kind}0"}})


def _delete_each(db: Db, where: Document) -> int:
    bucket, deleted = _bucket(db), 0
    for file in db[FILES].find(where, {"_id": 1}):
        with suppress(NoFile):  # somebody was faster
            bucket.delete(file["_id"])
            deleted += 1
    return deleted


def drop_orphans(db: Db, now: datetime) -> int:
    """Delete chunks without a file that are older than UNDER_WAY; of how many photos they were."""
    dropped, last, before = 0, ObjectId(bytes(12)), ObjectId.from_datetime(now - UNDER_WAY)
    while True:
        range_ = {"files_id": {"$gt": last, "$lt": before}}
        found = db[CHUNKS].find(range_, {"_id": 0, "files_id": 1}).sort("files_id").limit(BATCH)
        ids = {chunk["files_id"] for chunk in found}
        if not ids:
            return dropped
        last = max(ids)
        orphans = ids - set(db[FILES].distinct("_id", {"_id": {"$in": list(ids)}}))
        if orphans:
            db[CHUNKS].delete_many({"files_id": {"$in": list(orphans)}})
            dropped += len(orphans)


def _bucket(db: Db) -> GridFSBucket:
    return GridFSBucket(db, BUCKET)
