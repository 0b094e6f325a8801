"""The rows of the table in docs/performance.md, their targets, and how a run fills them."""

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import median
from typing import Any

NOT_MEASURED = "not yet"


@dataclass(frozen=True)
class Row:
    """One row of the table.

    Attributes:
        name: the key of its figure in the JSON report.
        part: the word that asks for it on the command line.
        what: what is measured, as printed.
        unit: "/s" for a rate, else the unit of the figure.
        reference: the figure that it is divided by; None if there is none.
        target: the least ratio to the reference, or the upper limit of a figure without a
            reference; None if the row has no target.
    """

    name: str
    part: str
    what: str
    unit: str
    reference: str | None
    target: float | None


ROWS = (
    Row("event", "event", "GET /api/events/:id, one", "/s", "HTTP", 0.6),
    Row("event-any", "event", "GET /api/events/:id, any of 10,000", "/s", "HTTP", 0.6),
    Row("list", "list", "GET /api/events, 10,000 events", "/s", "HTTP", 0.6),
    Row("search", "search", "search, two words, each alike", "/s", "find", 0.5),
    Row("search-common", "search", "search, two words, as in texts", "/s", "find", 0.5),
    Row("hot", "hot", "POST /api/bookings, one type", "/s", "update", 2.0),
    Row("spread", "spread", "POST /api/bookings, 1,000 events", "/s", "spread update", 0.5),
    Row("codes", "codes", "the same, a promo code, two quotas", "/s", "plain event", 0.8),
    Row("limits", "limits", "the same, an event at all limits", "/s", "plain event", 0.3),
    Row("memory", "memory", "resident memory of a process", "MB", None, 150),
    Row("start-health", "start", "start to /healthz", "s", None, 2),
    Row("start-events", "start", "start to /api/events", "s", None, 2),
    Row("streams", "streams", "one event beside 1,000 streams", "/s", "without them", 0.9),
)
PARTS = tuple(dict.fromkeys(row.part for row in ROWS))

# Figures and references by name, of each round.
RoundFigures = list[dict[str, float]]


def summarize_row(row: Row, rounds: RoundFigures, failures: Mapping[str, str]) -> dict[str, Any]:
    """Return the row of the report: medians over the rounds, and whether the target is met.

    The ratio is the median of the ratios of the rounds, because a round measures a figure right
    after its reference.

    Args:
        failures: the reason why a part could not be measured, by its name.
    """
    measured = [figures for figures in rounds if row.name in figures]
    if row.part in failures:
        return {"row": row.name, "what": row.what, "failed": failures[row.part], "met": False}
    if not measured:
        return {"row": row.name, "what": row.what, "met": NOT_MEASURED}
    figure = median(figures[row.name] for figures in measured)
    summary: dict[str, Any] = {
        "row": row.name, "what": row.what, "figure": figure, "unit": row.unit,
    }  # fmt: skip
    if row.reference is None:
        is_met = row.target is None or figure < row.target
        return summary | {"target": row.target, "met": is_met}
    ratios = [figures[row.name] / figures[row.reference] for figures in measured]
    summary |= {"reference": median(figures[row.reference] for figures in measured)}
    summary |= {"of": row.reference, "ratio": median(ratios), "ratios": ratios}
    is_met = row.target is None or median(ratios) >= row.target
    return summary | {"target": row.target, "met": is_met}


def format_table(summaries: list[dict[str, Any]]) -> str:
    """Return the table as lines with aligned columns."""
    lines = [("what", "figure", "reference", "ratio", "target", "met?")]
    lines += [_format_cells(summary) for summary in summaries]
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def _format_cells(summary: dict[str, Any]) -> tuple[str, str, str, str, str, str]:
    what = summary["what"]
    if "figure" not in summary:
        status = f"FAILED: {summary['failed']}" if "failed" in summary else NOT_MEASURED
        return what, "", "", "", "", status
    decimals = 0 if summary["unit"] == "/s" else 2
    figure = f"{summary['figure']:,.{decimals}f} {summary['unit']}"
    met = "yes" if summary["met"] else "NO"
    if "ratio" not in summary:
        return what, figure, "", "", f"< {summary['target']}", met
    reference = f"{summary['of']} {summary['reference']:,.0f}"
    return what, figure, reference, f"{summary['ratio']:.2f}", f">= {summary['target']}", met
