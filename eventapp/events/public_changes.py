"""Tell clients what changed of the public events, so that they keep a copy of the list.

A client first walks all public events, by eventId, and then asks again and again for what changed
since. Each answer has the cursor of the next one.

The changes are read in *rounds*: series of answers of which only the last one has `hasMore: false`.
A round is read in the order of the times of the changes, which are the database's. A write may
become visible up to OVERLAP after its time, when the round has passed this time already. That can
only happen to writes later than OVERLAP before the first answer whose changes are younger than
OVERLAP. There the next round begins.

Invariant: a client that has applied a round, and all answers before it, has every change that was
visible OVERLAP before the last answer was made, and those after it that became visible in the order
of their times. No clock of a server process plays a part.

An answer names events, not changes: each event as it is when the answer is made, once. Whatever is
written afterwards has a later time and comes in a later answer, so a client never goes back to an
older state by applying the answers in order.

The changes since a client began count from the start of its walk, however long that takes.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import NamedTuple, cast

from eventapp.core import paging
from eventapp.core.database import Db
from eventapp.core.json import JsonObject
from eventapp.core.paging import EPOCH
from eventapp.events import rules, store, store_changes
from eventapp.events.bodies import ChangedEventView, ChangedTicketTypeView, ChangesView
from eventapp.events.errors import CursorExpired
from eventapp.events.store_changes import ChangeKey
from eventapp.events.types import Event

# The longest that a write takes to become visible after its time.
OVERLAP = timedelta(seconds=10)
# How long a cursor can be used. Deletions are recorded for a day longer (`events.store_deletions`).
CURSOR_LIFETIME = timedelta(days=30)
MILLISECOND = timedelta(milliseconds=1)


class FeedPosition(NamedTuple):
    """How far a client has followed the changes.

    Attributes:
        after: the last change that the client knows. While it walks all events, this is where it
            will begin to follow the changes.
        next_round: where the next round begins; None as long as this one has not passed a time at
            which changes may become visible later.
        walked_to: the last eventId that the client knows of its walk; None after the walk.
    """

    after: ChangeKey
    next_round: datetime | None = None
    walked_to: int | None = None

    @property
    def begins_at(self) -> datetime:
        """The time after which the client may not know all changes."""
        moment = self.after.changed_at
        return moment if self.next_round is None else min(moment, self.next_round)


def parse_position(cursor: str) -> FeedPosition:
    """Return the position in a cursor.

    Raises:
        InvalidCursor: it is not a cursor of `list_changes`.
    """
    fields = paging.decode_cursor(cursor)
    next_round, walked_to = fields.get("again"), fields.get("walkedTo")
    return FeedPosition(
        ChangeKey(_parse_time(fields.get("at")), paging.parse_cursor_int(fields.get("id"))),
        None if next_round is None else _parse_time(next_round),
        None if walked_to is None else paging.parse_cursor_int(walked_to),
    )


def _parse_time(value: object) -> datetime:
    return paging.parse_cursor_time(paging.parse_cursor_int(value))


def render_position(position: FeedPosition) -> str:
    """Return the cursor of a position; `parse_position` reads it."""
    (changed_at, event_id), next_round, walked_to = position
    fields: JsonObject = {"at": _count_milliseconds(changed_at), "id": event_id}
    if next_round is not None:
        fields["again"] = _count_milliseconds(next_round)
    if walked_to is not None:
        fields["walkedTo"] = walked_to
    return paging.encode_cursor(fields)


def _count_milliseconds(moment: datetime) -> int:
    return (moment - EPOCH) // MILLISECOND


def list_changes(
    db: Db, cursor: str | None, *, limit: int, now: datetime, image_base_url: str
) -> ChangesView:
    """Return the next public events to a client that follows them, and those that are gone.

    Args:
        cursor: of the client's last answer; None to begin.
        limit: how many events an answer names at most, those that are gone included.
        now: the time by the database's clock, read for this request.

    Raises:
        InvalidCursor: the cursor is not one of this list.
        CursorExpired: the cursor is older than CURSOR_LIFETIME.
    """
    if cursor is None:
        start = FeedPosition(ChangeKey(now - OVERLAP, 0), walked_to=0)
        return _walk(db, start, limit, image_base_url, is_first=True)
    position = parse_position(cursor)
    if position.begins_at < now - CURSOR_LIFETIME - OVERLAP:
        raise CursorExpired
    if position.walked_to is not None:
        return _walk(db, position, limit, image_base_url, is_first=False)
    return _follow(db, position, limit, now, image_base_url)


def _walk(
    db: Db, position: FeedPosition, limit: int, image_base_url: str, *, is_first: bool
) -> ChangesView:
    """Return the next events of the walk. Its end has more, unless it is the first answer."""
    found = store_changes.find_public_after(db, position.walked_to or 0, limit + 1)
    events, ends = found[:limit], len(found) <= limit
    walked_to = None if ends else events[-1]["eventId"]
    return {
        "events": _present(events, image_base_url),
        "deletedEventIds": [],
        "nextCursor": render_position(position._replace(walked_to=walked_to)),
        "hasMore": not (ends and is_first),
    }


def _follow(
    db: Db, position: FeedPosition, limit: int, now: datetime, image_base_url: str
) -> ChangesView:
    """Return the next events of a round, which may begin here."""
    found = store_changes.find_changes(db, position.after, limit + 1)
    keys, has_more = found[:limit], len(found) > limit
    event_ids = {event_id for _, event_id in keys}
    events = {event["eventId"]: event for event in _find_public(db, event_ids)}
    next_position = _advance(position, keys[-1] if has_more else None, now - OVERLAP)
    return {
        "events": _present(events.values(), image_base_url),
        "deletedEventIds": sorted(event_ids - events.keys()),
        "nextCursor": render_position(next_position),
        "hasMore": has_more,
    }


def _advance(position: FeedPosition, last: ChangeKey | None, settled: datetime) -> FeedPosition:
    """Return the position after an answer.

    Args:
        last: the last change of the answer; None at the end of the round.
        settled: the time up to which no change can become visible any more.
    """
    next_round = position.next_round
    if next_round is None and (last is None or last.changed_at > settled):
        next_round = settled
    if last is None:
        return FeedPosition(ChangeKey(next_round or settled, 0))
    return FeedPosition(last, next_round)


def _find_public(db: Db, event_ids: set[int]) -> list[Event]:
    """Return those of these events that are public now, by eventId."""
    public = (event for event in store.find_events(db, event_ids) if event["public"])
    return sorted(public, key=lambda event: event["eventId"])


def _present(events: Iterable[Event], image_base_url: str) -> list[ChangedEventView]:
    return [present_change(event, image_base_url) for event in events]


def present_change(event: Event, image_base_url: str) -> ChangedEventView:
    """Return a public event as it was at its last change, without what depends on the time.

    So an event has only one presentation until it is written again. What can be booked, which ends
    with each date, is as it was then.
    """
    view = rules.present_event(
        event,
        favorited=False,
        with_counts=False,
        image_base_url=image_base_url,
        now=event["changedAt"],
    )
    fields = {name: value for name, value in view.items() if name != "favorited"}
    fields["ticketTypes"] = [
        cast(
            ChangedTicketTypeView,
            {name: value for name, value in each.items() if name != "saleState"},
        )
        for each in view["ticketTypes"]
    ]
    return cast(ChangedEventView, fields)
