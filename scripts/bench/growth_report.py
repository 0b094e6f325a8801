"""Write the figures of growth: as JSON, as a table in Markdown, and as a chart in SVG."""

import json
import math
from pathlib import Path
from typing import Any

# The size of a panel and the margins around its chart, in pixels; the panels of a row.
WIDTH, HEIGHT, COLUMNS = 250, 150, 4
LEFT, TOP, RIGHT, BOTTOM = 40, 24, 12, 22
# The most commands of a call in the table; the others are counted.
MAX_PLANS = 6
# The range of the logarithmic time axis, in milliseconds.
MIN_MS, MAX_MS = 0.3, 3000.0


def write_pages(growth: dict[str, Any], folder: Path) -> None:
    """Write growth.json, growth.md and growth.svg into the folder.

    Args:
        growth: what `measure_growth` returns.
    """
    folder.mkdir(exist_ok=True)
    (folder / "growth.json").write_text(json.dumps(growth, indent=1) + "\n")
    (folder / "growth.md").write_text(render_markdown(growth))
    (folder / "growth.svg").write_text(render_chart(growth))


def render_markdown(growth: dict[str, Any]) -> str:
    """Return the page: for each list its times, its growth, and its plans at the last size."""
    sizes = growth["sizes"]
    head = ["uncached", *(f"{size:,}" for size in sizes), "growth", "index and ms of each command"]
    rows = []
    for times in growth["kinds"]:
        cells = [_format_cell(*pair) for pair in zip(times["ms"], times["find_ms"], strict=True)]
        rows.append(
            [times["name"], *cells, format_growth(times), _format_plans(times["plans"][-1])]
        )
    lines = [head, ["---"] * len(head), *rows]
    table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    return f"{INTRODUCTION}\n{table}\n\n![time against size](growth.svg)\n"


INTRODUCTION = """# Growth: time against size

The table shows the milliseconds of one request, called through its service
(`events/listing.py`, `bookings/service.py`), one request at a time. Nothing is cached except the
index of listed events, which each process keeps in memory (`events/index/event_index.py`). Each
value is the median of 15 different requests. The number in brackets is the same time in multiples
of a `find_one` by `eventId`, which is called in turns with the list. There are as many bookings as
events, and half of the bookings are of one event.

*growth* is the number in brackets at the last size, divided by that at the first size. The last
column shows, at the last size, the commands of a single call, each with the index of its winning
plan and its milliseconds. Where the database counts the rows, the count comes first. *sorted* means
that the matches are sorted in memory. "-" means that most calls took longer than a request may.

`python -m scripts.bench growth --sizes ...` writes this page and the figures in `growth.json`.
"""


def format_growth(times: dict[str, Any]) -> str:
    """Return the last time over the first, both in multiples of a `find_one`."""
    first, last = times["ms"][0], times["ms"][-1]
    if first is None or last is None:
        return "-"
    return f"{last / times['find_ms'][-1] / (first / times['find_ms'][0]):.1f}"


def _format_plans(plans: list[str]) -> str:
    """Return the plans of the first commands, and the number of the others."""
    others = len(plans) - MAX_PLANS
    shown = [*plans[:MAX_PLANS], *([f"{others} more"] if others > 0 else [])]
    return "; ".join(shown) or "in memory"


def _format_cell(ms: float | None, find_ms: float) -> str:
    return "-" if ms is None else f"{ms:.1f} ({ms / find_ms:.1f})"


def render_chart(growth: dict[str, Any]) -> str:
    """Return an SVG with a panel for each list; both axes are logarithmic, `find_one` is grey."""
    lists = growth["kinds"]
    rows = math.ceil(len(lists) / COLUMNS)
    size = f'width="{WIDTH * COLUMNS}" height="{HEIGHT * rows}"'
    panels = [
        f'<g transform="translate({number % COLUMNS * WIDTH} {number // COLUMNS * HEIGHT})">'
        f"{_render_panel(times, growth['sizes'])}</g>"
        for number, times in enumerate(lists)
    ]
    style = "<style>text{font:11px sans-serif;fill:#333}.axis{stroke:#ddd}</style>"
    background = '<rect width="100%" height="100%" fill="#fff"/>'
    body = "\n".join([style, background, *panels])
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size}>\n{body}\n</svg>\n'


def _render_panel(times: dict[str, Any], sizes: list[int]) -> str:
    parts = [f'<text x="{LEFT}" y="15" font-weight="bold">{times["name"]}</text>']
    for ms in (1, 10, 100, 1000):
        y = _y(ms)
        parts.append(f'<path class="axis" d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}"/>')
        parts.append(f'<text x="{LEFT - 4}" y="{y + 4:.1f}" text-anchor="end">{ms}</text>')
    for size in sizes:
        x, label = _x(size, sizes), f"{size // 1000:,}k"
        parts.append(f'<text x="{x:.1f}" y="{HEIGHT - 6}" text-anchor="middle">{label}</text>')
    parts.append(_render_line(sizes, times["find_ms"], "#aaa"))
    parts.append(_render_line(sizes, times["ms"], "#1f5fa8"))
    return "".join(parts)


def _render_line(sizes: list[int], values: list[float | None], colour: str) -> str:
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
    share = math.log(max(ms, MIN_MS) / MIN_MS) / math.log(MAX_MS / MIN_MS)
    return TOP + (HEIGHT - TOP - BOTTOM) * (1 - min(share, 1.0))
