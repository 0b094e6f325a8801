"""Refuse that a test reads "the" document of a collection that holds several.

Without a filter or a sort, a server returns any document: after an update it may be another one.
"""

import functools
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pymongo.collection import Collection

from eventapp.core.embedded.collection import EmbeddedCollection

TESTS = str(Path(__file__).resolve().parent)
# The modules of tests that wrap the methods of collections.
WRAPPERS = (__file__, f"{TESTS}/data_access.py")


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
        is_any = not filter and not options.get("sort") and _is_called_by_test()
        if is_any and len([*collection.find({}, limit=2)]) > 1:
            raise AmbiguousRead(f"find_one of {collection.name} needs a filter or a sort")
        return find_one(collection, filter, *arguments, **options)

    return read


def _is_called_by_test() -> bool:
    """Return whether the wrapped method was called by a test, and not by code under test."""
    frame = sys._getframe(1)
    while frame.f_back and frame.f_code.co_filename in WRAPPERS:
        frame = frame.f_back
    return frame.f_code.co_filename.startswith(TESTS)
