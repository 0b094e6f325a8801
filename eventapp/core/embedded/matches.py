"""What a filter found: stored documents, their text scores, and their order."""

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from pymongo.errors import OperationFailure

from eventapp.core.embedded.indexes import frozen
from eventapp.core.embedded.mongomock_engine import Document, found_at, order

Sort = Sequence[tuple[str, Any]]
TEXT_SCORE = {"$meta": "textScore"}


@dataclass
class Matches:
    """Stored documents that fit a filter, with their text scores if it had a `$text`."""

    documents: list[Document] = field(default_factory=list)
    scores: dict[Hashable, float] | None = None

    def score(self, document: Document) -> float:
        """Return the text score of one; OperationFailure without a `$text`."""
        if self.scores is None:
            raise OperationFailure("query requires text score metadata, but it is not available")
        return self.scores[frozen(document["_id"])]


def sort_matches(matches: Matches, order: Sort) -> None:
    """Sort in place; equal ones stay as they were."""
    for path, direction in reversed(order):
        _sort_by(matches, path, direction)


def _sort_by(matches: Matches, path: str, direction: Any) -> None:
    """Sort by one field; by `$meta` the best score comes first."""
    if direction == TEXT_SCORE:
        matches.documents.sort(key=matches.score, reverse=True)
    elif path == "$natural":
        matches.documents = matches.documents[::direction]
    else:
        down = direction < 0
        matches.documents.sort(key=lambda one: _sort_key(one, path, down), reverse=down)


def _sort_key(document: Document, path: str, down: bool) -> tuple[int, Any]:
    """An array sorts by its least item, downwards by its greatest; missing is null."""
    values = list(_sortable(found_at(path, document)))
    if not values:
        return (0, order(None))
    return (1, max(values) if down else min(values))


def _sortable(values: list[Any]) -> Iterable[tuple[int, Any]]:
    for value in values or [None]:
        for item in value if isinstance(value, list) else [value]:
            yield order(item)
