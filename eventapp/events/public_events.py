"""Show one event to the public, with what can be booked of it, by one read of the database."""

from dataclasses import dataclass
from datetime import datetime

from eventapp.core.access.actor import Actor
from eventapp.core.database import Db
from eventapp.events import availability, organizer_pages, rules, store, ticket_types
from eventapp.events.bodies import EventView, PairView
from eventapp.events.errors import EventNotFound
from eventapp.events.popularity import Popularity
from eventapp.events.service import may_see

NOBODY = Actor()


@dataclass(frozen=True)
class PublicEvent:
    """An event as everyone sees it at one moment.

    Attributes:
        view: the event as `GET /api/events/:id` answers it.
        bookable_ids: the scheduleIds of the entries that are not over.
        pairs: what can be booked, as `GET /api/events/:id/availability` answers it, all pages.
        is_over: whether all entries are over.
        has_organizer_page: whether its organizer has a public page.
    """

    view: EventView
    bookable_ids: frozenset[int]
    pairs: list[PairView]
    is_over: bool
    has_organizer_page: bool


def show_public_event(
    db: Db, event_id: int, *, popularity: Popularity, now: datetime, image_base_url: str
) -> PublicEvent:
    """Return an event as everyone sees it, and count the view for its popularity.

    Args:
        now: the time by the database's clock.

    Raises:
        EventNotFound: there is no such event, or it is a draft.
    """
    event = next(iter(store.find_events(db, [event_id])), None)
    if event is None or not may_see(event, NOBODY):
        raise EventNotFound
    popularity.add_view(event_id)
    return PublicEvent(
        view=rules.present_event(
            event, favorited=False, with_counts=False, image_base_url=image_base_url, now=now
        ),
        bookable_ids=frozenset(ticket_types.find_bookable(event, now)),
        pairs=availability.present_public_pairs(event, now),
        is_over=event["status"] == rules.COMPLETED or ticket_types.get_end(event) <= now,
        has_organizer_page=organizer_pages.has_page(db, event["organizerId"]),
    )
