"""Stream a user's notifications live, whichever process writes them.

The ids of notifications contain times from the clocks of many machines. So a notification may
become visible after another one with a higher id, and the last id that was sent does not tell which
notifications were sent. Therefore:

- Each read begins OVERLAP before the previous read, and skips the notifications that were published
  already.
- The id of a stream message (a server-sent event) lists the ids of the notifications that the
  stream sent within OVERLAP before the newest one. A client that reconnects with this id receives
  the notifications of that time and later, except the listed ones.

Invariant: a client receives each notification exactly once, also across reconnects, provided that
it becomes visible within OVERLAP of the time in its id, and that at most MAX_IDS_IN_MESSAGE_ID are
sent within OVERLAP.
"""

from collections import deque
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from bson import ObjectId

from eventapp.core import json
from eventapp.core.access.actor import ActorLoader
from eventapp.core.clock import utc_now
from eventapp.core.database import Db
from eventapp.core.streams.hub import Hub, StreamEnded, Topic, encode_stream_message
from eventapp.notifications import rules, store
from eventapp.notifications.types import StoredNotification

TOPIC_KIND = "notifications"
OVERLAP = timedelta(seconds=10)
# A stream that falls behind by more than this many notifications ends; its client reconnects.
MAX_BUFFERED = 64
MAX_IDS_IN_MESSAGE_ID = 40


class NotificationTopic(Topic):
    """The notifications of one user who has open streams. Those in `existing` are not published.

    Attributes:
        read_at: when notifications were last read from the database, in UTC.
        state: the number of notifications that were published since the topic was opened, and the
            last MAX_BUFFERED of them. It is replaced as a whole, so that streams read both
            together.
    """

    def __init__(
        self, user_id: ObjectId, existing: Sequence[StoredNotification], now: datetime
    ) -> None:
        super().__init__(TOPIC_KIND, user_id)
        self.user_id, self.read_at = user_id, now
        self.state: tuple[int, tuple[StoredNotification, ...]] = (0, ())
        self._seen_ids = {each["_id"] for each in existing}

    def add(self, read: Sequence[StoredNotification], now: datetime) -> None:
        """Publish the new ones among the notifications that were just read.

        Args:
            read: the user's notifications since OVERLAP before `read_at`, or since an earlier time.
            now: when the read began, in UTC.
        """
        oldest_id = ObjectId.from_datetime(self.read_at - OVERLAP)
        recent = [each for each in read if each["_id"] >= oldest_id]
        self.read_at = max(self.read_at, now)
        new = tuple(each for each in recent if each["_id"] not in self._seen_ids)
        self._seen_ids = {each["_id"] for each in recent}
        if new:
            count, buffered = self.state
            self.state = (count + len(new), (buffered + new)[-MAX_BUFFERED:])
            self.publish()


class NotificationPoller:
    """Reads new notifications for all open topics. The hub calls it from its poll thread."""

    def __init__(self, db: Db) -> None:
        self._db = db

    def refresh(self, topics: Sequence[NotificationTopic]) -> None:
        """Bring all topics up to date with one read."""
        now = utc_now()
        by_user: dict[ObjectId, list[StoredNotification]] = {each.user_id: [] for each in topics}
        earliest = min(topic.read_at for topic in topics)
        for notification in store.find_since(self._db, by_user, earliest - OVERLAP):
            by_user[notification["userId"]].append(notification)
        for topic in topics:
            topic.add(by_user[topic.user_id], now)


class NotificationListener:
    """One stream of a user's notifications: see `core.streams.hub.Listener`."""

    def __init__(
        self,
        db: Db,
        topic: NotificationTopic,
        last_event_id: str | None,
        load_actor: ActorLoader,
    ) -> None:
        self._topic, self._load_actor = topic, load_actor
        self._sent_ids = deque(_parse_message_id(last_event_id), maxlen=MAX_IDS_IN_MESSAGE_ID)
        # The count is read before the database, so that no notification falls between the two.
        self._count = topic.state[0]
        self._missed = self._find_missed(db)

    def is_alive(self) -> bool:
        """Return False if the stream must end, because the user's session has ended."""
        return self._load_actor() is not None

    @property
    def is_restricted(self) -> bool:
        """False: a role plays no part, and the session is checked before anything is sent."""
        return False

    def read_new(self) -> bytes:
        """Return the stream messages that were not sent yet, and record them as sent.

        Raises:
            StreamEnded: the session has ended, or the topic no longer buffers all notifications
                that were not sent yet.
        """
        count, buffered = self._topic.state
        unsent = count - self._count
        if unsent > len(buffered):
            raise StreamEnded
        new = [*self._missed, *buffered[len(buffered) - unsent :]]
        if new and not self.is_alive():
            raise StreamEnded
        self._count, self._missed = count, []
        return b"".join(self._encode(each) for each in new if each["_id"] not in self._sent_ids)

    def _find_missed(self, db: Db) -> list[StoredNotification]:
        if not self._sent_ids:
            return []
        return store.find_since(db, [self._topic.user_id], _compute_overlap_start(self._sent_ids))

    def _encode(self, notification: StoredNotification) -> bytes:
        self._sent_ids.append(notification["_id"])
        oldest_id = ObjectId.from_datetime(_compute_overlap_start(self._sent_ids))
        message_id = ".".join(str(id_) for id_ in self._sent_ids if id_ >= oldest_id)
        return encode_stream_message(
            message_id, "notification", json.dumps(rules.render_notification(notification))
        )


def subscribe(
    db: Db,
    hub: Hub,
    user_id: ObjectId,
    *,
    last_event_id: str | None,
    caller_keys: Sequence[str],
    load_actor: ActorLoader,
) -> tuple[NotificationTopic, NotificationListener]:
    """Open a stream of a user's notifications.

    Args:
        last_event_id: the id of the last stream message that the client received. If it is None or
            malformed, the stream begins with new notifications.
        caller_keys: the callers for whom the stream counts, as in `ConnectionLimits.acquire`.
        load_actor: loads the caller again, as they may act at that moment.

    Raises:
        TooManyStreams: no more streams can be opened in this process.
        TooManyOwnStreams: the caller has many streams, and the last free ones are reserved.
    """

    def open_topic() -> NotificationTopic:
        now = utc_now()
        # This read begins earlier than the first one after it, which begins OVERLAP before `now`.
        # So no notification that existed before is published as a new one.
        existing = store.find_since(db, [user_id], now - 2 * OVERLAP)
        return NotificationTopic(user_id, existing, now)

    topic = hub.subscribe(TOPIC_KIND, user_id, open_topic, caller_keys)
    assert isinstance(topic, NotificationTopic)
    with hub.unsubscribe_on_failure(topic, caller_keys):
        return topic, NotificationListener(db, topic, last_event_id, load_actor)


def _compute_overlap_start(sent_ids: Iterable[ObjectId]) -> datetime:
    """Return the time OVERLAP before the newest of these ids.

    Notifications of that time and later may still become visible.
    """
    newest: datetime = max(sent_ids).generation_time
    return newest - OVERLAP


def _parse_message_id(last_event_id: str | None) -> list[ObjectId]:
    """Return the ids that a `Last-Event-ID` lists, an empty list if it is malformed."""
    ids = (last_event_id or "").split(".")
    return [ObjectId(id_) for id_ in ids] if all(map(ObjectId.is_valid, ids)) else []
