"""Photos, and the GridFS documents that contain them. All times are aware and in UTC."""

from dataclasses import dataclass
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


@dataclass(frozen=True)
class PhotoHeader:
    """What a file says about the photo in it, before the photo is decoded.

    Attributes:
        file_format: JPEG, PNG or WEBP.
        width: pixels.
        height: pixels.
        channels: colors and transparency of each pixel, 1 to 4.
        bytes_per_channel: 1, or 2 for a PNG of 16 bits.
        page_count: 1, or the number of pictures in an animated WebP.
        is_progressive: True for an interlaced PNG and for a JPEG of several scans.
        has_small_chroma: True for a JPEG whose two color channels have a quarter of the pixels.
    """

    file_format: str | None
    width: int
    height: int
    channels: int
    bytes_per_channel: int
    page_count: int
    is_progressive: bool
    has_small_chroma: bool


class RenderedPhoto(TypedDict):
    """A photo as the API shows it to its owner."""

    imageId: ObjectId
    url: str
    width: int  # pixels
    height: int  # pixels
    createdAt: datetime
