"""Photos in GridFS: one file for each upload, named by its content.

Each file belongs to exactly one owner, which its metadata names. Content that was uploaded twice is
stored twice, under the same name. So deleting the file of one owner never affects another owner.

Invariant: a photo exists as long as its document in FILES does. An upload writes the chunks first
and the document second, and a deletion deletes the document first. So an interrupted upload or
deletion leaves only chunks that no read finds. The worker deletes them (`iterate_orphaned_ids`).
"""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import cast

from bson import ObjectId
from gridfs import GridFSBucket
from gridfs.errors import CorruptGridFile, FileExists, NoFile
from pymongo import ASCENDING, DESCENDING, IndexModel
from pymongo.collection import Collection
from pymongo.errors import OperationFailure

from eventapp.core.database import Db, Query, retry_on_write_conflict
from eventapp.media.types import PhotoFile, StoredPhoto

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
# Chunks younger than this may belong to an upload that is still running. No upload takes that long.
UPLOAD_TIMEOUT = timedelta(hours=1)
# How many chunks are looked at in one query when orphaned chunks are searched.
CHUNKS_PER_BATCH = 1000


def _files(db: Db) -> Collection[PhotoFile]:
    return cast(Collection[PhotoFile], db[FILES])


def _bucket(db: Db) -> GridFSBucket:
    return GridFSBucket(db, BUCKET)


def insert(db: Db, photo: StoredPhoto, data: bytes) -> bool:
    """Store a photo with its bytes.

    If it fails, the photo does not exist. Chunks stay behind only if the database is unavailable.

    Returns:
        False, with nothing stored, if its owner has a photo in the same slot.
    """
    try:
        retry_on_write_conflict(lambda: _upload(db, photo, data))
    except FileExists:
        return False
    return True


def _upload(db: Db, photo: StoredPhoto, data: bytes) -> None:
    metadata = {name: value for name, value in photo.items() if name not in ("_id", "sha")}
    stream = _bucket(db).open_upload_stream_with_id(photo["_id"], photo["sha"], metadata=metadata)
    try:
        stream.write(data)
        stream.close()
    except (FileExists, OperationFailure):
        stream.abort()
        raise


def read(db: Db, sha: str) -> bytes | None:
    """Return the bytes of a photo with this content, of any owner; None if there is none.

    Raises:
        CorruptGridFile: chunks of an existing photo are missing or damaged.
    """
    bucket = _bucket(db)
    while True:
        try:
            file = bucket.open_download_stream_by_name(sha)
        except NoFile:
            return None
        try:
            return file.read()
        except CorruptGridFile:
            if _files(db).find_one({"_id": file._id}, {"_id": 1}):
                raise
            # The photo was deleted during the read. Another owner may have the same content.


def exists(db: Db, sha: str) -> bool:
    """Return True if an owner has a photo with this content."""
    return _files(db).find_one({"filename": sha}, {"_id": 1}) is not None


def find_by_owner(db: Db, owner: str) -> list[StoredPhoto]:
    """Return the photos of an owner, newest first."""
    files = _files(db).find({"metadata.owner": owner}).sort("_id", DESCENDING)
    return [{"_id": file["_id"], "sha": file["filename"], **file["metadata"]} for file in files]


def delete(db: Db, owner: str, photo_id: ObjectId) -> bool:
    """Delete a photo of an owner. Return False if the owner has no such photo."""
    if _files(db).find_one({"_id": photo_id, "metadata.owner": owner}, {"_id": 1}) is None:
        return False
    try:
        _bucket(db).delete(photo_id)
    except NoFile:  # Another call has deleted it.
        return False
    return True


def delete_by_owner(db: Db, owner: str) -> None:
    """Delete all photos of an owner."""
    _delete_each(db, {"metadata.owner": owner})


def delete_by_owner_type(db: Db, owner_type: str) -> int:
    """Delete the photos of all owners of one type, and return how many.

    Args:
        owner_type: the part of the owner before the slash, such as `event`.
    """
    return _delete_each(db, _build_owner_type_filter(owner_type))


def count_by_owner_type(db: Db, owner_type: str) -> int:
    """Return how many photos `delete_by_owner_type` would delete."""
    return _files(db).count_documents(_build_owner_type_filter(owner_type))


def _build_owner_type_filter(owner_type: str) -> Query:
    # The character after "/" is "0".
    return {"metadata.owner": {"$gte": f"{owner_type}/", "$lt": f"{owner_type}0"}}


def _delete_each(db: Db, where: Query) -> int:
    bucket, deleted = _bucket(db), 0
    for file in _files(db).find(where, {"_id": 1}):
        with suppress(NoFile):  # Another call has deleted it.
            bucket.delete(file["_id"])
            deleted += 1
    return deleted


def iterate_orphaned_ids(db: Db, now: datetime) -> Iterator[list[ObjectId]]:
    """Yield the ids of photos that have chunks older than UPLOAD_TIMEOUT, but no file."""
    last_id = ObjectId(bytes(12))
    end_id = ObjectId.from_datetime(now - UPLOAD_TIMEOUT)
    while True:
        where = {"files_id": {"$gt": last_id, "$lt": end_id}}
        chunks = db[CHUNKS].find(where, {"_id": 0, "files_id": 1}).sort("files_id")
        ids = {chunk["files_id"] for chunk in chunks.limit(CHUNKS_PER_BATCH)}
        if not ids:
            return
        last_id = max(ids)
        yield sorted(ids - set(_files(db).distinct("_id", {"_id": {"$in": list(ids)}})))


def delete_chunks(db: Db, ids: Sequence[ObjectId]) -> int:
    """Delete the chunks of these photos; return how many photos that are."""
    if ids:
        db[CHUNKS].delete_many({"files_id": {"$in": list(ids)}})
    return len(ids)
