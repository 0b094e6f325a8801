"""The rows of the table in docs/performance.md, their targets, and how a run fills them."""

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import median
from typing import Any

from scripts.bench.judging import MISSED, REACHED, judge, measure_spread

NOT_MEASURED = "not measured"
# The reference of a request that needs only what is in memory.
NO_CALL = "no call to the database"
HEADINGS = ("what", "figure", "reference", "each round", "median", "target", "verdict")


@dataclass(frozen=True)
class Row:
    """One row of the table.

    Attributes:
        name: the key of its figure in the JSON report.
        part: the word that asks for it on the command line, besides its name.
        what: what is measured, as printed.
        unit: "/s" for a rate, else the unit of the figure.
        reference: the figure that it is divided by; None if there is none.
        target: the least ratio to the reference, or the upper limit of a figure without a
            reference.
    """

    name: str
    part: str
    what: str
    unit: str
    reference: str | None
    target: float


def _make_call_row(name: str, part: str, what: str) -> Row:
    return Row(name, part, what, "/s", f"calls of {name}", 0.5)


ROWS = (
    Row("event", "event", "GET /api/events/:id, any of 10,000", "/s", "Flask event", 1.5),
    Row("list", "list", "GET /api/events", "/s", "Flask list", 1.5),
    Row("filters", "filters", "the same with two filters", "/s", "Flask filters", 1.5),
    Row(
        "event-user",
        "signed-in",
        "an event, to a user with favorites",
        "/s",
        "find, users",
        0.6,
    ),
    Row("list-user", "signed-in", "the list, to a user with favorites", "/s", "find, users", 0.6),
    Row("filters-user", "signed-in", "the same with two filters", "/s", "find, users", 0.6),
    Row("healthz", "healthz", "GET /healthz, with the default log", "/s", "Flask healthz", 0.8),
    _make_call_row("favorite-list", "favorites", "GET /api/favorites"),
    _make_call_row("favorite-writes", "favorites", "POST and DELETE /api/favorites"),
    _make_call_row("recoms", "recoms", "POST /api/recoms"),
    _make_call_row("login", "login", "POST /api/users/login, less its hash"),
    _make_call_row("own-bookings", "own-bookings", "GET /api/bookings"),
    _make_call_row("android-events", "android", "Android: GET events"),
    _make_call_row("android-recoms", "android", "Android: POST recoms"),
    _make_call_row("android-favorites", "android", "Android: GET favorites"),
    _make_call_row("android-favorite-writes", "android", "Android: POST and DELETE favorites"),
    _make_call_row("android-register", "android", "Android: POST users, less its hash"),
    _make_call_row("android-login", "android", "Android: POST users/login, less its hash"),
    _make_call_row("android-profile", "android", "Android: PUT users/:id"),
    Row("search", "search", "search, two words, each alike", "/s", "find, search", 0.6),
    Row("search-common", "search", "search, two words, as in texts", "/s", "find, search", 0.6),
    Row("hot-16", "hot", "POST /api/bookings, one type, 16 clients", "/s", "update, 16", 2.0),
    Row("hot-64", "hot", "the same, 64 clients", "/s", "update, 64", 3.0),
    Row("hot-256", "hot", "the same, 256 clients", "/s", "update, 256", 3.5),
    Row("hot-16-p99", "hot", "slowest in 100 of 16 clients", "of p50", None, 5),
    Row("hot-64-p99", "hot", "slowest in 100 of 64 clients", "of p50", None, 5),
    Row("hot-256-p99", "hot", "slowest in 100 of 256 clients", "of p50", None, 5),
    Row("hot-16-overtaken", "hot", "most overtaken of 16 clients", "of clients", None, 1),
    Row("hot-64-overtaken", "hot", "most overtaken of 64 clients", "of clients", None, 1),
    Row("hot-256-overtaken", "hot", "most overtaken of 256 clients", "of clients", None, 1),
    Row("codes", "codes", "64 clients, a promo code, two quotas", "/s", "hot-64", 0.8),
    Row("limits", "limits", "64 clients, an event at all limits", "/s", "hot-64", 0.3),
    Row("spread", "spread", "64 clients, 1,000 events", "/s", "spread update", 0.7),
    Row("streams", "streams", "an event beside 1,000 streams", "/s", "without them", 0.9),
    Row("memory", "memory", "memory of a process, at the start", "MB", None, 150),
    Row("memory-mixed", "memory", "the same, after mixed load", "MB", None, 150),
    Row("start-health", "start", "start to /healthz", "s", None, 2),
    Row("start-events", "start", "start to /api/events", "s", None, 2),
)
PARTS = tuple(dict.fromkeys(row.part for row in ROWS))
PART_OF_ROW = {row.name: row.part for row in ROWS}

# Figures and references by name, of each round.
RoundFigures = list[dict[str, float]]


def summarize_row(row: Row, rounds: RoundFigures, failures: Mapping[str, str]) -> dict[str, Any]:
    """Return the row of the report: its medians, the ratio of each round, and the verdict.

    A round measures a figure right after its reference, so the ratio of the row is the median of
    the ratios of the rounds. A row whose reference was not measured makes no call to the database.

    Args:
        failures: the reason why a part or a row could not be measured, by its name.
    """
    summary: dict[str, Any] = {"row": row.name, "what": row.what}
    if failed := failures.get(row.name) or failures.get(row.part):
        return summary | {"verdict": f"FAILED: {failed}"}
    measured = [figures for figures in rounds if row.name in figures]
    if not measured:
        return summary | {"verdict": NOT_MEASURED}
    figures = [each[row.name] for each in measured]
    summary |= {"figure": median(figures), "unit": row.unit, "target": row.target}
    if row.reference is None:
        verdict = REACHED if median(figures) < row.target else MISSED
        return summary | {"figures": figures, "verdict": verdict}
    if row.reference not in measured[0]:
        return summary | {"figures": figures, "verdict": REACHED, "of": NO_CALL}
    references = [each[row.reference] for each in measured]
    ratios = [figure / each for figure, each in zip(figures, references, strict=True)]
    return summary | {
        "reference": median(references),
        "of": row.reference,
        "ratio": median(ratios),
        "ratios": ratios,
        "verdict": judge(ratios, references, row.target),
    }


def format_table(summaries: list[dict[str, Any]]) -> str:
    """Return the table as lines with aligned columns."""
    lines: list[tuple[str, ...]] = [HEADINGS]
    lines += [_format_cells(summary) for summary in summaries]
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def format_noise(rounds: RoundFigures) -> str:
    """Return a line for each reference: its rate in each round, and how far these lie apart."""
    names = dict.fromkeys(row.reference for row in ROWS if row.reference)
    lines = []
    for name in names:
        rates = [figures[name] for figures in rounds if name in figures]
        if rates:
            shown = ", ".join(f"{rate:,.0f}" for rate in rates)
            lines.append(f"reference {name}: {shown}; spread {measure_spread(rates):.0%}")
    return "\n".join(lines)


def _format_cells(summary: dict[str, Any]) -> tuple[str, ...]:
    what, verdict = summary["what"], summary["verdict"]
    if "figure" not in summary:
        return what, "", "", "", "", "", verdict
    decimals = 0 if summary["unit"] == "/s" else 2
    figure = f"{summary['figure']:,.{decimals}f} {summary['unit']}"
    if "of" not in summary:
        return what, figure, "", "", "", f"< {summary['target']}", verdict
    if summary["of"] == NO_CALL:
        return what, figure, NO_CALL, "", "", _format_target(summary), verdict
    reference = f"{summary['of']} {summary['reference']:,.0f}"
    ratios = " ".join(f"{ratio:.2f}" for ratio in summary["ratios"])
    return (
        what,
        figure,
        reference,
        ratios,
        f"{summary['ratio']:.2f}",
        _format_target(summary),
        verdict,
    )


def _format_target(summary: dict[str, Any]) -> str:
    return "" if summary["target"] is None else f">= {summary['target']}"
