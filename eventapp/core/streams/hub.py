"""Server-sent events: topics that one thread keeps up to date, and the listeners that read them.

Nothing is pushed to a listener. One thread of each process polls the database for every topic that
somebody listens to, every 0.5 s, or sooner when this process has written (`Hub.wake`). The topic
keeps its state and its latest entries, and wakes its listeners. Each listener has a position of its
own in the topic, and reads what comes after it. So a slow client costs nothing and delays nobody.
Once the entries after its position are no longer kept, its stream ends, and it comes back by itself
with its `Last-Event-ID`.

Invariant: a listener misses no change. It reads the topic's version before the topic's state, and
then waits until the version differs. Only the poll thread writes the state, always before it
increases the version. A stream that cannot go on ends: it never stays open and silent.
"""

import threading
import time
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, Protocol

import structlog
from prometheus_client import Gauge
from pymongo.errors import PyMongoError

from eventapp.core.app_key import AppKey
from eventapp.core.streams.connection_limits import ConnectionLimits, TooManyStreams

# How often the poll thread reads the database, and the least time between two polls after a wake.
POLL_SECONDS, MIN_POLL_SECONDS = 0.5, 0.05
# How often an idle stream sends a comment, and how often it checks the caller's session.
COMMENT_SECONDS = 15.0
RETRY_MS = 2_000
OPENING, COMMENT = f"retry: {RETRY_MS}\n: open\n\n".encode(), b": \n\n"
OPEN_STREAMS = Gauge("eventapp_open_streams", "Open streams", multiprocess_mode="livesum")

log = structlog.get_logger()


def encode_event(event_id: str, event: str, data: bytes) -> bytes:
    """Return one server-sent event. `data` is JSON, which contains no line breaks."""
    return b"id: %b\nevent: %b\ndata: %b\n\n" % (event_id.encode(), event.encode(), data)


class Topic:
    """One thing that clients listen to. Subclasses add its state, which only pollers write.

    Attributes:
        kind, key: what the topic is about, such as ("event", 7).
        has_ended: whether no more is to come.
        listener_count: how many streams are open; guarded by the hub's lock.
    """

    def __init__(self, kind: str, key: Hashable) -> None:
        self.kind, self.key = kind, key
        self.has_ended = False
        self.listener_count = 0
        self._version = 0
        self._changed = threading.Condition()

    @property
    def version(self) -> int:
        """How often the topic has changed. Read it before the state, then wait for the next."""
        return self._version

    def publish(self) -> None:
        """Wake all listeners, after the state was changed."""
        with self._changed:
            self._version += 1
            self._changed.notify_all()

    def end(self) -> None:
        """Let the listeners end when they have read what there is."""
        self.has_ended = True
        self.publish()

    def wait_for_change(self, version: int, seconds: float) -> None:
        """Wait until the version differs from `version`, at most `seconds`."""
        with self._changed:
            self._changed.wait_for(lambda: self._version != version, max(0.0, seconds))


class Listener(Protocol):
    """One stream's position in its topic."""

    def read_new(self) -> bytes:
        """Return the encoded events after the position, and move behind them.

        Raises:
            StreamEnded: the stream cannot go on.
        """

    def is_alive(self) -> bool:
        """Return False once the stream must end, for example with its caller's session."""


class StreamEnded(Exception):
    """The next entries are no longer kept, or this caller may no longer read them."""


# Brings the topics of one kind up to date.
Poll = Callable[[Sequence[Any]], None]


class Hub:
    """The open streams of one process, and its poll thread, which runs while any is open."""

    def __init__(self) -> None:
        self.limits = ConnectionLimits()
        self._polls: dict[str, Poll] = {}
        self._topics: dict[tuple[str, Hashable], Topic] = {}
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._is_polling = self._is_closed = False

    def add_poll(self, kind: str, poll: Poll) -> None:
        """Call `poll` from the poll thread with all open topics of this kind."""
        self._polls[kind] = poll

    def subscribe(
        self, kind: str, key: Hashable, open_topic: Callable[[], Topic], callers: Sequence[str]
    ) -> Topic:
        """Open a stream of a topic.

        Args:
            open_topic: reads the topic; called if no stream of it is open in this process.
            callers: whose stream it is, for the limits; the same as in `unsubscribe`.

        Raises:
            TooManyOwnStreams: the free streams are reserved for other callers.
            TooManyStreams: none is free, or the process is about to end.
        """
        with ExitStack() as undo:
            self.limits.acquire(callers)
            undo.callback(self.limits.release, callers)
            topic = self._add_listener(self._topics.get((kind, key)) or open_topic())
            undo.pop_all()
        return topic

    def _add_listener(self, topic: Topic) -> Topic:
        with self._lock:
            if self._is_closed:
                raise TooManyStreams
            topic = self._topics.setdefault((topic.kind, topic.key), topic)
            topic.listener_count += 1
            OPEN_STREAMS.inc()
            if not self._is_polling:
                self._is_polling = True
                threading.Thread(target=self._run_polls, name="streams", daemon=True).start()
        return topic

    @contextmanager
    def unsubscribe_on_failure(self, topic: Topic, callers: Sequence[str]) -> Iterator[None]:
        """Unsubscribe if the code between subscribing and streaming fails."""
        with ExitStack() as undo:
            undo.callback(self.unsubscribe, topic, callers)
            yield
            undo.pop_all()

    def unsubscribe(self, topic: Topic, callers: Sequence[str]) -> None:
        """Close a stream of a topic."""
        with self._lock:
            topic.listener_count -= 1
            OPEN_STREAMS.dec()
            name = (topic.kind, topic.key)
            if topic.listener_count == 0 and self._topics.get(name) is topic:
                del self._topics[name]
        self.limits.release(callers)

    def wake(self, kind: str, key: Hashable) -> None:
        """Poll soon, because this process changed the topic; do nothing if nobody listens."""
        if (kind, key) in self._topics:
            self._wake.set()

    def close(self) -> None:
        """End all streams and open no more: the process is about to end."""
        self._is_closed = True
        self._wake.set()
        self._end_all()

    def _end_all(self) -> None:
        with self._lock:
            topics = list(self._topics.values())
            self._topics.clear()
        for topic in topics:
            topic.end()

    def _run_polls(self) -> None:
        finished = False
        try:
            while self._keep_polling():
                self._poll_once()
                time.sleep(MIN_POLL_SECONDS)
                self._wake.wait(POLL_SECONDS - MIN_POLL_SECONDS)
                self._wake.clear()
            finished = True
        finally:
            if not finished:
                # A bug ended this thread. Streams that end are opened again by their clients, and
                # start it anew; streams without it would stay silent.
                self._is_polling = False
                self._end_all()

    def _keep_polling(self) -> bool:
        with self._lock:
            self._is_polling = bool(self._topics) and not self._is_closed
            return self._is_polling

    def _poll_once(self) -> None:
        with self._lock:
            topics = list(self._topics.values())
        for kind, poll in self._polls.items():
            open_topics = [one for one in topics if one.kind == kind and not one.has_ended]
            try:
                if open_topics:
                    poll(open_topics)
            except PyMongoError as error:
                # The streams stay open, and go on when the database is back.
                log.warning("streams cannot poll", kind=kind, error=type(error).__name__)


HUB: AppKey[Hub] = AppKey("streams")


def stream_events(topic: Topic, listener: Listener) -> Iterator[bytes]:
    """Yield what a listener is sent, until the topic ends or the listener cannot go on.

    After at most COMMENT_SECONDS, a comment or an event is sent, so that a broken connection is
    noticed. The listener is checked that often as well.
    """
    yield OPENING
    checked_at = time.monotonic()
    while True:
        version, has_ended = topic.version, topic.has_ended  # before its state: see the invariant
        try:
            data = listener.read_new()
        except (StreamEnded, PyMongoError):
            return
        now = time.monotonic()
        if now - checked_at >= COMMENT_SECONDS:
            checked_at = now
            if not _is_alive(listener):
                return
            data = data or COMMENT
        if data:
            yield data
        elif has_ended:
            return
        else:
            topic.wait_for_change(version, checked_at + COMMENT_SECONDS - now)


def _is_alive(listener: Listener) -> bool:
    try:
        return listener.is_alive()
    except PyMongoError:  # An unavailable database does not end a session.
        return True
