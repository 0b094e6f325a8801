"""Photos are accepted or refused, and re-encoded without metadata."""

import subprocess
import sys
import threading
import tracemalloc
from io import BytesIO

import pytest
import pyvips
from PIL import Image, ImageCms, ImageOps

from eventapp.config import ROOT
from eventapp.media import encoding, rules
from eventapp.media.encoding import encode_photo
from eventapp.media.errors import AnimatedPhoto, DamagedPhoto, NotAPhoto, PhotosBusy, TooManyPixels
from tests import pictures


def reencode(data):
    encoded = encode_photo(data)
    picture = Image.open(BytesIO(encoded.data))
    assert picture.format == "WEBP"
    assert picture.size == (encoded.width, encoded.height)
    return picture


def is_near(pixel, colour):
    return all(abs(a - b) < 40 for a, b in zip(pixel, colour, strict=False))


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP"])
def test_a_photo_keeps_its_picture(file_format):
    picture = reencode(pictures.photo(file_format))
    assert picture.size == (60, 40)
    assert is_near(picture.getpixel((5, 20)), pictures.RED)
    assert is_near(picture.getpixel((55, 20)), pictures.BLUE)


@pytest.mark.parametrize(
    ("file_format", "mode"),
    [("JPEG", "L"), ("JPEG", "CMYK"), *(("PNG", m) for m in ("L", "P", "1", "LA", "I;16", "RGBA"))],
)
def test_every_mode_of_pixels_is_accepted(file_format, mode):
    plain = pictures.picture()
    image = plain.convert("L").convert(mode) if mode == "I;16" else plain.convert(mode)
    assert reencode(pictures.encode(image, file_format)).size == (60, 40)


@pytest.mark.parametrize("file_format", ["PNG", "WEBP"])
def test_transparency_is_kept(file_format):
    clear = Image.new("RGBA", (20, 20), (0, 0, 0, 0))
    assert reencode(pictures.encode(clear, file_format)).getpixel((5, 5))[3] == 0


def test_a_large_photo_is_shrunk_and_keeps_its_proportions():
    assert reencode(pictures.photo(width=5000, height=2500)).size == (2000, 1000)
    assert reencode(pictures.photo("PNG", width=100, height=2400)).size == (83, 2000)
    assert reencode(pictures.photo("PNG", width=9000, height=1)).size == (2000, 1)


def test_a_photo_is_turned_upright():
    picture = reencode(pictures.camera_jpeg())
    assert picture.size == (40, 60)
    assert is_near(picture.getpixel((20, 5)), pictures.RED)
    assert is_near(picture.getpixel((20, 55)), pictures.BLUE)


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP"])
def test_no_metadata_is_kept(file_format):
    exif = Image.Exif()
    exif[pictures.CAMERA] = "SpyCam 3000"
    source = pictures.photo(file_format, exif=exif, icc_profile=b"SpyProfile" * 20)
    assert b"Spy" in source
    kept = encode_photo(source).data
    assert b"Spy" not in kept
    assert set(pictures.riff_chunks(kept)) <= {b"VP8 ", b"VP8L"}
    assert b"home" not in encode_photo(pictures.camera_jpeg()).data


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("other", [pictures.HTML, pictures.SVG, b"PK\3\4 an archive PK\5\6"])
def test_content_after_the_photo_is_not_kept(file_format, other):
    kept = encode_photo(pictures.photo(file_format) + other).data
    assert other not in kept
    assert set(pictures.riff_chunks(kept)) <= {b"VP8 ", b"VP8L"}


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"GIF",
        pictures.SVG,
        pictures.HTML,
        b"<?xml version='1.0'?>" + pictures.SVG,
        pictures.photo("GIF"),
        pictures.photo("BMP"),
        pictures.photo("TIFF"),
        pictures.photo("ICO"),
        b"%PDF-1.7 " + pictures.photo(),
        b"RIFF\0\0\0\0WAVEfmt ",
    ],
)
def test_other_formats_are_refused(data):
    with pytest.raises(NotAPhoto):
        encode_photo(data)


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("part", [0.05, 0.3, 0.5, 0.9])
def test_a_truncated_photo_is_refused(file_format, part):
    whole = pictures.encode(Image.effect_noise((80, 80), 90).convert("RGB"), file_format)
    cut = whole[: max(12, int(len(whole) * part))]
    with pytest.raises(DamagedPhoto) as refusal:
        encode_photo(cut)
    assert refusal.value.errors == {"file": ["The image is damaged or incomplete"]}


def test_garbage_after_the_first_bytes_of_a_photo_is_refused():
    for begin in (b"\xff\xd8\xff\xe0", b"\x89PNG\r\n\x1a\n", b"RIFF\x10\0\0\0WEBPVP8 "):
        with pytest.raises(DamagedPhoto):
            encode_photo(begin + bytes(range(256)) * 20)


@pytest.mark.parametrize("file_format", ["PNG", "WEBP"])
def test_an_animated_photo_is_refused(file_format):
    with pytest.raises(AnimatedPhoto):
        encode_photo(pictures.animated(file_format))


def test_the_first_picture_of_a_camera_file_is_used():
    first, second = pictures.picture(60, 40), pictures.picture(30, 20)
    both = pictures.encode(first, "MPO", save_all=True, append_images=[second])
    assert reencode(both).size == (60, 40)


@pytest.mark.parametrize("size", [(6400, 6300), (50_000, 50_000), (10_000, 2**31 - 1)])
def test_a_photo_of_too_many_pixels_is_refused_before_it_is_decoded(size):
    bomb = pictures.png_bomb(*size)
    tracemalloc.start()
    with pytest.raises(TooManyPixels):
        encode_photo(bomb)
    _now, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 20_000_000


def test_a_webp_header_with_too_many_pixels_is_refused():
    with pytest.raises(TooManyPixels):
        encode_photo(pictures.webp_bomb())


def test_forty_megapixels_are_accepted():
    flat = Image.new("1", (8000, 5000))
    assert encode_photo(pictures.encode(flat, "PNG")).width == 2000


def test_the_size_is_read_from_each_type_of_header():
    lossy = pictures.photo("WEBP", 70, 30)
    lossless = pictures.photo("WEBP", 70, 30, lossless=True)
    extended = pictures.animated("WEBP")
    assert [rules.read_size(each) for each in (lossy, lossless)] == [(70, 30), (70, 30)]
    assert rules.read_size(extended) == (60, 40)
    assert rules.read_size(lossy[:20]) == (0, 0)
    assert rules.read_size(b"RIFF....WEBPJUNK" + bytes(20)) == (0, 0)
    assert rules.read_size(pictures.photo("PNG", 70, 30)) == (70, 30)
    assert rules.read_size(pictures.photo("PNG", 70, 30)[:14]) == (0, 0)


@pytest.mark.parametrize(
    ("file_format", "size", "expected"),
    [
        ("JPEG", (3, 16_000), (1, 2000)),
        ("JPEG", (16_000, 3), (2000, 1)),
        ("PNG", (1, 65_535), (1, 2000)),
        ("PNG", (65_535, 1), (2000, 1)),
        ("WEBP", (3, 16_000), (1, 2000)),
    ],
)
def test_a_photo_of_extreme_sides_is_shrunk(file_format, size, expected):
    assert reencode(pictures.photo(file_format, *size)).size == expected


@pytest.mark.parametrize("size", [(1, 65_536), (65_536, 1), (1, 40_000_000), (40_000_000, 1)])
def test_too_long_a_side_is_refused(size):
    with pytest.raises(TooManyPixels):
        encode_photo(pictures.png_bomb(*size))


def make_profile(name):
    """Return a color profile that libvips contains: p3 (Display P3) or cmyk."""
    return pyvips.Operation.call("profile_load", name)


def convert_by_profile(image, profile):
    """Return the color of a picture in sRGB, computed by Pillow as a reference."""
    profiles = ImageCms.ImageCmsProfile(BytesIO(profile)), ImageCms.createProfile("sRGB")
    intent = ImageCms.Intent.RELATIVE_COLORIMETRIC
    converted = ImageCms.profileToProfile(
        image, *profiles, renderingIntent=intent, outputMode="RGB"
    )
    return converted.getpixel((5, 5))


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("color", [(200, 90, 60), (60, 180, 90), (128, 128, 128)])
def test_colors_are_converted_to_srgb(file_format, color):
    plain, profile = Image.new("RGB", (20, 20), color), make_profile("p3")
    expected = convert_by_profile(plain, profile)
    shown = reencode(pictures.encode(plain, file_format, icc_profile=profile, quality=95))
    assert max(abs(a - b) for a, b in zip(shown.getpixel((5, 5)), expected, strict=True)) < 8
    assert "icc_profile" not in shown.info


def test_the_cmyk_of_a_profile_is_converted_to_srgb():
    plain, profile = Image.new("CMYK", (20, 20), (20, 180, 160, 10)), make_profile("cmyk")
    expected = convert_by_profile(plain, profile)
    shown = reencode(pictures.encode(plain, "JPEG", icc_profile=profile, quality=95))
    assert is_near(shown.getpixel((5, 5)), expected)


def test_cmyk_and_ycck_without_a_profile_keep_their_color():
    for source in (pictures.encode(pictures.red_cmyk(), "JPEG"), pictures.ycck_jpeg(pictures.RED)):
        red, green, blue = reencode(source).getpixel((5, 5))
        assert red > 150
        assert max(green, blue) < 110


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize(
    "profile", [b"SpyProfile" * 20, make_profile("cmyk"), make_profile("p3")[:90]]
)
def test_a_profile_that_is_broken_or_of_other_channels_is_ignored(file_format, profile):
    shown = reencode(pictures.photo(file_format, icc_profile=profile))
    assert is_near(shown.getpixel((5, 20)), pictures.RED)


@pytest.mark.parametrize("bits", [8, 16])
def test_the_color_of_a_png_of_any_depth_is_kept(bits):
    plain = pyvips.Image.black(20, 20, bands=3).copy(interpretation="srgb") + list(pictures.RED)
    deep = plain.cast("uchar").colourspace("rgb16" if bits == 16 else "srgb")
    assert is_near(reencode(deep.pngsave_buffer()).getpixel((5, 5)), pictures.RED)


def test_a_palette_keeps_its_transparency():
    image = pictures.picture().quantize(4)
    shown = reencode(pictures.encode(image, "PNG", transparency=image.getpixel((5, 20))))
    assert (shown.getpixel((5, 20))[3], shown.getpixel((55, 20))[3]) == (0, 255)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_is_turned_upright(orientation):
    exif = Image.Exif()
    exif[pictures.ORIENTATION] = orientation
    source = pictures.photo(exif=exif, progressive=True)
    upright = ImageOps.exif_transpose(Image.open(BytesIO(source)))
    shown = reencode(source)
    assert shown.size == upright.size
    corners = [(3, 3), (shown.width - 4, shown.height - 4)]
    assert all(is_near(shown.getpixel(c), upright.getpixel(c)) for c in corners)


@pytest.mark.parametrize("file_format", ["PNG", "WEBP"])
def test_a_file_with_one_picture_that_could_have_more_is_accepted(file_format):
    assert reencode(pictures.one_frame(file_format)).size == (60, 40)


MEASURE = r"""
import re, sys
from pathlib import Path
from eventapp.core.server.resources import limit_malloc
from eventapp.media.encoding import encode_photo
from eventapp.media.errors import TooManyPixels

def read_memory(name):
    return int(re.search(name + r":\s+(\d+)", Path("/proc/self/status").read_text())[1]) // 1000

limit_malloc()
before = read_memory("VmRSS")
for file in sys.argv[1:]:
    Path("/proc/self/clear_refs").write_text("5")
    try:
        encode_photo(Path(file).read_bytes())
        result = "encoded"
    except TooManyPixels:
        result = "refused"
    print(Path(file).name, result, read_memory("VmHWM") - before)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads the memory from /proc")
def test_the_memory_of_every_kind_of_photo_is_bounded(tmp_path):
    files = pictures.write_costly_photos(tmp_path)
    child = [sys.executable, "-c", MEASURE, *map(str, files)]
    out = subprocess.run(child, cwd=ROOT, capture_output=True, text=True, timeout=120, check=True)
    rows = [line.split() for line in out.stdout.splitlines()]
    refused = {name for name, result, _ in rows if result == "refused"}
    assert refused == {"1x40000000.png", "cmyk_progressive.jpg", "alpha_interlaced.png"}
    assert len(rows) == len(files)
    assert {name: peak for name, _, peak in rows if int(peak) >= 300} == {}


def test_an_upload_that_waits_too_long_gets_503(monkeypatch):
    monkeypatch.setattr(encoding, "QUEUE_TIMEOUT_SECONDS", 0.01)
    finish = threading.Event()
    ahead = encoding._encoder.submit(finish.wait, 20)
    with pytest.raises(PhotosBusy) as refusal:
        encode_photo(pictures.photo())
    assert refusal.value.status == 503
    finish.set()
    assert ahead.result()
    monkeypatch.setattr(encoding, "QUEUE_TIMEOUT_SECONDS", 20)
    assert encode_photo(pictures.photo()).width == 60
