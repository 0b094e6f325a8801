"""Recognize errors of the driver that mean that the server is unavailable."""

from pymongo.errors import ConnectionFailure, OperationFailure, PyMongoError

# Interrupted, shutting down, not primary, out of connections: the server is there but cannot serve.
UNAVAILABLE_CODES = frozenset({6, 7, 8, 89, 91, 189, 202, 262, 10107, 11600, 11602, 13435, 13436})


def is_unavailable(error: BaseException) -> bool:
    """Return whether the database did not answer, so that the same call may succeed later."""
    if not isinstance(error, PyMongoError):
        return False
    if isinstance(error, ConnectionFailure) or error.timeout:
        return True
    return isinstance(error, OperationFailure) and error.code in UNAVAILABLE_CODES
