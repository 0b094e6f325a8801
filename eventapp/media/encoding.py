"""Pictures of strangers made safe: decoded within bounds, turned upright, and encoded anew.

What is stored is WebP of our own making: no metadata, no trailing bytes, nothing but pixels. So a
file that is also a page, a script or an archive is none of these any more.
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

# What Pillow says, by format and place, of files that are not as they should be.
DAMAGE = (OSError, SyntaxError, ValueError, EOFError, struct.error, zlib.error)
FORMATS = (rules.JPEG, rules.PNG, rules.WEBP)
PLAIN_MODES = ("RGB", "RGBA", "L", "CMYK", "YCbCr")
QUALITY = 85
PATIENCE_SECONDS = 20

# One at a time in a process: at 40 megapixels a PNG takes 220 MB, a WebP 620 MB. On one thread, for
# each thread that allocates keeps some of it: after eight uploads 240 MB were kept, and so 50.
_worker = ThreadPoolExecutor(1, "photos")


@dataclass(frozen=True)
class Encoded:
    """A photo as it is stored: WebP, at most 2,000 pixels a side."""

    data: bytes
    width: int
    height: int


def encode(data: bytes) -> Encoded:
    """The photo in this file, made safe and small.

    Raises:
        NotAPhoto, AnimatedPhoto: it is none, or more than one picture.
        TooManyPixels: it has more than 40 megapixels; nothing of it was decoded.
        DamagedPhoto: it says it is one, but ends early or makes no sense.
        PhotosBusy: others were before this one for 20 s.
    """
    kind = rules.kind_of(data)
    if kind is None:
        raise NotAPhoto
    if kind == rules.WEBP and rules.webp_pixels(data) > rules.MAX_PIXELS:
        raise TooManyPixels
    waiting = _worker.submit(_made_safe, data)
    try:
        return waiting.result(PATIENCE_SECONDS)
    except TimeoutError:
        if waiting.cancel():
            raise PhotosBusy from None
        return waiting.result()


def _made_safe(data: bytes) -> Encoded:
    return _encoded(_small_and_upright(data))


def _small_and_upright(data: bytes) -> Image.Image:
    try:
        with Image.open(BytesIO(data), formats=FORMATS) as image:
            _refuse(image)
            return _shrunk(image)
    except Image.DecompressionBombError:
        raise TooManyPixels from None
    except DAMAGE:
        raise DamagedPhoto from None


def _refuse(image: ImageFile) -> None:
    if image.width * image.height > rules.MAX_PIXELS:
        raise TooManyPixels
    # A camera's JPEG may hold further pictures (MPO), as of depth; the first is the photo.
    if image.format in (rules.PNG, rules.WEBP) and getattr(image, "is_animated", False):
        raise AnimatedPhoto


def _shrunk(image: ImageFile) -> Image.Image:
    orientation = image.getexif()
    picture: Image.Image = image
    if image.mode not in PLAIN_MODES:
        picture = image.convert("RGBA" if image.has_transparency_data else "RGB")
    # Of a large JPEG no more is decoded than half again of what is kept, each way.
    enough = 1.5 * rules.MAX_SIDE / max(image.size)
    image.draft(None, (int(image.width * enough), int(image.height * enough)))
    picture.thumbnail((rules.MAX_SIDE, rules.MAX_SIDE))
    picture.load()
    picture.info = {"exif": orientation.tobytes()} if orientation else {}
    return ImageOps.exif_transpose(picture)


def _encoded(picture: Image.Image) -> Encoded:
    alpha = picture.mode == "RGBA"
    plain = picture if alpha else picture.convert("RGB")
    plain.info = {}  # profiles and the like would be written, too
    out = BytesIO()
    plain.save(out, rules.WEBP, quality=QUALITY)
    return Encoded(out.getvalue(), plain.width, plain.height)
