"""What a message is, how it is shown, and where a stream of an event stands.

An event's chat is a log of numbered entries: a message; what is left of one that was deleted; the
note that one was deleted, which comes after it as an entry of its own; and a void, which holds
the place of a writer that took a number and never came. So numbers have no gaps that last, and
who has all up to a number lacks nothing.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

MAX_TEXT = 2_000
# What one person may write of late, in all chats together, beyond the limit of the tier.
BURST, BURST_WINDOW = 10, timedelta(seconds=30)
# A number that nobody has filled for so long is given up. It is no harm if its writer comes
# after that: the place is taken, and so the message gets the next number.
PATIENCE = timedelta(seconds=3)
SHOWN = ("_id", "eventId", "seq", "author", "text", "createdAt")

Entry = Mapping[str, Any]
_PLACE = re.compile(r"(\d{1,18})\.(\d{1,18})\.(\d{1,18})")


def view(message: Entry) -> dict[str, Any]:
    """The message as the API shows it: `author` is None where the account is gone."""
    author_id = message.get("authorId")
    author = {"_id": author_id, "name": message["authorName"]} if author_id else None
    return {name: author if name == "author" else message[name] for name in SHOWN}


def as_streamed(entry: Entry) -> dict[str, Any] | None:
    """What a stream says of an entry: a message, `{_id, deleted}`, or nothing."""
    if entry.get("shown"):
        return view(entry)
    if "removes" in entry:
        return {"_id": entry["removes"], "eventId": entry["eventId"], "deleted": True}
    return None


def up_to_gap(
    entries: Iterable[dict[str, Any]], after: int
) -> tuple[list[dict[str, Any]], int | None]:
    """The entries that follow `after` without a gap, and the first number that is missing before
    a later one; None where none is."""
    whole: list[dict[str, Any]] = []
    for entry in entries:
        if entry["seq"] != after + 1:
            return whole, after + 1
        after += 1
        whole.append(entry)
    return whole, None


@dataclass(frozen=True)
class Place:
    """Where a stream of an event stands: the event's version and revision, the last entry."""

    version: int
    rev: int
    seq: int

    def __str__(self) -> str:
        return f"{self.version}.{self.rev}.{self.seq}"


def place_of(last_event_id: str | None) -> Place | None:
    """What a `Last-Event-ID` says; None for none and for any that is not ours."""
    found = _PLACE.fullmatch(last_event_id or "")
    return Place(*map(int, found.groups())) if found else None


def retry_after(oldest: datetime, now: datetime) -> int:
    """Whole seconds until the oldest of a full burst no longer counts."""
    left = (oldest + BURST_WINDOW - now).total_seconds()
    return max(1, int(left) + 1)
