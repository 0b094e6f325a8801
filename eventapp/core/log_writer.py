"""Write the lines of the log on a thread of its own, so that no request waits for the file.

A line that is written by the thread of a request costs a system call. Meanwhile another thread
takes the lock of the interpreter, for which the first one then waits.
"""

import threading
from collections import deque
from collections.abc import Iterable, Iterator
from select import PIPE_BUF
from typing import TextIO

from eventapp.core.app_key import AppKey
from eventapp.core.metrics import DROPPED_LOG_LINES

# About 20,000 lines of requests, which a reader that is too slow may leave waiting.
MAX_CHARACTERS = 4_000_000
# How long the thread collects lines before it writes them.
COLLECT_SECONDS = 0.02


class LogWriter:
    """A file that queues what is written to it from `start` to `stop`, and else writes it at once.

    The lines keep their order, and `stop` writes all that are queued. A process that is killed
    loses those of the last COLLECT_SECONDS. DROPPED_LOG_LINES counts the lines that find the queue
    full, and those that the file does not accept: neither stops a request.
    """

    def __init__(self, file: TextIO, max_characters: int = MAX_CHARACTERS) -> None:
        """Write to `file`, and queue at most `max_characters` for it."""
        self._file, self._max_characters = file, max_characters
        self._lines: deque[str] = deque()
        self._characters = 0
        self._lock = threading.Lock()
        self._has_lines, self._is_stopping = threading.Event(), threading.Event()
        self._thread: threading.Thread | None = None

    def write(self, line: str) -> int:
        """Queue or write one line, which ends with a newline, and return its length."""
        with self._lock:
            if self._thread is None:
                self._write_out([line])
            elif self._characters + len(line) > self._max_characters:
                DROPPED_LOG_LINES.inc()
            else:
                self._lines.append(line)
                self._characters += len(line)
        if not self._has_lines.is_set():
            self._has_lines.set()
        return len(line)

    def flush(self) -> None:
        """Do nothing: a line is written at once, or by the thread. Loggers call this."""

    def start(self) -> None:
        """Queue the lines from now on, and write them on a thread. A fork has no such thread."""
        thread = threading.Thread(target=self._write_until_stopped, name="log-writer", daemon=True)
        with self._lock:
            self._thread = thread
        thread.start()

    def stop(self) -> None:
        """Write all lines that are queued. Later ones are written at once."""
        if self._thread is None:
            return
        self._is_stopping.set()
        self._has_lines.set()
        self._thread.join()
        # No other thread can write a later line before these.
        with self._lock:
            self._thread = None
            self._write_out(self._take_lines())

    def _write_until_stopped(self) -> None:
        while not self._is_stopping.is_set():
            self._has_lines.wait()
            self._is_stopping.wait(COLLECT_SECONDS)
            # A line that is queued after this sets the event again, and one before is taken now.
            self._has_lines.clear()
            with self._lock:
                lines = self._take_lines()
            self._write_out(lines)

    def _take_lines(self) -> deque[str]:
        lines, self._lines, self._characters = self._lines, deque(), 0
        return lines

    def _write_out(self, lines: Iterable[str]) -> None:
        for count, text in _join_lines(lines):
            try:
                self._file.write(text)
                self._file.flush()
            except OSError:
                DROPPED_LOG_LINES.inc(count)


def _join_lines(lines: Iterable[str]) -> Iterator[tuple[int, str]]:
    """Yield texts of several lines, each with the number of its lines.

    The processes of a server share the file. If it is a pipe, only what is at most PIPE_BUF bytes
    long is never mixed with what another process writes. Only a longer line is written alone.
    """
    joined: list[str] = []
    size = 0
    for line in lines:
        is_ascii = line.isascii()
        line_size = len(line) if is_ascii else len(line.encode(errors="backslashreplace"))
        if joined and size + line_size > PIPE_BUF:
            yield len(joined), "".join(joined)
            joined, size = [], 0
        joined.append(line)
        size += line_size
    if joined:
        yield len(joined), "".join(joined)


LOG_WRITER: AppKey[LogWriter] = AppKey("log_writer")
