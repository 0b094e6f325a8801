"""Use cases that change an event, safe against sales and other edits at the same time.

An edit reads the event, computes the fields to set, and writes them only if the event still has the
revision that was read. Otherwise it begins again, so that it never overwrites a sale.
"""

from collections.abc import Callable, Sequence
from datetime import date, datetime
from typing import cast
from zoneinfo import ZoneInfo

from eventapp.core.access.actor import Actor
from eventapp.core.clock import get_local_date
from eventapp.core.database import Db, Query
from eventapp.core.errors import Conflict, ValidationFailed
from eventapp.events import event_log, queues, quotas, rules, schedules, store, ticket_types
from eventapp.events.bodies import EventInput, EventView, ScheduleEntryPatch, TicketTypePatch
from eventapp.events.changes import EventChanges
from eventapp.events.closures import ClosureWait
from eventapp.events.errors import (
    EditConflict,
    EventBusy,
    EventHasBookings,
    InvalidIndex,
    InvalidSalesRules,
    LastTicketType,
    QuotaInUse,
    TicketsTaken,
    TicketTypeNotFound,
    TooManyPairs,
)
from eventapp.events.question_editing import keep_questions, replace_questions
from eventapp.events.schedules import UTC_ZONE
from eventapp.events.service import get_managed, present_events
from eventapp.events.stock_types import Quota
from eventapp.events.types import Event, EventPatch, ListedParts, TicketType
from eventapp.media import service as media

# Features that change further parts of an event raise this error, too.
__all__ = ["EditConflict"]

# On a hot event, sales may come between the read and the write of an edit many times in a row.
EDIT_ATTEMPTS = 100

# Returns the fields to set, given the event as it was read. It raises to refuse the edit.
Edit = Callable[[Event], EventPatch]


def edit_event(
    db: Db,
    event_id: int,
    edit: Edit,
    *,
    event_changes: EventChanges,
    actor: Actor,
    now: datetime,
    image_base_url: str,
    default_zone: ZoneInfo = UTC_ZONE,
) -> EventView:
    """Apply an edit to an event, and return the event after it as the caller sees it.

    Arguments and errors are those of `apply_edit`.
    """
    after = apply_edit(
        db,
        event_id,
        edit,
        event_changes=event_changes,
        actor=actor,
        now=now,
        default_zone=default_zone,
    )
    return present_events(db, [after], actor, image_base_url, now)[0]


def apply_edit(
    db: Db,
    event_id: int,
    edit: Edit,
    *,
    event_changes: EventChanges,
    actor: Actor,
    now: datetime,
    default_zone: ZoneInfo = UTC_ZONE,
    is_shown: bool = True,
) -> Event:
    """Apply an edit to an event, and return the event after it.

    Args:
        edit: called again each time that a sale or another edit came between read and write.
        event_changes: notified as soon as the event is written.
        default_zone: the zone of today in lists.
        is_shown: whether the edit raises `__v` and sets `updatedAt`, which everybody sees. An edit
            that changes nothing but secret ticket types never does.

    Raises:
        EventNotFound, Forbidden: from `get_managed`.
        EditConflict: other writes came between the read and the write of every attempt.
        EventClosed: the event stayed closed for a repair of its stock.
        EventBusy: the event is not migrated yet.
        AppError: whatever `edit` raises. In all cases, nothing is written.
    """
    wait = ClosureWait(now)
    for _attempt in range(EDIT_ATTEMPTS):
        event = get_managed(db, event_id, actor)
        wait.pause_if_closed(event)
        if "overAt" not in event:  # The next start migrates it.
            raise EventBusy
        patch = _complete_patch(event, edit(event), now, get_local_date(now, default_zone))
        is_counted = is_shown and rules.is_shown_to_all(event, patch)
        if is_counted:
            patch["updatedAt"] = now
        note = event_log.note_edit(actor, cast(Query, event), patch, now)
        after = store.write_if_unchanged(
            db,
            event,
            patch,
            now=wait.clock(),
            is_shown=is_counted,
            is_withdrawal=event["public"] and not patch["public"],
            note=note,
        )
        if after:
            event_changes.event_changed(event_id)
            _delete_unused_photo(db, after)
            event_log.move_now(db, event_id)
            return after
        event_log.make_room(db, event_id)
    raise EditConflict


def _complete_patch(event: Event, patch: EventPatch, now: datetime, today: date) -> Query:
    """Return the fields to write: those of the patch, and all that change because of them."""
    parts = cast(ListedParts, {**event, **patch})
    pairs = rules.count_pairs(parts)
    # An event of an older version may have more. It can still be edited, but not grow.
    if pairs > max(rules.MAX_PAIRS, rules.count_pairs(event)):
        raise TooManyPairs(rules.MAX_PAIRS)
    if "quotas" not in patch and event.get("quotas"):
        patch = {**patch, "quotas": _remove_dropped(event["quotas"], parts)}
    if "questions" not in patch:
        patch = {**patch, **keep_questions(event, parts["ticketTypes"])}
    return {
        **patch,
        **queues.recount_edited(event, patch),
        **rules.derive_fields(parts, today),
        **rules.make_schedule_change_fields(event, parts["schedule"], parts["status"], now),
    }


def _remove_dropped(stored: Sequence[Quota], parts: ListedParts) -> list[Quota]:
    """Return the quotas without the ticket types and schedule entries that an edit drops.

    What is dropped has no tickets, so the places of the quotas stay.

    Raises:
        QuotaInUse: a quota would name none any more. It would then match nothing.
    """
    type_ids = {each["ticketTypeId"] for each in parts["ticketTypes"]}
    schedule_ids = {each["scheduleId"] for each in parts["schedule"]}
    kept = quotas.remove_dropped(stored, type_ids, schedule_ids)
    for quota in kept:
        if quotas.has_empty_list(quota):
            raise QuotaInUse(f"The quota {quota['name']!r} is for what would be dropped alone")
    return kept


def _delete_unused_photo(db: Db, event: Event) -> None:
    """Delete the event's uploaded photo if its image is no longer that photo."""
    photo = event.get("photo")
    if photo and photo["sha"] not in event["image"]:
        media.delete_photo(db, media.make_event_owner(event["eventId"]), photo["_id"])


def refuse_bookings(event: Event) -> None:
    """Raise EventHasBookings if a ticket of the event is sold or held."""
    if any(each["soldTickets"] or each["heldTickets"] for each in event["ticketTypes"]):
        raise EventHasBookings


# Edits, for `edit_event`.


def make_replacement(body: EventInput, default_zone: ZoneInfo = UTC_ZONE) -> Edit:
    """Return the edit that replaces everything except ids, sold and held tickets, and waitlists.

    It raises InvalidSalesRules, TicketsTaken, ScheduleInUse, ValidationFailed, Conflict,
    EventHasBookings.

    Args:
        default_zone: the zone of new schedule entries that name none.
    """

    def edit(event: Event) -> EventPatch:
        before, next_id = event["ticketTypes"], event["nextTypeId"]
        after = ticket_types.merge_ticket_types(before, body["ticketTypes"], next_id)
        if faults := ticket_types.find_all_rule_faults(after):
            raise InvalidSalesRules(faults)
        waited_ids = queues.find_waited_type_ids(event)
        if dropped := ticket_types.find_dropped_in_use(before, after, waited_ids):
            raise TicketsTaken(f"Tickets of {dropped[0]['type']!r} are sold, held or waited for")
        _check_new_status(event, body.get("status", event["status"]))
        photo = event.get("photo")
        schedule = schedules.replace_schedule(event, body["schedule"], default_zone)
        patch = {
            **body,
            "image": media.make_image_value(body["image"], photo["sha"] if photo else None),
            "schedule": schedule.entries,
            "nextScheduleId": schedule.next_id,
            "ticketTypes": after,
            "nextTypeId": max(next_id, *(each["ticketTypeId"] + 1 for each in after)),
        }
        if "questions" in body:
            patch.update(replace_questions(event, body["questions"] or [], after))
        return cast(EventPatch, patch)

    return edit


def _check_new_status(event: Event, status: str) -> None:
    """Refuse a status of a replacement that the event cannot have. It may keep any status.

    Raises:
        Conflict: the event has ended, and would be another one.
        ValidationFailed: the event would end. Its cancellation and the end of its schedule do that.
        EventHasBookings: it would be a draft.
    """
    if status == event["status"]:
        return
    _refuse_ended(event)
    if status not in (rules.DRAFT, rules.PUBLISHED):
        message = "Must be draft or published, or the status that the event has."
        raise ValidationFailed("Invalid status", errors={"status": [message]})
    if status == rules.DRAFT:
        refuse_bookings(event)


def make_publication() -> Edit:
    """Return the edit that publishes a draft. It raises Conflict for an ended event."""

    def edit(event: Event) -> EventPatch:
        _refuse_ended(event)
        return {"status": rules.PUBLISHED}

    return edit


def _refuse_ended(event: Event) -> None:
    if event["status"] not in (rules.DRAFT, rules.PUBLISHED):
        raise Conflict(f"The event is {event['status']}", code="not_publishable")


def make_cancellation(now: datetime) -> Edit:
    """Return the edit that cancels an event for good. It raises Conflict for a completed one.

    The worker then ends the bookings of the event, because of the field `closing`.
    """

    def edit(event: Event) -> EventPatch:
        if event["status"] == rules.COMPLETED:
            raise Conflict("The event is over", code="event_past")
        return {"status": rules.CANCELLED, "closing": now}

    return edit


def make_entry_patch(
    index: int, patch: ScheduleEntryPatch, default_zone: ZoneInfo = UTC_ZONE
) -> Edit:
    """Return the edit that patches the schedule entry at an index.

    It raises InvalidIndex, ValidationFailed.
    """

    def edit(event: Event) -> EventPatch:
        entries = list(event["schedule"])
        if index >= len(entries):
            raise InvalidIndex("schedule", "scheduleIndex")
        entries[index] = schedules.patch_entry(entries[index], patch, default_zone)
        return {"schedule": entries}

    return edit


def make_indexed_type_patch(index: int, patch: TicketTypePatch) -> Edit:
    """Return the edit that patches the ticket type at an index.

    It raises InvalidIndex, TicketsTaken, ValidationFailed.
    """

    def edit(event: Event) -> EventPatch:
        if index >= len(event["ticketTypes"]):
            raise InvalidIndex("ticket type", "ticketTypeIndex")
        return make_type_patch(event["ticketTypes"][index]["ticketTypeId"], patch)(event)

    return edit


def make_type_patch(type_id: int, patch: TicketTypePatch) -> Edit:
    """Return the edit that patches a ticket type.

    It raises TicketTypeNotFound, TicketsTaken, ValidationFailed.
    """

    def edit(event: Event) -> EventPatch:
        index = _find_type_index(event, type_id)
        types = list(event["ticketTypes"])
        patched = ticket_types.patch_ticket_type(types[index], patch)
        if patched is None:
            taken = types[index]["soldTickets"] + types[index]["heldTickets"]
            tickets = "ticket is" if taken == 1 else "tickets are"
            raise TicketsTaken(f"{taken} {tickets} sold or held already")
        types[index] = patched
        _refuse_rule_faults(patched)
        _refuse_same_names(types)
        return {"ticketTypes": types}

    return edit


def make_type_addition(body: TicketTypePatch) -> Edit:
    """Return the edit that adds a ticket type, described by all its fields.

    It raises ValidationFailed.
    """

    def edit(event: Event) -> EventPatch:
        type_id = event["nextTypeId"]
        capacity = body["capacity"] if "capacity" in body else body["availableTickets"]
        added = ticket_types.set_optional_fields(
            ticket_types.make_ticket_type(type_id, body["type"], body["price"], capacity), body
        )
        types = [*event["ticketTypes"], added]
        if len(types) > rules.MAX_TYPES:
            message = f"At most {rules.MAX_TYPES} ticket types"
            raise ValidationFailed(message, errors={"ticketTypes": [message]})
        _refuse_rule_faults(added)
        _refuse_same_names(types)
        return {"ticketTypes": types, "nextTypeId": type_id + 1}

    return edit


def make_type_removal(type_id: int) -> Edit:
    """Return the edit that removes a ticket type without sold, held or awaited tickets.

    It raises TicketTypeNotFound, LastTicketType, TicketsTaken.
    """

    def edit(event: Event) -> EventPatch:
        index = _find_type_index(event, type_id)
        types = [*event["ticketTypes"][:index], *event["ticketTypes"][index + 1 :]]
        if not types:
            raise LastTicketType
        waited_ids = queues.find_waited_type_ids(event)
        if ticket_types.find_dropped_in_use(event["ticketTypes"], types, waited_ids):
            raise TicketsTaken("Tickets of this type are sold, held or waited for")
        return {"ticketTypes": types}

    return edit


def _find_type_index(event: Event, type_id: int) -> int:
    for index, ticket_type in enumerate(event["ticketTypes"]):
        if ticket_type["ticketTypeId"] == type_id:
            return index
    raise TicketTypeNotFound


def _refuse_rule_faults(ticket_type: TicketType) -> None:
    if faults := ticket_types.find_rule_faults(ticket_type):
        raise InvalidSalesRules(faults)


def _refuse_same_names(types: list[TicketType]) -> None:
    if ticket_types.has_duplicate_names(types):
        faults = ["Another ticket type has this name."]
        raise ValidationFailed("Invalid type", errors={"type": faults})
