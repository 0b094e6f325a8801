"""An event that somebody listens to, and the reader that keeps it up to date.

Every process looks for itself, so that it makes no difference which one wrote. Of availability
and edits the latest state is what counts. Messages come in the order of their numbers: the
reader goes on past a number only when its entry is there.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from eventapp.core import json
from eventapp.core.clock import utc_now
from eventapp.core.database import Db, Document
from eventapp.core.streams.hub import Hub, Topic
from eventapp.events import live_state
from eventapp.events import service as events
from eventapp.events.live_state import Watched
from eventapp.messages import rules, store

KIND = "event"
# Entries kept for those who listen; read at once; looked back over for gaps by who begins.
KEPT, READ, LOOK_BACK = 1_024, 512, 64

Encoded = tuple[int, bytes | None]


@dataclass(frozen=True)
class State:
    """An event at one moment: replaced whole, so that whoever reads it sees one moment.

    Attributes:
        said_at: the revision since which the availability is what it is.
        seq: all entries up to this one have been read; `kept` are the last of them.
    """

    event: Watched
    said_at: int
    seq: int
    kept: tuple[Encoded, ...] = ()
    gone: bool = False


class EventTopic(Topic):
    """One event that somebody listens to."""

    def __init__(self, event: Watched, seq: int) -> None:
        super().__init__(KIND, event.event_id)
        self.event_id = event.event_id
        self.state = State(event, event.rev, seq)
        self.missing, self.missed_since = 0, 0.0

    def now_is(self, event: Watched) -> None:
        """The event as it was just read."""
        same = event.availability == self.state.event.availability
        said_at = self.state.said_at if same else event.rev
        self.state = replace(self.state, event=event, said_at=said_at)
        self.publish()

    def add(self, entries: Sequence[Document]) -> None:
        """The entries that follow."""
        encoded = tuple((entry["seq"], encoded_entry(entry)) for entry in entries)
        kept = (self.state.kept + encoded)[-KEPT:]
        self.state = replace(self.state, seq=encoded[-1][0], kept=kept)
        self.publish()

    def is_gone(self) -> None:
        """The event was deleted."""
        self.state = replace(self.state, gone=True)
        self.end()

    def is_overdue(self, missing: int) -> bool:
        """True where this entry has been missing for so long that its writer is given up."""
        now = time.monotonic()
        if self.missing != missing:
            self.missing, self.missed_since = missing, now
        return now - self.missed_since > rules.PATIENCE.total_seconds()


class EventReader:
    """Brings the topics of events up to date; the hub calls it, from one thread."""

    def __init__(self, db: Db, hub: Hub) -> None:
        self._db, self._hub = db, hub

    def look(self, topics: Sequence[EventTopic]) -> None:
        """Two reads for all, and more only for what changed."""
        self._look_at_events(topics)
        seqs = store.last_seqs(self._db, [topic.event_id for topic in topics])
        for topic in topics:
            if seqs.get(topic.event_id, 0) > topic.state.seq and not topic.has_ended:
                self._read_chat(topic)

    def _look_at_events(self, topics: Sequence[EventTopic]) -> None:
        revs = live_state.revs(self._db, [topic.event_id for topic in topics])
        changed = [t for t in topics if revs.get(t.event_id) != t.state.event.rev]
        if not changed:
            return
        fresh = live_state.watched(self._db, [topic.event_id for topic in changed])
        for topic in changed:
            event = fresh.get(topic.event_id)
            if event is None:
                topic.is_gone()
            else:
                topic.now_is(event)

    def _read_chat(self, topic: EventTopic) -> None:
        seq = topic.state.seq
        found = store.entries(self._db, topic.event_id, after=seq, limit=READ)
        whole, missing = rules.up_to_gap(found, seq)
        if whole:
            topic.add(whole)
        if len(found) == READ:
            self._hub.wake(KIND, topic.key)
        if missing is not None and topic.is_overdue(missing):
            store.give_up(self._db, topic.event_id, missing, utc_now())
            self._hub.wake(KIND, topic.key)


def open_topic(db: Db, event_id: int) -> EventTopic:
    """The event as it is now, at the end of its chat. EventNotFound."""
    event = live_state.watched(db, [event_id]).get(event_id)
    if event is None:
        raise events.EventNotFound
    last = store.last_seqs(db, [event_id]).get(event_id, 0)
    # What is still under way is yet to come, also where a later entry is there already.
    begin = max(0, last - LOOK_BACK)
    whole, _ = rules.up_to_gap(store.entries(db, event_id, after=begin, limit=LOOK_BACK), begin)
    return EventTopic(event, begin + len(whole))


def encoded_entry(entry: Document) -> bytes | None:
    """What a stream says of an entry, where it says anything."""
    said = rules.as_streamed(entry)
    return json.dumps(said) if said else None
