"""What other processes change of events, heard of within FRESH_SECONDS.

Each write of an event notes when it was made (`changedAt`, by the database's clock). A process that
is asked for events asks the database twice a second what changed since the last that it heard of.
"""

import threading
import time
from collections.abc import Callable
from datetime import datetime

from eventapp.core.database import Db, Document
from eventapp.core.errors import DatabaseUnavailable
from eventapp.events import store
from eventapp.events.cache.freshness import OVERLAP, Began, Known

# Ask for changes when the last answer is older than the first; wait for it beyond the second.
ASK_SECONDS, FRESH_SECONDS = 0.4, 0.8


class News:
    """The changes of one database's events. `hear` is told each with when it was asked for."""

    def __init__(self, db: Db, known: Known, hear: Callable[[Document, Began], None]) -> None:
        self._db, self._known, self._hear = db, known, hear
        self._asking = threading.Lock()
        self._asked = self._failed = -FRESH_SECONDS
        # Of each of store.CHANGES the time of the last change heard of, when it was heard, and
        # whether all that became visible behind it was asked for since.
        self._since: dict[str, datetime] = {}
        self._heard: dict[str, float] = {}
        self._settled = dict.fromkeys(store.CHANGES, False)

    def freshen(self) -> None:
        """Ask when it is time; one caller asks, most need not wait for it. DatabaseUnavailable."""
        age = time.monotonic() - self._asked
        if age < ASK_SECONDS or not self._asking.acquire(blocking=age > FRESH_SECONDS):
            return
        try:
            if time.monotonic() - self._failed < FRESH_SECONDS:
                raise DatabaseUnavailable  # who waited behind a failure need not fail as slowly
            if time.monotonic() - self._asked >= ASK_SECONDS:
                self._ask_anew()
        finally:
            self._asking.release()

    def forget(self) -> None:
        """Ask again before anything is shown."""
        self._asked = -FRESH_SECONDS

    def _ask_anew(self) -> None:
        began, heard = time.monotonic(), False
        try:
            self.ask()
            self._asked, heard = began, True
        finally:
            if not heard:
                self._failed = time.monotonic()

    def ask(self) -> None:
        """Hear of what changed since the last time."""
        began = self._known.begin_to_ask()
        if not self._since:
            self._since = dict.fromkeys(store.CHANGES, store.last_change(self._db) - OVERLAP)
            self._heard = dict.fromkeys(store.CHANGES, time.monotonic())
        for name in store.CHANGES:
            self._ask_of(name, began)
        newest = max(self._since.values())
        if newest > store.EPOCH:
            self._known.heard_all(newest, newest - OVERLAP, began)

    def _ask_of(self, name: str, began: Began) -> None:
        at, since = time.monotonic(), self._since[name]
        from_ = since if self._settled[name] else since - OVERLAP
        for change in store.changed_since(self._db, name, from_):
            if change["changedAt"] > self._since[name]:
                self._since[name], self._heard[name] = change["changedAt"], time.monotonic()
            self._hear(change, began)
        self._settled[name] = at - self._heard[name] > 2 * OVERLAP.total_seconds()
