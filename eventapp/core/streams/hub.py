"""Server-sent events: topics that one thread keeps up to date, and the listeners that read them.

One thread of each process polls the database for every topic with listeners, every 0.5 s, or sooner
if `Hub.wake` is called, as it is after this process changed a chat. The topic keeps its state, such
as the availability of an event, and its latest items, such as chat entries. When the topic changes,
it wakes its listeners. Each listener has a stream position of its own, and reads the items after
it. So a slow client delays nobody. If the topic has discarded an item that a listener has not read,
the stream ends, and the client reconnects with its `Last-Event-ID`.

Invariant: a listener misses no change. It reads the topic's version before the topic's state, and
then waits until the version differs. The request that opens a topic builds its state; from then on
only the poll thread writes the state, always before it increases the version.

While the database does not answer, streams stay open and send comments. Only a stream that must
read missed items from the database ends. If the poll thread fails, every stream ends, because none
would send anything any more.
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

# The time between two polls of the database, and the least time if `Hub.wake` was called.
POLL_SECONDS, MIN_POLL_SECONDS = 0.5, 0.05
# How often a stream checks whether its caller may still read it, and sends a comment if it is idle.
COMMENT_SECONDS = 15.0
# How often a stream that only some callers may read checks whether this caller still may.
RESTRICTED_CHECK_SECONDS = 1.0
# How long a client waits before it reconnects, in milliseconds. Each stream begins with it.
RETRY_MS = 2_000
OPENING, COMMENT = f"retry: {RETRY_MS}\n: open\n\n".encode(), b": \n\n"
OPEN_STREAMS = Gauge("eventapp_open_streams", "Open streams", multiprocess_mode="livesum")

log = structlog.get_logger()


def encode_stream_message(message_id: str, message_type: str, data: bytes) -> bytes:
    """Return one stream message, which is a server-sent event, encoded.

    Args:
        message_id: the id that a client sends as `Last-Event-ID` when it reconnects.
        message_type: the type by which a client selects its handler, such as "notification".
        data: JSON, which contains no line breaks.
    """
    fields = (message_id.encode(), message_type.encode(), data)
    return b"id: %b\nevent: %b\ndata: %b\n\n" % fields


class Topic:
    """A subject that clients listen to. Subclasses add its state, which only polls write.

    Attributes:
        kind, key: the subject, such as ("event", 7).
        has_ended: whether no further change will follow.
        listener_count: the number of open streams; guarded by the hub's lock.
    """

    def __init__(self, kind: str, key: Hashable) -> None:
        self.kind, self.key = kind, key
        self.has_ended = False
        self.listener_count = 0
        self._version = 0
        self._changed = threading.Condition()

    @property
    def version(self) -> int:
        """The number of changes so far. Read it before the state, then wait for a change."""
        return self._version

    def publish(self) -> None:
        """Wake all listeners, after a change of the state."""
        with self._changed:
            self._version += 1
            self._changed.notify_all()

    def end(self) -> None:
        """End the streams of this topic, once their listeners have read its last state."""
        self.has_ended = True
        self.publish()

    def wait_for_change(self, version: int, seconds: float) -> None:
        """Wait until the version differs from `version`, but at most `seconds`."""
        with self._changed:
            self._changed.wait_for(lambda: self._version != version, max(0.0, seconds))


class Listener(Protocol):
    """One stream of a topic: its stream position, and what its caller may read."""

    def read_new(self) -> bytes:
        """Return the stream messages after the stream position, and advance it past them.

        Raises:
            StreamEnded: the stream cannot continue.
        """

    @property
    def is_restricted(self) -> bool:
        """Whether only some callers may read the topic, so that roles must be checked often."""

    def is_alive(self) -> bool:
        """Return False once the stream must end, for example with its caller's session."""


class StreamEnded(Exception):
    """The topic has discarded the next items, or the caller may no longer read them."""


# Reads the database for topics of one kind, and publishes what has changed. Each kind has its own
# subclass of Topic, which its poll expects.
Poll = Callable[[Sequence[Any]], None]


class Hub:
    """The open streams of one process, and the poll thread, which runs while any is open."""

    def __init__(self, limits: ConnectionLimits | None = None) -> None:
        self.limits = limits or ConnectionLimits()
        self._polls: dict[str, Poll] = {}
        self._topics: dict[tuple[str, Hashable], Topic] = {}
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._is_polling = self._is_closed = False

    def add_poll(self, kind: str, poll: Poll) -> None:
        """Call `poll` from the poll thread with all open topics of this kind."""
        self._polls[kind] = poll

    def subscribe(
        self, kind: str, key: Hashable, open_topic: Callable[[], Topic], caller_keys: Sequence[str]
    ) -> Topic:
        """Open a stream of a topic.

        Args:
            open_topic: reads the topic; called if no stream of it is open in this process.
            caller_keys: the callers for whom the stream counts, as in `ConnectionLimits.acquire`.

        Raises:
            TooManyOwnStreams: the caller has many streams, and the last free ones are reserved.
            TooManyStreams: no stream is free, or the process is about to end.
        """
        with ExitStack() as undo:
            self.limits.acquire(caller_keys)
            undo.callback(self.limits.release, caller_keys)
            topic = self._add_listener(self._topics.get((kind, key)) or open_topic())
            undo.pop_all()
        return topic

    def _add_listener(self, topic: Topic) -> Topic:
        """Count a listener of this topic, or of the same one that another request has opened."""
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
    def unsubscribe_on_failure(self, topic: Topic, caller_keys: Sequence[str]) -> Iterator[None]:
        """Unsubscribe if the code in the `with` block fails, before it starts the stream."""
        with ExitStack() as undo:
            undo.callback(self.unsubscribe, topic, caller_keys)
            yield
            undo.pop_all()

    def unsubscribe(self, topic: Topic, caller_keys: Sequence[str]) -> None:
        """Close a stream of a topic. `caller_keys` are those that were given to `subscribe`."""
        with self._lock:
            topic.listener_count -= 1
            OPEN_STREAMS.dec()
            name = (topic.kind, topic.key)
            if topic.listener_count == 0 and self._topics.get(name) is topic:
                del self._topics[name]
        self.limits.release(caller_keys)

    def wake(self, kind: str, key: Hashable) -> None:
        """Poll soon, because this process changed the topic; do nothing without listeners."""
        if (kind, key) in self._topics:
            self._wake.set()

    def close(self) -> None:
        """End all streams and refuse new ones, because the process is about to end."""
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
        has_finished = False
        try:
            while self._update_is_polling():
                self._poll_once()
                time.sleep(MIN_POLL_SECONDS)
                self._wake.wait(POLL_SECONDS - MIN_POLL_SECONDS)
                self._wake.clear()
            has_finished = True
        finally:
            if not has_finished:
                # A bug ended this thread. When the streams end, their clients open them again, and
                # that starts a new thread.
                self._is_polling = False
                self._end_all()

    def _update_is_polling(self) -> bool:
        """Return whether the poll thread is still needed, and record it."""
        with self._lock:
            self._is_polling = bool(self._topics) and not self._is_closed
            return self._is_polling

    def _poll_once(self) -> None:
        with self._lock:
            topics = list(self._topics.values())
        for kind, poll in self._polls.items():
            open_topics = [topic for topic in topics if topic.kind == kind and not topic.has_ended]
            try:
                if open_topics:
                    poll(open_topics)
            except PyMongoError as error:
                # The streams stay open, and continue when the database answers again.
                log.warning("streams cannot poll", kind=kind, error=type(error).__name__)


HUB: AppKey[Hub] = AppKey("hub")


def stream_events(topic: Topic, listener: Listener) -> Iterator[bytes]:
    """Yield the bytes of a stream, until its topic ends or its listener cannot continue.

    Every COMMENT_SECONDS the stream sends a comment if there is nothing else to send, so that a
    broken connection is noticed. It also checks `Listener.is_alive`, more often if the listener is
    restricted.
    """
    yield OPENING
    checked_at = commented_at = time.monotonic()
    while True:
        # Both are read before the listener reads the state: see the invariant of the module.
        version, has_ended = topic.version, topic.has_ended
        try:
            data = listener.read_new()
        except (StreamEnded, PyMongoError):
            return
        now = time.monotonic()
        check_seconds = RESTRICTED_CHECK_SECONDS if listener.is_restricted else COMMENT_SECONDS
        if now - checked_at >= check_seconds:
            checked_at = now
            if not _is_alive(listener):
                return
        if now - commented_at >= COMMENT_SECONDS:
            commented_at = now
            data = data or COMMENT
        if data:
            yield data
        elif has_ended:
            return
        else:
            due = min(checked_at + check_seconds, commented_at + COMMENT_SECONDS)
            topic.wait_for_change(version, due - now)


def _is_alive(listener: Listener) -> bool:
    try:
        return listener.is_alive()
    except PyMongoError:  # An unavailable database does not end a session.
        return True
