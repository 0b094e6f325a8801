"""Try the free slots of an owner. Each slot holds one document.

A unique index over the owner and the slot limits how many documents an owner has, however many
requests store one at once.
"""

import random
from collections.abc import Callable, Collection, Iterator

from eventapp.core.errors import DatabaseUnavailable
from eventapp.core.waiting import BoundedWait

MAX_WAIT_SECONDS = 2.0
# The pause of a request between two attempts. Each request has its own, so that those that stored
# at the same moment do not meet again.
LEAST_PAUSE_SECONDS, GREATEST_PAUSE_SECONDS = 0.02, 0.15


def iterate_free_slots(count: int, find_taken: Callable[[], Collection[int]]) -> Iterator[int]:
    """Yield a free slot to store in, until the caller has stored or no slot is free.

    It is any free slot, because some MongoDB-compatible servers let concurrent inserts of the same
    unique key wait for each other for a second.

    Args:
        count: how many slots an owner has.
        find_taken: reads which slots are taken, by other documents than the one to store.

    Raises:
        DatabaseUnavailable: the attempts have taken MAX_WAIT_SECONDS.
    """
    wait = BoundedWait(
        max_seconds=MAX_WAIT_SECONDS,
        pause_seconds=random.uniform(LEAST_PAUSE_SECONDS, GREATEST_PAUSE_SECONDS),
        error=DatabaseUnavailable,
    )
    while free := [*set(range(count)).difference(find_taken())]:
        yield random.choice(free)
        wait.pause()
