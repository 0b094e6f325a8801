"""One caller's place in the stream of an event, and where it begins."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from eventapp.core import json
from eventapp.core.access.actor import Actor
from eventapp.core.database import Db
from eventapp.core.streams.hub import Hub, StreamEnded, encode_event
from eventapp.events import live_state
from eventapp.events import service as events
from eventapp.events.live_state import Watched
from eventapp.messages import rules, store
from eventapp.messages.event_topics import (
    KIND,
    READ,
    Encoded,
    EventReader,
    EventTopic,
    State,
    encoded_entry,
    open_topic,
)
from eventapp.messages.rules import Place

__all__ = ["KIND", "EventReader", "listen"]


class EventListener:
    """One caller's place in an event's stream."""

    def __init__(
        self,
        db: Db,
        topic: EventTopic,
        place: Place | None,
        actor: Actor,
        alive: Callable[[], bool],
    ) -> None:
        self._db, self._topic, self._actor, self._session_lives = db, topic, actor, alive
        state = topic.state
        self._place = place or Place(state.event.version, -1, state.seq)
        self._caught_up = self._told_gone = False

    def is_alive(self) -> bool:
        """A draft is streamed to who manages it, while they are signed in; the rest to anyone."""
        return not self._topic.state.event.draft or self._session_lives()

    def read_new(self) -> bytes:
        """See core.streams.hub.Listener."""
        state = self._topic.state
        if not _may_see(state.event, self._actor):
            raise StreamEnded
        return b"".join([*self._of_event(state), *self._messages(state)])

    def _of_event(self, state: State) -> list[bytes]:
        said, event = [], state.event
        if event.version > self._place.version:
            self._place = replace(self._place, version=event.version)
            said.append(
                encode_event(str(self._shown_place(state)), "event", json.dumps(event.change))
            )
        if state.said_at > self._place.rev:
            self._place = replace(self._place, rev=event.rev)
            said.append(
                encode_event(str(self._place), "availability", json.dumps(event.availability))
            )
        if state.gone and not self._told_gone:
            self._told_gone = True
            deleted = {"change": "deleted", "eventId": event.event_id}
            said.append(encode_event(str(self._place), "event", json.dumps(deleted)))
        return said

    def _shown_place(self, state: State) -> Place:
        """The place to come back to: never before the first availability."""
        return replace(self._place, rev=max(0, self._place.rev))

    def _messages(self, state: State) -> list[bytes]:
        after = self._place.seq
        if state.seq <= after:
            self._caught_up = True
            return []
        if after >= state.seq - len(state.kept):
            self._caught_up = True
            entries: Sequence[Encoded] = state.kept[after - state.seq :]
        elif self._caught_up:
            raise StreamEnded  # too slow
        else:
            entries = self._missed(after, state.seq)
        return [said for seq, data in entries if (said := self._say(seq, data))]

    def _missed(self, after: int, up_to: int) -> Sequence[Encoded]:
        """What came before this process began to keep it."""
        found = store.entries(self._db, self._topic.event_id, after=after, limit=READ)
        return [(e["seq"], encoded_entry(e)) for e in found if e["seq"] <= up_to] or [(up_to, None)]

    def _say(self, seq: int, data: bytes | None) -> bytes | None:
        self._place = replace(self._place, seq=seq)
        return encode_event(str(self._place), "message", data) if data else None


def listen(
    db: Db,
    hub: Hub,
    event_id: int,
    *,
    last_event_id: str | None,
    actor: Actor,
    callers: Sequence[str],
    alive: Callable[[], bool],
) -> tuple[EventTopic, EventListener]:
    """Begin to stream an event to the caller, from after `last_event_id` where it is ours.

    Args:
        callers: whom the stream counts for, in the process's limits.
        alive: whether the caller's session still is.

    Raises:
        EventNotFound, TooManyStreams, TooManyOwnStreams.
    """
    events.visible(db, event_id, actor)
    topic = hub.subscribe(KIND, event_id, lambda: open_topic(db, event_id), callers)
    assert isinstance(topic, EventTopic)
    with hub.unsubscribe_on_failure(topic, callers):
        place = _believed(db, topic, rules.place_of(last_event_id))
        return topic, EventListener(db, topic, place, actor, alive)


def _believed(db: Db, topic: EventTopic, place: Place | None) -> Place | None:
    """The place a client comes back to, unless it lies ahead of all there is."""
    state = topic.state
    if place is None or _is_up_to(place, state.event, state.seq):
        return place
    # Another process may have been ahead of this one.
    event = live_state.watched(db, [topic.event_id]).get(topic.event_id, state.event)
    seq = store.last_seqs(db, [topic.event_id]).get(topic.event_id, 0)
    return place if _is_up_to(place, event, seq) else None


def _is_up_to(place: Place, event: Watched, seq: int) -> bool:
    return place.version <= event.version and place.rev <= event.rev and place.seq <= seq


def _may_see(event: Watched, actor: Actor) -> bool:
    return not event.draft or actor.may_manage_events_of(event.organizer_id)
