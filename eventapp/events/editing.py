"""Use cases that change an event, each safe against sales and other edits at the same time."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from eventapp.core.access.actor import Actor
from eventapp.core.database import Db, Document
from eventapp.core.errors import Conflict, ValidationFailed
from eventapp.events import rules, store
from eventapp.events.changes import EventChanges
from eventapp.events.errors import (
    EditConflict,
    EventHasBookings,
    InvalidIndex,
    TicketsTaken,
    TicketTypeNotFound,
)
from eventapp.events.service import managed, present
from eventapp.favorites import service as favorites
from eventapp.media import service as media

# On a hot event a sale may come between read and write many times over.
EDIT_ATTEMPTS = 100

Change = Callable[[Document], dict[str, Any]]


def edit(
    db: Db,
    event_id: int,
    change: Change,
    *,
    event_changes: EventChanges,
    actor: Actor,
    now: datetime,
    image_base_url: str,
) -> dict[str, Any]:
    """Apply `change` to the event as it then stands, whatever is sold meanwhile.

    Args:
        change: gives the fields to set, of the event as read; called again when a sale or
            another edit came between.
        event_changes: receives that the event was edited, as soon as it is written.

    Raises:
        EventNotFound, Forbidden, whatever `change` refuses with, or EditConflict where every
        attempt was overtaken; nothing is written then.
    """
    for _attempt in range(EDIT_ATTEMPTS):
        event = managed(db, event_id, actor)
        fields = {**change(event), "updatedAt": now}
        fields |= rules.derived({**event, **fields}, now.date())
        fields |= rules.moved_note(event, fields, now)
        after = store.write_if_unchanged(db, event, fields)
        if after:
            event_changes.changed(event_id)
            _let_photo_go(db, after)
            return present(db, [after], actor, image_base_url)[0]
    raise EditConflict


def _let_photo_go(db: Db, event: Document) -> None:
    """Delete the uploaded photo where the image is another one now."""
    photo = event.get("photo")
    if photo and photo["sha"] not in event["image"]:
        media.delete_photo(db, media.event_owner(event["eventId"]), photo["_id"])


def replacement(body: Mapping[str, Any]) -> Change:
    """The change of a whole edit: all but ids, sold and held counts."""

    def change(event: Document) -> dict[str, Any]:
        old, next_id = event["ticketTypes"], event["nextTypeId"]
        types = rules.merged_ticket_types(old, body["ticketTypes"], next_id)
        if dropped := rules.dropped_in_use(old, types):
            raise TicketsTaken(f"Tickets of {dropped[0]['type']!r} are sold, held or waited for")
        if "status" in body:
            _refuse_closed(event)
        if body.get("status") == rules.DRAFT:
            refuse_taken(event)
        ids = [kind["ticketTypeId"] for kind in types]
        return {
            **body,
            "schedule": [rules.stored_entry(entry) for entry in body["schedule"]],
            "ticketTypes": types,
            "nextTypeId": max(next_id, *(id_ + 1 for id_ in ids)),
        }

    return change


def delete(db: Db, event_id: int, actor: Actor, event_changes: EventChanges) -> None:
    """Delete an event that nobody has tickets of. EventNotFound, Forbidden, EventHasBookings."""
    for _attempt in range(EDIT_ATTEMPTS):
        event = managed(db, event_id, actor)
        refuse_taken(event)
        if store.delete_if_unchanged(db, event):
            event_changes.changed(event_id)
            favorites.forget_event(db, event_id)
            media.delete_photos(db, media.event_owner(event_id))
            return
    raise EditConflict


def refuse_taken(event: Document) -> None:
    """EventHasBookings where a ticket is sold or held."""
    if any(kind["soldTickets"] or kind["heldTickets"] for kind in event["ticketTypes"]):
        raise EventHasBookings


def publishing() -> Change:
    """The change that puts a draft on sale. Conflict where it is cancelled or over."""

    def change(event: Document) -> dict[str, Any]:
        _refuse_closed(event)
        return {"status": rules.PUBLISHED}

    return change


def _refuse_closed(event: Document) -> None:
    if event["status"] not in (rules.DRAFT, rules.PUBLISHED):
        raise Conflict(f"The event is {event['status']}", code="not_publishable")


def cancelling(now: datetime) -> Change:
    """The change that takes an event off for good; `closing` keeps it in the worker's sight."""

    def change(event: Document) -> dict[str, Any]:
        if event["status"] == rules.COMPLETED:
            raise Conflict("The event is over", code="event_past")
        return {"status": rules.CANCELLED, "closing": now}

    return change


def patch_schedule(index: int, patch: Mapping[str, Any]) -> Change:
    """The change of one schedule entry, by its place. InvalidIndex."""

    def change(event: Document) -> dict[str, Any]:
        entries = list(event["schedule"])
        if index >= len(entries):
            raise InvalidIndex("schedule")
        merged = {**entries[index], **patch}
        entries[index] = rules.stored_entry(merged) if "date" in patch else merged
        return {"schedule": entries}

    return change


def patch_type_at(index: int, patch: Mapping[str, Any]) -> Change:
    """The change of the ticket type in this place. InvalidIndex, as patch_type."""

    def change(event: Document) -> dict[str, Any]:
        if index >= len(event["ticketTypes"]):
            raise InvalidIndex("ticket type")
        return patch_type(event["ticketTypes"][index]["ticketTypeId"], patch)(event)

    return change


def patch_type(type_id: int, patch: Mapping[str, Any]) -> Change:
    """The change of a ticket type. TicketTypeNotFound, TicketsTaken, ValidationFailed."""

    def change(event: Document) -> dict[str, Any]:
        index = _index_of(event, type_id)
        types = list(event["ticketTypes"])
        types[index] = _patched(types[index], patch)
        _refuse_same_names(types)
        return {"ticketTypes": types}

    return change


def add_type(body: Mapping[str, Any]) -> Change:
    """The change that puts a further ticket type on sale. ValidationFailed."""

    def change(event: Document) -> dict[str, Any]:
        type_id = event["nextTypeId"]
        amount = body.get("availableTickets", body.get("capacity"))
        added = rules.new_ticket_type(type_id, body["type"], body["price"], amount)
        types = [*event["ticketTypes"], added]
        if len(types) > rules.MAX_TYPES:
            raise ValidationFailed(f"At most {rules.MAX_TYPES} ticket types")
        _refuse_same_names(types)
        return {"ticketTypes": types, "nextTypeId": type_id + 1}

    return change


def drop_type(type_id: int) -> Change:
    """The change that takes a type away that nobody has. TicketTypeNotFound, TicketsTaken."""

    def change(event: Document) -> dict[str, Any]:
        index = _index_of(event, type_id)
        types = [*event["ticketTypes"][:index], *event["ticketTypes"][index + 1 :]]
        if not types:
            raise TicketsTaken("An event keeps at least one ticket type")
        if rules.dropped_in_use(event["ticketTypes"], types):
            raise TicketsTaken("Tickets of this type are sold, held or waited for")
        return {"ticketTypes": types}

    return change


def _index_of(event: Document, type_id: int) -> int:
    for index, kind in enumerate(event["ticketTypes"]):
        if kind["ticketTypeId"] == type_id:
            return index
    raise TicketTypeNotFound


def _patched(kind: Mapping[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    taken = kind["soldTickets"] + kind["heldTickets"]
    available = kind["availableTickets"]
    if "availableTickets" in patch:
        available = patch["availableTickets"]
    if "capacity" in patch:
        available = patch["capacity"] - taken
    if available < 0:
        raise TicketsTaken(f"{taken} tickets are sold or held already")
    named = {name: patch[name] for name in ("type", "price") if name in patch}
    return {**kind, **named, "availableTickets": available, "capacity": available + taken}


def _refuse_same_names(types: list[dict[str, Any]]) -> None:
    if rules.has_duplicate_names(types):
        said = ["Another ticket type has this name."]
        raise ValidationFailed("Invalid type", errors={"type": said})
