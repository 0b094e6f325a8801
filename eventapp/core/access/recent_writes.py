"""Remember which users have just written, so that they read what they wrote.

Each process caches events and favorites, and receives the writes of other processes up to
GREATEST_AGE_SECONDS late (`events.cache`). That is too late for the user who wrote, whose next
request another process may answer. So before a request that may have written is answered, the time
is stored with the user's sessions. Every request with an access token reads it together with its
session, at no further cost. While it is recent, the request uses no cache that may lack the write:
see `Actor.has_recent_writes`.

Invariant: while a write of a user may be missing from a cache of any process, the stored time of
that user is less than REMEMBERED old. It is stored after the write and before the answer, by the
database's clock, and for the user: the phone writes, and the browser reads. A process that stored
it less than RENEWAL_SECONDS ago need not store it again, because it is recent for at least
GREATEST_AGE_SECONDS after the answer, and a second more, by which clocks may be wrong. So a batch
of bookings stores the time of all its buyers at once (`WriteRecorder.record_all`), and their
requests store nothing.

- If the time cannot be stored, the answer waits until no cache can lack the write any more.
- If the process dies in between, the write was never answered.
- If the database's clock goes back, times of before are recent for longer, which costs only reads.
  If it goes ahead by seconds, after a failover, writes of the seconds before may be read late.

The requests of an API token are treated as if its owner had always just written. A session and the
time are read in one query because the access token names both; an API token names neither.
"""

import time
from collections.abc import Callable, Collection, Hashable, Iterable, Sequence
from datetime import datetime, timedelta
from http import HTTPStatus

import pymongo
import structlog
from bson import ObjectId
from flask import Flask, Response, g, request
from pymongo.errors import PyMongoError

from eventapp.core.access.actor import Actor
from eventapp.core.app_key import AppKey
from eventapp.core.batching import Batcher
from eventapp.core.database import Db, get_db
from eventapp.core.lru_cache import LRUCache

# No cache lacks a write of another process for longer, once the write was acknowledged.
GREATEST_AGE_SECONDS = 1.0
RENEWAL_SECONDS = 4.0
# How long storing the time may take. What it took counts towards the wait if it fails, so that no
# answer is later by more than GREATEST_AGE_SECONDS while the database does not answer.
MAX_STORE_SECONDS = 0.5
REMEMBERED = timedelta(seconds=RENEWAL_SECONDS + GREATEST_AGE_SECONDS + 1)
# The most users whose times this process remembers to have stored. Beyond it, they are stored again
# with each write.
MAX_USERS = 5_000
READING_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
# A request with one of these answers has written nothing, and nor has one that it repeats.
REFUSALS = frozenset({400, 401, 403, 405, 413, 415, 429})

# Stores that these users have written by now, by the database's clock.
StoreWrites = Callable[[Db, Collection[ObjectId]], None]

log = structlog.get_logger("recent_writes")


def is_recent(wrote_at: datetime | None, now: datetime) -> bool:
    """Return whether a write at this time may be missing from a cache.

    Args:
        wrote_at: None if no write is remembered.
        now: the time by the database's clock.
    """
    return wrote_at is not None and now - wrote_at < REMEMBERED


class WriteRecorder:
    """Stores when users wrote: in one write for concurrent requests, and rarely for each user."""

    def __init__(self, store_writes: StoreWrites) -> None:
        """Remember nothing yet."""
        self._store_writes = store_writes
        self._batcher: Batcher[tuple[Db, ObjectId], None] = Batcher(self._store_batch)
        # When this process began to store the time of a user, in monotonic seconds.
        self._stored: LRUCache[ObjectId, float] = LRUCache(MAX_USERS)

    def record(self, db: Db, user_id: ObjectId) -> None:
        """Store that a user has just written, unless that was done less than RENEWAL_SECONDS ago.

        Raises:
            PyMongoError: it was not stored, or it is unknown whether it was.
        """
        now = time.monotonic()
        if self._is_due(user_id, now):
            self._batcher.submit("writes", (db, user_id))
            self._stored.put(user_id, now)

    def record_all(self, db: Db, user_ids: Iterable[ObjectId]) -> None:
        """Store that these users write now, so that `record` need not do it for each of them.

        An error leaves it to `record`.
        """
        now = time.monotonic()
        due = {user_id for user_id in user_ids if self._is_due(user_id, now)}
        if not due:
            return
        try:
            with pymongo.timeout(MAX_STORE_SECONDS):
                self._store_writes(db, due)
        except PyMongoError as error:
            log.warning("recent writes not stored", error=type(error).__name__)
            return
        for user_id in due:
            self._stored.put(user_id, now)

    def _is_due(self, user_id: ObjectId, now: float) -> bool:
        stored_at = self._stored.get(user_id)
        return stored_at is None or now - stored_at >= RENEWAL_SECONDS

    def _store_batch(self, _key: Hashable, items: Sequence[tuple[Db, ObjectId]]) -> Sequence[None]:
        self._store_writes(items[0][0], {user_id for _, user_id in items})
        return [None] * len(items)


WRITE_RECORDER: AppKey[WriteRecorder] = AppKey("write_recorder")


def init_app(app: Flask, store_writes: StoreWrites) -> None:
    """Store, before the answer to a request that may have written, that its caller wrote."""
    recorder = WriteRecorder(store_writes)
    WRITE_RECORDER.set(app, recorder)

    def record_write(response: Response) -> Response:
        if user_id := _find_writer(response):
            # What a refused request may repeat was written before it began, which `request_log`
            # has noted.
            is_refused = response.status_code >= HTTPStatus.BAD_REQUEST
            _record_or_wait(recorder, user_id, g.started if is_refused else time.perf_counter())
        return response

    app.after_request(record_write)


def _find_writer(response: Response) -> ObjectId | None:
    """Return the user of a request that may have written; None if it has written nothing.

    A conflict may be with a request that wrote, whose answer was lost and which this one repeats;
    so may what is not found any more. A request that failed promises nothing.
    """
    actor: Actor | None = g.get("actor")
    status = response.status_code
    if actor is None or request.method in READING_METHODS or status in REFUSALS or status >= 500:
        return None
    return None if actor.action.keeps_events else actor.user_id


def _record_or_wait(recorder: WriteRecorder, user_id: ObjectId, written_by: float) -> None:
    """Store that a user wrote or, if that fails, wait until no cache can lack the write.

    Args:
        written_by: when the write was made at the latest, in seconds of `time.perf_counter`.
    """
    try:
        with pymongo.timeout(MAX_STORE_SECONDS):
            recorder.record(get_db(), user_id)
    except PyMongoError as error:
        # The write was made, so the answer must not say that it failed.
        log.warning("recent write not stored", error=type(error).__name__)
        time.sleep(max(0.0, written_by + GREATEST_AGE_SECONDS - time.perf_counter()))
