"""The embedded store: a document store inside one process, with the interface of PyMongo.

It is used if no MongoDB server is configured. mongomock evaluates filters, projections, update
operators and aggregation stages. This package adds indexes, text search, sorting, locking and
persistence.

Modules, from the top: `client` and `collection` have PyMongo's interface, check arguments and lock.
`operations`, `updates`, `aggregation` and `bulk_writes` do the work. `storage` keeps the documents
and their `indexes`, and `persistence` writes them to the disk. `mongomock_internals` is the only
module that uses mongomock.

Locking: every operation runs from beginning to end under the one re-entrant lock of its client, so
operations are atomic and serial. (In mongomock alone, two threads can pass the same condition.) A
stored document is never modified: a write makes all its checks first, and then replaces the old
document by a new one. So a refused write changes nothing, and a reference that was taken under the
lock stays a consistent snapshot after the lock is released.

Durability: each write records its changes under the same lock. A thread takes the recorded changes
at intervals, copies the references to their documents under the lock, and writes the documents to
SQLite in one durable transaction. So the file always contains the state between two operations,
across all collections. Changes are written 0.1 s after the first of them. If that has not happened
after 0.4 s, the calling threads write them, so that a killed process loses less than 1 s. `close`
writes the rest.

Erasure: SQLite overwrites deleted data in its file. Its write-ahead log still holds what was
replaced, until `EmbeddedClient.purge_deleted` or `close` empties it.

Import: only `core.database.lifecycle` imports `client`, when it opens an embedded store, so that a
process on a server does without mongomock.
"""
