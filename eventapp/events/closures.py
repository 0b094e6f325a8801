"""Wait for an event that is closed while a script compares or repairs its stock.

`check_inventory` closes an event for the moment that it needs to read the event's bookings (see
`eventapp.inventory.store`). Requests wait for that moment, because it is usually short.
"""

from datetime import datetime

from eventapp.core.clock import start_clock
from eventapp.core.waiting import BoundedWait
from eventapp.events import rules
from eventapp.events.errors import EventClosed
from eventapp.events.types import Closable

# How long one request waits, and how long it sleeps before it reads the event again.
MAX_WAIT_SECONDS, PAUSE_SECONDS = 2.0, 0.04


class ClosureWait:
    """The waiting of one request for closed events, limited to MAX_WAIT_SECONDS in all.

    Attributes:
        clock: returns the time of the request plus the time passed since. Guards compare it with
            the end of the closure, which may come while the request waits.
    """

    def __init__(self, now: datetime) -> None:
        self.clock = start_clock(now)
        self._wait = BoundedWait(
            max_seconds=MAX_WAIT_SECONDS, pause_seconds=PAUSE_SECONDS, error=EventClosed
        )

    def pause_if_closed(self, event: Closable) -> None:
        """Sleep for PAUSE_SECONDS if the event is closed.

        Args:
            event: the event as it was just read.

        Raises:
            EventClosed: it is closed, and the request has waited for MAX_WAIT_SECONDS.
        """
        if rules.is_closed(event, self.clock()):
            self._wait.pause()
