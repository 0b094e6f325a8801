"""What every part of an embedded collection shares: the one lock, and which options pass."""

import os
import threading
from collections.abc import Callable, Mapping
from functools import wraps
from pathlib import Path
from typing import Any, NoReturn, Self, TypeVar, cast

from bson.codec_options import CodecOptions
from pymongo.collection import Collection
from pymongo.errors import InvalidOperation
from pymongo.write_concern import WriteConcern

from eventapp.core.embedded.disk import EmbeddedStoreBusy
from eventapp.core.embedded.documents import Documents
from eventapp.core.embedded.mongomock_engine import Document

Method = TypeVar("Method", bound=Callable[..., Any])

# What a server needs to be told, and an embedded store may pass over.
_IGNORED = frozenset(
    ("max_time_ms", "maxTimeMS", "comment", "hint", "batch_size", "batchSize", "allow_disk_use")
    + ("allowDiskUse", "no_cursor_timeout", "bypass_document_validation", "allow_partial_results")
)
_NOT_HERE = frozenset(("session", "collation", "let"))


class StoreLock:
    """The one lock of a client; taking it fails once the client is closed, or in a fork."""

    def __init__(self, directory: Path | None) -> None:
        self.inner = threading.RLock()
        self.closed = False
        self.between: Callable[[], None] | None = None  # called after each operation
        self._depth = 0
        self._directory = directory
        self._process = os.getpid()

    @property
    def forked(self) -> bool:
        """Whether this is a child of the process that opened the directory."""
        return self._directory is not None and os.getpid() != self._process

    def __enter__(self) -> None:
        # A fork has a copy of the documents, but no thread that saves them.
        if self.forked:
            raise EmbeddedStoreBusy(self._directory)
        self.inner.acquire()
        if self.closed:
            self.inner.release()
            raise InvalidOperation("Cannot use EmbeddedClient after close")
        self._depth += 1

    def __exit__(self, *_: object) -> None:
        self._depth -= 1
        outermost = self._depth == 0
        self.inner.release()
        if outermost and self.between:
            self.between()


def locked(method: Method) -> Method:
    """Make a method one step: nothing else reads or writes meanwhile."""

    @wraps(method)
    def under_lock(self: "CollectionBase", *args: Any, **kwargs: Any) -> Any:
        with self._lock:
            return method(self, *args, **kwargs)

    return cast(Method, under_lock)


def tolerate(options: Mapping[str, Any]) -> None:
    """Pass over what makes no difference in memory.

    Raises:
        NotImplementedError: an option would change the answer, and the store has no such thing.
        TypeError: there is no such option.
    """
    for name, value in options.items():
        if name in _NOT_HERE:
            if value is not None:
                raise NotImplementedError(f"the embedded store has no {name}")
        elif name not in _IGNORED:
            raise TypeError(f"unexpected option {name!r}")


class StandIn:
    """Stands in for a class of PyMongo's, also before a library that insists on that class.

    `gridfs` takes a database by its `isinstance`, and asks for the options that it may be given.
    """

    stands_in_for: type
    codec_options: CodecOptions[Document] = CodecOptions(tz_aware=True)
    write_concern = WriteConcern()

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        return self.stands_in_for

    def with_options(self, *_: Any, **__: Any) -> Self:
        """Return the same: concerns and preferences mean nothing to one process."""
        return self


class CollectionBase(StandIn):
    """The name, the database and the documents of a collection.

    Attributes:
        files, chunks: where `gridfs` keeps the files of a bucket of this name.
    """

    stands_in_for = Collection

    def __init__(self, database: Any, documents: Documents, lock: StoreLock) -> None:
        self.database = database
        self.name: str = documents.store.name
        self.full_name = documents.store.namespace
        self._documents = documents
        self._lock = lock

    def __repr__(self) -> str:
        return f"EmbeddedCollection({self.full_name!r})"

    def __bool__(self) -> NoReturn:
        # As PyMongo does, so that code that works here works there.
        raise NotImplementedError("compare a collection with None instead of testing its truth")

    @property
    def files(self) -> Any:
        return self.database[f"{self.name}.files"]

    @property
    def chunks(self) -> Any:
        return self.database[f"{self.name}.chunks"]
