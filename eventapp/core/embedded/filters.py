"""Take filters apart before they are evaluated: their conditions, equal values and `$text`."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from bson import ObjectId

from eventapp.core.embedded.mongomock_internals import Document

_SCALAR_TYPES = (str, int, float, ObjectId, datetime)


def iter_required_conditions(query: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield the (path, condition) pairs that must all hold, including those inside `$and`."""
    for path, condition in query.items():
        if path == "$and":
            for clause in condition:
                yield from iter_required_conditions(clause)
        elif not path.startswith("$"):
            yield path, condition


def find_equal_values(condition: Any) -> list[Any] | None:
    """Return the scalars of which a field, or an item of it, must equal one to meet a condition.

    Returns:
        The value of a plain condition or of `$eq`, or the items of `$in`. None for any other
        condition, and if one of the values is not a scalar. A plain array is no scalar: it equals a
        whole array, which may be empty or an item of another array.
    """
    if isinstance(condition, _SCALAR_TYPES):
        return [condition]
    # Any other single operator gives [None], which is not a scalar.
    if isinstance(condition, dict) and len(condition) == 1:
        values = condition.get("$in", [condition.get("$eq")])
        if isinstance(values, list) and all(isinstance(each, _SCALAR_TYPES) for each in values):
            return values
    return None


def split_text(query: Document) -> tuple[Document, Document | None]:
    """Return a filter without the `$text` at its top level or inside `$and`, and that `$text`."""
    if "$text" not in query and "$and" not in query:
        return query, None
    rest = dict(query)
    text = rest.pop("$text", None)
    clauses = [split_text(clause) for clause in rest.get("$and", [])]
    if any(found for _, found in clauses):
        rest["$and"] = [clause for clause, _ in clauses]
        text = text or next(found for _, found in clauses if found)
    return rest, text
