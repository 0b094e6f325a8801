"""Marks of what is recorded: struck out by a later write of their event, at no cost of its own."""

import threading
from collections import defaultdict
from collections.abc import Iterable

REMEMBERED_EVENTS, REMEMBERED_MARKS = 5000, 2000
# Striking out more at once would make the write itself slow.
STRUCK_AT_ONCE = 200


class Done:
    """What one process may strike out; what it forgets, the worker strikes out."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._keys: defaultdict[int, list[str]] = defaultdict(list)

    def note(self, event_id: int, keys: Iterable[str]) -> None:
        """These marks of the event may go."""
        with self._lock:
            if len(self._keys) > REMEMBERED_EVENTS:
                self._keys.clear()
            noted = self._keys[event_id]
            noted.extend(keys)
            # Where little is written, as in a worker, they would gather without end.
            del noted[:-REMEMBERED_MARKS]

    def take(self, event_id: int, at_least: int = 1) -> list[str]:
        """Some of them, to strike out or to note again; none where there are fewer."""
        with self._lock:
            if len(self._keys.get(event_id, ())) < at_least:
                return []
            keys = self._keys.pop(event_id)
            if len(keys) > STRUCK_AT_ONCE:
                self._keys[event_id] = keys[STRUCK_AT_ONCE:]
        return keys[:STRUCK_AT_ONCE]
