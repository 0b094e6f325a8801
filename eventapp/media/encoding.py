"""Re-encode uploaded pictures, so that stored and served files are harmless.

A photo is decoded within limits of memory, turned upright, converted to sRGB, shrunk, and encoded
as WebP without metadata or trailing bytes. So a file that is a web page, a script or an archive as
well as a picture is only a picture afterwards.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import cast

import pyvips

from eventapp.media import rules
from eventapp.media.errors import AnimatedPhoto, DamagedPhoto, NotAPhoto, PhotosBusy, TooManyPixels
from eventapp.media.types import PhotoHeader

WEBP_QUALITY = 85
# How long an upload waits until the photos before it are encoded.
QUEUE_TIMEOUT_SECONDS = 20

# A process encodes one photo at a time, to limit memory use: a photo takes at most 250 MB.
_encoder = ThreadPoolExecutor(1, "photos")
# Each thread of libvips needs buffers of its own, and results are not needed a second time.
pyvips.concurrency_set(1)
pyvips.cache_set_max(0)


@dataclass(frozen=True)
class EncodedPhoto:
    """A photo as it is stored: WebP, at most MAX_SIDE pixels wide and high."""

    data: bytes
    width: int
    height: int


def encode_photo(data: bytes) -> EncodedPhoto:
    """Re-encode an uploaded photo.

    Raises:
        NotAPhoto: the file is neither JPEG nor PNG nor WebP.
        AnimatedPhoto: the file contains more than one picture.
        TooManyPixels: the photo has too many pixels, too long a side or too many bytes to decode.
            Nothing of it was decoded.
        DamagedPhoto: the file begins like a photo, but ends early or cannot be decoded.
        PhotosBusy: the photos before it took longer than QUEUE_TIMEOUT_SECONDS.
    """
    if rules.detect_format(data) is None:
        raise NotAPhoto
    if rules.is_too_large(*rules.read_size(data)):
        raise TooManyPixels
    pending = _encoder.submit(_reencode, data)
    try:
        return pending.result(QUEUE_TIMEOUT_SECONDS)
    except TimeoutError:
        if pending.cancel():
            raise PhotosBusy from None
        return pending.result()  # It is being encoded already.


def _reencode(data: bytes) -> EncodedPhoto:
    try:
        _check_header(data)
        picture = _shrink(data)
        encoded = picture.webpsave_buffer(Q=WEBP_QUALITY, keep="none")
    except pyvips.Error:
        raise DamagedPhoto from None
    return EncodedPhoto(encoded, picture.width, picture.height)


def _check_header(data: bytes) -> None:
    """Raise TooManyPixels or AnimatedPhoto by what a file says of itself, without decoding it."""
    header = _read_header(data)
    if rules.is_too_large(header.width, header.height) or rules.is_too_costly(header):
        raise TooManyPixels
    # The JPEG of a camera may contain further pictures (MPO), for example of depth. The first one
    # is the photo.
    if header.page_count > 1 or rules.is_animated_png(data):
        raise AnimatedPhoto


def _read_header(data: bytes) -> PhotoHeader:
    image = pyvips.Image.new_from_buffer(data, "")

    def read_field(name: str) -> object:
        return image.get(name) if image.get_typeof(name) else None

    return PhotoHeader(
        rules.detect_format(data),
        image.width,
        image.height,
        channels=image.bands,
        bytes_per_channel=1 if image.format == "uchar" else 2,
        page_count=cast(int, read_field("n-pages") or 1),
        is_progressive=bool(read_field("interlaced")),
        has_small_chroma=read_field("jpeg-chroma-subsample") == "4:2:0",
    )


def _shrink(data: bytes) -> pyvips.Image:
    """Return a picture of at most MAX_SIDE pixels a side, upright by its metadata, in sRGB.

    libvips decodes a large JPEG or WebP at a reduced size, and a PNG row by row. It converts colors
    by the profile in the file, ignores a broken profile, and assumes one for CMYK without any.
    """
    return pyvips.Image.thumbnail_buffer(
        data,
        rules.MAX_SIDE,
        height=rules.MAX_SIDE,
        size="down",
        output_profile="srgb",
        option_string="[fail_on=truncated]",
    )
