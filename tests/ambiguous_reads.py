"""Refuse to read "the" document of a collection that holds several.

Without a filter or a sort, a server returns any document: after an update it may be another one.
"""

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from pymongo.collection import Collection

from eventapp.core.embedded.collection import EmbeddedCollection


class AmbiguousRead(AssertionError):
    """A `find_one` that may return one of several documents."""


@contextmanager
def refuse_ambiguous_reads() -> Iterator[None]:
    """Let `find_one` raise AmbiguousRead until the end, where several documents are possible."""
    originals = {kind: kind.find_one for kind in (Collection, EmbeddedCollection)}
    try:
        for kind, original in originals.items():
            kind.find_one = _refuse_ambiguous(original)  # type: ignore[method-assign]
        yield
    finally:
        for kind, original in originals.items():
            kind.find_one = original  # type: ignore[method-assign]


def _refuse_ambiguous(find_one: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(find_one)
    def read(collection: Any, filter: Any = None, *arguments: Any, **options: Any) -> Any:
        if not filter and not options.get("sort") and len([*collection.find({}, limit=2)]) > 1:
            raise AmbiguousRead(f"find_one of {collection.name} needs a filter or a sort")
        return find_one(collection, filter, *arguments, **options)

    return read
