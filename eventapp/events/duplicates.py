"""Duplicate an event: a draft with the same content, of which nothing is sold.

The draft is a new event of the same organizer. Its ticket types, dates, quotas, promo codes and
questions keep their ids, so that they go on referring to each other. It has a copy of the photo.
Nothing else is taken over: neither bookings, places on the waitlist, uses of promo codes and
answers, nor favorites, views and the log.

The event is stored before the photo is copied. If the process dies in between, there is a draft
without a photo, and no photo without an event.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import TypeVar, cast
from zoneinfo import ZoneInfo

from eventapp.core.access.actor import Actor
from eventapp.core.clock import get_local_date
from eventapp.core.database import Db
from eventapp.core.errors import Forbidden, ValidationFailed
from eventapp.core.failpoints import failpoint
from eventapp.events import event_log, photos, rules, schedules, store
from eventapp.events.bodies import EventView
from eventapp.events.changes import EventChanges
from eventapp.events.errors import (
    EventBusy,
    EventNotFound,
    NonexistentLocalTime,
    TooManyPairs,
)
from eventapp.events.promo_codes import StoredPromoCode
from eventapp.events.schedules import UTC_ZONE
from eventapp.events.service import get_managed, insert_event, show_event
from eventapp.events.stock_types import Quota
from eventapp.events.types import (
    CopiedEvent,
    ListedParts,
    NewEvent,
    ScheduleEntry,
    TicketType,
)

# The fields that a duplicate takes over as they are, where the event has them.
SAME_FIELDS = (
    *("title", "description", "category", "organizer", "tags"),
    *("nextScheduleId", "nextTypeId", "nextQuotaId", "nextCodeId"),
    *("questions", "nextQuestionId"),
)
# The times of ticket types and promo codes, which move together with the dates.
TIME_FIELDS = ("salesFrom", "salesUntil", "validFrom", "validUntil")
# No membership and no API token for certain events reaches it: eventIds begin with 1.
NEW_EVENT_ID = 0

Part = TypeVar("Part", TicketType, StoredPromoCode)


def duplicate_event(
    db: Db,
    event_id: int,
    dates: Sequence[date] | None,
    *,
    event_changes: EventChanges,
    actor: Actor,
    now: datetime,
    image_base_url: str,
    default_zone: ZoneInfo = UTC_ZONE,
) -> EventView:
    """Store a duplicate of an event as a draft of the same organizer, and return it.

    Args:
        dates: a date for each schedule entry, in the order of the schedule. The local times, zones
            and places stay. Times of sale, and those at which promo codes are valid, move by as
            many days as the first date of the event does. None keeps all dates and times.

    Raises:
        EventNotFound, Forbidden: from `get_managed`. Forbidden is also raised if the caller may
            only act on certain events of the organizer, or if the organizer may have no events any
            more.
        ValidationFailed: there are more or fewer dates than entries, or a time would be out of
            range.
        NonexistentLocalTime: an entry would begin at a time that its zone skips.
        TooManyPairs: the event has too many dates for its ticket types.
        EventBusy: the event is not migrated yet.
    """
    managed = get_managed(db, event_id, actor)
    if not actor.may_manage_event(NEW_EVENT_ID, managed["organizerId"]):
        raise Forbidden("You may act on certain events of this organizer only")
    source = store.find_to_copy(db, event_id)
    if source is None:
        raise EventNotFound
    if "overAt" not in source:  # The next start migrates it.
        raise EventBusy
    new: NewEvent = {
        **_make_copy(source, dates, now=now, default_zone=default_zone),
        **event_log.note_creation(actor, now, event_id),
        "organizerId": source["organizerId"] or actor.user_id,
    }
    copy_id = insert_event(db, new, event_changes=event_changes, now=now)["eventId"]
    failpoint("event-duplicated")
    photos.copy_photo(
        db,
        source,
        copy_id,
        event_changes=event_changes,
        actor=actor,
        now=now,
        default_zone=default_zone,
    )
    return show_event(db, copy_id, actor=actor, now=now, image_base_url=image_base_url)


def _make_copy(
    source: CopiedEvent, dates: Sequence[date] | None, *, now: datetime, default_zone: ZoneInfo
) -> NewEvent:
    schedule = _move_schedule(source["schedule"], dates, default_zone)
    first, moved_first = (
        min(entries, key=lambda entry: entry["date"]) for entries in (source["schedule"], schedule)
    )
    shift = _Shift((moved_first["date"] - first["date"]).days, ZoneInfo(first["timezone"]))
    parts: ListedParts = {
        "title": source["title"],
        "schedule": schedule,
        "ticketTypes": [shift.move_times(_unsell(each)) for each in source["ticketTypes"]],
        "tags": source["tags"],
        "organizer": source["organizer"],
        "description": source["description"],
        "status": rules.DRAFT,
    }
    if rules.count_pairs(parts) > rules.MAX_PAIRS:
        raise TooManyPairs(rules.MAX_PAIRS)
    fields = {name: value for name, value in source.items() if name in SAME_FIELDS}
    if quotas := source.get("quotas"):
        fields["quotas"] = [_empty_quota(each) for each in quotas]
    if codes := source.get("promoCodes"):
        fields["promoCodes"] = {
            key: shift.move_times(_reset_code(code)) for key, code in codes.items()
        }
    new = {
        **fields,
        **parts,
        "image": "" if photos.shows_own_photo(source) else source["image"],
        **rules.make_initial_fields(now),
        **rules.derive_fields(parts, get_local_date(now, default_zone)),
    }
    return cast(NewEvent, new)


def _move_schedule(
    entries: Sequence[ScheduleEntry], dates: Sequence[date] | None, default_zone: ZoneInfo
) -> list[ScheduleEntry]:
    """Return the entries on other dates, with their ids, and as if they had never moved."""
    if dates is None:
        return [{**entry, "moves": 0} for entry in entries]
    if len(dates) != len(entries):
        raise _make_error("Must be one date for each entry of the schedule.")
    moved: list[ScheduleEntry] = []
    for index, (entry, day) in enumerate(zip(entries, dates, strict=True)):
        try:
            entry = schedules.patch_entry(entry, {"date": day}, default_zone)
        except NonexistentLocalTime:
            raise NonexistentLocalTime(f"dates.{index}", entry["timezone"]) from None
        moved.append({**entry, "moves": 0})
    return moved


class _Shift:
    """Moves times by a number of days, and keeps their local time of day."""

    def __init__(self, days: int, zone: ZoneInfo) -> None:
        self._days, self._zone = timedelta(days=days), zone

    def move_times(self, part: Part) -> Part:
        """Return a ticket type or promo code with its times moved."""
        times = {name: self._move(value) for name, value in part.items() if name in TIME_FIELDS}
        return cast(Part, {**part, **times})

    def _move(self, value: object) -> datetime:
        local = cast(datetime, value).astimezone(self._zone)
        try:
            moved = (local + self._days).astimezone(UTC)
        except OverflowError:
            moved = None
        if moved is None or not schedules.FIRST_YEAR <= moved.year <= schedules.LAST_YEAR:
            raise _make_error("Times of sale or of promo codes would be out of range.")
        return moved


def _unsell(ticket_type: TicketType) -> TicketType:
    counters = {"soldTickets": 0, "heldTickets": 0, "waiting": 0}
    unsold: Mapping[str, object] = {
        **ticket_type,
        **counters,
        "availableTickets": ticket_type["capacity"],
    }
    return cast(TicketType, unsold)


def _empty_quota(quota: Quota) -> Quota:
    return {**quota, "availableTickets": quota["capacity"], "waiting": 0}


def _reset_code(code: StoredPromoCode) -> StoredPromoCode:
    return {**code, "used": 0, "taken": False}


def _make_error(fault: str) -> ValidationFailed:
    return ValidationFailed("Invalid dates", errors={"dates": [fault]})
