"""Write, list and delete messages of an event's chat, and erase and export those of a user."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from bson import ObjectId

from eventapp.accounts import service as accounts
from eventapp.core import paging
from eventapp.core.access.actor import Actor
from eventapp.core.database import Db
from eventapp.core.errors import Forbidden, TooManyRequests
from eventapp.core.json import JsonObject
from eventapp.due_work.service import DueRun
from eventapp.events import service as events
from eventapp.messages import rules, store
from eventapp.messages.errors import MessageNotFound
from eventapp.messages.types import HiddenChatEntry, RenderedMessage, StoredChatEntry, StoredMessage

# The number of chats for which one query checks whether their events exist.
CHATS_PER_BATCH = 500

# Where the next page of a list begins: the content of its cursor. None at the end of the list.
NextListPosition = dict[str, int] | None


@dataclass(frozen=True)
class ChatQuery:
    """Which messages of a chat a client wants.

    Attributes:
        page: the number of the page, from 1. It is only repeated in the answer if `before` is set.
        limit: the most messages to return.
        before: return messages with lower numbers than this, which the cursor of the previous
            page contains.
        after: return messages with higher numbers than this, oldest first.
        counted: how many messages the first page counted; used together with `before`.
    """

    page: int = 1
    limit: int = 20
    before: int | None = None
    after: int | None = None
    counted: int = 0


def write_message(
    db: Db, event_id: int, text: str, *, actor: Actor, now: datetime, limit_bursts: bool
) -> RenderedMessage:
    """Add a message of the caller to a chat.

    Args:
        limit_bursts: refuse more than `rules.BURST_LIMIT` messages within `rules.BURST_WINDOW`.

    Raises:
        EventNotFound: the event does not exist, or the caller may not see it.
        TooManyRequests: the caller wrote too many messages lately.
    """
    events.get_visible(db, event_id, actor)
    author_id = actor.require_user_id()
    if limit_bursts:
        _check_burst(db, author_id, now)
    message: StoredMessage = {
        "_id": ObjectId(),
        "eventId": event_id,
        "seq": 0,  # replaced by store.append
        "shown": True,
        "authorId": author_id,
        "authorName": accounts.get_user(db, author_id)["name"],
        "text": text,
        "createdAt": now,
    }
    return rules.render_message(store.append(db, message))


def _check_burst(db: Db, author_id: ObjectId, now: datetime) -> None:
    """Raise TooManyRequests if a user wrote too many messages lately.

    The messages themselves are counted, so that the limit holds across all processes.
    """
    since = now - rules.BURST_WINDOW
    latest = store.find_times_since(db, author_id, since, rules.BURST_LIMIT)
    if len(latest) == rules.BURST_LIMIT:
        raise TooManyRequests(retry_after=rules.compute_burst_wait(latest[-1]["createdAt"], now))


def list_messages(
    db: Db, event_id: int, query: ChatQuery, *, actor: Actor
) -> tuple[JsonObject, NextListPosition]:
    """Return a page of a chat, newest first, and where the next page begins.

    Raises:
        EventNotFound: the event does not exist, or the caller may not see it.
        ValidationFailed: the page begins after the last row that a page number can reach.
    """
    events.get_visible(db, event_id, actor)
    counted, skip = query.counted, 0
    if query.before is None:
        counted = store.count(db, event_id, limit=paging.COUNT_LIMIT + 1)
        offset = paging.find_page_offset(page=query.page, limit=query.limit, counted=counted)
        if offset is None:
            return _render_page([], query, counted)
        skip = offset
    found = store.find_newest(db, event_id, before=query.before, skip=skip, limit=query.limit + 1)
    return _render_page(found, query, counted)


def _render_page(
    found: Sequence[StoredMessage], query: ChatQuery, counted: int
) -> tuple[JsonObject, NextListPosition]:
    """Return the body of a page, and where the next one begins.

    Args:
        found: the messages of the page, and one more if there is a next page.
    """
    messages = found[: query.limit]
    next_position: NextListPosition = None
    if len(found) > query.limit:
        next_position = {
            "before": messages[-1]["seq"],
            "counted": counted,
            "page": query.page + 1,
        }
    body = {
        "messages": [rules.render_message(message) for message in messages],
        **paging.make_page_envelope(page=query.page, limit=query.limit, counted=counted),
    }
    return body, next_position


def list_messages_after(
    db: Db, event_id: int, query: ChatQuery, *, actor: Actor, now: datetime
) -> tuple[JsonObject, NextListPosition]:
    """Return the messages above the number `query.after`, oldest first.

    The list ends before a number whose entry may still arrive, see `messages.event_stream`.

    Returns:
        The body of the answer, and where the next page begins.

    Raises:
        EventNotFound: the event does not exist, or the caller may not see it.
    """
    events.get_visible(db, event_id, actor)
    after = query.after or 0
    messages: list[StoredMessage] = []
    while True:  # Hidden entries are left out, so a page may need several reads.
        found = store.find_entries(db, event_id, after=after, limit=query.limit)
        complete, missing = rules.take_until_gap(found, after)
        if missing is not None:
            next_entry = found[len(complete)]
            if now - next_entry["createdAt"] > rules.GAP_TIMEOUT:
                store.fill_gap(db, event_id, missing, now)
                continue
        taken = _take_messages(complete, query.limit - len(messages))
        messages += [entry for entry in taken if entry["shown"] is True]
        after = taken[-1]["seq"] if taken else after
        at_end = missing is not None or len(found) < query.limit
        if len(messages) == query.limit or at_end:
            has_more = len(taken) < len(complete) or not at_end
            rendered = [rules.render_message(message) for message in messages]
            return {"messages": rendered}, {"after": after} if has_more else None


def _take_messages(entries: Sequence[StoredChatEntry], wanted: int) -> Sequence[StoredChatEntry]:
    """Return the entries up to and including the last wanted message, all if there are fewer.

    Args:
        wanted: the number of messages, at least 1. Hidden entries do not count.
    """
    count = 0
    for index, entry in enumerate(entries):
        if entry["shown"]:
            count += 1
            if count == wanted:
                return entries[: index + 1]
    return entries


def delete_message(
    db: Db, event_id: int, message_id: ObjectId, *, actor: Actor, now: datetime
) -> None:
    """Delete a message. Its author, the event's organizer and admins may do that.

    A deletion record is appended for streams that have sent the message already, and the message is
    hidden.

    Raises:
        EventNotFound: the event does not exist, or the caller may not see it.
        MessageNotFound: the chat has no such message.
        Forbidden: the caller may not delete it.
    """
    event = events.get_visible(db, event_id, actor)
    message = store.find(db, event_id, message_id)
    if message is None:
        raise MessageNotFound
    is_author = actor.user_id is not None and message.get("authorId") == actor.user_id
    if not (is_author or actor.may_manage_event(event_id, event["organizerId"])):
        raise Forbidden("Only its author, the event's organizer or an admin may delete it")
    deletion_record: HiddenChatEntry = {
        "_id": ObjectId(),
        "eventId": event_id,
        "seq": 0,  # replaced by store.append
        "shown": False,
        "removes": message_id,
        "createdAt": now,
    }
    # The record comes first: if the process dies before the message is hidden, the caller finds the
    # message and deletes it again. A second record changes nothing.
    store.append(db, deletion_record)
    if not store.hide(db, message_id):
        raise MessageNotFound


def forget_user(db: Db, user_id: ObjectId) -> None:
    """Remove the author's id and name from the messages of a deleted user. The texts stay."""
    store.remove_author(db, user_id)


def export_user(db: Db, user_id: ObjectId) -> JsonObject:
    """Return the messages that a user wrote, as `messages`."""
    messages = store.find_by_author(db, user_id)
    return {"messages": [rules.render_message(message) for message in messages]}


def delete_orphaned_chats(db: Db, now: datetime) -> int:
    """Delete the chats of events that were deleted, and return how many.

    An eventId is never used again, so a chat without an event stays without one.
    """
    deleted, last_id, run = 0, 0, DueRun(db, "orphaned chat", now)

    def delete(event_id: int) -> int:
        store.delete_chat(db, event_id)
        return 1

    while event_ids := store.find_chat_ids(db, last_id, CHATS_PER_BATCH):
        last_id = event_ids[-1]
        orphaned = set(event_ids) - events.find_revisions(db, event_ids).keys()
        due = sorted(orphaned.difference(run.waiting))
        deleted += run.process(due, get_key=lambda event_id: event_id, handle=delete)
    run.forget_absent()
    return deleted
