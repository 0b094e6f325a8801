"""Draw memory and answer times of a soak test over time, as SVG."""

import math
from collections.abc import Sequence
from typing import TypedDict

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 760, 240, 46, 90, 26, 24
# The ticks of the logarithmic time axis, in milliseconds.
TICKS_MS = (1, 10, 100, 1000, 10_000)
COLOURS = ("#1f5fa8", "#c2571a", "#3d8a4f", "#8a3d86")


class Sample(TypedDict):
    """Memory and answer times of a few seconds of a soak test."""

    seconds: float  # from the start of the run
    mb: list[float]  # resident memory of each process, the main process first; 10^6 bytes
    answers: int  # the number of answers since the last sample
    ms: list[float]  # 50th, 95th and 99th percentile of their times; empty if there were none


# The points of each line, by its name: seconds, and the height as a number from 0 to 1.
Lines = dict[str, list[tuple[float, float]]]


def render_chart(samples: Sequence[Sample], down: tuple[float, float]) -> str:
    """Return two panels: megabytes of each process, and milliseconds of the answers.

    Args:
        samples: the samples of the run, in chronological order.
        down: the seconds from the start at which the database was killed and started again; two
            zeros if it was not.
    """
    last = samples[-1]["seconds"]
    max_mb = max(max(sample["mb"]) for sample in samples)
    mb_ticks = [(f"{max_mb * share:.0f}", share) for share in (0.5, 1.0)]
    ms_ticks = [(str(ms), _log_share(ms)) for ms in TICKS_MS]
    panels = [
        _render_panel("resident MB", _memory_lines(samples, max_mb), mb_ticks, last, down),
        _render_panel("ms of an answer", _latency_lines(samples), ms_ticks, last, down),
    ]
    body = "".join(
        f'<g transform="translate(0 {number * HEIGHT})">{panel}</g>'
        for number, panel in enumerate(panels)
    )
    style = "<style>text{font:11px sans-serif;fill:#333}.axis{stroke:#ddd}</style>"
    background = '<rect width="100%" height="100%" fill="#fff"/>'
    size = f'width="{WIDTH}" height="{HEIGHT * len(panels)}"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size}>{style}{background}{body}</svg>\n'


def _memory_lines(samples: Sequence[Sample], max_mb: float) -> Lines:
    return {
        ("main" if number == 0 else f"worker {number}"): [
            (sample["seconds"], sample["mb"][number] / max_mb)
            for sample in samples
            if len(sample["mb"]) > number
        ]
        for number in range(len(samples[0]["mb"]))
    }


def _latency_lines(samples: Sequence[Sample]) -> Lines:
    return {
        name: [
            (sample["seconds"], _log_share(sample["ms"][number]))
            for sample in samples
            if sample["ms"]
        ]
        for number, name in enumerate(("half", "95 of 100", "99 of 100"))
    }


def _log_share(ms: float) -> float:
    """Return the position on a logarithmic axis from 1 ms to 10 s, as a number from 0 to 1."""
    return min(1.0, math.log10(max(ms, 1.0)) / math.log10(TICKS_MS[-1]))


def _render_panel(
    title: str,
    lines: Lines,
    ticks: list[tuple[str, float]],
    last: float,
    down: tuple[float, float],
) -> str:
    parts = [f'<text x="{LEFT}" y="15" font-weight="bold">{title}</text>']
    if down[1]:
        x, end = _x(down[0], last), _x(down[1], last)
        box = f'x="{x:.1f}" y="{TOP}" width="{end - x:.1f}" height="{HEIGHT - TOP - BOTTOM}"'
        parts.append(f'<rect {box} fill="#f6dcdc"/>')
        parts.append(f'<text x="{x:.1f}" y="{TOP - 3}">database away</text>')
    for label, share in ticks:
        y = _y(share)
        parts.append(f'<path class="axis" d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}"/>')
        parts.append(f'<text x="{LEFT - 4}" y="{y + 4:.1f}" text-anchor="end">{label}</text>')
    for minute in range(0, int(last // 60) + 1, max(1, int(last // 60) // 5)):
        x = _x(minute * 60, last)
        parts.append(f'<text x="{x:.1f}" y="{HEIGHT - 6}" text-anchor="middle">{minute} min</text>')
    for (name, points), colour in zip(lines.items(), COLOURS, strict=False):
        path = "L".join(f"{_x(seconds, last):.1f} {_y(share):.1f}" for seconds, share in points)
        parts.append(f'<path d="M{path}" fill="none" stroke="{colour}" stroke-width="1.5"/>')
        y = _y(points[-1][1]) + 4
        position = f'x="{WIDTH - RIGHT + 6}" y="{y:.1f}"'
        parts.append(f'<text {position} style="fill:{colour}">{name}</text>')
    return "".join(parts)


def _x(seconds: float, last: float) -> float:
    return LEFT + (WIDTH - LEFT - RIGHT) * seconds / last


def _y(share: float) -> float:
    return TOP + (HEIGHT - TOP - BOTTOM) * (1 - share)
