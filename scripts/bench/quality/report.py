"""Show the scores of judged queries: a table by kinds and languages, and a list of the misses."""

from collections.abc import Sequence
from dataclasses import asdict
from itertools import chain
from statistics import mean
from typing import Any

from scripts.bench.quality.collection import LANGUAGES
from scripts.bench.quality.judgments import KINDS
from scripts.bench.quality.measure import ANSWERERS, Score


def summarize(scores: Sequence[Score]) -> list[dict[str, Any]]:
    """Return a row for each kind, each language, and all queries.

    Returns:
        `name`, the number of `queries`, and for each answerer `ndcg`, the mean of all queries, and
        `misses`, their number.
    """
    kinds = [
        _summarize(kind, [score for score in scores if score.query.kind == kind]) for kind in KINDS
    ]
    languages = [
        _summarize(name, [score for score in scores if score.query.language == code])
        for code, name in LANGUAGES.items()
    ]
    return [*kinds, *languages, _summarize("all", scores)]


def _summarize(name: str, scores: Sequence[Score]) -> dict[str, Any]:
    row: dict[str, Any] = {"name": name, "queries": len({id(score.query) for score in scores})}
    for answerer in ANSWERERS:
        own = [score for score in scores if score.answerer == answerer]
        row[answerer] = {
            "ndcg": round(mean(score.ndcg for score in own), 3) if own else None,
            "misses": sum(score.missed for score in own),
        }
    return row


def format_quality(rows: Sequence[dict[str, Any]]) -> str:
    """Return the rows as a table in Markdown."""
    heads = [f"{answerer}: {name}" for answerer in ANSWERERS for name in ("nDCG@10", "misses")]
    lines = [["queries", "number", *heads], ["---"] * (len(heads) + 2)]
    for row in rows:
        cells = [_format_cells(row[answerer]) for answerer in ANSWERERS]
        lines.append([row["name"], str(row["queries"]), *chain.from_iterable(cells)])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _format_cells(figures: dict[str, Any]) -> list[str]:
    ndcg = figures["ndcg"]
    return ["-" if ndcg is None else f"{ndcg:.3f}", str(figures["misses"])]


def format_misses(scores: Sequence[Score]) -> str:
    """Return a line for each miss: who answered, the query, what it asks for, what it found."""
    return "\n".join(
        f"{score.answerer}, {score.query.kind}: {score.query.query!r} asks for"
        f" {', '.join(score.query.grades) or 'nothing'}; found {list(score.found[:3])}"
        for score in scores
        if score.missed
    )


def make_report(scores: Sequence[Score]) -> dict[str, Any]:
    """Return the table and all scores, for the JSON report."""
    return {"rows": summarize(scores), "scores": [asdict(score) for score in scores]}
