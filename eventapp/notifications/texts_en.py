"""The English texts of notifications, in the app and by mail: see `texts`."""

MONTHS = (
    *("January", "February", "March", "April", "May", "June", "July", "August", "September"),
    *("October", "November", "December"),
)
TEXTS: dict[str, str | tuple[str, str]] = {
    "greeting": "Hello",
    "greeting_by_name": "Hello {name}",
    "tickets": ("{count} ticket", "{count} tickets"),
    "event": "{title} on {date}, {location}",
    "price": "at {unit} = {total} {currency}",
    "free": "free",
    "deadline": "{day:02} {month}, {time} UTC",
    "refund": ("{amount} {currency} is refunded.", "{amount} {currency} are refunded."),
    # Notifications.
    "booking_confirmed.title": "Booking confirmed: {title}",
    "booking_confirmed.message": "Your booking {reference} of {tickets} for {event} is confirmed.",
    "booking_cancelled.title": "Booking cancelled: {title}",
    "booking_cancelled.message": "Your booking {reference} of {tickets} for {event} is cancelled.",
    "tickets_cancelled.title": ("Ticket cancelled: {title}", "Tickets cancelled: {title}"),
    "tickets_cancelled.message": (
        "{tickets} of your booking {reference} for {event} is cancelled; {left}.",
        "{tickets} of your booking {reference} for {event} are cancelled; {left}.",
    ),
    "tickets_cancelled.left": ("{count} is left", "{count} are left"),
    "booking_expired.title": "Booking expired: {title}",
    "booking_expired.message": (
        "The time to confirm {reference} of {tickets} for {event} is over; the ticket is free "
        "again.",
        "The time to confirm {reference} of {tickets} for {event} is over; the tickets are free "
        "again.",
    ),
    "payment_refunded.title": "Payment refunded: {title}",
    "payment_refunded.message": (
        "Your payment for booking {reference} of {event} came too late: the ticket was no longer "
        "held.",
        "Your payment for booking {reference} of {event} came too late: the tickets were no longer "
        "held.",
    ),
    "waitlist_offer.title": ("A ticket for you: {title}", "Tickets for you: {title}"),
    "waitlist_offer.message": (
        "You waited for {event}: {tickets} is kept for you until {until}. Accept the offer before "
        "then.",
        "You waited for {event}: {tickets} are kept for you until {until}. Accept the offer before "
        "then.",
    ),
    "waitlist_closed.title": "Waitlist closed: {title}",
    "waitlist_closed.message": "{reason} You are no longer on the waitlist for {awaited}.",
    "waitlist_closed.awaited": "{tickets} on {date}, {location}",
    "waitlist_closed.event_cancelled": "{title} does not take place.",
    "waitlist_closed.event_deleted": "{title} is no longer offered.",
    "waitlist_closed.event_over": "{title} is over.",
    "waitlist_closed.entry_over": "The date of {title} that you waited for is over.",
    "waitlist_closed.ticket_limit": "You have as many tickets of {title} as one person may have.",
    "event_changed.title": "Event changed: {title}",
    "event_changed.message": "Your booking {reference} is now for {event}.",
    "event_changed.other_dates": (
        "You have booking {reference} for {event}. The event now takes place: {dates}."
    ),
    "event_cancelled.title": "Event cancelled: {title}",
    "event_cancelled.message": (
        "{event} does not take place. Your booking {reference} is cancelled."
    ),
    "low_tickets.title": ("One ticket left: {title}", "Few tickets left: {title}"),
    "low_tickets.message": (
        "Only {tickets} left of {event}, one of your favorites.",
        "Only {tickets} left of {event}, one of your favorites.",
    ),
    "announcement.introduction": "{organizer} writes to everybody who has booked {title}:",
    "webhook_disabled.title": "Webhook disabled: {host}",
    "webhook_disabled.message": (
        "Your webhook at {host} has not accepted a delivery for three days, so nothing is sent to "
        "it any more. Mend the receiver, and then enable the webhook again: what is pending is "
        "sent then."
    ),
    "report.daily": "Your daily report: {first}",
    "report.weekly": "Your weekly report: {first}",
    "report.message": (
        "What was booked of your events from {first} to {last} (UTC), less what was cancelled."
    ),
    # Parts of the mails of notifications.
    "label.reference": "Reference",
    "label.date": "Date",
    "label.place": "Place",
    "label.discount": "Discount",
    "label.total": "Total",
    "ticket_codes": "Ticket codes",
    "ticket_code": "Ticket {number}",
    "link.booking": "Your booking",
    "link.event": "The event",
    "link.api": "The documentation of the API",
    "link.dashboard": "The dashboard",
    "unsubscribe.organizer": "Get no more announcements of this organizer by mail",
    "unsubscribe.all": "Get no more announcements by mail",
    "report.event": "Event",
    "report.booked": "Booked",
    "report.tickets": "Tickets",
    "report.gross": "Gross",
    "report.discount": "Discount",
    "report.ended": "Ended",
    "report.together": "Together",
    "report.money": "Money that moved in this time:",
    "report.charged": "Charged",
    "report.refunded": "Refunded",
    "report.fees": "Fees",
    "report.net": "Net, {currency}",
    "report.row": "{title}: {bookings} booked, {tickets}, {revenue} {currency}",
    "report.row_discount": " ({gross} less a discount of {discount})",
    "report.row_ended": "; {ended} cancelled or expired",
    "report.row_money": ("; money: {charged} charged, {refunded} refunded, {fees} fees, {net} net"),
    # What a reset of the password has ended.
    "ended.sessions": (
        "{count} session: wherever you were signed in, also in the Android app",
        "{count} sessions: wherever you were signed in, also in the Android app",
    ),
    "ended.api_tokens": (
        "{count} API token of your account",
        "{count} API tokens of your account",
    ),
    "ended.devices": (
        "{count} door device that you have paired",
        "{count} door devices that you have paired",
    ),
    "ended.pending_email": "a change of your email address that was not verified yet",
    "ended.links": (
        "every link in an earlier mail about your account, but not one that puts an address back"
    ),
}
