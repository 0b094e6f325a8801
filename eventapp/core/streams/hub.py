"""Server-Sent Events: topics that one reader thread keeps up to date, and those who listen.

Nothing is pushed to a listener. A topic keeps its state and its latest entries; each listener has
a place of its own in them, is woken when there is more, and takes what comes after its place. So
a slow one costs nothing, keeps nobody waiting, and is dropped once the entries after its place
are no longer kept: it comes back by itself with its `Last-Event-ID`.
"""

import threading
import time
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, Protocol

import structlog
from prometheus_client import Gauge
from pymongo.errors import PyMongoError

from eventapp.core.streams.connection_limits import Seats, TooManyStreams

# How often a process looks for what changed, and how soon again when it is told to hurry.
LOOK_SECONDS, HURRY_SECONDS = 0.5, 0.05
COMMENT_SECONDS = 15.0
RETRY_MS = 2_000
OPENING, COMMENT = f"retry: {RETRY_MS}\n: open\n\n".encode(), b": \n\n"
OPEN = Gauge("eventapp_open_streams", "Open streams", multiprocess_mode="livesum")

log = structlog.get_logger()


def sse(event_id: str, event: str, data: bytes) -> bytes:
    """One event; `data` is JSON, which has no line breaks of its own."""
    return b"id: %b\nevent: %b\ndata: %b\n\n" % (event_id.encode(), event.encode(), data)


class Topic:
    """What is streamed of one thing. Its features' state is written by the reader thread alone."""

    def __init__(self, kind: str, key: Hashable) -> None:
        self.kind, self.key = kind, key
        self.over = False
        self.listeners = 0
        self._ticks = 0
        self._changed = threading.Condition()

    @property
    def ticks(self) -> int:
        """How often it has changed: to be read before its state, and then waited from."""
        return self._ticks

    def publish(self) -> None:
        """Wake all who listen."""
        with self._changed:
            self._ticks += 1
            self._changed.notify_all()

    def end(self) -> None:
        """There is no more to come; listeners end when they have what there is."""
        self.over = True
        self.publish()

    def wait(self, ticks: int, seconds: float) -> None:
        """Until it has changed since `ticks`, or for so long."""
        with self._changed:
            self._changed.wait_for(lambda: self._ticks != ticks, max(0.0, seconds))


class Listener(Protocol):
    """One stream's place in its topic."""

    def take(self) -> bytes:
        """What comes after its place, encoded, and moves there; StreamEnded."""

    def alive(self) -> bool:
        """False once the stream must end, as with its caller's session."""


class StreamEnded(Exception):
    """What comes next is no longer kept, or no longer for this caller."""


Look = Callable[[Sequence[Any]], None]


class Hub:
    """The streams of one process, and the thread that looks for them, only while any is open."""

    def __init__(self) -> None:
        self.seats = Seats()
        self._looks: dict[str, Look] = {}
        self._topics: dict[tuple[str, Hashable], Topic] = {}
        self._lock = threading.Lock()
        self._hurry = threading.Event()
        self._reading = self._closed = False

    def add_source(self, kind: str, look: Look) -> None:
        """Let `look` bring the topics of this kind up to date, whenever it is time."""
        self._looks[kind] = look

    def join(
        self, kind: str, key: Hashable, make: Callable[[], Topic], callers: Sequence[str]
    ) -> Topic:
        """Begin to listen; `make` reads the topic where nobody listens to it yet.

        Args:
            callers: whose stream it is, as `leave` is told again.

        Raises:
            TooManyOwnStreams: others may have what is left.
            TooManyStreams: there are too many, or the process is about to end.
        """
        with ExitStack() as undo:
            self.seats.take(callers)
            undo.callback(self.seats.give_back, callers)
            topic = self._enter((kind, key), self._topics.get((kind, key)) or make())
            undo.pop_all()
        return topic

    def _enter(self, here: tuple[str, Hashable], topic: Topic) -> Topic:
        with self._lock:
            if self._closed:
                raise TooManyStreams
            topic = self._topics.setdefault(here, topic)
            topic.listeners += 1
            OPEN.inc()
            if not self._reading:
                self._reading = True
                threading.Thread(target=self._read, name="streams", daemon=True).start()
        return topic

    @contextmanager
    def leaving_on_failure(self, topic: Topic, callers: Sequence[str]) -> Iterator[None]:
        """Leave again where what comes between joining and streaming fails."""
        with ExitStack() as undo:
            undo.callback(self.leave, topic, callers)
            yield
            undo.pop_all()

    def leave(self, topic: Topic, callers: Sequence[str]) -> None:
        """End listening."""
        with self._lock:
            topic.listeners -= 1
            OPEN.dec()
            here = (topic.kind, topic.key)
            if topic.listeners == 0 and self._topics.get(here) is topic:
                del self._topics[here]
        self.seats.give_back(callers)

    def hurry(self, kind: str, key: Hashable) -> None:
        """This process changed it: look at once, if anyone here listens."""
        if (kind, key) in self._topics:
            self._hurry.set()

    def close(self) -> None:
        """End all streams and open no more: the process is about to end."""
        self._closed = True
        self._hurry.set()
        self._end_all()

    def _end_all(self) -> None:
        with self._lock:
            topics = list(self._topics.values())
            self._topics.clear()
        for topic in topics:
            topic.end()

    def _read(self) -> None:
        clean = False
        try:
            while self._goes_on():
                self._look()
                time.sleep(HURRY_SECONDS)
                self._hurry.wait(LOOK_SECONDS - HURRY_SECONDS)
                self._hurry.clear()
            clean = True
        finally:
            if not clean:  # a fault of ours: better streams that come back than silent ones
                self._reading = False
                self._end_all()

    def _goes_on(self) -> bool:
        with self._lock:
            self._reading = bool(self._topics) and not self._closed
            return self._reading

    def _look(self) -> None:
        with self._lock:
            topics = list(self._topics.values())
        for kind, look in self._looks.items():
            mine = [topic for topic in topics if topic.kind == kind and not topic.over]
            try:
                if mine:
                    look(mine)
            except PyMongoError as error:  # the streams stay open, and go on when it is back
                log.warning("streams cannot look", kind=kind, error=type(error).__name__)


def stream(topic: Topic, listener: Listener) -> Iterator[bytes]:
    """What a listener is sent, until the topic, the session or its patience ends."""
    yield OPENING
    checked = time.monotonic()
    while True:
        ticks, over = topic.ticks, topic.over  # before its state: what comes later wakes us
        try:
            found = listener.take()
        except (StreamEnded, PyMongoError):
            return
        now = time.monotonic()
        if now - checked >= COMMENT_SECONDS:
            checked = now
            if not _is_alive(listener):
                return
            found = found or COMMENT
        if found:
            yield found
        elif over:
            return
        else:
            topic.wait(ticks, checked + COMMENT_SECONDS - now)


def _is_alive(listener: Listener) -> bool:
    try:
        return listener.alive()
    except PyMongoError:  # the database is away, which is no end of a session
        return True
