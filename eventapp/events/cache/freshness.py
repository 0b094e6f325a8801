"""What one process knows of events: how they look, and the newest change of each that it heard of.

Every write of an event raises its `rev`. A write of this process is noted here before it is
answered, another's when the process hears of it, within FRESH_SECONDS (`service_news`). So an event
may be remembered, and shown until the next change of it is noted, where it was

- read from the database after its newest change was noted here, or holds that change by its `rev`:
  a read that a change overtook is not kept; or
- read by another process and left in the shared cache, where it holds the newest change noted here
  by its `rev`, and all there was before this process began to take notes. For that the reader left
  with it `as_of`, by the database's clock: all changes up to then are in it. This process has
  noted all later than `_horizon`, so `as_of` must not lie before that. (Nor much before the noted
  change: events that were deleted and loaded anew, behind everyone's back, count from 0 again.)

The second does not ask in what order values reach the shared cache, how long they lay there, or
who was slow: an old value is told by what it lacks. What neither holds, a change of the last second
that was not heard of yet, is heard of as if the event had been read from the database itself.
"""

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from eventapp.core.database import Document
from eventapp.core.lru_cache import Remembered
from eventapp.events.cache.rendering import Rendered, Shape, shape_of
from eventapp.events.types import SaleState

MAX_BYTES, MAX_NOTES = 24_000_000, 5_000
# Of a type with no more tickets left, all may go and some come back between two changes heard of.
FEW = 100
# Writes may become visible in another order than their times, and so much later than others.
OVERLAP = timedelta(seconds=0.5)


@dataclass(frozen=True, slots=True)
class Began:
    """When a read began: after which note, and with all changes up to when before it.

    `as_of` is None where that can't be said, for no change was ever heard of.
    """

    note: int
    as_of: datetime | None


class Note(NamedTuple):
    """The newest change of an event that was heard of.

    Attributes:
        rev: None of an edit made here until the event is read again.
        told: the `rev` that was heard of, by which it is not news when it is heard again.
        shape: what lists went by then, None where that is unknown.
        at: when it was made, None of a change made here until the database tells.
    """

    rev: int | None
    number: int
    told: int | None = None
    shape: Shape | None = None
    at: datetime | None = None


class Known:
    """Events and their changes, as one process knows them, for any number of threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rendered: Remembered[Rendered] = Remembered(MAX_BYTES, lambda event: event.size)
        self._notes: dict[int, Note] = {}
        # Reads that began before note `_cut` are not kept: notes they must heed may be gone.
        self._number = self._cut = 0
        # The events read since the last two askings began: they may hold what is yet to be told.
        self._ahead: tuple[set[int], set[int]] = set(), set()
        self._newest: datetime | None = None
        self._as_of: datetime | None = None
        self._horizon: datetime | None = None
        self.get = self._rendered.get  # itself: the hot path makes one call, not two

    def begin(self) -> Began:
        """To be called before the database is read."""
        return Began(self._number, self._as_of)

    def begin_to_ask(self) -> Began:
        """To be called before the database is asked for changes."""
        with self._lock:
            self._ahead = self._ahead[1], set()
            return self.begin()

    # What was read.

    def keep(self, rendered: Rendered, began: Began) -> None:
        """Remember what the database said to a read that began then, if no change overtook it."""
        with self._lock:
            note = self._notes.get(rendered.event_id)
            if not self._overtaken(note, rendered.rev, began):
                if note and note.number <= began.note:  # the database's word, whatever was heard
                    self._notes[rendered.event_id] = note._replace(rev=rendered.rev)
                self._put_read(rendered)

    def _overtaken(self, note: Note | None, rev: int, began: Began) -> bool:
        if began.note < self._cut:
            return True
        if note is None or note.number <= began.note:
            return False
        return note.rev is None or rev < note.rev

    def keep_shared(self, rendered: Rendered, as_of: datetime) -> bool:
        """Remember what another process read, where it lacks no change; True where that is so."""
        with self._lock:
            note = self._notes.get(rendered.event_id)
            if self._horizon is None or as_of < self._horizon:
                return False
            if note and (note.rev is None or rendered.rev < note.rev):
                return False
            if note and note.at and as_of < note.at - OVERLAP:
                return False
            self._put_read(rendered)
            return True

    def _put_read(self, rendered: Rendered) -> None:
        self._rendered.put(rendered.event_id, rendered)
        self._ahead[1].add(rendered.event_id)

    # What was written.

    def edited(self, event_id: int) -> None:
        """This process made, edited or deleted the event."""
        with self._lock:
            self._note(event_id, None)
            self._rendered.drop(event_id)

    def sold(self, sale: SaleState) -> bool:
        """This process sold or took back tickets; True where what lists go by may have changed."""
        event_id, rev = sale["eventId"], sale["rev"]
        with self._lock:
            note, rendered = self._notes.get(event_id), self._rendered.get(event_id)
            if note and note.told is not None and note.told >= rev:
                return False  # a later sale was told of first
            moved = self._moved(note, rendered, sale)
            least = rev if note is None else None if note.rev is None else max(note.rev, rev)
            self._note(event_id, least, rev, shape_of(sale))
            if rendered and rendered.rev < rev:
                if rendered.version == sale["__v"]:
                    self._rendered.put(event_id, rendered.after_sale(sale))
                else:
                    self._rendered.drop(event_id)
            return moved

    # What was heard.

    def heard(self, change: Document, began: Began) -> bool | None:
        """A change that the database told when it was asked then.

        Returns:
            None where it is not news; else whether what lists go by may have changed.
        """
        event_id, rev, gone = change["eventId"], change["rev"], "gone" in change
        with self._lock:
            note, rendered = self._notes.get(event_id), self._rendered.get(event_id)
            if note and note.told == rev:
                self._notes[event_id] = note._replace(at=change["changedAt"])
                return None
            if self._overtaken(note, rev, began):
                return None
            moved = gone or self._moved(note, rendered, change)
            self._note(event_id, rev, rev, None if gone else shape_of(change), change["changedAt"])
            if rendered and rendered.rev != rev:
                self._rendered.drop(event_id)
            return moved

    def heard_all(self, newest: datetime, as_of: datetime, began: Began) -> None:
        """The database was asked then, and all it told was noted.

        Args:
            newest: when the last of all changes was made; `as_of` by when all were surely seen.
        """
        with self._lock:
            self._newest, self._as_of = newest, as_of
            self._horizon = self._horizon or as_of
            if len(self._notes) > MAX_NOTES:
                # All that was noted before the database was asked is no newer than `newest`.
                kept = {id_: note for id_, note in self._notes.items() if note.number > began.note}
                self._notes, self._cut, self._horizon = kept, began.note, newest

    def forget(self) -> None:
        """Everything may have changed."""
        with self._lock:
            self._number += 1
            self._notes, self._cut, self._horizon = {}, self._number, self._newest
            self._rendered.clear()

    def _note(self, event_id: int, rev: int | None, *more: Any) -> None:
        self._number += 1
        self._notes[event_id] = Note(rev, self._number, *more)

    def _moved(
        self, note: Note | None, rendered: Rendered | None, event: Mapping[str, Any]
    ) -> bool:
        """True where what lists go by may be, or for a moment have been, other than it was."""
        ahead = any(event["eventId"] in read for read in self._ahead)
        if note and note.shape:
            told, before = note.told, note.shape
        elif rendered and not ahead:  # no list can hold anything older
            told, before = rendered.rev, rendered.shape
        else:
            return True
        few = any(kind["availableTickets"] <= FEW for kind in event["ticketTypes"])
        return before != shape_of(event) or (few and told != event["rev"] - 1)
