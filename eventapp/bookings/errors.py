"""Why a booking cannot be made, changed or found."""

from eventapp.core.errors import AppError, Conflict, NotFound, TooManyRequests


class BookingNotFound(NotFound):
    """There is no such booking, or the caller may not see it."""

    code, message = "booking_not_found", "Booking not found"


class LinkInvalid(NotFound):
    """The key does not open the booking: it is wrong or has ended, or there is no such booking."""

    code, message = "link_invalid", "This link is not valid, or has ended"


class LinkEnded(Conflict):
    """The booking has no link any more, because the event was over too long ago."""

    code, message = "link_ended", "A booking has a link until 30 days after the event"


class SoldOut(Conflict):
    """Too few tickets are left.

    `available` is the number of tickets left of all requested types, `ticketTypes` that of each.
    `limitedBy` names the types of which too few are left; for the organizer of the event and
    admins with the quota that is the reason, where it is not the stock of the type.
    """

    code, message = "sold_out", "Not enough tickets are left"


class AlreadyBooked(Conflict):
    """The user has an active booking of the event."""

    code, message = "already_booked", "You have an active booking of this event"


class OfferUnderWay(Conflict):
    """A waitlist offer to the user is being made and not yet stored."""

    code, message = "offer_under_way", "You are just being made an offer; try again"


class TemporaryFailure(AppError):
    """The request can succeed if it is sent again; nothing is written, or it is undone."""

    status = 503

    def __init__(self) -> None:
        super().__init__(headers={"Retry-After": "1"})


class RequestUnderWay(TemporaryFailure):
    """A request with the same Idempotency-Key has taken tickets and is not answered yet."""

    code = "request_under_way"
    message = "Your first request with this Idempotency-Key is not finished; try again"


class NoFreeReference(TemporaryFailure):
    """Each of several random booking references is in use."""

    code, message = "no_free_reference", "No booking reference was free; try again"


class CancellationClosed(Conflict):
    """The holder may no longer cancel: see `rules.compute_cancellation_deadline`."""

    code, message = "cancellation_closed", "It is too late to cancel this booking"


class NotCancellable(Conflict):
    """The booking has expired."""

    code, message = "not_cancellable", "The booking has expired"


class MailSentLately(TooManyRequests):
    """The mail of the booking was sent again a short time ago."""

    code, message = "mail_sent_lately", "This mail was sent again a short time ago"


class NotConfirmed(Conflict):
    """Only a confirmed booking has tickets that can be cancelled."""

    code, message = "not_confirmed", "The booking is not confirmed"


class NotEnoughTickets(Conflict):
    """More tickets of a type are to be cancelled than the booking has left.

    `ticketTypeId` is the type, and `left` the number of its tickets.
    """

    code, message = "not_enough_tickets", "The booking has fewer tickets of this type"


class TicketNotFound(NotFound):
    """The booking has never had a ticket with one of these ids."""

    code, message = "ticket_not_found", "Ticket not found"


class TicketCancelled(Conflict):
    """The tickets `ticketIds` were cancelled before."""

    code, message = "ticket_cancelled", "A ticket is cancelled already"


class TicketCheckedIn(Conflict):
    """A ticket is checked in, so neither it nor the whole booking can be cancelled."""

    code, message = "ticket_checked_in", "A ticket of this booking is checked in"


class NotHeld(Conflict):
    """The booking was cancelled and cannot be confirmed any more."""

    code, message = "not_held", "The booking is not held"


class HoldExpired(Conflict):
    """The hold has ended. If money came too late, `refund` is its refund."""

    code, message = "hold_expired", "The hold has expired; nothing was charged"


class AttemptNotFound(NotFound):
    """The booking has no such attempt to pay."""

    code, message = "attempt_not_found", "Attempt not found"


class PaymentUnderWay(Conflict):
    """The buyer can still pay the attempt `attemptId`, and at most one attempt is live."""

    code, message = "payment_under_way", "A payment of this booking is under way"


class PaymentFailed(Conflict):
    """The payment provider refused the payment; the booking is still held."""

    code, message = "payment_failed", "The payment was refused; the tickets are still held"


class ProviderUnavailable(TemporaryFailure):
    """The payment provider does not answer; the booking is still held.

    The same request begins one attempt to pay, however often it is repeated.
    """

    code = "payment_unavailable"
    message = "The payment provider does not answer; the tickets are still held"


class NoOffer(NotFound):
    """The user has no open waitlist offer for the event."""

    code, message = "no_offer", "There is no open offer for you"
