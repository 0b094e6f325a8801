"""What can be wrong with a call about events."""

from eventapp.core.errors import Conflict, NotFound, ValidationFailed


class EventNotFound(NotFound):
    code, message = "event_not_found", "Event not found"


class InvalidIndex(ValidationFailed):
    """`part` is `ticket type` or `schedule`."""

    def __init__(self, part: str) -> None:
        super().__init__(f"Invalid {part} index")


class TicketTypeNotFound(NotFound):
    code, message = "ticket_type_not_found", "Ticket type not found"


class TicketsTaken(Conflict):
    """The edit would drop or shrink what is already sold or held."""

    code = "tickets_taken"


class EventHasBookings(Conflict):
    code, message = "event_has_bookings", "The event has confirmed or held bookings"


class EditConflict(Conflict):
    """The event changed under every attempt of this edit; nothing was written."""

    code, message = "edit_conflict", "The event is being changed by others; try again"


class AlreadyFavorited(Conflict):
    code, message = "already_favorited", "Already favorited"


class TooManyFavorites(Conflict):
    code, message = "too_many_favorites", "At most 500 favorites"


class FavoriteNotFound(NotFound):
    code, message = "favorite_not_found", "Favorite not found"
