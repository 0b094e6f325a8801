"""Draw the posters of the sample events: WebP, 800 x 1000 pixels, at most 60 kB each.

The title of an event seeds the random numbers, so that its poster is the same in every run.
"""

import argparse
import json
import math
import random
import textwrap
import unicodedata
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw, ImageFont, ImageOps

ROOT = Path(__file__).resolve().parent.parent
# Pixels while drawing; the saved poster has half of them in each direction.
WIDTH, HEIGHT, MARGIN = 1600, 2000, 100
MAX_BYTES = 60_000
# The built-in font has neither accents nor Greek letters, so texts are written without them.
LATIN_LETTERS = dict(
    zip(
        map(ord, "αβγδεζηικλμνξοπρσςτυφωΑΒΓΔΕΖΗΙΚΛΜΝΞΟΠΡΣΤΥΦΩøłØŁ"),
        "avgdeziiklmnxoprsstyfoAVGDEZIIKLMNXOPRSTYFOolOL",
        strict=True,
    )
)
LATIN_LETTERS |= zip(map(ord, "θχψΘΧΨß"), ["th", "ch", "ps", "Th", "Ch", "Ps", "ss"], strict=True)
# Palettes: dark, mid, hot, warm and paper colour.
PALETTES = [
    row.split()
    for row in (
        "#14213d #2b4a7f #fca311 #e5484d #f6f1e4",
        "#2d0b3a #7a1f6a #ff6b6b #ffd166 #fff1e0",
        "#0b3d3a #13806f #f4a261 #e76f51 #f3efe0",
        "#1b1b3a #3d348b #f18701 #8f8cf2 #f5f0fa",
        "#3a0d12 #a4161a #f7b267 #f4845f #fff1e0",
        "#102a1d #2f6b3c #e9c46a #f28f5b #f4f1de",
        "#0a2342 #1f7a8c #f9d65c #ff7f6b #eef6f4",
        "#26202b #5c4b61 #f2b5a7 #8cbeb2 #f7f3e3",
    )
]

Event = dict[str, Any]


class Art:
    """The picture of a poster, 1600 x 1330 pixels.

    For each event category the method of the same name draws it.
    """

    def __init__(self, rng: random.Random, palette: list[str]) -> None:
        """Fill the picture with a gradient. Colours with an alpha byte are blended."""
        self.rng, shade = rng, Image.linear_gradient("L").resize((1600, 1330))
        self.dark, self.mid, self.hot, self.warm, self.paper = self.palette = palette
        self.image = ImageOps.colorize(shade, self.dark, self.mid)
        self.pen = ImageDraw.Draw(self.image, "RGBA")

    def dot(self, x: float, y: float, r: float, fill: str | None, rim: int = 0) -> None:
        """Fill a circle of radius r with a paper-coloured rim, all in pixels."""
        self.pen.ellipse((x - r, y - r, x + r, y + r), fill, self.paper, rim)

    def concert(self) -> None:
        """Draw stage beams over a low sun and a range of sound waves."""
        for x in range(100, 1600, 200):
            to = self.rng.uniform(-300, 1900)
            self.pen.polygon([(x, 0), (to + 200, 1330), (to - 200, 1330)], self.warm + "30")
        self.dot(800, 560, 440, self.hot)
        for base in range(570, 1400, 46):
            waves = [(self.rng.uniform(0.003, 0.03), self.rng.uniform(0, 7)) for _ in range(4)]
            line = [
                (
                    x,
                    base
                    - 100
                    * math.exp(-(((x - 800) / 350) ** 2))
                    * abs(sum(math.sin(x * f + p) for f, p in waves)),
                )
                for x in range(-8, 1616, 8)
            ]
            self.pen.polygon([*line, (1616, 1400), (-8, 1400)], self.dark, self.paper, 6)

    def theater(self) -> None:
        """Draw an open curtain, a cone of light and one empty chair."""
        side = self.rng.choice((-1, 1))
        self.pen.rectangle((0, 1060, 1600, 1330), self.dark)
        self.pen.polygon([(800, -90), (1240, 1120), (360, 1120)], self.paper + "48")
        self.pen.ellipse((360, 1030, 1240, 1210), self.paper)
        self.pen.line(
            [
                (800 + side * x, y)
                for x, y in ((-80, 740), (-80, 1140), (-80, 960), (80, 960), (80, 1140))
            ],
            self.dark,
            28,
            "curve",
        )
        for i in range(12):
            for x in (i * 52, 1548 - i * 52):
                self.pen.rounded_rectangle(
                    (x, -60, x + 52, 1390 - i**2.7), 26, self.palette[2 + i % 2]
                )

    def festival(self) -> None:
        """Draw sun rays, a big wheel with coloured cabins, bunting and a hill."""
        x, y, r = self.rng.choice((580, 800, 1020)), 690, 425
        for i in range(0, 360, 20):
            self.pen.pieslice((x - 2e3, y - 2e3, x + 2e3, y + 2e3), i, i + 10, self.hot + "38")
        self.pen.line((x - 340, 1370, x, y, x + 340, 1370), self.paper, 24)
        for size, rim in ((r, 16), (r - 50, 6), (130, 8)):
            self.dot(x, y, size, None, rim)
        for i in range(14):
            cx, cy = x + r * math.cos(i * math.tau / 14), y + r * math.sin(i * math.tau / 14)
            self.pen.line((x, y, cx, cy), self.paper, 5)
            self.dot(cx, cy, 50, self.palette[2 + i % 2], 8)
            self.pen.regular_polygon((i * 115 + 57, 28, 66), 3, 180, self.palette[2 + i % 3])
        self.dot(x, 6190, 5000, self.warm)

    def sports(self) -> None:
        """Draw track lanes sweeping round a corner and a ball with speed lines."""
        ball, inner = self.rng.choice((400, 1200)), self.rng.randrange(240, 480, 60)
        for lane in range(8, -1, -1):
            self.dot(
                2400 - 2 * ball, 1490, inner + lane * 96, self.palette[lane and 2 + lane % 2], 9
            )
        for y in range(170, 531, 60):
            self.pen.line((ball, y, 800 + (800 - ball) * self.rng.uniform(0, 1), y), self.paper, 14)
        self.dot(ball, 350, 225, self.paper)

    def conference(self) -> None:
        """Draw a halftone field whose dots swell along two crossing waves."""
        p, q = self.rng.uniform(0, 6), self.rng.uniform(0.5, 1.1)
        for x, y in ((i % 21, i // 21) for i in range(21 * 17)):
            v = math.sin(x * 0.33 + p) * math.cos(y * 0.3 * q + p) + math.sin((x + y) * 0.21 * q)
            self.dot(
                x * 80 + y % 2 * 40,
                y * 80 + 25,
                8 + 18 * abs(v),
                self.palette[2 + (v < 0.7) + (-0.3 < v < 0.7)],
            )

    def comedy(self) -> None:
        """Draw a huge laughing face in front of a wall of HA."""
        self.pen.text(
            (-90, -40),
            ("HA " * 9 + "\n" + " HA" * 9 + "\n") * 4,
            self.warm + "50",
            ImageFont.load_default(190),
            spacing=10,
            stroke_width=8,
        )
        x, y = self.rng.choice((680, 800, 920)), 700
        self.dot(x, y, 520, self.hot)
        for eye in (x - 305, x + 115):
            self.pen.arc((eye, y - 230, eye + 190, y - 30), 190, 350, self.dark, 40)
        self.pen.chord((x - 360, y - 260, x + 360, y + 410), 0, 180, self.dark)
        self.pen.chord((x - 205, y + 205, x + 205, y + 565), 205, 335, self.warm)
        self.pen.rectangle((x - 320, y + 75, x + 320, y + 140), self.paper)

    def workshop(self) -> None:
        """Draw three turned and striped jars with brushes on a table."""
        self.dot(self.rng.uniform(500, 1100), 530, 450, self.warm)
        self.pen.rectangle((0, 1120, 1600, 1330), self.dark)
        for x, tall in zip((340, 800, 1260), self.rng.sample((400, 510, 620), 3), strict=True):
            p, top = self.rng.uniform(0, 6), 1030 - tall
            for lean in (-70, 0, 80):
                self.pen.line((x, 1100, x + lean, top + abs(lean)), self.paper, 18)
                self.dot(x + lean, top + abs(lean), 28, self.palette[2 + lean % 3])
            for k in range(tall):
                r = 135 + 45 * math.sin(p + k * 0.0095)
                self.pen.line(
                    (x - r, 1220 - k, x + r, 1220 - k), self.palette[(1, 2, 4)[k // 50 % 3]]
                )

    def exhibition(self) -> None:
        """Draw a gallery wall of framed abstracts with two visitors."""
        self.pen.rectangle((0, 0, 1600, 1130), self.paper)
        for x in (110, 590, 1070):
            (a, b, c), turn = (
                self.rng.sample(self.palette[1:4], 3),
                self.rng.choice((0, 90, 180, 270)),
            )
            self.pen.rectangle((x, 150, x + 420, 710), a, self.dark, 16)
            self.pen.pieslice((x + 16, 166, x + 404, 694), turn, turn + 180, b)
            self.dot(x + 210, self.rng.choice((300, 430, 560)), 95, c)
        for x in (self.rng.randrange(250, 700, 50), self.rng.randrange(950, 1350, 50)):
            self.dot(x, 830, 58, self.dark)
            self.pen.rounded_rectangle((x - 95, 905, x + 95, 1500), 90, self.dark)

    def movie(self) -> None:
        """Draw a glowing countdown screen, its light beam and rows of heads."""
        self.pen.polygon([(800, 1500), (220, 800), (1380, 800)], self.paper + "40")
        self.pen.rectangle((220, 110, 1380, 810), self.paper)
        self.pen.pieslice((520, 180, 1080, 740), -90, self.rng.choice((0, 60, 150)), self.hot)
        self.pen.line((220, 460, 800, 460, 800, 110, 800, 810, 800, 460, 1380, 460), self.dark, 6)
        for row, fill in enumerate((self.warm, self.mid, self.dark)):
            for x in range(row % 2 * 100, 1700, 200):
                self.dot(x, 1000 + row * 130, 66 + row * 6, fill)
                self.pen.rounded_rectangle((x - 95, 1065 + row * 130, x + 95, 1500), 80, fill)

    def other(self) -> None:
        """Draw a city asleep under a big moon, some windows still lit."""
        for _ in range(90):
            self.dot(self.rng.uniform(0, 1600), self.rng.uniform(0, 900), 5, self.paper)
        self.dot(self.rng.uniform(400, 1200), 480, 330, self.hot)
        for i in range(26):
            x, top = i % 13 * 124, self.rng.uniform(530, 930) + i // 13 * 210
            self.pen.rectangle((x, top, x + 128, 1330), self.palette[1 - i // 13])
            for k in (k for k in range(36) if self.rng.random() < 0.3):
                left, y = x + 18 + k % 3 * 36, top + 30 + k // 3 * 60
                self.pen.rectangle((left, y, left + 20, y + 30), self.palette[2 + k % 2])


def fit_font_size(lines: list[str], max_size: int) -> int:
    """Return the largest font size in pixels that keeps the lines between the margins."""
    widest = max(ImageFont.load_default(100).getlength(line) for line in lines)
    return min(max_size, int(100 * (WIDTH - 2 * MARGIN - 20) / widest))


def draw_text(pen: ImageDraw.ImageDraw, event: Event, top: int, colour: str) -> None:
    """Write category, title, cities and venues into the 640 pixels below `top`."""
    locations = [day["location"].rsplit(", ", 1) for day in event["schedule"]]
    venues, cities = (list(dict.fromkeys(column)) for column in zip(*locations, strict=True))
    pen.line((MARGIN, top + 128, WIDTH - MARGIN, top + 128), colour, 5)
    title = textwrap.wrap(event["title"], max(15, len(event["title"]) // 2 + 3))
    font = ImageFont.load_default(high := fit_font_size(title, min(200, 304 // len(title))))
    for i, row in enumerate(title):
        pen.text((MARGIN, top + 146 + high * (i + 0.85)), row, colour, font, "ls", stroke_width=4)
    for line, max_size, y in (
        (" ".join(event["category"].upper()), 40, 98),
        (" + ".join(cities), 68, 548),
        (" / ".join(venues), 44, 612),
    ):
        pen.text(
            (MARGIN, top + y),
            line,
            colour,
            ImageFont.load_default(fit_font_size([line], max_size)),
            "ls",
        )


def draw_poster(event: Event) -> Image.Image:
    """Return the picture and the text in one of three layouts, chosen by the title."""
    rng = random.Random(event["title"])
    palette, layout = rng.choice(PALETTES), rng.randrange(3)
    x, y, w, h = ((0, 0, 1600, 1330), (0, 670, 1600, 1330), (100, 100, 1400, 1164))[layout]
    art = Art(rng, palette)
    getattr(art, event["category"])()
    sheet = Image.new("RGB", (WIDTH, HEIGHT), palette[layout * 2])
    sheet.paste(art.image.resize((w, h)), (x, y))
    draw_text(ImageDraw.Draw(sheet), event, (1330, 0, 1300)[layout], palette[0 if layout else 4])
    return sheet.resize((WIDTH // 2, HEIGHT // 2), Image.Resampling.LANCZOS)


def save_poster(image: Image.Image, path: Path, quality: int = 90) -> int:
    """Save with the best quality that needs at most MAX_BYTES, and return the size in bytes."""
    image.save(path, quality=quality, method=6)
    size = path.stat().st_size
    return size if size <= MAX_BYTES else save_poster(image, path, quality - 5)


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__).parse_args()
    raw = unicodedata.normalize("NFD", (ROOT / "data/events.json").read_text("utf-8"))
    for event in json.loads(raw.translate(LATIN_LETTERS).encode("ascii", "ignore")):
        print(
            event["image"],
            save_poster(draw_poster(event), ROOT / event["image"].lstrip("/")),
            "bytes",
        )
