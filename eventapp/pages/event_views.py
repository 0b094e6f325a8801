"""The page of an event: its dates, its ticket types, and what can be booked of them."""

from collections.abc import Container, Iterable
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlencode

from eventapp.core.database import Db
from eventapp.events import public_events
from eventapp.events.bodies import (
    EventView,
    PairView,
    ScheduleEntryView,
    TicketTypeView,
)
from eventapp.events.popularity import POPULARITY as POPULARITY
from eventapp.events.popularity import Popularity
from eventapp.events.public_events import PublicEvent
from eventapp.pages.list_views import choose_picture
from eventapp.pages.plain_text import Piece, split_text

MAP = "https://www.openstreetmap.org"
MAP_ZOOM = 17
ON_SALE, SCHEDULED, SOLD_OUT = "on_sale", "scheduled", "sold_out"


@dataclass(frozen=True)
class DateView:
    """A date of an event, from its schedule.

    Attributes:
        day: `YYYY-MM-DD`.
        start, end, doors: local times, `HH:MM`; empty if they are not known.
        zone: an IANA name.
        map_url: a map of the place.
        is_over: whether nobody can book it any more because of the time.
        is_sold_out: whether every ticket type is sold out for this date.
        sold_out_types: the names of the types that are, if others are not.
    """

    schedule_id: int
    day: str
    start: str
    end: str
    doors: str
    zone: str
    location: str
    map_url: str
    is_over: bool
    is_sold_out: bool
    sold_out_types: tuple[str, ...]


@dataclass(frozen=True)
class EventPage:
    """An event as its page shows it.

    Attributes:
        view: the event as the API answers it.
        image: where its picture is; empty without one that a page may show.
        entries: those of its schedule that are not over, soonest first; of an event that is over,
            all.
        dates: the same entries, as the page shows them.
        organizer_path: the page of its organizer; None if there is none.
        location: where it is on all of its dates; None if it is in several places.
        map_url: a map of that place.
        paragraphs: of the description.
        types: the ticket types that everyone sees.
        pairs: what can be booked of each type on each date.
        is_cancelled, is_over: whether it does not take place, or did already.
    """

    view: EventView
    image: str
    entries: list[ScheduleEntryView]
    dates: list[DateView]
    organizer_path: str | None
    location: str | None
    map_url: str
    paragraphs: list[list[list[Piece]]]
    types: list[TicketTypeView]
    pairs: list[PairView]
    is_cancelled: bool
    is_over: bool

    @property
    def event_id(self) -> int:
        """The eventId."""
        return self.view["eventId"]

    @property
    def is_listed(self) -> bool:
        """Whether lists show it, so that search engines may, too."""
        return bool(self.types)

    @property
    def has_one_zone(self) -> bool:
        """Whether the times of all dates are those of one zone."""
        return len({each.zone for each in self.dates}) == 1

    @property
    def can_be_booked(self) -> bool:
        """Whether its page has a form to book: for tickets, a waitlist, or a promo code."""
        return not (self.is_cancelled or self.is_over)

    @property
    def is_on_sale(self) -> bool:
        """Whether anybody can book it now."""
        return any(each["saleState"] == ON_SALE for each in self.types)


def show_event(
    db: Db, event_id: int, *, popularity: Popularity, now: datetime, image_base_url: str
) -> EventPage:
    """Return the page of an event as everyone sees it.

    Args:
        now: the time by the database's clock.

    Raises:
        EventNotFound: there is no such event, or it is a draft.
    """
    found = public_events.show_public_event(
        db, event_id, popularity=popularity, now=now, image_base_url=image_base_url
    )
    return make_event_page(found, image_base_url)


def make_event_page(found: PublicEvent, image_base_url: str) -> EventPage:
    """Return the page of an event that was read."""
    view = found.view
    places = {(each["location"], each.get("lat"), each.get("lng")) for each in view["schedule"]}
    has_one_place = len(places) == 1
    entries = _list_entries(view, found.bookable_ids)
    return EventPage(
        view=view,
        image=choose_picture(view["image"], image_base_url),
        entries=entries,
        dates=_make_dates(found, entries),
        organizer_path=f"/o/{view['organizerId']}" if found.has_organizer_page else None,
        location=view["schedule"][0]["location"] if has_one_place else None,
        map_url=make_map_url(view["schedule"][0]),
        paragraphs=split_text(view["description"]),
        types=view["ticketTypes"],
        pairs=found.pairs,
        is_cancelled=view["status"] == "cancelled",
        is_over=found.is_over,
    )


def _list_entries(view: EventView, bookable_ids: Container[int]) -> list[ScheduleEntryView]:
    """Return the entries that are not over, soonest first; all, if all are over."""
    entries = sorted(view["schedule"], key=lambda each: (each["date"], each.get("startTime", "")))
    return [each for each in entries if each["scheduleId"] in bookable_ids] or entries


def _make_dates(found: PublicEvent, entries: Iterable[ScheduleEntryView]) -> list[DateView]:
    names = {each["ticketTypeId"]: each["type"] for each in found.view["ticketTypes"]}
    states: dict[int, dict[str, str]] = {}
    for pair in found.pairs:
        states.setdefault(pair["scheduleId"], {})[names[pair["ticketTypeId"]]] = pair["saleState"]
    return [
        _make_date(entry, states.get(entry["scheduleId"], {}), found.bookable_ids)
        for entry in entries
    ]


def _make_date(
    entry: ScheduleEntryView, states: dict[str, str], bookable_ids: frozenset[int]
) -> DateView:
    """Return a date; `states` are the sale states of the ticket types by their names."""
    sold_out = tuple(name for name, state in states.items() if state == SOLD_OUT)
    is_open = any(state in (ON_SALE, SCHEDULED) for state in states.values())
    return DateView(
        schedule_id=entry["scheduleId"],
        day=entry["date"],
        start=entry.get("startTime", ""),
        end=entry.get("endTime", ""),
        doors=entry.get("doorsTime", ""),
        zone=entry["timezone"],
        location=entry["location"],
        map_url=make_map_url(entry),
        is_over=entry["scheduleId"] not in bookable_ids,
        is_sold_out=bool(sold_out) and not is_open,
        sold_out_types=sold_out if is_open else (),
    )


def make_map_url(entry: ScheduleEntryView) -> str:
    """Return the address of a map: of the position of an entry, else of its location."""
    if "lat" in entry and "lng" in entry:
        latitude, longitude = entry["lat"], entry["lng"]
        query = urlencode({"mlat": latitude, "mlon": longitude})
        return f"{MAP}/?{query}#map={MAP_ZOOM}/{latitude}/{longitude}"
    return f"{MAP}/search?{urlencode({'query': entry['location']})}"
