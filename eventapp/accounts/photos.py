"""Set the photo of a profile, and list, add and delete the images of a user's gallery."""

from datetime import datetime
from functools import partial

from bson import ObjectId

from eventapp.accounts import store
from eventapp.accounts.errors import UserNotFound
from eventapp.accounts.service import get_user
from eventapp.accounts.types import ProfilePhoto, StoredUser
from eventapp.core.database import Db
from eventapp.media import service as media
from eventapp.media.types import RenderedPhoto


def set_profile_photo(db: Db, user_id: ObjectId, file: bytes, now: datetime) -> StoredUser:
    """Store an uploaded photo and show it in the profile. The previous photo is deleted.

    Args:
        file: the bytes of the upload: JPEG, PNG or WebP.

    Returns:
        The account after the write.

    Raises:
        UserNotFound: there is no account with this id.
        AppError: the file is refused, see `media.store_photo`. After any error, the new photo is
            deleted unless the profile shows it.
    """
    get_user(db, user_id)
    owner = media.make_profile_owner(user_id)
    is_shown = partial(_shows_photo, db, user_id)
    with media.store_photo_to_show(db, owner, file, now, is_shown=is_shown) as stored:
        photo: ProfilePhoto = {"_id": stored["_id"], "sha": stored["sha"]}
        path = media.make_path(stored)
        previous = store.set_photo(db, user_id, path=path, photo=photo, now=now)
    if previous is None:  # The account was deleted in the meantime.
        media.forget_user(db, user_id)
        raise UserNotFound
    if "photo" in previous:
        media.delete_photo(db, owner, previous["photo"]["_id"])
    return get_user(db, user_id)


def _shows_photo(db: Db, user_id: ObjectId, photo_id: ObjectId) -> bool:
    user = store.find(db, user_id)
    return user is not None and "photo" in user and user["photo"]["_id"] == photo_id


def list_gallery(db: Db, user_id: ObjectId, image_base_url: str) -> list[RenderedPhoto]:
    """Return the images of a user's gallery, newest first.

    Raises:
        UserNotFound: there is no account with this id.
    """
    get_user(db, user_id)
    return media.list_gallery(db, user_id, image_base_url)


def add_to_gallery(
    db: Db, user_id: ObjectId, file: bytes, *, now: datetime, image_base_url: str
) -> RenderedPhoto:
    """Add an uploaded photo to a user's gallery and return it as the API shows it.

    Raises:
        UserNotFound: there is no account with this id.
        AppError: the gallery is full or the file is refused, see `media.add_to_gallery`.
    """
    get_user(db, user_id)
    return media.add_to_gallery(db, user_id, file, now=now, image_base_url=image_base_url)


def delete_from_gallery(db: Db, user_id: ObjectId, image_id: ObjectId) -> None:
    """Delete an image from a user's gallery.

    Raises:
        UserNotFound: there is no account with this id.
        PhotoNotFound: the gallery has no such image.
    """
    get_user(db, user_id)
    media.delete_from_gallery(db, user_id, image_id)
