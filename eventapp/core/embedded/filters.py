"""Analyse filters before they are evaluated: their conditions, equal values and `$text`."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from bson import ObjectId

from eventapp.core.embedded.mongomock_internals import Document


def iter_required_conditions(query: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield the (path, condition) pairs that must all hold, including those inside `$and`."""
    for path, condition in query.items():
        if path == "$and":
            for clause in condition:
                yield from iter_required_conditions(clause)
        elif not path.startswith("$"):
            yield path, condition


def find_equal_values(condition: Any) -> list[Any] | None:
    """Return the scalars of a condition `=`, `$eq` or `$in`, or None for any other condition."""
    if isinstance(condition, dict) and len(condition) == 1:
        condition = condition.get("$in", [condition.get("$eq")])
    values = condition if isinstance(condition, list) else [condition]
    scalar_types = str | int | float | ObjectId | datetime
    return values if all(isinstance(value, scalar_types) for value in values) else None


def split_text(query: Document) -> tuple[Document, Document | None]:
    """Remove `$text` from the top level or an `$and`; return the rest of the filter and `$text`."""
    rest = dict(query)
    text = rest.pop("$text", None)
    clauses = [split_text(clause) for clause in rest.get("$and", [])]
    if any(found for _, found in clauses):
        rest["$and"] = [clause for clause, _ in clauses]
        text = text or next(found for _, found in clauses if found)
    return rest, text
