"""Types of the log of an event: what people changed of it, who and when. Times are in UTC."""

from collections.abc import Mapping
from datetime import datetime
from typing import Literal, NamedTuple, NotRequired, TypeAlias, TypedDict

from bson import ObjectId

# What was done. Every other change of an event is "edited".
LogAction: TypeAlias = Literal[
    "created",
    "duplicated",
    "edited",
    "published",
    "cancelled",
    "announced",
    "announcement_deleted",
]
# How a person did it: signed in, or by an API token. "anyone" is a caller without an account, whom
# DEMO_OPEN admits.
LogVia: TypeAlias = Literal["session", "apiToken", "anyone"]
# The value of a field. A list is a text with its elements, and a long text is cut.
LogValue: TypeAlias = str | int | float | bool | datetime | None


class FieldChange(TypedDict):
    """One field before and after a change; None where the field was or is absent."""

    field: str  # such as `title`, or `ticketTypes.2.price` for the type with the id 2
    before: LogValue
    after: LogValue


class LogEntry(TypedDict):
    """One change of an event. It is pushed to the event by the write that makes the change."""

    _id: ObjectId
    at: datetime  # the time of the request
    userId: ObjectId | None  # who made the change; None for `anyone` and after an erasure
    via: LogVia
    tokenName: NotRequired[str]  # what the owner of the API token calls it; absent otherwise
    action: LogAction
    changes: list[FieldChange]  # at most MAX_CHANGES of `log_entries`
    moreChanges: NotRequired[int]  # how many fields are left out of `changes`; absent is none


class LogRow(LogEntry):
    """A document of `eventLog`: an entry that was moved out of its event."""

    eventId: int
    untold: NotRequired[Literal[True]]  # until its deliveries to webhooks are stored


class LogFields(TypedDict):
    """The fields of an event that hold entries on their way to `eventLog`."""

    logEntries: NotRequired[list[LogEntry]]  # at most MAX_PENDING of `log_entries`; absent is none
    logDue: NotRequired[Literal[True]]  # some may be in `logEntries`


class PendingEntries(TypedDict):
    """Projection of an event: the entries that are still to be moved."""

    eventId: int
    logEntries: NotRequired[list[LogEntry]]


class LogNote(NamedTuple):
    """An entry as a guarded write of its event needs it.

    Attributes:
        guard: what the filter of the write must contain: the event has room for the entry.
        fields: what the write must set.
        pushed: what the write must push.
    """

    guard: Mapping[str, object]
    fields: Mapping[str, object]
    pushed: Mapping[str, object]


class LoggedUser(TypedDict):
    """The person of an entry, as answers show them."""

    userId: ObjectId
    name: str | None  # None if the account is being erased


class LogEntryView(TypedDict):
    """An entry as answers show it."""

    logId: ObjectId
    at: datetime
    user: LoggedUser | None
    via: LogVia
    tokenName: str | None
    action: LogAction
    changes: list[FieldChange]
    moreChanges: int
