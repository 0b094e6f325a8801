"""Rules of events: derived fields, what edits show, and events as answers present them."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, time
from typing import NamedTuple, cast

from eventapp.core.textsearch import fold_text
from eventapp.events.bodies import (
    EventView,
    ScheduleEntryView,
)
from eventapp.events.questions import present_questions
from eventapp.events.quotas import count_together
from eventapp.events.relevance import make_search_texts
from eventapp.events.ticket_types import (
    count_public,
    find_bookable,
    find_empty_stocks,
    is_sold_out,
    list_visible_types,
    may_be_named,
    present_ticket_types,
)
from eventapp.events.types import (
    DISTANCE,
    Closable,
    DerivedFields,
    DerivedTextFields,
    Event,
    EventWrite,
    ListedParts,
    LowTicketsEvent,
    SaleState,
    ScheduleChange,
    ScheduleChangeFields,
    ScheduleEntry,
    SearchedTexts,
    Terms,
)

CATEGORIES = (
    "concert",
    "theater",
    "sports",
    "festival",
    "conference",
    "comedy",
    "workshop",
    "exhibition",
    "movie",
    "other",
)
DRAFT, PUBLISHED, CANCELLED, COMPLETED = "draft", "published", "cancelled", "completed"
EVENT_STATUSES = (DRAFT, PUBLISHED, CANCELLED, COMPLETED)
# The values of `sortBy`, each with the stored field that the list is sorted by, or DISTANCE.
SORTS = {
    "eventId": "eventId",
    "title": "titleKey",
    "date": "nextDate",
    "schedule.date": "nextDate",
    "price": "minPrice",
    "ticketTypes.price": "minPrice",
    "popularity": "popularity",
    "distance": DISTANCE,
}
# The most favorites of one owner (see `favorites.service`).
MAX_FAVORITES = 500
# An event is low on tickets when no more than FEW_TICKETS tickets, and no more than FEW_PERCENT of
# its capacity, can still be bought.
FEW_TICKETS, FEW_PERCENT = 10, 10
# The most schedule entries, ticket types and tags of one event.
MAX_ENTRIES, MAX_TYPES, MAX_TAGS = 366, 50, 50
# The most pairs of a ticket type and a schedule entry. Each may have a cell in the document, which
# every sale rewrites.
MAX_PAIRS = 2_000
# The stored fields that an answer shows, in its order: before and after `favorited`.
HEAD_FIELDS = (
    "_id",
    "eventId",
    "title",
    "description",
    "category",
    "image",
    "schedule",
    "ticketTypes",
)
TAIL_FIELDS = ("organizer", "organizerId", "tags", "status", "createdAt", "updatedAt", "__v")
# The stored fields of a schedule entry that an answer shows, in its order.
ENTRY_FIELDS = (
    *("scheduleId", "date", "startTime", "endTime", "doorsTime", "timezone"),
    *("location", "lat", "lng", "startsAt", "endsAt"),
)


def round_distance(distance: float) -> float:
    """Return a distance in km as answers show it, with two decimals."""
    return round(distance, 2)


def midnight(day: date) -> datetime:
    """Return the first moment of a day in UTC, in which form calendar dates are stored."""
    return datetime.combine(day, time.min, UTC)


def count_pairs(event: ListedParts) -> int:
    """Return how many pairs of a ticket type and a schedule entry an event has."""
    return len(event["ticketTypes"]) * len(event["schedule"])


def derive_fields(event: ListedParts, today: date) -> DerivedFields:
    """Return the fields by which lists are filtered and sorted.

    Those that depend on today, `listed` and `nextDate`, are updated by `service.start_day`.
    """
    dates = sorted(entry["date"] for entry in event["schedule"])
    types = event["ticketTypes"]
    public_types = list_visible_types(types, may_manage=False)
    upcoming = [moment for moment in dates if moment >= midnight(today)]
    return {
        "firstDate": dates[0],
        "lastDate": dates[-1],
        "nextDate": upcoming[0] if upcoming else dates[-1],
        "overAt": max(entry["overAt"] for entry in event["schedule"]),
        "public": event["status"] in (PUBLISHED, COMPLETED) and bool(public_types),
        "listed": event["status"] == PUBLISHED and bool(upcoming) and bool(public_types),
        "minPrice": min(ticket_type["price"] for ticket_type in public_types or types),
        "available": sum(ticket_type["availableTickets"] for ticket_type in types),
        **derive_text_fields(event),
    }


def derive_text_fields(event: SearchedTexts) -> DerivedTextFields:
    """Return the fields by which texts are compared and sorted."""
    return {
        "titleKey": fold_text(event["title"]),
        "places": sorted({fold_text(entry["location"]) for entry in event["schedule"]}),
        "tagKeys": sorted({fold_text(tag) for tag in event["tags"]}),
        **make_search_texts(event),
    }


def may_be_listed(event: Event) -> bool:
    """Return whether public lists may contain the event: it is no draft and has a public type."""
    is_draft = event["status"] == DRAFT
    return not is_draft and bool(list_visible_types(event["ticketTypes"], may_manage=False))


def was_ever_public(event: Event) -> bool:
    """Return whether lists for everyone contain the event, or did before an edit."""
    return event["public"] or "publicUntil" in event


def has_entry(schedule: Iterable[ScheduleEntry], date: datetime, location: str) -> bool:
    """Return whether a schedule has an entry with this date and location."""
    return any(entry["date"] == date and entry["location"] == location for entry in schedule)


def is_entry_in_use(event: Event, schedule_id: int) -> bool:
    """Return whether tickets of a schedule entry are sold or held, or somebody waits for them."""
    cells = event.get("cells", {}).get(str(schedule_id), {})
    queues = event.get("queues", {}).get(str(schedule_id), {})
    is_taken = any(count for counts in cells.values() for count in counts.values())
    return is_taken or any(queue["waiting"] for queue in queues.values())


def make_initial_fields(now: datetime) -> dict[str, object]:
    """Return the fields of an event that no request sets, as they are before anybody books."""
    return {
        "popularity": 0.0,
        "inFlight": {},
        "cellsCounted": True,
        "waitSequence": 0,
        "changedAt": now,
        "createdAt": now,
        "updatedAt": now,
        "rev": 0,
        "__v": 0,
    }


def is_shown_to_all(event: Event, patch: Mapping[str, object]) -> bool:
    """Return whether an edit changes more than secret ticket types, so that anybody may see it.

    If not, neither `__v` nor `updatedAt` may show that there was an edit.

    Args:
        event: the event before the edit.
        patch: the fields that the edit sets.
    """
    after = cast(Event, {**event, **patch})
    if all(map(may_be_named, [*event["ticketTypes"], *after["ticketTypes"]])):
        return True
    return _select_shown_parts(event) != _select_shown_parts(after)


def _select_shown_parts(event: Event) -> dict[str, object]:
    fields = cast(dict[str, object], event)
    shown = {name: fields.get(name) for name in (*HEAD_FIELDS, *TAIL_FIELDS)}
    # No edit changes who waits. But it may move the count of a queue to another stock.
    shown["ticketTypes"] = [
        {**each, "waiting": 0} for each in event["ticketTypes"] if may_be_named(each)
    ]
    shown["questions"] = present_questions(
        event.get("questions", []), event["ticketTypes"], may_manage=False
    )
    return shown


def make_schedule_change_fields(
    event: Event, schedule: Sequence[ScheduleEntry], status: str, now: datetime
) -> ScheduleChangeFields:
    """Return the fields that make the alerts job notify ticket holders of an edit.

    No fields are returned if the schedule keeps every entry with its date, times, zone and
    location, or if the event is not published.

    Args:
        event: the event before the edit.
        schedule, status: those of the event after the edit.
    """
    moves = {entry["scheduleId"]: entry["moves"] for entry in schedule}
    is_kept = all(moves.get(entry["scheduleId"]) == entry["moves"] for entry in event["schedule"])
    if status != PUBLISHED or is_kept:
        return {}
    change: ScheduleChange = {"at": now, "rev": event["rev"]}
    return {"tell": [*event.get("tell", ()), change], "tellAt": now}


def is_closed(event: Closable, now: datetime) -> bool:
    """Return whether the event is closed: nothing may change its stock or edit it."""
    return "closedUntil" in event and event["closedUntil"] > now


def is_low_on_tickets(event: LowTicketsEvent, now: datetime) -> bool:
    """Return whether the event can be booked and has few tickets of public types left."""
    public_types = list_visible_types(event["ticketTypes"], may_manage=False)
    capacity = sum(ticket_type["capacity"] for ticket_type in public_types)
    available = count_all_buyable(event, now)
    is_few = available <= FEW_TICKETS and available * 100 <= capacity * FEW_PERCENT
    return event["listed"] and is_few and available > 0


def count_all_buyable(event: LowTicketsEvent, now: datetime) -> int:
    """Return the most tickets of public types that anybody can buy now for one schedule entry."""
    public_types = list_visible_types(event["ticketTypes"], may_manage=False)
    return count_together(public_types, find_bookable(event, now), event.get("quotas", []))


def present_event(
    event: Event, *, favorited: bool, with_counts: bool, image_base_url: str, now: datetime
) -> EventView:
    """Return an event as answers present it.

    Args:
        favorited: whether it is a favorite of the caller.
        with_counts: show all types, with their sold and held tickets and capacity, which only the
            organizer and admins may see.
        image_base_url: what the URL of an uploaded photo (`/images/...`) begins with, such as
            `https://host`.
        now: the time by the database's clock.
    """
    view: dict[str, object] = {name: event.get(name) for name in HEAD_FIELDS}
    if event["image"].startswith("/"):
        view["image"] = image_base_url + event["image"]
    view["schedule"] = [_present_entry(entry) for entry in event["schedule"]]
    public = count_public(event, now)
    view["ticketTypes"] = present_ticket_types(event, public, with_counts=with_counts, now=now)
    view["favorited"] = favorited
    view.update({name: event.get(name) for name in TAIL_FIELDS})
    if questions := present_questions(
        event.get("questions", []), event["ticketTypes"], may_manage=with_counts
    ):
        view["questions"] = questions
    view["soldOut"] = is_sold_out(event, public)
    return cast(EventView, view)


def _present_entry(entry: ScheduleEntry) -> ScheduleEntryView:
    """Return a schedule entry as answers present it."""
    fields = cast(dict[str, object], entry)
    view = {name: fields[name] for name in ENTRY_FIELDS if name in fields}
    view["date"] = entry["date"].date().isoformat()
    return cast(ScheduleEntryView, view)


class ListState(NamedTuple):
    """The part of an event's state that decides which lists contain it, and in which order.

    Only edits and sales change it. Lists also depend on the time and on popularity, which are not
    part of it.

    Attributes:
        terms: of the stored event. Edits raise it, also those that change what can be bought
            without being shown, as an edit of a quota does.
        empty_stocks: for each ticket type, and then for each quota, whether nothing of it can be
            bought.
    """

    terms: int
    empty_stocks: tuple[bool, ...]


def get_list_state(event: Event | SaleState | EventWrite) -> ListState:
    """Return the list state of a stored event."""
    return ListState(get_terms(event), find_empty_stocks(event))


def get_terms(event: Terms) -> int:
    """Return how often an event was edited, also by edits that only its organizer can see."""
    return event.get("terms", 0)
