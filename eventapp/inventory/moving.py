"""Tickets that change hands exactly once, and takes that are undone."""

from collections.abc import Callable, Container, Iterable, Sequence
from datetime import datetime
from typing import cast

from eventapp.core.database import Db, Document
from eventapp.core.failpoints import failpoint
from eventapp.events.changes import EventChanges, SaleState
from eventapp.inventory import store
from eventapp.inventory.clearable import STRUCK_AT_ONCE, Done
from eventapp.inventory.errors import Overtaken
from eventapp.inventory.in_flight import BackOffice
from eventapp.inventory.stock_moves import Move, by_index, reversed_mark

# On a hot event a sale may come between read and write many times over.
ATTEMPTS = 100


class Mover(BackOffice):
    """The half of the box office that takes back and hands over."""

    def __init__(self, db: Db, event_changes: EventChanges) -> None:
        super().__init__(db)
        self._event_changes = event_changes
        self._done = Done()

    def settled(self, event_id: int, keys: Iterable[str]) -> None:
        """What these marks note is recorded: a later write, or the worker, may strike them out."""
        self._done.note(event_id, keys)

    def undo(self, event_id: int, key: str) -> None:
        """Give back what a take or an entry noted under this mark, once, whoever tries."""
        for _attempt in range(ATTEMPTS):
            event = store.read_with_marks(self._db, event_id)
            mark = (event or {}).get("inFlight", {}).get(key)
            if not event or not mark:
                return
            changes = by_index(event, reversed_mark(mark))
            now = mark["at"]
            after = store.change(
                self._db, event, changes, guards=store.marked(key), unmark=[key], now=now
            )
            if after:
                failpoint("undo")
                self._written(after)
                return
        raise Overtaken

    def move(
        self,
        event_id: int,
        moves: Sequence[Move],
        now: datetime,
        *,
        still_due: Callable[[], Container[str]],
    ) -> None:
        """Make each of these moves of one event that was not made before.

        Their marks stay until `settled`. An event that is gone has nothing to move.

        Args:
            still_due: tells the keys of moves not yet recorded as made. It is asked after the
                event was read: what is due then had no mark that could be struck out before, so
                where no mark is seen, and none is struck until the write, the move was not made.
        """
        for _attempt in range(ATTEMPTS):
            event = store.read_with_marks(self._db, event_id)
            unmarked = [m for m in moves if event and m.key not in event["inFlight"]]
            if not event or not unmarked:
                return
            unrecorded = still_due()
            due = [move for move in unmarked if move.key in unrecorded]
            if not due:
                return
            changes = by_index(event, *(move.changes for move in due))
            keys = [move.key for move in due]
            marks = {key: {"kind": key.partition("-")[0], "at": now} for key in keys}
            guards = store.never_marked(event, keys)
            # Only where they are many: it makes other moves of this moment try again.
            done = self._done.take(event_id, at_least=STRUCK_AT_ONCE)
            after = store.change(
                self._db, event, changes, guards=guards, marks=marks, unmark=done, now=now
            )
            if after:
                failpoint("move")
                self._written(after)
                return
            self.settled(event_id, done)
        raise Overtaken

    def _written(self, event: Document) -> None:
        self._event_changes.stock_changed(cast(SaleState, event))
