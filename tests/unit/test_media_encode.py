"""Photos are accepted or refused, and re-encoded without metadata."""

import threading
import tracemalloc
from io import BytesIO

import pytest
from PIL import Image

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


def test_a_png_whose_text_expands_too_much_is_refused():
    bomb = pictures.png_text_bomb()
    assert len(bomb) < 200_000
    with pytest.raises(DamagedPhoto):
        encode_photo(bomb)


def test_forty_megapixels_are_accepted():
    flat = Image.new("1", (8000, 5000))
    assert encode_photo(pictures.encode(flat, "PNG")).width == 2000


def test_the_pixels_of_a_webp_are_read_from_each_type_of_header():
    lossy = pictures.photo("WEBP", 70, 30)
    lossless = pictures.photo("WEBP", 70, 30, lossless=True)
    extended = pictures.animated("WEBP")
    assert [rules.read_webp_pixels(each) for each in (lossy, lossless)] == [2100, 2100]
    assert rules.read_webp_pixels(extended) == 60 * 40
    assert rules.read_webp_pixels(lossy[:20]) == 0
    assert rules.read_webp_pixels(b"RIFF....WEBPJUNK" + bytes(20)) == 0


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
