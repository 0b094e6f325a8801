"""A soak's memory and latency over time, as SVG."""

import math
from collections.abc import Sequence
from typing import Any

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 760, 240, 46, 90, 26, 24
COLOURS = ("#1f5fa8", "#c2571a", "#3d8a4f", "#8a3d86")


def drawing(samples: Sequence[dict[str, Any]], away: tuple[float, float]) -> str:
    """Two panels: megabytes of each process, and milliseconds of the answers."""
    last = samples[-1]["seconds"]
    most_mb = max(max(found["mb"]) for found in samples)
    processes = len(samples[0]["mb"])
    memory = {
        ("main" if place == 0 else f"worker {place}"): [
            (found["seconds"], found["mb"][place] / most_mb)
            for found in samples
            if len(found["mb"]) > place
        ]
        for place in range(processes)
    }
    latency = {
        name: [(found["seconds"], _share(found["ms"][place])) for found in samples if found["ms"]]
        for place, name in enumerate(("half", "95 of 100", "99 of 100"))
    }
    marks = [(f"{most_mb * part:.0f}", part) for part in (0.5, 1.0)]
    panels = [
        _panel("resident MB", memory, marks, last, away),
        _panel("ms of an answer", latency, [(str(n), _share(n)) for n in MARKS_MS], last, away),
    ]
    body = "".join(
        f'<g transform="translate(0 {place * HEIGHT})">{panel}</g>'
        for place, panel in enumerate(panels)
    )
    style = "<style>text{font:11px sans-serif;fill:#333}.axis{stroke:#ddd}</style>"
    background = '<rect width="100%" height="100%" fill="#fff"/>'
    size = f'width="{WIDTH}" height="{HEIGHT * len(panels)}"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size}>{style}{background}{body}</svg>\n'


MARKS_MS = (1, 10, 100, 1000, 10_000)


def _share(ms: float) -> float:
    """Where on a logarithmic axis from 1 ms to 10 s."""
    return min(1.0, math.log10(max(ms, 1.0)) / math.log10(MARKS_MS[-1]))


def _panel(
    title: str,
    lines: dict[str, list[tuple[float, float]]],
    marks: list[tuple[str, float]],
    last: float,
    away: tuple[float, float],
) -> str:
    parts = [f'<text x="{LEFT}" y="15" font-weight="bold">{title}</text>']
    if away[1]:
        x, until = _x(away[0], last), _x(away[1], last)
        box = f'x="{x:.1f}" y="{TOP}" width="{until - x:.1f}" height="{HEIGHT - TOP - BOTTOM}"'
        parts.append(f'<rect {box} fill="#f6dcdc"/>')
        parts.append(f'<text x="{x:.1f}" y="{TOP - 3}">database away</text>')
    for words, share in marks:
        y = _y(share)
        parts.append(f'<path class="axis" d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}"/>')
        parts.append(f'<text x="{LEFT - 4}" y="{y + 4:.1f}" text-anchor="end">{words}</text>')
    for minute in range(0, int(last // 60) + 1, max(1, int(last // 60) // 5)):
        x = _x(minute * 60, last)
        parts.append(f'<text x="{x:.1f}" y="{HEIGHT - 6}" text-anchor="middle">{minute} min</text>')
    for (name, points), colour in zip(lines.items(), COLOURS, strict=False):
        path = "L".join(f"{_x(seconds, last):.1f} {_y(share):.1f}" for seconds, share in points)
        parts.append(f'<path d="M{path}" fill="none" stroke="{colour}" stroke-width="1.5"/>')
        y = _y(points[-1][1]) + 4
        where = f'x="{WIDTH - RIGHT + 6}" y="{y:.1f}"'
        parts.append(f'<text {where} style="fill:{colour}">{name}</text>')
    return "".join(parts)


def _x(seconds: float, last: float) -> float:
    return LEFT + (WIDTH - LEFT - RIGHT) * seconds / last


def _y(share: float) -> float:
    return TOP + (HEIGHT - TOP - BOTTOM) * (1 - share)
