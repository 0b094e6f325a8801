"""The notification that every service sends after it has written an event.

A process that serves requests keeps rendered events in memory. `create_app` passes its cache to
the services as an `EventChanges`, so that no answer sent after a write shows the state before it.
Scripts and the worker keep no cache and pass `NO_EVENT_CACHE`. Other processes learn of the write
from the database (see docs/caching.md).
"""

from typing import Protocol, TypedDict


class TicketTypeStock(TypedDict):
    """The stock of one ticket type.

    Attributes:
        availableTickets: tickets that are neither sold nor held, 0 or more.
    """

    availableTickets: int


# Functional syntax, because a class body would mangle the name `__v`.
SaleState = TypedDict(
    "SaleState",
    {
        "eventId": int,
        # The revision: every write of the event, also a sale, raises it by one.
        "rev": int,
        # The edit count: only edits raise it, by one.
        "__v": int,
        # In the order of the event's ticket types.
        "ticketTypes": list[TicketTypeStock],
    },
)


class EventChanges(Protocol):
    """Receives the changes that this process has made, after they are written."""

    def changed(self, event_id: int) -> None:
        """Receive that this process created, edited or deleted the event."""

    def stock_changed(self, sale_state: SaleState) -> None:
        """Receive that this process sold or returned tickets of an event.

        Args:
            sale_state: the event's stock after the write. It may hold more fields.
        """

    def favorites_changed(self, owner: str) -> None:
        """Receive that this process changed the favorites that `owner` (an actor's key) has."""


class NoEventCache:
    """Ignores all changes, for a process that keeps no events in memory."""

    def changed(self, event_id: int) -> None:
        """Do nothing."""

    def stock_changed(self, sale_state: SaleState) -> None:
        """Do nothing."""

    def favorites_changed(self, owner: str) -> None:
        """Do nothing."""


NO_EVENT_CACHE: EventChanges = NoEventCache()
