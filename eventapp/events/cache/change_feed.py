"""Receive what other processes change in events and favorites, by polling the database.

A request polls before it uses the cache, if the last poll is older than POLL_SECONDS. A request by
a caller who has just written polls in any case, so that it sees the write. `freshness` decides what
a change of an event makes outdated. One of favorites makes those of its owner outdated.

A poll returns every change that was acknowledged before the poll began. Such a change is visible to
the poll, whose reads go to the primary. It may have an earlier `changedAt` than changes that were
received before, but no poll asks only for what is later than those while such a change can still
appear: see `_FeedPosition`. This relies on VISIBILITY_DELAY, and on a clock of the database that
does not go back. If it does, after a failover to a server whose clock is behind, processes receive
changes only when that clock has come to the newest change received.
"""

import threading
import time
from collections.abc import Callable, Hashable, Sequence
from datetime import datetime

from eventapp.core.batching import Batcher
from eventapp.core.database import Db
from eventapp.core.errors import DatabaseUnavailable
from eventapp.events import store
from eventapp.events.cache.freshness import VISIBILITY_DELAY, Effect, Freshness, ReadStart
from eventapp.events.types import EventChange
from eventapp.favorites import service as favorites

# A request polls when the last poll is older than POLL_SECONDS. If another request is polling
# already, it waits for that only when the last poll is older than MAX_AGE_SECONDS.
POLL_SECONDS, MAX_AGE_SECONDS = 0.4, 0.8


class _FeedPosition:
    """How far this process has received the changes in one collection.

    Attributes:
        changed_at: of the newest change received.
    """

    def __init__(self, changed_at: datetime) -> None:
        """Begin after the changes up to this database time."""
        self.changed_at = changed_at
        # When the newest change was received and the last poll started, in monotonic seconds.
        self._received_at = self._started_at = time.monotonic()
        # Whether no change with an earlier changed_at can become visible any more.
        self._is_settled = False

    def start_poll(self) -> datetime:
        """Return the database time after which a poll that starts now asks for changes."""
        self._started_at = time.monotonic()
        return self.changed_at if self._is_settled else self.changed_at - VISIBILITY_DELAY

    def advance(self, changed_at: datetime) -> None:
        """Record that the poll has returned a change, which may be an earlier one."""
        if changed_at > self.changed_at:
            self.changed_at, self._received_at = changed_at, time.monotonic()

    def finish_poll(self) -> None:
        """Record that every change which the poll returned was received."""
        settling_seconds = 2 * VISIBILITY_DELAY.total_seconds()
        self._is_settled = self._started_at - self._received_at > settling_seconds


class ChangeFeed:
    """Polls the database for changes, and passes each to `Freshness` and then to a callback.

    There is no thread that polls: a request polls before it uses the cache.
    """

    def __init__(
        self,
        db: Db,
        freshness: Freshness,
        on_change: Callable[[EventChange, Effect], None],
        on_favorites_change: Callable[[str], None],
    ) -> None:
        """Create a feed; nothing is read yet.

        Args:
            on_change: called with each change of an event that was not received before.
            on_favorites_change: called with the owner of favorites that have changed, once or more.
        """
        self._db, self._freshness = db, freshness
        self._on_change, self._on_favorites_change = on_change, on_favorites_change
        self._poll_lock = threading.Lock()
        self._polls: Batcher[None, None] = Batcher(self._poll_once)
        # When the last successful poll started and the last poll failed, in monotonic seconds.
        self._polled_at = self._failed_at = -MAX_AGE_SECONDS
        # The value of `_polled_at` for which `may_skip_poll` has let a caller poll.
        self._assigned_after: float | None = None
        # Of events and deletions, by collection, and of favorites. None before the first poll.
        self._positions: dict[str, _FeedPosition] = {}
        self._favorites_position: _FeedPosition | None = None

    def poll_if_due(self) -> None:
        """Poll if the last poll is older than POLL_SECONDS and no other thread is polling.

        If another thread is polling, wait for it only if the last poll is older than
        MAX_AGE_SECONDS.

        Raises:
            DatabaseUnavailable: this poll failed, or the poll for which this thread waited.
        """
        age = time.monotonic() - self._polled_at
        if age < POLL_SECONDS or not self._poll_lock.acquire(blocking=age > MAX_AGE_SECONDS):
            return
        try:
            if time.monotonic() - self._failed_at < MAX_AGE_SECONDS:
                # A thread that waited for a failed poll need not wait for another one to fail.
                raise DatabaseUnavailable
            if time.monotonic() - self._polled_at >= POLL_SECONDS:
                self._poll_and_record_time()
        finally:
            self._poll_lock.release()

    def poll_now(self) -> None:
        """Poll, and return when a poll has ended that began after this call.

        Calls that arrive while a poll is under way share the next one.

        Raises:
            DatabaseUnavailable: this poll failed.
        """
        self._polls.submit("poll", None)

    def _poll_once(self, _key: Hashable, calls: Sequence[None]) -> Sequence[None]:
        with self._poll_lock:
            self._poll_and_record_time()
        return calls

    def may_skip_poll(self) -> bool:
        """Return whether the cache may be used now without `poll_if_due`.

        When a poll is due, this returns False to one caller, who is to poll, and True to the others
        until the last poll is older than MAX_AGE_SECONDS.
        """
        polled_at = self._polled_at
        age = time.monotonic() - polled_at
        if age < POLL_SECONDS:
            return True
        # Two threads may both find the poll unassigned. Then both poll, or one does without.
        is_assigned, self._assigned_after = self._assigned_after == polled_at, polled_at
        return is_assigned and age <= MAX_AGE_SECONDS

    def force_poll(self) -> None:
        """Make the next request poll, and all others wait for that poll."""
        self._polled_at = -MAX_AGE_SECONDS

    def _poll_and_record_time(self) -> None:
        started_at, succeeded = time.monotonic(), False
        try:
            self.poll()
            self._polled_at, succeeded = started_at, True
        finally:
            if not succeeded:
                self._failed_at = time.monotonic()

    def poll(self) -> None:
        """Receive what changed since the last poll."""
        started = self._freshness.start_poll()
        if not self._positions:
            # Nothing is cached yet. What is read later contains every change made before.
            first = store.find_last_changed_at(self._db) - VISIBILITY_DELAY
            names = store.CHANGE_COLLECTIONS
            self._positions = {name: _FeedPosition(first) for name in names}
        for name, position in self._positions.items():
            self._poll_events(name, position, started)
        self._poll_favorites()
        newest = max(position.changed_at for position in self._positions.values())
        if newest > store.NEVER_CHANGED:
            self._freshness.finish_poll(newest, started)

    def _poll_events(self, name: str, position: _FeedPosition, started: ReadStart) -> None:
        """Receive the changes in a collection after its position, and advance the position."""
        for change in store.find_changes_since(self._db, name, position.start_poll()):
            position.advance(change["changedAt"])
            effect = self._freshness.receive(change, started)
            if effect is not Effect.NOTHING:
                self._on_change(change, effect)
        position.finish_poll()

    def _poll_favorites(self) -> None:
        """Receive the changes of favorites after their position, and advance it."""
        position = self._favorites_position
        if position is None:
            last = favorites.find_last_changed_at(self._db) or store.NEVER_CHANGED
            position = self._favorites_position = _FeedPosition(last - VISIBILITY_DELAY)
        for change in favorites.find_changes_since(self._db, position.start_poll()):
            position.advance(change.changed_at)
            self._on_favorites_change(change.owner)
        position.finish_poll()
