"""The errors that requests about events and favorites raise."""

from eventapp.core.errors import AppError, Conflict, NotFound, ValidationFailed


class EventNotFound(NotFound):
    """No event has this id, or it is a draft that the caller may not see."""

    code, message = "event_not_found", "Event not found"


class OrganizerNotFound(NotFound):
    """No organizer has this id, or everyone sees none of the organizer's events."""

    code, message = "organizer_not_found", "Organizer not found"


class InvalidIndex(ValidationFailed):
    """The event has no ticket type or schedule entry at this index."""

    def __init__(self, part: str, field: str) -> None:
        """Name the part in the message, `ticket type` or `schedule`, and the field at fault."""
        super().__init__(f"Invalid {part} index", errors={field: ["The event has no such entry."]})


class NonexistentLocalTime(ValidationFailed):
    """A date or a local time does not exist in its zone, because clocks skip it."""

    code = "nonexistent_time"

    def __init__(self, field: str, zone_name: str) -> None:
        """Name the field at fault, such as `schedule.0.startTime`."""
        fault = f"Does not exist in {zone_name}: clocks skip it."
        super().__init__(f"Invalid {field}", errors={field: [fault]})


class TooManyPairs(ValidationFailed):
    """An event would have too many pairs of a ticket type and a schedule entry."""

    def __init__(self, limit: int) -> None:
        """Name the limit; both lists are at fault."""
        fault = f"Ticket types times dates: at most {limit}."
        errors = {"schedule": [fault], "ticketTypes": [fault]}
        super().__init__("Too many ticket types and dates", errors=errors)


class ScheduleInUse(Conflict):
    """An edit would drop a schedule entry that has active bookings or waiting places."""

    code = "schedule_in_use"


class InvalidSalesRules(ValidationFailed):
    """The optional fields of a ticket type contradict each other."""

    def __init__(self, faults: dict[str, list[str]]) -> None:
        """Take the messages by the path of the field at fault, one or more."""
        super().__init__(f"Invalid {next(iter(faults))}", errors=faults)


class TicketTypeNotFound(NotFound):
    """The event has no ticket type with this id."""

    code, message = "ticket_type_not_found", "Ticket type not found"


class ScheduleEntryNotFound(NotFound):
    """The event has no schedule entry with this id."""

    code, message = "schedule_entry_not_found", "Schedule entry not found"


class TicketsTaken(Conflict):
    """An edit would remove tickets that are sold, held or waited for."""

    code = "tickets_taken"


class QuotaNotFound(NotFound):
    """The event has no quota with this id."""

    code, message = "quota_not_found", "Quota not found"


class BelowSold(Conflict):
    """A quota would have fewer places than tickets that are sold and held."""

    code = "below_sold"

    def __init__(self, least: int) -> None:
        """Add the least possible capacity to the details."""
        super().__init__(f"Tickets sold or held already: {least}", least=least)


class QuotaInUse(Conflict):
    """An edit would drop the last ticket type or schedule entry that a quota names."""

    code = "quota_in_use"


class QuestionAnswered(Conflict):
    """The kind of a question that was answered can't change."""

    code, message = "question_answered", "The kind of a question that was answered can't change"


class QuestionInUse(Conflict):
    """An edit would drop the last ticket type that a question is for."""

    code = "question_in_use"


class LastTicketType(Conflict):
    """The only ticket type of an event can't be removed."""

    code, message = "last_ticket_type", "An event needs at least one ticket type"


class EventHasBookings(Conflict):
    """An event with sold or held tickets can't be deleted or become a draft."""

    code, message = "event_has_bookings", "The event has confirmed or held bookings"


class EditConflict(Conflict):
    """Other writes came between the read and the write of every attempt; nothing was written."""

    code, message = "edit_conflict", "The event is being changed by others; try again"


class EventBusy(AppError):
    """Other writes changed the event during each of many attempts; nothing was written."""

    status, code = 503, "event_busy"
    message = "Too many are changing this event at once; try again"

    def __init__(self) -> None:
        super().__init__(headers={"Retry-After": "1"})


class EventClosed(EventBusy):
    """The event stayed closed for as long as a request may wait; nothing was written."""

    message = "The tickets of this event are being counted; try again"


class EventOverloaded(EventBusy):
    """Too many changes of the stock are in flight; nothing was written."""

    message = "Too many changes of this event are unfinished; try again"


class AlreadyFavorited(Conflict):
    """The event is already one of the caller's favorites."""

    code, message = "already_favorited", "Already favorited"


class TooManyFavorites(Conflict):
    """The caller has as many favorites as are allowed."""

    code = "too_many_favorites"

    def __init__(self, limit: int) -> None:
        """Name the limit in the message."""
        super().__init__(f"At most {limit} favorites")


class CursorExpired(AppError):
    """Deletions may have been forgotten since the cursor was given."""

    status, code = 410, "cursor_expired"
    message = "The cursor is older than 30 days; begin again without one"


class FavoriteNotFound(NotFound):
    """The event is not one of the caller's favorites."""

    code, message = "favorite_not_found", "Favorite not found"
