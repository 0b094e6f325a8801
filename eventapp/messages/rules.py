"""Render chat entries, find gaps in their numbers, and parse the positions of event streams."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from eventapp.messages.types import (
    RenderedDeletion,
    RenderedMessage,
    StoredChatEntry,
    StoredMessage,
)

MAX_TEXT = 2_000  # characters
# How many messages one user may write within the window, in all chats together. The rate limit
# applies as well.
BURST_LIMIT, BURST_WINDOW = 10, timedelta(seconds=30)
# How long readers wait for a missing number before they fill it. A writer that is slower than this
# loses nothing: it takes the next number.
GAP_TIMEOUT = timedelta(seconds=3)

# The revision in the position of a new stream, which has not sent an availability yet.
NOTHING_SENT = -1

_POSITION = re.compile(r"(\d{1,18})\.(\d{1,18})\.(\d{1,18})")


def render_message(message: StoredMessage) -> RenderedMessage:
    """Return a message as the API shows it."""
    author_id = message.get("authorId")
    return {
        "_id": message["_id"],
        "eventId": message["eventId"],
        "seq": message["seq"],
        "author": {"_id": author_id, "name": message["authorName"]} if author_id else None,
        "text": message["text"],
        "createdAt": message["createdAt"],
    }


def render_streamed(entry: StoredChatEntry) -> RenderedMessage | RenderedDeletion | None:
    """Return what a stream sends for a chat entry: a message or a deletion.

    Returns:
        None for an entry that streams skip: a message that was deleted, or a filler.
    """
    if entry["shown"] is True:
        return render_message(entry)
    if "removes" in entry:
        return {"_id": entry["removes"], "eventId": entry["eventId"], "deleted": True}
    return None


def take_until_gap(
    entries: Sequence[StoredChatEntry], after: int
) -> tuple[Sequence[StoredChatEntry], int | None]:
    """Return the chat entries up to the first missing number.

    Args:
        entries: the entries with numbers above `after`, in ascending order.
        after: the number that the first entry should follow.

    Returns:
        The entries without a gap, and the missing number; None if none is missing before the
        last entry.
    """
    for index, entry in enumerate(entries):
        expected = after + 1 + index
        if entry["seq"] != expected:
            return entries[:index], expected
    return entries, None


@dataclass(frozen=True)
class StreamPosition:
    """How much of the stream of an event a client has received.

    Its text, such as `3.17.42`, is the id of a stream message.

    Attributes:
        edit_count: the edit count (`__v`) of the event.
        revision: the revision (`rev`) of the event. It is NOTHING_SENT until the first
            availability is sent.
        seq: the number of the last chat entry.
    """

    edit_count: int
    revision: int
    seq: int

    def __str__(self) -> str:
        return f"{self.edit_count}.{self.revision}.{self.seq}"


def parse_stream_position(last_event_id: str | None) -> StreamPosition | None:
    """Return the position in a `Last-Event-ID`, None if it is absent or malformed."""
    found = _POSITION.fullmatch(last_event_id or "")
    return StreamPosition(*map(int, found.groups())) if found else None


def compute_burst_wait(oldest: datetime, now: datetime) -> int:
    """Return the whole seconds, at least 1, until the user may write the next message.

    Args:
        oldest: when the oldest message of a full burst was written.
    """
    remaining = (oldest + BURST_WINDOW - now).total_seconds()
    return max(1, int(remaining) + 1)
