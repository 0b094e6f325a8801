"""Read what the account pages show, from the services of the features that store it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar, cast

from bson import ObjectId

from eventapp.accounts import mail_preferences, session_lists
from eventapp.accounts import service as accounts
from eventapp.accounts.types import RenderedSession, RenderedUser
from eventapp.bookings import service as bookings
from eventapp.bookings.bodies import BookingView
from eventapp.bookings.context import BookingContext
from eventapp.bookings.context import current_booking_context as current_booking_context
from eventapp.bookings.service import BookingPageRequest
from eventapp.core import paging
from eventapp.core.database import Db
from eventapp.events.organizer_pages import OrganizerNotFound
from eventapp.notifications import service as notifications
from eventapp.notifications.types import RenderedNotification
from eventapp.organizers import profiles
from eventapp.waitlist import listing as waitlist_lists
from eventapp.waitlist.types import EntryView

ROWS, MAX_ROWS = 20, 100  # of a page, and of a list that has one page
# The lists of bookings, by the value of `?show=`.
UPCOMING, PAST, CANCELLED = "upcoming", "past", "cancelled"


Row = TypeVar("Row")


@dataclass(frozen=True)
class Rows(Generic[Row]):
    """A page of a list.

    Attributes:
        page: its number, from 1.
        pages: how many there are.
    """

    rows: Sequence[Row]
    page: int
    pages: int


@dataclass(frozen=True)
class MailWishes:
    """Which mails a user wants.

    Attributes:
        announcements: whether announcements of organizers are mailed.
        organizers: the organizers whose announcements are not mailed: the account id, and the
            public name, which is None if there is none.
    """

    announcements: bool
    organizers: list[tuple[ObjectId, str | None]]


def list_open_holds(context: BookingContext, user_id: ObjectId, now: datetime) -> list[BookingView]:
    """Return the holds and offers that can still be paid or accepted, the next to end first."""
    request = BookingPageRequest(status="held", limit=MAX_ROWS)
    found = _list_bookings(context, user_id, request, now).rows
    held = [(each["expiresAt"], each) for each in found if each["expiresAt"]]
    return [each for expires_at, each in sorted(held, key=lambda pair: pair[0]) if expires_at > now]


def list_bookings(
    context: BookingContext, user_id: ObjectId, show: str, page: int, now: datetime
) -> Rows[BookingView]:
    """Return a page of bookings: confirmed ones of dates to come, of past dates, or cancelled ones.

    Args:
        show: UPCOMING, PAST or CANCELLED.
        page: the number of the page, from 1. All upcoming ones are on one page, the next first.
    """
    if show == UPCOMING:
        request = BookingPageRequest(status="confirmed", upcoming=True, limit=MAX_ROWS)
        found = _list_bookings(context, user_id, request, now)
        return Rows(sorted(found.rows, key=lambda each: each["date"]), 1, 1)
    if show == PAST:
        request = BookingPageRequest(status="confirmed", upcoming=False, page=page, limit=ROWS)
    else:
        request = BookingPageRequest(status="cancelled", page=page, limit=ROWS)
    return _list_bookings(context, user_id, request, now)


def _list_bookings(
    context: BookingContext, user_id: ObjectId, request: BookingPageRequest, now: datetime
) -> Rows[BookingView]:
    body = bookings.list_user_bookings(context, user_id, request, now)
    return Rows(cast(list[BookingView], body["bookings"]), request.page, body["pages"])


def list_waitlist(db: Db, user_id: ObjectId) -> list[EntryView]:
    """Return the places of a user on waitlists, newest first, and at most MAX_ROWS."""
    body, _ = waitlist_lists.list_entries(db, user_id, paging.PageRequest(limit=MAX_ROWS))
    return cast(list[EntryView], body["waitlist"])


def list_notifications(
    db: Db, user_id: ObjectId, page: int
) -> tuple[Rows[RenderedNotification], int]:
    """Return a page of the notifications of a user, newest first, and how many are unread."""
    request = notifications.PageRequest(page=page, limit=ROWS)
    body, _ = notifications.list_notifications(db, user_id, request)
    found = cast(list[RenderedNotification], body["notifications"])
    return Rows(found, page, body["pages"]), body["unreadCount"]


def list_sessions(
    db: Db, user_id: ObjectId, current_id: ObjectId, now: datetime
) -> list[RenderedSession]:
    """Return the sessions of a user, newest first, and at most MAX_ROWS."""
    body, _ = session_lists.list_sessions(
        db, user_id, current_id=current_id, page=1, limit=MAX_ROWS, older_than=None, now=now
    )
    return cast(list[RenderedSession], body["sessions"])


def get_user(db: Db, user_id: ObjectId) -> RenderedUser:
    """Return an account as its owner sees it."""
    return accounts.render_user(accounts.get_user(db, user_id), "")


def get_mail_wishes(db: Db, user_id: ObjectId) -> MailWishes:
    """Return which mails a user wants."""
    preferences = mail_preferences.render_preferences(accounts.get_user(db, user_id))
    organizers = [
        (each, _find_organizer_name(db, each)) for each in preferences["unsubscribedOrganizers"]
    ]
    return MailWishes(preferences["announcements"], organizers)


def _find_organizer_name(db: Db, organizer_id: ObjectId) -> str | None:
    try:
        return profiles.show_profile(db, organizer_id, "")["name"]
    except OrganizerNotFound:
        return None
