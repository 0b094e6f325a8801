"""Use cases of single events: create, show, favorite; see `service_edit` and `service_list` too."""

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from typing import Any

from bson import ObjectId

from eventapp.core.access.actor import Actor
from eventapp.core.database import Db, Document
from eventapp.core.errors import Forbidden
from eventapp.events import rules, store
from eventapp.events.changes import EventChanges
from eventapp.events.errors import (
    AlreadyFavorited,
    EventNotFound,
    FavoriteNotFound,
    TicketTypeNotFound,
    TooManyFavorites,
)
from eventapp.events.popularity import Popularity
from eventapp.favorites import service as favorites

# What later features say of events, too.
__all__ = ["EventNotFound", "TicketTypeNotFound"]

COMPLETED = {"status": rules.COMPLETED, "listed": False}

# A sale between read and write overtakes the change of a day, and does not make it.
ROLL_ATTEMPTS = 20


def prepare(db: Db, now: datetime) -> None:
    """At start: the eventId counter, and what changes by the day."""
    store.ensure_counter(db)
    roll_day(db, now.date())


def roll_day(db: Db, today: date) -> None:
    """Set right what a list sorts and filters by and only the passing day changes.

    Safe at any time, any number of times at once: an edit that comes between wins.
    """
    midnight = rules.midnight(today)
    store.unlist_past(db, midnight)
    for _attempt in range(ROLL_ATTEMPTS):
        passed = store.with_passed_next_date(db, midnight)
        if not passed:
            return
        for event in passed:
            to_come = [e["date"] for e in event["schedule"] if e["date"] >= midnight]
            store.set_next_date(db, event, min(to_come))


def present(
    db: Db, events: Iterable[Document], actor: Actor, image_base_url: str
) -> list[dict[str, Any]]:
    """The events as this caller sees them."""
    liked = set(favorites.newest_first(db, actor.favorites_key))
    return [
        rules.view(
            event,
            favorited=event["eventId"] in liked,
            with_counts=actor.may_manage_events_of(event["organizerId"]),
            image_base_url=image_base_url,
        )
        for event in events
    ]


def create(
    db: Db,
    body: Mapping[str, Any],
    *,
    event_changes: EventChanges,
    actor: Actor,
    now: datetime,
    image_base_url: str,
) -> dict[str, Any]:
    """A new event of this organizer, published unless the body says draft."""
    event = new_event(body, organizer_id=actor.user_id, now=now)
    store.insert(db, event)
    event_changes.changed(event["eventId"])
    return present(db, [event], actor, image_base_url)[0]


def new_event(body: Mapping[str, Any], *, organizer_id: ObjectId | None, now: datetime) -> Document:
    """The document of a new event, without its eventId."""
    types = rules.merged_ticket_types([], body["ticketTypes"], next_id=1)
    event = {
        **body,
        "status": body.get("status", rules.PUBLISHED),
        "schedule": [rules.stored_entry(entry) for entry in body["schedule"]],
        "ticketTypes": types,
        "nextTypeId": len(types) + 1,
        "organizerId": organizer_id,
        "popularity": 0.0,
        "inFlight": {},
        "changedAt": now,
        "createdAt": now,
        "updatedAt": now,
        "rev": 0,
        "__v": 0,
    }
    return {**event, **rules.derived(event, now.date())}


def get(db: Db, event_id: int) -> Document:
    """The stored event, whoever asks. EventNotFound."""
    event = store.get(db, event_id)
    if event is None:
        raise EventNotFound
    return event


def show(db: Db, event_id: int, *, actor: Actor, image_base_url: str) -> dict[str, Any]:
    """The event as the caller sees it. EventNotFound, also for another's draft."""
    return present(db, [visible(db, event_id, actor)], actor, image_base_url)[0]


def ticket_types(
    db: Db, event_id: int, *, actor: Actor, image_base_url: str
) -> list[dict[str, Any]]:
    """The event's ticket types as the caller sees them. EventNotFound."""
    shown = present(db, [visible(db, event_id, actor)], actor, image_base_url)[0]
    types: list[dict[str, Any]] = shown["ticketTypes"]
    return types


def visible(db: Db, event_id: int, actor: Actor) -> Document:
    """The stored event where this caller may see it. EventNotFound."""
    event = get(db, event_id)
    if not may_see(event, actor):
        raise EventNotFound
    return event


def may_see(event: Mapping[str, Any], actor: Actor) -> bool:
    """A draft is its organizer's and the admins' alone, also where it was public before."""
    return event["status"] != rules.DRAFT or actor.may_manage_events_of(event["organizerId"])


def managed(db: Db, event_id: int, actor: Actor) -> Document:
    """The stored event where this caller may change it. EventNotFound, Forbidden."""
    event = visible(db, event_id, actor)
    if not actor.may_manage_events_of(event["organizerId"]):
        raise Forbidden("Only the event's organizer or an admin may do this")
    return event


def add_favorite(
    db: Db,
    event_id: int,
    *,
    event_changes: EventChanges,
    popularity: Popularity,
    actor: Actor,
    now: datetime,
) -> None:
    """Add the event to the caller's favorites, and count that for its popularity.

    Raises:
        EventNotFound, AlreadyFavorited, TooManyFavorites: nothing is written.
    """
    visible(db, event_id, actor)
    if favorites.add(db, actor.favorites_key, event_id, limit=rules.MAX_FAVORITES, now=now):
        event_changes.favorites_changed(actor.favorites_key)
        popularity.add_favorite(event_id)
        return
    if event_id in favorites.newest_first(db, actor.favorites_key):
        raise AlreadyFavorited
    raise TooManyFavorites


def remove_favorite(db: Db, event_id: int, *, event_changes: EventChanges, actor: Actor) -> None:
    """Remove the event from the caller's favorites. Raise FavoriteNotFound where it is none."""
    if not favorites.remove(db, actor.favorites_key, event_id):
        raise FavoriteNotFound
    event_changes.favorites_changed(actor.favorites_key)


def complete_past(db: Db, now: datetime) -> list[int]:
    """Mark published events whose last entry is over as completed; their eventIds."""
    past = store.published_before(db, rules.midnight(now.date()))
    done = [event for event in past if store.write_if_unchanged(db, event, COMPLETED)]
    return [event["eventId"] for event in done]


def closing(db: Db) -> list[tuple[int, datetime]]:
    """Cancelled events whose bookings are being ended, and since when."""
    return [(event["eventId"], event["closing"]) for event in store.closing(db)]


def closed(db: Db, event_id: int) -> None:
    """Nothing of the cancelled event is left to end."""
    store.closed(db, event_id)
