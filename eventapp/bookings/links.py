"""The link of a booking, which opens it without a login: `/b/<reference>?key=...`.

A link ends when its `BookingLink` changes: its holder rotates it, changes or resets the password,
changes the email, or is erased. The versions that it holds are raised by the same writes that make
these changes, so no process that dies leaves a link behind that is still good.
"""

from eventapp.bookings.context import BookingContext
from eventapp.bookings.types import StoredBooking
from eventapp.core.access.booking_links import BookingLink
from eventapp.notifications.types import Recipient


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
    link = BookingLink(
        booking["_id"], holder.id, booking.get("linkVersion", 0), holder.credentials_version
    )
    key = context.require_link_keys().make(link)
    base_url = context.outbox.base_url.rstrip("/")
    return f"{base_url}/b/{booking['bookingReference']}?key={key}"
