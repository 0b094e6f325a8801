"""What a photo is: told by its first bytes, never by its name; how large it may be; its URL."""

import re
from collections.abc import Mapping
from typing import Any

MAX_PIXELS = 40_000_000
MAX_SIDE = 2000
GALLERY_LIMIT = 50
JPEG, PNG, WEBP = "JPEG", "PNG", "WEBP"

_FILE = re.compile(r"([0-9a-f]{64})\.webp")


def kind_of(data: bytes) -> str | None:
    """JPEG, PNG or WEBP, as its first bytes say; None for all else."""
    if data.startswith(b"\xff\xd8\xff"):
        return JPEG
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return PNG
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return WEBP
    return None


def webp_pixels(data: bytes) -> int:
    """How many pixels a WebP says it has, 0 where its header is broken.

    Its decoder makes room for two whole pictures before anyone can ask it this.
    """
    chunk, head = data[12:16], data[20:30]
    if len(head) < 10:
        return 0
    if chunk == b"VP8X":
        width, height = (int.from_bytes(head[at : at + 3], "little") + 1 for at in (4, 7))
    elif chunk == b"VP8L":
        bits = int.from_bytes(head[1:5], "little")
        width, height = (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    elif chunk == b"VP8 ":
        width, height = (int.from_bytes(head[at : at + 2], "little") & 0x3FFF for at in (6, 8))
    else:
        return 0
    return width * height


def path_of(sha: str) -> str:
    """Where a photo is served: a name for its content, so that it may be cached for good."""
    return f"/images/{sha}.webp"


def sha_of(file: str) -> str | None:
    """The content that a file of /images names, None where it names none."""
    match = _FILE.fullmatch(file)
    return match[1] if match else None


def view(photo: Mapping[str, Any], image_base_url: str) -> dict[str, Any]:
    """A photo as its owner sees it.

    Args:
        image_base_url: what its URL starts with, as `https://host`.
    """
    return {
        "imageId": photo["_id"],
        "url": image_base_url + path_of(photo["sha"]),
        "width": photo["width"],
        "height": photo["height"],
        "createdAt": photo["createdAt"],
    }
