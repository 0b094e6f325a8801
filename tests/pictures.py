"""Create image files of several formats, valid and malicious."""

import struct
import zlib
from io import BytesIO

from PIL import Image, ImageOps

RED, BLUE = (200, 30, 30), (30, 30, 200)
RGB_PNG, RGBA_PNG = 2, 6  # color types
# The first column and row, and the steps to the next ones, of each pass of an interlaced PNG.
ADAM7 = [
    (0, 0, 8, 8),
    (4, 0, 8, 8),
    (0, 4, 4, 8),
    (2, 0, 4, 4),
    (0, 2, 2, 4),
    (1, 0, 2, 2),
    (0, 1, 1, 2),
]
ORIENTATION, CAMERA = 0x0112, 0x0110


def encode(picture, file_format, **options):
    """Return a picture as a file of a format of Pillow, such as JPEG."""
    out = BytesIO()
    picture.save(out, file_format, **options)
    return out.getvalue()


def picture(width=60, height=40, mode="RGB"):
    """Return a picture whose left half is red and whose right half is blue."""
    image = Image.new(mode, (width, height), RED)
    image.paste(BLUE, (width // 2, 0, width, height))
    return image


def photo(file_format="JPEG", width=60, height=40, **options):
    """Return a picture as a file."""
    return encode(picture(width, height), file_format, **options)


def camera_jpeg():
    """Return a JPEG that is rotated, and whose metadata has a camera, a location and a comment."""
    exif = Image.Exif()
    exif[ORIENTATION], exif[CAMERA] = 6, "SpyCam 3000"
    exif.get_ifd(0x8825)[1] = "N"
    return photo(exif=exif, comment=b"taken at home", icc_profile=b"SpyProfile" * 20)


def animated(file_format):
    """Return a file with two pictures."""
    frames = [picture(), picture().transpose(Image.Transpose.FLIP_LEFT_RIGHT)]
    return encode(frames[0], file_format, save_all=True, append_images=frames[1:], duration=100)


def one_frame(file_format):
    """Return a file in a format for animations, with one picture."""
    if file_format == "WEBP":
        return encode(picture(), "WEBP", save_all=True, append_images=[picture()])
    control = _chunk(b"acTL", struct.pack(">II", 1, 0))
    plain = photo("PNG")
    return plain[:33] + control + plain[33:]


def red_cmyk():
    """Return a red picture in CMYK."""
    return Image.new("CMYK", (60, 40), (20, 220, 220, 0))


def ycck_jpeg(color):
    """Return a JPEG in YCCK, as Photoshop writes it, of one color without black."""
    inks = tuple(255 - channel for channel in color)
    bands = Image.new("RGB", (60, 40), inks).convert("YCbCr").split()
    # Pillow stores every channel inverted. A byte of the Adobe marker says YCCK instead of CMYK.
    inverted = [ImageOps.invert(band) for band in bands]
    data = encode(Image.merge("CMYK", [*inverted, Image.new("L", (60, 40), 0)]), "JPEG", quality=95)
    transform = data.index(b"Adobe") + 11
    return data[:transform] + b"\x02" + data[transform + 1 :]


def black_png(width, height, color_type, *, interlaced=False):
    """Return a PNG without colors, of 8 bits for each channel."""
    pixel_bytes = 4 if color_type == RGBA_PNG else 3
    passes = ADAM7 if interlaced else [(0, 0, 1, 1)]
    packed = zlib.compressobj(1)
    rows = []
    for left, top, step_x, step_y in passes:
        row = bytes(1 + pixel_bytes * len(range(left, width, step_x)))
        rows += [packed.compress(row) for _ in range(top, height, step_y)]
    head = struct.pack(">IIBBBBB", width, height, 8, color_type, 0, 0, interlaced)
    parts = (_chunk(b"IHDR", head), _chunk(b"IDAT", b"".join(rows) + packed.flush()))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts) + _chunk(b"IEND", b"")


def write_costly_photos(folder):
    """Write files of 40 megapixels in all formats that cost memory, and a PNG of one long side.

    Returns:
        The paths of the files.
    """
    size = (8000, 5000)
    files = {
        "progressive.jpg": photo("JPEG", *size, progressive=True),
        "cmyk_progressive.jpg": encode(Image.new("CMYK", size), "JPEG", progressive=True),
        "alpha.webp": encode(Image.new("RGBA", size), "WEBP", method=0),
        "alpha.png": black_png(*size, RGBA_PNG),
        "interlaced.png": black_png(*size, RGB_PNG, interlaced=True),
        "alpha_interlaced.png": black_png(*size, RGBA_PNG, interlaced=True),
        "1x40000000.png": png_bomb(1, 40_000_000),
        "text.png": png_text_bomb(),
    }
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return sorted(folder.iterdir())


def _chunk(name, data):
    checksum = struct.pack(">I", zlib.crc32(name + data))
    return struct.pack(">I", len(data)) + name + data + checksum


def png_bomb(width, height):
    """Return a PNG of a few kB whose header claims this size."""
    head = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    rows = zlib.compressobj(9)
    row = bytes(1 + (width + 7) // 8)
    packed = b"".join(rows.compress(row) for _ in range(min(height, 2000))) + rows.flush()
    parts = (_chunk(b"IHDR", head), _chunk(b"IDAT", packed), _chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def png_text_bomb():
    """Return a PNG whose text chunk expands to 80 MB."""
    plain = photo("PNG")
    text = _chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(80_000_000), 9))
    return plain[:33] + text + plain[33:]


def webp_bomb(width=16383, height=16383):
    """Return a WebP whose header claims this size."""
    size = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    head = b"WEBPVP8X" + struct.pack("<I", 10) + b"\x10\0\0\0" + size + photo("WEBP")[12:]
    return b"RIFF" + struct.pack("<I", len(head)) + head


SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
HTML = b"<html><script>alert(1)</script></html>"


def riff_chunks(webp):
    """Return the names of the chunks of a WebP."""
    names, offset = [], 12
    while offset < len(webp):
        names.append(webp[offset : offset + 4])
        (length,) = struct.unpack("<I", webp[offset + 4 : offset + 8])
        offset += 8 + length + length % 2
    return names
