"""Values kept in memory, the ones least asked for let go first."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

Value = TypeVar("Value")


class Remembered(Generic[Value]):
    """The values last asked for, of at most so many bytes together, for any number of threads.

    `size` tells the bytes of a value, its key included; it must never change.
    """

    def __init__(self, most_bytes: int, size: Callable[[Value], int]) -> None:
        self._most, self._size, self._bytes = most_bytes, size, 0
        self._values = OrderedDict[Hashable, Value]()
        self._lock = threading.Lock()

    def get(self, key: Hashable) -> Value | None:
        with self._lock:
            value = self._values.get(key)
            if value is not None:
                self._values.move_to_end(key)
            return value

    def put(self, key: Hashable, value: Value) -> None:
        with self._lock:
            self._let_go(self._values.pop(key, None))
            self._values[key] = value
            self._bytes += self._size(value)
            while self._bytes > self._most:
                self._let_go(self._values.popitem(last=False)[1])

    def clear(self) -> None:
        with self._lock:
            self._values.clear()
            self._bytes = 0

    def drop(self, key: Hashable) -> None:
        with self._lock:
            self._let_go(self._values.pop(key, None))

    def _let_go(self, value: Value | None) -> None:
        if value is not None:
            self._bytes -= self._size(value)
