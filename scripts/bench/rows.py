"""The table of quality.md: its rows, and what a run says of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import median
from typing import Any

NOT_YET = "not yet"


@dataclass(frozen=True)
class Row:
    """A line of the table.

    Attributes:
        name: what it is called in the JSON; `part` what asks for it on the command line.
        target: the least ratio to the reference; or, where there is none, the most it may be.
            None where the line only informs.
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
    Row("memory", "memory", "resident memory of a process", "MB", None, 150),
    Row("start-health", "start", "start to /healthz", "s", None, 2),
    Row("start-events", "start", "start to /api/events", "s", None, 2),
    Row("streams", "streams", "one event beside 1,000 streams", "/s", "without them", 0.9),
)
PARTS = tuple(dict.fromkeys(row.part for row in ROWS))

Rounds = list[dict[str, float]]


def summary(row: Row, rounds: Rounds, failures: Mapping[str, str]) -> dict[str, Any]:
    """Medians over the rounds; the ratio is the median of each round's own.

    Args:
        failures: why a part could not be measured, by its name.
    """
    seen = [measured for measured in rounds if row.name in measured]
    if row.part in failures:
        return {"row": row.name, "what": row.what, "failed": failures[row.part], "met": False}
    if not seen:
        return {"row": row.name, "what": row.what, "met": NOT_YET}
    figure = median(measured[row.name] for measured in seen)
    found: dict[str, Any] = {"row": row.name, "what": row.what, "figure": figure, "unit": row.unit}
    if row.reference is None:
        return found | {"target": row.target, "met": row.target is None or figure < row.target}
    ratios = [measured[row.name] / measured[row.reference] for measured in seen]
    found |= {"reference": median(measured[row.reference] for measured in seen)}
    found |= {"of": row.reference, "ratio": median(ratios), "ratios": ratios}
    return found | {"target": row.target, "met": row.target is None or median(ratios) >= row.target}


def table(summaries: list[dict[str, Any]]) -> str:
    """The lines to print."""
    lines = [("what", "figure", "reference", "ratio", "target", "met?")]
    lines += [_cells(found) for found in summaries]
    widths = [max(len(line[place]) for line in lines) for place in range(len(lines[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def _cells(found: dict[str, Any]) -> tuple[str, str, str, str, str, str]:
    if "figure" not in found:
        why = f"FAILED: {found['failed']}" if "failed" in found else NOT_YET
        return found["what"], "", "", "", "", why
    figure = f"{found['figure']:,.{0 if found['unit'] == '/s' else 2}f} {found['unit']}"
    met = "yes" if found["met"] else "NO"
    if "ratio" not in found:
        return found["what"], figure, "", "", f"< {found['target']}", met
    reference = f"{found['of']} {found['reference']:,.0f}"
    return found["what"], figure, reference, f"{found['ratio']:.2f}", f">= {found['target']}", met
