"""The photos of a person: one of the profile, and a gallery."""

from datetime import datetime
from typing import Any

from bson import ObjectId

from eventapp.accounts import store_photos
from eventapp.accounts.errors import UserNotFound
from eventapp.accounts.service import get
from eventapp.core.database import Db, Document
from eventapp.media import service as media


def set_photo(
    db: Db, user_id: ObjectId, file: bytes, *, now: datetime, image_base_url: str
) -> Document:
    """The account after showing the photo in this file; the one before it is deleted.

    Raises:
        UserNotFound, and what `media.keep` refuses with: nothing is written.
    """
    get(db, user_id)
    owner = media.users(user_id)
    photo = media.keep(db, owner, file, now)
    shown = {"_id": photo["_id"], "sha": photo["sha"]}
    url = image_base_url + media.path_of(photo)
    before = store_photos.show(db, user_id, url=url, photo=shown, now=now)
    if before is None:  # deleted meanwhile
        media.forget_user(db, user_id)
        raise UserNotFound
    media.let_go(db, owner, before.get("photo", {}).get("_id"))
    return get(db, user_id)


def gallery(db: Db, user_id: ObjectId, image_base_url: str) -> list[dict[str, Any]]:
    """The images of the person's gallery, newest first. UserNotFound."""
    get(db, user_id)
    return media.gallery(db, user_id, image_base_url)


def add_to_gallery(
    db: Db, user_id: ObjectId, file: bytes, *, now: datetime, image_base_url: str
) -> dict[str, Any]:
    """Add the photo in this file. UserNotFound, GalleryFull, and as `media.keep`."""
    get(db, user_id)
    return media.add_to_gallery(db, user_id, file, now=now, image_base_url=image_base_url)


def delete_from_gallery(db: Db, user_id: ObjectId, image_id: ObjectId) -> None:
    """UserNotFound, PhotoNotFound."""
    get(db, user_id)
    media.delete_from_gallery(db, user_id, image_id)
