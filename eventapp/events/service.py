"""Use cases of single events: create, show and favorite them.

`editing` contains the use cases that change an event, `listing` those that list events, and
`timekeeping` those that time itself brings about.
"""

import time
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import TypeVar, cast
from zoneinfo import ZoneInfo

from bson import ObjectId

from eventapp.accounts import service as accounts
from eventapp.core import json
from eventapp.core.access.actor import Actor, ActorLoader
from eventapp.core.batched_reads import BatchedReads
from eventapp.core.clock import get_local_date
from eventapp.core.database import Db
from eventapp.core.errors import Forbidden, Unauthorized
from eventapp.events import event_log, rules, store, store_deletions, ticket_types
from eventapp.events.bodies import EventInput, EventView, NewEventInput, TicketTypeView
from eventapp.events.cache.event_cache import EventCache
from eventapp.events.changes import EventChanges
from eventapp.events.errors import (
    AlreadyFavorited,
    EventBusy,
    EventClosed,
    EventNotFound,
    EventOverloaded,
    FavoriteNotFound,
    InvalidSalesRules,
    TicketTypeNotFound,
    TooManyFavorites,
    TooManyPairs,
)
from eventapp.events.popularity import Popularity
from eventapp.events.question_editing import build_questions
from eventapp.events.queues import (
    PlacedQueue,
    build_queues,
    choose_counting_quota,
    count_waiting,
    count_waiting_for,
    find_misplaced,
    find_queue,
    list_queues,
)
from eventapp.events.queues import recount as recount_queues
from eventapp.events.quotas import count_taken, recount_quota
from eventapp.events.quotas import find_matching as find_matching_quotas
from eventapp.events.schedules import UTC_ZONE, build_schedule
from eventapp.events.ticket_types import list_visible_types, may_be_named, present_unlocked
from eventapp.events.types import (
    Event,
    EventVisibility,
    ListedParts,
    NewEvent,
    SaleState,
    StoredEvent,
)
from eventapp.favorites import service as favorites

# Features that use events also raise these errors.
__all__ = [
    "EventBusy",
    "EventClosed",
    "EventNotFound",
    "EventOverloaded",
    "PlacedQueue",
    "TicketTypeNotFound",
    "build_queues",
    "choose_counting_quota",
    "count_taken",
    "count_waiting",
    "count_waiting_for",
    "find_matching_quotas",
    "find_misplaced",
    "find_queue",
    "list_queues",
    "list_visible_types",
    "may_be_named",
    "present_unlocked",
    "recount_queues",
    "recount_quota",
]

# How often the caller of a long answer is checked again.
RECHECK_SECONDS = 1.0

Part = TypeVar("Part")

_VISIBILITY_READS = BatchedReads(store.find_visibilities)


def create_event(
    db: Db,
    body: NewEventInput,
    *,
    event_changes: EventChanges,
    actor: Actor,
    now: datetime,
    image_base_url: str,
    default_zone: ZoneInfo = UTC_ZONE,
) -> EventView:
    """Create an event, as a draft or published.

    It is an event of the caller, who is an organizer or admin, or of the organizer in whose team
    the caller is a manager of all events.

    Args:
        default_zone: the zone of schedule entries that name none, and of today in lists.

    Raises:
        ValidationFailed, NonexistentLocalTime: a schedule entry is not valid.
        TooManyPairs: it has too many dates for its ticket types.
        Forbidden: the caller may not create events of this organizer, or the organizer's account
            was deleted or lost its role since the request began.
    """
    organizer_id = body.get("organizerId", actor.user_id)
    if not actor.may_create_events_of(organizer_id):
        raise Forbidden("Name an organizer of whose events you are a manager, in organizerId")
    new = make_new_event(body, organizer_id=organizer_id, now=now, default_zone=default_zone)
    if rules.count_pairs(new) > rules.MAX_PAIRS:
        raise TooManyPairs(rules.MAX_PAIRS)
    event = insert_event(
        db, {**new, **event_log.note_creation(actor, now)}, event_changes=event_changes, now=now
    )
    # Nobody can have made it a favorite yet, and the caller is its organizer or an admin.
    return rules.present_event(
        event, favorited=False, with_counts=True, image_base_url=image_base_url, now=now
    )


def insert_event(
    db: Db, new: NewEvent, *, event_changes: EventChanges, now: datetime
) -> StoredEvent:
    """Store a new event with the first entry of its log, and return it.

    Raises:
        Forbidden: the account of its organizer was deleted or lost its role. The account is read
            after the event is inserted: an account that is being deleted loses its role before its
            events are looked for, so one of both requests sees the other.
    """
    event = store.insert(db, new)
    if event["organizerId"] and not accounts.may_organize(db, event["organizerId"]):
        # The worker finishes the deletion (see `store_deletions`).
        store_deletions.record_deletion(
            db, event["eventId"], event["rev"] + 1, was_public=rules.was_ever_public(event)
        )
        store_deletions.delete_if_unchanged(db, event, now=now)
        raise Forbidden
    event_changes.event_changed(event["eventId"])
    event_log.move_now(db, event["eventId"])
    return event


def make_new_event(
    body: EventInput,
    *,
    organizer_id: ObjectId | None,
    now: datetime,
    default_zone: ZoneInfo = UTC_ZONE,
) -> NewEvent:
    """Return the document of a new event; arguments and errors as `create_event`."""
    schedule = build_schedule(body["schedule"], default_zone)
    types = ticket_types.merge_ticket_types([], body["ticketTypes"], next_id=1)
    if faults := ticket_types.find_all_rule_faults(types):
        raise InvalidSalesRules(faults)
    parts: ListedParts = {
        "title": body["title"],
        "schedule": schedule.entries,
        "ticketTypes": types,
        "tags": body["tags"],
        "organizer": body["organizer"],
        "description": body["description"],
        "status": body.get("status", rules.PUBLISHED),
    }
    event = {
        **parts,
        "category": body["category"],
        "image": body["image"],
        "nextTypeId": len(types) + 1,
        "nextScheduleId": schedule.next_id,
        "organizerId": organizer_id,
        **rules.make_initial_fields(now),
        **build_questions(body.get("questions") or [], types),
        **rules.derive_fields(parts, get_local_date(now, default_zone)),
    }
    return cast(NewEvent, event)


def find_events(db: Db, event_ids: Iterable[int]) -> list[Event]:
    """Return the events of these ids that exist, without regard to the caller."""
    return store.find_events(db, event_ids)


def get_event(db: Db, event_id: int) -> Event:
    """Return an event without regard to the caller. Raise EventNotFound if there is none."""
    event = store.find_event(db, event_id)
    if event is None:
        raise EventNotFound
    return event


def get_visible(db: Db, event_id: int, actor: Actor) -> Event:
    """Return an event that the caller may see.

    Raises:
        EventNotFound: there is none, or it is a draft that the caller may not see.
    """
    event = get_event(db, event_id)
    if not may_see(event, actor):
        raise EventNotFound
    return event


def may_see(event: Event | SaleState | EventVisibility, actor: Actor) -> bool:
    """Return whether the caller may see the event.

    Drafts are for their organizer, the members of the team who may read events, and admins.
    """
    if event["status"] != rules.DRAFT:
        return True
    return actor.may_see_draft(event["eventId"], event["organizerId"])


def get_managed(db: Db, event_id: int, actor: Actor) -> Event:
    """Return an event on which the caller may do the action of the request.

    Raises:
        EventNotFound: there is none that the caller may see.
        Forbidden: the caller is neither its organizer nor an admin, and no member of the
            organizer's team who may do that.
    """
    event = get_visible(db, event_id, actor)
    if not actor.may_manage_event(event["eventId"], event["organizerId"]):
        raise Forbidden("Only the event's organizer, their team or an admin may do this")
    return event


def iterate_while_managed(
    db: Db, event_id: int, load_actor: ActorLoader, parts: Iterator[Part]
) -> Iterator[Part]:
    """Yield the parts of a long answer as long as the caller may manage the event.

    The caller is checked before a part is yielded, if the last check is RECHECK_SECONDS old. The
    error breaks the answer off, so that what was sent does not look complete.

    Raises:
        Unauthorized: the session has ended.
        EventNotFound, Forbidden: the caller may no longer manage the event.
    """
    checked_at = time.monotonic()
    for part in parts:
        if time.monotonic() - checked_at >= RECHECK_SECONDS:
            actor = load_actor()
            if actor is None:
                raise Unauthorized
            get_managed(db, event_id, actor)
            checked_at = time.monotonic()
        yield part


def present_events(
    db: Db, events: Iterable[Event], actor: Actor, image_base_url: str, now: datetime
) -> list[EventView]:
    """Return events as this caller sees them at this time of the database's clock."""
    favorited = set(favorites.list_event_ids(db, actor.favorites_key))
    return [
        rules.present_event(
            event,
            favorited=event["eventId"] in favorited,
            with_counts=actor.may_manage_event(event["eventId"], event["organizerId"]),
            image_base_url=image_base_url,
            now=now,
        )
        for event in events
    ]


def view_event(
    db: Db,
    event_id: int,
    *,
    event_cache: EventCache,
    popularity: Popularity,
    actor: Actor,
    now: datetime,
    image_base_url: str,
) -> bytes:
    """Return the JSON of an event as the caller sees it, and count the view for its popularity.

    A view of a draft is not counted, nor a view by the organizer of the event or by an admin.

    Raises:
        EventNotFound: as `get_visible`.
    """
    body = event_cache.show_event(event_id, actor, image_base_url)
    if body is None:
        view = show_event(db, event_id, actor=actor, now=now, image_base_url=image_base_url)
        return json.dumps(view)
    popularity.add_view(event_id)
    return body


def show_event(
    db: Db, event_id: int, *, actor: Actor, now: datetime, image_base_url: str
) -> EventView:
    """Return an event as the caller sees it, read from the database.

    Raises:
        EventNotFound: as `get_visible`.
    """
    return present_events(db, [get_visible(db, event_id, actor)], actor, image_base_url, now)[0]


def list_ticket_types(
    db: Db, event_id: int, *, actor: Actor, now: datetime
) -> list[TicketTypeView]:
    """Return an event's ticket types as the caller sees them. Raise EventNotFound."""
    event = get_visible(db, event_id, actor)
    with_counts = actor.may_manage_event(event["eventId"], event["organizerId"])
    public = ticket_types.count_public(event, now)
    return ticket_types.present_ticket_types(event, public, with_counts=with_counts, now=now)


def add_favorite(
    db: Db,
    event_id: int,
    *,
    event_cache: EventCache,
    popularity: Popularity,
    actor: Actor,
    now: datetime,
) -> None:
    """Add the event to the caller's favorites, and count that for its popularity.

    Raises:
        EventNotFound, AlreadyFavorited, TooManyFavorites: the favorites are as before.
    """
    if event_cache.get_event(event_id).is_draft:
        get_visible(db, event_id, actor)
    if favorites.add(db, actor.favorites_key, event_id, limit=rules.MAX_FAVORITES, now=now):
        # The cache may not know yet that the event is gone or a draft. A deletion deletes the event
        # first and its favorites second. So either it removes this favorite, or it is seen here.
        visibility = _VISIBILITY_READS.find(db, event_id)
        if visibility is None or not may_see(visibility, actor):
            favorites.remove(db, actor.favorites_key, event_id)
            raise EventNotFound
        event_cache.favorites_changed(actor.favorites_key)
        popularity.add_favorite(event_id)
        return
    if event_id in favorites.list_event_ids(db, actor.favorites_key):
        raise AlreadyFavorited
    raise TooManyFavorites(rules.MAX_FAVORITES)


def remove_favorite(db: Db, event_id: int, *, event_changes: EventChanges, actor: Actor) -> None:
    """Remove the event from the caller's favorites. Raise FavoriteNotFound if it is none."""
    if not favorites.remove(db, actor.favorites_key, event_id):
        raise FavoriteNotFound
    event_changes.favorites_changed(actor.favorites_key)


def find_closing(db: Db, limit: int, without: Sequence[object] = ()) -> list[int]:
    """Return the eventIds of events whose bookings are being ended, the first cancelled first.

    Args:
        without: eventIds to leave out.
    """
    return [event["eventId"] for event in store.find_closing(db, limit, without)]


def clear_closing(db: Db, event_id: int) -> None:
    """Record that the bookings of a cancelled event have all ended."""
    store.clear_closing(db, event_id)


def find_revisions(db: Db, event_ids: Iterable[int]) -> dict[int, int]:
    """Return the revision of each of these events that exists, by eventId."""
    return store.find_revisions(db, event_ids)
