"""Decide which organizers have a public page, and list the upcoming events on it.

An organizer has a page if the account may have events, and if lists of past or upcoming events show
one of them to everyone. All other ids are refused alike, so that the page tells nothing of other
accounts, of drafts, and of events whose ticket types are all hidden or secret.
"""

from datetime import datetime

from bson import ObjectId

from eventapp.accounts.organizers import may_organize
from eventapp.core import paging
from eventapp.core.access.actor import Actor
from eventapp.core.database import Db
from eventapp.core.paging import PageRequest
from eventapp.events import listing
from eventapp.events import store_ownership as store
from eventapp.events.cache.event_cache import EventCache
from eventapp.events.errors import OrganizerNotFound as OrganizerNotFound
from eventapp.events.list_requests import make_list_request


def get_shown_name(db: Db, organizer_id: ObjectId) -> str:
    """Return the name of the organizer that the newest event of a public page shows.

    Upcoming events are preferred to past ones.

    Raises:
        OrganizerNotFound: the organizer has no page.
    """
    name = store.find_public_name(db, organizer_id)
    if name is None or not may_organize(db, organizer_id):
        raise OrganizerNotFound
    return name


def has_page(db: Db, organizer_id: ObjectId | None) -> bool:
    """Return whether an organizer has a public page. That of sample events, None, has none."""
    try:
        return organizer_id is not None and bool(get_shown_name(db, organizer_id))
    except OrganizerNotFound:
        return False


def count_upcoming(db: Db, organizer_id: ObjectId) -> int:
    """Return the number of upcoming events that everyone may see in lists.

    It is exact up to COUNT_LIMIT, and then stays there.
    """
    return store.count_listed(db, organizer_id, limit=paging.COUNT_LIMIT)


def list_upcoming(
    db: Db,
    organizer_id: ObjectId,
    page: PageRequest,
    *,
    event_cache: EventCache,
    actor: Actor,
    now: datetime,
    image_base_url: str,
) -> tuple[bytes, str]:
    """Return a page of the upcoming events of an organizer, soonest first, and its ETag.

    The page is that of the list of all events with a filter for the organizer, and its cursors
    continue both lists.

    Args:
        now: the time by the database's clock.

    Raises:
        OrganizerNotFound: the organizer has no page.
        ValidationFailed: the cursor belongs to another list, or the page begins after the last row
            that a page number can reach.
    """
    get_shown_name(db, organizer_id)
    cursor_query = {"organizerId": str(organizer_id), "sortBy": "date"}
    position = page.list_position
    if position is not None and position.get("query") != cursor_query:
        raise paging.InvalidCursor
    request = make_list_request(
        {"organizerId": organizer_id, "sortBy": "date", "upcoming": True, "mine": False},
        page=page.page,
        limit=page.limit,
        position=position,
        cursor_query=cursor_query,
    )
    return listing.list_events(
        db, request, event_cache=event_cache, actor=actor, now=now, image_base_url=image_base_url
    )
