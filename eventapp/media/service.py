"""Photos kept, served and let go.

Each belongs to an owner: `user/<id>` (the profile's), `gallery/<id>`, `event/<eventId>`. A profile
or an event that gets a new one notes its id in the same write that sets the URL, and lets go of
the one that this write replaced: of two uploads at once, whichever is shown at last is kept.
"""

import hashlib
from datetime import datetime
from typing import Any

from bson import ObjectId

from eventapp.core.database import Db, Document
from eventapp.media import rules, store
from eventapp.media.encoding import Encoded, encode
from eventapp.media.errors import GalleryFull, PhotoNotFound

SLOT_ATTEMPTS = 100
EVENT = "event"


def users(user_id: ObjectId) -> str:
    return f"user/{user_id}"


def events(event_id: int) -> str:
    return f"{EVENT}/{event_id}"


def _gallery(user_id: ObjectId) -> str:
    return f"gallery/{user_id}"


def keep(db: Db, owner: str, file: bytes, now: datetime) -> Document:
    """Store the photo in this file; `{_id, sha, width, height, createdAt}`.

    Raises:
        NotAPhoto, AnimatedPhoto, DamagedPhoto, TooManyPixels, PhotosBusy: nothing is written.
    """
    encoded = encode(file)
    photo = _photo(owner, encoded, now)
    store.insert(db, photo, encoded.data)
    return photo


def _photo(owner: str, encoded: Encoded, now: datetime) -> Document:
    return {
        "_id": ObjectId(),
        "owner": owner,
        "sha": hashlib.sha256(encoded.data).hexdigest(),
        "width": encoded.width,
        "height": encoded.height,
        "createdAt": now,
    }


def let_go(db: Db, owner: str, photo_id: ObjectId | None) -> None:
    """Delete a photo that its owner no longer shows; None where there was none."""
    if photo_id is not None:
        store.delete(db, owner, photo_id)


def forget(db: Db, owner: str) -> None:
    """Delete all photos of an owner that is gone."""
    store.delete_all(db, owner)


def forget_events(db: Db) -> int:
    """After all events are deleted: their photos go too; how many."""
    return store.delete_kind(db, EVENT)


def drop_orphans(db: Db, now: datetime) -> int:
    """Delete what is left of uploads and deletions that were cut off; of how many photos."""
    return store.drop_orphans(db, now)


def path_of(photo: Document) -> str:
    return rules.path_of(photo["sha"])


def sha_of(file: str) -> str | None:
    """The content that a file of /images names, None where it is no uploaded one."""
    return rules.sha_of(file)


def read(db: Db, sha: str) -> bytes:
    """The bytes of a photo. PhotoNotFound."""
    found = store.data(db, sha)
    if found is None:
        raise PhotoNotFound
    return found


def refuse_missing(db: Db, sha: str) -> None:
    """PhotoNotFound where nobody has this content."""
    if not store.exists(db, sha):
        raise PhotoNotFound


def gallery(db: Db, user_id: ObjectId, image_base_url: str) -> list[dict[str, Any]]:
    """The images of a person's gallery, newest first."""
    return [rules.view(photo, image_base_url) for photo in store.of_owner(db, _gallery(user_id))]


def add_to_gallery(
    db: Db, user_id: ObjectId, file: bytes, *, now: datetime, image_base_url: str
) -> dict[str, Any]:
    """Add the photo in this file to a gallery of at most 50. GalleryFull, and as `keep`.

    Each takes one of 50 places that a unique index guards, so that no rush of uploads fits more.
    """
    owner = _gallery(user_id)
    _free_place(db, owner)  # before the work of decoding
    encoded = encode(file)
    photo = _photo(owner, encoded, now)
    for _attempt in range(SLOT_ATTEMPTS):
        if store.insert(db, {**photo, "slot": _free_place(db, owner)}, encoded.data):
            return rules.view(photo, image_base_url)
    raise GalleryFull


def _free_place(db: Db, owner: str) -> int:
    taken = {photo["slot"] for photo in store.of_owner(db, owner)}
    free = set(range(rules.GALLERY_LIMIT)) - taken
    if not free:
        raise GalleryFull
    return min(free)


def delete_from_gallery(db: Db, user_id: ObjectId, image_id: ObjectId) -> None:
    """PhotoNotFound where the gallery has no such image."""
    if not store.delete(db, _gallery(user_id), image_id):
        raise PhotoNotFound


def forget_user(db: Db, user_id: ObjectId) -> None:
    """After a user is deleted: the photos go too."""
    store.delete_all(db, users(user_id))
    store.delete_all(db, _gallery(user_id))


def export_user(db: Db, user_id: ObjectId) -> dict[str, Any]:
    """What is stored here about the person."""
    profile = [rules.view(photo, "") for photo in store.of_owner(db, users(user_id))]
    return {"photos": profile, "gallery": gallery(db, user_id, "")}
