"""The ways in which a replica set fails a command, and an interface to make one fail so."""

from dataclasses import dataclass
from typing import Protocol

# Error codes of MongoDB.
WRITE_CONCERN_FAILED, SHUTDOWN_IN_PROGRESS, PRIMARY_STEPPED_DOWN = 64, 91, 189
NOT_WRITABLE_PRIMARY, INTERRUPTED_BY_STEP_DOWN, NOT_PRIMARY_NO_SECONDARY_OK = 10107, 11602, 13435
# A replica set adds this label to the errors after which the driver repeats a write.
RETRYABLE = "RetryableWriteError"
RETRYABLE_CODES = frozenset(
    {SHUTDOWN_IN_PROGRESS, PRIMARY_STEPPED_DOWN, NOT_WRITABLE_PRIMARY, INTERRUPTED_BY_STEP_DOWN}
)
# After an error such as SHUTDOWN_IN_PROGRESS the driver does not use a server until its state has
# changed, or until the next heartbeat. Here nothing changes, and the default is 10 s.
URI_OPTIONS = "heartbeatFrequencyMS=500"


@dataclass(frozen=True)
class Failure:
    """A way in which a command fails.

    Attributes:
        code: the code of the error; None if the connection is closed instead of an answer.
        is_write_done: the write is made nevertheless. Its error is a write concern error.
    """

    code: int | None
    is_write_done: bool = False

    @property
    def labels(self) -> list[str]:
        """The labels of the error, if the command was a retryable write."""
        return [RETRYABLE] if self.code in RETRYABLE_CODES else []


BEFORE_A_COMMAND = (
    Failure(NOT_WRITABLE_PRIMARY),
    Failure(INTERRUPTED_BY_STEP_DOWN),
    Failure(None),
)
NOT_REPLICATED = Failure(WRITE_CONCERN_FAILED, is_write_done=True)
SHUTDOWN_AFTER_A_WRITE = Failure(SHUTDOWN_IN_PROGRESS, is_write_done=True)
CLOSED_AFTER_A_WRITE = Failure(None, is_write_done=True)
AFTER_A_WRITE = (NOT_REPLICATED, SHUTDOWN_AFTER_A_WRITE, CLOSED_AFTER_A_WRITE)


class FailingReplicaSet(Protocol):
    """A replica set that fails on demand."""

    def make_uri(self, database: str) -> str:
        """Return the URI of a database of the replica set."""

    def fail(self, command: str, failure: Failure, times: int) -> None:
        """Make the next `times` commands of this name fail, and return once they have."""

    def step_down(self) -> None:
        """Let the primary step down. Return when there is a new one."""
