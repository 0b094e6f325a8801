"""Which store may read and write which fields of which collection; held against every query.

`checked_queries` watches the queries that the tests cause in this process and refuses those that
the tables below do not allow. Queries that a test makes itself are not watched.
"""

import functools
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from types import FrameType
from typing import Any

from pymongo import DeleteMany, DeleteOne
from pymongo.collection import Collection

from eventapp.core.embedded.collection import EmbeddedCollection
from tests.architecture import PACKAGE, ROOT

# ALL: every field is read. INSERT and DELETE: whole documents are written or removed.
ALL, INSERT, DELETE = "*", "<insert>", "<delete>"
# Fields whose names below them are ids or kinds: `inFlight.<bookingId>` is `inFlight.*` here.
MAPS = frozenset({"inFlight", "tell", "checkIns", "slots"})
TESTS, FEATURES, CORE = f"{ROOT}/tests/", f"{PACKAGE}/", f"{PACKAGE}/core/"
Table = Mapping[str, Mapping[str, Iterable[str]]]

# {collection: {store: fields that its updates write}}; `name.*` is within an array or a map.
WRITES: Table = {}
# The same for reading, by top-level fields; ALL where whole documents are read.
READS: Table = {}


class UndeclaredQuery(AssertionError):
    """A store reads or writes what the tables do not give it."""


def fields_written(update: Any) -> set[str]:
    """Return what an update, a pipeline or a document writes: fields, or INSERT."""
    if isinstance(update, list):  # a pipeline
        return {name for stage in update for fields in stage.values() for name in fields}
    operators = [name for name in update if name.startswith("$")]
    if not operators:
        return {INSERT}
    inserts = {INSERT} if "$setOnInsert" in operators else set()
    updates = [update[name] for name in operators if name != "$setOnInsert"]
    return inserts | {_path(name) for fields in updates for name in fields}


def _path(name: str) -> str:
    """Return `ticketTypes.0.price` as `ticketTypes.*.price`, `inFlight.<id>` as `inFlight.*`."""
    name = re.sub(r"\.(\d+|\$(\[\w*\])?)(?=\.|$)", ".*", name)
    first, dot, _ = name.partition(".")
    return f"{first}.*" if dot and first in MAPS else name


def fields_read(projection: Any) -> set[str]:
    """Return the top-level fields that a projection includes, ALL where it excludes or is None."""
    if not projection:
        return {ALL}
    if not isinstance(projection, Mapping):
        return {name.partition(".")[0] for name in projection}
    included = {name.partition(".")[0] for name, wanted in projection.items() if wanted}
    return included - {"_id"} or ({"_id"} if included else {ALL})


def _of_find(
    _filter: Any = None, projection: Any = None, *_arguments: Any, **_options: Any
) -> set[str]:
    return fields_read(projection)


def _of_update(_filter: Any, update: Any, *_arguments: Any, **_options: Any) -> set[str]:
    return fields_written(update)


def _of_bulk(requests: Iterable[Any], *_arguments: Any, **_options: Any) -> set[str]:
    found: set[str] = set()
    for request in requests:
        deletes = isinstance(request, DeleteOne | DeleteMany)
        found |= {DELETE} if deletes else fields_written(request._doc)
    return found


def _always(found: str) -> Callable[..., set[str]]:
    return lambda *_arguments, **_options: {found}


READING: dict[str, Callable[..., set[str]]] = {
    "find": _of_find,
    "find_one": _of_find,
    "aggregate": _always(ALL),
    "distinct": _always(ALL),
}
WRITING: dict[str, Callable[..., set[str]]] = {
    "insert_one": _always(INSERT),
    "insert_many": _always(INSERT),
    "replace_one": _always(INSERT),
    "delete_one": _always(DELETE),
    "delete_many": _always(DELETE),
    "find_one_and_delete": _always(DELETE),
    "update_one": _of_update,
    "update_many": _of_update,
    "find_one_and_update": _of_update,
    "bulk_write": _of_bulk,
}


def store_of(frame: FrameType | None) -> str | None:
    """Return the module of a feature that makes the query of this frame, as `events.store`.

    None for a query that a test or core makes itself.
    """
    while frame is not None:
        name = frame.f_code.co_filename
        if name.startswith(TESTS) and name != __file__:
            return None
        if name.startswith(FEATURES) and not name.startswith(CORE):
            return name.removeprefix(FEATURES).removesuffix(".py").replace("/", ".")
        frame = frame.f_back
    return None


def undeclared(table: Table, collection: str, store: str, fields: set[str]) -> set[str]:
    """Return the fields that the table does not give this store."""
    allowed = set(table.get(collection, {}).get(store, ()))
    return set() if ALL in allowed else fields - allowed


@contextmanager
def checked_queries() -> Iterator[None]:
    """Check every query of this process against the tables until the end.

    Raises:
        UndeclaredQuery: from the query itself.
    """
    replaced: list[tuple[type, str, Any]] = []
    for kind in (Collection, EmbeddedCollection):
        for table, methods in ((READS, READING), (WRITES, WRITING)):
            for name, fields_of in methods.items():
                original = getattr(kind, name)
                replaced.append((kind, name, original))
                setattr(kind, name, _checked(original, table, fields_of))
    try:
        yield
    finally:
        for kind, name, original in replaced:
            setattr(kind, name, original)


def _checked(
    original: Callable[..., Any], table: Table, fields_of: Callable[..., set[str]]
) -> Callable[..., Any]:
    @functools.wraps(original)
    def query(collection: Any, *arguments: Any, **options: Any) -> Any:
        store = store_of(sys._getframe(1))
        if store is not None:
            fields = fields_of(*arguments, **options)
            if more := undeclared(table, collection.name, store, fields):
                raise UndeclaredQuery(
                    f"{store}: {original.__name__} of {collection.name}: {sorted(more)}; "
                    "declare it in tests/data_access.py, or leave it to the store that may"
                )
        return original(collection, *arguments, **options)

    return query
