"""What growth looks like: a table in Markdown and a drawing in SVG, of the figures in JSON."""

import json
import math
from pathlib import Path
from typing import Any

WIDTH, HEIGHT, COLUMNS = 250, 150, 4  # px of a panel, and panels beside each other
LEFT, TOP, RIGHT, BOTTOM = 40, 24, 12, 22  # px round the drawing in it
LEAST_MS, MOST_MS = 0.3, 3000.0


def write_pages(grown: dict[str, Any], folder: Path) -> None:
    """growth.json, growth.md and growth.svg."""
    folder.mkdir(exist_ok=True)
    (folder / "growth.json").write_text(json.dumps(grown, indent=1) + "\n")
    (folder / "growth.md").write_text(markdown(grown))
    (folder / "growth.svg").write_text(drawing(grown))


def markdown(grown: dict[str, Any]) -> str:
    """The table: by size, ms and how many finds that is; growth; plans at the largest."""
    sizes = grown["sizes"]
    head = ["uncached", *(f"{size:,}" for size in sizes), "growth", "index and ms of each command"]
    rows = []
    for kind in grown["kinds"]:
        cells = [_cell(*pair) for pair in zip(kind["ms"], kind["find_ms"], strict=True)]
        plans = "; ".join(kind["plans"][-1]) or "in memory"
        rows.append([kind["name"], *cells, growth_words(kind), plans])
    lines = [head, ["---"] * len(head), *rows]
    table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    return f"{INTRODUCTION}\n{table}\n\n![time against size](growth.svg)\n"


INTRODUCTION = """# Growth: time against size

Milliseconds of one request through the services (`service_list`), one at a time, with nothing
cached but the index of the public list that each process keeps (`events/service_index.py`): the
median of 15 different requests; in brackets, how many `find_one` by `eventId` that is, taken
in turns with them. There are as many bookings as events, half of them of one event. *growth* is
that number at the last size over that at the first. Then, at the last size, the index of each
command's winning plan and its ms in a single call: of the count first, where the database counts,
then of the rows; *sorted* where all that matches is sorted in memory. "-" took longer than a
request may.
Made by `python -m scripts.bench growth --sizes ...`; the figures are in `growth.json`.
"""


def growth_words(kind: dict[str, Any]) -> str:
    """How many times its first time a list takes at last, both in finds."""
    first, last = kind["ms"][0], kind["ms"][-1]
    if first is None or last is None:
        return "-"
    return f"{last / kind['find_ms'][-1] / (first / kind['find_ms'][0]):.1f}"


def _cell(ms: float | None, find_ms: float) -> str:
    return "-" if ms is None else f"{ms:.1f} ({ms / find_ms:.1f})"


def drawing(grown: dict[str, Any]) -> str:
    """A panel for each kind, both axes logarithmic; grey is `find_one`."""
    kinds = grown["kinds"]
    rows = math.ceil(len(kinds) / COLUMNS)
    size = f'width="{WIDTH * COLUMNS}" height="{HEIGHT * rows}"'
    panels = [
        f'<g transform="translate({place % COLUMNS * WIDTH} {place // COLUMNS * HEIGHT})">'
        f"{_panel(kind, grown['sizes'])}</g>"
        for place, kind in enumerate(kinds)
    ]
    style = "<style>text{font:11px sans-serif;fill:#333}.axis{stroke:#ddd}</style>"
    background = '<rect width="100%" height="100%" fill="#fff"/>'
    body = "\n".join([style, background, *panels])
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size}>\n{body}\n</svg>\n'


def _panel(kind: dict[str, Any], sizes: list[int]) -> str:
    parts = [f'<text x="{LEFT}" y="15" font-weight="bold">{kind["name"]}</text>']
    for ms in (1, 10, 100, 1000):
        y = _y(ms)
        parts.append(f'<path class="axis" d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}"/>')
        parts.append(f'<text x="{LEFT - 4}" y="{y + 4:.1f}" text-anchor="end">{ms}</text>')
    for size in sizes:
        x, words = _x(size, sizes), f"{size // 1000:,}k"
        parts.append(f'<text x="{x:.1f}" y="{HEIGHT - 6}" text-anchor="middle">{words}</text>')
    parts.append(_line(sizes, kind["find_ms"], "#aaa"))
    parts.append(_line(sizes, kind["ms"], "#1f5fa8"))
    return "".join(parts)


def _line(sizes: list[int], values: list[float | None], colour: str) -> str:
    points = [
        (_x(size, sizes), _y(ms)) for size, ms in zip(sizes, values, strict=True) if ms is not None
    ]
    path = "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
    dots = "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in points)
    line = f'<path d="M{path}" fill="none" stroke="{colour}" stroke-width="2"/>' if points else ""
    return line + dots


def _x(size: int, sizes: list[int]) -> float:
    span = math.log(sizes[-1] / sizes[0]) or 1.0
    return LEFT + 14 + (WIDTH - LEFT - RIGHT - 28) * math.log(size / sizes[0]) / span


def _y(ms: float) -> float:
    share = math.log(max(ms, LEAST_MS) / LEAST_MS) / math.log(MOST_MS / LEAST_MS)
    return TOP + (HEIGHT - TOP - BOTTOM) * (1 - min(share, 1.0))
