"""Recognize the formats of photos, limit their size, and render photos for the API."""

import re

from eventapp.media.types import RenderedPhoto, StoredPhoto

MAX_PIXELS = 40_000_000  # of an upload
MAX_SIDE = 2000  # pixels, of a stored photo
GALLERY_LIMIT = 50  # photos
JPEG, PNG, WEBP = "JPEG", "PNG", "WEBP"

_FILE_NAME = re.compile(r"([0-9a-f]{64})\.webp")


def detect_format(data: bytes) -> str | None:
    """Return JPEG, PNG or WEBP by the first bytes of a file, None for any other format."""
    if data.startswith(b"\xff\xd8\xff"):
        return JPEG
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return PNG
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return WEBP
    return None


def read_webp_pixels(data: bytes) -> int:
    """Return the number of pixels that the header of a WebP file claims, 0 if it is malformed.

    This does not use Pillow, because Pillow knows the size only after its decoder has allocated
    memory for two whole pictures. The layout of the headers is defined in RFC 9649 and, for VP8, in
    RFC 6386.
    """
    chunk, header = data[12:16], data[20:30]
    if len(header) < 10:
        return 0
    if chunk == b"VP8X":
        width, height = (
            int.from_bytes(header[start : start + 3], "little") + 1 for start in (4, 7)
        )
    elif chunk == b"VP8L":
        bits = int.from_bytes(header[1:5], "little")
        width, height = (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    elif chunk == b"VP8 ":
        width, height = (
            int.from_bytes(header[start : start + 2], "little") & 0x3FFF for start in (6, 8)
        )
    else:
        return 0
    return width * height


def make_path(photo: StoredPhoto) -> str:
    """Return the URL path of a photo. It names the content, so caches may keep it forever."""
    return f"/images/{photo['sha']}.webp"


def make_image_value(url: str, sha: str | None) -> str:
    """Return what to store as an image: the path of an uploaded photo, or the URL as it is.

    Clients send back the URLs that they were shown. Their host is that of an earlier request, which
    is nothing to keep.

    Args:
        sha: the hash of the photo that the owner of the image has uploaded; None without one.
    """
    path = f"/images/{sha}.webp"
    return path if sha and url.endswith(path) else url


def parse_file_name(file_name: str) -> str | None:
    """Return the `sha` in the file name of an uploaded photo, None for any other file name."""
    match = _FILE_NAME.fullmatch(file_name)
    return match[1] if match else None


def render_photo(photo: StoredPhoto, image_base_url: str) -> RenderedPhoto:
    """Return a photo as the API shows it to its owner.

    Args:
        image_base_url: the beginning of its URL, such as `https://host`.
    """
    return {
        "imageId": photo["_id"],
        "url": image_base_url + make_path(photo),
        "width": photo["width"],
        "height": photo["height"],
        "createdAt": photo["createdAt"],
    }
