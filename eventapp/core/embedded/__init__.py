"""The embedded store: an in-process document store that takes PyMongo calls, for one process.

It serves when no MongoDB server is configured. Filters, projections, update operators and
aggregation stages are mongomock's; indexes, text search, sorting, locking and persistence are ours.

Locking: every operation runs from beginning to end under the one re-entrant lock of its client, so
operations are atomic and serial. (mongomock alone lets two threads pass the same condition.) A
stored document is never modified in place: a write checks first, and then puts a new document in
the place of the old one. So a refused write has changed nothing, and a reference that was taken
under the lock stays a consistent snapshot after the lock is released.

Durability: each write records under the same lock what it changed. A thread takes the recorded
changes at intervals, copies the references under the lock, and writes them to SQLite in one durable
transaction. So the file always holds the state of one moment, between two operations, across all
collections. Changes are written 0.1 s after the first of them; callers write them themselves once
they are 0.4 s late, so a killed process loses less than 1 s. `close` writes the rest.
"""

from eventapp.core.embedded.client import open_embedded
from eventapp.core.embedded.locking import EmbeddedStoreBusy, check_directory_is_free

__all__ = ["EmbeddedStoreBusy", "check_directory_is_free", "open_embedded"]
