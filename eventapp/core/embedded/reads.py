"""Reading an embedded collection with PyMongo's calls."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from pymongo.errors import OperationFailure

from eventapp.core.embedded.aggregation import aggregate
from eventapp.core.embedded.base import CollectionBase, locked, tolerate
from eventapp.core.embedded.cursor import EmbeddedCommandCursor, EmbeddedCursor
from eventapp.core.embedded.matches import Sort
from eventapp.core.embedded.mongomock_engine import Document, check_filter

Filter = Mapping[str, Any]


class Reads(CollectionBase):
    """Every call gives copies, datetimes aware in UTC to the millisecond."""

    def find(
        self,
        filter: Filter | None = None,
        projection: Any = None,
        skip: int = 0,
        limit: int = 0,
        *,
        sort: Any = None,
        **options: Any,
    ) -> EmbeddedCursor:
        """Return a cursor that reads, all at once, when its first result is asked for."""
        tolerate(options)
        spec = {} if filter is None else filter
        check_filter(spec)
        return EmbeddedCursor(partial(self._read, spec, projection), sort, skip, limit)

    @locked
    def _read(
        self, spec: Filter, projection: Any, sort: Sort | None, skip: int, limit: int
    ) -> list[Document]:
        return self._documents.find(spec, projection, sort, skip, limit)

    def find_one(
        self, filter: Any = None, projection: Any = None, **options: Any
    ) -> Document | None:
        """Return the first match, or None; a filter that is no mapping is an `_id`."""
        spec = filter if filter is None or isinstance(filter, Mapping) else {"_id": filter}
        return next(self.find(spec, projection, limit=1, **options), None)

    @locked
    def count_documents(
        self, filter: Filter, skip: int = 0, limit: int | None = None, **options: Any
    ) -> int:
        """Count the matches, at most `limit`, after `skip`."""
        tolerate(options)
        if limit is not None and limit <= 0:
            raise OperationFailure("the limit must be positive", 15958)
        count = max(len(self._documents.match(filter).documents) - skip, 0)
        return count if limit is None else min(count, limit)

    @locked
    def distinct(self, key: str, filter: Filter | None = None, **options: Any) -> list[Any]:
        """Return the distinct values of a field, arrays opened."""
        tolerate(options)
        return self._documents.distinct(key, filter or {})

    @locked
    def aggregate(
        self, pipeline: Sequence[Mapping[str, Any]], **options: Any
    ) -> EmbeddedCommandCursor:
        """Run a pipeline now; NotImplementedError for a stage or operator mongomock lacks."""
        tolerate(options)
        results = aggregate(self._documents, pipeline)
        return EmbeddedCommandCursor(lambda: results)
