"""Errors of the driver that callers handle alike: an unavailable server and a write conflict."""

from collections.abc import Callable
from typing import TypeVar

from pymongo.errors import ConnectionFailure, OperationFailure, PyMongoError

Result = TypeVar("Result")

# Interrupted, shutting down, not primary, out of connections: the server is there but cannot serve.
UNAVAILABLE_CODES = frozenset({6, 7, 8, 89, 91, 189, 202, 262, 10107, 11600, 11602, 13435, 13436})
WRITE_CONFLICT_CODE, MAX_RETRIES = 112, 5


def is_unavailable(error: BaseException) -> bool:
    """Return whether the database did not answer, so that the same call may succeed later."""
    if not isinstance(error, PyMongoError):
        return False
    if isinstance(error, ConnectionFailure) or error.timeout:
        return True
    return isinstance(error, OperationFailure) and error.code in UNAVAILABLE_CODES


def retry_on_write_conflict(write: Callable[[], Result]) -> Result:
    """Return the result of `write`, which is called again after a write conflict.

    Two writes that touch the same entry of a unique index conflict: one fails with WriteConflict
    and has written nothing. MongoDB retries it by itself; a compatible server may leave that to
    the client. There is no pause, because a request waits and the other write has ended by then.
    """
    for _ in range(MAX_RETRIES):
        try:
            return write()
        except OperationFailure as error:
            if error.code != WRITE_CONFLICT_CODE:
                raise
    return write()
