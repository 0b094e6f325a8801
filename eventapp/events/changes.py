"""Define the interface by which services notify the event cache of what they have written.

A process that serves requests keeps rendered events in memory. `create_app` passes its cache to
the services as an `EventChanges`, so that no answer sent after a write shows the state before it.
Scripts and the worker have no cache and pass `NO_EVENT_CACHE`. Other processes learn of the write
from the database (see docs/caching.md).
"""

from typing import Protocol

from eventapp.events.types import SaleState


class EventChanges(Protocol):
    """Receives the changes that this process makes, right after each write."""

    def event_changed(self, event_id: int) -> None:
        """Record that this process created, edited or deleted the event."""

    def stock_changed(self, sale_state: SaleState) -> None:
        """Record that this process sold or returned tickets of an event.

        Args:
            sale_state: the event after the write.
        """

    def favorites_changed(self, owner: str) -> None:
        """Record that this process changed the favorites of `owner` (an actor's favorites key)."""


class NoEventCache:
    """Ignores all changes, for a process that keeps no events in memory."""

    def event_changed(self, event_id: int) -> None:
        """Do nothing."""

    def stock_changed(self, sale_state: SaleState) -> None:
        """Do nothing."""

    def favorites_changed(self, owner: str) -> None:
        """Do nothing."""


NO_EVENT_CACHE: EventChanges = NoEventCache()
