"""Recognize the formats of photos, limit their size, and render photos for the API."""

import re

from eventapp.media.types import PhotoHeader, RenderedPhoto, StoredPhoto

# The limits of an upload. Its longest side is the longest that a JPEG can have.
MAX_PIXELS, MAX_UPLOAD_SIDE = 40_000_000, 65_535
MAX_SIDE = 2000  # pixels, of a stored photo
GALLERY_LIMIT = 50  # photos
JPEG, PNG, WEBP = "JPEG", "PNG", "WEBP"
# Of a progressive JPEG and an interlaced PNG, which are decoded as a whole. Shrinking a PNG takes
# up to 115 MB more, and shrinking a JPEG 30 MB.
MAX_DECODED_BYTES = {JPEG: 180_000_000, PNG: 120_000_000}

_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_FILE_NAME = re.compile(r"([0-9a-f]{64})\.webp")


def detect_format(data: bytes) -> str | None:
    """Return JPEG, PNG or WEBP by the first bytes of a file, None for any other format."""
    if data.startswith(b"\xff\xd8\xff"):
        return JPEG
    if data.startswith(_PNG_SIGNATURE):
        return PNG
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return WEBP
    return None


def read_size(data: bytes) -> tuple[int, int]:
    """Return the width and height that the header of a PNG or WebP claims, in pixels.

    The decoders know the size only after they have checked more of the file, and refuse some sizes
    as damaged.

    Returns:
        0 and 0 for a JPEG, whose size stands nowhere fixed, and for a malformed header.
    """
    if data.startswith(_PNG_SIGNATURE) and data[12:16] == b"IHDR":
        return int.from_bytes(data[16:20]), int.from_bytes(data[20:24])
    return _read_webp_size(data) if detect_format(data) == WEBP else (0, 0)


def _read_webp_size(data: bytes) -> tuple[int, int]:
    """Return the width and height in the header of a WebP, 0 and 0 if it is malformed.

    The layout of the headers is defined in RFC 9649 and, for VP8, in RFC 6386.
    """
    chunk, header = data[12:16], data[20:30]
    if len(header) < 10:
        return 0, 0
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
        return 0, 0
    return width, height


def is_too_large(width: int, height: int) -> bool:
    """Return True if a photo has too many pixels or too long a side."""
    return width * height > MAX_PIXELS or max(width, height) > MAX_UPLOAD_SIDE


def is_too_costly(header: PhotoHeader) -> bool:
    """Return True if a photo takes more than MAX_DECODED_BYTES while it is decoded.

    The decoders keep only some rows of most files, but all of an interlaced PNG, and all
    coefficients of a progressive JPEG, which have 2 bytes each.
    """
    if not header.is_progressive or header.file_format not in MAX_DECODED_BYTES:
        return False
    bytes_per_channel = 2 if header.file_format == JPEG else header.bytes_per_channel
    # Two channels of a quarter of the pixels each are half a channel.
    channels = header.channels - 1.5 if header.has_small_chroma else header.channels
    decoded_bytes = header.width * header.height * channels * bytes_per_channel
    return decoded_bytes > MAX_DECODED_BYTES[header.file_format]


def is_animated_png(data: bytes) -> bool:
    """Return True if a file is a PNG with more than one picture.

    The chunk `acTL` before the first `IDAT` contains the number of pictures in an animated PNG.
    """
    offset = len(_PNG_SIGNATURE)
    if not data.startswith(_PNG_SIGNATURE):
        return False
    while offset + 12 <= len(data):
        length, name = int.from_bytes(data[offset : offset + 4]), data[offset + 4 : offset + 8]
        if name == b"acTL":
            return int.from_bytes(data[offset + 8 : offset + 12]) > 1
        if name == b"IDAT":
            return False
        offset += 12 + length
    return False


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
