"""Read the states of events that live streams send to everyone alike."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from bson import ObjectId

from eventapp.core.access.actor import Actor
from eventapp.core.database import Db
from eventapp.core.json import JsonObject
from eventapp.events import rules, store, ticket_types
from eventapp.events.types import Event

# What a stream message shows of an event that was edited, cancelled or completed.
_MESSAGE_FIELDS = ("eventId", "status", "title", "updatedAt", "__v")


@dataclass(frozen=True)
class LiveState:
    """An event at one revision and one time.

    Attributes:
        edit_count: raised by edits.
        revision: raised by every write that an answer can show.
        organizer_id: the user who manages it; None for sample events.
        availability: the data of a stream message of type `availability`, which says how many
            tickets are left.
        changed_at: when the availability has changed last although nothing was written, because a
            sale has begun or ended; None if the event was written since.
        changes_at: when it will change next although nothing is written; None for never.
        change: the data of a stream message of type `event`, which says that the event was edited,
            cancelled or completed.
    """

    event_id: int
    edit_count: int
    revision: int
    organizer_id: ObjectId | None
    is_draft: bool
    availability: JsonObject
    changed_at: datetime | None
    changes_at: datetime | None
    change: JsonObject

    def is_visible_to(self, actor: Actor) -> bool:
        """Return whether the caller may see the event; the same rule as `may_see`."""
        return not self.is_draft or actor.may_see_draft(self.event_id, self.organizer_id)


def find_live_states(db: Db, event_ids: Iterable[int], now: datetime) -> dict[int, LiveState]:
    """Return the state of each of these events that exists, by eventId."""
    found = store.find_events(db, event_ids)
    return {event["eventId"]: _make_live_state(event, now) for event in found}


def _make_live_state(event: Event, now: datetime) -> LiveState:
    public = ticket_types.count_public(event, now)
    types = ticket_types.present_ticket_types(event, public, with_counts=False, now=now)
    changed_at = ticket_types.find_last_edge(event, now)
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
            "soldOut": ticket_types.is_sold_out(event, public),
        },
        changed_at=changed_at if changed_at and changed_at > event["changedAt"] else None,
        changes_at=ticket_types.find_next_edge(event, now),
        change={
            "change": event["status"] if is_ended else "edited",
            **{name: event.get(name) for name in _MESSAGE_FIELDS},
        },
    )
