"""Use cases of an event's chat: write, read, delete; and what leaves with a person or an event."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bson import ObjectId

from eventapp.accounts import service as accounts
from eventapp.core import paging
from eventapp.core.access.actor import Actor
from eventapp.core.database import Db, Document
from eventapp.core.errors import Forbidden, TooManyRequests
from eventapp.events import live_state
from eventapp.events import service as events
from eventapp.messages import rules, store
from eventapp.messages.errors import MessageNotFound

CHATS_AT_ONCE = 500


@dataclass(frozen=True)
class Asked:
    """A place in a chat: a page, or what is before or after an entry's number."""

    page: int = 1
    limit: int = 20
    before: int | None = None
    after: int | None = None
    counted: int = 0


def write(
    db: Db, event_id: int, text: str, *, actor: Actor, now: datetime, limited: bool
) -> dict[str, Any]:
    """A new message of the caller.

    Args:
        limited: refuse more than `rules.BURST` of late from one person.

    Raises:
        EventNotFound, TooManyRequests: nothing is written.
    """
    events.visible(db, event_id, actor)
    author_id = actor.require_user_id()
    if limited:
        _refuse_burst(db, author_id, now)
    entry = {
        "_id": ObjectId(),
        "shown": True,
        "authorId": author_id,
        "authorName": accounts.get_user(db, author_id)["name"],
        "text": text,
        "createdAt": now,
    }
    return rules.view(store.append(db, event_id, entry))


def _refuse_burst(db: Db, author_id: ObjectId, now: datetime) -> None:
    """Counted in the chats themselves, so that it holds over all processes."""
    latest = store.latest_of(db, author_id, now - rules.BURST_WINDOW, rules.BURST)
    if len(latest) == rules.BURST:
        raise TooManyRequests(retry_after=rules.retry_after(latest[-1]["createdAt"], now))


def page(db: Db, event_id: int, asked: Asked, *, actor: Actor) -> dict[str, Any]:
    """The event's messages, newest first, as a page. EventNotFound."""
    events.visible(db, event_id, actor)
    number, counted, skip = asked.page, asked.counted, 0
    if asked.before is None:
        counted = store.count(db, event_id, up_to=paging.COUNT_LIMIT + 1)
        offset = paging.page_offset(page=number, limit=asked.limit, counted=counted)
        if offset is None:
            return _paged([], number, asked, counted)
        skip = offset
    found = store.newest(db, event_id, before=asked.before, skip=skip, limit=asked.limit + 1)
    return _paged(found, number, asked, counted)


def _paged(found: list[Document], number: int, asked: Asked, counted: int) -> dict[str, Any]:
    rows = found[: asked.limit]
    more = len(found) > asked.limit
    place = {"before": rows[-1]["seq"], "counted": counted, "page": number + 1} if more else None
    return {
        "messages": [rules.view(message) for message in rows],
        **paging.page_envelope(page=number, limit=asked.limit, counted=counted),
        "next": place,
    }


def catch_up(db: Db, event_id: int, asked: Asked, *, actor: Actor, now: datetime) -> dict[str, Any]:
    """The messages after a number, oldest first, none left out that may still be under way.

    Returns:
        `messages`, and `next` where there are more.

    Raises:
        EventNotFound.
    """
    events.visible(db, event_id, actor)
    after, rows = asked.after or 0, list[Document]()
    while True:
        found = store.entries(db, event_id, after=after, limit=asked.limit)
        whole, missing = rules.up_to_gap(found, after)
        if missing is not None and now - found[len(whole)]["createdAt"] > rules.PATIENCE:
            store.give_up(db, event_id, missing, now)
            continue
        room = asked.limit - len(rows)
        taken = _shown_first(whole, room)
        rows += [entry for entry in taken if entry["shown"]]
        after = taken[-1]["seq"] if taken else after
        at_end = missing is not None or len(found) < asked.limit
        if len(rows) == asked.limit or at_end:
            more = len(taken) < len(whole) or not at_end
            shown = [rules.view(message) for message in rows]
            return {"messages": shown, "next": {"after": after} if more else None}


def _shown_first(whole: list[Document], room: int) -> list[Document]:
    """The entries up to the one that fills `room` with messages."""
    shown = 0
    for index, entry in enumerate(whole):
        shown += bool(entry["shown"])
        if shown == room:
            return whole[: index + 1]
    return whole


def delete(db: Db, event_id: int, message_id: ObjectId, *, actor: Actor, now: datetime) -> None:
    """Take a message out of the chat: its author, the event's organizer and admins may.

    Raises:
        EventNotFound, MessageNotFound, Forbidden: nothing is written.
    """
    event = events.visible(db, event_id, actor)
    message = store.get(db, event_id, message_id)
    if message is None:
        raise MessageNotFound
    own = actor.user_id is not None and message.get("authorId") == actor.user_id
    if not (own or actor.may_manage_events_of(event["organizerId"])):
        raise Forbidden("Only its author, the event's organizer or an admin may delete it")
    if not store.blank(db, message_id):
        raise MessageNotFound
    removal = {"_id": ObjectId(), "shown": False, "removes": message_id, "createdAt": now}
    store.append(db, event_id, removal)


def forget_user(db: Db, user_id: ObjectId) -> None:
    """After a user is deleted: what they wrote stays, as nobody's."""
    store.forget_user(db, user_id)


def export_user(db: Db, user_id: ObjectId) -> dict[str, Any]:
    """What is stored here about the person."""
    return {"messages": [rules.view(message) for message in store.all_of(db, user_id)]}


def drop_orphans(db: Db) -> int:
    """Delete the chats of events that are gone; how many. eventIds are never used again."""
    dropped, last = 0, 0
    while chats := store.chats_after(db, last, CHATS_AT_ONCE):
        last = chats[-1]
        for event_id in set(chats) - live_state.existing(db, chats):
            store.drop(db, event_id)
            dropped += 1
    return dropped
