"""Store, serve and delete uploaded photos.

Each photo belongs to one owner: `user/<id>` (the photo of a profile), `gallery/<user id>` or
`event/<eventId>`. A profile or an event that gets a new photo sets the photo's id and URL in one
write, and then deletes the photo that this write replaced. So after two simultaneous uploads,
exactly the photo that is shown is kept.
"""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING

from bson import ObjectId

from eventapp.core.database import Db
from eventapp.core.json import JsonObject
from eventapp.core.slots import iterate_free_slots
from eventapp.due_work.service import DueRun
from eventapp.media import rules, store
from eventapp.media.errors import GalleryFull, PhotoNotFound
from eventapp.media.types import RenderedPhoto, StoredPhoto

if TYPE_CHECKING:
    from eventapp.media.encoding import EncodedPhoto

EVENT_OWNER_TYPE = "event"


def make_profile_owner(user_id: ObjectId) -> str:
    """Return the owner of the photo of a user's profile."""
    return f"user/{user_id}"


def make_event_owner(event_id: int) -> str:
    """Return the owner of the photo of an event."""
    return f"{EVENT_OWNER_TYPE}/{event_id}"


def _make_gallery_owner(user_id: ObjectId) -> str:
    return f"gallery/{user_id}"


def store_photo(db: Db, owner: str, file: bytes, now: datetime) -> StoredPhoto:
    """Re-encode an uploaded photo and store it for an owner.

    Args:
        file: the bytes of the upload.

    Raises:
        NotAPhoto, AnimatedPhoto, DamagedPhoto, TooManyPixels, PhotosBusy: see `encode_photo`.
    """
    encoded = _encode(file)
    photo = _make_photo(owner, encoded, now)
    store.insert(db, photo, encoded.data)
    return photo


@contextmanager
def store_photo_to_show(
    db: Db, owner: str, file: bytes, now: datetime, *, is_shown: Callable[[ObjectId], bool]
) -> Iterator[StoredPhoto]:
    """Store an uploaded photo for a block that makes its owner show it.

    If the block fails, the photo is deleted, unless the owner shows it. After an error of the
    database it may.

    Args:
        file: the bytes of the upload.
        is_shown: returns whether the owner shows the photo with this id.

    Raises:
        NotAPhoto, AnimatedPhoto, DamagedPhoto, TooManyPixels, PhotosBusy: see `encode_photo`.
    """
    photo = store_photo(db, owner, file, now)
    with _delete_unless_shown(db, owner, photo, is_shown):
        yield photo


@contextmanager
def copy_photo_to_show(
    db: Db,
    photo_id: ObjectId,
    *,
    from_owner: str,
    owner: str,
    now: datetime,
    is_shown: Callable[[ObjectId], bool],
) -> Iterator[StoredPhoto | None]:
    """Copy a photo for a block that makes another owner show the copy.

    The block gets None if `from_owner` does not have the photo any more. If the block fails, the
    copy is deleted as in `store_photo_to_show`.
    """
    found = [each for each in store.find_by_owner(db, from_owner) if each["_id"] == photo_id]
    data = store.read(db, found[0]["sha"]) if found else None
    if data is None:
        yield None
        return
    copied: StoredPhoto = {**found[0], "_id": ObjectId(), "owner": owner, "createdAt": now}
    store.insert(db, copied, data)
    with _delete_unless_shown(db, owner, copied, is_shown):
        yield copied


@contextmanager
def _delete_unless_shown(
    db: Db, owner: str, photo: StoredPhoto, is_shown: Callable[[ObjectId], bool]
) -> Iterator[None]:
    """Delete a new photo if the block fails, unless its owner shows it."""
    is_done = False
    try:
        yield
        is_done = True
    finally:
        if not is_done and not is_shown(photo["_id"]):
            store.delete(db, owner, photo["_id"])


def _encode(file: bytes) -> "EncodedPhoto":
    # libvips takes 8 MB, which a process needs from its first photo on.
    from eventapp.media.encoding import encode_photo

    return encode_photo(file)


def _make_photo(owner: str, encoded: "EncodedPhoto", now: datetime) -> StoredPhoto:
    return {
        "_id": ObjectId(),
        "owner": owner,
        "sha": hashlib.sha256(encoded.data).hexdigest(),
        "width": encoded.width,
        "height": encoded.height,
        "createdAt": now,
    }


def delete_photo(db: Db, owner: str, photo_id: ObjectId | None) -> None:
    """Delete a photo that its owner no longer shows; do nothing if the id is None."""
    if photo_id is not None:
        store.delete(db, owner, photo_id)


def delete_photos(db: Db, owner: str) -> None:
    """Delete all photos of an owner."""
    store.delete_by_owner(db, owner)


def count_event_photos(db: Db) -> int:
    """Return how many photos of events there are."""
    return store.count_by_owner_type(db, EVENT_OWNER_TYPE)


def delete_event_photos(db: Db) -> int:
    """Delete the photos of all events, and return how many."""
    return store.delete_by_owner_type(db, EVENT_OWNER_TYPE)


def delete_orphaned_chunks(db: Db, now: datetime) -> int:
    """Delete the remains of interrupted uploads and deletions.

    Returns:
        The number of photos whose remains were deleted.
    """
    run, deleted = DueRun(db, "orphaned photo", now), 0
    for ids in store.iterate_orphaned_ids(db, now):
        deleted += run.process(
            [id_ for id_ in ids if id_ not in run.waiting],
            get_key=lambda id_: id_,
            handle=lambda id_: store.delete_chunks(db, [id_]),
            handle_together=lambda batch: store.delete_chunks(db, batch),
        )
    run.forget_absent()
    return deleted


def make_path(photo: StoredPhoto) -> str:
    """Return the URL path of a photo."""
    return rules.make_path(photo)


def make_image_value(url: str, sha: str | None) -> str:
    """Return what to store as an image: the path of an uploaded photo, or the URL as it is.

    Args:
        sha: the hash of the photo that the owner of the image has uploaded; None without one.
    """
    return rules.make_image_value(url, sha)


def parse_file_name(file_name: str) -> str | None:
    """Return the `sha` in the file name of an uploaded photo, None for any other file name."""
    return rules.parse_file_name(file_name)


def read_photo(db: Db, sha: str) -> bytes:
    """Return the bytes of a photo.

    Raises:
        PhotoNotFound: there is no photo with this content.
    """
    data = store.read(db, sha)
    if data is None:
        raise PhotoNotFound
    return data


def require_photo(db: Db, sha: str) -> None:
    """Raise PhotoNotFound if there is no photo with this content."""
    if not store.exists(db, sha):
        raise PhotoNotFound


def list_gallery(db: Db, user_id: ObjectId, image_base_url: str) -> list[RenderedPhoto]:
    """Return the photos of a user's gallery, newest first.

    Args:
        image_base_url: the beginning of their URLs, such as `https://host`.
    """
    photos = store.find_by_owner(db, _make_gallery_owner(user_id))
    return [rules.render_photo(photo, image_base_url) for photo in photos]


def add_to_gallery(
    db: Db, user_id: ObjectId, file: bytes, *, now: datetime, image_base_url: str
) -> RenderedPhoto:
    """Re-encode an uploaded photo and add it to a user's gallery.

    Each photo takes one of GALLERY_LIMIT slots, and a unique index lets only one photo have a
    slot. So simultaneous uploads cannot exceed the limit.

    Args:
        file: the bytes of the upload.
        image_base_url: the beginning of the photo's URL, such as `https://host`.

    Raises:
        GalleryFull: the gallery has no free slot.
        NotAPhoto, AnimatedPhoto, DamagedPhoto, TooManyPixels, PhotosBusy: see `encode_photo`.
    """
    owner = _make_gallery_owner(user_id)
    find_taken = partial(_find_taken_slots, db, owner)
    if len(find_taken()) >= rules.GALLERY_LIMIT:  # It is refused before the photo is decoded.
        raise GalleryFull
    encoded = _encode(file)
    photo = _make_photo(owner, encoded, now)
    for slot in iterate_free_slots(rules.GALLERY_LIMIT, find_taken):
        if store.insert(db, {**photo, "slot": slot}, encoded.data):
            return rules.render_photo(photo, image_base_url)
    raise GalleryFull


def _find_taken_slots(db: Db, owner: str) -> set[int]:
    return {photo["slot"] for photo in store.find_by_owner(db, owner)}


def delete_from_gallery(db: Db, user_id: ObjectId, photo_id: ObjectId) -> None:
    """Delete a photo from a user's gallery.

    Raises:
        PhotoNotFound: the gallery has no such photo.
    """
    if not store.delete(db, _make_gallery_owner(user_id), photo_id):
        raise PhotoNotFound


def forget_user(db: Db, user_id: ObjectId) -> None:
    """Delete the photos of a deleted user."""
    store.delete_by_owner(db, make_profile_owner(user_id))
    store.delete_by_owner(db, _make_gallery_owner(user_id))


def export_user(db: Db, user_id: ObjectId) -> JsonObject:
    """Return the photos of a user, as `photos` (of the profile) and `gallery`."""
    profile = store.find_by_owner(db, make_profile_owner(user_id))
    return {
        "photos": [rules.render_photo(photo, "") for photo in profile],
        "gallery": list_gallery(db, user_id, ""),
    }
