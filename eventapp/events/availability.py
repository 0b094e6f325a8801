"""Say for each schedule entry and each ticket type what anybody can book now."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from eventapp.core import paging
from eventapp.core.access.actor import Actor
from eventapp.core.database import Db
from eventapp.core.json import JsonObject
from eventapp.core.paging import PageRequest
from eventapp.events import quotas, store, ticket_types
from eventapp.events.bodies import PairView
from eventapp.events.errors import EventNotFound, ScheduleEntryNotFound, TicketTypeNotFound
from eventapp.events.service import may_see
from eventapp.events.types import Event, TicketType

# A schedule entry and a ticket type, by their ids.
Pair = tuple[int, int]


@dataclass(frozen=True)
class AvailabilityRequest:
    """A request for a page of what can be booked of an event.

    Attributes:
        schedule_id, type_id: only the pairs with this entry, and with this type; None for all.
    """

    schedule_id: int | None
    type_id: int | None
    page: PageRequest


def list_availability(
    db: Db, event_id: int, request: AvailabilityRequest, *, actor: Actor, now: datetime
) -> tuple[JsonObject, JsonObject | None]:
    """Return a page of the pairs of an entry that is not over and a type, ordered by their ids.

    All callers get the same figures, the organizer too, who sees secret and hidden types besides.

    Args:
        now: the time by the database's clock.

    Returns:
        The body of the answer, and the list position of the next page, which is None at the end.

    Raises:
        EventNotFound: there is no event that the caller may see.
        ScheduleEntryNotFound, TicketTypeNotFound: it has no such entry or type.
        ValidationFailed: the page begins after the last row that a page number can reach, or the
            list position is malformed.
    """
    event = _get_visible(db, event_id, actor)
    types = {each["ticketTypeId"]: each for each in _list_shown_types(event, request, actor)}
    if not types and request.type_id is not None:
        raise TicketTypeNotFound
    if request.schedule_id not in (None, *(each.get("scheduleId") for each in event["schedule"])):
        raise ScheduleEntryNotFound
    pairs = [
        (schedule_id, type_id)
        for schedule_id in sorted(ticket_types.find_bookable(event, now))
        for type_id in sorted(types)
        if request.schedule_id in (None, schedule_id)
    ]
    rows, envelope, next_position = _cut_page(pairs, request.page)
    views = _present_pairs(event, types, rows, now)
    return {"availability": views, **envelope}, next_position


def present_public_pairs(event: Event, now: datetime) -> list[PairView]:
    """Return all pairs that everyone sees of an event, ordered by their ids."""
    visible = ticket_types.list_visible_types(event["ticketTypes"], may_manage=False)
    types = {each["ticketTypeId"]: each for each in visible}
    bookable = sorted(ticket_types.find_bookable(event, now))
    pairs = [(schedule_id, type_id) for schedule_id in bookable for type_id in sorted(types)]
    return _present_pairs(event, types, pairs, now) if pairs else []


def _get_visible(db: Db, event_id: int, actor: Actor) -> Event:
    """Return an event that the caller may see, without its cells."""
    for event in store.find_events(db, [event_id]):
        if may_see(event, actor):
            return event
    raise EventNotFound


def _list_shown_types(event: Event, request: AvailabilityRequest, actor: Actor) -> list[TicketType]:
    """Return the ticket types that the answer shows. A hidden one is shown to who names its id."""
    may_manage = actor.may_manage_event(event["eventId"], event["organizerId"])
    if request.type_id is None:
        return ticket_types.list_visible_types(event["ticketTypes"], may_manage=may_manage)
    return [
        each
        for each in event["ticketTypes"]
        if each["ticketTypeId"] == request.type_id
        and (may_manage or ticket_types.may_be_named(each))
    ]


def _cut_page(
    pairs: list[Pair], request: PageRequest
) -> tuple[list[Pair], JsonObject, JsonObject | None]:
    """Return the pairs of a page, its envelope, and where the next page begins."""
    position, limit = request.list_position, request.limit
    if position is None:
        page, counted = request.page, min(len(pairs), paging.COUNT_LIMIT + 1)
        skip = paging.find_page_offset(page=page, limit=limit, counted=counted)
        rest = [] if skip is None else pairs[skip:]
    else:
        counted, page = paging.parse_cursor_page(position)
        names = ("scheduleId", "ticketTypeId")
        schedule_id, type_id = (paging.parse_cursor_int(position.get(name)) for name in names)
        rest = [pair for pair in pairs if pair > (schedule_id, type_id)]
    envelope = paging.make_page_envelope(page=page, limit=limit, counted=counted)
    if len(rest) <= limit:
        return rest, envelope, None
    schedule_id, type_id = rest[limit - 1]
    next_position = {"scheduleId": schedule_id, "ticketTypeId": type_id}
    return rest[:limit], envelope, {**next_position, "counted": counted, "page": page}


def _present_pairs(
    event: Event, types: dict[int, TicketType], pairs: Iterable[Pair], now: datetime
) -> list[PairView]:
    """Return pairs as the answer shows them."""
    shown, pairs = list(types.values()), list(pairs)
    left = quotas.count_left(shown, {entry for entry, _ in pairs}, event.get("quotas", ()))
    indexes = {type_id: index for index, type_id in enumerate(types)}
    return [
        _present_pair(event, types[type_id], schedule_id, left[schedule_id][indexes[type_id]], now)
        for schedule_id, type_id in pairs
    ]


def _present_pair(
    event: Event, ticket_type: TicketType, schedule_id: int, left: int, now: datetime
) -> PairView:
    """Return one pair. Fewer tickets than a booking must have cannot be booked."""
    bookable = left if left >= ticket_type.get("minPerBooking", 1) else 0
    state = ticket_types.determine_sale_state(event, ticket_type, bookable, now)
    return {
        "scheduleId": schedule_id,
        "ticketTypeId": ticket_type["ticketTypeId"],
        "availableTickets": bookable if state == ticket_types.ON_SALE else 0,
        "saleState": state,
    }
