"""Stream the availability of an event, its edits, and the entries of its chat.

In this module an event is one that tickets are booked for. What a stream sends is a *stream
message* (a server-sent event). What users write are chat entries.

Each process reads the events that it streams from the database, a few times a second for all of
its clients together (see `core.streams.hub`). So it makes no difference which process changed an
event. A stream sends only the latest availability and the latest edit, but every chat entry, in
the order of their numbers. The availability also changes when a sale begins or ends, though nothing
is written then. It is sent again at that time, with the same stream position.

Numbers. Each chat entry has a number, stored as `seq`. A writer takes the next number of a chat
from a counter, and then inserts its entry. An entry may therefore become visible after one with a
higher number. No reader goes past a missing number. If the missing entry does not arrive within
GAP_TIMEOUT, the reader inserts a filler, a hidden entry with this number. If the writer inserts its
entry after that, a unique index refuses the number, and the writer takes the next one.

Stream positions. The id of each stream message is a `StreamPosition`: the edit count and the
revision of the event and the number of the chat entry that were sent last. A client that reconnects
sends the id as `Last-Event-ID`, and any process goes on from there. If the process does not buffer
the entries after the stream position, it reads them from the database.

Invariant: a client whose stream position has number n has received, exactly once and in order, a
stream message for each chat entry up to n that streams do not skip. If it reconnects, the new
stream begins with number n + 1. Once it has caught up, the client also has the current availability
and the last edit.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from eventapp.core import json
from eventapp.core.access.actor import Actor, ActorLoader
from eventapp.core.clock import utc_now
from eventapp.core.database import Db, ServerClock
from eventapp.core.streams.hub import Hub, StreamEnded, Topic, encode_stream_message
from eventapp.events import live_states
from eventapp.events import service as events
from eventapp.events.live_states import LiveState
from eventapp.messages import rules, store
from eventapp.messages.rules import StreamPosition
from eventapp.messages.types import StoredChatEntry

TOPIC_KIND = "event"
# A stream that falls behind by more than this many chat entries, or bytes of them, ends; its client
# reconnects.
MAX_BUFFERED, MAX_BUFFERED_BYTES = 1_024, 256_000
# The most chat entries that are read at once.
READ_LIMIT = 512
# How many of the last numbers are checked for gaps when a topic is opened.
GAP_SEARCH_LENGTH = 64

# The number of a chat entry and the JSON that is sent for it; None for an entry that streams skip.
EncodedChatEntry = tuple[int, bytes | None]


@dataclass(frozen=True)
class EventSnapshot:
    """An event at one moment. It is replaced as a whole, so that streams read consistent values.

    Attributes:
        event: the event as it was read last.
        availability_revision: the first revision at which this process read the current
            availability. Streams with a lower revision have not sent it yet.
        availability_changed_at: when the current availability came about although nothing was
            written; None if a write has brought it about. Streams that have not sent the
            availability of this time have not sent it yet.
        seq: the number of the last chat entry that was read.
        buffered: the last chat entries up to `seq`, within MAX_BUFFERED and MAX_BUFFERED_BYTES.
        is_deleted: whether the event was deleted.
    """

    event: LiveState
    availability_revision: int
    availability_changed_at: datetime | None
    seq: int
    buffered: tuple[EncodedChatEntry, ...] = ()
    is_deleted: bool = False


class EventTopic(Topic):
    """An event that has open streams. Only the poll thread changes it."""

    def __init__(self, event: LiveState, seq: int) -> None:
        """Begin with the event as it is, and after the chat entry with number `seq`."""
        super().__init__(TOPIC_KIND, event.event_id)
        self.event_id = event.event_id
        self.snapshot = EventSnapshot(event, event.revision, event.changed_at, seq)
        self._gap_seq = 0  # the missing number that was recorded last
        self._gap_since = 0.0  # when it was first recorded, in seconds of time.monotonic()

    def set_event(self, event: LiveState) -> None:
        """Publish the event as it was just read."""
        previous = self.snapshot
        if event.availability == previous.event.availability:
            self.snapshot = replace(previous, event=event)
        else:
            self.snapshot = replace(
                previous,
                event=event,
                availability_revision=event.revision,
                availability_changed_at=event.changed_at,
            )
        self.publish()

    def add_entries(self, entries: Sequence[StoredChatEntry]) -> None:
        """Publish the chat entries that follow those published before."""
        encoded = tuple(_encode_entry(entry) for entry in entries)
        buffered = _take_last(self.snapshot.buffered + encoded)
        self.snapshot = replace(self.snapshot, seq=entries[-1]["seq"], buffered=buffered)
        self.publish()

    def set_deleted(self) -> None:
        """Publish that the event was deleted, and end its streams."""
        self.snapshot = replace(self.snapshot, is_deleted=True)
        self.end()

    def record_gap(self, missing: int) -> timedelta:
        """Record that an entry is missing, and return for how long it has been missing.

        Args:
            missing: the number of the first missing entry.
        """
        now = time.monotonic()
        if self._gap_seq != missing:
            self._gap_seq, self._gap_since = missing, now
        return timedelta(seconds=now - self._gap_since)


class EventPoller:
    """Reads changes of events for all open topics. The hub calls it from its poll thread."""

    def __init__(self, db: Db, hub: Hub) -> None:
        self._db, self._hub, self._clock = db, hub, ServerClock(db)

    def refresh(self, topics: Sequence[EventTopic]) -> None:
        """Bring all topics up to date with two reads, and further ones only for what changed."""
        self._refresh_events(topics)
        seqs = store.find_last_seqs(self._db, [topic.event_id for topic in topics])
        for topic in topics:
            if seqs.get(topic.event_id, 0) > topic.snapshot.seq and not topic.has_ended:
                self._refresh_chat(topic)

    def _refresh_events(self, topics: Sequence[EventTopic]) -> None:
        revisions = events.find_revisions(self._db, [topic.event_id for topic in topics])
        now = self._clock.now()
        changed = [topic for topic in topics if _has_changed(topic.snapshot.event, revisions, now)]
        if not changed:
            return
        event_ids = [topic.event_id for topic in changed]
        found = live_states.find_live_states(self._db, event_ids, now)
        for topic in changed:
            event = found.get(topic.event_id)
            if event is None:
                topic.set_deleted()
            else:
                topic.set_event(event)

    def _refresh_chat(self, topic: EventTopic) -> None:
        seq = topic.snapshot.seq
        found = store.find_entries(self._db, topic.event_id, after=seq, limit=READ_LIMIT)
        complete, missing = rules.take_until_gap(found, seq)
        if complete:
            topic.add_entries(complete)
        if len(found) == READ_LIMIT:
            self._hub.wake(TOPIC_KIND, topic.key)
        if missing is not None and topic.record_gap(missing) > rules.GAP_TIMEOUT:
            store.fill_gap(self._db, topic.event_id, missing, utc_now())
            self._hub.wake(TOPIC_KIND, topic.key)


def _has_changed(event: LiveState, revisions: Mapping[int, int], now: datetime) -> bool:
    """Return whether an event was written, or its availability has changed, since it was read."""
    is_over = event.changes_at is not None and event.changes_at <= now
    return is_over or revisions.get(event.event_id) != event.revision


class EventListener:
    """One stream of an event: see `core.streams.hub.Listener`."""

    def __init__(
        self,
        db: Db,
        topic: EventTopic,
        position: StreamPosition | None,
        actor: Actor,
        load_actor: ActorLoader,
    ) -> None:
        """Begin at a stream position, or at the current end of the chat if it is None."""
        self._db, self._topic, self._actor = db, topic, actor
        self._load_actor = load_actor
        snapshot = topic.snapshot
        self._position = position or StreamPosition(
            snapshot.event.edit_count, rules.NOTHING_SENT, snapshot.seq
        )
        # When the availability that was sent last came about; None if a write has brought it about.
        # It is no part of a stream position, so a client that reconnects gets it again.
        self._changed_at: datetime | None = None
        # A listener that has not caught up reads from the database what the topic did not buffer.
        self._caught_up = self._deletion_sent = False

    @property
    def is_restricted(self) -> bool:
        """Whether the caller is checked again and again.

        A draft is only for its organizer and admins. An API token ends with all that it reads, also
        where everyone may read it without a token.
        """
        return self._topic.snapshot.event.is_draft or self._actor.token is not None

    def is_alive(self) -> bool:
        """Return False if the stream must end for its caller."""
        event = self._topic.snapshot.event
        if not self.is_restricted:
            return True
        actor = self._load_actor()
        return actor is not None and event.is_visible_to(actor)

    def read_new(self) -> bytes:
        """Return the stream messages that were not sent yet, and advance the position past them.

        Raises:
            StreamEnded: the caller may no longer see the event, or the stream is so slow that the
                topic no longer buffers its next entry.
        """
        snapshot = self._topic.snapshot
        if not snapshot.event.is_visible_to(self._actor):
            raise StreamEnded
        new = b"".join([*self._read_changes(snapshot), *self._read_entries(snapshot)])
        # The caller may have lost the role or the session since the stream was opened.
        if new and self.is_restricted and not self.is_alive():
            raise StreamEnded
        return new

    def _read_changes(self, snapshot: EventSnapshot) -> list[bytes]:
        encoded, event = [], snapshot.event
        if event.edit_count > self._position.edit_count:
            self._position = replace(self._position, edit_count=event.edit_count)
            # An id cannot be negative. A client that reconnects with 0 still gets the availability.
            resumable = replace(self._position, revision=max(0, self._position.revision))
            encoded.append(encode_stream_message(str(resumable), "event", json.dumps(event.change)))
        changed_at = snapshot.availability_changed_at
        is_due = changed_at is not None and changed_at != self._changed_at
        if is_due or snapshot.availability_revision > self._position.revision:
            self._changed_at = changed_at
            self._position = replace(self._position, revision=event.revision)
            data = json.dumps(event.availability)
            encoded.append(encode_stream_message(str(self._position), "availability", data))
        if snapshot.is_deleted and not self._deletion_sent:
            self._deletion_sent = True
            deletion = json.dumps({"change": "deleted", "eventId": event.event_id})
            encoded.append(encode_stream_message(str(self._position), "event", deletion))
        return encoded

    def _read_entries(self, snapshot: EventSnapshot) -> list[bytes]:
        unsent = snapshot.seq - self._position.seq
        entries: Sequence[EncodedChatEntry] = ()
        if unsent <= 0:
            self._caught_up = True
        elif unsent <= len(snapshot.buffered):
            self._caught_up = True
            entries = snapshot.buffered[-unsent:]
        elif self._caught_up:
            raise StreamEnded
        else:
            entries = self._read_missed(self._position.seq, snapshot.seq)
        return [encoded for seq, data in entries if (encoded := self._encode_next(seq, data))]

    def _read_missed(self, after: int, up_to: int) -> Sequence[EncodedChatEntry]:
        """Read entries that were published before the topic began to buffer."""
        found = store.find_entries(self._db, self._topic.event_id, after=after, limit=READ_LIMIT)
        missed = [_encode_entry(entry) for entry in found if entry["seq"] <= up_to]
        # If there are none, the chat was deleted with its event.
        return missed or [(up_to, None)]

    def _encode_next(self, seq: int, data: bytes | None) -> bytes | None:
        """Advance the position to an entry, and return its stream message; None to skip it."""
        self._position = replace(self._position, seq=seq)
        return encode_stream_message(str(self._position), "message", data) if data else None


def subscribe(
    db: Db,
    hub: Hub,
    event_id: int,
    *,
    last_event_id: str | None,
    actor: Actor,
    caller_keys: Sequence[str],
    load_actor: ActorLoader,
    now: datetime,
) -> tuple[EventTopic, EventListener]:
    """Open a stream of an event.

    Args:
        last_event_id: the id of the last stream message that the client received. If it is None,
            malformed or ahead of the event, the stream begins with the current availability and
            new chat entries.
        now: the time by the database's clock.
        caller_keys: the callers for whom the stream counts, as in `ConnectionLimits.acquire`.
        load_actor: loads the caller again, as they may act at that moment.

    Raises:
        EventNotFound: the event does not exist, or the caller may not see it.
        TooManyStreams: no more streams can be opened in this process.
        TooManyOwnStreams: the caller has many streams, and the last free ones are reserved.
    """
    events.get_visible(db, event_id, actor)
    topic = hub.subscribe(TOPIC_KIND, event_id, lambda: open_topic(db, event_id, now), caller_keys)
    assert isinstance(topic, EventTopic)
    with hub.unsubscribe_on_failure(topic, caller_keys):
        parsed = rules.parse_stream_position(last_event_id)
        position = _accept_stream_position(db, topic, parsed, now)
        return topic, EventListener(db, topic, position, actor, load_actor)


def open_topic(db: Db, event_id: int, now: datetime) -> EventTopic:
    """Return a topic of an event as it is now, at the end of its chat.

    Raises:
        EventNotFound: the event does not exist.
    """
    event = live_states.find_live_states(db, [event_id], now).get(event_id)
    if event is None:
        raise events.EventNotFound
    last_seq = store.find_last_seqs(db, [event_id]).get(event_id, 0)
    # The chat ends before the first missing entry, because streams must still send that entry.
    start = max(0, last_seq - GAP_SEARCH_LENGTH)
    found = store.find_entries(db, event_id, after=start, limit=GAP_SEARCH_LENGTH)
    complete, _ = rules.take_until_gap(found, start)
    return EventTopic(event, start + len(complete))


def _accept_stream_position(
    db: Db, topic: EventTopic, position: StreamPosition | None, now: datetime
) -> StreamPosition | None:
    """Return the position from which a client may go on, None if it is ahead of the event.

    The process that sent the position may have read more than this one. So a position that is
    ahead of the topic is compared with the database.
    """
    snapshot = topic.snapshot
    if position is None or _is_reached(position, snapshot.event, snapshot.seq):
        return position
    found = live_states.find_live_states(db, [topic.event_id], now)
    event = found.get(topic.event_id, snapshot.event)
    seq = store.find_last_seqs(db, [topic.event_id]).get(topic.event_id, 0)
    return position if _is_reached(position, event, seq) else None


def _is_reached(position: StreamPosition, event: LiveState, seq: int) -> bool:
    """Return True unless the position is ahead of the event or its last chat entry, `seq`."""
    return (
        position.edit_count <= event.edit_count
        and position.revision <= event.revision
        and position.seq <= seq
    )


def _take_last(entries: tuple[EncodedChatEntry, ...]) -> tuple[EncodedChatEntry, ...]:
    """Return the last entries, within MAX_BUFFERED and MAX_BUFFERED_BYTES."""
    count, size = 0, 0
    for _, data in reversed(entries[-MAX_BUFFERED:]):
        size += len(data or b"")
        if size > MAX_BUFFERED_BYTES:
            break
        count += 1
    return entries[len(entries) - count :]


def _encode_entry(entry: StoredChatEntry) -> EncodedChatEntry:
    rendered = rules.render_streamed(entry)
    return entry["seq"], json.dumps(rendered) if rendered else None
