"""What those who watch an event are told of it, the same to all."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from bson import ObjectId

from eventapp.core.database import Db, Document
from eventapp.events import rules, store, store_live_state

_TOLD = ("eventId", "status", "title", "updatedAt", "__v")


@dataclass(frozen=True)
class Watched:
    """An event at one revision: what is left of it, and what an edit, a cancel, an end made it."""

    event_id: int
    version: int
    rev: int
    organizer_id: ObjectId | None
    draft: bool
    availability: dict[str, Any]
    change: dict[str, Any]


def revs(db: Db, event_ids: Iterable[int]) -> dict[int, int]:
    """The revision of each of these events that exists; every write raises it."""
    return store_live_state.revs(db, event_ids)


def watched(db: Db, event_ids: Iterable[int]) -> dict[int, Watched]:
    """Those of these events that exist."""
    return {event["eventId"]: watch(event) for event in store.get_many(db, event_ids)}


def existing(db: Db, event_ids: Iterable[int]) -> set[int]:
    """Which of these events exist."""
    return set(store_live_state.revs(db, event_ids))


def watch(event: Document) -> Watched:
    """What is told of a stored event."""
    types = [rules.type_view(kind, with_counts=False) for kind in event["ticketTypes"]]
    sold_out = all(kind["availableTickets"] == 0 for kind in event["ticketTypes"])
    ended = event["status"] in (rules.CANCELLED, rules.COMPLETED)
    return Watched(
        event_id=event["eventId"],
        version=event["__v"],
        rev=event["rev"],
        organizer_id=event["organizerId"],
        draft=event["status"] == rules.DRAFT,
        availability={"eventId": event["eventId"], "ticketTypes": types, "soldOut": sold_out},
        change={
            "change": event["status"] if ended else "edited",
            **{name: event.get(name) for name in _TOLD},
        },
    )
