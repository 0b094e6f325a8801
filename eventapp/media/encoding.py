"""Re-encode uploaded pictures, so that stored and served files are harmless.

A photo is decoded within limits of memory, turned upright, shrunk, and encoded as WebP without
metadata or trailing bytes. So a file that is a web page, a script or an archive as well as a
picture is only a picture afterwards.
"""

import struct
import zlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from io import BytesIO

from PIL import Image, ImageOps
from PIL.ImageFile import ImageFile

from eventapp.media import rules
from eventapp.media.errors import AnimatedPhoto, DamagedPhoto, NotAPhoto, PhotosBusy, TooManyPixels

# What Pillow raises for damaged files, depending on the format and on which part is damaged.
DECODING_ERRORS = (OSError, SyntaxError, ValueError, EOFError, struct.error, zlib.error)
FORMATS = (rules.JPEG, rules.PNG, rules.WEBP)
# Pictures in these pixel modes can be shrunk. All others are converted to RGB or RGBA first.
DIRECT_MODES = ("RGB", "RGBA", "L", "CMYK", "YCbCr")
WEBP_QUALITY = 85
# How long an upload waits until the photos before it are encoded.
QUEUE_TIMEOUT_SECONDS = 20

# A process encodes one photo at a time: at 40 megapixels a PNG takes 220 MB and a WebP 620 MB. It
# uses one thread, because each thread that allocates keeps some of the memory: after eight uploads
# 240 MB were kept with a thread for each, and 50 MB with one.
_encoder = ThreadPoolExecutor(1, "photos")


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
        TooManyPixels: the photo has more than MAX_PIXELS. Nothing of it was decoded.
        DamagedPhoto: the file begins like a photo, but ends early or cannot be decoded.
        PhotosBusy: the photos before it took longer than QUEUE_TIMEOUT_SECONDS.
    """
    file_format = rules.detect_format(data)
    if file_format is None:
        raise NotAPhoto
    if file_format == rules.WEBP and rules.read_webp_pixels(data) > rules.MAX_PIXELS:
        raise TooManyPixels
    pending = _encoder.submit(_reencode, data)
    try:
        return pending.result(QUEUE_TIMEOUT_SECONDS)
    except TimeoutError:
        if pending.cancel():
            raise PhotosBusy from None
        return pending.result()  # It is being encoded already.


def _reencode(data: bytes) -> EncodedPhoto:
    return _encode(_decode(data))


def _decode(data: bytes) -> Image.Image:
    """Return the picture in a file, shrunk and upright."""
    try:
        with Image.open(BytesIO(data), formats=FORMATS) as image:
            _check_header(image)
            return _shrink(image)
    except Image.DecompressionBombError:
        raise TooManyPixels from None
    except DECODING_ERRORS:
        raise DamagedPhoto from None


def _check_header(image: ImageFile) -> None:
    if image.width * image.height > rules.MAX_PIXELS:
        raise TooManyPixels
    # The JPEG of a camera may contain further pictures (MPO), for example of depth. The first one
    # is the photo.
    if image.format in (rules.PNG, rules.WEBP) and getattr(image, "is_animated", False):
        raise AnimatedPhoto


def _shrink(image: ImageFile) -> Image.Image:
    """Return a picture of at most MAX_SIDE pixels a side, turned upright by its metadata."""
    exif = image.getexif()
    picture: Image.Image = image
    if image.mode not in DIRECT_MODES:
        picture = image.convert("RGBA" if image.has_transparency_data else "RGB")
    # A large JPEG is decoded at a reduced size, which is at least 1.5 times the final size.
    scale = 1.5 * rules.MAX_SIDE / max(image.size)
    image.draft(None, (int(image.width * scale), int(image.height * scale)))
    picture.thumbnail((rules.MAX_SIDE, rules.MAX_SIDE))
    picture.load()
    picture.info = {"exif": exif.tobytes()} if exif else {}
    return ImageOps.exif_transpose(picture)


def _encode(picture: Image.Image) -> EncodedPhoto:
    has_alpha = picture.mode == "RGBA"
    plain = picture if has_alpha else picture.convert("RGB")
    plain.info = {}  # Pillow would write colour profiles and other metadata.
    out = BytesIO()
    plain.save(out, rules.WEBP, quality=WEBP_QUALITY)
    return EncodedPhoto(out.getvalue(), plain.width, plain.height)
