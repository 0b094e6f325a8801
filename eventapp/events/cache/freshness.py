"""Decide which renderings of events a process may show.

Every write that an answer can show raises the event's revision and sets its `changedAt`. The only
exceptions are popularity scores and counts of views. A process
receives its own writes from its services, before it answers the request (`EventChanges`). It
receives the writes of other processes by polling the database (`ChangeFeed`): a request polls first
if the last poll is older than 0.4 s. `Freshness` caches renderings, and remembers the newest change
received of each event.

Invariant: a cached rendering contains every change of its event that this process has
received. To be cached, it must be

- read from the database by this process, and either no change of the event was received since the
  read began, or the rendering's revision is not below that of the change (which is unknown after an
  edit by this process, until a read or a poll that began later supplies it); or
- found in the shared cache, where another process stored it with the `complete_up_to` of its read.
  Its revision must not be below that of the newest change received. As this process may never have
  received the changes before its `history_start`, `complete_up_to` must not be earlier than that.
  Nor may it be more than VISIBILITY_DELAY earlier than the newest change received, because the
  revisions of an event start at 0 again if it is deleted and restored without this application.

So it does not matter in which order values reach the shared cache, how long they stay there, or how
slow a process is: an outdated rendering lacks a change that was received, and is refused for that.
A rendering may still lack a change that this process has not received yet. Such a change is less
than about a second old, and the rendering is dropped when the change is received. A deletion may be
received a minute late if the process that makes it dies (see `events.store_deletions`).

Six values order reads and changes:

revision        of an event, stored as `rev`: raised by one by every write that an answer can show
                or that a guarded write relies on, also by a sale.
terms           of an event, stored as `terms`: every edit raises it by one, also one that only the
                organizer can see; a sale does not.
change number   of this process: counts the changes received, of all events. A read remembers the
                number at which it began.
changed_at      database time of a write, stored as `changedAt`. Writes may become visible in
                another order, but none later than VISIBILITY_DELAY after its changed_at.
complete_up_to  database time: a read is sure to contain every change made up to then. It is the
                changed_at of the newest change at the last poll before the read, less
                VISIBILITY_DELAY.
history_start   database time: every change made after it was received, and is not forgotten.
"""

import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from enum import Enum
from typing import NamedTuple

from eventapp.core.lru_cache import DEFAULT_BUDGET, CacheBudget, LRUCache
from eventapp.events.cache.rendering import RenderedEvent
from eventapp.events.rules import ListState, get_list_state, get_terms
from eventapp.events.types import EventChange, EventWrite, SaleState

MAX_CHANGES = 5_000
# Between two changes that a process receives, at most this many tickets of a type or a quota are
# assumed to be returned. One with more available tickets therefore cannot have been empty before.
MAX_UNSEEN_RETURNS = 100
VISIBILITY_DELAY = timedelta(seconds=0.5)


class ReadStart(NamedTuple):
    """What a process knew when a read or a poll of the database began.

    Attributes:
        change_number: of the last change received before.
        complete_up_to: the read is sure to contain every change made up to this database time;
            None before the first poll, and while the database contains no change at all.
    """

    change_number: int
    complete_up_to: datetime | None


class ReceivedChange(NamedTuple):
    """The newest change of an event that this process has received.

    Attributes:
        required_revision: the lowest revision of a rendering that contains the change; None after
            an edit by this process, until the event is read again.
        number: the change number.
        made_revision: the revision that the change made; None for an edit by this process.
        list_state: the event's list state after the change; None if unknown or deleted.
        changed_at: None for a change by this process, until a poll returns it.
    """

    required_revision: int | None
    number: int
    made_revision: int | None = None
    list_state: ListState | None = None
    changed_at: datetime | None = None

    def may_be_missing_from(self, revision: int, complete_up_to: datetime) -> bool:
        """Return whether a shared rendering of this revision may lack the change."""
        if self.required_revision is None or revision < self.required_revision:
            return True
        return self.changed_at is not None and complete_up_to < self.changed_at - VISIBILITY_DELAY


class Effect(Enum):
    """What a received change makes outdated."""

    NOTHING = "nothing, because this or a later change was received before"
    CONTENT = "the rendering of the event"
    LISTS = "the rendering of the event, and the order or the events of lists"


class Freshness:
    """A cache of rendered events that refuses those which lack a change this process has received.

    It also refuses those that are outdated because a sale has begun or ended, or an entry is over.
    All methods may be called by any number of threads.
    """

    def __init__(self, clock: Callable[[], datetime], budget: CacheBudget = DEFAULT_BUDGET) -> None:
        """Start with no renderings and an empty history.

        Args:
            clock: returns the time by the database's clock.
            budget: bounds the renderings.
        """
        self._clock = clock
        self._lock = threading.Lock()
        self._rendered: LRUCache[int, RenderedEvent] = LRUCache(
            budget.get_bytes("events"), lambda event: event.size_bytes
        )
        self._changes: dict[int, ReceivedChange] = {}  # by eventId
        self._last_number = 0
        # Changes up to this number may be forgotten. A read that began before the last of them was
        # received cannot be compared with them, and is refused.
        self._forgotten_up_to = 0
        # The eventIds of renderings cached since the start of the last successful poll, and before
        # or after the start of the last poll. They may contain changes that no poll has returned.
        self._cached_before_poll, self._cached_since_poll = set[int](), set[int]()
        self._newest_changed_at: datetime | None = None
        self._complete_up_to: datetime | None = None
        self._history_start: datetime | None = None

    def get(self, event_id: int) -> RenderedEvent | None:
        """Return the cached rendering of this event, or None."""
        rendered = self._rendered.get(event_id)
        return None if rendered and rendered.is_outdated(self._clock()) else rendered

    def start_read(self) -> ReadStart:
        """Return what this process knows now, for `keep`. Call it before reading the database."""
        return ReadStart(self._last_number, self._complete_up_to)

    # Renderings.

    def keep(self, rendered: RenderedEvent, started: ReadStart) -> None:
        """Cache an event that was read from the database, unless it is outdated.

        Args:
            started: what this process knew when the read started.
        """
        with self._lock:
            change = self._changes.get(rendered.event_id)
            if self._may_lack(change, rendered.revision, started):
                return
            if change and change.number <= started.change_number:
                # The read contains the change, even at the lower revision of a restored event.
                change = change._replace(required_revision=rendered.revision)
                self._changes[rendered.event_id] = change
            self._put(rendered)

    def _may_lack(self, last: ReceivedChange | None, revision: int, started: ReadStart) -> bool:
        """Return whether a read of this revision may lack the change `last`, or a forgotten one."""
        if started.change_number < self._forgotten_up_to:
            return True
        if last is None or last.number <= started.change_number:
            return False
        return last.required_revision is None or revision < last.required_revision

    def keep_shared(self, rendered: RenderedEvent, complete_up_to: datetime) -> bool:
        """Cache an event that another process read, or return False if it is outdated.

        Args:
            complete_up_to: of the read by the other process.
        """
        if rendered.is_outdated(self._clock()):
            return False
        with self._lock:
            if self._history_start is None or complete_up_to < self._history_start:
                return False
            change = self._changes.get(rendered.event_id)
            if change and change.may_be_missing_from(rendered.revision, complete_up_to):
                return False
            self._put(rendered)
            return True

    def _put(self, rendered: RenderedEvent) -> None:
        self._rendered.put(rendered.event_id, rendered)
        self._cached_since_poll.add(rendered.event_id)

    # Changes by this process.

    def record_edit(self, event_id: int) -> None:
        """Record that this process created, edited or deleted the event."""
        with self._lock:
            self._changes[event_id] = ReceivedChange(None, self._next_number())
            self._rendered.discard(event_id)

    def record_sale(self, sale_state: SaleState) -> bool:
        """Record that this process sold or returned tickets; return whether lists may differ.

        The cached rendering gets the new stock, so that it need not be read again.
        """
        event_id, revision = sale_state["eventId"], sale_state["rev"]
        now = self._clock()
        with self._lock:
            change, rendered = self._changes.get(event_id), self._rendered.get(event_id)
            if change and change.made_revision is not None and change.made_revision >= revision:
                return False  # another thread's later sale was received first
            lists_differ = self._may_change_lists(change, rendered, sale_state)
            self._changes[event_id] = ReceivedChange(
                _raise_required_revision(change, revision),
                self._next_number(),
                revision,
                get_list_state(sale_state),
            )
            if rendered and rendered.revision < revision:
                if rendered.terms == get_terms(sale_state):
                    self._rendered.put(event_id, rendered.after_sale(sale_state, now))
                else:
                    self._rendered.discard(event_id)
            return lists_differ

    # Changes by any process, as polls return them.

    def start_poll(self) -> ReadStart:
        """Return what this process knows now, for `receive`. Call it before polling."""
        with self._lock:
            self._cached_before_poll |= self._cached_since_poll
            self._cached_since_poll = set()
            return self.start_read()

    def receive(self, change: EventChange, started: ReadStart) -> Effect:
        """Receive a change that a poll has returned.

        Args:
            started: what this process knew when the poll started.
        """
        event_id, revision = change["eventId"], change["rev"]
        with self._lock:
            last, rendered = self._changes.get(event_id), self._rendered.get(event_id)
            if last and last.made_revision == revision:
                self._changes[event_id] = last._replace(changed_at=change["changedAt"])
                return Effect.NOTHING
            if self._may_lack(last, revision, started):
                return Effect.NOTHING
            lists_differ = "gone" in change or self._may_change_lists(last, rendered, change)
            state = None if "gone" in change else get_list_state(change)
            self._changes[event_id] = ReceivedChange(
                revision, self._next_number(), revision, state, change["changedAt"]
            )
            if rendered and rendered.revision != revision:
                self._rendered.discard(event_id)
            return Effect.LISTS if lists_differ else Effect.CONTENT

    def finish_poll(self, newest_changed_at: datetime, started: ReadStart) -> None:
        """Record that every change which a poll returned was received.

        Args:
            newest_changed_at: of all changes so far.
            started: what the process knew when the poll started.
        """
        with self._lock:
            self._cached_before_poll = set()
            self._newest_changed_at = newest_changed_at
            self._complete_up_to = newest_changed_at - VISIBILITY_DELAY
            self._history_start = self._history_start or self._complete_up_to
            if len(self._changes) > MAX_CHANGES:
                # None of the changes that are forgotten here was made after newest_changed_at.
                self._changes = {
                    event_id: change
                    for event_id, change in self._changes.items()
                    if change.number > started.change_number
                }
                self._forgotten_up_to = started.change_number
                self._history_start = newest_changed_at

    def reset(self) -> None:
        """Drop all renderings and changes, because anything may have changed."""
        with self._lock:
            self._last_number += 1
            self._changes, self._forgotten_up_to = {}, self._last_number
            self._history_start = self._newest_changed_at
            self._rendered.clear()

    def _next_number(self) -> int:
        self._last_number += 1
        return self._last_number

    def _may_change_lists(
        self,
        last: ReceivedChange | None,
        rendered: RenderedEvent | None,
        event: SaleState | EventWrite,
    ) -> bool:
        """Return whether the list state may have changed, even if only for a moment in between.

        Args:
            last: the newest change of the event received before.
            rendered: the rendering cached before.
            event: the state after the change.
        """
        event_id = event["eventId"]
        is_recent = event_id in self._cached_before_poll or event_id in self._cached_since_poll
        if last and last.list_state:
            revision, before = last.made_revision, last.list_state
        elif rendered and not is_recent:
            # Every change that this rendering contains was received, so no list is older than it.
            revision, before = rendered.revision, rendered.list_state
        else:
            return True
        # In a skipped revision, a stock may have been empty before tickets were returned.
        may_have_sold_out = any(
            stock["availableTickets"] <= MAX_UNSEEN_RETURNS
            for stock in (*event["ticketTypes"], *event.get("quotas", ()))
        )
        skipped_revisions = revision != event["rev"] - 1
        return before != get_list_state(event) or (may_have_sold_out and skipped_revisions)


def _raise_required_revision(change: ReceivedChange | None, revision: int) -> int | None:
    """Return the required revision after `change` and a later one, which made `revision`."""
    if change is None:
        return revision
    return None if change.required_revision is None else max(change.required_revision, revision)
