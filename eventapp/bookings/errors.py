"""Why a booking can't be made, changed or found."""

from eventapp.core.errors import Conflict, NotFound


class BookingNotFound(NotFound):
    code, message = "booking_not_found", "Booking not found"


class SoldOut(Conflict):
    """`available` tickets are left of the types asked for, `ticketTypes` says of which."""

    code, message = "sold_out", "Not enough tickets are left"


class AlreadyBooked(Conflict):
    code, message = "already_booked", "You have an active booking of this event"


class TicketLimit(Conflict):
    code = "ticket_limit_exceeded"


class OfferUnderWay(Conflict):
    code, message = "offer_under_way", "You are just being made an offer; try again"


class EventPast(Conflict):
    code, message = "event_past", "This date is over"


class IdempotencyMismatch(Conflict):
    code = "idempotency_mismatch"
    message = "This Idempotency-Key came with another body before"


class CancellationClosed(Conflict):
    code, message = "cancellation_closed", "It is too late to cancel this booking"


class NotCancellable(Conflict):
    code, message = "not_cancellable", "The booking has expired"


class NotHeld(Conflict):
    code, message = "not_held", "The booking is not held"


class HoldExpired(Conflict):
    """The hold is over; a payment that came too late is refunded (`refund`)."""

    code, message = "hold_expired", "The hold has expired; nothing was charged"


class PaymentFailed(Conflict):
    code, message = "payment_failed", "The payment was refused; the tickets are still held"


class NoOffer(NotFound):
    code, message = "no_offer", "There is no open offer for you"
