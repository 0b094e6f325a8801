"""Photos, and the GridFS documents that contain them. All times are aware and in UTC."""

from datetime import datetime
from typing import NotRequired, TypedDict

from bson import ObjectId


class PhotoMetadata(TypedDict):
    """The metadata of a photo's file in GridFS."""

    owner: str  # `user/<id>` for a profile, `gallery/<user id>` or `event/<eventId>`
    width: int  # pixels
    height: int  # pixels
    createdAt: datetime
    slot: NotRequired[int]  # 0 to 49, unique within a gallery; absent for other owners


class StoredPhoto(PhotoMetadata):
    """A photo without its bytes."""

    _id: ObjectId  # of its file in GridFS
    sha: str  # SHA-256 of its bytes, 64 hexadecimal digits: the file's name, and part of its URL


class PhotoFile(TypedDict):
    """A document of the `photos.files` collection, in the layout of GridFS."""

    _id: ObjectId
    filename: str  # the photo's `sha`
    metadata: PhotoMetadata
    length: int  # bytes
    chunkSize: int  # bytes
    uploadDate: datetime


class RenderedPhoto(TypedDict):
    """A photo as the API shows it to its owner."""

    imageId: ObjectId
    url: str
    width: int  # pixels
    height: int  # pixels
    createdAt: datetime
