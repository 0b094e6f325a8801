"""The link of a booking, which opens it without a login: `/b/<reference>?key=...`.

A link ends when its `BookingLink` changes: its holder rotates it, changes or resets the password,
changes the email, or is erased. The versions that it holds are raised by the same writes that make
these changes, so no process that dies leaves a link behind that is still good. It also ends
LIFETIME after the event. Every link of a booking is replaced at once, because they are equal.

A key is exchanged for a link token, with which the calls of the API are made that the permission
table allows: see `core.access.link_callers`.
"""

from datetime import datetime, timedelta
from typing import NamedTuple

from bson import ObjectId

from eventapp.accounts import service as accounts
from eventapp.bookings import booked_entries, store, store_links
from eventapp.bookings.context import BookingContext
from eventapp.bookings.errors import BookingNotFound, LinkEnded, LinkInvalid
from eventapp.bookings.types import LinkedBooking, StoredBooking
from eventapp.core.access.actor import Actor
from eventapp.core.access.booking_links import BookingLink
from eventapp.core.database import Db
from eventapp.notifications.types import Recipient

# Routes and pages may not import the errors.
__all__ = ["LinkInvalid"]

# The refusals that may be guesses of a key.
KEY_REFUSALS = (LinkInvalid,)
# How long after the end of the booked entry the link is good.
LIFETIME = timedelta(days=30)
TOKEN_LIFETIME = timedelta(minutes=15)


class OpenedLink(NamedTuple):
    """A link whose key was right.

    Attributes:
        booking: the booking that it opens.
        link: what a token for it must name.
        ends_at: when the link ends; None for a booking that its holder has opened without it.
    """

    booking: StoredBooking
    link: BookingLink
    ends_at: datetime | None


def make_link(context: BookingContext, booking: StoredBooking, holder: Recipient) -> str:
    """Return the URL of the page of a booking, for a mail to its holder.

    Whoever has the URL may read, pay and cancel the booking until 30 days after the event. So it
    belongs only into mails to the holder, into no log, no notification and no export.

    The URL ends with the email of the holder. So `holder` must be the recipient to whose address
    the mail goes, as `accounts.service.find_recipients` has returned it: the address and the
    version of it are then of one read. A mail that is stored keeps its URL; it must not be made
    again for a mail whose address was read earlier.

    Args:
        booking: a booking of this holder.
        holder: see above.
    """
    key = make_key(context, booking, holder)
    base_url = context.outbox.base_url.rstrip("/")
    return f"{base_url}/b/{booking['bookingReference']}?key={key}"


def make_key(context: BookingContext, booking: StoredBooking, holder: Recipient) -> str:
    """Return the key of the link of a booking: see `make_link`."""
    link = _describe_link(booking, holder.id, holder.credentials_version)
    return context.require_link_keys().make(link)


def _describe_link(
    booking: LinkedBooking | StoredBooking, user_id: ObjectId, credentials_version: int
) -> BookingLink:
    return BookingLink(booking["_id"], user_id, booking.get("linkVersion", 0), credentials_version)


def open_link(context: BookingContext, reference: str, key: str, now: datetime) -> OpenedLink:
    """Return the booking that a link opens.

    An unknown reference takes as long as a wrong key: both read a booking and an account, and
    compare a key.

    Args:
        reference: of the booking, in upper or lower case.

    Raises:
        LinkInvalid: there is no such booking, or the key is wrong or has ended.
    """
    found = store_links.find_by_reference(context.db, reference.upper())
    link = _find_present_link(context.db, found)
    no_link = BookingLink(ObjectId(), ObjectId(), 0, 0)
    is_right = context.require_link_keys().is_key(key, link or no_link)
    booking = store.find_booking(context.db, link.booking_id) if link and is_right else None
    if link is None or booking is None:
        raise LinkInvalid
    ends_at = find_end(context.db, booking)
    if ends_at <= now:
        raise LinkInvalid
    return OpenedLink(booking, link, ends_at)


def find_own_booking(
    context: BookingContext, reference: str, user_id: ObjectId
) -> OpenedLink | None:
    """Return a booking of a signed-in user, as its link opens it; None if it is not the user's.

    Its link may have ended after the event. The token for it is good nevertheless.
    """
    found = store_links.find_by_reference(context.db, reference.upper())
    link = _find_present_link(context.db, found)
    if link is None or link.user_id != user_id:
        return None
    booking = store.find_booking(context.db, link.booking_id)
    return OpenedLink(booking, link, None) if booking else None


def _find_present_link(db: Db, booking: LinkedBooking | None) -> BookingLink | None:
    """Return the link that a booking has now; None if it has none."""
    user_id = (booking and booking["userId"]) or ObjectId()
    holder = accounts.find_recipients(db, [user_id]).get(user_id)
    if booking is None or holder is None:
        return None
    return _describe_link(booking, user_id, holder.credentials_version)


def is_current(db: Db, link: BookingLink) -> bool:
    """Return whether a link is the one that its booking has now."""
    return link == _find_present_link(db, store_links.find(db, link.booking_id))


def find_end(db: Db, booking: StoredBooking) -> datetime:
    """Return when the link of a booking ends, if nothing ends it before."""
    return booked_entries.find_end(db, booking) + LIFETIME


def limit_token(opened: OpenedLink, now: datetime) -> datetime:
    """Return when a token for a link that was just opened expires."""
    expires_at = now + TOKEN_LIFETIME
    return min(expires_at, opened.ends_at) if opened.ends_at else expires_at


def rotate_link(context: BookingContext, booking_id: ObjectId, actor: Actor, now: datetime) -> str:
    """Replace the link of a booking of the caller, so that earlier ones end, and return it.

    Raises:
        BookingNotFound: there is no such booking, or it is another user's.
        LinkEnded: the event was over too long ago. Nothing is written.
    """
    user_id = actor.require_user_id()
    booking = store.find_booking(context.db, booking_id)
    if booking is None or booking["userId"] != user_id:
        raise BookingNotFound
    if find_end(context.db, booking) <= now:
        raise LinkEnded
    replaced = store_links.replace_link(context.db, booking_id, user_id)
    holder = accounts.find_recipients(context.db, [user_id]).get(user_id)
    if replaced is None or holder is None:
        raise BookingNotFound
    return make_link(context, replaced, holder)
