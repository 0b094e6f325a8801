"""The cursors of the embedded store: PyMongo's way of asking, over results already in memory."""

from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import Any, Self

from pymongo.errors import InvalidOperation

from eventapp.core.embedded.matches import Sort
from eventapp.core.embedded.mongomock_engine import Document


class EmbeddedCommandCursor:
    """Iterates once over the results of an aggregate or a list of indexes."""

    def __init__(self, fetch: Callable[[], list[Document]]) -> None:
        self._fetch = fetch
        self._results: Iterator[Document] | None = None
        self.alive = True

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Document:
        if self._results is None:
            self._results = iter(self._fetch())
        try:
            return next(self._results)
        except StopIteration:
            self.alive = False
            raise

    next = __next__

    def try_next(self) -> Document | None:
        """Return the next result, or None at the end."""
        return next(self, None)

    def to_list(self, length: int | None = None) -> list[Document]:
        """Return the next `length` results, or all that are left."""
        if length is None:
            return list(self)
        return list(islice(self, length))

    def close(self) -> None:
        """Yield nothing more."""
        self._results, self.alive = iter(()), False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def batch_size(self, _size: int) -> Self:
        """Accepted, without effect: all results are here at once."""
        return self


class EmbeddedCursor(EmbeddedCommandCursor):
    """The results of a find, read in one go, under the lock, when the first is asked for."""

    def __init__(
        self,
        read: Callable[[Sort | None, int, int], list[Document]],
        sort: Any = None,
        skip: int = 0,
        limit: int = 0,
    ) -> None:
        super().__init__(lambda: read(self._sort, self._skip, self._limit))
        self._sort: Sort | None = sort_list(sort) if sort else None
        self._skip, self._limit = skip, limit

    def sort(self, key_or_list: Any, direction: Any = None) -> Self:
        """Sort by a field, or by a list of (field, direction or `$meta`)."""
        self._check_unread()
        self._sort = sort_list(key_or_list, direction)
        return self

    def skip(self, count: int) -> Self:
        """Leave out the first `count` results."""
        self._check_unread()
        if count < 0:
            raise ValueError("skip must be >= 0")
        self._skip = count
        return self

    def limit(self, count: int) -> Self:
        """Stop after `count` results; 0 is no limit."""
        self._check_unread()
        self._limit = count
        return self

    def _check_unread(self) -> None:
        if self._results is not None:
            raise InvalidOperation("cannot set options after executing query")

    def _ignored(self, *_: Any, **__: Any) -> Self:
        """Accepted, without effect: what a server needs to be told, and memory doesn't."""
        return self

    max_time_ms = hint = comment = allow_disk_use = _ignored


def sort_list(key_or_list: Any, direction: Any = None) -> Sort:
    """Return PyMongo's ways of naming a sort as (field, direction) pairs."""
    if isinstance(key_or_list, str):
        return [(key_or_list, 1 if direction is None else direction)]
    if isinstance(key_or_list, Mapping):
        return list(key_or_list.items())
    return [(item, 1) if isinstance(item, str) else (item[0], item[1]) for item in key_or_list]
