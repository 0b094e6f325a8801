"""List who waits for tickets of an event, for those who manage it."""

from datetime import datetime

from eventapp.bookings import store
from eventapp.bookings.booked_entries import follow_events
from eventapp.bookings.context import BookingContext
from eventapp.bookings.offer_lists import render_offer
from eventapp.bookings.shown_holders import find_holders, show_holder
from eventapp.core import paging
from eventapp.core.access.actor import Actor
from eventapp.core.json import JsonObject
from eventapp.events import service as events
from eventapp.waitlist import listing
from eventapp.waitlist.types import EntryPosition, WaitlistEntry

# The most open offers of an answer. An event with more shows those that expire first.
MAX_OFFERS = 1_000


def list_waitlist(
    context: BookingContext,
    event_id: int,
    actor: Actor,
    *,
    limit: int,
    list_position: JsonObject | None,
    now: datetime,
) -> tuple[JsonObject, JsonObject | None]:
    """Return a page of those who wait for tickets of an event, who is next first.

    Returns:
        The body of the answer, and the list position of the next page, which is None at the end.
        The first page also has the open offers.

    Raises:
        EventNotFound, Forbidden: there is no such event, or the caller may not see who waits.
        ValidationFailed: the list position is malformed.
    """
    events.get_managed(context.db, event_id, actor)
    after = _parse_position(list_position, event_id) if list_position is not None else None
    found = listing.list_event_entries(context.db, event_id, after, limit + 1)
    holders = find_holders(context.db, [entry for entry, _view in found])
    rows = [{**view, "holder": show_holder(entry, holders)} for entry, view in found[:limit]]
    body: JsonObject = {"waitlist": rows, "limit": limit}
    if after is None:
        body["openOffers"] = _list_open_offers(context, event_id, now)
    if len(found) <= limit:
        return body, None
    return body, _render_position(found[limit - 1][0], event_id)


def _list_open_offers(context: BookingContext, event_id: int, now: datetime) -> list[JsonObject]:
    offers = store.find_open_offers(context.db, event_id, now, MAX_OFFERS)
    holders = find_holders(context.db, offers)
    return [
        {**render_offer(offer, now), "holder": show_holder(offer, holders)}
        for offer in follow_events(context.db, offers)
    ]


def _render_position(entry: WaitlistEntry, event_id: int) -> JsonObject:
    return {"of": event_id, "value": entry["sequence"], "id": str(entry["_id"])}


def _parse_position(cursor: JsonObject, event_id: int) -> EntryPosition:
    """Return the position in a cursor.

    Raises:
        InvalidCursor: it is not a cursor of this list.
    """
    if cursor.get("of") != event_id:
        raise paging.InvalidCursor
    sequence = paging.parse_cursor_int(cursor.get("value"))
    return EntryPosition(sequence, paging.parse_cursor_object_id(cursor.get("id")))
