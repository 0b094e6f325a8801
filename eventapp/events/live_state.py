"""The state of an event as its live stream sends it, the same for everyone who listens."""

from collections.abc import Iterable
from dataclasses import dataclass

from bson import ObjectId

from eventapp.core.database import Db
from eventapp.core.json import JsonObject
from eventapp.events import rules, store
from eventapp.events.types import Event

_CHANGE_FIELDS = ("eventId", "status", "title", "updatedAt", "__v")


@dataclass(frozen=True)
class LiveState:
    """An event at one revision.

    Attributes:
        edit_count: raised by edits.
        revision: raised by every write.
        organizer_id: the user who manages it; None for sample events.
        availability: the data of an `availability` message: which tickets are left.
        change: the data of a `change` message: whether it was edited, cancelled or completed.
    """

    event_id: int
    edit_count: int
    revision: int
    organizer_id: ObjectId | None
    is_draft: bool
    availability: JsonObject
    change: JsonObject


def find_revisions(db: Db, event_ids: Iterable[int]) -> dict[int, int]:
    """Return the revision of each of these events that exists; every write raises it."""
    return store.find_revisions(db, event_ids)


def find_live_states(db: Db, event_ids: Iterable[int]) -> dict[int, LiveState]:
    """Return the state of each of these events that exists, by eventId."""
    return {event["eventId"]: live_state(event) for event in store.find_events(db, event_ids)}


def find_existing(db: Db, event_ids: Iterable[int]) -> set[int]:
    """Return which of these events exist."""
    return set(store.find_revisions(db, event_ids))


def live_state(event: Event) -> LiveState:
    """Return the state of a stored event."""
    types = [rules.type_view(each, with_counts=False) for each in event["ticketTypes"]]
    is_ended = event["status"] in (rules.CANCELLED, rules.COMPLETED)
    return LiveState(
        event_id=event["eventId"],
        edit_count=event["__v"],
        revision=event["rev"],
        organizer_id=event["organizerId"],
        is_draft=event["status"] == rules.DRAFT,
        availability={
            "eventId": event["eventId"],
            "ticketTypes": types,
            "soldOut": rules.is_sold_out(event),
        },
        change={
            "change": event["status"] if is_ended else "edited",
            **{name: event.get(name) for name in _CHANGE_FIELDS},
        },
    )
