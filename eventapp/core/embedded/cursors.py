"""The cursors of the embedded store: results in memory, with the interface of PyMongo's cursors."""

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any, Self

from pymongo.errors import InvalidOperation

from eventapp.core.embedded.mongomock_internals import Document
from eventapp.core.embedded.pymongo_interface import Sort, parse_sort


class EmbeddedCommandCursor:
    """Iterates once over the results of an aggregation or a list of indexes."""

    def __init__(self, fetch: Callable[[], list[Document]]) -> None:
        """Create a cursor; `fetch` is called when the first result is read."""
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

    def to_list(self, length: int | None = None) -> list[Document]:
        """Return the next `length` results, or all remaining ones."""
        if length is None:
            return list(self)
        return list(islice(self, length))

    def close(self) -> None:
        """Discard the remaining results."""
        self._results, self.alive = iter(()), False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def batch_size(self, _size: int) -> Self:
        """Accept the size without effect: all results are read at once."""
        return self


class EmbeddedCursor(EmbeddedCommandCursor):
    """Iterates over the results of a find. They are all read when the first one is needed."""

    def __init__(
        self,
        read: Callable[[Sort | None, int, int], list[Document]],
        sort: Any = None,
        skip: int = 0,
        limit: int = 0,
    ) -> None:
        """Create a cursor; `read(sort, skip, limit)` is called when the first result is read."""
        super().__init__(lambda: read(self._sort, self._skip, self._limit))
        self._sort: Sort | None = parse_sort(sort) if sort else None
        self._skip, self._limit = skip, limit

    def sort(self, key_or_list: Any, direction: Any = None) -> Self:
        """Sort by a field, or by a list of (field, direction or `$meta`)."""
        self._check_unread()
        self._sort = parse_sort(key_or_list, direction)
        return self

    def skip(self, count: int) -> Self:
        """Skip the first `count` results."""
        self._check_unread()
        if count < 0:
            raise ValueError("skip must be >= 0")
        self._skip = count
        return self

    def limit(self, count: int) -> Self:
        """Stop after `count` results; 0 means no limit."""
        self._check_unread()
        self._limit = count
        return self

    def _check_unread(self) -> None:
        if self._results is not None:
            raise InvalidOperation("cannot set options after executing query")

    def _ignore_option(self, *_: Any, **__: Any) -> Self:
        """Accept an option that only matters to a server."""
        return self

    max_time_ms = hint = comment = allow_disk_use = _ignore_option
