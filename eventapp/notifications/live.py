"""A person's notifications, streamed as they are written by any process.

Ids of notifications are made by the clocks of many machines, and what has a lower id may be
written later. So what is new is looked for within the last OVERLAP too, and the id of an event
names all that was sent within that time: whoever comes back with it misses and repeats nothing.
"""

from collections import deque
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from bson import ObjectId

from eventapp.core import json
from eventapp.core.clock import utc_now
from eventapp.core.database import Db, Document
from eventapp.core.streams.hub import Hub, StreamEnded, Topic, sse
from eventapp.notifications import rules, store_stream

KIND = "notifications"
OVERLAP = timedelta(seconds=10)
# Notifications kept for those who listen; ids that an event's id names, at most.
KEPT, NAMED = 256, 40


class NotificationTopic(Topic):
    """One person who listens; `kept` are the last of the `count` that came since."""

    def __init__(self, user_id: ObjectId, known: Sequence[Document], now: datetime) -> None:
        super().__init__(KIND, user_id)
        self.user_id, self.looked = user_id, now
        self.state: tuple[int, tuple[Document, ...]] = (0, ())
        self._known = {notice["_id"] for notice in known}

    def add(self, read: Sequence[Document], now: datetime) -> None:
        """What was just read since OVERLAP before the last look, most of it known."""
        begin = ObjectId.from_datetime(self.looked - OVERLAP)
        found = [notice for notice in read if notice["_id"] >= begin]
        self.looked = max(self.looked, now)
        new = tuple(notice for notice in found if notice["_id"] not in self._known)
        self._known = {notice["_id"] for notice in found}
        if new:
            count, kept = self.state
            self.state = (count + len(new), (kept + new)[-KEPT:])
            self.publish()


class NotificationReader:
    """Brings those who listen up to date; the hub calls it, from one thread."""

    def __init__(self, db: Db) -> None:
        self._db = db

    def look(self, topics: Sequence[NotificationTopic]) -> None:
        """One read for all."""
        now = utc_now()
        found: dict[ObjectId, list[Document]] = {topic.user_id: [] for topic in topics}
        looked = min(topic.looked for topic in topics)
        for notice in store_stream.since(self._db, found, looked - OVERLAP):
            found[notice["userId"]].append(notice)
        for topic in topics:
            topic.add(found[topic.user_id], now)


class NotificationListener:
    """One stream's place: how many came before it, and which it was sent of late."""

    def __init__(
        self, db: Db, topic: NotificationTopic, last_event_id: str | None, alive: Callable[[], bool]
    ) -> None:
        self.alive, self._topic = alive, topic
        self._sent = deque(_ids_of(last_event_id), maxlen=NAMED)
        self._count = topic.state[0]
        self._missed = self._since_cut(db)

    def take(self) -> bytes:
        """See core.streams.Listener."""
        count, kept = self._topic.state
        if self._count < count - len(kept):
            raise StreamEnded
        new = [*self._missed, *kept[len(kept) - (count - self._count) :]]
        self._count, self._missed = count, []
        return b"".join(self._say(notice) for notice in new if notice["_id"] not in self._sent)

    def _since_cut(self, db: Db) -> list[Document]:
        if not self._sent:
            return []
        return store_stream.since(db, [self._topic.user_id], _horizon(self._sent))

    def _say(self, notice: Document) -> bytes:
        self._sent.append(notice["_id"])
        oldest = ObjectId.from_datetime(_horizon(self._sent))
        named = ".".join(str(id_) for id_ in self._sent if id_ >= oldest)
        return sse(named, "notification", json.dumps(rules.view(notice)))


def listen(
    db: Db,
    hub: Hub,
    user_id: ObjectId,
    *,
    last_event_id: str | None,
    callers: Sequence[str],
    alive: Callable[[], bool],
) -> tuple[NotificationTopic, NotificationListener]:
    """Begin to stream a person's notifications, from after `last_event_id` where it is ours.

    Args:
        callers: whom the stream counts for, in the process's limits.
        alive: whether the caller's session still is.

    Raises:
        TooManyStreams, TooManyOwnStreams.
    """

    def opened() -> NotificationTopic:
        now = utc_now()
        return NotificationTopic(user_id, store_stream.since(db, [user_id], now - 2 * OVERLAP), now)

    topic = hub.join(KIND, user_id, opened, callers)
    assert isinstance(topic, NotificationTopic)
    with hub.leaving_on_failure(topic, callers):
        return topic, NotificationListener(db, topic, last_event_id, alive)


def _horizon(sent: Sequence[ObjectId] | deque[ObjectId]) -> datetime:
    """From when on something may have been written after the newest of these."""
    newest: datetime = max(sent).generation_time
    return newest - OVERLAP


def _ids_of(last_event_id: str | None) -> list[ObjectId]:
    """The notifications that an event's id names; none where it is not ours."""
    ids = (last_event_id or "").split(".")
    return [ObjectId(id_) for id_ in ids] if all(map(ObjectId.is_valid, ids)) else []
