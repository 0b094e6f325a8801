"""The errors of notifications."""

from eventapp.core.errors import NotFound


class NotificationNotFound(NotFound):
    """The user has no such notification."""

    code, message = "notification_not_found", "Notification not found"
