"""Make one write of the process fail in one of the ways in which a database may fail.

The writes are counted over all collections, and the one with the given number fails. What a test
itself writes is counted too, so tests begin to count right before the call that they examine.
"""

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pymongo.collection
from pymongo.errors import (
    AutoReconnect,
    BulkWriteError,
    NetworkTimeout,
    PyMongoError,
    WriteConcernError,
)

from eventapp.core.embedded.collection import EmbeddedCollection

KINDS = (pymongo.collection.Collection, EmbeddedCollection)
BULK_WRITES = ("insert_many", "bulk_write")
WRITES = (
    *("insert_one", "update_one", "update_many", "replace_one", "find_one_and_update"),
    *("delete_one", "delete_many", "find_one_and_delete", *BULK_WRITES),
)
# Code 64: the write was not acknowledged by a majority in time. It may be rolled back.
NOT_REPLICATED = {"code": 64, "errmsg": "waiting for replication timed out"}
NO_COUNTS = dict.fromkeys(("nInserted", "nMatched", "nModified", "nRemoved", "nUpserted"), 0) | {
    "upserted": []
}
Write = Callable[[], Any]


class Faults:
    """Counts writes, and makes one of them fail.

    Attributes:
        count: how many writes were made since `begin`.
        late: the writes that are to be performed although the caller was told that they failed.
    """

    def __init__(self) -> None:
        self.count, self.late = 0, list[Write]()
        self._number, self._fault = 0, ""
        self._depth = 0

    def begin(self, number: int = 0, fault: str = "") -> None:
        """Count from now on, and let the write with this number fail; 0 for none."""
        self.count = 0
        self._number, self._fault = number, fault

    def end(self) -> None:
        """Let no further write fail."""
        self._number = 0

    def perform_late_writes(self) -> None:
        """Perform the late writes. A unique index may refuse them."""
        for write in self.late:
            with suppress(PyMongoError):
                write()
        self.late = []

    def call(self, name: str, write: Write) -> Any:
        """Perform a write, or let it fail."""
        if self._depth:  # The embedded store makes a bulk write of single writes.
            return write()
        self.count += 1
        if self.count == self._number:
            return getattr(self, self._fault)(name, write)
        self._depth += 1
        try:
            return write()
        finally:
            self._depth -= 1

    # The ways to fail.

    def loses_the_request(self, _name: str, _write: Write) -> Any:
        """Raise: the write never reached the database."""
        raise AutoReconnect("connection closed")

    def loses_the_reply(self, _name: str, write: Write) -> Any:
        """Perform the write, and raise: the connection was closed before the reply."""
        self._perform(write)
        raise AutoReconnect("connection closed")

    def answers_too_late(self, _name: str, write: Write) -> Any:
        """Raise a timeout. The write is performed later, by `perform_late_writes`."""
        self.late.append(write)
        raise NetworkTimeout("timed out")

    def replicates_nothing(self, name: str, write: Write) -> Any:
        """Perform the write, and raise a write concern error."""
        self._perform(write)
        if name in BULK_WRITES:
            errors = {"writeErrors": [], "writeConcernErrors": [NOT_REPLICATED]}
            raise BulkWriteError({**NO_COUNTS, **errors})
        raise WriteConcernError("waiting for replication timed out", 64, NOT_REPLICATED)

    def rolls_the_write_back(self, name: str, _write: Write) -> Any:
        """Raise a write concern error. The write is lost, as by the failover of a primary."""
        return self.replicates_nothing(name, lambda: None)

    def _perform(self, write: Write) -> None:
        self._depth += 1
        try:
            write()
        finally:
            self._depth -= 1


FAULTS = (
    "loses_the_request",
    "loses_the_reply",
    "answers_too_late",
    "replicates_nothing",
    "rolls_the_write_back",
)


@contextmanager
def inject_faults() -> Iterator[Faults]:
    """Let the writes of this process pass through the returned `Faults` until the end."""
    faults, replaced = Faults(), []
    for kind in KINDS:
        for name in WRITES:
            original = getattr(kind, name)
            replaced.append((kind, name, original))
            setattr(kind, name, _wrap(faults, name, original))
    try:
        yield faults
    finally:
        for kind, name, original in replaced:
            setattr(kind, name, original)


def _wrap(faults: Faults, name: str, original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def write(*arguments: Any, **options: Any) -> Any:
        return faults.call(name, functools.partial(original, *arguments, **options))

    return write
