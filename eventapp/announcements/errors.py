"""Why an announcement cannot be written, found or deleted."""

from eventapp.core.errors import Conflict, NotFound


class AnnouncementNotFound(NotFound):
    """The event has no announcement with this id."""

    code, message = "announcement_not_found", "Announcement not found"


class AnnouncementSent(Conflict):
    """The announcement is sent, is being sent, or was withdrawn, so it cannot be deleted."""

    code, message = "announcement_sent", "This announcement is not waiting to be sent any more"


class AnnouncementLimit(Conflict):
    """As many announcements of the event as are allowed are sent on that day: `limit`, `day`."""

    code = "announcement_limit"


class EventCancelled(Conflict):
    """Nobody holds a booking of a cancelled event any more."""

    code, message = "event_cancelled", "The event is cancelled; its bookings are, too"
