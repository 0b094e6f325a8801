"""Counts by key that the server processes of a machine add up, in memory that they share.

The main process creates the memory before it forks. Each process writes a row of its own, and reads
all rows, so the processes need no lock.
"""

import mmap

# Keys whose hashes are equal modulo this number share a count, which then is too high for them.
BUCKETS = 65_536
_INT_BYTES = 4


class SharedCounts:
    """Counts of several processes, which are forks of the process that creates this object."""

    def __init__(self, processes: int) -> None:
        self._rows = [
            memoryview(mmap.mmap(-1, BUCKETS * _INT_BYTES)).cast("i") for _ in range(processes)
        ]
        self._own = self._rows[0]

    def use_row(self, index: int) -> None:
        """Write to the row of this index from now on, and set its counts to zero."""
        self._own = self._rows[index]
        for bucket, count in enumerate(self._own):
            if count:  # The process before this one ended with open streams.
                self._own[bucket] = 0

    def add(self, key: str, number: int) -> None:
        """Add to the count of this process. Its threads must not call this at the same time."""
        self._own[hash(key) % BUCKETS] += number

    def total(self, key: str) -> int:
        """Return the count of all processes together."""
        bucket = hash(key) % BUCKETS
        return sum(row[bucket] for row in self._rows)
